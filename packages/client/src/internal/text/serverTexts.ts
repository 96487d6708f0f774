/**
 * The only module that interprets codex's texts, for cases that nothing but a text distinguishes
 * (docs/codex-behaviour.md, "Nearly every refusal has the code -32600"). It imports no error classes, because those
 * use it.
 */
import { beginning, visible } from "./visibleText.ts"

// Texts from the server are unbounded. No more than this many characters are searched or shown.
const longest = 500

/** The tag of the error that the text of a JSON-RPC error means. */
export const meaningOf = (
  detail: string
):
  | "ThreadNotFound"
  | "ThreadNotPersisted"
  | "ThreadInUse"
  | "QueuedMessageNotFound"
  | "NoActiveTurn"
  | "ExperimentalRequired"
  | "LoginRequired"
  | undefined =>
{
  if (/^thread not (?:found|loaded): |^thread\/sample requires a loaded source/.test(detail)) return "ThreadNotFound"
  if (
    /^(?:failed to read thread: )?(?:invalid thread-store request: )?no (?:archived )?rollout found for thread id /
      .test(detail) || /^thread \S+ is not materialized yet/.test(detail)
  ) return "ThreadNotPersisted"
  if (/^queued submission not found: |^queue is empty$/.test(detail)) return "QueuedMessageNotFound"
  if (/^thread \S+ already has an active writer/.test(detail)) return "ThreadInUse"
  if (/^no active turn to (?:steer|interrupt)/.test(detail)) return "NoActiveTurn"
  if (/requires experimentalApi capability/.test(detail)) return "ExperimentalRequired"
  if (/^(?:codex account|chatgpt) authentication required /.test(detail)) return "LoginRequired"
  return undefined
}

/** The turn ids of a refusal because a turn other than the expected one runs. */
export const mismatchOf = (detail: string): { readonly expected: string; readonly actual: string } | undefined => {
  const turns = /^expected active turn id `?([^`\s]+)`? but found `?([^`\s]+?)`?$/.exec(detail)
  return turns === null ? undefined : { expected: turns[1]!, actual: turns[2]! }
}

/**
 * Why the server does not change the settings of a running turn: its feature is off, it has no metadata of a model, or
 * the other model would change how actions are reviewed (docs/codex-behaviour.md, "The model of a running turn changes
 * with its next call").
 */
export const turnSettingsRefusal = (detail: string): "feature" | "metadata" | "safety" | undefined => {
  if (detail.endsWith("require the step_model_switching feature")) return "feature"
  if (/^the (?:active|destination) model has only fallback metadata/.test(detail)) return "metadata"
  return detail.startsWith("the destination changes ") ? "safety" : undefined
}

/**
 * Whether the server refused a method it does not know, because it is another version (docs/codex-behaviour.md, "An
 * unknown method is refused as an unknown variant").
 */
export const isUnknownMethod = (detail: string, method: string): boolean =>
  detail.startsWith(`Invalid request: unknown variant \`${method}\`, `)

/** A refusal, shortened for display. For an unknown method codex lists all its methods, in about 4,700 characters. */
export const refusal = (detail: string, method: string): string => {
  if (isUnknownMethod(detail, method)) return `the server knows no method ${visible(method, 100)}`
  return detail.length > longest ? `${beginning(detail, longest)}…` : detail
}

/** Whether the login service or ChatGPT's backend could not be reached. */
export const isUnreachable = (text: string): boolean =>
  /error sending request|^workspace routing discovery (?:failed|timed out)/.test(text)

/** Whether the server refused the client's own tokens as malformed. */
export const isExternalAuthRefused = (detail: string): boolean => detail.startsWith("failed to set external auth: ")

/** Whether a call of an MCP server's tool failed because the server is gone. */
export const isMcpServerGone = (text: string): boolean => /\bTransport closed\b/.test(text)

/** Why a login did not succeed. */
export const loginReason = (text: string): "replaced" | "timedOut" | "offline" | "failed" => {
  // The server uses the same words for an attempt that its client cancelled; the login handle tells them apart.
  if (/Login (?:cancelled|was not completed)$/.test(text)) return "replaced"
  if (/login timed out|auth timed out/i.test(text)) return "timedOut"
  return isUnreachable(text) ? "offline" : "failed"
}

/** Why an OAuth login to an MCP server did not succeed. */
export const mcpLoginReason = (text: string): "refused" | "timedOut" | "failed" => {
  if (text.startsWith("OAuth provider returned ")) return "refused"
  return text.startsWith("timed out waiting for OAuth callback") ? "timedOut" : "failed"
}

/**
 * Whether codex cannot open its state database because it is locked (docs/codex-behaviour.md, "A locked database ends
 * codex after about 15 seconds"). 0.166 and older name no cause; they repair a damaged database, so a lock is almost
 * certainly the cause.
 */
export const isStateDatabaseLocked = (line: string): boolean =>
  /failed to initialize (?:sqlite )?state runtime.*database is locked/.test(line) ||
  /failed to initialize state runtime at (?:[A-Za-z]:)?[^:]*$/.test(line)

/**
 * Whether a warning needs no action by the user: codex uses its own bubblewrap, with the same sandbox
 * (docs/codex-behaviour.md, "Codex warns that it takes the bubblewrap it has brought"). That it cannot create a
 * sandbox (no user namespaces, WSL1) is a different warning.
 */
export const isRemark = (summary: string): boolean =>
  /^Codex could not find bubblewrap on PATH\. .*Codex will use the bundled bubblewrap in the meantime\.$/.test(summary)

// =============================================================================
// The log, which codex writes to stderr
// =============================================================================

// Other lines quote models and tools, so only the module in the line's head is trusted.
const errorOf = (line: string, module: string): string | undefined => {
  const [, where, said] = /^\S+ +ERROR ([\w:]+): (.*)$/.exec(line) ?? []
  return where === module ? said : undefined
}

/** Values may be secrets. Names of the protocol stand between backticks. */
const withoutValues = (reason: string): string =>
  reason.replaceAll(/"(?:[^"\\]|\\.)*"/g, "\"…\"").replaceAll(/unknown (variant|field) `[^`]*`/g, "unknown $1").slice(
    0,
    300
  )

/**
 * Why codex dropped a message that it could not read. It sends no reply to such a message (docs/codex-behaviour.md,
 * "The log on stderr says why codex dropped a message or refused an answer").
 */
export const droppedFrameOf = (line: string): string | undefined => {
  const said = errorOf(line, "codex_app_server_transport::transport")
  const reason = said === undefined ? undefined : /^Failed to deserialize JSONRPCMessage: (.*)$/.exec(said)?.[1]
  return reason === undefined ? undefined : withoutValues(reason)
}

/** Which answer codex refused, and why. codex goes on as if the request had failed. */
export const refusedAnswerOf = (line: string): string | undefined => {
  const said = errorOf(line, "codex_app_server::bespoke_event_handling") ??
    errorOf(line, "codex_app_server::dynamic_tools")
  if (said === undefined) return undefined
  const [, type, reason] = /^failed to deserialize (\w+): (.*)$/.exec(said)
    ?? /^(dynamic tool response) was invalid (.*)$/.exec(said) ?? []
  return type === undefined || reason === undefined ? undefined : `${type}: ${withoutValues(reason)}`
}

// =============================================================================
// What the process writes to stderr
// =============================================================================

/**
 * Whether codex has run out of file descriptors. A turn then fails with a text about a proxy that could not be
 * started, which does not name the cause.
 */
export const isOutOfDescriptors = (text: string): boolean =>
  /\(os error 24\)|No file descriptors available|Too many open files|application network policy is unavailable/.test(
    text
  )

/** What to do when {@link isOutOfDescriptors}. */
export const descriptorsAdvice =
  "codex has run out of file descriptors: raise the limit of its process (`ulimit -n`), or load fewer threads at a time: " +
  "with `maxLoadedThreads` the client lets go of idle ones."

const isFrame = (line: string): boolean => /^\s*(?:\d+: |at )/.test(line)

const withoutColours = (line: string): string => line.replace(/\u001b\[[0-9;]*m/g, "")

const isBacktrace = (line: string): boolean => /^\s*stack backtrace:\s*$/i.test(line)

/** Removes colours and the backtraces that `RUST_BACKTRACE` adds. */
export const withoutBacktraces = (stderr: ReadonlyArray<string>): ReadonlyArray<string> => {
  let inBacktrace = false
  return stderr.map(withoutColours).filter((line) => {
    if (isBacktrace(line)) inBacktrace = true
    else if (inBacktrace && !isFrame(line) && line.trim() !== "") inBacktrace = false
    return !inBacktrace && !/^note: (?:run with|Some details)/.test(line) && line.trim() !== ""
  })
}

/**
 * Why the process ended, from the last lines that name a reason: an error of its `main` or of its arguments, or a
 * panic.
 */
export const reasonOfExit = (stderr: ReadonlyArray<string>): string | undefined => {
  const lines = stderr.map(withoutColours)
  const at = lines.findLastIndex((line) => /^(?:error: |thread '.*' (?:\(\d+\) )?panicked at )/i.test(line))
  if (at < 0) return undefined
  const isEnd = (line: string) => line.trim() === "" || isBacktrace(line) || line.startsWith("note: ")
  const end = lines.findIndex((line, i) => i > at && isEnd(line))
  const said = lines.slice(at, Math.min(end < 0 ? lines.length : end, at + 6)).join(" ").replace(/^error: /i, "")
  const text = beginning(said.trim().replace(/\s+/g, " "), longest).trimEnd()
  return text === "" ? undefined : /[.!?]$/.test(text) ? text : `${text}.`
}

/** What to do about a start that failed for this reason. */
export const startAdvice = (reason: string): string | undefined => {
  if (isOutOfDescriptors(reason)) return descriptorsAdvice
  if (/CODEX_HOME/.test(reason)) {
    return "Set `CODEX_HOME` to an existing folder that codex can read and write; codex creates only the default one."
  }
  if (/Permission denied|Read-only file system/.test(reason)) {
    return "Let codex read and write that path, or set another `CODEX_HOME`."
  }
  if (/^unexpected argument|^unrecognized |^invalid value|^the argument /.test(reason)) {
    return "Correct the option `args`, or use a codex that knows them."
  }
  if (
    /^(?:invalid type|unknown variant|unknown field|missing field|TOML parse error|failed to parse)|\bin `[\w.]+`\.?$/
      .test(reason)
  ) {
    return "Correct that setting in `configOverrides` or in the `config.toml` of the `CODEX_HOME`."
  }
  return undefined
}

// =============================================================================
// Side questions and the queue
// =============================================================================

/**
 * Whether a side question named a turn that is no longer the last one (docs/codex-behaviour.md, "A side question names
 * the last turn of its thread").
 */
export const isOlderTurn = (detail: string): boolean =>
  /^sample source turn must be the latest(?: finished)? turn$|^sample source must be idle$/.test(detail)

/** Whether a thread cannot be resumed because it is archived. */
export const isArchived = (detail: string): boolean =>
  /^session \S+ is archived\. Run `codex unarchive \S+` to unarchive it first\.?$/.test(detail)

/** Whether a thread cannot be resumed because the server is unloading it. */
export const isClosing = (detail: string): boolean =>
  /^thread \S+ is closing; retry thread\/resume after the thread is closed$/.test(detail)

/** Whether the queue cannot start a turn because one runs. */
export const isQueueBusy = (detail: string): boolean => detail === "thread already has an active or pending turn"

/** Why the model did not answer a side question, where the server's text tells. */
export const askFailure = (text: string): "contextFull" | "usageLimit" | "overloaded" | undefined => {
  const detail = text.slice(0, longest)
  if (/context window exceeded/.test(detail)) return "contextFull"
  if (/You.ve hit your usage limit/.test(detail)) return "usageLimit"
  return /experiencing high demand/.test(detail) ? "overloaded" : undefined
}

// =============================================================================
// Turns that failed
// =============================================================================

/**
 * Why a turn failed, for failures that only the text tells apart (docs/codex-behaviour.md, "The failures of the model
 * have names, and some are told by the text alone").
 */
export const turnFailure = (
  text: string
): "streamBroken" | "policy" | "outputLimit" | "modelNotFound" | "badRequest" | "resources" | undefined => {
  const detail = text.slice(0, longest)
  if (isOutOfDescriptors(detail)) return "resources"
  if (/Incomplete response returned, reason: content_filter|^Invalid prompt: .*safety/s.test(detail)) return "policy"
  if (/Incomplete response returned, reason: /.test(detail)) return "outputLimit"
  if (detail.startsWith("stream disconnected before completion: ")) return "streamBroken"
  if (/\bmodel\b.* (?:is not supported|does not exist)/is.test(detail)) return "modelNotFound"
  // The text is the unchanged body of a response with status 400.
  return detail.startsWith("{") || detail.startsWith("Invalid prompt: ") ? "badRequest" : undefined
}

/** Whether a test's script could not answer the request. Its text says what to do; advice for users would mislead. */
export const isOfScript = (detail: string): boolean => detail.endsWith(`"type":"scripted_model","code":"script"}}`)

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** How many milliseconds the provider wants the client to wait: `try again in 1.5s`, `in 6m0s`, `in 2 seconds`. */
export const retryAfter = (detail: string): number | undefined => {
  const after = /try again in ((?:\d+(?:\.\d+)?\s?(?:ms|s|m|h|d)[a-z]*\s?)+)/i.exec(detail.slice(0, longest))
  if (after === null) return undefined
  return [...after[1]!.matchAll(/(\d+(?:\.\d+)?)\s?(ms|s|m|h|d)/gi)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit!.toLowerCase()]!,
    0
  )
}

const unwrapped = (text: string): string => {
  if (!text.startsWith("{") || text.length > 65_536) return text
  try {
    const body: unknown = JSON.parse(text)
    const error = member(body, "error")
    const found = [member(error, "message"), member(body, "message"), member(body, "detail"), error]
    return found.find((value) => typeof value === "string") ?? text
  } catch {
    return text
  }
}

const member = (u: unknown, key: string): unknown =>
  typeof u === "object" && u !== null ? Reflect.get(u, key) : undefined

/** The provider's words in the text of a failed turn: without codex's wrapping, on one line, of bounded length. */
export const plain = (detail: string): string => {
  const bare = detail
    .replace(/^(?:stream disconnected before completion|rate limit exceeded): /, "")
    .replace(/^unexpected status \d+ [^:]*: /, "")
    .replace(/, url: \S+$/, "")
  const line = unwrapped(bare).trim().replace(/\s+/g, " ")
  const cut = line.length > longest ? `${beginning(line, longest)}…` : line
  return cut === "" || /[.!?…]$/.test(cut) ? cut : `${cut}.`
}

// =============================================================================
// Files and commands
// =============================================================================

/** The number of an error of the server's operating system, at the end of a text: `(os error 2)`. */
export const osErrorOf = (detail: string): number | undefined => {
  const error = /\(os error (\d{1,9})\)$/.exec(detail.slice(-longest))
  return error === null ? undefined : Number(error[1])
}

/** What the server refuses by itself, before it asks the operating system. */
export const fileRefusal = (detail: string): "notFile" | "tooLarge" | undefined => {
  const text = detail.slice(-longest)
  if (text.endsWith(" is not a file") || text.startsWith("fs/copy requires recursive: true when")) return "notFile"
  return text.startsWith("file is too large to read: ") ? "tooLarge" : undefined
}

export const isNotSpawned = (detail: string): boolean => detail.startsWith("failed to spawn command: ")

/** Whether a command has ended, or has not begun. */
export const isNotRunning = (detail: string): boolean => detail.startsWith("no active command/exec for process id ")

/** Advice on a refusal that is better than the advice on its code. */
export const adviceOn = (method: string, detail: string): string | undefined =>
  method === "gitDiffToRemote" && detail.startsWith("failed to compute git diff to remote")
    ? "The folder must be in a git repository, with a commit that is on one of its remotes."
    : undefined
