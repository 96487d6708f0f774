/** How many fibers an effect has left behind. */
import { Effect, Metric } from "effect"

/** Counts the fibers that have begun in an effect and have not ended. */
export const counting = <A, E, R>(count: (live: () => number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let live = 0
    return Effect.provideService(count(() => live), Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void live++,
      recordFiberEnd: () => void live--
    })
  })
