/** Ends turns whose end was not announced: silent turns, and turns whose thread is already idle. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TurnOutcomeUnknown, TurnStalled } from "../../CodexError.ts"
import * as Monotonic from "../monotonic.ts"
import { membersOf } from "../protocol/peek.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as StoredTurn from "./storedTurn.ts"
import type { TurnState } from "./turnState.ts"

/**
 * How long to wait for a turn's end once its thread is idle. docs/codex-behaviour.md, "A thread is told to be
 * idle right before its turn is completed".
 */
export const endGrace = Duration.seconds(2)

/** Ends the turn as the server has stored it. False if the stored turn is not over or there is none. */
const settle = (rpc: Rpc, turn: TurnState): Effect.Effect<boolean> =>
  Effect.map(StoredTurn.findById(rpc, turn.threadId, turn.id), (stored) => {
    if (stored === undefined || !StoredTurn.isOver(stored)) return false
    turn.settle(stored)
    return true
  })

/** Whether one of our handlers is running for the turn. A review's requests name the id that it runs under. */
const isAsked = (rpc: Rpc, turn: TurnState): boolean =>
  [turn.id, turn.runningId].some((id) => internalsOf(rpc).openServerRequests(turn.threadId, id).length > 0)

/** The thread's status according to the server. Undefined if the server does not say. */
const statusOf = (rpc: Rpc, { threadId }: TurnState): Effect.Effect<unknown> =>
  Effect.orElseSucceed(StoredTurn.threadStatus(rpc, threadId), () => undefined)

export const watch = Effect.fnUntraced(function*(options: {
  readonly rpc: Rpc
  readonly turn: TurnState
  readonly stallTimeout: Duration.Duration
  /** Ends the turn as the server has stored it, and returns whether it did. Default: for a single turn. */
  readonly settle?: Effect.Effect<boolean>
  /** Interrupts the turn and waits for its end, for a bounded time. */
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
    // While one of our handlers runs, the server is waiting for us.
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

/** For a turn that has not ended although its thread is idle. */
export const endQuiet = Effect.fnUntraced(function*(rpc: Rpc, turn: TurnState) {
  const { frames } = turn
  yield* Effect.sleep(endGrace)
  // Frames since then belong to a running turn.
  if (turn.isEnded || turn.frames !== frames) return
  if (yield* settle(rpc, turn)) return
  const status = yield* statusOf(rpc, turn)
  if (!StoredTurn.isQuiet(status) || turn.frames !== frames) return
  turn.onEnd(
    new TurnOutcomeUnknown({
      threadId: turn.threadId,
      turnId: turn.id,
      detail: `the thread is ${String(membersOf(status)["type"])} and the server has not reported how the turn ended.`,
      result: turn.partialResult
    })
  )
  turn.onUntoldEnd?.()
})

/** How long a turn may be silent before the server is asked for its thread's status. */
const silence = Duration.minutes(2)

/**
 * For a turn whose end was lost together with the idle status of its thread. Costs nothing while frames of the
 * turn arrive.
 */
export const askWhenSilent = Effect.fnUntraced(function*(rpc: Rpc, turn: TurnState) {
  while (!turn.isEnded) {
    const { frames } = turn
    yield* Effect.sleep(silence)
    if (turn.frames !== frames || isAsked(rpc, turn)) continue
    if (StoredTurn.isQuiet(yield* statusOf(rpc, turn))) yield* endQuiet(rpc, turn)
  }
})
