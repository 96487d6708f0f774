/** How long an entity waits for its store. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { SessionStoreUnavailable } from "../../SessionStore.ts"

const isOther = <E>(error: E): error is Exclude<E, SessionStoreUnavailable> =>
  !(error instanceof SessionStoreUnavailable)

/**
 * Waits until the store does it. The message waits in the same database, so its sender has nothing better to do; when
 * this machine stops, the entity and this wait end.
 */
export const untilStored = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  pause = 100
): Effect.Effect<A, Exclude<E, SessionStoreUnavailable>, R> =>
  Effect.flatMap(Effect.result(effect), (result) => {
    if (Result.isSuccess(result)) return Effect.succeed(result.success)
    const error = result.failure
    if (isOther(error)) return Effect.fail(error)
    return Effect.logWarning("a thread waits for the session store", error).pipe(
      Effect.andThen(Effect.sleep(Duration.millis(pause))),
      Effect.andThen(untilStored(effect, Math.min(2 * pause, 2000)))
    )
  })
