/** The prompt and the options of every command that runs a turn. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"

const model = Flag.String("model").pipe(
  Flag.withAlias("m"),
  Flag.withMetavar("name"),
  Flag.withDescription("The model. Default: the one in your Codex configuration."),
  Flag.optional
)

const sandbox = Flag.Literals("sandbox", ["read-only", "workspace-write", "full-access"]).pipe(
  Flag.withAlias("s"),
  Flag.withDescription(
    "What the agent's commands may access. Default: your Codex configuration, as for codex itself. Without a setting " +
      "there it is read-only, so that nothing changes before you allow it."
  ),
  Flag.optional
)

const cwd = Flag.Path("cwd").pipe(
  Flag.withAlias("C"),
  Flag.withMetavar("folder"),
  Flag.withDescription("The folder that the agent works in. Default: the current one; with --resume the thread's."),
  Flag.optional
)

const config = Flag.String("config").pipe(
  Flag.withAlias("c"),
  Flag.withMetavar("key=value"),
  Flag.withDescription(
    "Override a setting of your Codex configuration for this run; the value is TOML. Can be given several times."
  ),
  Flag.atLeast(0)
)

const offline = Flag.Boolean("offline").pipe(
  Flag.withDescription("Use the offline model, a script that drives the real codex without a key or a network."),
  Flag.withDefault(false)
)

export const prices = Flag.String("prices").pipe(
  Flag.withMetavar("file"),
  Flag.withDescription(
    "A JSON file with the dollars per million tokens of each model, {\"gpt-5.4\": {\"input\": 2, \"cachedInput\": 0.2, " +
      "\"output\": 8}}. Shows the cost. Default: the file that EFFECT_CODEX_PRICES names."
  ),
  Flag.optional
)

/** What a turn takes, whichever thread it continues. */
export const turnFlags = {
  model,
  effort: Flag.String("effort").pipe(
    Flag.withAlias("e"),
    Flag.withMetavar("name"),
    Flag.withDescription(
      "How long the model thinks: none, minimal, low, medium, high, xhigh, or another name that your models know. " +
        "Default: your Codex configuration."
    ),
    Flag.optional
  ),
  sandbox,
  approve: Flag.Literals("approve", ["none", "auto", "ask"]).pipe(
    Flag.withAlias("a"),
    Flag.withDescription(
      "Who decides when the agent wants more than the sandbox allows. none: it is refused. auto: codex has a model " +
        "review it, which costs model calls. ask: you, at the terminal. Default: none."
    ),
    Flag.withDefault("none")
  ),
  mode: Flag.Literals("mode", ["default", "plan"]).pipe(
    Flag.withDescription("plan: the agent changes nothing and answers with a plan. Default: default."),
    Flag.optional
  ),
  image: Flag.String("image").pipe(
    Flag.withAlias("i"),
    Flag.withMetavar("file"),
    Flag.withDescription("An image for the model: PNG, JPEG, GIF or WebP. Can be given several times."),
    Flag.atLeast(0)
  ),
  outputSchema: Flag.String("output-schema").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("A JSON Schema in a file. The model answers with JSON that fits it, printed at the end."),
    Flag.optional
  ),
  budget: Flag.String("budget").pipe(
    Flag.withMetavar("limit"),
    Flag.withDescription(
      "What the turn and its subagents may spend: tokens (20000, 20k, 1.5m) or dollars (0.50usd, with --prices). A turn " +
        "that spends it is interrupted, and the exit code is 1."
    ),
    Flag.optional
  ),
  prices,
  timeout: Flag.String("timeout").pipe(
    Flag.withMetavar("duration"),
    Flag.withDescription(
      "Interrupt the turn after this time, such as 90s, 10m or 1h30m; the exit code is 124. Default: no limit."
    ),
    Flag.optional
  ),
  config,
  cwd,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print every event of the turn as a line of JSON, and nothing else, to stdout."),
    Flag.withDefault(false)
  ),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Print the answer and errors only: no progress, no warnings, no summary."),
    Flag.withDefault(false)
  ),
  offline
}

export const prompt = Argument.String("prompt").pipe(
  Argument.withDescription(
    "The prompt. Read from stdin if it is omitted or `-`; otherwise any piped input is added to it."
  ),
  Argument.optional
)

export const runFlags = {
  prompt,
  resume: Flag.String("resume").pipe(
    Flag.withAlias("r"),
    Flag.withMetavar("id"),
    Flag.withDescription("Continue this thread. The beginning of its id is enough if it is unique."),
    Flag.optional
  ),
  last: Flag.Boolean("last").pipe(
    Flag.withDescription("Continue the latest thread of the folder."),
    Flag.withDefault(false)
  ),
  ...turnFlags
}
