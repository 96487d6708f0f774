/** Finds fibers that an effect leaves behind. */
import { Effect, Metric } from "effect"

/** Counts the fibers that began in an effect and have not ended. */
export const counting = <A, E, R>(count: (live: () => number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let live = 0
    return Effect.provideService(count(() => live), Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void live++,
      recordFiberEnd: () => void live--
    })
  })
