import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"

export const replay = Command.make(
  "replay",
  {
    cassette: Argument.String("cassette").pipe(Argument.withDescription("The recorded file.")),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print every event of its turns as a line of JSON to stdout."),
      Flag.withDefault(false)
    ),
    serve: Flag.Boolean("serve").pipe(
      Flag.withDescription(
        "Act as the recorded app-server on stdin and stdout, for a client under test. It ends with exit code 1 and the " +
          "difference if the client sends something other than recorded."
      ),
      Flag.withDefault(false)
    ),
    lenient: Flag.Boolean("lenient").pipe(
      Flag.withDescription("With --serve: allow the client's messages to have another order and additional keys."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../cassette.ts")), ({ replay }) => replay(options))
).pipe(
  Command.withDescription(
    "Show a recorded session as `run` showed it: the answers on stdout, the rest on stderr. Does not need codex."
  ),
  Command.withShortDescription("Show a recorded session, or replay it to a client"),
  Command.withExamples([
    { command: "effect-codex replay hello.jsonl", description: "See what was recorded" },
    {
      command: "effect-codex replay --serve hello.jsonl",
      description: "Replay it to a client that starts this as its codex"
    }
  ])
)
