/**
 * Routes the notifications of one thread to its turns, and starts and stops turns so that none is ever lost.
 *
 * A turn's state is opened by the reader, when the first frame of an unknown turn comes by while a start is outstanding:
 * frames may come before the reply, and the reply and the turn's end may come in one read.
 */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Tracer from "effect/Tracer"
import type { AppServerRpc, RequestOptions } from "../../AppServerRpc.ts"
import type {
  ConnectionError,
  InputTooLarge,
  SettingsNotApplied,
  TurnCallError,
  TurnStartError
} from "../../CodexError.ts"
import { AppServerTimeout, ThreadBusy, TransportError } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import { membersOf } from "../protocol/members.ts"
import { call } from "../protocol/uses.ts"
import type { ThreadObserver } from "../rpcInternals.ts"
import { internalsOf } from "../rpcInternals.ts"
import type { Told } from "../settings/heldSettings.ts"
import * as AfterRestart from "./afterRestart.ts"
import * as RateLimits from "./rateLimits.ts"
import * as StoredTurn from "./storedTurn.ts"
import { clientIdOf, isQuiet } from "./storedTurn.ts"
import * as Terminals from "./terminals.ts"
import type { TurnStateOptions } from "./turnState.ts"
import { TurnState } from "./turnState.ts"
import * as TurnTelemetry from "./turnTelemetry.ts"
import * as Watchdog from "./watchdog.ts"

const turnIdOf = (params: unknown): string | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const { turnId } = params as { readonly turnId?: unknown }
  if (typeof turnId === "string") return turnId
  const { turn } = params as { readonly turn?: unknown }
  if (typeof turn !== "object" || turn === null) return undefined
  const { id } = turn as { readonly id?: unknown }
  return typeof id === "string" ? id : undefined
}

// Turns that are not known while one is being started: a few at most, of a server that makes no fool of us.
const maxOpened = 256

interface Starting {
  readonly options: TurnStateOptions
  readonly opened: Array<TurnState>
  /** Of opened turns that began under another id than that of their root: by the root's id. */
  readonly roots: Map<string, string>
  /** Completed when the first turn begins; for requests whose reply names no turn. */
  readonly begun: Deferred.Deferred<string, ConnectionError>
  /** Completed when the reply has said which turn was started, or that it does not say it. */
  readonly answered: Deferred.Deferred<void>
  /** The turn that took in the message with our id. */
  taker: string | undefined
}

/** Ids of turns that are over are kept because what is told of them may come late, or twice. */
const maxOver = 64

class ThreadRoute implements ThreadObserver {
  readonly threadId: string
  /** One start of a thread at a time, so that the frames of an unknown turn can only belong to it. */
  readonly gate = Semaphore.makeUnsafe(1)
  starting: Starting | undefined
  activeTurnId: string | undefined
  /** What the thread held when its last turn began. */
  private held: { readonly turnId: string; readonly settings: Told | undefined } | undefined
  private readonly turns = new Map<string, TurnState>()
  private readonly over = new Set<string>()
  private readonly touched: Array<TurnState> = []
  private readonly afterRead: Array<() => void> = []
  private idle: Deferred.Deferred<void> | undefined
  private last: TurnState | undefined
  private end: ConnectionError | undefined

  private readonly rpc: AppServerRpc["Service"]
  private readonly calls: RouteCalls
  readonly onRestored: () => void
  isLost = false

  constructor(threadId: string, rpc: AppServerRpc["Service"], calls: RouteCalls) {
    this.threadId = threadId
    this.rpc = rpc
    this.calls = calls
    this.onRestored = () => {
      this.isLost = false
      calls.onRestored(this)
    }
  }

  // ---------------------------------------------------------------------------
  // Called by the reader
  // ---------------------------------------------------------------------------

  onNotification(event: Raw, bytes: number): void {
    const params = event.params
    let id = turnIdOf(params)
    if (id === undefined) return this.onStatus(event)
    if (event._tag === "turn/started") {
      const root = rootOf(params)
      // A review begins under an id of its own and goes on under the one that its request was answered with (measured).
      const review = root === undefined || root === id ? undefined : this.turns.get(root)
      if (review !== undefined) {
        review.runningId = id
        id = review.id
      } else if (root !== undefined && root !== id && this.find(id) !== undefined) {
        const roots = this.starting?.roots
        if (roots !== undefined && roots.size < maxOpened) roots.set(root, id)
      }
      if (!this.over.has(id)) {
        this.activeTurnId = id
        this.held = { turnId: id, settings: internalsOf(this.rpc).settingsOf(this.threadId) }
      }
    }
    const turn = this.last?.id === id ? this.last : this.find(id)
    if (event._tag !== "item/agentMessage/delta") this.watch(event, id, turn)
    if (turn === undefined) return
    this.last = turn
    turn.onNotification(event, bytes)
    if (turn.isTouched) return
    turn.isTouched = true
    this.touched.push(turn)
  }

  onReadEnd(): void {
    if (this.touched.length > 0) {
      for (const turn of this.touched.splice(0)) {
        turn.isTouched = false
        turn.onReadEnd()
      }
    }
    if (this.afterRead.length > 0) { for (const run of this.afterRead.splice(0)) run() }
  }

  onEnd(cause: ConnectionError): void {
    this.end ??= cause
    this.notBegun(cause)
    this.becomeIdle()
    for (const turn of this.turns.values()) turn.onEnd(cause)
    this.onReadEnd()
  }

  onLost(cause: ConnectionError): void {
    this.isLost = true
    this.notBegun(cause)
  }

  private notBegun(cause: ConnectionError): void {
    if (this.starting !== undefined) Deferred.doneUnsafe(this.starting.begun, Exit.fail(cause))
  }

  handlers(turnId?: string): Overrides | undefined {
    const turn = this.asking(turnId)
    return turn !== undefined && isOurs(turn) === true ? turn.options.handlers : undefined
  }

  undecided(turnId?: string): Effect.Effect<void> | undefined {
    const turn = this.asking(turnId)
    return this.starting === undefined || turn === undefined || isOurs(turn) !== undefined
      ? undefined
      : Deferred.await(this.starting.answered)
  }

  span(turnId?: string): Tracer.AnySpan | undefined {
    return this.asking(turnId)?.span
  }

  onHandled(turnId?: string): void {
    this.asking(turnId)?.onHeard?.()
  }

  onSubagentUsage(turnId: string, subagentTurnId: string, tokenUsage: unknown): void {
    this.asking(turnId)?.onSubagentUsage(subagentTurnId, tokenUsage)
  }

  private asking(turnId = this.activeTurnId): TurnState | undefined {
    if (turnId === undefined) return undefined
    for (const turn of this.turns.values()) {
      if (turn.id === turnId || turn.runningId === turnId) return turn
    }
    return undefined
  }

  // The thread is idle, and so its turn is over, whether or not the server tells it.
  private onStatus({ _tag, params }: Raw): void {
    if (_tag !== "thread/status/changed" && _tag !== "thread/closed") return
    const id = this.activeTurnId
    if (id === undefined || (_tag === "thread/status/changed" && !isQuiet(membersOf(params)["status"]))) return
    const turn = this.turns.get(id)
    this.afterRead.push(() => {
      if (turn === undefined) this.calls.onQuiet(this, id)
      else if (!turn.isEnded) this.calls.onQuietTurn(turn)
    })
  }

  private watch(event: Raw, id: string, turn: TurnState | undefined): void {
    switch (event._tag) {
      case "turn/completed":
        // A compaction may end before its item.
        if (turn !== undefined && turn.hasBegun && turn.itemIds.size === 0 && !this.over.has(id)) this.begins(id)
        this.remember(id)
        if (this.activeTurnId === id || turn?.runningId === this.activeTurnId) this.becomeIdle()
        return
      case "item/started": {
        const { item } = membersOf(event.params)
        const clientId = clientIdOf(item)
        if (membersOf(item)["type"] === "userMessage") turn?.onMessage(clientId ?? null)
        if (clientId !== undefined) this.onMessage(id, clientId)
        // Another client's turn may compact, too, but not first. The beginning of ours may not be told.
        const isFirst = turn !== undefined && turn.itemIds.size === 0 && (turn.hasBegun || turn.frames === 0)
        if (isFirst && membersOf(item)["type"] === "contextCompaction") this.begins(id)
      }
    }
  }

  /** The reply to the request for a compaction names no turn. */
  private begins(id: string): void {
    const begun = this.starting?.begun
    if (begun !== undefined) this.afterRead.push(() => Deferred.doneUnsafe(begun, Exit.succeed(id)))
  }

  private onMessage(takerId: string, clientId: string): void {
    if (this.starting?.options.clientId === clientId) {
      this.starting.taker = takerId
      return
    }
    for (const turn of this.turns.values()) {
      if (turn.options.clientId !== clientId || (turn.id === takerId && hasBegunOurs(turn))) continue
      this.activeTurnId = takerId
      this.afterRead.push(() => this.taken(turn, takerId))
    }
  }

  // A turn that was running unknown to us takes in the message that was to start one. The server then answers with the
  // id of that turn (0.169), or with one that never begins (older ones). But the beginning of our own may have been lost.
  private taken(turn: TurnState, takerId: string): void {
    if (turn.isEnded || (turn.id === takerId && hasBegunOurs(turn))) return
    const busy = new ThreadBusy({ threadId: this.threadId, activeTurnId: takerId, delivered: true })
    if (turn.id === takerId && !turn.hasBegun) this.calls.onUnbegun(turn, busy)
    else turn.onEnd(busy)
  }

  private remember(id: string): void {
    this.over.add(id)
    for (const oldest of this.over) {
      if (this.over.size <= maxOver) return
      this.over.delete(oldest)
    }
  }

  private becomeIdle(): void {
    this.activeTurnId = undefined
    const idle = this.idle
    this.idle = undefined
    if (idle !== undefined) this.afterRead.push(() => Deferred.doneUnsafe(idle, Exit.void))
  }

  /** The turns that are not over as far as is known. */
  get running(): ReadonlyArray<TurnState> {
    return [...this.turns.values()].filter((turn) => !turn.isEnded)
  }

  /** The server says that it runs no turn. */
  beIdle(): void {
    this.becomeIdle()
    this.onReadEnd()
  }

  private find(id: string): TurnState | undefined {
    const known = this.turns.get(id)
    if (known !== undefined || this.starting === undefined || this.starting.opened.length >= maxOpened) return known
    const turn = this.open(id, this.starting.options)
    this.starting.opened.push(turn)
    return turn
  }

  // ---------------------------------------------------------------------------
  // For those who start turns
  // ---------------------------------------------------------------------------

  get(id: string): TurnState | undefined {
    return this.turns.get(id)
  }

  /** What the thread held when a turn began, if that was heard. */
  heldBy(turnId: string): Told | undefined {
    return this.held?.turnId === turnId ? this.held.settings : undefined
  }

  /** The state of a turn, which is opened if there is none. */
  open(id: string, options: TurnStateOptions): TurnState {
    const known = this.turns.get(id) ?? this.underRoot(id)
    if (known !== undefined) return known
    const turn = new TurnState(this.threadId, id, options)
    turn.onSettled = () => {
      this.remember(turn.id)
      if (this.activeTurnId === turn.id || this.activeTurnId === turn.runningId) this.beIdle()
    }
    this.turns.set(id, turn)
    if (this.end !== undefined) turn.onEnd(this.end)
    return turn
  }

  /** A review that began before its request was answered goes on under the id of the answer. */
  private underRoot(id: string): TurnState | undefined {
    const runningId = this.starting?.roots.get(id)
    const turn = runningId === undefined ? undefined : this.turns.get(runningId)
    if (turn === undefined) return undefined
    this.turns.delete(turn.id)
    turn.id = id
    this.turns.set(id, turn)
    return turn
  }

  /** Waits until no turn runs that is known of. */
  awaitIdle(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.activeTurnId === undefined) return Effect.void
      this.idle ??= Deferred.makeUnsafe<void>()
      return Effect.andThen(Deferred.await(this.idle), this.awaitIdle())
    })
  }

  /** From here on until `claim` or `giveUp`, turns that are not known are taken in. */
  expect(options: TurnStateOptions): Starting {
    return this.starting = {
      options,
      opened: [],
      roots: new Map(),
      begun: Deferred.makeUnsafe(),
      answered: Deferred.makeUnsafe(),
      taker: undefined
    }
  }

  /** A handle on the turn that was started. */
  claim(id: string, options: TurnStateOptions): TurnState {
    const turn = this.open(id, options)
    const taker = this.starting?.taker
    const active = this.turns.get(taker ?? id)
    turn.handles++
    this.activeTurnId = active?.isEnded === false ? active.id : undefined
    this.giveUp(turn)
    if (taker !== undefined) this.taken(turn, taker)
    return turn
  }

  giveUp(except?: TurnState): void {
    for (const turn of this.starting?.opened ?? []) {
      if (turn !== except && turn.handles === 0) this.forget(turn)
    }
    if (this.starting !== undefined) Deferred.doneUnsafe(this.starting.answered, Exit.void)
    this.starting = undefined
  }

  release(turn: TurnState): void {
    if (--turn.handles > 0) return
    this.forget(turn)
    // Nobody tells those who still wait for it any more.
    turn.onEnd(new TransportError({ reason: "closed", detail: "the turn's scope has ended." }))
  }

  private forget(turn: TurnState): void {
    this.turns.delete(turn.id)
    if (this.last === turn) this.last = undefined
  }
}

/**
 * Whether this client has started the turn, or steers it. While a start waits for its reply, turns of other clients are
 * opened too: undefined where only the reply tells. Servers may not tell the id of a message.
 */
const isOurs = ({ handles, hasBegun, opener, options: { clientId } }: TurnState): boolean | undefined => {
  const isForeign = typeof opener === "string" && opener !== clientId
  if (handles > 0) return !isForeign || clientId === undefined
  if (isForeign) return false
  // Ours may be said to a turn that runs unknown to us.
  return typeof opener === "string" && hasBegun ? true : undefined
}

/** A turn that has begun with another message than ours is somebody else's, though the reply may name it. */
const hasBegunOurs = ({ hasBegun, opener, options }: TurnState): boolean =>
  hasBegun && (opener === undefined || opener === options.clientId)

const rootOf = (params: unknown): string | undefined => {
  const { rootTurnId } = membersOf(membersOf(params)["turn"])
  return typeof rootTurnId === "string" ? rootTurnId : undefined
}

interface RouteCalls {
  /** The thread is idle, and the end of its turn was not told: of one that there is a handle on, or of another. */
  readonly onQuietTurn: (turn: TurnState) => void
  readonly onQuiet: (route: ThreadRoute, turnId: string) => void
  /** The turn has our message, and its beginning was not told. It is somebody else's if it had another message before. */
  readonly onUnbegun: (turn: TurnState, busy: ThreadBusy) => void
  readonly onRestored: (route: ThreadRoute) => void
}

/** Whether the message with our id is the first of the turn. So it is taken to be where the server does not say. */
const isStoredAsOurs = (rpc: AppServerRpc["Service"], turn: TurnState): Effect.Effect<boolean> =>
  Effect.map(StoredTurn.findById(rpc, turn.threadId, turn.id), (stored) => {
    const first = stored?.items.find((item) => membersOf(item)["type"] === "userMessage")
    return first === undefined || StoredTurn.clientIdOf(first) === turn.options.clientId
  })

interface Steer {
  readonly steer: ClientRequests["turn/steer"]["params"]["input"]
  /** Why the message must not be said to this turn, which began with what the thread held. */
  readonly refuse: (activeTurnId: string, held: Told | undefined) => SettingsNotApplied | undefined
}

export interface StartOptions extends Omit<TurnStateOptions, "rpc" | "limits"> {
  /** What to do when a turn runs already. A message is needed to steer. */
  readonly whenBusy: "fail" | "queue" | Steer
  /** How long the turn may be silent. */
  readonly stallTimeout: Duration.Duration | undefined
  /** Called when the turn has to wait for another one. Default: nobody wants to know. */
  readonly onWait?: (() => void) | undefined
}

export interface Turns {
  /**
   * Makes a request that starts a turn, which is stopped if the scope closes before its end. The request gives the
   * turn's id, or undefined if its reply names none.
   */
  readonly start: (
    threadId: string,
    request: (options: RequestOptions) => Effect.Effect<string | undefined, TurnStartError>,
    options: StartOptions
  ) => Effect.Effect<TurnState, TurnStartError, Scope.Scope>
  /** Interrupts a turn. Nothing happens when it is over. */
  readonly interrupt: (turn: TurnState) => Effect.Effect<void, TurnCallError | ThreadBusy>
  /** Runs an effect while no turn of the thread is being started. */
  readonly exclusively: (threadId: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The limits of the account. */
  readonly limits: () => RateLimits.Windows
}

const closed = () => new TransportError({ reason: "closed", detail: "the layer's scope has ended." })

const asksAgain = (error: TurnCallError): boolean => {
  switch (error._tag) {
    case "NoActiveTurn":
    case "TurnMismatch":
    // There may be another connection. If it was the last, the turn has ended, too.
    case "AppServerExited":
      return true
    case "TransportError":
      return error.reason !== "unavailable"
    default:
      return false
  }
}

const retryPause = Duration.millis(50)

const beginTimeout = Duration.seconds(30)

/**
 * @param stopGrace how long the end of an interrupted turn is waited for before it is let go.
 */
export const make = Effect.fnUntraced(function*(
  rpc: AppServerRpc["Service"],
  stopGrace: Duration.Duration
): Effect.fn.Return<Turns, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const inBackground = yield* FiberSet.makeRuntime<never, void>()
  const known = yield* RateLimits.follow(rpc)
  const limits = () => RateLimits.windowsOf(known.current())
  const routes = yield* RcMap.make({
    lookup: Effect.fnUntraced(function*(threadId: string) {
      const route = new ThreadRoute(threadId, rpc, {
        onQuietTurn: (turn) => inBackground(Watchdog.settleQuiet(rpc, turn)),
        onQuiet: (route, id) =>
          inBackground(Effect.map(Effect.sleep(Watchdog.endGrace), () => {
            if (route.activeTurnId === id) route.beIdle()
          })),
        onUnbegun: (turn, busy) =>
          inBackground(
            Effect.map(
              Effect.raceFirst(isStoredAsOurs(rpc, turn), Effect.as(Effect.exit(turn.awaitEnd), true)),
              (ours) => {
                if (ours) turn.joined(false)
                else turn.onEnd(busy)
              }
            )
          ),
        onRestored: (route) => inBackground(AfterRestart.settle(rpc, route, route.running, inBackground))
      })
      yield* internalsOf(rpc).observe(threadId, route)
      // When the layer ends before the turns do, nobody would tell them any more.
      yield* Effect.addFinalizer(() => Effect.sync(() => route.onEnd(closed())))
      return route
    })
  })

  let isOpen = true
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isOpen = false
    })
  )

  // The server refuses to interrupt a turn that it has accepted but not begun (measured on 0.169.0), and the turn then
  // runs to its end. So the beginning is waited for, and a refusal while the turn is not over is asked again.
  const interrupt = (turn: TurnState): Effect.Effect<void, TurnCallError | ThreadBusy> =>
    Deferred.await(turn.started).pipe(
      Effect.timeoutOption(stopGrace),
      Effect.andThen(
        Effect.suspend(() => call(rpc, "turn/interrupt", { threadId: turn.threadId, turnId: turn.runningId }))
      ),
      Effect.retry({
        schedule: Schedule.spaced(retryPause),
        times: Math.ceil(Duration.toMillis(stopGrace) / Duration.toMillis(retryPause)),
        while: asksAgain
      }),
      Effect.asVoid,
      Effect.raceFirst(turn.awaitEnd),
      Effect.catchTag(["SettingsNotApplied", "TurnStalled", "TurnOutcomeUnknown"], () => Effect.void)
    )

  // Runs in finalizers, which nothing can interrupt: so it has a bound of its own.
  const stop = (turn: TurnState): Effect.Effect<void> =>
    interrupt(turn).pipe(
      Effect.andThen(Effect.exit(turn.awaitEnd)),
      Effect.andThen(Terminals.endLeft(rpc, turn)),
      Effect.interruptible,
      Effect.timeoutOption(stopGrace),
      Effect.ignore
    )

  const letGo = (route: ThreadRoute, turn: TurnState): Effect.Effect<void> =>
    Effect.suspend(() => turn.isEnded ? Effect.void : stop(turn)).pipe(
      Effect.ensuring(Effect.sync(() => route.release(turn)))
    )

  const busy = (route: ThreadRoute, activeTurnId: string) =>
    new ThreadBusy({ threadId: route.threadId, activeTurnId, delivered: false })

  // The state is open before the request, because the turn may end in the same read as the reply.
  const steer = (
    route: ThreadRoute,
    id: string,
    input: ClientRequests["turn/steer"]["params"]["input"],
    options: TurnStateOptions
  ): Effect.Effect<TurnState, TurnCallError | InputTooLarge, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const turn = route.open(id, { ...options, clientId: undefined })
        turn.handles++
        const release = Effect.sync(() => route.release(turn))
        yield* restore(call(rpc, "turn/steer", { threadId: route.threadId, expectedTurnId: id, input })).pipe(
          Effect.onError(() => release)
        )
        yield* Effect.addFinalizer(() => release)
        turn.joined(options.events)
        return turn
      })
    )

  // The reply was lost. The turn that took in our message has told of itself, or the server has it in its store; it is
  // never started a second time.
  const settleLostStart = Effect.fnUntraced(function*(
    route: ThreadRoute,
    starting: Starting,
    lost: AppServerTimeout | ConnectionError
  ) {
    const { options, taker } = starting
    if (taker !== undefined) return taker
    if (options.clientId === undefined) return yield* lost
    const stored = yield* StoredTurn.findByClientId(rpc, route.threadId, options.clientId)
    if (stored === undefined) return yield* lost
    const turn = route.open(stored.id, options)
    if (lost._tag === "AppServerTimeout") turn.settle(stored)
    else yield* AfterRestart.settle(rpc, route, [turn], inBackground)
    return stored.id
  })

  const start: Turns["start"] = Effect.fnUntraced(function*(threadId, makeRequest, startOptions) {
    if (!isOpen) return yield* closed()
    const route = yield* RcMap.get(routes, threadId)
    const { onWait, stallTimeout, whenBusy, ...turnOptions } = startOptions
    const options: TurnStateOptions = { ...turnOptions, rpc, limits }

    // A turn that has begun may be the one while it has started nothing.
    const awaitBeginning = (starting: Starting): Effect.Effect<string, AppServerTimeout | ConnectionError> =>
      Effect.timeoutOrElse(Deferred.await(starting.begun), {
        duration: beginTimeout,
        orElse: (): Effect.Effect<string, AppServerTimeout | ConnectionError> =>
          starting.opened.some((turn) => turn.hasBegun && !turn.isEnded && turn.itemIds.size === 0)
            ? awaitBeginning(starting)
            : Effect.fail(
              new AppServerTimeout({ method: "turn/started", timeout: Duration.toMillis(beginTimeout) })
            )
      })

    // Interrupting this does not undo the request: what was sent is waited for and then stopped.
    const startNow = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        let sent = false
        const starting = route.expect(options)
        const onSent = () => {
          sent = true
        }
        const request = yield* makeRequest({ onSent }).pipe(
          // One that names a turn counts once that turn is claimed.
          Effect.tap((id) => id === undefined ? Deferred.succeed(starting.answered, undefined) : Effect.void),
          Effect.flatMap((id) =>
            id === undefined
              ? awaitBeginning(starting)
              : Effect.succeed(id)
          ),
          Effect.catchTag(
            ["AppServerTimeout", "AppServerExited", "TransportError"],
            (lost) => settleLostStart(route, starting, lost)
          ),
          Effect.interruptible,
          Effect.forkIn(scope)
        )
        const waited = yield* Effect.exit(restore(Fiber.await(request)))
        if (Exit.isSuccess(waited)) {
          const reply = waited.value
          if (Exit.isSuccess(reply)) {
            const turn = route.claim(reply.value, options)
            yield* TurnTelemetry.follow(turn, scope)
            yield* Effect.addFinalizer(() => letGo(route, turn))
            if (options.refuse !== undefined) {
              yield* Effect.forkScoped(Effect.interruptible(turn.endRefused(stop(turn))))
            }
            yield* Effect.forkScoped(Effect.interruptible(
              stallTimeout === undefined
                ? Watchdog.askWhenSilent(rpc, turn)
                : Watchdog.watch({ rpc, turn, stallTimeout, stop: stop(turn) })
            ))
            return turn
          }
          route.giveUp()
          return yield* Cause.hasInterrupts(reply.cause) ? closed() : Effect.failCause(reply.cause)
        }
        const late = sent
          ? yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(request)), stopGrace)
          : Option.none()
        if (Option.isSome(late) && Exit.isSuccess(late.value)) {
          const turn = route.claim(late.value.value, options)
          yield* TurnTelemetry.follow(turn, scope)
          yield* letGo(route, turn)
        } else {
          yield* Fiber.interrupt(request)
          route.giveUp()
        }
        return yield* Effect.failCause(waited.cause)
      })
    )

    /** Begins anew once the turn has begun, where it has not. */
    const awaitBegun = <A, E, R>(id: string, otherwise: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A | TurnState, E | TurnStartError, R | Scope.Scope> => {
        const turn = route.get(id)
        return turn === undefined || turn.hasBegun || turn.isEnded ? otherwise : Effect.andThen(
          Effect.raceFirst(Deferred.await(turn.started), Effect.exit(turn.awaitEnd)),
          startOrSteer
        )
      })

    const startOrSteer: Effect.Effect<TurnState, TurnStartError, Scope.Scope> = Effect.suspend(() => {
      const active = route.activeTurnId
      if (active === undefined) return startNow
      if (whenBusy === "fail") return Effect.fail(busy(route, active))
      if (whenBusy === "queue") {
        onWait?.()
        return Effect.andThen(route.awaitIdle(), startOrSteer)
      }
      const refused = whenBusy.refuse(active, route.heldBy(active))
      // What it runs with is known once it begins.
      if (refused !== undefined) return awaitBegun(active, Effect.fail(refused))
      return Effect.catchTags(steer(route, active, whenBusy.steer, options), {
        NoActiveTurn: () =>
          // It is accepted but not begun, or it is over.
          awaitBegun(
            active,
            Effect.suspend(() => {
              if (route.activeTurnId === active) route.activeTurnId = undefined
              return startOrSteer
            })
          ),
        TurnMismatch: (error) =>
          Effect.suspend(() => {
            route.activeTurnId = error.actual
            return startOrSteer
          })
      })
    })

    // Those who do not want to wait are not to wait for those who do.
    if (whenBusy === "fail" && route.activeTurnId !== undefined) return yield* busy(route, route.activeTurnId)
    // The gate may be held by a turn that waits.
    if (route.activeTurnId !== undefined) onWait?.()
    return yield* route.gate.withPermit(startOrSteer)
  })

  const exclusively: Turns["exclusively"] = (threadId) => (effect) =>
    Effect.scopedWith((scope) =>
      RcMap.get(routes, threadId).pipe(
        Scope.provide(scope),
        Effect.flatMap((route) => route.gate.withPermit(effect))
      )
    )

  return { start, interrupt, exclusively, limits }
})
