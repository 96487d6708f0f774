/**
 * The command line of `effect-codex`.
 *
 * @since 0.1.0
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"

const runParameters = {
  prompt: Argument.String("prompt").pipe(
    Argument.withDescription(
      "What the agent is asked. Read from stdin if it is left out or `-`; otherwise what is piped in is added to it."
    ),
    Argument.optional
  ),
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withMetavar("name"),
    Flag.withDescription("The model. Default: what your Codex configuration says."),
    Flag.optional
  ),
  sandbox: Flag.Literals("sandbox", ["read-only", "workspace-write", "full-access"]).pipe(
    Flag.withAlias("s"),
    Flag.withDescription(
      "What the agent's commands may touch. Default: what your Codex configuration says, as for codex itself; that is " +
        "read-only if it says nothing, so that nothing changes before you allow it."
    ),
    Flag.optional
  ),
  approve: Flag.Literals("approve", ["none", "auto", "ask"]).pipe(
    Flag.withAlias("a"),
    Flag.withDescription(
      "Who decides when the agent wants more than the sandbox allows. none: nothing beyond it is done. auto: codex has " +
        "a model review it, which costs calls of the model. ask: you, at the terminal. Default: none."
    ),
    Flag.withDefault("none")
  ),
  cwd: Flag.Path("cwd").pipe(
    Flag.withAlias("C"),
    Flag.withMetavar("folder"),
    Flag.withDescription("The folder that the agent works in. Default: the current one."),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print every event of the turn as a line of JSON, and nothing else, to stdout."),
    Flag.withDefault(false)
  ),
  offline: Flag.Boolean("offline").pipe(
    Flag.withDescription("Use the offline model, a script that drives the real codex without a key or a network."),
    Flag.withDefault(false)
  )
}

const run = Command.make(
  "run",
  runParameters,
  (options) =>
    // The client is loaded when it is needed: `--help` does without it.
    Effect.flatMap(Effect.promise(() => import("./internal/run.ts")), ({ run }) => run(options))
).pipe(
  Command.withDescription(
    "Run one turn of the agent. The answer goes to stdout, everything else to stderr. The exit code is 0 when the turn " +
      "was completed, 1 when anything failed, 130 after Ctrl-C."
  ),
  Command.withShortDescription("Run one turn of the agent"),
  Command.withExamples([
    { command: `effect-codex run "Say hello in one sentence."`, description: "Ask" },
    { command: `git diff | effect-codex run "Review this change."`, description: "Ask about what is piped in" },
    {
      command: "effect-codex run --json < prompt.md > events.jsonl",
      description: "Ask what a file says, keep every event"
    },
    {
      command: `effect-codex run --sandbox workspace-write "Fix the failing test."`,
      description: "Let the agent write"
    },
    {
      command: `effect-codex run --approve ask "Update the dependencies."`,
      description: "Decide yourself what goes beyond the sandbox"
    }
  ])
)

// =============================================================================
// Cassettes
// =============================================================================

const cassette = Effect.promise(() => import("./internal/cassette.ts"))

const recordCommand = Command.make(
  "record",
  {
    cassette: Argument.String("cassette").pipe(Argument.withDescription("The file to write, such as session.jsonl.")),
    ...runParameters,
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Replace the cassette if it is there."),
      Flag.withDefault(false)
    ),
    serve: Flag.Boolean("serve").pipe(
      Flag.withDescription(
        "Be an app-server on stdin and stdout, and record what its client and codex say to each other. No prompt then."
      ),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(cassette, ({ record }) => record(options))
).pipe(
  Command.withDescription(
    "Run one turn of the agent, as `run` does, and keep what went over the connection in a file, a cassette for tests: " +
      "without what looks like a secret, and with ids, times and folders replaced. What was said stays in it."
  ),
  Command.withShortDescription("Run one turn and keep it for tests"),
  Command.withExamples([
    { command: `effect-codex record hello.jsonl "Say hello."`, description: "Record a turn" },
    {
      command: "effect-codex record --serve session.jsonl",
      description: "Record a client that starts this as its codex"
    }
  ])
)

const replayCommand = Command.make(
  "replay",
  {
    cassette: Argument.String("cassette").pipe(Argument.withDescription("The file that was recorded.")),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print every event of its turns as a line of JSON to stdout."),
      Flag.withDefault(false)
    ),
    serve: Flag.Boolean("serve").pipe(
      Flag.withDescription(
        "Be the recorded app-server on stdin and stdout, for a client under test. It ends with exit code 1 and the " +
          "difference when the client sends something else than was recorded."
      ),
      Flag.withDefault(false)
    ),
    lenient: Flag.Boolean("lenient").pipe(
      Flag.withDescription("With --serve: let the client send its messages in another order and with more keys."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(cassette, ({ replay }) => replay(options))
).pipe(
  Command.withDescription(
    "Show a recorded session as `run` showed it: the answers on stdout, the rest on stderr. Codex is not needed."
  ),
  Command.withShortDescription("Show a recorded session, or play it to a client"),
  Command.withExamples([
    { command: "effect-codex replay hello.jsonl", description: "See what was recorded" },
    {
      command: "effect-codex replay --serve hello.jsonl",
      description: "Play it to a client that starts this as its codex"
    }
  ])
)

// =============================================================================
// Accounts
// =============================================================================

const account = Effect.promise(() => import("./internal/account.ts"))

const loginCommand = Command.make(
  "login",
  {
    device: Flag.Boolean("device").pipe(
      Flag.withDescription("Log in with a code, in a browser on any machine."),
      Flag.withDefault(false)
    ),
    apiKey: Flag.Boolean("api-key").pipe(
      Flag.withDescription("Log in with an API key, which is read from stdin, or asked for at a terminal."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(account, ({ login }) => login(options))
).pipe(
  Command.withDescription(
    "Log in, in place of the login that is there. Without a flag: with ChatGPT, in a browser on this machine. The login " +
      "is stored where codex itself looks for it, by default below CODEX_HOME or ~/.codex."
  ),
  Command.withShortDescription("Log in with ChatGPT or an API key"),
  Command.withExamples([
    { command: "effect-codex login", description: "In a browser on this machine" },
    { command: "effect-codex login --device", description: "In a browser elsewhere" },
    { command: "printenv OPENAI_API_KEY | effect-codex login --api-key", description: "With an API key" }
  ])
)

const logoutCommand = Command.make(
  "logout",
  {},
  () => Effect.flatMap(account, ({ logout }) => logout)
).pipe(Command.withDescription("Forget the login"))

const accountCommand = Command.make(
  "account",
  {
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print a line of JSON, with the names of the app-server protocol."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(account, ({ show }) => show(options))
).pipe(
  Command.withDescription(
    "Show who is logged in, whether a login is needed, and what is left of the rate limits. The exit code is 1 when " +
      "nobody is logged in, as that of `codex login status`."
  ),
  Command.withShortDescription("Show who is logged in")
)

// =============================================================================
// MCP
// =============================================================================

const mcpCommand = Command.make(
  "mcp",
  {
    model: runParameters.model,
    sandbox: runParameters.sandbox,
    approve: Flag.Literals("approve", ["none", "auto"]).pipe(
      Flag.withAlias("a"),
      Flag.withDescription(
        "Who decides when the agent wants more than the sandbox allows. none: nothing beyond it is done. auto: codex has " +
          "a model review it, which costs calls of the model. Default: none."
      ),
      Flag.withDefault("none")
    ),
    cwd: runParameters.cwd,
    offline: runParameters.offline
  },
  (options) => Effect.flatMap(Effect.promise(() => import("./internal/mcp.ts")), ({ serve }) => serve(options))
).pipe(
  Command.withDescription(
    "Be an MCP server on stdin and stdout, with the tools `codex`, which starts a conversation, and `codex_reply`, which " +
      "goes on with one by its id, also with one of another day. A client chooses the folder and the model; what the agent " +
      "may touch is said here. It ends with stdin."
  ),
  Command.withShortDescription("Be an MCP server whose tools are codex"),
  Command.withExamples([
    { command: "effect-codex mcp", description: "Let a client ask codex about the current folder" },
    {
      command: "effect-codex mcp --sandbox workspace-write --approve auto",
      description: "Let it change files, and have a model review what goes beyond"
    }
  ])
)

// =============================================================================
// Testing
// =============================================================================

const fakeAppServer = Command.make(
  "fake-app-server",
  {
    script: Argument.Path("script").pipe(
      Argument.withDescription(
        "A JSON file with what the model answers. Without it the model says what it was asked."
      ),
      Argument.optional
    )
  },
  (options) =>
    Effect.flatMap(Effect.promise(() => import("./internal/fakeAppServer.ts")), ({ serve }) => serve(options))
).pipe(
  Command.withDescription(
    "Speak the protocol of `codex app-server` on stdin and stdout, without codex, a model or a login, for tests of clients " +
      "in any language. It ends with stdin."
  ),
  Command.withShortDescription("Be an app-server for tests, without codex"),
  Command.withExamples([
    { command: "effect-codex fake-app-server", description: "Answer what was asked" },
    { command: "effect-codex fake-app-server script.json", description: "Answer what the script says" }
  ])
)

/**
 * The whole command.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("effect-codex").pipe(
  Command.withDescription("Codex in a terminal"),
  Command.withSubcommands([
    run,
    recordCommand,
    replayCommand,
    loginCommand,
    logoutCommand,
    accountCommand,
    mcpCommand,
    fakeAppServer
  ])
)
