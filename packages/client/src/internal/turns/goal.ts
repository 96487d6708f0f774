/**
 * Folds the turns that the server runs for one goal into one turn.
 *
 * The frames of the goal's turns are given the id of the first and fed to a single `TurnState`, without what separates
 * the turns. So events, items, usage and result are those of any turn.
 */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import type * as Received from "@effect-codex/protocol/Received"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { AppServerRpc } from "../../AppServerRpc.ts"
import type { ConnectionError, RequestError, ResumeError, ThreadCallError, TurnCallError } from "../../CodexError.ts"
import {
  AppServerTimeout,
  InvalidArgument,
  NoActiveTurn,
  ThreadBusy,
  ThreadNotFound,
  TransportError,
  TurnInterrupted
} from "../../CodexError.ts"
import type { Goal, GoalOptions, Goals, ResumeGoalOptions } from "../../Goal.ts"
import type { Raw } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { Turn } from "../../Turn.ts"
import * as OptionKinds from "../options.ts"
import { type Members, membersOf } from "../protocol/members.ts"
import { call, using } from "../protocol/uses.ts"
import type { ThreadObserver } from "../rpcInternals.ts"
import { internalsOf } from "../rpcInternals.ts"
import { defined, duration } from "../settings/settings.ts"
import type { ToWire } from "./inputItems.ts"
import type { Windows } from "./rateLimits.ts"
import * as StoredTurn from "./storedTurn.ts"
import * as Terminals from "./terminals.ts"
import type { TurnStateOptions } from "./turnState.ts"
import { TurnState } from "./turnState.ts"
import * as TurnTelemetry from "./turnTelemetry.ts"
import * as Watchdog from "./watchdog.ts"

type Rpc = AppServerRpc["Service"]

/** The statuses of a goal that no turn follows. */
const ends: ReadonlySet<string> = new Set<Received.ThreadGoalStatus | "cleared">([
  "blocked",
  "budgetLimited",
  "cleared",
  "complete",
  "paused",
  "usageLimited"
])

const numberOf = (u: unknown): number | undefined => typeof u === "number" && Number.isFinite(u) ? u : undefined

const notActivated = {
  message: "codex app-server did not activate goal mode for this turn: it told nothing of the goal. Update codex.",
  codexErrorInfo: null,
  additionalDetails: null,
  misalignment: null
}

// =============================================================================
// What the reader folds
// =============================================================================

class GoalState implements ThreadObserver {
  readonly threadId: string
  /** The first turn began. */
  readonly begun = Deferred.makeUnsafe<TurnState, ConnectionError>()
  private readonly ended = Deferred.makeUnsafe<void, ConnectionError>()
  /** The goal is being set: from here on the thread's turns are the goal's. */
  isSet = false
  isOver = false
  /** The turn of the server that runs, and the last one that began. */
  current: string | undefined
  last: string | undefined
  private readonly options: TurnStateOptions
  /** Makes the thread hold again what the goal was to run with. Must not wait. */
  private readonly restore: (() => void) | undefined
  private mayRestore = true
  /** What the thread holds may be something else than before. */
  private isChanged = false
  private readonly turnIds = new Set<string>()
  turn: TurnState | undefined
  private startedAt: number | undefined
  private goal: string | undefined
  private completion: Members | undefined
  private failed: Members | undefined
  private completionBytes = 0
  private interrupting = 0
  private isInterrupted = false
  private changed: Deferred.Deferred<void> | undefined
  private end: ConnectionError | undefined

  constructor(threadId: string, options: TurnStateOptions, restore?: () => void) {
    this.threadId = threadId
    this.options = options
    this.restore = restore
  }

  /** The id that the goal's turn is known by. */
  get id(): string | undefined {
    return this.turn?.id
  }

  get awaitEnd(): Effect.Effect<void, ConnectionError> {
    return Deferred.await(this.ended)
  }

  /** Nobody waits for the goal's turn any more, which may be before the server has ended it. */
  get isTurnEnded(): boolean {
    return this.turn?.isEnded === true
  }

  /** Waits for a running turn of the server, for another one than `other`. */
  running(other?: string): Effect.Effect<string, ConnectionError | NoActiveTurn> {
    return Effect.suspend(() => {
      if (this.end !== undefined) return Effect.fail(this.end)
      if (this.isOver) {
        return Effect.fail(
          new NoActiveTurn({ method: "turn/steer", code: -32600, detail: "no active turn to steer" })
        )
      }
      if (this.current !== undefined && this.current !== other) return Effect.succeed(this.current)
      this.changed ??= Deferred.makeUnsafe<void>()
      return Effect.andThen(Deferred.await(this.changed), this.running(other))
    })
  }

  handlers(): Overrides | undefined {
    return this.options.handlers
  }

  span(): Tracer.AnySpan | undefined {
    return this.turn?.span
  }

  onHandled(): void {
    this.turn?.onHeard?.()
  }

  onSubagentUsage(turnId: string, subagentTurnId: string, tokenUsage: unknown): void {
    if (this.turnIds.has(turnId)) this.turn?.onSubagentUsage(subagentTurnId, tokenUsage)
  }

  /** Takes in what the server has stored of the last turn and of the goal. */
  settleFrom(stored: StoredTurn.Stored, goal: unknown): void {
    this.turn?.settleItems(stored)
    this.onNotification({ _tag: "turn/completed", params: { threadId: this.threadId, turn: stored.turn } }, 0)
    this.onGoal(goal === null ? "thread/goal/cleared" : "thread/goal/updated", { goal })
    this.onReadEnd()
  }

  /** While it runs the end is held back, because it depends on whether the goal was interrupted. */
  interruptWith<E>(interrupt: Effect.Effect<void, E>): Effect.Effect<void, E | ConnectionError> {
    return Effect.suspend(() => {
      this.interrupting++
      return Effect.onExit(Effect.raceFirst(interrupt, this.awaitEnd), (exit) =>
        Effect.sync(() => {
          this.interrupting--
          if (Exit.isSuccess(exit)) this.isInterrupted = true
          this.settle()
          this.onReadEnd()
        }))
    })
  }

  onNotification(event: Raw, bytes: number): void {
    if (!this.isSet || this.isOver) return
    const params = membersOf(event.params)
    const turn = membersOf(params["turn"])
    if (event._tag.startsWith("thread/goal/")) return this.onGoal(event._tag, params)
    if (event._tag === "thread/settings/updated") {
      this.isChanged = true
      return
    }
    const id = params["turnId"] ?? turn["id"]
    if (typeof id !== "string") return
    if (event._tag === "turn/started") return this.onStarted(id, turn, event, bytes)
    if (!this.turnIds.has(id)) {
      // The beginning was not told: no other turn can begin here.
      if (event._tag !== "item/started") return
      this.onStarted(id, turn, undefined, 0)
    }
    if (event._tag === "turn/completed") return this.onCompleted(id, turn, bytes)
    const { turn: logical } = this
    if (logical === undefined) return
    logical.onNotification(
      id === logical.id ? event : { _tag: event._tag, params: { ...params, turnId: logical.id } },
      bytes
    )
  }

  onReadEnd(): void {
    if (this.isChanged && !this.isOver) this.onSettings()
    if (this.turn === undefined) return
    this.turn.onReadEnd()
    Deferred.doneUnsafe(this.begun, Exit.succeed(this.turn))
    if (this.isOver) Deferred.doneUnsafe(this.ended, Exit.void)
    this.wake()
  }

  onEnd(cause: ConnectionError): void {
    if (this.isOver) return
    this.isOver = true
    this.end = cause
    this.turn?.onEnd(cause)
    Deferred.doneUnsafe(this.begun, Exit.fail(cause))
    Deferred.doneUnsafe(this.ended, Exit.fail(cause))
    this.wake()
  }

  // What the process was doing for the goal is lost with it. It goes on when the thread is resumed with `resumeGoal`.
  onLost(cause: ConnectionError): void {
    this.onEnd(cause)
    this.onReadEnd()
  }

  private wake(): void {
    const { changed } = this
    this.changed = undefined
    if (changed !== undefined) Deferred.doneUnsafe(changed, Exit.void)
  }

  private onGoal(method: string, params: Members): void {
    const status = membersOf(params["goal"])["status"]
    if (method === "thread/goal/updated" && typeof status === "string") this.goal = status
    // That the earlier goal was cleared may be told when the new one is being set already (measured).
    else if (method === "thread/goal/cleared" && this.goal !== undefined) this.goal = "cleared"
    this.settle()
  }

  // The server begins the next turn with what the thread holds. Once for each turn, because it may have been told in vain.
  private onSettings(): void {
    this.isChanged = false
    const { refuse, rpc } = this.options
    if (!this.mayRestore || refuse?.(internalsOf(rpc).settingsOf(this.threadId)) === undefined) return
    this.mayRestore = false
    this.restore?.()
  }

  private onStarted(id: string, turn: Members, event: Raw | undefined, bytes: number): void {
    if (this.turnIds.has(id)) return
    this.turnIds.add(id)
    this.current = id
    this.last = id
    this.mayRestore = true
    if (this.turn !== undefined) {
      this.turn.runningId = id
      this.turn.frames++
      this.turn.begins()
      return
    }
    this.startedAt = numberOf(turn["startedAt"])
    this.turn = new TurnState(this.threadId, id, this.options)
    if (event !== undefined) this.turn.onNotification(event, bytes)
  }

  private onCompleted(id: string, turn: Members, bytes: number): void {
    if (this.current === id) this.current = undefined
    this.mayRestore = true
    this.isChanged = true
    this.completion = turn
    this.completionBytes = bytes
    if (turn["status"] !== "completed" && turn["status"] !== "interrupted") this.failed ??= turn
    this.settle()
  }

  private settle(): void {
    const { completion } = this
    if (this.isOver || completion === undefined || this.current !== undefined) return
    // An interrupted turn is the last, even when the goal is still active (measured).
    if (completion["status"] === "interrupted") return this.finish(completion)
    if (this.interrupting > 0) return
    // A server without goals runs the turn as any other, and nothing follows it.
    if (this.goal === undefined) return this.finish({ ...completion, status: "failed", error: notActivated })
    // Another turn follows while the goal is active, or is whatever else a newer server may call it.
    if (ends.has(this.goal)) this.finish(this.failed ?? completion)
  }

  private finish(turn: Members): void {
    const { turn: logical } = this
    if (logical === undefined) return
    this.isOver = true
    const startedAt = this.startedAt ?? numberOf(turn["startedAt"])
    const completedAt = numberOf(turn["completedAt"])
    // The server's times are whole seconds; of a single turn it knows the duration better.
    const durationMs = turn["id"] === logical.id || startedAt === undefined || completedAt === undefined
      ? turn["durationMs"]
      : Math.max(0, completedAt - startedAt) * 1000
    logical.onNotification({
      _tag: "turn/completed",
      params: {
        threadId: this.threadId,
        turn: {
          ...turn,
          id: logical.id,
          rootTurnId: logical.id,
          status: this.isInterrupted ? "interrupted" : turn["status"],
          startedAt: startedAt ?? null,
          durationMs
        }
      }
    }, this.completionBytes)
  }
}

// =============================================================================
// Which thread has a goal that runs
// =============================================================================

const running = new WeakMap<Rpc, Map<string, GoalState>>()

const runningOf = (rpc: Rpc): Map<string, GoalState> => {
  const known = running.get(rpc)
  if (known !== undefined) return known
  const made = new Map<string, GoalState>()
  running.set(rpc, made)
  return made
}

/**
 * The turn of the goal that this client runs on the thread, also while the server is between two of its turns. The id is
 * empty while the goal is being set.
 */
export const activeTurnId = (rpc: Rpc, threadId: string): string | undefined => {
  const state = running.get(rpc)?.get(threadId)
  return state === undefined || state.isOver ? undefined : state.id ?? ""
}

/** Waits until this client runs no goal on the thread. */
export const awaitIdle = (rpc: Rpc, threadId: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const state = running.get(rpc)?.get(threadId)
    return state === undefined ? Effect.void : Effect.exit(state.awaitEnd)
  })

// =============================================================================
// Constructor
// =============================================================================

export interface Options {
  /** How long the end of an interrupted goal is waited for before it is let go. */
  readonly stopGrace: Duration.Duration
  /** For what the server asks during the goal's turns. Default: those of the client. */
  readonly handlers?: Overrides | undefined
  /** How long the goal may be silent. Default: for ever. */
  readonly stallTimeout?: Duration.Input | undefined
  /** The limits of the account. */
  readonly limits: () => Windows
  /** The handle of a turn that is interrupted in this way. Its `steer` is replaced. */
  readonly handle: (state: TurnState, interrupt: Effect.Effect<void, TurnCallError>) => Turn
  readonly toWire: ToWire
  /** Makes the thread ready for the goal, once its arguments are known to be right. Default: nothing. */
  readonly ready?: Effect.Effect<void, ResumeError> | undefined
  /** Why a turn of the goal must not run with what the thread holds. Default: it may run with anything. */
  readonly refuse?: TurnStateOptions["refuse"]
  /** Called when somebody else has changed what the next turn of the goal runs with. Must not wait. */
  readonly restore?: (() => void) | undefined
  /** Keeps turns from being started on the thread while a goal is. Default: nothing does. */
  readonly exclusively?: (<A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) | undefined
}

const beginTimeout = Duration.seconds(30)

type SetParams = ClientRequests["thread/goal/set"]["params"]

const seconds = (n: number): Option.Option<DateTime.Utc> => DateTime.make(n * 1000)

const fromWire = (goal: Received.ThreadGoal): Goal => ({
  threadId: goal.threadId,
  objective: goal.objective,
  status: goal.status,
  tokenBudget: Option.fromNullishOr(goal.tokenBudget),
  tokensUsed: goal.tokensUsed,
  timeUsed: Duration.seconds(goal.timeUsedSeconds),
  createdAt: seconds(goal.createdAt),
  updatedAt: seconds(goal.updatedAt)
})

/** The longest objective that the server takes, in characters (Unicode code points). */
const maxObjectiveLength = 4000

const checked = (objective: string, options: GoalOptions | undefined) => {
  const invalid = (argument: string, detail: string) => Effect.fail(new InvalidArgument({ argument, detail }))
  if (typeof objective !== "string") return invalid("objective", "expected a string.")
  const trimmed = objective.trim()
  if (trimmed === "") return invalid("objective", "it must not be empty.")
  // The server counts characters, of which a string has at most as many as code units.
  const length = trimmed.length > maxObjectiveLength ? [...trimmed].length : trimmed.length
  if (length > maxObjectiveLength) {
    return invalid("objective", `it has ${length} characters and the server takes ${maxObjectiveLength}.`)
  }
  const tokenBudget = options?.tokenBudget
  return Effect.succeed({ objective: trimmed, ...defined({ tokenBudget }) })
}

// A request that was refused changed nothing; of one that got no answer, or an odd one, this is not known.
const isRefusal = (exit: Exit.Exit<unknown, RequestError>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(Cause.findErrorOption(exit.cause), (error) =>
    error._tag !== "AppServerTimeout" && error._tag !== "DecodeError")

const isInvalidRequest = (error: RequestError): boolean =>
  error._tag === "RpcError" && error.reason === "invalidRequest"

export const make = (rpc: Rpc, threadId: string, options: Options): Goals => {
  const { handlers, stopGrace } = options
  const exclusively = options.exclusively ?? ((effect) => effect)
  const setGoal = (params: Omit<SetParams, "threadId">, timeout?: Duration.Duration) =>
    rpc.request("thread/goal/set", { threadId, ...params }, { timeout })

  const checkThread = Effect.gen(function*() {
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
    // The server stores the goal of a thread that is not loaded and then begins no turn (measured).
    if (status === "notLoaded") {
      const detail = `thread not loaded: ${threadId}`
      return yield* new ThreadNotFound({ method: "thread/goal/set", code: -32600, detail })
    }
    // A thread whose last turn failed takes a goal as an idle one does (measured).
    if (StoredTurn.isQuiet(thread["status"])) return
    const last = yield* StoredTurn.list(rpc, { threadId, limit: 1, itemsView: "notLoaded" }).pipe(
      Effect.map(([last]) => last),
      Effect.orElseSucceed(() => undefined)
    )
    // What an unknown status means, the last turn tells.
    if (status !== "active" && (last === undefined || StoredTurn.isOver(last))) return
    return yield* new ThreadBusy({ threadId, activeTurnId: last?.id ?? "", delivered: false })
  })

  const interruptTurn = (state: GoalState, turnId: string, isRetry = false): Effect.Effect<void, TurnCallError> =>
    call(rpc, "turn/interrupt", { threadId, turnId }).pipe(
      Effect.catchTags({
        NoActiveTurn: () =>
          state.current === undefined || state.current === turnId
            ? Effect.void
            : interruptTurn(state, state.current, true),
        TurnMismatch: (error) => isRetry ? Effect.fail(error) : interruptTurn(state, error.actual, true)
      })
    )

  // The goal first: the server starts another turn only while it is active. When it cannot be paused the turn is
  // interrupted all the same. A server that refuses to pause has no goal to pause any more.
  const interrupt = (state: GoalState, pauseTimeout?: Duration.Duration): Effect.Effect<void, TurnCallError> =>
    Effect.suspend(() =>
      state.isOver ? Effect.void : state.interruptWith(Effect.gen(function*() {
        const pausing = yield* setGoal({ status: "paused" }, pauseTimeout).pipe(
          using(rpc, "thread/goal/set", () => true),
          Effect.asVoid,
          Effect.catchIf(isInvalidRequest, () => Effect.void),
          Effect.exit
        )
        // Without an id the server interrupts whatever it is about to begin (measured).
        yield* interruptTurn(state, state.last ?? "")
        yield* pausing
      }))
    )

  // Stopping has a bound, of which no silence may use up all.
  const share = Duration.divideUnsafe(stopGrace, 4)

  const interruptAndWait = (state: GoalState, turn: TurnState): Effect.Effect<void> =>
    Effect.ignore(interrupt(state, share)).pipe(
      Effect.andThen(state.awaitEnd),
      Effect.andThen(Terminals.endLeft(rpc, turn)),
      Effect.timeoutOption(stopGrace),
      Effect.ignore
    )

  /** For a goal of which nothing is heard. */
  const watch = (state: GoalState, turn: TurnState, stallTimeout: Duration.Duration) =>
    Watchdog.watch({
      rpc,
      turn,
      stallTimeout,
      settle: Effect.gen(function*() {
        const stored = state.last === undefined ? undefined : yield* StoredTurn.findById(rpc, threadId, state.last)
        if (stored === undefined || !StoredTurn.isOver(stored)) return false
        const { goal } = yield* rpc.request("thread/goal/get", { threadId }, { timeout: share }).pipe(
          using(rpc, "thread/goal/get", (reply) => "goal" in reply ? reply : undefined)
        )
        state.settleFrom(stored, goal)
        return state.isOver
      }).pipe(Effect.orElseSucceed(() => false)),
      stop: interruptAndWait(state, turn)
    })

  // Runs in finalizers, which nothing can interrupt: so it has a bound of its own.
  const stop = (state: GoalState, setting: Fiber.Fiber<unknown, RequestError>): Effect.Effect<void> =>
    Effect.gen(function*() {
      if (!state.isSet) yield* Fiber.interrupt(setting)
      if (!state.isSet || state.isOver || state.isTurnEnded) return
      if (Option.exists(yield* Effect.timeoutOption(Fiber.await(setting), share), isRefusal)) return
      yield* Effect.ignore(interrupt(state, share))
      if (state.id === undefined) {
        if (StoredTurn.isQuiet(yield* StoredTurn.threadStatus(rpc, threadId)) && state.id === undefined) return
      }
      yield* state.awaitEnd
      if (state.turn !== undefined) yield* Terminals.endLeft(rpc, state.turn)
    }).pipe(Effect.interruptible, Effect.timeoutOption(stopGrace), Effect.ignore)

  const begin = Effect.fnUntraced(function*(
    params: Omit<SetParams, "threadId">,
    state: GoalState
  ): Effect.fn.Return<TurnState, ThreadCallError | ThreadBusy, Scope.Scope> {
    yield* internalsOf(rpc).observe(threadId, state)
    yield* checkThread
    // Otherwise what an earlier goal has used counts for the new one.
    if (params.objective !== undefined) yield* call(rpc, "thread/goal/clear", { threadId })
    // Interrupting this does not undo the request: what was sent is waited for and then stopped.
    const setting = yield* Effect.uninterruptible(Effect.gen(function*() {
      const setting = yield* call(rpc, "thread/goal/set", { threadId, ...params, status: "active" }, {
        onSent: () => {
          state.isSet = true
        }
      }).pipe(Effect.interruptible, Effect.forkScoped)
      yield* Effect.addFinalizer(() => stop(state, setting))
      return setting
    }))
    yield* Fiber.join(setting)
    return yield* Deferred.await(state.begun).pipe(
      Effect.timeoutOrElse({
        duration: beginTimeout,
        orElse: () =>
          Effect.fail(new AppServerTimeout({ method: "turn/started", timeout: Duration.toMillis(beginTimeout) }))
      })
    )
  })

  /** In a scope of its own, so that a start that fails or is interrupted is stopped on the spot. */
  const start = Effect.fnUntraced(function*(
    params: Omit<SetParams, "threadId">,
    turnOptions: Omit<TurnStateOptions, "rpc" | "limits"> & { readonly stallTimeout: Duration.Input | undefined }
  ): Effect.fn.Return<readonly [GoalState, TurnState], ResumeError | ThreadBusy, Scope.Scope> {
    const stallTimeout = yield* duration("stallTimeout", turnOptions.stallTimeout ?? options.stallTimeout)
    const goals = runningOf(rpc)
    const active = activeTurnId(rpc, threadId)
    if (active !== undefined) return yield* new ThreadBusy({ threadId, activeTurnId: active, delivered: false })
    yield* options.ready ?? Effect.void
    const { limits, refuse, restore } = options
    const state = new GoalState(threadId, { ...turnOptions, rpc, limits, refuse }, restore)
    const turn = yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(yield* Effect.scope)
        // Before everything that can end the turn, so that it is the last to be closed.
        yield* TurnTelemetry.followOnceBegun(Deferred.await(state.begun), scope)
        goals.set(threadId, state)
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => {
            if (goals.get(threadId) === state) goals.delete(threadId)
            // Nothing is heard of the goal any more, and nobody is to wait for that.
            state.onEnd(new TransportError({ reason: "closed", detail: "the goal's scope has ended." }))
            state.onReadEnd()
          })
        )
        const turn = yield* restore(exclusively(begin(params, state))).pipe(
          Scope.provide(scope),
          Effect.onExit((exit) => Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void)
        )
        if (stallTimeout !== undefined) {
          yield* Effect.forkIn(Effect.interruptible(watch(state, turn, stallTimeout)), scope)
        }
        yield* Effect.forkIn(Effect.interruptible(turn.endRefused(interruptAndWait(state, turn))), scope)
        return turn
      })
    )
    return [state, turn]
  })

  const handleOf = (state: GoalState, turn: TurnState): Turn => ({
    ...options.handle(turn, interrupt(state)),
    steer: Effect.fn("Turn.steer")(function*(input) {
      const items = yield* options.toWire(input)
      const steer = (turnId: string) => call(rpc, "turn/steer", { threadId, expectedTurnId: turnId, input: items })
      const current = yield* state.running()
      yield* steer(current).pipe(Effect.catchTags({
        NoActiveTurn: () => Effect.flatMap(state.running(current), steer),
        TurnMismatch: (error) => steer(error.actual)
      }))
    })
  })

  const given = (goalOptions: ResumeGoalOptions | undefined) => ({
    handlers,
    maxUnreadBytes: goalOptions?.maxUnreadBytes,
    stallTimeout: goalOptions?.stallTimeout
  })

  return {
    startGoal: Effect.fn("Thread.startGoal")(function*(objective, goalOptions) {
      yield* OptionKinds.check(goalOptions, OptionKinds.ofGoal)
      const params = yield* checked(objective, goalOptions)
      return handleOf(...yield* start(params, { events: true, ...given(goalOptions) }))
    }),
    runGoal: Effect.fn("Thread.runGoal")(function*(objective, goalOptions) {
      yield* OptionKinds.check(goalOptions, OptionKinds.ofGoal)
      const params = yield* checked(objective, goalOptions)
      const [, turn] = yield* start(params, { events: false, ...given(goalOptions) })
      yield* Effect.annotateCurrentSpan({ "codex.thread.id": threadId, "codex.turn.id": turn.id })
      const result = yield* turn.result
      if (result.status === "interrupted") return yield* new TurnInterrupted({ threadId, turnId: turn.id, result })
      return result
    }, Effect.scoped),
    resumeGoal: Effect.fn("Thread.resumeGoal")(function*(goalOptions) {
      yield* OptionKinds.check(goalOptions, OptionKinds.ofGoal)
      return handleOf(...yield* start({}, { events: true, ...given(goalOptions) }))
    }),
    goal: Effect.map(
      rpc.request("thread/goal/get", { threadId }),
      ({ goal }) => Option.map(Option.fromNullishOr(goal), fromWire)
    ),
    pauseGoal: Effect.map(setGoal({ status: "paused" }), ({ goal }) => fromWire(goal)),
    clearGoal: Effect.map(rpc.request("thread/goal/clear", { threadId }), ({ cleared }) => cleared)
  }
}
