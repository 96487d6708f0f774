/** Starts, follows and stops the goal of a thread. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { BudgetExceeded, RequestError, ResumeError, ThreadCallError, TurnCallError } from "../../CodexError.ts"
import { AppServerTimeout, InvalidArgument, ThreadBusy, ThreadNotFound } from "../../CodexError.ts"
import { inOwnScope } from "../ownScope.ts"
import { membersOf } from "../protocol/peek.ts"
import { call, using } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"
import { GoalState } from "./goalState.ts"
import * as Spending from "./spending.ts"
import type { Steer } from "./startRequest.ts"
import * as StoredTurn from "./storedTurn.ts"
import * as Terminals from "./terminals.ts"
import { busyWithGoal } from "./threads.ts"
import type { Turns } from "./turns.ts"
import type { TurnState, TurnStateOptions } from "./turnState.ts"
import * as TurnStop from "./turnStop.ts"
import * as TurnTelemetry from "./turnTelemetry.ts"
import * as Watchdog from "./watchdog.ts"

type SetParams = ClientRequests["thread/goal/set"]["params"]

/** The goal to set. Without an objective it is the thread's current goal. */
export type GoalParams = Pick<SetParams, "objective" | "tokenBudget">

/** The part of {@link Turns} that a goal needs. */
export type Running = Pick<Turns, "rpc" | "stopGrace" | "threads" | "limits">

export interface StartOptions extends Omit<TurnStateOptions, "rpc" | "limits" | "price"> {
  /** The budgets of the goal, and the prices. */
  readonly spending: Spending.Spending
  /** How long the goal may be silent. Undefined: no limit. */
  readonly stallTimeout: Duration.Duration | undefined
  /** Prepares the thread for the goal. */
  readonly ready: Effect.Effect<void, ResumeError>
  /** Called when another client has changed the settings of the goal's next turn. Must not wait. */
  readonly restore: () => void
}

const beginTimeout = Duration.seconds(30)

export const setGoal = (
  rpc: Rpc,
  threadId: string,
  params: Omit<SetParams, "threadId">,
  timeout?: Duration.Duration
) => rpc.request("thread/goal/set", { threadId, ...params }, { timeout })

// =============================================================================
// Stop
// =============================================================================

const interruptTurn = (
  rpc: Rpc,
  goal: GoalState,
  turnId: string,
  isRetry = false
): Effect.Effect<void, TurnCallError> =>
  call(rpc, "turn/interrupt", { threadId: goal.threadId, turnId }).pipe(
    Effect.catchTags({
      NoActiveTurn: () =>
        goal.current === undefined || goal.current === turnId
          ? Effect.void
          : interruptTurn(rpc, goal, goal.current, true),
      TurnMismatch: (error) => isRetry ? Effect.fail(error) : interruptTurn(rpc, goal, error.actual, true)
    })
  )

const isInvalidRequest = (error: RequestError): boolean =>
  error._tag === "RpcError" && error.reason === "invalidRequest"

/**
 * Pauses the goal and interrupts its turn. docs/codex-behaviour.md, "A goal that is paused or cleared lets its
 * turn finish". So this pauses first: an active goal would start another turn. If pausing fails, the turn is
 * still interrupted. A server that refuses to pause has no goal left to pause.
 */
export const interrupt = (
  rpc: Rpc,
  goal: GoalState,
  pauseTimeout?: Duration.Duration
): Effect.Effect<void, TurnCallError> =>
  Effect.suspend(() =>
    goal.isOver ? Effect.void : goal.interruptWith(Effect.gen(function*() {
      const pausing = yield* setGoal(rpc, goal.threadId, { status: "paused" }, pauseTimeout).pipe(
        using(rpc, "thread/goal/set", () => true),
        Effect.asVoid,
        Effect.catchIf(isInvalidRequest, () => Effect.void),
        Effect.exit
      )
      // docs/codex-behaviour.md, "An interrupt that names no turn ends the turn that runs or is about to
      // begin".
      yield* interruptTurn(rpc, goal, goal.last ?? "")
      yield* pausing
    }))
  )

// Stopping is bounded, and one silent request must not use up the whole bound.
const shareOf = (stopGrace: Duration.Duration) => Duration.divideUnsafe(stopGrace, 4)

const interruptAndWait = ({ rpc, stopGrace }: Running, goal: GoalState, turn: TurnState): Effect.Effect<void> =>
  Effect.ignore(interrupt(rpc, goal, shareOf(stopGrace))).pipe(
    Effect.andThen(goal.awaitEnd),
    Effect.andThen(TurnStop.interruptSubagents(rpc, turn)),
    Effect.andThen(Terminals.endLeft(rpc, turn)),
    Effect.timeoutOption(stopGrace),
    Effect.ignore
  )

// A refused request changed nothing. Without an answer, or with an unreadable one, it may have changed the
// goal.
const isRefusal = (exit: Exit.Exit<unknown, RequestError>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(Cause.findErrorOption(exit.cause), (error) =>
    error._tag !== "AppServerTimeout" && error._tag !== "DecodeError")

// Runs in finalizers, which cannot be interrupted, so it has its own bound.
const stop = (
  { rpc, stopGrace }: Running,
  goal: GoalState,
  setting: Fiber.Fiber<unknown, RequestError>
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const share = shareOf(stopGrace)
    if (!goal.isSet) yield* Fiber.interrupt(setting)
    if (!goal.isSet || goal.isOver || goal.isTurnEnded) return
    if (Option.exists(yield* Effect.timeoutOption(Fiber.await(setting), share), isRefusal)) return
    yield* Effect.ignore(interrupt(rpc, goal, share))
    if (goal.id === undefined) {
      if (StoredTurn.isQuiet(yield* StoredTurn.threadStatus(rpc, goal.threadId)) && goal.id === undefined) return
    }
    yield* goal.awaitEnd
    if (goal.turn === undefined) return
    yield* TurnStop.interruptSubagents(rpc, goal.turn)
    yield* Terminals.endLeft(rpc, goal.turn)
  }).pipe(Effect.interruptible, Effect.timeoutOption(stopGrace), Effect.ignore)

// =============================================================================
// Follow
// =============================================================================

/** Ends a goal that has gone silent. */
const watch = (running: Running, goal: GoalState, turn: TurnState, stallTimeout: Duration.Duration) => {
  const { rpc, stopGrace } = running
  const { threadId } = goal
  return Watchdog.watch({
    rpc,
    turn,
    stallTimeout,
    settle: Effect.gen(function*() {
      const stored = goal.last === undefined ? undefined : yield* StoredTurn.findById(rpc, threadId, goal.last)
      if (stored === undefined || !StoredTurn.isOver(stored)) return false
      const reply = yield* rpc.request("thread/goal/get", { threadId }, { timeout: shareOf(stopGrace) }).pipe(
        using(rpc, "thread/goal/get", (reply) => "goal" in reply ? reply : undefined)
      )
      goal.settle(stored, reply.goal)
      return goal.isOver
    }).pipe(Effect.orElseSucceed(() => false)),
    stop: interruptAndWait(running, goal, turn)
  })
}

/** Steers the running turn, or the next one if none is running. */
export const steer = Effect.fnUntraced(function*(
  rpc: Rpc,
  goal: GoalState,
  message: Steer["message"]
) {
  const steerTurn = (expectedTurnId: string) =>
    call(rpc, "turn/steer", { threadId: goal.threadId, expectedTurnId, ...message })
  const current = yield* goal.awaitRunning()
  yield* steerTurn(current).pipe(Effect.catchTags({
    NoActiveTurn: () => Effect.flatMap(goal.awaitRunning(current), steerTurn),
    TurnMismatch: (error) => steerTurn(error.actual)
  }))
})

// =============================================================================
// Start
// =============================================================================

/** Checks that the server would start the goal. */
const checkThread = Effect.fnUntraced(function*(rpc: Rpc, threadId: string) {
  const thread = yield* rpc.request("thread/read", { threadId, includeTurns: false }).pipe(
    using(rpc, "thread/read", ({ thread }) => Predicate.isReadonlyObject(thread) ? membersOf(thread) : undefined)
  )
  if (thread["ephemeral"] === true) {
    return yield* new InvalidArgument({
      argument: "thread",
      detail: "an ephemeral thread cannot have a goal: start one without `ephemeral`."
    })
  }
  const { type: status } = membersOf(thread["status"])
  // docs/codex-behaviour.md, "A goal of a thread that is not loaded is stored, and no turn begins".
  if (status === "notLoaded") {
    const detail = `thread not loaded: ${threadId}`
    return yield* new ThreadNotFound({ method: "thread/goal/set", code: -32600, detail })
  }
  // docs/codex-behaviour.md, "A thread whose last turn failed takes a goal".
  if (StoredTurn.isQuiet(thread["status"])) return
  const last = yield* StoredTurn.list(rpc, { threadId, limit: 1, itemsView: "notLoaded" }).pipe(
    Effect.map(([last]) => last),
    Effect.orElseSucceed(() => undefined)
  )
  // With an unknown status, the last turn tells whether the thread is busy.
  if (status !== "active" && (last === undefined || StoredTurn.isOver(last))) return
  return yield* new ThreadBusy({ threadId, activeTurnId: last?.id ?? "", delivered: false })
})

const begin = Effect.fnUntraced(function*(
  running: Running,
  goal: GoalState,
  params: GoalParams
): Effect.fn.Return<TurnState, ThreadCallError | ThreadBusy, Scope.Scope> {
  const { rpc } = running
  const { threadId } = goal
  yield* internalsOf(rpc).observe(threadId, goal)
  yield* checkThread(rpc, threadId)
  // Otherwise the usage of an earlier goal would count towards the new one.
  if (params.objective !== undefined) yield* call(rpc, "thread/goal/clear", { threadId })
  // An interruption does not undo a request that was sent: wait for it, then stop the goal.
  const setting = yield* Effect.uninterruptible(Effect.gen(function*() {
    const setting = yield* call(rpc, "thread/goal/set", { threadId, ...params, status: "active" }, {
      onSent: () => {
        goal.isSet = true
      }
    }).pipe(Effect.interruptible, Effect.forkScoped)
    yield* Effect.addFinalizer(() => stop(running, goal, setting))
    return setting
  }))
  yield* Fiber.join(setting)
  return yield* Deferred.await(goal.begun).pipe(
    Effect.timeoutOrElse({
      duration: beginTimeout,
      orElse: () =>
        Effect.fail(new AppServerTimeout({ method: "turn/started", timeout: Duration.toMillis(beginTimeout) }))
    })
  )
})

/**
 * Starts a goal and returns its turn once that has begun. If the scope closes before the goal ends, the goal is
 * stopped. A goal that fails to start, or is interrupted while starting, is stopped at once.
 */
export const start = Effect.fnUntraced(function*(
  running: Running,
  threadId: string,
  params: GoalParams,
  startOptions: StartOptions
): Effect.fn.Return<readonly [GoalState, TurnState], ResumeError | ThreadBusy | BudgetExceeded, Scope.Scope> {
  const { limits, rpc, threads } = running
  const { ready, restore, spending, stallTimeout, ...turnOptions } = startOptions
  const free = Effect.suspend(() => {
    const other = threads.goalOn(threadId)
    return other === undefined ? Effect.void : Effect.fail(busyWithGoal(other))
  })
  yield* Spending.check(spending, threadId)
  yield* free
  yield* ready
  // Another goal may have been quicker.
  yield* free
  const [begun] = yield* inOwnScope(Effect.gen(function*() {
    const goal = new GoalState(threadId, { ...turnOptions, rpc, limits, price: spending.price }, restore)
    // Added before everything that can end the turn, so that it closes last.
    yield* TurnTelemetry.followOnceBegun(Deferred.await(goal.begun), yield* Effect.scope)
    yield* threads.setGoal(goal)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        // Nothing more is heard of the goal, so nobody must wait for it.
        goal.onEnd(scopeEnded("goal"))
        goal.onReadEnd()
        goal.turn?.subagents?.release()
      })
    )
    const [turn, meter] = yield* threads.exclusively(threadId)(Effect.gen(function*() {
      // A turn waits for its budget while it has the thread. One that held a call while it waits for the thread would
      // wait for a turn that waits for it.
      const meter = yield* Spending.open(spending, threadId, internalsOf(rpc).settingsOf(threadId)?.model)
      goal.meter = meter
      return [yield* begin(running, goal, params), meter] as const
    }))
    if (stallTimeout !== undefined) {
      yield* Effect.forkScoped(Effect.interruptible(watch(running, goal, turn, stallTimeout)))
    }
    yield* Effect.forkScoped(Effect.interruptible(turn.endRefused(interruptAndWait(running, goal, turn))))
    if (meter !== undefined) {
      const stopAll = Effect.all([interruptAndWait(running, goal, turn), TurnStop.interruptSubagents(rpc, turn)], {
        concurrency: "unbounded",
        discard: true
      })
      yield* Effect.forkScoped(Effect.interruptible(turn.endSpent(meter, stopAll)))
    }
    return [goal, turn] as const
  }))
  return begun
})
