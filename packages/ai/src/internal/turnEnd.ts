/** Treats the model's output limit as an end of the turn, not as a failure. */
import type { TurnFailed } from "@effect-codex/client/CodexError"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as Effect from "effect/Effect"

/** Why the model stopped: its answer is complete, or its output reached the limit. */
export type FinishReason = "stop" | "length"

export interface Ended {
  readonly result: TurnResult
  readonly reason: FinishReason
}

const isTooLong = (error: { readonly _tag: string }): error is TurnFailed =>
  error._tag === "TurnFailed" && "reason" in error && error.reason === "outputLimit"

export const ended = <E extends { readonly _tag: string }>(
  result: Effect.Effect<TurnResult, E | TurnFailed>
): Effect.Effect<Ended, E | TurnFailed> =>
  result.pipe(
    Effect.map((result) => ({ result, reason: "stop" as const })),
    Effect.catch((error) =>
      isTooLong(error) ? Effect.succeed({ result: error.result, reason: "length" as const }) : Effect.fail(error)
    )
  )
