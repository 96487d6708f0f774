import * as OptionKinds from "@effect-codex/client/internal/options"
import * as Effect from "effect/Effect"
import type { CallOptions } from "../Options.ts"

/** The options without the signal, which the client does not know. */
export const withoutSignal = <O extends CallOptions>(options: O | undefined) => {
  const { signal: _, ...given } = { ...options }
  return Effect.as(OptionKinds.check(options, OptionKinds.none), given)
}
