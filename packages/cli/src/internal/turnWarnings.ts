/**
 * What a command that runs no turn has no use for: a newer codex, and what the sandbox of turns lacks. And what nobody has a
 * use for: that codex takes the bubblewrap which it has brought, in which commands are confined as in any other.
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

/** Whether to show a warning to who runs in this context. */
export const isWanted = (context: Context.Context<never>, warning: string): boolean =>
  !/^Codex could not find bubblewrap on PATH\. .* will use the bundled bubblewrap /.test(warning) &&
  (Context.get(context, RunsTurns) || !/sandbox|bubblewrap/i.test(warning))
