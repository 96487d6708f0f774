/** The requests that start a turn: with a message, for a review, for a compaction. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { RequestOptions } from "../../AppServerRpc.ts"
import type { ResumeError, SettingsNotApplied, TurnStartError } from "../../CodexError.ts"
import type * as Sent from "../../Sent.ts"
import type { TurnOptions } from "../../Thread.ts"
import { type Members, membersOf } from "../protocol/members.ts"
import { call, using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import type { Told } from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import type { ThreadSettings } from "../settings/threadSettings.ts"
import type { Attachment } from "./attachment.ts"
import type { StartedTurns } from "./startedTurns.ts"

type Params = ClientRequests["turn/start"]["params"]

export interface StartRequest {
  /** Loads the thread and hears of it. Run before the turn waits, and again before the request, which may be much later. */
  readonly ready: Effect.Effect<void, ResumeError>
  /** Gives the turn's id, or undefined if the reply names none. */
  readonly send: (options: RequestOptions) => Effect.Effect<string | undefined, TurnStartError>
}

/** What is said to a turn that runs, in place of starting one. */
export interface Steer {
  readonly input: ClientRequests["turn/steer"]["params"]["input"]
  /** Why the message must not be said to this turn, which began with what the thread held. */
  readonly refuse: (activeTurnId: string, held: Told | undefined) => SettingsNotApplied | undefined
}

/** The thread that a turn is started on. */
export interface Target {
  readonly rpc: Rpc
  readonly threadId: string
  readonly settings: ThreadSettings
  readonly started: StartedTurns
  readonly attachment: Attachment
}

// The turn runs, whatever else of the reply does not fit: nobody would stop it if this failed.
const startedId = ({ turn }: Members): string | undefined => {
  const { id } = membersOf(turn)
  return Predicate.isString(id) ? id : undefined
}

/**
 * @param given what the options are in the protocol.
 * @param onSending called right before the request is made.
 */
export const ofMessage = (
  { attachment, rpc, settings, started, threadId }: Target,
  message: Pick<Params, "clientUserMessageId" | "input">,
  options: TurnOptions,
  given: Omit<Params, "threadId" | "input">,
  onSending: () => void
): StartRequest => ({
  ready: attachment.subscribe,
  // Made up when it is sent, because a turn that was queued before may have changed what is kept.
  send: (requestOptions) =>
    Effect.suspend(() => {
      const kept = Kept.keep(settings.current, options)
      const params: Params = { threadId, ...message, ...given, ...Kept.turnParams(kept) }
      onSending()
      return rpc.request("turn/start", params, requestOptions).pipe(
        using(rpc, "turn/start", startedId),
        settings.keeping(options),
        Effect.tap((id) => Effect.sync(() => started.set(threadId, id, kept, given)))
      )
    }).pipe(settings.checked(options))
})

/** @param onSending called right before the request is made. */
export const ofReview = (
  { attachment, rpc, settings, threadId }: Target,
  target: Sent.ReviewTarget,
  onSending: () => void
): StartRequest => ({
  ready: attachment.subscribe,
  send: (requestOptions) =>
    Effect.andThen(
      settings.enforce,
      Effect.suspend(() => {
        onSending()
        return rpc.request("review/start", { threadId, target }, requestOptions).pipe(
          using(rpc, "review/start", startedId)
        )
      })
    )
})

export const ofCompaction = ({ attachment, rpc, threadId }: Target): StartRequest => ({
  ready: attachment.subscribe,
  send: (requestOptions) => Effect.as(call(rpc, "thread/compact/start", { threadId }, requestOptions), undefined)
})
