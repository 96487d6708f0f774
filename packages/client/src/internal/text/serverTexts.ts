/**
 * The one place that knows what the texts of codex mean, where nothing but a text says it (measured on codex 0.169.0). It is
 * without the errors that are made of them, because those ask it too.
 */
import { beginning, visible } from "./visibleText.ts"

// What others say has no bound. Nothing of more than this is looked at or shown.
const longest = 500

/** What the text of a JSON-RPC error means, by the tag of the error. */
export const meaningOf = (
  detail: string
):
  | "ThreadNotFound"
  | "ThreadNotPersisted"
  | "ThreadInUse"
  | "NoActiveTurn"
  | "ExperimentalRequired"
  | "LoginRequired"
  | undefined =>
{
  if (/^thread not (?:found|loaded): /.test(detail)) return "ThreadNotFound"
  if (/^no (?:archived )?rollout found for thread id |^thread \S+ is not materialized yet/.test(detail)) {
    return "ThreadNotPersisted"
  }
  if (/^thread \S+ already has an active writer/.test(detail)) return "ThreadInUse"
  if (/^no active turn to (?:steer|interrupt)/.test(detail)) return "NoActiveTurn"
  if (/requires experimentalApi capability/.test(detail)) return "ExperimentalRequired"
  if (/^(?:codex account|chatgpt) authentication required /.test(detail)) return "LoginRequired"
  return undefined
}

/** The turns of a refusal because another one than the expected runs. */
export const mismatchOf = (detail: string): { readonly expected: string; readonly actual: string } | undefined => {
  const turns = /^expected active turn id `?([^`\s]+)`? but found `?([^`\s]+?)`?$/.exec(detail)
  return turns === null ? undefined : { expected: turns[1]!, actual: turns[2]! }
}

/** A request whose method the server does not have, because it is another version. */
export const isUnknownMethod = (detail: string, method: string): boolean =>
  detail.startsWith(`Invalid request: unknown variant \`${method}\`, `)

/** A refusal, to show. Of a method that codex does not have it lists all that it has, in some 4,700 characters. */
export const refusal = (detail: string, method: string): string => {
  if (isUnknownMethod(detail, method)) return `the server knows no method ${visible(method, 100)}`
  return detail.length > longest ? `${beginning(detail, longest)}…` : detail
}

/** The login service, or ChatGPT's backend, could not be reached. */
export const isUnreachable = (text: string): boolean =>
  /error sending request|^workspace routing discovery (?:failed|timed out)/.test(text)

/** Tokens of the client that are no tokens. */
export const isExternalAuthRefused = (detail: string): boolean => detail.startsWith("failed to set external auth: ")

/** A call of an MCP server's tool that failed because the server is not there any more. */
export const isMcpServerGone = (text: string): boolean => /\bTransport closed\b/.test(text)

/** Why a login ended that did not succeed. */
export const loginReason = (text: string): "replaced" | "timedOut" | "offline" | "failed" => {
  // The server says the same of an attempt that its client cancelled; the handle knows better.
  if (/Login (?:cancelled|was not completed)$/.test(text)) return "replaced"
  if (/login timed out|auth timed out/i.test(text)) return "timedOut"
  return isUnreachable(text) ? "offline" : "failed"
}

/**
 * What codex writes to stderr before it ends with exit code 1. 0.166 and before tell no cause; as they repair a database
 * that is damaged, it is hardly ever another.
 */
export const isStateDatabaseLocked = (line: string): boolean =>
  /failed to initialize (?:sqlite )?state runtime.*database is locked/.test(line) ||
  /failed to initialize state runtime at (?:[A-Za-z]:)?[^:]*$/.test(line)

/**
 * A warning that asks nothing of a user: codex has brought a bubblewrap, and commands run in the same sandbox. That it
 * cannot make one (no user namespaces, WSL1) is another warning.
 */
export const isRemark = (summary: string): boolean =>
  /^Codex could not find bubblewrap on PATH\. .*Codex will use the bundled bubblewrap in the meantime\.$/.test(summary)

// =============================================================================
// The log, which codex writes to stderr
// =============================================================================

// Other lines quote what a model or a tool said, so the place in the log's own head counts.
const errorOf = (line: string, module: string): string | undefined => {
  const [, where, said] = /^\S+ +ERROR ([\w:]+): (.*)$/.exec(line) ?? []
  return where === module ? said : undefined
}

/** Values may be secrets. The names of the protocol stand between backticks. */
const withoutValues = (reason: string): string =>
  reason.replaceAll(/"(?:[^"\\]|\\.)*"/g, "\"…\"").replaceAll(/unknown (variant|field) `[^`]*`/g, "unknown $1").slice(
    0,
    300
  )

/** Why codex dropped a message that it could not read. It answers such a one in no other way. */
export const droppedFrameOf = (line: string): string | undefined => {
  const said = errorOf(line, "codex_app_server_transport::transport")
  const reason = said === undefined ? undefined : /^Failed to deserialize JSONRPCMessage: (.*)$/.exec(said)?.[1]
  return reason === undefined ? undefined : withoutValues(reason)
}

/** Which answer codex did not accept, and why. It goes on as if the request had failed. */
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
 * codex has no file descriptor left. A turn then fails because of a proxy that could not be started, whose text does not say
 * why.
 */
export const isOutOfDescriptors = (text: string): boolean =>
  /\(os error 24\)|No file descriptors available|Too many open files|application network policy is unavailable/.test(
    text
  )

/** What to do when {@link isOutOfDescriptors}. */
export const descriptorsAdvice =
  "codex has run out of file descriptors: raise the limit of its process (`ulimit -n`), or load fewer threads at a time, " +
  "and start it again."

const isFrame = (line: string): boolean => /^\s*(?:\d+: |at )/.test(line)

const withoutColours = (line: string): string => line.replace(/\u001b\[[0-9;]*m/g, "")

const isBacktrace = (line: string): boolean => /^\s*stack backtrace:\s*$/i.test(line)

/** Without colours, and without the backtraces that `RUST_BACKTRACE` adds. */
export const withoutBacktraces = (stderr: ReadonlyArray<string>): ReadonlyArray<string> => {
  let inBacktrace = false
  return stderr.map(withoutColours).filter((line) => {
    if (isBacktrace(line)) inBacktrace = true
    else if (inBacktrace && !isFrame(line) && line.trim() !== "") inBacktrace = false
    return !inBacktrace && !/^note: (?:run with|Some details)/.test(line) && line.trim() !== ""
  })
}

/** Why the process ended, by the last lines that say so: the error of its `main`, of its arguments, or a panic. */
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
    return "Give it a `CODEX_HOME` that is a folder it can read and write; codex creates only the default one."
  }
  if (/Permission denied|Read-only file system/.test(reason)) {
    return "Let codex read and write what it names, or give it another `CODEX_HOME`."
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
// Turns that failed
// =============================================================================

/** Why a turn failed, where codex 0.169.0 says so in its text alone. */
export const turnFailure = (
  text: string
): "streamBroken" | "policy" | "outputLimit" | "modelNotFound" | "badRequest" | "resources" | undefined => {
  const detail = text.slice(0, longest)
  if (isOutOfDescriptors(detail)) return "resources"
  if (/Incomplete response returned, reason: content_filter|^Invalid prompt: .*safety/s.test(detail)) return "policy"
  if (/Incomplete response returned, reason: /.test(detail)) return "outputLimit"
  if (detail.startsWith("stream disconnected before completion: ")) return "streamBroken"
  if (/\bmodel\b.* (?:is not supported|does not exist)/is.test(detail)) return "modelNotFound"
  // The body of an answer with status 400, as it is.
  return detail.startsWith("{") || detail.startsWith("Invalid prompt: ") ? "badRequest" : undefined
}

/** A request that the script of a test cannot answer. The text says what to do, and a user's advice would mislead. */
export const isOfScript = (detail: string): boolean => detail.endsWith(`"type":"scripted_model","code":"script"}}`)

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** After how many milliseconds the provider wants to be asked again: `try again in 1.5s`, `in 6m0s`, `in 2 seconds`. */
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

/** The words of the provider in the text of a failed turn: without codex's frame, in one line, of a bounded length. */
export const plain = (detail: string): string => {
  const bare = detail
    .replace(/^(?:stream disconnected before completion|rate limit exceeded): /, "")
    .replace(/^unexpected status \d+ [^:]*: /, "")
    .replace(/, url: \S+$/, "")
  const line = unwrapped(bare).trim().replace(/\s+/g, " ")
  const cut = line.length > longest ? `${beginning(line, longest)}…` : line
  return cut === "" || /[.!?…]$/.test(cut) ? cut : `${cut}.`
}
