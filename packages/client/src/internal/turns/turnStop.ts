/** Interrupts turns, stops those that nobody wants any more, and releases them. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ThreadBusy, TurnCallError } from "../../CodexError.ts"
import { call } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import * as Terminals from "./terminals.ts"
import type { ThreadRoute } from "./threadRoute.ts"
import type { Turns } from "./turns.ts"
import type { TurnState } from "./turnState.ts"

type Stopping = Pick<Turns, "rpc" | "stopGrace">

const retryPause = Duration.millis(50)

const asksAgain = (error: TurnCallError): boolean => {
  switch (error._tag) {
    case "NoActiveTurn":
    case "TurnMismatch":
    // There may be a new connection. If there is none, the turn has ended as well.
    case "AppServerExited":
      return true
    case "TransportError":
      return error.reason !== "unavailable"
    default:
      return false
  }
}

/**
 * Interrupts a turn. Does nothing if it is over.
 *
 * docs/codex-behaviour.md, "A turn that has not begun cannot be interrupted". So this waits for the beginning,
 * and retries a refusal while the turn is running.
 */
export const interrupt = (
  { rpc, stopGrace }: Stopping,
  turn: TurnState
): Effect.Effect<void, TurnCallError | ThreadBusy> =>
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
    Effect.catchTag(["SettingsNotApplied", "TurnStalled", "TurnOutcomeUnknown", "BudgetExceeded", "PriceUnknown"], () =>
      Effect.void)
  )

/**
 * Interrupts the subagents that work for a turn, and those that they start meanwhile. docs/codex-behaviour.md,
 * "Subagents go on when the turn that they work for has ended".
 */
export const interruptSubagents = (rpc: Rpc, turn: TurnState): Effect.Effect<void> => {
  const asked = new Set<string>()
  const round: Effect.Effect<void> = Effect.suspend(() => {
    const running = internalsOf(rpc).subagentTurns(turn.threadId, turn.runningId)
    const left = running.filter(({ turnId }) => !asked.has(turnId))
    if (left.length === 0) return Effect.void
    for (const { turnId } of left) asked.add(turnId)
    return Effect.forEach(left, (one) => Effect.ignore(call(rpc, "turn/interrupt", one)), {
      concurrency: 8,
      discard: true
    }).pipe(Effect.andThen(round))
  })
  return round
}

/**
 * Interrupts a turn and waits for its end. Runs in finalizers, which cannot be interrupted, so it has its own
 * bound.
 */
export const stop = (stopping: Stopping, turn: TurnState): Effect.Effect<void> =>
  interrupt(stopping, turn).pipe(
    Effect.andThen(Effect.exit(turn.awaitEnd)),
    Effect.andThen(interruptSubagents(stopping.rpc, turn)),
    Effect.andThen(Terminals.endLeft(stopping.rpc, turn)),
    Effect.interruptible,
    Effect.timeoutOption(stopping.stopGrace),
    Effect.ignore
  )

/** {@link stop}, with the subagents that work for the turn. */
export const stopWithSubagents = (stopping: Stopping, turn: TurnState): Effect.Effect<void> =>
  Effect.all([
    stop(stopping, turn),
    Effect.timeoutOption(interruptSubagents(stopping.rpc, turn), stopping.stopGrace)
  ], { concurrency: "unbounded", discard: true })

/** Stops a running turn and forgets it. */
export const letGo = (stopping: Stopping, route: ThreadRoute, turn: TurnState): Effect.Effect<void> =>
  Effect.suspend(() => turn.isEnded ? Effect.void : stop(stopping, turn)).pipe(
    Effect.ensuring(Effect.sync(() => route.release(turn)))
  )
