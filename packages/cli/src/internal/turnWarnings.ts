/**
 * Suppresses warnings. A command without a turn does not need those about a newer codex or a missing sandbox. Nobody
 * needs the one that codex uses its bundled bubblewrap, which confines commands just as well.
 */
import { WarnedOf } from "@effect-codex/client/ServerInfo"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

const RunsTurns = Context.Reference<boolean>("@effect-codex/cli/RunsTurns", { defaultValue: () => true })

export const without = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.provideService(RunsTurns, false),
    Effect.provideService(WarnedOf, { has: () => true, add: () => {} })
  )

/** Whether to show a warning in this context. */
export const isWanted = (context: Context.Context<never>, warning: string): boolean =>
  !/^Codex could not find bubblewrap on PATH\. .* will use the bundled bubblewrap /.test(warning) &&
  (Context.get(context, RunsTurns) || !/sandbox|bubblewrap/i.test(warning))
