/** The requests that start a turn: with a message, for a review, for a compaction. */
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { RequestOptions } from "../../AppServerRpc.ts"
import type { ResumeError, SettingsNotApplied, TurnStartError } from "../../CodexError.ts"
import type * as Sent from "../../Sent.ts"
import type { TurnOptions } from "../../Thread.ts"
import { type Members, membersOf } from "../protocol/peek.ts"
import { call, using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import type { Told } from "../settings/heldSettings.ts"
import * as Kept from "../settings/keptSettings.ts"
import type { ThreadSettings } from "../settings/threadSettings.ts"
import * as TurnMode from "../settings/turnMode.ts"
import type { Attachment } from "./attachment.ts"
import * as LoadedThreads from "./loadedThreads.ts"
import type { StartedTurns } from "./startedTurns.ts"

type Params = ClientRequests["turn/start"]["params"]

export interface StartRequest {
  /**
   * Loads the thread and subscribes to it. Runs before the turn queues, and again before the request, which may
   * be much later.
   */
  readonly ready: Effect.Effect<void, ResumeError>
  /** The model that the turn asks for. Undefined: the thread's. */
  readonly model?: string | undefined
  /** What the final answer is asked to be. Undefined: there is none. */
  readonly output?: "text" | "json" | undefined
  /** Returns the turn's id, or undefined if the reply names none. */
  readonly send: (options: RequestOptions) => Effect.Effect<string | undefined, TurnStartError>
  /** Ends the mode of the running turn for the turns that the server starts after it. Undefined: it has none. */
  readonly endMode?: Effect.Effect<void> | undefined
}

/** The message for a running turn, instead of starting a new one. */
export interface Steer {
  readonly message: Omit<ClientRequests["turn/steer"]["params"], "threadId" | "expectedTurnId">
  /** Why this turn must not be steered, given the settings that it began with. */
  readonly refuse: (activeTurnId: string, held: Told | undefined) => SettingsNotApplied | undefined
}

/** The thread to start turns on. */
export interface Target {
  readonly rpc: Rpc
  readonly threadId: string
  readonly settings: ThreadSettings
  readonly started: StartedTurns
  readonly attachment: Attachment
}

// Reads only the id. The turn is running whatever else the reply contains, and a failure here would leave it
// running unattended.
const startedId = ({ turn }: Members): string | undefined => {
  const { id } = membersOf(turn)
  return Predicate.isString(id) ? id : undefined
}

/**
 * @param given the options as protocol parameters.
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
  model: given.model ?? undefined,
  output: (given.outputSchema ?? null) === null ? "text" : "json",
  // Built at the time of sending, because a turn that was queued earlier may have changed the kept settings.
  send: (requestOptions) =>
    Effect.flatMap(TurnMode.paramsFor(rpc, threadId, options.mode, options), (mode) => {
      const kept = Kept.keep(settings.current, options)
      const params: Params = { threadId, ...message, ...given, ...Kept.turnParams(kept), ...mode }
      onSending()
      return LoadedThreads.of(rpc).relieving(rpc.request("turn/start", params, requestOptions)).pipe(
        using(rpc, "turn/start", startedId),
        settings.keeping(options),
        Effect.tap((id) => Effect.sync(() => started.set(threadId, id, kept, given)))
      )
    }).pipe(settings.checked(options)),
  endMode: options.mode !== "plan" ? undefined : Effect.suspend(() => {
    const params = TurnMode.leaving(rpc, threadId)
    return params.collaborationMode === undefined
      ? Effect.void
      : Effect.ignore(call(rpc, "thread/settings/update", { threadId, ...params }))
  })
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
