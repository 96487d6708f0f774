/** The tokens of a call, which may run several turns: those of `repair`. */
import type * as Received from "@effect-codex/client/Received"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as Option from "effect/Option"

/** The sum over the turns that codex reported usage for; `undefined` if there is none. */
export const tokensOf = (
  results: ReadonlyArray<Pick<TurnResult<unknown>, "usage">>
): Received.TokenUsageBreakdown | undefined => {
  const [first, ...rest] = results.flatMap(({ usage }) => Option.isSome(usage) ? [usage.value.turn] : [])
  return first === undefined ? undefined : rest.reduce((sum, turn) => ({
    totalTokens: sum.totalTokens + turn.totalTokens,
    inputTokens: sum.inputTokens + turn.inputTokens,
    cachedInputTokens: sum.cachedInputTokens + turn.cachedInputTokens,
    cacheWriteInputTokens: sum.cacheWriteInputTokens + turn.cacheWriteInputTokens,
    outputTokens: sum.outputTokens + turn.outputTokens,
    reasoningOutputTokens: sum.reasoningOutputTokens + turn.reasoningOutputTokens
  }), first)
}
