import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"

export const fakeAppServer = Command.make(
  "fake-app-server",
  {
    script: Argument.Path("script").pipe(
      Argument.withDescription(
        "A JSON file with the model's answers. Without it, the model echoes the prompt."
      ),
      Argument.optional
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../fakeAppServer.ts")), ({ serve }) => serve(options))
).pipe(
  Command.withDescription(
    "Speak the protocol of `codex app-server` on stdin and stdout, without codex, a model or a login, for tests of clients " +
      "in any language. It ends with stdin."
  ),
  Command.withShortDescription("Act as an app-server for tests, without codex"),
  Command.withExamples([
    { command: "effect-codex fake-app-server", description: "Echo each prompt" },
    { command: "effect-codex fake-app-server script.json", description: "Answer from the script" }
  ])
)
