/** Interrupts turns, stops those that nobody wants any more, and lets them go. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ThreadBusy, TurnCallError } from "../../CodexError.ts"
import { call } from "../protocol/uses.ts"
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
    // There may be another connection. If it was the last, the turn has ended, too.
    case "AppServerExited":
      return true
    case "TransportError":
      return error.reason !== "unavailable"
    default:
      return false
  }
}

/**
 * Interrupts a turn. Nothing happens when it is over.
 *
 * The server refuses to interrupt a turn that it has accepted but not begun (measured on 0.169.0), and the turn then runs to
 * its end. So the beginning is waited for, and a refusal while the turn is not over is asked again.
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
    Effect.catchTag(["SettingsNotApplied", "TurnStalled", "TurnOutcomeUnknown"], () => Effect.void)
  )

/** Interrupts a turn and waits for its end. Runs in finalizers, which nothing can interrupt: so it has a bound of its own. */
export const stop = (stopping: Stopping, turn: TurnState): Effect.Effect<void> =>
  interrupt(stopping, turn).pipe(
    Effect.andThen(Effect.exit(turn.awaitEnd)),
    Effect.andThen(Terminals.endLeft(stopping.rpc, turn)),
    Effect.interruptible,
    Effect.timeoutOption(stopping.stopGrace),
    Effect.ignore
  )

/** Stops a turn that runs, and forgets it. */
export const letGo = (stopping: Stopping, route: ThreadRoute, turn: TurnState): Effect.Effect<void> =>
  Effect.suspend(() => turn.isEnded ? Effect.void : stop(stopping, turn)).pipe(
    Effect.ensuring(Effect.sync(() => route.release(turn)))
  )
