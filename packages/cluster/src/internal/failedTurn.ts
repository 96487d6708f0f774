/** The failure of a turn that is found failed in the history: as the attempt has told it that ran the turn. */
import { TurnFailed } from "@effect-codex/client/CodexError"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as Option from "effect/Option"

export const failureOf = (result: TurnResult): TurnFailed => {
  const error = Option.getOrUndefined(result.error)
  return new TurnFailed({
    threadId: result.threadId,
    turnId: result.id,
    detail: error?.message ?? "codex did not say why.",
    info: error?.codexErrorInfo ?? null,
    result
  })
}
