/**
 * Async iterables for `for await`.
 *
 * @since 0.1.0
 */

/**
 * An async iterable that can be read any number of times, by any number of readers. Each `for await` starts its own
 * reading. Leaving the loop by `break`, `return` or an error ends only that reading.
 *
 * **Details**
 *
 * A live source, such as events, ends when the `Codex` is closed and throws when the connection is lost. A list of
 * pages throws in both cases if it was not read to its end.
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
  /** The same iterable, except that a reading throws the signal's reason when the signal aborts. */
  readonly withSignal: (signal: AbortSignal) => Readable<A>
}
