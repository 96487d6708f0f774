import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { runFlags } from "./runFlags.ts"

export const mcp = Command.make(
  "mcp",
  {
    model: runFlags.model,
    sandbox: runFlags.sandbox,
    approve: Flag.Literals("approve", ["none", "auto"]).pipe(
      Flag.withAlias("a"),
      Flag.withDescription(
        "Who decides when the agent wants more than the sandbox allows. none: it is refused. auto: codex has a model " +
          "review it, which costs model calls. Default: none."
      ),
      Flag.withDefault("none")
    ),
    cwd: runFlags.cwd,
    offline: runFlags.offline
  },
  (options) => Effect.flatMap(Effect.promise(() => import("../mcp.ts")), ({ serve }) => serve(options))
).pipe(
  Command.withDescription(
    "Act as an MCP server on stdin and stdout. Its tool `codex` starts a conversation; `codex_reply` continues one by its " +
      "id, including older ones. A client chooses the folder and the model; the options of this command decide what the " +
      "agent may access. It ends with stdin."
  ),
  Command.withShortDescription("Act as an MCP server whose tools are codex"),
  Command.withExamples([
    { command: "effect-codex mcp", description: "Let a client ask codex about the current folder" },
    {
      command: "effect-codex mcp --sandbox workspace-write --approve auto",
      description: "Let it change files, and have a model review anything beyond that"
    }
  ])
)
