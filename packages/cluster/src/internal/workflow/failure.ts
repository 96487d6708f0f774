/** What goes wrong in a workflow's calls of codex: what is tried again, and what is stored. */
import type { CodexError } from "@effect-codex/client"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SessionFileError } from "../../CodexSession.ts"
import type { DecisionsUnavailable } from "../../Decisions.ts"
import type { SessionFenced, SessionStoreUnavailable } from "../../SessionStore.ts"

export type Failure =
  | CodexError.TurnStartError
  | CodexError.TurnEndError
  | CodexError.TurnInterrupted
  | CodexError.OutputInvalid
  | CodexError.ThreadCallError
  | CodexError.SettingsNotApplied
  | SessionFenced
  | SessionFileError
  | SessionStoreUnavailable
  | DecisionsUnavailable

export const reasons = [
  "AppServerExited",
  "AppServerTimeout",
  "BudgetExceeded",
  "DecisionsUnavailable",
  "DecodeError",
  "ExperimentalRequired",
  "InputTooLarge",
  "InvalidArgument",
  "OutputInvalid",
  "PriceUnknown",
  "RpcError",
  "ServerOverloaded",
  "SessionFenced",
  "SessionFileError",
  "SessionStoreUnavailable",
  "SettingsNotApplied",
  "ThreadBusy",
  "ThreadInUse",
  "ThreadNotFound",
  "ThreadNotPersisted",
  "TransportError",
  "TurnFailed",
  "TurnInterrupted",
  "TurnOutcomeUnknown",
  "TurnStalled"
] as const satisfies ReadonlyArray<Failure["_tag"]>

/**
 * Whether the failure says nothing about the turn, but about the way to it. The call looks the turn up before it does
 * anything, so it can be repeated, whatever became of it.
 */
export const isTransient = (failure: Failure): boolean => {
  switch (failure._tag) {
    case "AppServerExited":
    case "AppServerTimeout":
    case "DecisionsUnavailable":
    case "ServerOverloaded":
    case "SessionFenced":
    case "SessionFileError":
    case "SessionStoreUnavailable":
    case "ThreadInUse":
    case "TransportError":
    case "TurnOutcomeUnknown":
      return true
    case "ThreadBusy":
      return !failure.delivered
    default:
      return false
  }
}

export const isRetryable = (failure: Failure): boolean =>
  isTransient(failure) || "isRetryable" in failure && failure.isRetryable

/** For as long as it takes: 1, 2, 4, … 30 seconds. */
export const forever: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("1 second"),
  Schedule.spaced("30 seconds")
])

/** Repeats what failed on its way. */
export const persistently =
  (what: string, schedule: Schedule.Schedule<unknown> = forever) =>
  <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.tapError((failure) =>
        isTransient(failure) ? Effect.logWarning(`${what} will be tried again:`, failure) : Effect.void
      ),
      Effect.retry({ schedule, while: isTransient })
    )
