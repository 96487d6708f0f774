import type { Listed } from "./compare.ts"

const allSteps = (...paths: ReadonlyArray<string>): ReadonlyArray<string> => paths.map((path) => `* ${path}`)

/**
 * Every difference that is meant, with its reason. `docs/from-python.md` shows them. The first row that fits a
 * difference counts, so that one of a scenario stands above one of all.
 */
export const differences: ReadonlyArray<Listed> = [
  // ---------------------------------------------------------------------------
  // Of single scenarios
  // ---------------------------------------------------------------------------
  {
    id: "external-message",
    scenarios: ["external-message"],
    at: {
      frames: ["turn/start params.toolOutput", "turn/start params.input"],
      results: ["text items*", "items items*"]
    },
    python: "`ExternalMessage` is the whole input of a turn",
    here:
      "`additionalContext` of the kind `untrusted`, beside a message; `AppServerRpc.request` for a turn without one",
    why: "A turn here has a message, which `findTurn` finds it by."
  },
  {
    id: "turn-personality",
    scenarios: ["turn-personality"],
    at: { frames: ["turn/start params.personality"] },
    python: "a turn takes a `personality`",
    here: "only `startThread` and `resumeThread` do",
    why: "codex does not use that of a turn."
  },
  {
    id: "second-reader",
    scenarios: ["second-reader"],
    at: { errors: ["second *"], results: ["second"] },
    python: "a stream after the end is a `TransportClosedError`",
    here: "every reader gets all events, at any time",
    why: "A program may look at a turn again."
  },
  {
    id: "busy-thread",
    scenarios: ["busy-thread"],
    at: {
      frames: ["turn/start", "turn/start params.input[].text"],
      errors: ["second *"],
      events: ["stream: item/*", "stream: turn/completed params.turn.items[].*"]
    },
    python: "a second turn steers the running one",
    here: "`ThreadBusy`, unless `whenBusy` says to steer or to queue",
    why: "Two handles of one turn are rarely meant."
  },
  {
    id: "abandoned-turn",
    scenarios: ["abandoned-turn"],
    at: { frames: ["turn/interrupt"], results: ["status"] },
    python: "a turn without a reader goes on",
    here: "leaving its scope interrupts it",
    why: "An agent that nobody watches must not go on working."
  },
  {
    id: "late-interrupt",
    scenarios: ["late-interrupt"],
    at: { errors: ["interrupt*"] },
    python: "to interrupt a turn that is over is an error",
    here: "it succeeds",
    why: "The turn is stopped, as was asked."
  },
  {
    id: "approval-declined",
    scenarios: ["asked-for-approval"],
    at: {
      frames: ["answer to item/commandExecution/requestApproval result.decision"],
      results: ["run items[].*", "is written"]
    },
    python: "accepts what codex asks",
    here: "declines it, unless a handler accepts",
    why: "Nothing is approved unless the program says so."
  },
  {
    id: "settings-not-applied",
    scenarios: ["settings-not-applied"],
    at: { frames: ["thread/*"], errors: ["start *", "fork *", "resume *"] },
    python: "gets a thread with other settings, without a sign",
    here: "`SettingsNotApplied`, after an attempt to change them",
    why: "A thread has the settings that were asked for, or the call fails."
  },
  {
    id: "loaded-sandbox",
    scenarios: ["resume-loaded"],
    at: { frames: ["thread/settings/update", "thread/resume", "thread/read", "config/read"] },
    python: "resuming a loaded thread ignores the options",
    here: "changes them",
    why: "A thread has the settings that were asked for, or the call fails."
  },
  {
    id: "loaded-before-resume",
    scenarios: ["resume-options"],
    at: { frames: ["thread/read"] },
    python: "resumes at once",
    here: "asks first whether the thread is loaded",
    why: "A loaded thread ignores instructions and `config`."
  },
  {
    id: "cancelled-login",
    scenarios: ["browser-login", "cancelled-device-code"],
    at: { errors: ["wait *"], results: ["wait"] },
    python: "`wait` returns a notification whose `success` is false",
    here: "`LoginFailed`",
    why: "A login that did not succeed is an error."
  },
  {
    id: "server-info",
    scenarios: ["metadata", "identity"],
    at: { results: ["metadata serverInfo.*", "metadata userAgent"] },
    python: "parts the user agent into a name, its own, and a version, which is the rest",
    here: "the version of codex",
    why: "codex sends no `serverInfo`."
  },
  {
    id: "missing-executable",
    scenarios: ["missing-executable"],
    at: { errors: ["start detail"] },
    python: "the path",
    here: "every place that was tried, with its problem",
    why: "The message says what to correct."
  },
  {
    id: "start-refused",
    scenarios: ["start-refused"],
    at: { errors: ["start detail"] },
    python: "the last lines of stderr, as they are",
    here: "codex's reason and advice, then the lines",
    why: "The message says what to correct."
  },
  {
    id: "retry-limit",
    scenarios: ["rpc-errors"],
    at: { errors: ["models kind"] },
    python: "`RetryLimitExceededError` by the text of the message",
    here: "`ServerOverloaded`",
    why: "For both, the request was not admitted: try again later."
  },
  {
    id: "overload-without-data",
    scenarios: ["overload"],
    at: { errors: ["without data *"] },
    python: "-32001 without data is no overload, and is not retried",
    here: "`ServerOverloaded`, which `CodexRetry.overload` retries",
    why: "codex sends it without data."
  },
  {
    id: "overload-retried",
    scenarios: ["overload"],
    at: { frames: ["thread/list"] },
    python: "one request",
    here: "three",
    why: "codex sends an overload without data."
  },
  {
    id: "retryable-turn",
    scenarios: ["refused-by-the-model"],
    at: { errors: ["429 retryable", "500 retryable"] },
    python: "a failed turn is a `RuntimeError`, never retryable",
    here: "`TurnFailed` says whether a retry may help",
    why: "The reason of the failure is known."
  },
  {
    id: "dead-process",
    scenarios: ["dead-process"],
    at: { errors: ["later *", "run detail", "end*"] },
    python: "later calls, and leaving the `with` block, are a `BrokenPipeError`",
    here: "every call fails with `AppServerExited`, and the layer closes quietly",
    why: "One cause, which can be handled."
  },
  {
    id: "silent-server",
    scenarios: ["silent-server"],
    at: { errors: ["models*"] },
    python: "waits forever",
    here: "`AppServerTimeout`",
    why: "A server under load can lose its answer."
  },
  {
    id: "closed-client",
    scenarios: ["closed-client"],
    at: { frames: ["process*", "initialize*", "thread/name/set", "end of the process"], errors: ["name *"] },
    python: "`Codex`: the process is not running. `AsyncCodex` starts another process",
    here: "`TransportError`: the scope has ended",
    why: "A process without a scope would outlive the program's part that uses it."
  },
  {
    id: "bad-line",
    scenarios: ["bad-line"],
    at: { errors: ["run *"] },
    python: "a line that is no message ends the reader, and calls hang",
    here: "it is counted and skipped",
    why: "What is printed by accident does no harm."
  },
  {
    id: "strings-in-lists",
    scenarios: ["invalid-arguments"],
    at: { errors: ["list of strings *"], frames: ["turn/start"] },
    python: "a list of strings is a `TypeError`",
    here: "a list may contain strings",
    why: "It is what one writes first."
  },
  {
    id: "checked-images",
    scenarios: ["invalid-arguments"],
    at: { errors: ["image *", "image URL *"], frames: ["turn/start*"] },
    python: "sends any image; codex refuses a web address, and goes on without a missing file",
    here: "`InvalidArgument` before anything is sent",
    why: "The model would answer without the image."
  },
  {
    id: "wording-of-arguments",
    scenarios: ["invalid-arguments"],
    at: { errors: ["sandbox detail", "approval mode detail", "input *"] },
    python: "`ValueError` and `TypeError`, with Python's names",
    here: "`InvalidArgument`, with ours",
    why: "The types refuse them at compile time."
  },

  // ---------------------------------------------------------------------------
  // Of all scenarios
  // ---------------------------------------------------------------------------
  {
    id: "client-name",
    at: { frames: ["initialize params.clientInfo.*"], results: ["* originator", "*[].originator"] },
    python: "`codex_python_sdk`",
    here: "`effect_codex`",
    why: "Each says who it is."
  },
  {
    id: "explicit-default",
    at: { frames: ["initialize params.capabilities.requestAttestation", "turn/* params.input[].text_elements"] },
    python: "leaves out what is the default",
    here: "sends it",
    why: "The protocol's types require the field."
  },
  {
    id: "omitted-default",
    at: { frames: ["account/read params.refreshToken", "thread/read params.includeTurns"] },
    python: "sends `false`",
    here: "leaves it out",
    why: "An option that is omitted is not sent."
  },
  {
    id: "config-flag",
    scenarios: ["config-overrides"],
    at: { frames: ["process args"] },
    python: "`--config` and `key=value`",
    here: "`--config=key=value`",
    why: "A value that begins with a hyphen is not taken for a flag."
  },
  {
    id: "login-checked",
    at: { frames: ["account/read"] },
    python: "does not look",
    here: "asks for the account before the first turn",
    why: "A missing login fails at once, with advice (`checkLogin`)."
  },
  {
    id: "gentle-end",
    at: { frames: ["end of the process"] },
    python: "SIGTERM at once",
    here: "closes stdin, on which codex exits",
    why: "codex stores what it has in memory."
  },
  {
    id: "message-id",
    at: {
      frames: ["turn/start params.clientUserMessageId"],
      results: allSteps("items[].clientId", "turns[].items[].clientId"),
      events: allSteps("params.item.clientId", "params.turn.items[].clientId")
    },
    python: "messages have no id",
    here: "each has one, which codex returns",
    why: "`findTurn` finds the turn of a message whose reply was lost."
  },
  {
    id: "settings-with-turns",
    at: {
      frames: ["approvalPolicy", "approvalsReviewer", "sandboxPolicy", "cwd"].map((name) => `turn/start params.${name}`)
    },
    python: "sends the thread's settings once",
    here: "sends with each turn what the thread was asked for",
    why: "Another client may have changed the thread."
  },
  {
    id: "no-history",
    at: { frames: ["thread/resume params.excludeTurns", "thread/fork params.excludeTurns"] },
    python: "`include_turns`: receives the history, and drops it",
    here: "never asks for it; `thread.turns()` reads it",
    why: "A history can have megabytes."
  },
  {
    id: "newer-fields",
    at: {
      results: allSteps(
        "items[].startedAtMs",
        "items[].completedAtMs",
        "turns[].items[].startedAtMs",
        "turns[].items[].completedAtMs",
        "environments",
        "[].environments",
        "canAcceptDirectInput",
        "[].canAcceptDirectInput"
      ),
      events: allSteps(
        "params.item.startedAtMs",
        "params.item.completedAtMs",
        "params.turn.items[].startedAtMs",
        "params.turn.items[].completedAtMs"
      )
    },
    python: "the fields of codex 0.163",
    here: "the fields of codex 0.171",
    why: "The SDK drops what it does not know."
  }
]
