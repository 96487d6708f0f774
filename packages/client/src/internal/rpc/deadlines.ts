/**
 * One timer for the deadlines of all requests: a timer and two fibers per request cost more than the request itself.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../monotonic.ts"

export interface Deadlines {
  /** Schedules a call of `expire` at this monotonic time, in milliseconds. */
  readonly add: (at: number) => void
}

/**
 * A timer that fires this many milliseconds late shows that the program was busy. Node then runs the timer before it
 * reads replies that arrived in time, so we let it read them first.
 */
const busyFrom = 20

/**
 * @param expire ends the requests that are due, and returns the nearest deadline of the others, or `Infinity`
 */
export const make = Effect.fnUntraced(function*(
  clock: Clock.Clock,
  expire: (now: number) => number
): Effect.fn.Return<Deadlines, never, Scope.Scope> {
  let nearest = Infinity
  let onNearer: (() => void) | undefined
  const nearer = Effect.callback<void>((resume) => {
    onNearer = () => resume(Effect.void)
  })

  const wait = Effect.suspend(() =>
    nearest === Infinity
      ? nearer
      : Effect.raceFirst(Effect.sleep(Math.max(0, nearest - Monotonic.millis(clock))), nearer)
  )
  const read = Effect.suspend(() => Monotonic.millis(clock) - nearest < busyFrom ? Effect.void : Effect.sleep(1))
  yield* wait.pipe(
    Effect.andThen(read),
    Effect.andThen(Effect.sync(() => {
      nearest = expire(Monotonic.millis(clock))
    })),
    Effect.forever,
    Effect.forkScoped({ startImmediately: true })
  )

  return {
    add: (at) => {
      if (at >= nearest) return
      nearest = at
      onNearer?.()
    }
  }
})
