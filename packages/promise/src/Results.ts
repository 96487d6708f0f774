/**
 * What calls give, without the data types of Effect: what may be absent is `undefined`, times are `Date`s, lengths of time
 * are milliseconds.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Codex"
import type { CodexError } from "@effect-codex/client/CodexError"
import type { Goal as EffectGoal } from "@effect-codex/client/Goal"
import type { TurnResult as EffectTurnResult, TurnUsage as EffectTurnUsage } from "@effect-codex/client/TurnResult"
import * as internal from "./internal/results.ts"
import type * as Received from "./Received.ts"

/**
 * The tokens that a turn used. `turn` and `subagents` added up are all that it cost; neither contains the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnUsage extends Omit<EffectTurnUsage, "modelContextWindow"> {
  /** The size of the model's context in tokens, if the server knows it. */
  readonly modelContextWindow: number | undefined
}

/**
 * The outcome of a turn. `items` are the completed items in the order of their completion, the user's messages included.
 * codex does not tell of every command that ran, so a result without items is no proof that the turn did nothing. `status`
 * is `completed` or `interrupted`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnResult<A = undefined> extends
  Omit<
    EffectTurnResult<A>,
    "error" | "startedAt" | "completedAt" | "duration" | "model" | "finalResponse" | "plan" | "usage"
  >
{
  readonly error: Received.TurnError | undefined
  readonly startedAt: Date | undefined
  readonly completedAt: Date | undefined
  /** In milliseconds. */
  readonly duration: number | undefined
  /** The model that answered, which may be another one than was asked for. */
  readonly model: string | undefined
  /** The last message that is no commentary. A turn may end without one. */
  readonly finalResponse: string | undefined
  /**
   * The plan that the agent proposed last, of a turn in plan mode. Such a turn may have no final response. The checklist
   * that an agent keeps while it works is another thing: see `Turn.plan`.
   */
  readonly plan: string | undefined
  readonly usage: TurnUsage | undefined
}

/**
 * What the server keeps of a thread's goal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Goal extends Omit<EffectGoal, "tokenBudget" | "timeUsed" | "createdAt" | "updatedAt"> {
  /** In tokens. */
  readonly tokenBudget: number | undefined
  /** In milliseconds. */
  readonly timeUsed: number
  readonly createdAt: Date | undefined
  readonly updatedAt: Date | undefined
}

/**
 * One page of a list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page<A> {
  readonly data: ReadonlyArray<A>
  /** Where the next page begins; undefined after the last. */
  readonly nextCursor: string | undefined
  /** Where to begin with the other `sortDirection` to read back from here. */
  readonly backwardsCursor: string | undefined
}

/**
 * What `Codex.searchThreads` tells: hits so far, and the hits at the end.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadSearchEvent =
  | Extract<Client.ThreadSearchEvent, { readonly _tag: "Found" }>
  | {
    readonly _tag: "Completed"
    readonly hits: ReadonlyArray<Received.ThreadSearchResult | Received.Undecodable<Received.ThreadSearchResult>>
    /** Where the next page begins; undefined after the last. */
    readonly nextCursor: string | undefined
  }

/**
 * What a turn did until it failed, from a `TurnFailed`, `TurnInterrupted`, `TurnStalled`, `TurnOutcomeUnknown` or
 * `OutputInvalid`. Undefined for other errors. The errors' own `result` is the one of the Effect face.
 *
 * **Example** (What a failed turn has done)
 *
 * ```ts
 * import { isCodexError, partialResult, type Thread } from "@effect-codex/promise"
 *
 * export const commandsOf = async (thread: Thread, prompt: string) => {
 *   try {
 *     return (await thread.run(prompt)).items
 *   } catch (error) {
 *     if (!isCodexError(error)) throw error
 *     return partialResult(error)?.items ?? []
 *   }
 * }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const partialResult = (error: CodexError): TurnResult | undefined =>
  "result" in error ? internal.turnResult(error.result) : undefined

/**
 * When the limit is reset that a `TurnFailed` with the reason `usageLimit` or `rateLimit` ran into. Undefined if the server
 * did not tell it, and for other errors.
 *
 * **Example** (How long to wait)
 *
 * ```ts
 * import { resetsAt, TurnFailed } from "@effect-codex/promise"
 *
 * export const secondsToWait = (error: unknown) =>
 *   error instanceof TurnFailed ? ((resetsAt(error)?.getTime() ?? 0) - Date.now()) / 1000 : 0
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const resetsAt = (error: CodexError): Date | undefined =>
  error._tag === "TurnFailed" ? internal.date(error.resetsAt) : undefined
