/** Resumes threads that may have had no turn. */
import type { Codex, ThreadSettings } from "@effect-codex/client/Codex"
import * as Effect from "effect/Effect"

/**
 * docs/codex-behaviour.md, "A named thread has no developer's instructions before its first turn": it needs them again.
 * One that has had a turn refuses them.
 */
export const resumeFresh = (
  codex: Codex["Service"],
  threadId: string,
  settings: ThreadSettings
): ReturnType<Codex["Service"]["resumeThread"]> =>
  Effect.catchTag(
    codex.resumeThread(threadId, settings),
    "SettingsNotApplied",
    (error) =>
      error.settings.every(({ setting }) => setting === "developerInstructions")
        ? codex.resumeThread(threadId, { ...settings, developerInstructions: undefined })
        : Effect.fail(error)
  )
