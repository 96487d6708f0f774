/** The file descriptors of the server's process, for the packages of this project that know a platform. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export interface Descriptors {
  readonly open: number
  /** How many the process may have open. */
  readonly limit: number
}

/**
 * Reads the descriptors of the server's process. Undefined where the system does not tell, or once the process is
 * gone. Default: never told.
 */
export const ReadDescriptors = Context.Reference<Effect.Effect<Descriptors | undefined> | undefined>(
  "@effect-codex/client/internal/ReadDescriptors",
  { defaultValue: () => undefined }
)
