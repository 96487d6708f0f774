/**
 * Something that the connection's reader changes and any number of streams watch. It costs no fiber and no queue: each
 * stream looks for itself what is new to it.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

export class Watched<E> {
  private readonly waiting = new Set<() => void>()
  private end: Exit.Exit<never, E | Cause.Done> | undefined
  private isChanged = false

  /** Called by the reader. The streams see it at the end of the read. */
  changed(): void {
    this.isChanged = true
  }

  /** Ends the streams after what is new to them. */
  close(end: Exit.Exit<never, E | Cause.Done>): void {
    if (this.end !== undefined) return
    this.end = end
    this.isChanged = true
  }

  /** Wakes the streams that wait. */
  flush(): void {
    if (!this.isChanged) return
    this.isChanged = false
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const wake of waiting) wake()
  }

  /** @param look makes a function for each run of the stream, which returns what is new since its last call. */
  stream<A>(look: () => () => readonly [A, ...Array<A>] | undefined): Stream.Stream<A, E> {
    type News = readonly [A, ...Array<A>]
    return Stream.fromPull(Effect.sync((): Pull.Pull<News, E, void> => {
      const news = look()
      const read = (): Effect.Effect<News, E | Cause.Done> | undefined => {
        const found = news()
        return found === undefined ? this.end : Effect.succeed(found)
      }
      const wait: Pull.Pull<News, E> = Effect.callback<News, E | Cause.Done>((resume) => {
        const wake = () => resume(read() ?? wait)
        this.waiting.add(wake)
        return Effect.sync(() => this.waiting.delete(wake))
      })
      return Effect.suspend(() => read() ?? wait)
    }))
  }
}
