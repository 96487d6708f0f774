/**
 * What several calls take.
 *
 * @since 0.1.0
 */

/**
 * A length of time: milliseconds, or words such as `"30 seconds"` and `"5 minutes"`.
 *
 * @category options
 * @since 0.1.0
 */
export type Time = number | `${number} ${"millis" | "second" | "seconds" | "minute" | "minutes" | "hour" | "hours"}`

/**
 * What every call takes.
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
   * Ends the call. What it had begun is undone as far as that goes, a turn is interrupted, and only then the promise
   * rejects with the reason of the signal. Default: none.
   */
  readonly signal?: AbortSignal | undefined
}

/** @internal */
export type Awaitable<A> = A | Promise<A>
