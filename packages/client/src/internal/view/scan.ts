/** Folds a stream of events. A reader gets the view after all that is unread, so it never falls behind. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Event, ThreadView } from "../../ThreadView.ts"
import { millis } from "../monotonic.ts"
import { apply } from "./fold.ts"

/** Milliseconds since the epoch, as the wall clock was at the start: it may be set meanwhile. */
const stopwatch = Effect.gen(function*() {
  const clock = yield* Clock.Clock
  const { epochMilliseconds } = yield* DateTime.now
  const started = millis(clock)
  return () => Math.round(epochMilliseconds + millis(clock) - started)
})

export const scan = <E, R>(events: Stream.Stream<Event, E, R>, from: ThreadView): Stream.Stream<ThreadView, E, R> =>
  Stream.unwrap(Effect.map(stopwatch, (now) => {
    const views = events.pipe(
      Stream.chunks,
      Stream.mapAccum(() => from, (before, batch) => {
        const at = now()
        const after = batch.reduce((view, event) => apply(view, event, at), before)
        return [after, after === before ? [] : [after]]
      })
    )
    return Stream.concat(Stream.succeed(from), views)
  }))
