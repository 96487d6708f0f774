/**
 * Every way in which a call of this library can fail, as tagged error classes.
 *
 * Each class says in its message what happened and what to do next, carries the fields a program needs, and tells with
 * `isRetryable` whether the same call may succeed when it is simply made again. A method's error channel lists only the
 * classes that it can really fail with, so `Effect.catchTag` and `Effect.catchTags` are checked by the compiler.
 *
 * `structuredClone` and `postMessage` keep the message and the stack alone, because they keep no class. What goes to another
 * thread or process is better sent as JSON: `JSON.stringify` writes the tag, the fields and the message.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { identifierOf, TaggedError } from "./internal/taggedError.ts"
import * as ServerTexts from "./internal/text/serverTexts.ts"
import * as TurnFailure from "./internal/text/turnFailure.ts"
import type * as Received from "./Received.ts"
import type { TurnResult } from "./TurnResult.ts"

const sentence = (text: string): string => /[.!?…]\s*$/.test(text) ? text.trimEnd() : `${text.trimEnd()}.`

const lastLines = (lines: ReadonlyArray<string>): string => {
  const shown = ServerTexts.withoutBacktraces(lines).slice(-12)
  return shown.length === 0 ? "" : `\nThe last lines of its stderr:\n${shown.map((line) => `  ${line}`).join("\n")}`
}

// =============================================================================
// Starting
// =============================================================================

/**
 * No codex executable was found. `tried` lists every place that was looked at, in order, and what was wrong there.
 *
 * @category starting
 * @since 0.1.0
 */
export class CodexExecutableNotFound
  extends TaggedError<CodexExecutableNotFound>("@effect-codex/client/CodexError/CodexExecutableNotFound")(
    "CodexExecutableNotFound",
    {
      tried: Schema.Array(Schema.Struct({ place: Schema.String, problem: Schema.String }))
    }
  )
{
  override get message(): string {
    const tried = this.tried.map(({ place, problem }) => `\n  ${place}: ${problem}`).join("")
    const last = this.tried.at(-1)
    // What the user has chosen is the last thing that is tried.
    const chosen = last === undefined ? null : /^(CODEX_BIN|the option `executable`) \(/.exec(last.place)
    const [reason, advice] = last === undefined || chosen === null
      ? ["", "Install it (npm install @openai/codex), set CODEX_BIN, or give the option `executable`."]
      : [
        ` ${last.place.replace(/^the/, "The")}: ${last.problem}.`,
        `Correct ${chosen[1]}, or leave it out to use the installed @openai/codex or the \`codex\` on PATH.`
      ]
    return `No codex executable was found.${reason}${tried === "" ? " " : ` Tried:${tried}\n`}${advice}`
  }
  readonly isRetryable = false
}

/**
 * The app-server process could not be started, or did not complete the handshake. `phase` says how far it came:
 * `spawn` (no process), `initialize` (a process that ended, was silent, or answered with something else).
 *
 * It is retryable when codex gave up because a database in its `CODEX_HOME` was locked (`isStateDatabaseLocked`), and not
 * otherwise.
 *
 * **Example** (Waiting for a program that keeps the databases locked)
 *
 * ```ts
 * import { CodexRetry } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer } from "effect"
 *
 * export const client = Layer.build(CodexNode.layer()).pipe(Effect.retry(CodexRetry.transient))
 * ```
 *
 * @category starting
 * @since 0.1.0
 */
export class AppServerStartError
  extends TaggedError<AppServerStartError>("@effect-codex/client/CodexError/AppServerStartError")(
    "AppServerStartError",
    {
      phase: Schema.Literals(["spawn", "initialize"]),
      executable: Schema.String,
      detail: Schema.String,
      stderr: Schema.Array(Schema.String),
      /** The option that is wrong, when that is why, such as `cwd` or `configOverrides[0]`. */
      option: Schema.optionalKey(Schema.String),
      cause: Schema.optionalKey(Schema.Defect())
    }
  )
{
  override get message(): string {
    const reason = this.reason
    const advice = ServerTexts.startAdvice(reason ?? this.detail)
    const what = this.option !== undefined
      ? `Change the option \`${this.option}\`.`
      : this.isStateDatabaseLocked
      ? `Another program ${
        this.stderr.some((line) => line.includes("locked")) ? "keeps" : "probably keeps"
      } a database in ` +
        `the CODEX_HOME locked. Try again, or give each program a CODEX_HOME of its own.`
      : advice !== undefined
      ? advice
      : reason !== undefined
      ? `Its last lines on stderr may say more.`
      : /^(?:wss?|unix):/.test(this.executable)
      ? `It was reached at ${this.executable}. Check that a codex app-server listens there.`
      : `The executable was ${this.executable}. Check that it is a codex binary and that it runs with "app-server --help".`
    const why = reason === undefined ? this.detail : `${reason} (${this.detail.replace(/\.$/, "")}.)`
    return `codex app-server did not start (${this.phase}): ${why} ${what}${lastLines(this.stderr)}`
  }
  /** What codex said before it ended, without a backtrace. Undefined if it said nothing that looks like a reason. */
  get reason(): string | undefined {
    return ServerTexts.reasonOfExit(this.stderr)
  }
  /**
   * Whether codex ended because another program kept a database in the `CODEX_HOME` locked. codex 0.169.0 waits for each
   * about 15 seconds before it gives up (measured), so that starts at the same time do not fail with it. codex 0.166 and
   * before say only that they could not open it, which is taken for the same.
   */
  get isStateDatabaseLocked(): boolean {
    return this.stderr.some(ServerTexts.isStateDatabaseLocked)
  }
  get isRetryable(): boolean {
    return this.isStateDatabaseLocked
  }
}

/**
 * No connection to a running app-server could be opened. `address` is where it was looked for, `status` the HTTP status
 * of its answer where the platform tells it (the WebSocket of a browser, and Node's own, do not).
 *
 * | `reason` | |
 * | --- | --- |
 * | `invalid` | the URL, a header or the token cannot be used; nothing was sent |
 * | `insecure` | plain `ws://` to another machine, which was not asked for; nothing was sent |
 * | `token` | the token could not be made; nothing was sent |
 * | `unreachable` | nobody answers at the address, or not with a WebSocket; retryable |
 * | `timeout` | no WebSocket was opened in time on an accepted connection, or no token was made in time; retryable |
 * | `unauthorized` | HTTP 401: the token is missing, wrong or expired |
 * | `forbidden` | HTTP 403: codex answers so to every connection with an `Origin` header |
 * | `refused` | any other HTTP status; retryable from 500 on, which is a proxy whose server is not there yet |
 *
 * @category starting
 * @since 0.1.0
 */
export class AppServerConnectError
  extends TaggedError<AppServerConnectError>("@effect-codex/client/CodexError/AppServerConnectError")(
    "AppServerConnectError",
    {
      reason: Schema.Literals([
        "invalid",
        "insecure",
        "token",
        "unreachable",
        "timeout",
        "unauthorized",
        "forbidden",
        "refused"
      ]),
      address: Schema.String,
      detail: Schema.String,
      status: Schema.optionalKey(Schema.Number)
    }
  )
{
  override get message(): string {
    return `No connection to codex app-server at ${this.address} (${this.reason}): ${this.detail}`
  }
  get isRetryable(): boolean {
    return this.reason === "unreachable" || this.reason === "timeout" ||
      (this.reason === "refused" && this.status !== undefined && this.status >= 500)
  }
}

// =============================================================================
// Connection
// =============================================================================

/**
 * The app-server process ended. It is the one terminal cause of everything that was running on it and of every later
 * call; the layer has to be built again to go on.
 *
 * @category connection
 * @since 0.1.0
 */
export class AppServerExited
  extends TaggedError<AppServerExited>("@effect-codex/client/CodexError/AppServerExited")("AppServerExited", {
    code: Schema.NullOr(Schema.Number),
    signal: Schema.NullOr(Schema.String),
    stderr: Schema.Array(Schema.String)
  })
{
  override get message(): string {
    const reason = this.reason === undefined ? "" : ` ${this.reason}`
    const advice = reason !== "" && ServerTexts.isOutOfDescriptors(reason) ? ` ${ServerTexts.descriptorsAdvice}` : ""
    return `codex app-server ${this.howItEnded}.${reason}${advice} A new one is started by building the layer again, or ` +
      `by the layer's option \`restart\`; resume threads by id.${lastLines(this.stderr)}`
  }
  /** What codex said before it ended, without a backtrace: an error or a panic. Undefined if it said neither. */
  get reason(): string | undefined {
    return ServerTexts.reasonOfExit(this.stderr)
  }
  /** Such as `ended with exit code 1` or `was ended by SIGKILL`. */
  get howItEnded(): string {
    return this.signal !== null ? `was ended by ${this.signal}` : `ended with exit code ${this.code}`
  }
  readonly isRetryable = false
}

/**
 * The connection to the app-server broke, or was closed by our side (`reason: "closed"`: the scope of the layer ended
 * while the call was running or before it was made). Of a connection that is made again when it is lost: `unavailable` is
 * a call that waited in vain and was not sent, which is retryable; `restart` is the end, because its schedule has ended.
 * `closeCode` and `closeReason` are those of the WebSocket that the server closed; 1006 is a connection that ended without
 * either.
 *
 * @category connection
 * @since 0.1.0
 */
export class TransportError
  extends TaggedError<TransportError>("@effect-codex/client/CodexError/TransportError")("TransportError", {
    reason: Schema.Literals(["read", "write", "frameTooLarge", "closed", "unavailable", "restart"]),
    detail: Schema.String,
    closeCode: Schema.optionalKey(Schema.Number),
    closeReason: Schema.optionalKey(Schema.String),
    cause: Schema.optionalKey(Schema.Defect())
  })
{
  override get message(): string {
    switch (this.reason) {
      case "closed":
        return `The connection to codex app-server is closed: ${this.detail} Use the client inside the scope of its layer.`
      case "unavailable":
        return `There is no connection to codex app-server: ${this.detail} The call was not sent: try it again later.`
      default:
        return `The connection to codex app-server failed (${this.reason}): ${this.detail}`
    }
  }
  get isRetryable(): boolean {
    return this.reason === "unavailable"
  }
}

/**
 * The server did not answer a request in time. Whether it did what was asked is unknown: ask it before doing it again.
 *
 * A thread is started, resumed and forked only when the MCP servers that are `required` have started; the server does not
 * tell which have not (measured). `requiredMcpServers` are their names, from the configuration and the call's `config`; it is
 * absent for other requests.
 *
 * @category connection
 * @since 0.1.0
 */
export class AppServerTimeout
  extends TaggedError<AppServerTimeout>("@effect-codex/client/CodexError/AppServerTimeout")("AppServerTimeout", {
    method: Schema.String,
    /** In milliseconds. */
    timeout: Schema.Number,
    requiredMcpServers: Schema.optionalKey(Schema.Array(Schema.String))
  })
{
  override get message(): string {
    const servers = this.requiredMcpServers ?? []
    const waits = servers.length === 0
      ? ""
      : ` It waits for the required MCP servers to start: ${
        servers.join(", ")
      }. Check that they start, or give them a ` +
        `shorter \`startup_timeout_sec\`.`
    return `codex app-server did not answer ${this.method} within ${this.timeout} ms.${waits} The request may still take ` +
      `effect: read the thread before sending it again, or give a longer \`timeout\`.`
  }
  readonly isRetryable = false
}

/**
 * The terminal causes: once one of them occurred every call on the connection fails with it.
 *
 * @category connection
 * @since 0.1.0
 */
export type ConnectionError = AppServerExited | TransportError

// =============================================================================
// JSON-RPC
// =============================================================================

const rpcFields = {
  method: Schema.String,
  code: Schema.Number,
  detail: Schema.String,
  data: Schema.optionalKey(Schema.Unknown)
}

const rpcMessage = (error: { readonly method: string; readonly code: number; readonly detail: string }): string =>
  `codex app-server refused ${error.method} (${error.code}): ${
    sentence(ServerTexts.refusal(error.detail, error.method))
  }`

/**
 * The server is overloaded and did not admit the request (-32001). Trying again after a pause is safe.
 *
 * @category rpc
 * @since 0.1.0
 */
export class ServerOverloaded extends TaggedError<ServerOverloaded>("@effect-codex/client/CodexError/ServerOverloaded")(
  "ServerOverloaded",
  rpcFields
) {
  override get message(): string {
    return `${rpcMessage(this)} It was not admitted: try again after a pause.`
  }
  readonly isRetryable = true
}

const rpcAdvice = {
  invalidRequest: "Change what it names before you send it again.",
  methodNotFound: "The server, or its thread store, does not support it: use another call, or another codex.",
  invalidParams: "Change what it names before you send it again.",
  internal: "What codex writes to stderr may say more; look at what was done before you send it again.",
  parse: "Update codex or this library.",
  unexpected: "Look at `code` and `data`; what was done is unknown."
} as const

/**
 * Any other refusal of the server: one whose text has no meaning of its own here. `reason` names its code. The message has at most
 * 500 characters of what the server said; `detail` has all of it.
 *
 * | `reason` | `code` | |
 * | --- | --- | --- |
 * | `invalidRequest` | -32600 | what the server answers to almost every mistake |
 * | `methodNotFound` | -32601 | the server, or its thread store, does not support the operation |
 * | | -32600 | also of a method that this version of codex does not have |
 * | `invalidParams` | -32602 | |
 * | `internal` | -32603 | files, network or the server itself failed |
 * | `parse` | -32700 | the server could not parse what was sent |
 * | `unexpected` | any other | also an error of a malformed shape (`code` is then 0) |
 *
 * @category rpc
 * @since 0.1.0
 */
export class RpcError extends TaggedError<RpcError>("@effect-codex/client/CodexError/RpcError")("RpcError", rpcFields) {
  override get message(): string {
    const advice = ServerTexts.isOutOfDescriptors(this.detail) ? ServerTexts.descriptorsAdvice : rpcAdvice[this.reason]
    return `${rpcMessage(this)} ${advice}`
  }
  get reason(): "invalidRequest" | "methodNotFound" | "invalidParams" | "internal" | "parse" | "unexpected" {
    switch (this.code) {
      case -32600:
        return ServerTexts.isUnknownMethod(this.detail, this.method) ? "methodNotFound" : "invalidRequest"
      case -32601:
        return "methodNotFound"
      case -32602:
        return "invalidParams"
      case -32603:
        return "internal"
      case -32700:
        return "parse"
      default:
        return "unexpected"
    }
  }
  readonly isRetryable = false
}

// =============================================================================
// Meaning, recovered from the text of the server's errors
// =============================================================================

/**
 * The server does not know the thread, or has not loaded it: resume it first.
 *
 * @category rpc
 * @since 0.1.0
 */
export class ThreadNotFound
  extends TaggedError<ThreadNotFound>("@effect-codex/client/CodexError/ThreadNotFound")("ThreadNotFound", rpcFields)
{
  override get message(): string {
    return `${rpcMessage(this)} Resume the thread by its id before using it.`
  }
  readonly isRetryable = false
}

/**
 * Nothing is stored under this id, where the request needs it: the id is unknown, the thread has had neither a turn nor a name,
 * it was deleted, or it is archived. What needs a thread that is loaded fails with {@link ThreadNotFound} instead.
 *
 * @category rpc
 * @since 0.1.0
 */
export class ThreadNotPersisted
  extends TaggedError<ThreadNotPersisted>("@effect-codex/client/CodexError/ThreadNotPersisted")(
    "ThreadNotPersisted",
    rpcFields
  )
{
  override get message(): string {
    return `${rpcMessage(this)} Nothing is stored under this id: a thread is stored by its first turn. ` +
      `Check the id, or start a new thread.`
  }
  readonly isRetryable = false
}

/**
 * Another process has the thread: codex lets one process at a time write a thread, and this one could not resume, archive,
 * unarchive or delete it. `Codex.readThread` and `Codex.forkThread` work all the same.
 *
 * **Details**
 *
 * The other process lets go when it ends, when it archives the thread, and a minute after the last of its clients has left
 * the thread (`Thread.unsubscribe`) or its connection, once no turn runs; `thread_unload_delay_secs` of the configuration
 * says how long (measured on codex 0.169).
 *
 * **Example** (Going on with a copy, unless the other process lets go)
 *
 * ```ts
 * import { Codex, CodexRetry } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const goOn = Effect.fn("goOn")(function*(threadId: string) {
 *   const codex = yield* Codex.Codex
 *   return yield* codex.resumeThread(threadId).pipe(
 *     Effect.retry(CodexRetry.transient),
 *     Effect.catchTag("ThreadInUse", () => codex.forkThread(threadId))
 *   )
 * })
 * ```
 *
 * @category rpc
 * @since 0.1.0
 */
export class ThreadInUse
  extends TaggedError<ThreadInUse>("@effect-codex/client/CodexError/ThreadInUse")("ThreadInUse", rpcFields)
{
  override get message(): string {
    return `${rpcMessage(this)}. Another process has the thread open. Wait until it lets go and try again ` +
      `(CodexRetry.transient), fork the thread, or connect to the app-server of the other process.`
  }
  readonly isRetryable = true
}

/**
 * There is no running turn to steer or to interrupt.
 *
 * @category rpc
 * @since 0.1.0
 */
export class NoActiveTurn
  extends TaggedError<NoActiveTurn>("@effect-codex/client/CodexError/NoActiveTurn")("NoActiveTurn", rpcFields)
{
  override get message(): string {
    return `${rpcMessage(this)} The turn has not begun or is over: start a new turn instead.`
  }
  readonly isRetryable = false
}

/**
 * Another turn than the expected one is running.
 *
 * @category rpc
 * @since 0.1.0
 */
export class TurnMismatch
  extends TaggedError<TurnMismatch>("@effect-codex/client/CodexError/TurnMismatch")("TurnMismatch", {
    ...rpcFields,
    expected: Schema.String,
    actual: Schema.String
  })
{
  override get message(): string {
    return `${rpcMessage(this)} Turn ${this.actual} is running, not ${this.expected}: use the handle of that turn.`
  }
  readonly isRetryable = false
}

/**
 * The method or the field needs `experimentalApi: true` (the default of this library).
 *
 * @category rpc
 * @since 0.1.0
 */
export class ExperimentalRequired
  extends TaggedError<ExperimentalRequired>("@effect-codex/client/CodexError/ExperimentalRequired")(
    "ExperimentalRequired",
    rpcFields
  )
{
  override get message(): string {
    return `${rpcMessage(this)} Build the layer with \`experimentalApi: true\`.`
  }
  readonly isRetryable = false
}

/**
 * The text of the input is longer than the server takes. Lengths in characters.
 *
 * @category rpc
 * @since 0.1.0
 */
export class InputTooLarge
  extends TaggedError<InputTooLarge>("@effect-codex/client/CodexError/InputTooLarge")("InputTooLarge", {
    ...rpcFields,
    maximum: Schema.Number,
    actual: Schema.Number
  })
{
  override get message(): string {
    return `The input has ${this.actual} characters and the server takes ${this.maximum}: write the text to a file ` +
      `in the workspace and mention it.`
  }
  readonly isRetryable = false
}

/**
 * The request needs a login, or one of another kind: what is read from ChatGPT's backend cannot be read with an API key.
 *
 * @category rpc
 * @since 0.1.0
 */
export class LoginRequired
  extends TaggedError<LoginRequired>("@effect-codex/client/CodexError/LoginRequired")("LoginRequired", rpcFields)
{
  override get message(): string {
    return `${rpcMessage(this)} Log in with ChatGPT first: \`Auth.loginChatgpt\`, \`Auth.loginDeviceCode\` or ` +
      `\`Auth.layerExternalTokens\`.`
  }
  readonly isRetryable = false
}

/**
 * What the server can answer to a request instead of a result.
 *
 * @category rpc
 * @since 0.1.0
 */
export type ReplyError =
  | ServerOverloaded
  | RpcError
  | ThreadNotFound
  | ThreadNotPersisted
  | ThreadInUse
  | NoActiveTurn
  | TurnMismatch
  | ExperimentalRequired
  | InputTooLarge
  | LoginRequired

// =============================================================================
// Arguments and decoding
// =============================================================================

/**
 * An argument is not acceptable; nothing was sent.
 *
 * @category arguments
 * @since 0.1.0
 */
export class InvalidArgument
  extends TaggedError<InvalidArgument>("@effect-codex/client/CodexError/InvalidArgument")("InvalidArgument", {
    argument: Schema.String,
    detail: Schema.String
  })
{
  override get message(): string {
    return `Invalid ${this.argument}: ${this.detail}`
  }
  readonly isRetryable = false
}

/**
 * The server's answer has not the shape that the protocol gives it. `raw` is what came.
 *
 * @category decoding
 * @since 0.1.0
 */
export class DecodeError
  extends TaggedError<DecodeError>("@effect-codex/client/CodexError/DecodeError")("DecodeError", {
    method: Schema.String,
    issue: Schema.String,
    raw: Schema.Unknown
  })
{
  override get message(): string {
    return `The answer to ${this.method} is not what the protocol says: ${
      sentence(this.issue)
    } The request took effect; if the ` +
      `server is newer than this library, update the library.`
  }
  readonly isRetryable = false
}

/**
 * What a request that is about no thread can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type CallError =
  | ConnectionError
  | AppServerTimeout
  | ServerOverloaded
  | RpcError
  | ExperimentalRequired
  | InvalidArgument
  | DecodeError

/**
 * What a request about a thread can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadCallError = CallError | ThreadNotFound | ThreadNotPersisted

/**
 * What a request about a running turn can fail with: `Turn.steer` and `Turn.interrupt`. Nothing of its reply is used, so that
 * it is never a `DecodeError`.
 *
 * @category models
 * @since 0.1.0
 */
export type TurnCallError = Exclude<CallError, DecodeError> | ThreadNotFound | NoActiveTurn | TurnMismatch

/**
 * What loading a stored thread can fail with: `Codex.resumeThread`, and what runs the agent on a thread, which a handle
 * resumes first when the server may have let go of it.
 *
 * @category models
 * @since 0.1.0
 */
export type ResumeError = ThreadCallError | ThreadInUse | SettingsNotApplied

/**
 * What the start of a turn with a message can fail with: `Thread.turn`, and `Thread.run` before its turn runs.
 *
 * @category models
 * @since 0.1.0
 */
export type TurnStartError = ResumeError | InputTooLarge | ThreadBusy

/**
 * What any request can fail with, whatever it asks for. `AppServerRpc.request` has the errors of its method.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestError = ConnectionError | AppServerTimeout | ReplyError | InvalidArgument | DecodeError

// =============================================================================
// Login
// =============================================================================

const loginAdvice = {
  cancelled: "Start another login when it is wanted.",
  replaced:
    "Another login or a logout took its place: a server has one login under way at a time, and browser logins of " +
    "all codex processes of a machine share one port. Start it again if it is still wanted.",
  offline: "The login service cannot be reached: check the network and the proxy, then try again.",
  timedOut: "Nobody confirmed the login in time: start another one.",
  refused: "Change what it names before trying again. External tokens are given up with `Auth.logout`.",
  failed: "Start the login again; `Auth.account` tells who is logged in."
} as const

/**
 * A login did not succeed. `reason` tells why, `detail` is the server's text, and `loginId` names the attempt if it had
 * been started.
 *
 * | `reason` | |
 * | --- | --- |
 * | `cancelled` | by `cancel` of its handle, or because the handle's scope closed |
 * | `replaced` | by another login, a logout, or the browser login of another codex on the same machine |
 * | `offline` | the login service or ChatGPT's backend could not be reached; the only reason that is retryable |
 * | `timedOut` | nobody confirmed it in time |
 * | `refused` | the server refused it: external tokens are active, configuration forbids it, or they are no tokens |
 * | `failed` | anything else |
 *
 * @category login
 * @since 0.1.0
 */
export class LoginFailed
  extends TaggedError<LoginFailed>("@effect-codex/client/CodexError/LoginFailed")("LoginFailed", {
    reason: Schema.Literals(["cancelled", "replaced", "offline", "timedOut", "refused", "failed"]),
    detail: Schema.String,
    loginId: Schema.NullOr(Schema.String),
    cause: Schema.optionalKey(Schema.Defect())
  })
{
  override get message(): string {
    return `The login did not succeed (${this.reason}): ${this.detail} ${loginAdvice[this.reason]}`
  }
  get isRetryable(): boolean {
    return this.reason === "offline"
  }
}

/**
 * What the start of a login can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type LoginError =
  | LoginFailed
  | ConnectionError
  | AppServerTimeout
  | ServerOverloaded
  | ExperimentalRequired
  | DecodeError
  | InvalidArgument

// =============================================================================
// Turns
// =============================================================================

// A turn error holds the partial result as it was folded from the server's frames. The class checks no more than that
// it is an object: building an error must not fail because of what the server sent.
const PartialResult = Schema.declare((u: unknown): u is TurnResult => Predicate.isObject(u), {
  identifier: "TurnResult"
})

const Items = Schema.declare((u: unknown): u is ReadonlyArray<Received.ThreadItem> => Array.isArray(u), {
  identifier: "ThreadItems"
})

const ErrorInfo = Schema.declare((u: unknown): u is Received.CodexErrorInfo | null => u !== undefined, {
  identifier: "CodexErrorInfo"
})

const Retry = Schema.declare((u: unknown): u is Received.TurnError | null => u !== undefined, {
  identifier: "TurnError"
})

/**
 * The turn ran and failed. `reason` says why, `info` is the server's decoded `codexErrorInfo`, `detail` is its text
 * without what looks like a key, and `result` is what the turn did until then.
 *
 * | `reason` | | `isRetryable` |
 * | --- | --- | --- |
 * | `login` | nobody is logged in, or the key is wrong (HTTP 401) | |
 * | `forbidden` | the account may not do this (HTTP 403) | |
 * | `usageLimit` | the account's limit is reached; `resetsAt` tells when it ends, if the server has | |
 * | `rateLimit` | too many requests (HTTP 429) | yes |
 * | `contextFull` | the thread is longer than the model takes: compact it | |
 * | `outputLimit` | the model's answer was cut at its longest length | |
 * | `network` | the provider could not be reached | yes |
 * | `streamBroken` | the answer broke off | yes |
 * | `overloaded` | the provider is overloaded or failing (HTTP 500 and above) | yes |
 * | `policy` | the provider refuses the request by its policy | |
 * | `badRequest` | the provider refuses the request as invalid (HTTP 400 to 499) | |
 * | `modelNotFound` | no such model, or none for this account | |
 * | `resources` | the app-server process has run out of file descriptors | |
 * | `other` | anything else | |
 *
 * codex repeats a request that failed by itself (`request_max_retries` and `stream_max_retries` of its configuration); this
 * is what came of it. While the provider cannot be reached at all, codex 0.169.0 tries without end: set `stallTimeout`.
 *
 * @category turns
 * @since 0.1.0
 */
export class TurnFailed extends TaggedError<TurnFailed>("@effect-codex/client/CodexError/TurnFailed")("TurnFailed", {
  threadId: Schema.String,
  turnId: Schema.String,
  detail: Schema.String,
  info: ErrorInfo,
  /** When the limit that was reached is reset: for `usageLimit` and `rateLimit`, if the server has told it. */
  resetsAt: Schema.Option(Schema.DateTimeUtc).pipe(Schema.withConstructorDefault(Effect.succeed(Option.none()))),
  result: PartialResult
}) {
  override get message(): string {
    return TurnFailure.message(this, Option.getOrUndefined(Option.map(this.resetsAt, DateTime.formatIso)))
  }
  get reason(): TurnFailure.Reason {
    return TurnFailure.reasonOf(this)
  }
  /** The name of `info`, whether the server sent it as a string or as an object with one key. */
  get infoName(): string | undefined {
    return TurnFailure.nameOf(this.info)
  }
  /** The HTTP status with which the model's provider answered, if the server told it. */
  get httpStatus(): number | undefined {
    return TurnFailure.statusOf(this.info)
  }
  /**
   * True when the model or the way to it failed in a way that may pass, so that a new turn on the same thread may succeed.
   * It says nothing of what the failed turn did: its commands and patches stay done, and the model of the new turn sees
   * them.
   */
  get isRetryable(): boolean {
    return TurnFailure.isTransient(this.reason)
  }
}

/**
 * The turn was interrupted, by `Turn.interrupt`, by a cancelled approval or by another client of the thread.
 *
 * @category turns
 * @since 0.1.0
 */
export class TurnInterrupted
  extends TaggedError<TurnInterrupted>("@effect-codex/client/CodexError/TurnInterrupted")("TurnInterrupted", {
    threadId: Schema.String,
    turnId: Schema.String,
    result: PartialResult
  })
{
  override get message(): string {
    return `Turn ${this.turnId} was interrupted. The thread is free: start a new turn to go on.`
  }
  readonly isRetryable = false
}

/**
 * The turn made no progress for longer than its `stallTimeout` (milliseconds), and the server has not stored that it ended.
 * It was interrupted. That codex tries again to reach the model is no progress: `lastRetry` says why it did, if nothing else
 * was heard since. `lastEvent` is the last thing that the server told of the turn, `runningItems` are the items that had
 * begun and not ended, `startingMcpServers` are the MCP servers of the thread that were still starting, `result` is what
 * the turn did until then. Its work may be half done: look at it before the same input is sent again.
 *
 * @category turns
 * @since 0.1.0
 */
export class TurnStalled
  extends TaggedError<TurnStalled>("@effect-codex/client/CodexError/TurnStalled")("TurnStalled", {
    threadId: Schema.String,
    turnId: Schema.String,
    stallTimeout: Schema.Number,
    lastEvent: Schema.NullOr(Schema.String),
    lastRetry: Retry,
    runningItems: Items,
    startingMcpServers: Schema.Array(Schema.String),
    result: PartialResult
  })
{
  override get message(): string {
    const running = this.runningItems.map(({ type }) => type).join(", ")
    const starting = this.startingMcpServers.join(", ")
    const items = `${running === "" ? "no item was running" : `running: ${running}`}${
      starting === "" ? "" : `; MCP servers still starting: ${starting}`
    }.`
    if (this.lastRetry !== null) {
      const { additionalDetails, message } = this.lastRetry
      const reason = additionalDetails === null ? message : `${message} (${additionalDetails})`
      return `Turn ${this.turnId} made no progress for ${this.stallTimeout} ms and was interrupted: codex was trying again ` +
        `to reach the model: ${reason}; ${items} Check the network, the proxy and the login, then start a new turn.`
    }
    return `Turn ${this.turnId} was silent for ${this.stallTimeout} ms and was interrupted. The last event was ` +
      `${this.lastEvent ?? "none"}; ${items} Allow for a ` +
      `longer silence with \`stallTimeout\`, or start a new turn once you know what this one did.`
  }
  readonly isRetryable = false
}

/**
 * The turn is over, and how it ended cannot be learned: neither the server's events nor what it has stored tell.
 * `result` is what is known of it. It is not run again by itself: look at what it did, then start a new turn.
 *
 * @category turns
 * @since 0.1.0
 */
export class TurnOutcomeUnknown
  extends TaggedError<TurnOutcomeUnknown>("@effect-codex/client/CodexError/TurnOutcomeUnknown")("TurnOutcomeUnknown", {
    threadId: Schema.String,
    turnId: Schema.String,
    detail: Schema.String,
    result: PartialResult
  })
{
  override get message(): string {
    return `How turn ${this.turnId} ended is unknown: ${this.detail} Look at what it did before sending its input again.`
  }
  readonly isRetryable = false
}

/**
 * How a turn that is neither completed nor interrupted can have ended.
 *
 * @category models
 * @since 0.1.0
 */
export type TurnEndError = TurnFailed | TurnStalled | TurnOutcomeUnknown

/**
 * The thread runs a turn already, and a thread runs one at a time. `activeTurnId` is empty if it is not known. `delivered` tells whether the server has taken the
 * input into the running turn nevertheless, as it does when it was not known here that another client's turn is running.
 *
 * @category turns
 * @since 0.1.0
 */
export class ThreadBusy extends TaggedError<ThreadBusy>("@effect-codex/client/CodexError/ThreadBusy")("ThreadBusy", {
  threadId: Schema.String,
  activeTurnId: Schema.String,
  delivered: Schema.Boolean
}) {
  override get message(): string {
    return `Thread ${this.threadId} runs ${this.activeTurnId === "" ? "a turn" : `turn ${this.activeTurnId}`} already${
      this.delivered ? ", which has taken the input" : ""
    }. Wait for it, set \`whenBusy\` to "steer" or "queue", or use another thread.`
  }
  readonly isRetryable = false
}

/**
 * The server holds other settings than those that were asked for, and they could not be changed. `settings` names each:
 * the option, what was asked, what holds, and what to do. Nothing runs with it: no handle was made, or the message was not
 * said. Only a review or a turn of a goal had begun, because somebody else changed the thread right before, and was stopped.
 *
 * The values are for people to read. Of `config` and the instructions only the names are told, because they may hold
 * secrets.
 *
 * @category threads
 * @since 0.1.0
 */
export class SettingsNotApplied
  extends TaggedError<SettingsNotApplied>("@effect-codex/client/CodexError/SettingsNotApplied")(
    "SettingsNotApplied",
    {
      threadId: Schema.String,
      settings: Schema.Array(
        Schema.Struct({ setting: Schema.String, asked: Schema.String, holds: Schema.String, advice: Schema.String })
      )
    }
  )
{
  override get message(): string {
    const told = this.settings.map(({ asked, holds, setting }) => `${setting} (asked ${asked}, holds ${holds})`)
    const advice = [...new Set(this.settings.map(({ advice }) => advice))]
    return `Thread ${this.threadId} does not hold what was asked: ${told.join("; ")}. ${advice.join(" ")}`
  }
  readonly isRetryable = false
}

/**
 * The turn was completed, but its final answer does not fit the schema that was asked for. `text` is the answer as it
 * came and `issue` says what does not fit. Ask again with `repair`, or loosen the schema.
 *
 * @category turns
 * @since 0.1.0
 */
export class OutputInvalid
  extends TaggedError<OutputInvalid>("@effect-codex/client/CodexError/OutputInvalid")("OutputInvalid", {
    threadId: Schema.String,
    turnId: Schema.String,
    text: Schema.NullOr(Schema.String),
    issue: Schema.String,
    result: PartialResult
  })
{
  override get message(): string {
    return `The answer of turn ${this.turnId} does not fit the schema: ${
      sentence(this.issue)
    } Set \`repair\` to let the model try ` +
      `again on the same thread.`
  }
  readonly isRetryable = false
}

/**
 * A reader of a turn's events fell further behind than `maxUnreadBytes`. Only that stream ends; the turn goes on.
 *
 * @category turns
 * @since 0.1.0
 */
export class EventsOverflow
  extends TaggedError<EventsOverflow>("@effect-codex/client/CodexError/EventsOverflow")("EventsOverflow", {
    threadId: Schema.String,
    turnId: Schema.String,
    unreadBytes: Schema.Number
  })
{
  override get message(): string {
    return `A reader of turn ${this.turnId} left ${this.unreadBytes} bytes of events unread, more than ` +
      `\`maxUnreadBytes\`. Read faster, or raise the limit; the turn itself goes on.`
  }
  readonly isRetryable = false
}

// =============================================================================
// All
// =============================================================================

/**
 * Every error of this library.
 *
 * **Example** (Matching by tag)
 *
 * ```ts
 * import { Codex, CodexError } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const answer = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   return yield* thread.run("Hello")
 * }).pipe(
 *   Effect.catchTag("TurnFailed", (error) => Effect.logWarning(error.infoName, error.isRetryable))
 * )
 *
 * export const describe = (error: CodexError.CodexError): string => `${error._tag}: ${error.message}`
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type CodexError =
  | CodexExecutableNotFound
  | AppServerStartError
  | AppServerConnectError
  | RequestError
  | LoginFailed
  | TurnEndError
  | TurnInterrupted
  | ThreadBusy
  | SettingsNotApplied
  | OutputInvalid
  | EventsOverflow

/**
 * Whether a value is an error of this library.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCodexError = (u: unknown): u is CodexError =>
  identifierOf(u)?.startsWith("@effect-codex/client/CodexError/") === true
