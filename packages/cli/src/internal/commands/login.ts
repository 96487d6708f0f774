import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"

export const login = Command.make(
  "login",
  {
    device: Flag.Boolean("device").pipe(
      Flag.withDescription("Log in with a code, in a browser on any machine."),
      Flag.withDefault(false)
    ),
    apiKey: Flag.Boolean("api-key").pipe(
      Flag.withDescription("Log in with an API key, read from stdin or asked for at a terminal."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../account.ts")), ({ login }) => login(options))
).pipe(
  Command.withDescription(
    "Log in and replace the current login. Without a flag: with ChatGPT, in a browser on this machine. The login is " +
      "stored where codex itself looks for it, by default in CODEX_HOME or ~/.codex."
  ),
  Command.withShortDescription("Log in with ChatGPT or an API key"),
  Command.withExamples([
    { command: "effect-codex login", description: "In a browser on this machine" },
    { command: "effect-codex login --device", description: "In a browser elsewhere" },
    { command: "printenv OPENAI_API_KEY | effect-codex login --api-key", description: "With an API key" }
  ])
)
