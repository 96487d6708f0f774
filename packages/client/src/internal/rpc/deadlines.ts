/** One timer for the deadlines of all requests. A timer and two fibers for each cost more than the request (measured). */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Monotonic from "../monotonic.ts"

export interface Deadlines {
  /** Sees to it that `expire` is called at this monotonic time, in milliseconds. */
  readonly add: (at: number) => void
}

/**
 * A timer that is this late, in milliseconds, is one of a program that was busy. Node then runs it before it reads what
 * has come in time, so that this is read first.
 */
const busyFrom = 20

/**
 * @param expire ends what is due and tells the nearest time of what is not, or `Infinity`
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
