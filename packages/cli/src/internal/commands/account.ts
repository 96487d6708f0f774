import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"

export const account = Command.make(
  "account",
  {
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print a line of JSON, with the names of the app-server protocol."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../account.ts")), ({ show }) => show(options))
).pipe(
  Command.withDescription(
    "Show who is logged in, whether a login is needed, and the remaining rate limits. The exit code is 1 if nobody is " +
      "logged in, as for `codex login status`."
  ),
  Command.withShortDescription("Show who is logged in")
)
