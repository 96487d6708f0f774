/**
 * The results of calls, without the data types of Effect: absent values are `undefined`, times are `Date`s, and
 * durations are milliseconds.
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
 * The tokens that a turn used. The total is `turn` plus `subagents`; neither contains the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnUsage extends Omit<EffectTurnUsage, "modelContextWindow" | "contextUsed"> {
  /** The size of the model's context window in tokens, if the server knows it. */
  readonly modelContextWindow: number | undefined
  /** How full the context is, from 0 to 1: `contextTokens` of `modelContextWindow`. */
  readonly contextUsed: number | undefined
}

/**
 * What a turn's time went into, in milliseconds, from sending the request to the end of the turn. `model` plus `tools`
 * is all of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnTiming {
  /** Until the model's first message, reasoning or tool; undefined if nothing of the model came. */
  readonly firstToken: number | undefined
  /** The time in which no tool ran: the model's, and what codex needs for itself. */
  readonly model: number
  /** The time in which at least one tool ran, with the wait for its approval. */
  readonly tools: number
}

/**
 * The outcome of a turn. `status` is `completed` or `interrupted`. `items` are the completed items in the order of
 * their completion, including the user's messages.
 *
 * **Gotchas**
 *
 * codex does not report every command that ran, so a result without items does not prove that the turn did nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnResult<A = undefined> extends
  Omit<
    EffectTurnResult<A>,
    | "error"
    | "startedAt"
    | "completedAt"
    | "duration"
    | "timing"
    | "model"
    | "finalResponse"
    | "plan"
    | "usage"
    | "cost"
  >
{
  /** Why the turn failed; undefined unless it did. */
  readonly error: Received.TurnError | undefined
  readonly startedAt: Date | undefined
  readonly completedAt: Date | undefined
  /** In milliseconds. */
  readonly duration: number | undefined
  /** What the time went into. Undefined for a goal, and for a turn that another call or client started. */
  readonly timing: TurnTiming | undefined
  /** The model that answered. It may differ from the requested one. */
  readonly model: string | undefined
  /** The last message that is not commentary. A turn may end without one. */
  readonly finalResponse: string | undefined
  /**
   * The last plan that the agent proposed in plan mode. Such a turn may have no final response. For the checklist that
   * an agent keeps while it works, see `Turn.plan`.
   */
  readonly plan: string | undefined
  readonly usage: TurnUsage | undefined
  /**
   * What the turn and its subagents cost, by the `pricing` of the client. Undefined if a call has no known price, or no
   * usage was reported.
   */
  readonly cost: number | undefined
}

/**
 * A thread's goal as the server stores it.
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
 * The answer to a side question.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  /** What the model said. Undefined if it said nothing, or wanted to use a tool. */
  readonly text: string | undefined
  /** The tokens of the one call of the model. Undefined if the provider reported none. */
  readonly usage:
    | { readonly inputTokens: number; readonly cachedInputTokens: number; readonly outputTokens: number }
    | undefined
}

/**
 * One page of a list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page<A> {
  readonly data: ReadonlyArray<A>
  /** The cursor of the next page; undefined after the last page. */
  readonly nextCursor: string | undefined
  /** The cursor for reading back from here with the opposite `sortDirection`. */
  readonly backwardsCursor: string | undefined
}

/**
 * An event of `Codex.searchThreads`: hits so far (`Found`), or the final hits (`Completed`).
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadSearchEvent =
  | Extract<Client.ThreadSearchEvent, { readonly _tag: "Found" }>
  | {
    readonly _tag: "Completed"
    readonly hits: ReadonlyArray<Received.ThreadSearchResult | Received.Undecodable<Received.ThreadSearchResult>>
    /** The cursor of the next page; undefined after the last page. */
    readonly nextCursor: string | undefined
  }

/**
 * The partial result in a `TurnFailed`, `TurnInterrupted`, `TurnStalled`, `TurnOutcomeUnknown`,
 * `BudgetExceeded`, `PriceUnknown` or `OutputInvalid`: what the turn did before it failed. Undefined for other errors,
 * and for a `BudgetExceeded` of a turn that did not start.
 *
 * **Gotchas**
 *
 * The `result` property of these errors has the data types of Effect; this function converts it.
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
  "result" in error && error.result !== null ? internal.turnResult(error.result) : undefined

/**
 * The time when the limit resets that caused a `TurnFailed` with the reason `usageLimit` or `rateLimit`. Undefined if
 * the server did not report it, and for other errors.
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
