/** What an agent did, in lines for a person. Pure: from an item of a turn, live or stored. */
import { withoutShell } from "@effect-codex/client/Approvals"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as Duration from "effect/Duration"
import { isAbsolute, relative, sep } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { type Line, line, type Span, span } from "./lines.ts"
import { visible } from "./text.ts"

export type Item = TurnResult["items"][number]
export type ItemOf<T extends Item["type"]> = Extract<Item, { readonly type: T }>

/** Whether a message belongs to the answer. Models without phases omit the phase. */
export const isAnswer = (message: { readonly phase?: ItemOf<"agentMessage">["phase"] }): boolean =>
  (message.phase ?? "final_answer") === "final_answer"

/** What is running, in a few words. */
export const labelOf = (item: Item): string | undefined => {
  switch (item.type) {
    case "userMessage":
      return undefined
    case "reasoning":
      return "thinking"
    case "agentMessage":
      // Commentary is printed when complete; until then it counts as thinking.
      return isAnswer(item) ? "writing" : "thinking"
    case "plan":
      return "planning"
    case "commandExecution":
      return `running \`${visible(commandOf(item.command), 200)}\``
    case "fileChange":
      return `editing ${shortList(sorted(item.changes).map(({ path }) => path.split(/[\\/]/).at(-1) ?? path))}`
    case "mcpToolCall":
      return `calling ${item.server}/${item.tool}`
    case "dynamicToolCall":
      return `calling ${item.tool}`
    case "collabAgentToolCall":
      return item.tool === "spawnAgent"
        ? "starting a subagent"
        : item.tool === "wait"
        ? "waiting for subagents"
        : "talking to a subagent"
    case "subAgentActivity":
      return undefined
    case "webSearch":
      return item.query === "" ? "searching the web" : `searching the web for ${item.query}`
    case "contextCompaction":
      return "compacting the conversation"
    default:
      return `working (${item.type})`
  }
}

/** What was done. Nothing for the answer, which is shown elsewhere. */
export const linesOf = (item: Item, cwd: string | undefined): ReadonlyArray<Line> => {
  switch (item.type) {
    case "reasoning":
      return item.summary.filter((text) => text.trim() !== "").map((text) =>
        line(span(`thought: ${short(text)}`, "dim"))
      )
    case "agentMessage":
      return isAnswer(item) || item.text.trim() === "" ? [] : paragraph(item.text)
    case "commandExecution":
      return commandLines(item)
    case "fileChange":
      return changeLines(item, cwd)
    case "mcpToolCall":
      return [
        item.error === null
          ? line(`called ${item.server}/${item.tool}`)
          : line(span(`${item.server}/${item.tool} failed`, "red"), `: ${short(item.error.message)}`)
      ]
    case "dynamicToolCall":
      return [item.success === false ? line(span(`${item.tool} failed`, "red")) : line(`called ${item.tool}`)]
    case "collabAgentToolCall":
      return agentLines(item)
    case "webSearch":
      return [line(`searched the web for ${short(item.query)}`)]
    case "imageView":
      return [line(`looked at ${pathFrom(cwd, item.path)}`)]
    case "contextCompaction":
      return [line("compacted the conversation")]
    default:
      return []
  }
}

// =============================================================================
// Commands
// =============================================================================

/** A command on one line, without the shell around it. */
export const commandOf = (command: string): string => oneLine(withoutShell(command))

/** The last lines of a failed command's output that are shown. */
const outputLines = 10
const outputWidth = 200

const commandLines = (item: ItemOf<"commandExecution">): ReadonlyArray<Line> => {
  const command = `\`${visible(commandOf(item.command), 500)}\``
  if (item.status === "declined") return [line(span(`did not run ${command}: it was declined`, "yellow"))]
  const time = (item.durationMs ?? 0) < 100 ? "" : ` in ${seconds(item.durationMs ?? 0)}`
  const code = (item.exitCode ?? 0) === 0 ? "" : `, exit code ${item.exitCode}`
  if (item.status !== "failed" && code === "") return [line(`ran ${command}${time}`)]
  const what = code === "" ? `could not run ${command}` : `ran ${command}${time}${code}`
  return [line(span(what, "red")), ...lastLines(item.aggregatedOutput ?? "")]
}

const lastLines = (output: string): ReadonlyArray<Line> => {
  // Only the end is looked at: an output can be megabytes long.
  const end = output.slice(-20_000)
  const lines = stripVTControlCharacters(end).split("\n")
    // A progress bar writes its line again and again.
    .map((text) => text.replace(/\r+$/, "").split("\r").at(-1) ?? "")
    .filter((text) => text.trim() !== "")
  const shown = lines.slice(-outputLines)
  const isCut = lines.length > shown.length || end.length < output.length
  return [
    ...isCut ? [quoted("…")] : [],
    ...shown.map((text) => quoted(text.length > outputWidth ? `${text.slice(0, outputWidth)}…` : text))
  ]
}

// Indented, so that no output looks like a line of this program.
const quoted = (text: string): Line => ({ spans: [span("    "), span(text.trimEnd(), "dim")], hang: 6 })

// =============================================================================
// Files
// =============================================================================

const shownFiles = 20

const verbs: { readonly [kind: string]: string } = { add: "added", delete: "deleted", update: "edited" }

// codex lists them in no order.
const sorted = (changes: ItemOf<"fileChange">["changes"]) =>
  [...changes].sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0)

const changeLines = (item: ItemOf<"fileChange">, cwd: string | undefined): ReadonlyArray<Line> => {
  const { status } = item
  const changes = sorted(item.changes)
  const names = changes.map(({ path }) => pathFrom(cwd, path))
  if (status !== "completed") {
    const what = `edit ${shortList(names)}`
    return [
      status === "declined"
        ? line(span(`did not ${what}: it was declined`, "yellow"))
        : line(span(`could not ${what}`, "red"))
    ]
  }
  const shown = changes.slice(0, shownFiles).map((change, i) => {
    const { kind } = change
    const moved = kind.type === "update" && "move_path" in kind && typeof kind.move_path === "string"
      ? ` → ${pathFrom(cwd, kind.move_path)}`
      : ""
    const verb = moved === "" ? verbs[kind.type] ?? "changed" : "moved"
    return line(`${verb} ${names[i]}${moved}`, ...countSpans(countsOf(change)))
  })
  const rest = changes.slice(shownFiles).map(countsOf)
  if (rest.length === 0) return shown
  const sum = rest.reduce((all, one) => ({ added: all.added + one.added, removed: all.removed + one.removed }))
  return [...shown, line(`… and ${rest.length} more files`, ...countSpans(sum))]
}

interface Counts {
  readonly added: number
  readonly removed: number
}

/** The lines that a change adds and removes. */
export const countsOf = ({ diff, kind }: ItemOf<"fileChange">["changes"][number]): Counts => {
  // docs/codex-behaviour.md, "A file that comes or goes has its text in place of a diff".
  if (kind.type === "add") return { added: linesIn(diff), removed: 0 }
  if (kind.type === "delete") return { added: 0, removed: linesIn(diff) }
  // Before the first hunk are the names of the files.
  const start = diff.startsWith("@@") ? 0 : diff.indexOf("\n@@")
  const hunks = start === -1 ? diff : diff.slice(start)
  return { added: (hunks.match(/^\+/gm) ?? []).length, removed: (hunks.match(/^-/gm) ?? []).length }
}

const linesIn = (text: string): number => text === "" ? 0 : text.replace(/\n$/, "").split("\n").length

const countSpans = ({ added, removed }: Counts): ReadonlyArray<Span> => [
  ...added === 0 ? [] : [span(` +${number(added)}`, "green")],
  ...removed === 0 ? [] : [span(` -${number(removed)}`, "red")]
]

/** A path as a person in the folder would write it. */
export const pathFrom = (cwd: string | undefined, path: string): string => {
  if (cwd === undefined || !isAbsolute(path)) return path
  const near = relative(cwd, path)
  return near === "" || near === ".." || near.startsWith(`..${sep}`) || isAbsolute(near) ? path : near
}

// =============================================================================
// Subagents
// =============================================================================

const agentLines = (item: ItemOf<"collabAgentToolCall">): ReadonlyArray<Line> => {
  const task = item.prompt === null || item.prompt.trim() === "" ? "" : `: ${short(item.prompt)}`
  switch (item.tool) {
    case "spawnAgent":
      return [
        item.status === "failed"
          ? line(span("could not start a subagent", "red"), task)
          : line(`started a subagent${task}`)
      ]
    case "sendInput":
      return [line(`told a subagent${task}`)]
    case "wait":
      return Object.values(item.agentsStates).flatMap((state) =>
        state === undefined || state.status === "running" || state.status === "pendingInit"
          ? []
          : [line(`subagent ${state.status}${state.message === null ? "" : `: ${short(state.message)}`}`)]
      )
    default:
      return []
  }
}

// =============================================================================
// Plans
// =============================================================================

export interface Step {
  readonly step: string
  readonly status: string
}

const marks: { readonly [status: string]: Span } = {
  completed: span("[x] ", "green"),
  inProgress: span("[>] ", "yellow"),
  pending: span("[ ] ", "dim")
}

const stepLine = ({ status, step }: Step): Line => ({
  spans: [
    span("  "),
    marks[status] ?? span("[?] "),
    span(short(step), ...status === "completed" ? ["dim" as const] : [])
  ],
  hang: 6
})

/** A plan that is new, or the steps of a known one that have changed. */
export const planLines = (before: ReadonlyArray<Step>, after: ReadonlyArray<Step>): ReadonlyArray<Line> => {
  const isSame = before.length === after.length && after.every(({ step }, i) => before[i]?.step === step)
  if (!isSame) return after.length === 0 ? [] : [line("the plan:"), ...after.map(stepLine)]
  return after.filter(({ status }, i) => before[i]?.status !== status).map(stepLine)
}

// =============================================================================
// Text
// =============================================================================

/** The lines of a message, with what is more than a screen left out. */
const paragraph = (text: string): ReadonlyArray<Line> => {
  const lines = text.trim().split("\n")
  const shown = lines.slice(0, 40).map((text) => line(text.replace(/\r$/, "")))
  return lines.length > 40 ? [...shown, line(span(`… ${lines.length - 40} more lines`, "dim"))] : shown
}

export const number = (n: number): string => n.toLocaleString("en-US")

export const seconds = (millis: number): string =>
  millis < 60_000 ? `${(millis / 1000).toFixed(1)}s` : Duration.format(Duration.seconds(Math.round(millis / 1000)))

export const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

const short = (text: string): string => visible(text, 500)

const shortList = (names: ReadonlyArray<string>): string => {
  if (names.length === 0) return "files"
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "")
}
