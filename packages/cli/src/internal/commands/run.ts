import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { runFlags } from "./runFlags.ts"

export const run = Command.make(
  "run",
  runFlags,
  (options) =>
    // Loaded on demand: `--help` does not need the client.
    Effect.flatMap(Effect.promise(() => import("../run.ts")), ({ run }) => run(options))
).pipe(
  Command.withDescription(
    "Run one turn of the agent. The answer goes to stdout, everything else to stderr; its last line has the thread's id. " +
      "The exit code is 0 when the turn was completed, 1 when anything failed, 124 when --timeout was over, 130 after Ctrl-C."
  ),
  Command.withShortDescription("Run one turn of the agent"),
  Command.withExamples([
    { command: `effect-codex run "Say hello in one sentence."`, description: "Ask" },
    { command: `effect-codex run --last "And in French?"`, description: "Go on with the latest thread of this folder" },
    { command: `git diff | effect-codex run "Review this change."`, description: "Ask about piped input" },
    {
      command: "effect-codex run --json < prompt.md > events.jsonl",
      description: "Read the prompt from a file, keep every event"
    },
    {
      command: `effect-codex run --sandbox workspace-write "Fix the failing test."`,
      description: "Let the agent write"
    },
    {
      command: `effect-codex run --approve ask "Update the dependencies."`,
      description: "Decide yourself what goes beyond the sandbox"
    },
    {
      command: `effect-codex run --mode plan "Move the tests to vitest."`,
      description: "Get a plan first"
    },
    {
      command:
        `effect-codex run --quiet --timeout 10m --budget 200k --output-schema facts.json "Describe this package."`,
      description: "For a script: JSON on stdout, within limits"
    }
  ])
)
