/**
 * Predicates and schedules for retries. The library never repeats a request that changes something; a program that
 * knows a retry to be safe can use these.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import type { CodexError } from "./CodexError.ts"
import { isCodexError } from "./CodexError.ts"

const upTo = (pause: Duration.Input, longest: Duration.Input) =>
  Schedule.min([Schedule.exponential(pause), Schedule.spaced(longest)]).pipe(Schedule.jittered)

/**
 * Whether the same call may succeed when it is repeated.
 *
 * **Details**
 *
 * True when the server cannot be reached yet, when a request was not sent or not admitted, when another process has
 * the thread, and for a `TurnFailed` whose `reason` is `streamBroken`, `network`, `overloaded` or `rateLimit`. False
 * for any other value, and for every request whose outcome is unknown.
 *
 * @see {@link transient} to retry while it is true
 * @category guards
 * @since 0.1.0
 */
export const isRetryable = (u: unknown): boolean => isCodexError(u) && u.isRetryable

/**
 * Whether the server provably did not admit a request. Repeating such a request is safe, whatever it does.
 *
 * @see {@link overload} to retry while it is true
 * @category guards
 * @since 0.1.0
 */
export const isOverloaded = (u: unknown): boolean => isCodexError(u) && u._tag === "ServerOverloaded"

/**
 * Options for `Effect.retry` that repeat a request which an overloaded server did not admit.
 *
 * **Details**
 *
 * Three attempts in all, with pauses of 250 ms and 500 ms (at most 2 seconds), each ±20 %, as in the Python SDK.
 *
 * **Example** (Many threads on one server)
 *
 * ```ts
 * import { Codex, CodexRetry } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const newThread = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   return yield* Effect.retry(codex.startThread(), CodexRetry.overload)
 * })
 * ```
 *
 * @see {@link transient} for more kinds of failure
 * @category schedules
 * @since 0.1.0
 */
export const overload = {
  schedule: upTo("250 millis", "2 seconds"),
  times: 2,
  while: (error: CodexError): boolean => isOverloaded(error)
}

/**
 * Options for `Effect.retry` that repeat a call after any {@link isRetryable} error.
 *
 * **Details**
 *
 * Five attempts in all, with pauses of 1, 2, 4 and 8 seconds, each ±20 %.
 *
 * **Gotchas**
 *
 * Repeating a failed turn starts a new turn on the same thread with the same input. The library neither undoes nor
 * repeats the commands and patches of the failed turn; the model sees them and may do more. Do not retry a prompt
 * that must not be acted upon twice.
 *
 * @see {@link overload} to repeat only what the server did not admit
 * @category schedules
 * @since 0.1.0
 */
export const transient = {
  schedule: upTo(Duration.seconds(1), Duration.seconds(30)),
  times: 4,
  while: (error: CodexError): boolean => isRetryable(error)
}
