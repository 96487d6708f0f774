/** Ends turns whose end is not told: those of which nothing is heard any more, and those whose thread is idle already. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TurnOutcomeUnknown, TurnStalled } from "../../CodexError.ts"
import * as Monotonic from "../monotonic.ts"
import { membersOf } from "../protocol/members.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as StoredTurn from "./storedTurn.ts"
import type { TurnState } from "./turnState.ts"

/** The server tells that a thread is idle right before it tells the end of the turn; this is how long it may lie between. */
export const endGrace = Duration.seconds(2)

/** Takes the end of the turn from what the server has stored. False when it is not over there, or not stored. */
const settle = (rpc: Rpc, turn: TurnState): Effect.Effect<boolean> =>
  Effect.map(StoredTurn.findById(rpc, turn.threadId, turn.id), (stored) => {
    if (stored === undefined || !StoredTurn.isOver(stored)) return false
    turn.settle(stored)
    return true
  })

/** Whether a handler of ours runs for it. A review asks by the id that it runs under. */
const isAsked = (rpc: Rpc, turn: TurnState): boolean =>
  [turn.id, turn.runningId].some((id) => internalsOf(rpc).openServerRequests(turn.threadId, id).length > 0)

/** What the server says that the thread does; undefined if it does not say. */
const statusOf = (rpc: Rpc, { threadId }: TurnState): Effect.Effect<unknown> =>
  Effect.orElseSucceed(StoredTurn.threadStatus(rpc, threadId), () => undefined)

export const watch = Effect.fnUntraced(function*(options: {
  readonly rpc: Rpc
  readonly turn: TurnState
  readonly stallTimeout: Duration.Duration
  /** Takes the end from what the server has stored, and tells whether there was one. Default: that of the turn. */
  readonly settle?: Effect.Effect<boolean>
  /** Interrupts the turn and waits a bounded time for its end. */
  readonly stop: Effect.Effect<void>
}) {
  const { rpc, stallTimeout, stop, turn } = options
  const limit = Duration.toMillis(stallTimeout)
  const clock = yield* Clock.Clock
  let heardAt = Monotonic.millis(clock)
  turn.onHeard = () => {
    heardAt = Monotonic.millis(clock)
  }
  const silence = () => Monotonic.millis(clock) - heardAt
  while (!turn.isEnded) {
    // While a handler of ours runs, the server waits and not we.
    if (isAsked(rpc, turn)) heardAt = Monotonic.millis(clock)
    if (silence() < limit) {
      yield* Effect.sleep(limit - silence())
      continue
    }
    const { progress } = turn
    if (yield* options.settle ?? settle(rpc, turn)) return
    if (turn.progress !== progress) {
      heardAt = Monotonic.millis(clock)
      continue
    }
    const stalled = new TurnStalled({
      threadId: turn.threadId,
      turnId: turn.id,
      stallTimeout: limit,
      lastEvent: turn.lastEvent ?? null,
      lastRetry: turn.lastRetry ?? null,
      runningItems: turn.runningItems,
      startingMcpServers: internalsOf(rpc).startingMcpServers(turn.threadId),
      result: turn.partialResult
    })
    turn.verdict = stalled
    yield* stop
    turn.onEnd(stalled)
  }
})

/** For a turn whose thread is idle and that did not end. */
export const endQuiet = Effect.fnUntraced(function*(rpc: Rpc, turn: TurnState) {
  const { frames } = turn
  yield* Effect.sleep(endGrace)
  // What was told since then belongs to a turn that runs.
  if (turn.isEnded || turn.frames !== frames) return
  if (yield* settle(rpc, turn)) return
  const status = yield* statusOf(rpc, turn)
  if (!StoredTurn.isQuiet(status) || turn.frames !== frames) return
  turn.onEnd(
    new TurnOutcomeUnknown({
      threadId: turn.threadId,
      turnId: turn.id,
      detail: `the thread is ${String(membersOf(status)["type"])} and the server has not told how the turn ended.`,
      result: turn.partialResult
    })
  )
  turn.onUntoldEnd?.()
})

/** How long a turn may be silent before the server is asked what its thread does. */
const silence = Duration.minutes(2)

/** For a turn whose end was lost together with the thread's becoming idle. Costs nothing while the turn is heard of. */
export const askWhenSilent = Effect.fnUntraced(function*(rpc: Rpc, turn: TurnState) {
  while (!turn.isEnded) {
    const { frames } = turn
    yield* Effect.sleep(silence)
    if (turn.frames !== frames || isAsked(rpc, turn)) continue
    if (StoredTurn.isQuiet(yield* statusOf(rpc, turn))) yield* endQuiet(rpc, turn)
  }
})
