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
      "The prompt. Read from stdin if it is omitted or `-`; otherwise any piped input is added to it."
    ),
    Argument.optional
  ),
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withMetavar("name"),
    Flag.withDescription("The model. Default: the one in your Codex configuration."),
    Flag.optional
  ),
  sandbox: Flag.Literals("sandbox", ["read-only", "workspace-write", "full-access"]).pipe(
    Flag.withAlias("s"),
    Flag.withDescription(
      "What the agent's commands may access. Default: your Codex configuration, as for codex itself. Without a setting " +
        "there it is read-only, so that nothing changes before you allow it."
    ),
    Flag.optional
  ),
  approve: Flag.Literals("approve", ["none", "auto", "ask"]).pipe(
    Flag.withAlias("a"),
    Flag.withDescription(
      "Who decides when the agent wants more than the sandbox allows. none: it is refused. auto: codex has a model " +
        "review it, which costs model calls. ask: you, at the terminal. Default: none."
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
    // Loaded on demand: `--help` does not need the client.
    Effect.flatMap(Effect.promise(() => import("./internal/run.ts")), ({ run }) => run(options))
).pipe(
  Command.withDescription(
    "Run one turn of the agent. The answer goes to stdout, everything else to stderr. The exit code is 0 when the turn " +
      "was completed, 1 when anything failed, 130 after Ctrl-C."
  ),
  Command.withShortDescription("Run one turn of the agent"),
  Command.withExamples([
    { command: `effect-codex run "Say hello in one sentence."`, description: "Ask" },
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
  (options) => Effect.flatMap(cassette, ({ record }) => record(options))
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

const replayCommand = Command.make(
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
  (options) => Effect.flatMap(cassette, ({ replay }) => replay(options))
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
      Flag.withDescription("Log in with an API key, read from stdin or asked for at a terminal."),
      Flag.withDefault(false)
    )
  },
  (options) => Effect.flatMap(account, ({ login }) => login(options))
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

const logoutCommand = Command.make(
  "logout",
  {},
  () => Effect.flatMap(account, ({ logout }) => logout)
).pipe(Command.withDescription("Remove the login"))

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
    "Show who is logged in, whether a login is needed, and the remaining rate limits. The exit code is 1 if nobody is " +
      "logged in, as for `codex login status`."
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
        "Who decides when the agent wants more than the sandbox allows. none: it is refused. auto: codex has a model " +
          "review it, which costs model calls. Default: none."
      ),
      Flag.withDefault("none")
    ),
    cwd: runParameters.cwd,
    offline: runParameters.offline
  },
  (options) => Effect.flatMap(Effect.promise(() => import("./internal/mcp.ts")), ({ serve }) => serve(options))
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

// =============================================================================
// Testing
// =============================================================================

const fakeAppServer = Command.make(
  "fake-app-server",
  {
    script: Argument.Path("script").pipe(
      Argument.withDescription(
        "A JSON file with the model's answers. Without it, the model echoes the prompt."
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
  Command.withShortDescription("Act as an app-server for tests, without codex"),
  Command.withExamples([
    { command: "effect-codex fake-app-server", description: "Echo each prompt" },
    { command: "effect-codex fake-app-server script.json", description: "Answer from the script" }
  ])
)

/**
 * The `effect-codex` command with all its subcommands. Run it with `Command.run`.
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
