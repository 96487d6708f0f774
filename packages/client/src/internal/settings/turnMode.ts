/**
 * The mode of a turn. The server keeps it for the thread, so a turn that does not plan has to end the plan mode of an
 * earlier one. docs/codex-behaviour.md, "A mode holds for the turns that follow, also in the next process".
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { type ResumeError, SettingsNotApplied } from "../../CodexError.ts"
import type { TurnOptions } from "../../Thread.ts"
import { using } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import type { Told } from "./heldSettings.ts"
import type { Next } from "./toldSettings.ts"

interface ModeParams {
  readonly collaborationMode?: Sent.CollaborationMode
}

const none: ModeParams = {}

/**
 * Without instructions of its own codex gives the model those of the mode, beside the thread's. An effort that is left
 * out would reset the thread's. docs/codex-behaviour.md, "A mode brings its own model and effort".
 */
const paramsOf = (mode: Sent.ModeKind, model: string, effort: string | null | undefined): ModeParams => ({
  collaborationMode: {
    mode,
    settings: { model, reasoning_effort: effort ?? null, developer_instructions: null }
  }
})

/** Whether turns of the thread plan, or do what a newer server's mode says. A new thread has the default mode. */
export const isElsewhere = ({ mode }: Next): boolean => mode !== undefined && mode !== "default"

interface Known {
  readonly model: string
  readonly reasoningEffort?: string | null | undefined
}

/** Asks the server, for a connection that does not follow the settings of its threads. */
const ask = (rpc: Rpc, threadId: string): Effect.Effect<Known, ResumeError> =>
  rpc.request("thread/resume", { threadId, excludeTurns: true }).pipe(
    using(rpc, "thread/resume", ({ model, reasoningEffort }) =>
      Predicate.isString(model)
        ? { model, reasoningEffort: Predicate.isString(reasoningEffort) ? reasoningEffort : null }
        : undefined)
  )

/**
 * The params that give a turn its mode. Empty for a turn in the default mode on a thread that has it: codex would tell
 * the model of the mode.
 *
 * @param given what else the turn asks for.
 */
export const paramsFor = (
  rpc: Rpc,
  threadId: string,
  mode: TurnOptions["mode"],
  given: Pick<TurnOptions, "model" | "effort">
): Effect.Effect<ModeParams, ResumeError> =>
  Effect.suspend(() => {
    const next = internalsOf(rpc).nextSettingsOf(threadId)
    if (mode !== "plan" && !isElsewhere(next)) return Effect.succeed(none)
    const { model } = next
    return Effect.map(
      model === undefined ? ask(rpc, threadId) : Effect.succeed<Known>({ ...next, model }),
      (known) => paramsOf(mode ?? "default", given.model ?? known.model, given.effort ?? known.reasoningEffort)
    )
  })

/** The params of `thread/settings/update` that end the plan mode of a thread. */
export const leaving = (rpc: Rpc, threadId: string): ModeParams => {
  const next = internalsOf(rpc).nextSettingsOf(threadId)
  return isElsewhere(next) && next.model !== undefined ? paramsOf("default", next.model, next.reasoningEffort) : none
}

/** Why a turn of the queue must not run: its message was not meant for a mode. */
export const refuse = (threadId: string, held: Told | undefined): SettingsNotApplied | undefined =>
  held?.mode === undefined || !isElsewhere(held) ? undefined : new SettingsNotApplied({
    threadId,
    settings: [{
      setting: "mode",
      asked: "default",
      holds: held.mode,
      advice: "A turn in this mode ran right before, and the message's turn was stopped: add the message again."
    }]
  })
