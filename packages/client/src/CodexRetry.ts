/**
 * When to try again. The library itself never sends a mutation twice; these are for a program that knows that it may.
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
 * Whether the same call may succeed when it is made again: a server that cannot be reached yet, a request that was not sent
 * or not admitted, a thread that another process has, a turn whose `reason` is `streamBroken`, `network`, `overloaded` or
 * `rateLimit`. False for every other value, and for every request whose outcome is unknown.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRetryable = (u: unknown): boolean => isCodexError(u) && u.isRetryable

/**
 * Whether a request was provably not admitted, so that it may be sent again whatever it does.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOverloaded = (u: unknown): boolean => isCodexError(u) && u._tag === "ServerOverloaded"

/**
 * Options for `Effect.retry`: what an overloaded server did not admit is sent again, three attempts in all, after 250 ms
 * and then 500 ms, at most 2 seconds, each ±20 % (the numbers of the Python SDK).
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
 * @category schedules
 * @since 0.1.0
 */
export const overload = {
  schedule: upTo("250 millis", "2 seconds"),
  times: 2,
  while: (error: CodexError): boolean => isOverloaded(error)
}

/**
 * Options for `Effect.retry`: {@link isRetryable} errors, five attempts in all, after 1, 2, 4 and 8 seconds, each ±20 %.
 *
 * A failed turn that is run again is a new turn on the same thread, with the same input. The commands and patches of the
 * failed one are neither undone nor repeated by the library; its model sees them, and may do more. Do not retry a prompt that
 * must not be acted upon twice.
 *
 * @category schedules
 * @since 0.1.0
 */
export const transient = {
  schedule: upTo(Duration.seconds(1), Duration.seconds(30)),
  times: 4,
  while: (error: CodexError): boolean => isRetryable(error)
}
