/**
 * Decides what becomes of the turns that were running when the connection was lost, once a new connection is
 * open.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { TurnOutcomeUnknown } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import { membersOf } from "../protocol/peek.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as StoredTurn from "./storedTurn.ts"
import type { Stored } from "./storedTurn.ts"
import type { TurnState } from "./turnState.ts"

interface Route {
  readonly threadId: string
  /** The connection is lost again. Everything here starts over when it is back. */
  readonly isLost: boolean
  readonly activeTurnId: string | undefined
  readonly beIdle: () => void
}

/** Subscribes to a loaded thread without changing anything about it. */
export const rejoin = (rpc: Rpc, threadId: string) => call(rpc, "thread/resume", { threadId, excludeTurns: true })

/** By the time the turn's end is announced, the store has the items that this connection missed. */
const expectGap = (rpc: Rpc, turn: TurnState, inBackground: (effect: Effect.Effect<void>) => void): void => {
  const end = (completed: Raw) =>
    Effect.map(StoredTurn.findById(rpc, turn.threadId, turn.id), (stored) => {
      if (stored !== undefined) turn.settle(stored)
      turn.onNotification(completed, 0)
      turn.onReadEnd()
    })
  turn.fillGap = (completed) => inBackground(end(completed))
}

/** docs/codex-behaviour.md, "A turn of a killed process is stored as interrupted, without a time of its end". */
const wasCut = (stored: Stored | undefined): boolean =>
  stored?.status === "interrupted" && typeof stored.completedAt !== "number"

const hasEnded = (stored: Stored | undefined): stored is Stored =>
  stored !== undefined && StoredTurn.isOver(stored) && !wasCut(stored)

// How often to look for the end of a turn whose server went on. docs/codex-behaviour.md, "The store has the end
// of a turn up to a moment after the thread is idle".
const storing = Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 20 }))

const takeUpRunning = Effect.fnUntraced(function*(
  rpc: Rpc,
  route: Route,
  running: ReadonlyArray<TurnState>,
  inBackground: (effect: Effect.Effect<void>) => void
) {
  const { activeTurnId, threadId } = route
  const { restarts } = rpc
  if (running.length === 0 && activeTurnId === undefined) return
  const isOver = () => route.isLost || rpc.restarts !== restarts

  const status = yield* Effect.orElseSucceed(StoredTurn.threadStatus(rpc, threadId), () => undefined)
  if (isOver()) return
  const isIdle = membersOf(status)["type"] === "idle"
  const isActive = status !== undefined && !StoredTurn.isQuiet(status)
  for (const turn of running) expectGap(rpc, turn, inBackground)
  // Subscribe before looking up the turns, so that an end in between is heard.
  if (isActive && running.length > 0) yield* Effect.ignore(rejoin(rpc, threadId))
  for (const turn of running) {
    const stored = yield* StoredTurn.findById(rpc, threadId, turn.id).pipe(
      Effect.repeat({
        schedule: storing,
        while: (stored) => !isOver() && !turn.isEnded && (isIdle ? !hasEnded(stored) : isActive && wasCut(stored))
      })
    )
    if (isOver()) return
    if (turn.isEnded) continue
    if (hasEnded(stored)) {
      turn.settle(stored)
    } else if (!isActive || wasCut(stored)) {
      turn.onEnd(
        new TurnOutcomeUnknown({
          threadId,
          turnId: turn.id,
          detail: "the connection to codex app-server was lost while it ran, and the server has not stored its end.",
          result: turn.partialResult
        })
      )
    }
  }
  if (!isActive && !isOver() && route.activeTurnId === activeTurnId) route.beIdle()
})

/**
 * Nothing runs a second time. A turn goes on, ends as the server has stored it, or ends with an unknown
 * outcome. A server request that has not been repeated by then counts as settled.
 */
export const takeUp = (
  rpc: Rpc,
  route: Route,
  running: ReadonlyArray<TurnState>,
  inBackground: (effect: Effect.Effect<void>) => void
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { restarts } = rpc
    return Effect.ensuring(
      takeUpRunning(rpc, route, running, inBackground),
      Effect.sync(() => {
        if (!route.isLost && rpc.restarts === restarts) internalsOf(rpc).settleServerRequests(route.threadId)
      })
    )
  })
