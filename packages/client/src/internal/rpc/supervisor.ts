/** Restores a connection whenever it is lost, until its schedule ends. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { RestartSchedule } from "../../AppServerRpc.ts"
import type { CodexError, ConnectionError } from "../../CodexError.ts"
import * as Monotonic from "../monotonic.ts"
import { inOwnScope } from "../ownScope.ts"

/** A connection that lasted this long, in milliseconds, has recovered: the next loss starts the schedule anew. */
const recovery = 60_000

export interface Options<E extends CodexError> {
  readonly schedule: RestartSchedule
  /** Opens a connection, which ends with its scope. Returns an effect that waits for its loss. */
  readonly open: Effect.Effect<Effect.Effect<ConnectionError>, E, Scope.Scope>
  /** Runs after each opening, including the first. */
  readonly onOpened: Effect.Effect<void>
  readonly onLost: (cause: ConnectionError) => void
  readonly onFailure: (error: E) => void
  readonly onGivenUp: (detail: string, cause: unknown) => void
}

/** A process that this program ends is no failure: the schedule is for those. */
const isReplaced = (cause: ConnectionError): boolean => cause._tag === "TransportError" && cause.reason === "replaced"

/** Opens the first connection, and watches it and its successors until the scope closes. */
export const start = Effect.fnUntraced(function*<E extends CodexError>(
  options: Options<E>
): Effect.fn.Return<void, E, Scope.Scope> {
  const clock = yield* Clock.Clock

  const open = Effect.map(
    inOwnScope(options.open),
    ([lost, scope]) => ({ scope, lost, since: Monotonic.millis(clock) })
  )

  let connection = yield* open
  yield* options.onOpened
  const watch = Effect.gen(function*() {
    let step = yield* Schedule.toStepWithSleep(options.schedule)
    while (true) {
      const cause = yield* connection.lost
      options.onLost(cause)
      // Two processes at once would conflict with each other.
      yield* Scope.close(connection.scope, Exit.void)
      if (Monotonic.millis(clock) - connection.since >= recovery) {
        step = yield* Schedule.toStepWithSleep(options.schedule)
      }
      let problem: ConnectionError | E = cause
      while (true) {
        const goesOn = problem === cause && isReplaced(cause)
          ? Effect.succeed(true)
          : step(problem).pipe(Effect.as(true), Pull.catchDone(() => Effect.succeed(false)))
        if (!(yield* goesOn)) {
          const last = problem === cause ? "" : ` The last attempt to restore it failed: ${problem.message}`
          return options.onGivenUp(`it was lost, and its schedule has ended. ${cause.message}${last}`, problem)
        }
        const attempt = yield* Effect.result(open)
        if (attempt._tag === "Success") {
          connection = attempt.success
          break
        }
        problem = attempt.failure
        options.onFailure(problem)
      }
      yield* options.onOpened
    }
  })
  yield* watch.pipe(
    Effect.catchDefect((defect) =>
      Effect.sync(() => options.onGivenUp(`restoring it failed unexpectedly: ${String(defect)}.`, defect))
    ),
    Effect.forkScoped
  )
})
