/**
 * What the agent is doing, folded from the events of its turn. Nothing here writes or asks for the time.
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { TurnResult, TurnUsage } from "@effect-codex/client/TurnResult"
import * as Duration from "effect/Duration"

type Item = TurnResult["items"][number]
type ItemOf<T extends Item["type"]> = Extract<Item, { readonly type: T }>

export interface Progress {
  /** In milliseconds, by the clock that `statusLine` is given. */
  readonly startedAt: number
  /** What is going on when no item is. */
  readonly idle: string
  /** The items that have begun and not ended, oldest first, each with what it is called. */
  readonly running: ReadonlyArray<readonly [itemId: string, label: string]>
  /** What the turn has used so far. */
  readonly tokens: number
}

export const initial = (now: number): Progress => ({
  startedAt: now,
  idle: "starting codex",
  running: [],
  tokens: 0
})

/** What the agent does at the moment. */
export const activity = (progress: Progress): string => progress.running.at(-1)?.[1] ?? progress.idle

/** The next state, and what happened that is worth a line of its own. */
export const step = (progress: Progress, event: TurnEvent): readonly [Progress, ReadonlyArray<string>] => {
  switch (event._tag) {
    case "turn/started":
      return [{ ...progress, idle: "thinking" }, []]
    case "item/started": {
      const { item } = event.params
      const label = labelOf(item)
      if (label === undefined) return [progress, []]
      return [{ ...progress, running: [...progress.running, [String(item.id), label]] }, []]
    }
    case "item/completed": {
      const { item } = event.params
      return [{ ...progress, running: progress.running.filter(([id]) => id !== String(item.id)) }, linesOf(item)]
    }
    case "thread/tokenUsage/updated":
      // The thread is new, so its total is what this turn has used.
      return [{ ...progress, tokens: event.params.tokenUsage.total.totalTokens }, []]
    case "error":
      // The last error is what the turn fails with, and is told there.
      if (!event.params.willRetry) return [progress, []]
      return [
        // What the model was writing is never completed.
        { ...progress, running: progress.running.filter(([, label]) => !written.has(label)) },
        [`warning: ${event.params.error.message}`]
      ]
    case "model/rerouted":
      return [progress, [`warning: ${event.params.toModel} answers instead of ${event.params.fromModel}`]]
    default:
      return [progress, []]
  }
}

/** One line for a terminal of this many columns. */
export const statusLine = (progress: Progress, now: number, columns: number): string => {
  const elapsed = Math.max(0, now - progress.startedAt)
  const spinner = frames[Math.floor(elapsed / 100) % frames.length]!
  const tokens = progress.tokens === 0 ? "" : ` · ${number(progress.tokens)} tokens`
  const end = ` · ${Math.floor(elapsed / 1000)}s${tokens}`
  // The last column stays free: some terminals begin a new line when it is written.
  const room = columns - 1 - 2 - end.length
  // On a terminal with no room for both, what the agent does counts more than how long it takes.
  return room < 8
    ? fit(`${spinner} ${activity(progress)}`, columns - 1)
    : `${spinner} ${fit(activity(progress), room)}${end}`
}

/** How the turn ended, for the last line. */
export const summaryLine = (
  progress: Progress,
  now: number,
  usage: Pick<TurnUsage, "turn" | "subagents"> | undefined,
  model?: string
): string => {
  const time = `done in ${seconds(now - progress.startedAt)}${model === undefined ? "" : ` by ${oneLine(model)}`}`
  // Not every provider counts.
  if (usage === undefined || usage.turn.totalTokens === 0) return time
  const { subagents, turn } = usage
  return `${time}, ${number(turn.totalTokens)} tokens (${number(turn.inputTokens)} in, ` +
    `${number(turn.cachedInputTokens)} of them cached, ${number(turn.outputTokens)} out)` +
    (subagents.totalTokens === 0 ? "" : `, and ${number(subagents.totalTokens)} by subagents`)
}

// =============================================================================
// Items
// =============================================================================

// What the model itself does.
const written: ReadonlySet<string> = new Set(["thinking", "writing", "planning"])

const labelOf = (item: Item): string | undefined => {
  switch (item.type) {
    case "userMessage":
      return undefined
    case "reasoning":
      return "thinking"
    case "agentMessage":
      // A comment is told when it is complete; until then it is part of the thinking.
      return isAnswer(item) ? "writing" : "thinking"
    case "plan":
      return "planning"
    case "commandExecution":
      return `running \`${commandOf(item.command)}\``
    case "fileChange":
      return `editing ${pathsOf(item.changes)}`
    case "mcpToolCall":
      return `calling ${item.server}/${item.tool}`
    case "dynamicToolCall":
      return `calling ${item.tool}`
    case "webSearch":
      return item.query === "" ? "searching the web" : `searching the web for ${item.query}`
    case "contextCompaction":
      return "compacting the conversation"
    default:
      return `working (${item.type})`
  }
}

const linesOf = (item: Item): ReadonlyArray<string> => {
  switch (item.type) {
    case "reasoning":
      return item.summary.filter((text) => text.trim() !== "").map((text) => `thought: ${text.trim()}`)
    case "agentMessage":
      return isAnswer(item) || item.text.trim() === "" ? [] : [item.text.trim()]
    case "commandExecution": {
      const command = `\`${commandOf(item.command)}\``
      if (item.status === "declined") return [`did not run ${command}: it was declined`]
      const time = (item.durationMs ?? 0) < 100 ? "" : ` in ${seconds(item.durationMs ?? 0)}`
      const code = (item.exitCode ?? 0) === 0 ? "" : `, exit code ${item.exitCode}`
      return [item.status === "failed" && code === "" ? `could not run ${command}` : `ran ${command}${time}${code}`]
    }
    case "fileChange":
      return [`${item.status === "completed" ? "edited" : "did not edit"} ${pathsOf(item.changes)}`]
    case "mcpToolCall":
      return [item.error === null ? `called ${item.server}/${item.tool}` : `${item.server}/${item.tool} failed`]
    case "webSearch":
      return [`searched the web for ${item.query}`]
    default:
      return []
  }
}

/** Whether a message belongs to the answer. Models that know no phases leave it out. */
export const isAnswer = (message: { readonly phase?: ItemOf<"agentMessage">["phase"] }): boolean =>
  (message.phase ?? "final_answer") === "final_answer"

// codex wraps what the model asked for into the user's shell.
const commandOf = (command: string): string => {
  const script = /^\S*sh(?:\.exe)? -l?c (?:'([^']*)'|(\S+))$/s.exec(command)
  return oneLine(script?.[1] ?? script?.[2] ?? command)
}

const pathsOf = (changes: ItemOf<"fileChange">["changes"]): string =>
  changes.map((change) => change.path).join(", ") || "files"

// =============================================================================
// Text
// =============================================================================

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

const number = (n: number): string => n.toLocaleString("en-US")

const seconds = (millis: number): string =>
  millis < 60_000 ? `${(millis / 1000).toFixed(1)}s` : Duration.format(Duration.seconds(Math.round(millis / 1000)))

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

// Everything from the first wide script on counts as two columns: a line that is too short does no harm, one that wraps
// cannot be erased.
const widthOf = (character: string): number =>
  character.codePointAt(0)! < 0x1100 || /[\u2800-\u28ff]/.test(character) ? 1 : 2

const fit = (text: string, columns: number): string => {
  const line = oneLine(text)
  let used = 0
  let kept = ""
  for (const character of line) {
    used += widthOf(character)
    // One column is kept for the sign that something was cut off.
    if (used < columns) kept += character
    if (used > columns) return columns < 1 ? "" : `${kept}…`
  }
  return line
}
