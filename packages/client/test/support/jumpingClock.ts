/** A clock whose date is set while its monotonic time goes on, as that of a machine is by a person or the network. */
import { Clock, Effect } from "effect"

/** Runs an effect on the clock of the test, of which `jump` sets the date this many milliseconds forward. */
export const jumping = <A, E, R>(
  use: (jump: (millis: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    let offset = 0
    const millis = () => clock.currentTimeMillisUnsafe() + offset
    const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n
    // What is left is the clock's own, of which a TestClock has more than a Clock.
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
