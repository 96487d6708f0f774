/**
 * What can be read with `for await`.
 *
 * @since 0.1.0
 */

/**
 * An async iterable that can be read any number of times, by any number of readers. Each `for await` begins a reading of
 * its own; leaving the loop, by `break`, `return` or an error, ends that reading and nothing else.
 *
 * What codex tells as it happens ends when the `Codex` is closed, and throws when the connection is lost. A list of
 * pages that was not read to its end throws then in either case.
 *
 * **Example** (The first piece of an answer)
 *
 * ```ts
 * import type { Turn } from "@effect-codex/promise"
 *
 * export const first = async (turn: Turn) => {
 *   for await (const piece of turn.text.withSignal(AbortSignal.timeout(10_000))) return piece
 *   return "(no answer)"
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Readable<A> extends AsyncIterable<A> {
  /** The same, except that its readings throw the reason of the signal when it aborts. */
  readonly withSignal: (signal: AbortSignal) => Readable<A>
}
