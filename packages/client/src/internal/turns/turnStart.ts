/** Starts turns so that none is lost: a turn that nobody gets a handle on is stopped. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { ledgerOf } from "../../Budget.ts"
import type {
  BudgetExceeded,
  ConnectionError,
  InputTooLarge,
  ThreadBusy,
  TurnCallError,
  TurnStartError
} from "../../CodexError.ts"
import { AppServerTimeout } from "../../CodexError.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"
import * as AfterRestart from "./afterRestart.ts"
import type { GoalState } from "./goalState.ts"
import type { Meter } from "./meter.ts"
import * as Spending from "./spending.ts"
import type { StartRequest, Steer } from "./startRequest.ts"
import * as StoredTurn from "./storedTurn.ts"
import type { Starting, ThreadRoute } from "./threadRoute.ts"
import { busyWithGoal } from "./threads.ts"
import type { Turns } from "./turns.ts"
import type { TurnState, TurnStateOptions } from "./turnState.ts"
import * as TurnStop from "./turnStop.ts"
import * as TurnTelemetry from "./turnTelemetry.ts"
import { TurnTiming } from "./turnTiming.ts"
import * as Watchdog from "./watchdog.ts"

export interface StartOptions extends Omit<TurnStateOptions, "output" | "rpc" | "limits" | "timing" | "price"> {
  /** The budgets of the turn, and the prices. */
  readonly spending: Spending.Spending
  /** What to do when the thread is busy. A goal cannot be steered from here; its own handle does that. */
  readonly whenBusy: "fail" | "queue" | Steer
  /** How long the turn may be silent. Undefined: no limit. */
  readonly stallTimeout: Duration.Duration | undefined
  /** Whether older messages of the thread may have the id of this one. Default: false. */
  readonly mayRepeatId?: boolean | undefined
  /** Called when the turn must wait for another one. Default: nothing. */
  readonly onWait?: (() => void) | undefined
}

/** One call of {@link start} on the route of its thread. */
interface Start {
  readonly turns: Turns
  readonly route: ThreadRoute
  readonly request: StartRequest
  readonly options: TurnStateOptions
  readonly spending: Spending.Spending
  readonly whenBusy: StartOptions["whenBusy"]
  readonly stallTimeout: Duration.Duration | undefined
  readonly mayRepeatId: boolean
  readonly onWait: (() => void) | undefined
}

const beginTimeout = Duration.seconds(30)

/**
 * For a request whose reply names no turn. Goes on waiting for a turn that has begun but has no items yet,
 * because it may be ours.
 */
const awaitBeginning = (starting: Starting): Effect.Effect<string, AppServerTimeout | ConnectionError> =>
  Effect.timeoutOrElse(Deferred.await(starting.begun), {
    duration: beginTimeout,
    orElse: (): Effect.Effect<string, AppServerTimeout | ConnectionError> =>
      starting.opened.some((turn) => turn.hasBegun && !turn.isEnded && turn.itemIds.size === 0)
        ? awaitBeginning(starting)
        : Effect.fail(new AppServerTimeout({ method: "turn/started", timeout: Duration.toMillis(beginTimeout) }))
  })

// The turn that took in our message has already announced itself, or is in the server's store. It is never
// started a second time.
const findAfterLostReply = Effect.fnUntraced(function*(
  { inBackground, rpc }: Turns,
  route: ThreadRoute,
  starting: Starting,
  before: StoredTurn.Stored | undefined,
  lost: AppServerTimeout | ConnectionError
) {
  const { options, taker } = starting
  if (taker !== undefined) return taker
  if (options.clientId === undefined) return yield* lost
  const stored = yield* StoredTurn.findByClientId(rpc, route.threadId, options.clientId, before)
  if (stored === undefined) return yield* lost
  const turn = route.open(stored.id, options)
  if (lost._tag === "AppServerTimeout") turn.settle(stored)
  else yield* AfterRestart.takeUp(rpc, route, [turn], inBackground)
  return stored.id
})

/** Sends the request in the layer's scope. Returns the turn's id even if the reply was lost or names no turn. */
const send = ({ mayRepeatId, request, route, turns }: Start, starting: Starting, onSent: () => void) => {
  const sendAfter = (before: StoredTurn.Stored | undefined) =>
    Effect.andThen(request.ready, request.send({ onSent })).pipe(
      // A reply that names a turn counts as answered only once that turn is claimed.
      Effect.tap((id) => id === undefined ? Deferred.succeed(starting.answered, undefined) : Effect.void),
      Effect.flatMap((id) => id === undefined ? awaitBeginning(starting) : Effect.succeed(id)),
      Effect.catchTag(
        ["AppServerTimeout", "AppServerExited", "TransportError"],
        (lost) => findAfterLostReply(turns, route, starting, before, lost)
      )
    )
  const sent = mayRepeatId
    ? Effect.andThen(request.ready, Effect.flatMap(StoredTurn.newest(turns.rpc, route.threadId), sendAfter))
    : sendAfter(undefined)
  return Effect.forkIn(Effect.interruptible(sent), turns.scope)
}

/** Follows a started turn until the scope closes, which stops the turn. */
const follow = Effect.fnUntraced(function*(
  { options, route, stallTimeout, turns }: Start,
  turn: TurnState,
  meter: Meter | undefined
) {
  yield* TurnTelemetry.follow(turn, turns.scope)
  yield* Effect.addFinalizer(() => TurnStop.letGo(turns, route, turn))
  const stop = TurnStop.stop(turns, turn)
  if (meter !== undefined) {
    turn.spendFrom(meter)
    yield* Effect.forkScoped(Effect.interruptible(turn.endSpent(meter, TurnStop.stopWithSubagents(turns, turn))))
  }
  if (options.refuse !== undefined) yield* Effect.forkScoped(Effect.interruptible(turn.endRefused(stop)))
  yield* Effect.forkScoped(Effect.interruptible(
    stallTimeout === undefined
      ? Watchdog.askWhenSilent(turns.rpc, turn)
      : Watchdog.watch({ rpc: turns.rpc, turn, stallTimeout, stop })
  ))
})

/** A message that waits in the thread's queue was not meant for the mode of a turn that runs before it. */
const endMode = ({ request, route, turns }: Start, turn: TurnState): void => {
  if (request.endMode === undefined || !route.awaitsQueued) return
  turns.inBackground(Effect.andThen(awaitBegun(turn), request.endMode))
}

/** Waits for a call that the budgets allow, and then looks again whether the thread is free. */
const startNow = (start: Start): Effect.Effect<TurnState, TurnStartError, Scope.Scope> =>
  Effect.suspend(() => {
    const { onWait, request, route, spending, turns } = start
    let hasWaited = false
    const model = request.model ?? internalsOf(turns.rpc).settingsOf(route.threadId)?.model
    const account = Spending.open(spending, route.threadId, model, () => {
      hasWaited = true
      route.awaitsBudget = true
      onWait?.()
    })
    const opened = Effect.ensuring(
      account,
      Effect.sync(() => {
        route.awaitsBudget = false
      })
    )
    return Effect.flatMap(opened, (meter) => {
      if (!hasWaited || route.activeTurnId === undefined) return sendNow(start, meter)
      meter?.end()
      return startOrSteer(start)
    })
  })

// An interruption does not undo a request that was sent: wait for it, then stop the turn.
const sendNow = (
  start: Start,
  meter: Meter | undefined
): Effect.Effect<TurnState, TurnStartError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { options, route, turns } = start
      let isSent = false
      const starting = route.expect(options)
      const request = yield* send(start, starting, () => {
        isSent = true
        options.timing?.sent()
      })
      const waited = yield* Effect.exit(restore(Fiber.await(request)))
      if (Exit.isSuccess(waited)) {
        const reply = waited.value
        if (Exit.isSuccess(reply)) {
          const turn = route.claim(reply.value, options)
          yield* follow(start, turn, meter)
          endMode(start, turn)
          return turn
        }
        route.giveUp()
        return yield* Cause.hasInterrupts(reply.cause) ? scopeEnded("layer") : Effect.failCause(reply.cause)
      }
      const late = isSent
        ? yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(request)), turns.stopGrace)
        : Option.none()
      if (Option.isSome(late) && Exit.isSuccess(late.value)) {
        const turn = route.claim(late.value.value, options)
        if (meter !== undefined) turn.spendFrom(meter)
        yield* TurnTelemetry.follow(turn, turns.scope)
        yield* TurnStop.letGo(turns, route, turn)
      } else {
        yield* Fiber.interrupt(request)
        route.giveUp()
      }
      return yield* Effect.failCause(waited.cause)
    }).pipe(Effect.onError(() => Effect.sync(() => meter?.end())))
  )

// Opens the state before the request, because one read may hold both the reply and the turn's end.
const steer = (
  { onWait, options, route, spending, turns }: Start,
  id: string,
  message: Steer["message"]
): Effect.Effect<TurnState, TurnCallError | InputTooLarge | BudgetExceeded, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const turn = route.open(id, { ...options, clientId: undefined, timing: undefined })
      turn.handles++
      const release = Effect.sync(() => route.release(turn))
      const more = spending.budgets.filter((budget) => !turn.spendsFrom(ledgerOf(budget)))
      const meter = yield* restore(
        Spending.open({ ...spending, budgets: more }, route.threadId, turn.modelName, onWait)
      ).pipe(Effect.onError(() => release))
      yield* restore(call(turns.rpc, "turn/steer", { threadId: route.threadId, expectedTurnId: id, ...message })).pipe(
        Effect.onError(() => Effect.andThen(Effect.sync(() => meter?.end()), release))
      )
      yield* Effect.addFinalizer(() => release)
      turn.joined(options.events)
      if (meter !== undefined) {
        turn.alsoSpendFrom(meter)
        yield* Effect.forkScoped(Effect.interruptible(turn.endSpent(meter, TurnStop.stopWithSubagents(turns, turn))))
      }
      return turn
    })
  )

/** Waits until the turn has begun, or is over. */
const awaitBegun = (turn: TurnState): Effect.Effect<void> =>
  Effect.asVoid(Effect.raceFirst(Deferred.await(turn.started), Effect.exit(turn.awaitEnd)))

/** If the turn has not begun, waits for its beginning and tries again. */
const onceBegun = <A, E, R>(start: Start, id: string, otherwise: Effect.Effect<A, E, R>) =>
  Effect.suspend((): Effect.Effect<A | TurnState, E | TurnStartError, R | Scope.Scope> => {
    const turn = start.route.get(id)
    return turn === undefined || turn.hasBegun || turn.isEnded ? otherwise : Effect.andThen(
      awaitBegun(turn),
      startOrSteer(start)
    )
  })

const steerOrStart = (
  start: Start,
  active: string,
  { message, refuse }: Steer
): Effect.Effect<TurnState, TurnStartError, Scope.Scope> => {
  const { route } = start
  const refused = refuse(active, route.heldBy(active))
  // Its settings are known only once it begins.
  if (refused !== undefined) return onceBegun(start, active, Effect.fail(refused))
  return Effect.catchTags(steer(start, active, message), {
    NoActiveTurn: () =>
      // The turn is accepted but has not begun, or it is over.
      onceBegun(
        start,
        active,
        Effect.suspend(() => {
          if (route.activeTurnId === active) route.activeTurnId = undefined
          return startOrSteer(start)
        })
      ),
    TurnMismatch: (error) =>
      Effect.suspend(() => {
        route.activeTurnId = error.actual
        return startOrSteer(start)
      })
  })
}

/** A goal owns its thread, also between two of its turns. */
const waitFor = (
  goal: GoalState,
  { onWait, whenBusy }: Pick<StartOptions, "onWait" | "whenBusy">
): Effect.Effect<void, ThreadBusy> => {
  if (whenBusy !== "queue") return Effect.fail(busyWithGoal(goal))
  onWait?.()
  return Effect.asVoid(Effect.exit(goal.awaitEnd))
}

const startOrSteer = (start: Start): Effect.Effect<TurnState, TurnStartError, Scope.Scope> =>
  Effect.suspend(() => {
    const { onWait, route, turns, whenBusy } = start
    const goal = turns.threads.goalOn(route.threadId)
    // It was set while the turn waited. One that is not set yet waits for the gate, and finds the turn running.
    if (goal?.isSet === true) return Effect.andThen(waitFor(goal, start), startOrSteer(start))
    const active = route.activeTurnId
    if (active === undefined) return startNow(start)
    if (whenBusy === "fail") return Effect.fail(route.busy(active))
    if (whenBusy !== "queue") return steerOrStart(start, active, whenBusy)
    onWait?.()
    return Effect.andThen(route.awaitIdle(), startOrSteer(start))
  })

const awaitGoal = (
  turns: Turns,
  threadId: string,
  options: StartOptions
): Effect.Effect<void, ThreadBusy> =>
  Effect.suspend(() => {
    const goal = turns.threads.goalOn(threadId)
    return goal === undefined
      ? Effect.void
      : Effect.andThen(waitFor(goal, options), awaitGoal(turns, threadId, options))
  })

/** Sends a request that starts a turn. If the scope closes before the turn ends, the turn is stopped. */
export const start = Effect.fnUntraced(function*(
  turns: Turns,
  threadId: string,
  request: StartRequest,
  startOptions: StartOptions
): Effect.fn.Return<TurnState, TurnStartError, Scope.Scope> {
  yield* Spending.check(startOptions.spending, threadId)
  yield* awaitGoal(turns, threadId, startOptions)
  yield* request.ready
  if (turns.isClosed()) return yield* scopeEnded("layer")
  const route = yield* turns.threads.route(threadId)
  const { mayRepeatId = false, onWait, spending, stallTimeout, whenBusy, ...turnOptions } = startOptions
  // `whenBusy: "fail"` must not queue at the gate.
  if (whenBusy === "fail" && (route.activeTurnId !== undefined || route.awaitsBudget)) {
    return yield* route.busy(route.activeTurnId ?? "")
  }
  // A waiting turn may hold the gate.
  if (route.activeTurnId !== undefined) onWait?.()
  const timing = new TurnTiming(yield* Clock.Clock)
  const options: TurnStateOptions = {
    ...turnOptions,
    output: request.output,
    rpc: turns.rpc,
    limits: turns.limits,
    timing,
    price: spending.price
  }
  return yield* route.gate.withPermit(
    startOrSteer({ turns, route, request, options, spending, whenBusy, stallTimeout, mayRepeatId, onWait })
  )
})
