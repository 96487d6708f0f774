/**
 * Options shared by several calls.
 *
 * @since 0.1.0
 */

/**
 * A duration: a number of milliseconds, or a string such as `"30 seconds"` or `"5 minutes"`.
 *
 * @category options
 * @since 0.1.0
 */
export type Time = number | `${number} ${"millis" | "second" | "seconds" | "minute" | "minutes" | "hour" | "hours"}`

/**
 * The options of every call.
 *
 * **Example** (Waiting no longer than ten seconds)
 *
 * ```ts
 * import type { Codex } from "@effect-codex/promise"
 *
 * export const models = (codex: Codex) => codex.models({ signal: AbortSignal.timeout(10_000) })
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export interface CallOptions {
  /**
   * Aborts the call. The call first undoes what it has begun, where possible, and interrupts its turn; then its promise
   * rejects with the reason of the signal. Default: none.
   */
  readonly signal?: AbortSignal | undefined
}

/** @internal */
export type Awaitable<A> = A | Promise<A>
