import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Terminal from "effect/Terminal"
import { runFlags } from "./runFlags.ts"

const { config, cwd, effort, image, last, mode, model, offline, prices, resume, sandbox } = runFlags

export const chat = Command.make(
  "chat",
  {
    prompt: Argument.String("prompt").pipe(
      Argument.withDescription("The first message. Default: you type it."),
      Argument.optional
    ),
    resume,
    last,
    model,
    effort,
    sandbox,
    approve: Flag.Literals("approve", ["none", "auto", "ask"]).pipe(
      Flag.withAlias("a"),
      Flag.withDescription(
        "Who decides when the agent wants more than the sandbox allows. ask: you. auto: codex has a model review it, " +
          "which costs model calls. none: it is refused. Default: ask at a terminal, else none."
      ),
      Flag.optional
    ),
    mode,
    image,
    budget: Flag.String("budget").pipe(
      Flag.withMetavar("limit"),
      Flag.withDescription(
        "What the whole chat may spend, with its subagents: tokens (20000, 20k, 1.5m) or dollars (0.50usd, with --prices)."
      ),
      Flag.optional
    ),
    prices,
    config,
    cwd,
    offline
  },
  (options) =>
    Effect.gen(function*() {
      const { chat } = yield* Effect.promise(() => import("../chat/chat.ts"))
      // Effect's own ends its input with Ctrl-C and Escape, which mean something else here.
      const terminal = yield* NodeTerminal.make(() => false)
      yield* Effect.provideService(chat(options), Terminal.Terminal, terminal)
    }).pipe(
      Effect.scoped,
      // What waits for more of it keeps the process alive.
      Effect.ensuring(Effect.sync(() => process.stdin.destroy()))
    )
).pipe(
  Command.withDescription(
    "Talk with the agent, in a new thread or an older one. While it works, a line that you type steers it, and Ctrl-C " +
      "interrupts it. Where stdin is no terminal, each line of it is a message."
  ),
  Command.withShortDescription("Talk with the agent"),
  Command.withExamples([
    { command: "effect-codex chat", description: "Begin" },
    { command: "effect-codex chat --last", description: "Go on with the latest thread of this folder" },
    {
      command: `effect-codex chat --mode plan "Move the tests to vitest."`,
      description: "Plan together first, then /implement"
    },
    {
      command: "printf 'Say hello.\\nAnd in French?\\n' | effect-codex chat",
      description: "One turn for each line of a pipe"
    }
  ])
)
