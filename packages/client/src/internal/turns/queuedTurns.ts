/** Follows the turns that the server starts with the messages of a thread's queue. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ResumeError } from "../../CodexError.ts"
import { QueuedMessageNotFound } from "../../CodexError.ts"
import type { QueuedMessage } from "../../Queue.ts"
import { internalsOf } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"
import * as Spending from "./spending.ts"
import * as StoredTurn from "./storedTurn.ts"
import type { Queued, ThreadRoute } from "./threadRoute.ts"
import type { Turns } from "./turns.ts"
import type { End, TurnState, TurnStateOptions } from "./turnState.ts"
import * as TurnStop from "./turnStop.ts"
import * as TurnTelemetry from "./turnTelemetry.ts"
import * as Watchdog from "./watchdog.ts"

export interface FollowOptions extends Pick<TurnStateOptions, "handlers" | "refuse"> {
  readonly clientId: string
  /** The budgets of the thread and the client, and the prices. */
  readonly spending: Spending.Spending
  /** How long the turn may be silent. Undefined: no limit. */
  readonly stallTimeout: Duration.Duration | undefined
}

/** A message whose turn is followed until it ends, or until `stop`. */
export interface Followed {
  readonly route: ThreadRoute
  readonly queued: Queued
  readonly stop: Effect.Effect<void>
}

/** Why a turn is stopped that somebody may not have a handle on. */
const stopped: ReadonlySet<End["_tag"]> = new Set(["BudgetExceeded", "PriceUnknown", "SettingsNotApplied"])

// Follows the turn whether or not somebody has a handle on it: its requests need handlers, and it must not run with
// other settings than were asked for.
const untilEnd = Effect.fnUntraced(function*(
  turns: Turns,
  { queued, route }: Pick<Followed, "queued" | "route">,
  { refuse, spending, stallTimeout }: FollowOptions
) {
  const { rpc } = turns
  const turn = yield* Effect.raceFirst(Deferred.await(queued.begun), Deferred.await(queued.removed))
  if (turn === undefined) return
  yield* TurnTelemetry.follow(turn, turns.scope)
  const stop = TurnStop.stop(turns, turn)
  if (refuse !== undefined) yield* Effect.forkScoped(turn.endRefused(stop))
  const meter = yield* Spending.account(spending)
  if (meter !== undefined) {
    turn.spendFrom(meter)
    yield* Effect.forkScoped(turn.endSpent(meter, TurnStop.stopWithSubagents(turns, turn)))
  }
  yield* Effect.forkScoped(
    stallTimeout === undefined
      ? Watchdog.askWhenSilent(rpc, turn)
      : Watchdog.watch({ rpc, turn, stallTimeout, stop })
  )
  const exit = yield* Effect.exit(turn.awaitEnd)
  const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
  if (Option.isSome(error) && stopped.has(error.value._tag) && turn.handles === 1) {
    internalsOf(rpc).report(`the turn of a queued message was stopped: ${error.value.message}`)
  }
  route.release(turn)
}, Effect.scoped)

/**
 * Follows the turn of a message from now on, in the layer's scope. A message that is followed already keeps its
 * options.
 */
export const follow = Effect.fnUntraced(function*(
  turns: Turns,
  threadId: string,
  options: FollowOptions
): Effect.fn.Return<Followed, ReturnType<typeof scopeEnded>> {
  if (turns.isClosed()) return yield* scopeEnded("layer")
  const { spending, stallTimeout: _, ...rest } = options
  const scope = yield* Scope.fork(turns.scope)
  const route = yield* Scope.provide(turns.threads.route(threadId), scope)
  const known = route.queuedWith(options.clientId)
  if (known !== undefined) {
    yield* Scope.close(scope, Exit.void)
    return { route, queued: known, stop: Effect.void }
  }
  const queued = route.expectQueued({
    ...rest,
    rpc: turns.rpc,
    price: spending.price,
    limits: turns.limits,
    events: true,
    maxUnreadBytes: undefined
  })
  const close = Effect.suspend(() => {
    route.forgetQueued(options.clientId)
    // The route tells only those messages that are still followed when it closes.
    if (turns.isClosed() && !Deferred.isDoneUnsafe(queued.removed)) {
      Deferred.doneUnsafe(queued.begun, Exit.fail(scopeEnded("layer")))
    }
    return Scope.close(scope, Exit.void)
  })
  yield* Effect.forkIn(Effect.ensuring(Effect.ignore(untilEnd(turns, { route, queued }, options)), close), turns.scope)
  return { route, queued, stop: close }
})

/** Whether a message with this id is followed, so that a second one could not be told from it. */
export const isFollowed = (turns: Turns, threadId: string, clientId: string): Effect.Effect<boolean> =>
  Effect.scoped(Effect.map(turns.threads.route(threadId), (route) => route.queuedWith(clientId) !== undefined))

/** Follows a message no longer that this client has removed. */
export const removed = (turns: Turns, threadId: string, messageId: string): Effect.Effect<void> =>
  Effect.scoped(Effect.map(turns.threads.route(threadId), (route) => route.removeQueued(messageId)))

/** How long a message that has left the queue may take to begin its turn. */
const beginWithin = "5 seconds"

/**
 * Waits for the turn of a followed message.
 *
 * @param isQueued whether the message waits in the queue.
 */
export const await_ = (
  turns: Turns,
  { queued, route }: Followed,
  message: QueuedMessage,
  isQueued: Effect.Effect<boolean, ResumeError>
): Effect.Effect<TurnState, ResumeError | QueuedMessageNotFound> => {
  queued.messageId = message.id
  const begun = Deferred.await(queued.begun)
  const notFound = Effect.suspend(() =>
    Effect.fail(
      new QueuedMessageNotFound({
        method: "thread/queue/list",
        code: -32600,
        detail: `queued submission not found: ${message.id}`
      })
    )
  )
  const gone = Effect.andThen(Deferred.await(queued.removed), notFound)
  const look = (isLast: boolean): Effect.Effect<TurnState, ResumeError | QueuedMessageNotFound> =>
    Effect.gen(function*() {
      if (Deferred.isDoneUnsafe(queued.begun)) return yield* begun
      const changed = route.queueChanged()
      if (yield* isQueued) {
        return yield* Effect.raceAllFirst([begun, gone, Effect.andThen(changed, look(false))])
      }
      const stored = yield* StoredTurn.findByClientId(turns.rpc, route.threadId, message.clientId)
      if (stored !== undefined && !Deferred.isDoneUnsafe(queued.begun)) {
        const turn = route.beginQueued(queued, stored.id)
        turn.settle(stored)
        return turn
      }
      if (!isLast) {
        // It has left the queue, and its turn may be about to begin.
        return yield* Effect.raceFirst(begun, Effect.andThen(Effect.sleep(beginWithin), look(true)))
      }
      // Nobody has to follow it any longer.
      Deferred.doneUnsafe(queued.removed, Exit.void)
      return yield* notFound
    })
  return look(false)
}
