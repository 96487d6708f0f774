/** Keeps a process started, with the handshake done, that nobody uses yet: for whoever needs the next one. */
import { AppServer } from "@effect-codex/client/AppServer"
import type { CodexError } from "@effect-codex/client/CodexError"
import { inOwnScope } from "@effect-codex/client/internal/ownScope"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as GreetedProcess from "./greetedProcess.ts"

interface Waiting {
  readonly server: AppServer["Service"]
  readonly scope: Scope.Closeable
}

export interface Spare<E, R> {
  /** A process: the spare one, which is then followed by another, or a new one. */
  readonly layer: Layer.Layer<AppServer, E, R>
  /** Starts the first spare process. */
  readonly prepare: Effect.Effect<void>
  /** The process id of the spare process, if there is one. */
  readonly pid: () => number | undefined
}

/** A process that cannot be started, or ends while it waits, is tried again after growing pauses. */
const again = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

export const make = Effect.fnUntraced(function*<E extends CodexError, R>(
  process: Layer.Layer<AppServer, E, R>,
  params: object
): Effect.fn.Return<Spare<E, R>, never, R | Scope.Scope> {
  // It closes after the places, which end the processes that they have taken in their own order, and before it nothing
  // is started any more.
  const spares = yield* Scope.fork(yield* Effect.scope)
  const inBackground = yield* FiberSet.makeRuntime<never, void>()
  const context = Context.add(yield* Effect.context<R | Scope.Scope>(), Scope.Scope, spares)
  let waiting: Waiting | undefined
  let isPreparing = false

  const start = inOwnScope(Effect.flatMap(
    Layer.build(Layer.fresh(process)),
    (services) => GreetedProcess.greet(Context.get(services, AppServer), params)
  ))
  /** Returns once the process has been taken, or fails when it has ended. */
  const keep = Effect.gen(function*() {
    const [server, scope] = yield* start
    const spare: Waiting = { server, scope }
    waiting = spare
    isPreparing = false
    const { code, signal } = yield* spare.server.exit
    if (waiting !== spare || spares.state._tag === "Closed") return
    waiting = undefined
    isPreparing = true
    yield* Scope.close(scope, Exit.void)
    return yield* Effect.fail({ message: `it ended while it waited (${signal ?? `exit code ${code}`})` })
  })
  const prepare = Effect.suspend(() => {
    if (isPreparing || waiting !== undefined) return Effect.void
    isPreparing = true
    return keep.pipe(
      Effect.tapError(({ message }) => Effect.logWarning(`the spare process of the pool is started again: ${message}`)),
      Effect.retry(again),
      Effect.ignore,
      Effect.provide(context)
    )
  })
  const prepareNext = Effect.sync(() => inBackground(prepare))

  const take = Effect.suspend(() => {
    const spare = waiting
    if (spare === undefined) return Layer.build(Layer.fresh(process))
    waiting = undefined
    return Effect.uninterruptible(Effect.as(
      Effect.addFinalizer((exit) => Scope.close(spare.scope, exit)),
      Context.make(AppServer, spare.server)
    ))
  })
  return {
    layer: Layer.effectContext(Effect.tap(take, prepareNext)),
    prepare: prepareNext,
    pid: () => waiting?.server.pid
  }
})
