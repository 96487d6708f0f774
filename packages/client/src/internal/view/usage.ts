/**
 * The calls of the model, from the server's reports of a thread's usage: docs/codex-behaviour.md, "Usage is told as the
 * total of the thread and as the last call of the model" and those after it.
 */
import type * as Received from "../../Received.ts"
import type { AgentView, TurnView } from "../../ThreadView.ts"
import { state } from "./state.ts"

type Breakdown = Received.TokenUsageBreakdown

const combine = (a: Breakdown, b: Breakdown, f: (a: number, b: number) => number): Breakdown => ({
  totalTokens: f(a.totalTokens, b.totalTokens),
  inputTokens: f(a.inputTokens, b.inputTokens),
  cachedInputTokens: f(a.cachedInputTokens, b.cachedInputTokens),
  // Older servers and histories leave it out.
  cacheWriteInputTokens: f(a.cacheWriteInputTokens ?? 0, b.cacheWriteInputTokens ?? 0),
  outputTokens: f(a.outputTokens, b.outputTokens),
  reasoningOutputTokens: f(a.reasoningOutputTokens, b.reasoningOutputTokens)
})

export const add = (a: Breakdown | undefined, b: Breakdown): Breakdown =>
  a === undefined ? combine(b, b, (more) => more) : combine(a, b, (a, b) => a + b)

/** The part of a report that is a call that was not reported before. */
const callOf = (
  before: Breakdown | undefined,
  usage: Received.ThreadTokenUsage,
  hasItem: boolean
): Breakdown | undefined => {
  const { last, total } = usage
  // A repetition, of a resumed thread or a broken stream.
  if (before?.totalTokens === total.totalTokens) return hasItem && total.totalTokens === 0 ? last : undefined
  // A response that was cut short is in the total and not in the last call.
  const call = before !== undefined && total.totalTokens > before.totalTokens
    ? combine(total, before, (now, then) => Math.max(0, now - then))
    : last
  // docs/codex-behaviour.md, "A full context is reported as a total that no call has used".
  return call.totalTokens > 0 && call.inputTokens + call.outputTokens === 0 ? undefined : call
}

/** @param before what the thread had reported until now. */
export const addCall = (
  turn: TurnView,
  usage: Received.ThreadTokenUsage,
  before: Received.ThreadTokenUsage | undefined,
  model: string | undefined,
  at: number | undefined
): TurnView => {
  const call = callOf(before?.total, usage, turn[state].hasItem)
  if (call === undefined) return turn
  return {
    ...turn,
    calls: turn.calls.append({ at, model, usage: call }),
    usage: add(turn.usage, call),
    [state]: { ...turn[state], hasItem: false }
  }
}

/** What the thread has reported, and what is left of the context window. */
export const usageOf = (usage: Received.ThreadTokenUsage): Pick<AgentView, "usage" | "contextLeft"> => ({
  usage,
  contextLeft: typeof usage.modelContextWindow === "number"
    ? Math.max(0, usage.modelContextWindow - usage.last.totalTokens)
    : undefined
})
