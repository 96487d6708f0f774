/**
 * Folds the events of a turn into what the agent is doing. Pure: it neither writes nor reads the clock.
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { TurnResult, TurnUsage } from "@effect-codex/client/TurnResult"
import * as Duration from "effect/Duration"

type Item = TurnResult["items"][number]
type ItemOf<T extends Item["type"]> = Extract<Item, { readonly type: T }>

export interface Progress {
  /** In milliseconds, on the same clock as `now` of `statusLine`. */
  readonly startedAt: number
  /** The activity while no item is running. */
  readonly idle: string
  /** The items that have begun and not ended, oldest first, with their labels. */
  readonly running: ReadonlyArray<readonly [itemId: string, label: string]>
  /** The tokens that the turn has used so far. */
  readonly tokens: number
  /** The total of the thread as it was told last. */
  readonly told: number | undefined
}

export const initial = (now: number): Progress => ({
  startedAt: now,
  idle: "starting codex",
  running: [],
  tokens: 0,
  told: undefined
})

/** The current activity. */
export const activity = (progress: Progress): string => progress.running.at(-1)?.[1] ?? progress.idle

/** Returns the next state, and the lines to print for the event. */
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
    case "thread/tokenUsage/updated": {
      const { last, total } = event.params.tokenUsage
      const { tokens, told } = progress
      // The total is the thread's, and an older thread had one before this turn.
      const more = told === undefined ? last.totalTokens : Math.max(0, total.totalTokens - told)
      return [{ ...progress, tokens: tokens + more, told: total.totalTokens }, []]
    }
    case "error":
      // The last error is also the turn's failure, which reports it.
      if (!event.params.willRetry) return [progress, []]
      return [
        // The model will not complete what it was writing.
        { ...progress, running: progress.running.filter(([, label]) => !written.has(label)) },
        [`warning: ${event.params.error.message}`]
      ]
    case "model/rerouted":
      return [progress, [`warning: ${event.params.toModel} answers instead of ${event.params.fromModel}`]]
    default:
      return [progress, []]
  }
}

/** A status line for a terminal of this width. */
export const statusLine = (progress: Progress, now: number, columns: number): string => {
  const elapsed = Math.max(0, now - progress.startedAt)
  const spinner = frames[Math.floor(elapsed / 100) % frames.length]!
  const tokens = progress.tokens === 0 ? "" : ` · ${number(progress.tokens)} tokens`
  const end = ` · ${Math.floor(elapsed / 1000)}s${tokens}`
  // Leave the last column free: some terminals wrap when it is written.
  const room = columns - 1 - 2 - end.length
  // If there is no room for both, show the activity rather than the time.
  return room < 8
    ? fit(`${spinner} ${activity(progress)}`, columns - 1)
    : `${spinner} ${fit(activity(progress), room)}${end}`
}

/** The last line, which sums up the turn. */
export const summaryLine = (
  progress: Progress,
  now: number,
  usage: Pick<TurnUsage, "turn" | "subagents"> | undefined,
  model?: string
): string => {
  const time = `done in ${seconds(now - progress.startedAt)}${model === undefined ? "" : ` by ${oneLine(model)}`}`
  // Not every provider counts tokens.
  if (usage === undefined || usage.turn.totalTokens === 0) return time
  const { subagents, turn } = usage
  return `${time}, ${number(turn.totalTokens)} tokens (${number(turn.inputTokens)} in, ` +
    `${number(turn.cachedInputTokens)} of them cached, ${number(turn.outputTokens)} out)` +
    (subagents.totalTokens === 0 ? "" : `, and ${number(subagents.totalTokens)} by subagents`)
}

// =============================================================================
// Items
// =============================================================================

// The labels of what the model itself writes.
const written: ReadonlySet<string> = new Set(["thinking", "writing", "planning"])

const labelOf = (item: Item): string | undefined => {
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

/** Whether a message belongs to the answer. Models without phases omit the phase. */
export const isAnswer = (message: { readonly phase?: ItemOf<"agentMessage">["phase"] }): boolean =>
  (message.phase ?? "final_answer") === "final_answer"

// Removes the shell: docs/codex-behaviour.md, "A command is told behind the shell of the user".
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

// Counts everything from the first wide script on as two columns: a short line does no harm, a wrapped one cannot be
// erased.
const widthOf = (character: string): number =>
  character.codePointAt(0)! < 0x1100 || /[\u2800-\u28ff]/.test(character) ? 1 : 2

const fit = (text: string, columns: number): string => {
  const line = oneLine(text)
  let used = 0
  let kept = ""
  for (const character of line) {
    used += widthOf(character)
    // Keep one column for the ellipsis.
    if (used < columns) kept += character
    if (used > columns) return columns < 1 ? "" : `${kept}…`
  }
  return line
}
