/** Starts codex again if it has exited because another program kept a database in its `CODEX_HOME` locked. */
import type { AppServerStartError, CodexExecutableNotFound } from "@effect-codex/client/CodexError"
import { inOwnScope } from "@effect-codex/client/internal/ownScope"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

type StartError = AppServerStartError | CodexExecutableNotFound

/**
 * Few attempts, because each has already waited: docs/codex-behaviour.md, "A locked database ends codex after about 15
 * seconds".
 */
const again = Schedule.jittered(Schedule.spaced("1 second")).pipe(Schedule.upTo({ times: 2 }))

const isLocked = (error: StartError): error is AppServerStartError =>
  error._tag === "AppServerStartError" && error.isStateDatabaseLocked

export const retried = <A, R>(layer: Layer.Layer<A, StartError, R>): Layer.Layer<A, StartError, R> =>
  Layer.effectContext(Effect.gen(function*() {
    // Closes what a failed start has opened before the next one begins.
    const start = Effect.map(inOwnScope(Layer.build(Layer.fresh(layer))), ([services]) => services)
    return yield* start.pipe(
      Effect.tapError((error) => isLocked(error) ? Effect.logWarning(error.message) : Effect.void),
      Effect.retry({ schedule: again, while: isLocked })
    )
  }))
