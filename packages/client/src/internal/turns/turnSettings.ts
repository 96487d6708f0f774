/** Changes the settings of a running turn. */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { NoActiveTurn, type RpcError, SettingsNotApplied, type TurnSettingsError } from "../../CodexError.ts"
import type { UpdateTurnSettingsOptions } from "../../Turn.ts"
import { using } from "../protocol/uses.ts"
import type { Rpc } from "../rpcInternals.ts"
import { allSent, defined } from "../settings/settings.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import type { TurnState } from "./turnState.ts"

const method = "turn/settings/update"

type Params = Omit<Sent.TurnSettingsUpdateParams, "threadId" | "turnId">

const paramsOf = (options: UpdateTurnSettingsOptions): Params => {
  const { approvalsReviewer, effort, environments, model, serviceTier, summary, ...rest } = options
  allSent(rest)
  return defined({ approvalsReviewer, effort, environments, model, serviceTier, summary })
}

const advice = {
  feature: "codex changes the model, the effort, the summary and the tier of a running turn only with its feature " +
    "`step_model_switching`: start the thread with `config: { \"features.step_model_switching\": true }`, or change " +
    "them for the next turn with `Thread.updateSettings`.",
  metadata: "codex switches only between models that it knows: use those of `Codex.models`, or change the model for " +
    "the next turn.",
  safety: "The model that you ask for would change how this turn's actions are reviewed: use it in the next turn."
}

const notApplied = (threadId: string, params: Params, error: RpcError): RpcError | SettingsNotApplied => {
  const reason = ServerTexts.turnSettingsRefusal(error.detail)
  return reason === undefined ? error : new SettingsNotApplied({
    threadId,
    settings: Object.entries(params).map(([setting, value]) => ({
      setting,
      asked: Predicate.isString(value) ? value : JSON.stringify(value),
      holds: "what the turn runs with",
      advice: advice[reason]
    }))
  })
}

/** @param onApplied called with what was sent, once the server has applied it. */
export const update = (
  rpc: Rpc,
  state: TurnState,
  options: UpdateTurnSettingsOptions,
  onApplied: (params: Params) => void
): Effect.Effect<void, TurnSettingsError> =>
  Effect.suspend(() => {
    const { runningId: turnId, threadId } = state
    const params = paramsOf(options)
    if (Object.keys(params).length === 0) return Effect.void
    return rpc.request(method, { threadId, turnId, ...params }).pipe(
      // The end of a turn is a status, and no error.
      using(rpc, method, ({ status }) => status === "applied" || status === "targetUnavailable" ? status : undefined),
      Effect.catchTag(
        "RpcError",
        (error): Effect.Effect<never, RpcError | SettingsNotApplied> => Effect.fail(notApplied(threadId, params, error))
      ),
      Effect.flatMap((status) =>
        status === "applied"
          ? Effect.sync(() => {
            if (Predicate.isString(params.model)) state.changedModel(params.model)
            onApplied(params)
          })
          : Effect.fail(new NoActiveTurn({ method, code: -32600, detail: `turn ${turnId} does not run.` }))
      )
    )
  })
