/** Changes the settings of a running turn, which the next request to the model has. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import type { Connection } from "./connection.ts"
import * as Models from "./models.ts"
import * as Refused from "./refused.ts"

type Status = Received.TurnSettingsUpdateResponse["status"]

export const update = (
  connection: Connection,
  params: Sent.TurnSettingsUpdateParams
): Effect.Effect<Status, Refused.Refused> =>
  Effect.suspend((): Effect.Effect<Status, Refused.Refused> => {
    const { approvalsReviewer, effort, environments, model, serviceTier, summary, threadId, turnId } = params
    const thread = connection.loaded.get(threadId)
    if (thread === undefined) return Effect.fail(Refused.threadNotFound(threadId))
    if ((environments ?? null) !== null) return Effect.fail(Refused.notFaked("turn/settings/update.environments"))
    const needsFeature = (approvalsReviewer ?? null) === null || effort !== undefined || model !== undefined ||
      serviceTier !== undefined || summary !== undefined
    if (needsFeature && !thread.stored.features.stepModelSwitching) {
      return Effect.fail(Refused.invalidRequest("turn settings updates require the step_model_switching feature"))
    }
    const { running } = thread
    if (running === undefined || running.stored.id !== turnId) return Effect.succeed("targetUnavailable")
    const { settings } = running
    if (needsFeature && !Models.isKnown(settings.model)) {
      return Effect.fail(Refused.invalidRequest("the active model has only fallback metadata"))
    }
    if (!Models.isKnown(model ?? settings.model)) {
      return Effect.fail(Refused.invalidRequest("the destination model has only fallback metadata"))
    }
    running.settings = {
      ...settings,
      approvalsReviewer: approvalsReviewer ?? settings.approvalsReviewer,
      effort: effort ?? settings.effort,
      model: model ?? settings.model,
      serviceTier: serviceTier === undefined ? settings.serviceTier : serviceTier,
      summary: summary ?? settings.summary
    }
    return Effect.succeed("applied")
  })
