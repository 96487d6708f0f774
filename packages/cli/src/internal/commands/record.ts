import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { runFlags } from "./runFlags.ts"

export const record = Command.make(
  "record",
  {
    cassette: Argument.String("cassette").pipe(Argument.withDescription("The file to write, such as session.jsonl.")),
    ...runFlags,
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Replace the cassette if it exists."),
      Flag.withDefault(false)
    ),
    serve: Flag.Boolean("serve").pipe(
      Flag.withDescription(
        "Act as an app-server on stdin and stdout, and record the session of its client. Takes no prompt."
      ),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../cassette.ts")), ({ record }) => record(options))
).pipe(
  Command.withDescription(
    "Run one turn of the agent, as `run` does, and record the connection to a file, a cassette for tests. It leaves out " +
      "anything that looks like a secret, and replaces ids, times and folders. Prompts and answers stay in it."
  ),
  Command.withShortDescription("Run one turn and record it for tests"),
  Command.withExamples([
    { command: `effect-codex record hello.jsonl "Say hello."`, description: "Record a turn" },
    {
      command: "effect-codex record --serve session.jsonl",
      description: "Record a client that starts this as its codex"
    }
  ])
)
