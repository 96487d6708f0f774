/** Starts codex again that has ended because another program kept a database in its `CODEX_HOME` locked. */
import type { AppServerStartError, CodexExecutableNotFound } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"

type StartError = AppServerStartError | CodexExecutableNotFound

/** codex itself has waited for it for about 15 seconds each time (measured on 0.169). */
const again = Schedule.jittered(Schedule.spaced("1 second")).pipe(Schedule.upTo({ times: 2 }))

const isLocked = (error: StartError): error is AppServerStartError =>
  error._tag === "AppServerStartError" && error.isStateDatabaseLocked

export const retried = <A, R>(layer: Layer.Layer<A, StartError, R>): Layer.Layer<A, StartError, R> =>
  Layer.effectContext(Effect.gen(function*() {
    const outer = yield* Effect.scope
    // What a failed start has opened is closed before the next.
    const start = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.fork(outer), (scope) =>
        restore(Layer.buildWithScope(Layer.fresh(layer), scope)).pipe(
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        ))
    )
    return yield* start.pipe(
      Effect.tapError((error) => isLocked(error) ? Effect.logWarning(error.message) : Effect.void),
      Effect.retry({ schedule: again, while: isLocked })
    )
  }))
