/**
 * A clock whose date jumps while its monotonic time continues, as when a person or the network sets a machine's
 * clock.
 */
import { Clock, Effect } from "effect"

/** Runs an effect on the test's clock. `jump` moves the date forward by this many milliseconds. */
export const jumping = <A, E, R>(
  use: (jump: (millis: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    let offset = 0
    const millis = () => clock.currentTimeMillisUnsafe() + offset
    const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n
    // Inherits the rest, because a TestClock has more members than a Clock.
    const jumpy: Clock.Clock = Object.assign(Object.create(clock), {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos)
    })
    const jump = (millis: number) =>
      Effect.sync(() => {
        offset += millis
      })
    return Effect.provideService(use(jump), Clock.Clock, jumpy)
  })
