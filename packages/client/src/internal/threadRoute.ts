/**
 * Routes the notifications of one thread to its turns, and starts and stops turns so that none is ever lost.
 *
 * A turn's state is opened by the reader, when the first frame of an unknown turn comes by while a `turn/start` is
 * outstanding: frames may come before the reply, and the reply and the turn's end may come in one read.
 */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { AppServerRpc, ThreadObserver } from "../AppServerRpc.ts"
import type { ConnectionError, RequestError } from "../CodexError.ts"
import { ThreadBusy, TransportError } from "../CodexError.ts"
import type { Raw } from "../ServerNotification.ts"
import type { TurnStateOptions } from "./turnState.ts"
import { TurnState } from "./turnState.ts"

const turnIdOf = (params: unknown): string | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const { turn, turnId } = params as { readonly turnId?: unknown; readonly turn?: unknown }
  if (typeof turnId === "string") return turnId
  if (typeof turn !== "object" || turn === null) return undefined
  const { id } = turn as { readonly id?: unknown }
  return typeof id === "string" ? id : undefined
}

interface Starting {
  readonly options: TurnStateOptions
  readonly opened: Array<TurnState>
}

class ThreadRoute implements ThreadObserver {
  readonly threadId: string
  /** One `turn/start` of a thread at a time, so that the frames of an unknown turn can only belong to it. */
  readonly gate = Semaphore.makeUnsafe(1)
  activeTurnId: string | undefined
  private starting: Starting | undefined
  private readonly turns = new Map<string, TurnState>()
  private readonly touched = new Set<TurnState>()
  private last: TurnState | undefined
  private end: ConnectionError | undefined

  constructor(threadId: string) {
    this.threadId = threadId
  }

  onNotification(event: Raw, bytes: number): void {
    const id = turnIdOf(event.params)
    if (id === undefined) return
    if (event._tag === "turn/started") this.activeTurnId = id
    else if (event._tag === "turn/completed" && this.activeTurnId === id) this.activeTurnId = undefined
    const turn = this.last?.id === id ? this.last : this.find(id)
    if (turn === undefined) return
    this.last = turn
    turn.onNotification(event, bytes)
    this.touched.add(turn)
  }

  onReadEnd(): void {
    for (const turn of this.touched) turn.onReadEnd()
    this.touched.clear()
  }

  onEnd(cause: ConnectionError): void {
    this.end ??= cause
    this.activeTurnId = undefined
    for (const turn of this.turns.values()) turn.onEnd(cause)
  }

  private find(id: string): TurnState | undefined {
    const known = this.turns.get(id)
    if (known !== undefined || this.starting === undefined) return known
    const turn = this.open(id, this.starting.options)
    this.starting.opened.push(turn)
    return turn
  }

  private open(id: string, options: TurnStateOptions): TurnState {
    const turn = new TurnState(this.threadId, id, options)
    this.turns.set(id, turn)
    if (this.end !== undefined) turn.onEnd(this.end)
    return turn
  }

  /** From here on until `claim` or `giveUp`, turns that are not known are taken in. */
  expect(options: TurnStateOptions): void {
    this.starting = { options, opened: [] }
  }

  /** The turn that the reply to `turn/start` named. */
  claim(id: string, options: TurnStateOptions): TurnState {
    const turn = this.turns.get(id) ?? this.open(id, options)
    if (!turn.isEnded) this.activeTurnId = id
    this.giveUp(turn)
    return turn
  }

  giveUp(except?: TurnState): void {
    for (const turn of this.starting?.opened ?? []) {
      if (turn !== except) this.release(turn)
    }
    this.starting = undefined
  }

  release(turn: TurnState): void {
    this.turns.delete(turn.id)
    if (this.last === turn) this.last = undefined
  }
}

export type StartError = RequestError | ThreadBusy

export interface Turns {
  /** Starts a turn, which is stopped if the scope closes before its end. */
  readonly start: (
    params: ClientRequests["turn/start"]["params"],
    options: Omit<TurnStateOptions, "rpc">
  ) => Effect.Effect<TurnState, StartError, Scope.Scope>
  /** Interrupts a turn. Nothing happens when it is over. */
  readonly interrupt: (turn: TurnState) => Effect.Effect<void, RequestError>
}

const closed = () => new TransportError({ reason: "closed", detail: "the layer's scope has ended." })

const retryPause = Duration.millis(50)

/**
 * @param stopGrace how long the end of an interrupted turn is waited for before it is let go.
 */
export const make = Effect.fnUntraced(function*(
  rpc: AppServerRpc["Service"],
  stopGrace: Duration.Duration
): Effect.fn.Return<Turns, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const routes = yield* RcMap.make({
    lookup: Effect.fnUntraced(function*(threadId: string) {
      const route = new ThreadRoute(threadId)
      yield* rpc.observe(threadId, route)
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
  const interrupt = (turn: TurnState): Effect.Effect<void, RequestError> =>
    Deferred.await(turn.started).pipe(
      Effect.timeoutOption(stopGrace),
      Effect.andThen(rpc.request("turn/interrupt", { threadId: turn.threadId, turnId: turn.id })),
      Effect.retry({
        schedule: Schedule.spaced(retryPause),
        times: Math.ceil(Duration.toMillis(stopGrace) / Duration.toMillis(retryPause)),
        while: (error) => error._tag === "NoActiveTurn" || error._tag === "TurnMismatch"
      }),
      Effect.asVoid,
      Effect.raceFirst(turn.awaitEnd)
    )

  // Runs in finalizers, which nothing can interrupt: so it has a bound of its own.
  const stop = (turn: TurnState): Effect.Effect<void> =>
    interrupt(turn).pipe(
      Effect.andThen(turn.awaitEnd),
      Effect.interruptible,
      Effect.timeoutOption(stopGrace),
      Effect.ignore
    )

  const letGo = (route: ThreadRoute, turn: TurnState): Effect.Effect<void> =>
    Effect.suspend(() => turn.isEnded ? Effect.void : stop(turn)).pipe(
      Effect.ensuring(Effect.sync(() => route.release(turn)))
    )

  const start: Turns["start"] = Effect.fnUntraced(function*(params, turnOptions) {
    if (!isOpen) return yield* closed()
    const route = yield* RcMap.get(routes, params.threadId)
    const options: TurnStateOptions = { ...turnOptions, rpc }

    // Interrupting this does not undo the request: what was sent is waited for and then stopped.
    const startOnce = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        if (route.activeTurnId !== undefined) {
          return yield* new ThreadBusy({ threadId: params.threadId, activeTurnId: route.activeTurnId })
        }
        let sent = false
        route.expect(options)
        const request = yield* rpc.request("turn/start", params, {
          onSent: () => {
            sent = true
          }
        }).pipe(Effect.interruptible, Effect.forkIn(scope))
        const waited = yield* Effect.exit(restore(Fiber.await(request)))
        if (Exit.isSuccess(waited)) {
          const reply = waited.value
          if (Exit.isSuccess(reply)) {
            const turn = route.claim(reply.value.turn.id, options)
            yield* Effect.addFinalizer(() => letGo(route, turn))
            return turn
          }
          route.giveUp()
          return yield* Cause.hasInterrupts(reply.cause)
            ? closed()
            : Effect.failCause(reply.cause)
        }
        const late = sent
          ? yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(request)), stopGrace)
          : Option.none()
        if (Option.isSome(late) && Exit.isSuccess(late.value)) {
          yield* letGo(route, route.claim(late.value.value.turn.id, options))
        } else {
          yield* Fiber.interrupt(request)
          route.giveUp()
        }
        return yield* Effect.failCause(waited.cause)
      })
    )
    return yield* route.gate.withPermit(startOnce)
  })

  return { start, interrupt }
})
