/**
 * Folds the events of a turn into what the agent is doing. Pure: it neither writes nor reads the clock.
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { TurnUsage } from "@effect-codex/client/TurnResult"
import { labelOf, linesOf, number, oneLine, planLines, seconds, type Step } from "./itemLines.ts"
import { type Line, line, span, widthOfCharacter } from "./lines.ts"
import { safe } from "./text.ts"

export interface Progress {
  /** In milliseconds, on the same clock as `now` of `statusLine`. */
  readonly startedAt: number
  /** The folder of the agent. Paths below it are shown relative to it. */
  readonly cwd: string | undefined
  /** The activity while no item is running. */
  readonly idle: string
  /** The items that have begun and not ended, oldest first, with their labels. */
  readonly running: ReadonlyArray<readonly [itemId: string, label: string]>
  /** The tokens that the turn has used so far. */
  readonly tokens: number
  /** The total of the thread as it was told last. */
  readonly told: number | undefined
  /** The part of the model's context that is free, from 0 to 1. Undefined if it is not known. */
  readonly contextLeft: number | undefined
  readonly plan: ReadonlyArray<Step>
  /** The threads of the subagents that are working. */
  readonly subagents: ReadonlyArray<string>
}

export const initial = (now: number, cwd?: string): Progress => ({
  startedAt: now,
  cwd,
  idle: "starting codex",
  running: [],
  tokens: 0,
  told: undefined,
  contextLeft: undefined,
  plan: [],
  subagents: []
})

/** The current activity. */
export const activity = (progress: Progress): string => progress.running.at(-1)?.[1] ?? progress.idle

/** Returns the next state, and the lines to print for the event. */
export const step = (progress: Progress, event: TurnEvent): readonly [Progress, ReadonlyArray<Line>] => {
  switch (event._tag) {
    case "turn/started":
      return [{ ...progress, idle: "thinking" }, []]
    case "item/started": {
      const { item } = event.params
      const label = labelOf(item)
      const next = { ...progress, subagents: subagentsAfter(progress.subagents, item) }
      if (label === undefined) return [next, []]
      return [{ ...next, running: [...progress.running, [String(item.id), label]] }, []]
    }
    case "item/completed": {
      const { item } = event.params
      return [
        {
          ...progress,
          running: progress.running.filter(([id]) => id !== String(item.id)),
          subagents: subagentsAfter(progress.subagents, item)
        },
        linesOf(item, progress.cwd)
      ]
    }
    case "turn/plan/updated": {
      const { plan } = event.params
      return [{ ...progress, plan }, planLines(progress.plan, plan)]
    }
    case "thread/tokenUsage/updated": {
      const { last, modelContextWindow, total } = event.params.tokenUsage
      const { tokens, told } = progress
      // The total is the thread's, and an older thread had one before this turn.
      const more = told === undefined ? last.totalTokens : Math.max(0, total.totalTokens - told)
      const contextLeft = modelContextWindow === null || modelContextWindow <= 0
        ? progress.contextLeft
        : Math.max(0, 1 - last.totalTokens / modelContextWindow)
      return [{ ...progress, tokens: tokens + more, told: total.totalTokens, contextLeft }, []]
    }
    case "error":
      // The last error is also the turn's failure, which reports it.
      if (!event.params.willRetry) return [progress, []]
      return [
        // The model will not complete what it was writing.
        { ...progress, running: progress.running.filter(([, label]) => !written.has(label)) },
        [line(span("warning:", "yellow"), ` ${event.params.error.message}`)]
      ]
    case "model/rerouted":
      return [
        progress,
        [line(span("warning:", "yellow"), ` ${event.params.toModel} answers instead of ${event.params.fromModel}`)]
      ]
    default:
      return [progress, []]
  }
}

// The labels of what the model itself writes.
const written: ReadonlySet<string> = new Set(["thinking", "writing", "planning"])

type Item = Parameters<typeof linesOf>[0]

// More than codex runs at once. Bounds what a misbehaving server can fill.
const maxSubagents = 1000

const subagentsAfter = (before: ReadonlyArray<string>, item: Item): ReadonlyArray<string> => {
  if (item.type === "subAgentActivity") {
    const others = before.filter((id) => id !== item.agentThreadId)
    const isWorking = item.kind === "started" || item.kind === "interacted"
    return isWorking ? [...others, item.agentThreadId].slice(-maxSubagents) : others
  }
  if (item.type !== "collabAgentToolCall") return before
  const states = item.agentsStates
  const working = Object.keys(states).filter((id) => ["running", "pendingInit"].includes(states[id]?.status ?? ""))
  return [...before.filter((id) => states[id] === undefined), ...working].slice(-maxSubagents)
}

// =============================================================================
// The status
// =============================================================================

/** A status line for a terminal of this width. */
export const statusLine = (
  progress: Progress,
  now: number,
  columns: number,
  cost?: number | undefined
): string => {
  const elapsed = Math.max(0, now - progress.startedAt)
  const spinner = frames[Math.floor(elapsed / 100) % frames.length]!
  const parts = [
    `${Math.floor(elapsed / 1000)}s`,
    ...progress.tokens === 0 ? [] : [`${number(progress.tokens)} tokens`],
    ...cost === undefined || cost === 0 ? [] : [money(cost)],
    ...progress.subagents.length === 0 ? [] : [counted(progress.subagents.length, "subagent")],
    ...progress.contextLeft === undefined ? [] : [`${percent(progress.contextLeft)} context left`]
  ].map((part) => ` · ${part}`)
  // Leave the last column free: some terminals wrap when it is written.
  const room = (end: string) => columns - 1 - 2 - end.length
  // The activity keeps half of the line. What comes last is left out first.
  let end = parts.join("")
  while (parts.length > 2 && room(end) < Math.max(8, columns / 2)) {
    parts.pop()
    end = parts.join("")
  }
  // If there is no room for both, show the activity rather than the time.
  return room(end) < 8
    ? fit(`${spinner} ${activity(progress)}`, columns - 1)
    : `${spinner} ${fit(activity(progress), room(end))}${end}`
}

/** The last line, which sums up the turn. */
export const summaryLine = (
  progress: Progress,
  now: number,
  usage: Pick<TurnUsage, "turn" | "subagents"> | undefined,
  model?: string,
  cost?: number
): Line => {
  const time = `done in ${seconds(now - progress.startedAt)}${model === undefined ? "" : ` by ${oneLine(model)}`}`
  // Not every provider counts tokens.
  if (usage === undefined || usage.turn.totalTokens === 0) return line(time)
  const { subagents, turn } = usage
  return line(
    `${time}, ${number(turn.totalTokens)} tokens (${number(turn.inputTokens)} in, ` +
      `${number(turn.cachedInputTokens)} of them cached, ${number(turn.outputTokens)} out)` +
      (subagents.totalTokens === 0 ? "" : `, and ${number(subagents.totalTokens)} by subagents`) +
      (cost === undefined ? "" : `, ${money(cost)}`) +
      (progress.contextLeft === undefined ? "" : `, ${percent(progress.contextLeft)} of the context left`)
  )
}

// =============================================================================
// Text
// =============================================================================

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

const money = (dollars: number): string => `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`

const percent = (part: number): string => `${Math.floor(part * 100)}%`

const counted = (n: number, what: string): string => `${number(n)} ${what}${n === 1 ? "" : "s"}`

// Every character that some terminal shows on two columns counts as two: a short line does no harm, a wrapped one
// cannot be erased.
const mostOf = (character: string): number =>
  character.codePointAt(0)! < 0x1100 || /[\u2800-\u28ff]/.test(character)
    ? widthOfCharacter(character)
    : 2

const fit = (text: string, columns: number): string => {
  // Its escapes are longer than what they stand for.
  const line = oneLine(safe(oneLine(text.slice(0, 1000))))
  let used = 0
  let kept = ""
  for (const character of line) {
    used += mostOf(character)
    // Keep one column for the ellipsis.
    if (used < columns) kept += character
    if (used > columns) return columns < 1 ? "" : `${kept}…`
  }
  return line
}
