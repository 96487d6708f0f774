/**
 * The errors of this library, as tagged error classes.
 *
 * The message of each error says what happened and what to do next. Its fields carry what a program needs, and
 * `isRetryable` says whether the same call may succeed when it is simply repeated. The error channel of each method
 * names the classes that it can fail with, so the compiler checks `Effect.catchTag` and `Effect.catchTags`. There are
 * two exceptions: `AppServerRpc.request` lists all of {@link RequestError} for a method whose refusals the library does
 * not know, and a layer that runs your own provider or reads configuration also fails with the errors of these.
 *
 * `structuredClone` and `postMessage` keep only the message and the stack, because they do not preserve classes. To
 * send an error to another thread or process, use JSON: `JSON.stringify` writes the tag, the fields and the message.
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
 * No codex executable was found.
 *
 * @see {@link AppServerStartError} for an executable that does not start
 * @category starting
 * @since 0.1.0
 */
export class CodexExecutableNotFound
  extends TaggedError<CodexExecutableNotFound>("@effect-codex/client/CodexError/CodexExecutableNotFound")(
    "CodexExecutableNotFound",
    {
      /** Every place that was checked, in order, and the problem there. */
      tried: Schema.Array(Schema.Struct({ place: Schema.String, problem: Schema.String }))
    }
  )
{
  override get message(): string {
    const tried = this.tried.map(({ place, problem }) => `\n  ${place}: ${problem}`).join("")
    const last = this.tried.at(-1)
    // The user's own choice is the last place that is tried.
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
 * The app-server process could not be started, or did not complete the handshake.
 *
 * **Details**
 *
 * Retryable only when codex gave up because a database in its `CODEX_HOME` was locked (`isStateDatabaseLocked`).
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
 * @see {@link CodexExecutableNotFound} for a missing executable
 * @see {@link AppServerConnectError} for a server that is already running
 * @category starting
 * @since 0.1.0
 */
export class AppServerStartError
  extends TaggedError<AppServerStartError>("@effect-codex/client/CodexError/AppServerStartError")(
    "AppServerStartError",
    {
      /**
       * How far the start came: `spawn` (no process), or `initialize` (a process that ended, stayed silent or sent
       * something else).
       */
      phase: Schema.Literals(["spawn", "initialize"]),
      /** The executable, or the address of a server that is already running. */
      executable: Schema.String,
      /** What went wrong, as a sentence. */
      detail: Schema.String,
      /** The last lines of stderr, oldest first. */
      stderr: Schema.Array(Schema.String),
      /** The invalid option, if one is the cause, such as `cwd` or `configOverrides[0]`. */
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
  /** What codex said before it ended, without a backtrace. Undefined if nothing that it said looks like a reason. */
  get reason(): string | undefined {
    return ServerTexts.reasonOfExit(this.stderr)
  }
  /**
   * Whether codex ended because another program kept a database in the `CODEX_HOME` locked. codex 0.169.0 waits about
   * 15 seconds for each database before it gives up, so simultaneous starts do not fail with this. codex 0.166 and
   * earlier only say that they could not open the database, which counts as the same.
   */
  get isStateDatabaseLocked(): boolean {
    return this.stderr.some(ServerTexts.isStateDatabaseLocked)
  }
  get isRetryable(): boolean {
    return this.isStateDatabaseLocked
  }
}

/**
 * No connection to a running app-server could be opened.
 *
 * | `reason` | |
 * | --- | --- |
 * | `invalid` | the URL, a header or the token cannot be used; nothing was sent |
 * | `insecure` | plain `ws://` to another machine, without the option that allows it; nothing was sent |
 * | `token` | the token could not be created; nothing was sent |
 * | `unreachable` | nothing answers at the address, or not with a WebSocket; retryable |
 * | `timeout` | an accepted connection opened no WebSocket, or no token was created, in time; retryable |
 * | `unauthorized` | HTTP 401: the token is missing, wrong or expired |
 * | `forbidden` | HTTP 403: codex sends this for every connection with an `Origin` header |
 * | `refused` | any other HTTP status; retryable from 500 on, when a proxy waits for its server |
 *
 * @see {@link AppServerStartError} for a process of your own
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
      /** The address that was tried. */
      address: Schema.String,
      /** What went wrong, as a sentence. */
      detail: Schema.String,
      /** The HTTP status of the answer, where the platform reveals it. WebSockets of browsers and of Node do not. */
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
 * The app-server process ended.
 *
 * **Details**
 *
 * This is the one terminal cause of everything that was running on the process and of every later call. To go on,
 * build the layer again, or give it a `restart` schedule.
 *
 * @see {@link TransportError} for a broken connection
 * @category connection
 * @since 0.1.0
 */
export class AppServerExited
  extends TaggedError<AppServerExited>("@effect-codex/client/CodexError/AppServerExited")("AppServerExited", {
    /** Null when a signal ended the process. */
    code: Schema.NullOr(Schema.Number),
    /** Null when the process exited by itself. */
    signal: Schema.NullOr(Schema.String),
    /** The last lines of stderr, oldest first. */
    stderr: Schema.Array(Schema.String)
  })
{
  override get message(): string {
    const reason = this.reason === undefined ? "" : ` ${this.reason}`
    const advice = reason !== "" && ServerTexts.isOutOfDescriptors(reason) ? ` ${ServerTexts.descriptorsAdvice}` : ""
    return `codex app-server ${this.howItEnded}.${reason}${advice} A layer with the option \`restart\` ` +
      `goes on by itself. Build any other again, then resume threads by id.${lastLines(this.stderr)}`
  }
  /** What codex said before it ended, without a backtrace: an error or a panic. Undefined if it reported neither. */
  get reason(): string | undefined {
    return ServerTexts.reasonOfExit(this.stderr)
  }
  /** For example `ended with exit code 1` or `was ended by SIGKILL`. */
  get howItEnded(): string {
    return this.signal !== null ? `was ended by ${this.signal}` : `ended with exit code ${this.code}`
  }
  readonly isRetryable = false
}

/**
 * The connection to the app-server broke, or this side closed it.
 *
 * **Details**
 *
 * `reason` is `closed` when the scope of the layer ended while the call was running, or before it was made. It is
 * `unavailable` when a connection is being restored and the call waited in vain: the call was not sent, so it is
 * retryable. It is `restart` when the connection could not be restored before its schedule ended, and `replaced` when
 * `CodexPool` ended the process to start another in its place.
 *
 * @see {@link AppServerExited} for a process that ended
 * @category connection
 * @since 0.1.0
 */
export class TransportError
  extends TaggedError<TransportError>("@effect-codex/client/CodexError/TransportError")("TransportError", {
    reason: Schema.Literals(["read", "write", "frameTooLarge", "closed", "unavailable", "restart", "replaced"]),
    /** What went wrong, as a sentence. */
    detail: Schema.String,
    /**
     * The close code of the WebSocket, if the server closed it. 1006 means that the connection ended without a close
     * code.
     */
    closeCode: Schema.optionalKey(Schema.Number),
    /** The server's reason for closing the WebSocket. */
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
      case "replaced":
        return `The process of codex app-server is replaced: ${this.detail}`
      default:
        return `The connection to codex app-server failed (${this.reason}): ${this.detail}`
    }
  }
  get isRetryable(): boolean {
    return this.reason === "unavailable"
  }
}

/**
 * The server did not answer a request in time.
 *
 * **Gotchas**
 *
 * Whether the server carried out the request is unknown: check before you repeat it.
 *
 * @see {@link TurnStalled} for a turn that makes no progress
 * @category connection
 * @since 0.1.0
 */
export class AppServerTimeout
  extends TaggedError<AppServerTimeout>("@effect-codex/client/CodexError/AppServerTimeout")("AppServerTimeout", {
    method: Schema.String,
    /** In milliseconds. */
    timeout: Schema.Number,
    /**
     * The names of the MCP servers that are `required`, from the configuration and the call's `config`. The server
     * starts, resumes and forks a thread only when they have started, and does not say which ones have not. Absent
     * for other requests.
     */
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
 * The terminal causes: once one of them occurs, every call on the connection fails with it.
 *
 * @category connection
 * @since 0.1.0
 */
export type ConnectionError = AppServerExited | TransportError

// =============================================================================
// JSON-RPC
// =============================================================================

const rpcFields = {
  /** The method of the request. */
  method: Schema.String,
  /** The JSON-RPC error code. */
  code: Schema.Number,
  /** The server's text. */
  detail: Schema.String,
  /** The `data` of the JSON-RPC error, if it has any. */
  data: Schema.optionalKey(Schema.Unknown)
}

const rpcMessage = (error: { readonly method: string; readonly code: number; readonly detail: string }): string =>
  `codex app-server refused ${error.method} (${error.code}): ${
    sentence(ServerTexts.refusal(error.detail, error.method))
  }`

/**
 * The server is overloaded and did not admit the request (-32001). Repeating it after a pause is safe.
 *
 * @see {@link RpcError} for other refusals
 * @category rpc
 * @since 0.1.0
 */
export class ServerOverloaded extends TaggedError<ServerOverloaded>("@effect-codex/client/CodexError/ServerOverloaded")(
  "ServerOverloaded",
  rpcFields
) {
  override get message(): string {
    return `${rpcMessage(this)} The request was not admitted: try again after a pause.`
  }
  readonly isRetryable = true
}

const rpcAdvice = {
  invalidRequest: "Correct the request before you send it again.",
  methodNotFound: "The server, or its thread store, does not support it: use another call, or another codex.",
  invalidParams: "Correct the request before you send it again.",
  internal: "The stderr of codex may say more. Check what the request did before you send it again.",
  parse: "Update codex or this library.",
  unexpected: "Look at `code` and `data`. Whether the request took effect is unknown."
} as const

/**
 * The server refused a request with an error that has no class of its own here.
 *
 * | `reason` | `code` | |
 * | --- | --- | --- |
 * | `invalidRequest` | -32600 | the server's answer to almost every mistake |
 * | `methodNotFound` | -32601 | the server, or its thread store, does not support the operation |
 * | | -32600 | also for a method that this version of codex lacks |
 * | `invalidParams` | -32602 | |
 * | `internal` | -32603 | a failure of files, of the network or of the server itself |
 * | `parse` | -32700 | the server could not parse the request |
 * | `unexpected` | any other | also an error of a malformed shape (`code` is then 0) |
 *
 * **Details**
 *
 * `detail` has the whole text of the server. The message contains at most 500 characters of it.
 *
 * @see {@link ServerOverloaded}
 * @see {@link ReplyError} for the refusals that have a class
 * @category rpc
 * @since 0.1.0
 */
export class RpcError extends TaggedError<RpcError>("@effect-codex/client/CodexError/RpcError")("RpcError", rpcFields) {
  override get message(): string {
    const advice = ServerTexts.isOutOfDescriptors(this.detail)
      ? ServerTexts.descriptorsAdvice
      : ServerTexts.adviceOn(this.method, this.detail) ?? rpcAdvice[this.reason]
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
 * The server does not know the thread, or has not loaded it. Resume it first.
 *
 * @see {@link ThreadNotPersisted} for a thread that is not stored
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
 * Nothing is stored under this id, and the request needs it.
 *
 * **Details**
 *
 * The id is unknown, the thread has had neither a turn nor a name, it was deleted, or it is archived. Requests that
 * need a loaded thread fail with {@link ThreadNotFound} instead.
 *
 * @see {@link ThreadInUse} for a thread that another process has
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
 * Another process has the thread: codex lets one process at a time write a thread, and this process could not resume,
 * archive, unarchive or delete it.
 *
 * **Details**
 *
 * `Codex.readThread` and `Codex.forkThread` work nevertheless. The other process releases the thread when it ends,
 * when it archives the thread, and a minute after the last of its clients has left the thread (`Thread.unsubscribe`)
 * or its connection, as long as no turn is running. `thread_unload_delay_secs` in the configuration sets this time.
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
 * @see {@link ThreadNotPersisted}
 * @category rpc
 * @since 0.1.0
 */
export class ThreadInUse
  extends TaggedError<ThreadInUse>("@effect-codex/client/CodexError/ThreadInUse")("ThreadInUse", rpcFields)
{
  override get message(): string {
    return `${rpcMessage(this)} Another process has the thread open. Wait until it lets go and try again ` +
      `(CodexRetry.transient), fork the thread, or connect to the app-server of the other process.`
  }
  readonly isRetryable = true
}

/**
 * The thread's queue has no such message: its turn has begun or is over, it was removed, or there never was one. When
 * nothing in particular was asked for, the queue is empty.
 *
 * @see {@link ThreadBusy}
 * @category rpc
 * @since 0.1.0
 */
export class QueuedMessageNotFound extends TaggedError<QueuedMessageNotFound>(
  "@effect-codex/client/CodexError/QueuedMessageNotFound"
)("QueuedMessageNotFound", rpcFields) {
  override get message(): string {
    return `${
      rpcMessage(this)
    } List the queue, and read \`thread.turns()\` for the turns of messages that it no longer has.`
  }
  readonly isRetryable = false
}

/**
 * There is no running turn to steer or to interrupt.
 *
 * @see {@link TurnMismatch} for a different turn
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
 * A turn other than the expected one is running.
 *
 * @see {@link NoActiveTurn} for none
 * @category rpc
 * @since 0.1.0
 */
export class TurnMismatch
  extends TaggedError<TurnMismatch>("@effect-codex/client/CodexError/TurnMismatch")("TurnMismatch", {
    ...rpcFields,
    /** The turn of the request. */
    expected: Schema.String,
    /** The turn that is running. */
    actual: Schema.String
  })
{
  override get message(): string {
    return `${rpcMessage(this)} Turn ${this.actual} is running, not ${this.expected}: use the handle of that turn.`
  }
  readonly isRetryable = false
}

/**
 * The method or the field needs `experimentalApi: true`, which is the default of this library.
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
 * The text of the input is longer than the server accepts.
 *
 * @category rpc
 * @since 0.1.0
 */
export class InputTooLarge
  extends TaggedError<InputTooLarge>("@effect-codex/client/CodexError/InputTooLarge")("InputTooLarge", {
    ...rpcFields,
    /** In characters. */
    maximum: Schema.Number,
    /** In characters. */
    actual: Schema.Number
  })
{
  override get message(): string {
    return `The input has ${this.actual} characters, but the server accepts at most ${this.maximum}: write the ` +
      `text to a file in the workspace and mention it.`
  }
  readonly isRetryable = false
}

/**
 * The request needs a login, or a login of another kind: an API key does not give access to data of ChatGPT's
 * backend.
 *
 * @see {@link LoginFailed} for a login that did not succeed
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
 * The errors that the server can send instead of a result.
 *
 * @see {@link RequestError}
 * @category rpc
 * @since 0.1.0
 */
export type ReplyError =
  | ServerOverloaded
  | RpcError
  | ThreadNotFound
  | ThreadNotPersisted
  | ThreadInUse
  | QueuedMessageNotFound
  | NoActiveTurn
  | TurnMismatch
  | ExperimentalRequired
  | InputTooLarge
  | LoginRequired

// =============================================================================
// Arguments and decoding
// =============================================================================

/**
 * An argument is invalid; nothing was sent.
 *
 * @category arguments
 * @since 0.1.0
 */
export class InvalidArgument
  extends TaggedError<InvalidArgument>("@effect-codex/client/CodexError/InvalidArgument")("InvalidArgument", {
    /** The name of the argument. */
    argument: Schema.String,
    /** What is wrong with it, as a sentence. */
    detail: Schema.String
  })
{
  override get message(): string {
    return `Invalid ${this.argument}: ${this.detail}`
  }
  readonly isRetryable = false
}

/**
 * The server's answer does not match the protocol. The request took effect.
 *
 * @see {@link RpcError} for a request that the server refused
 * @category decoding
 * @since 0.1.0
 */
export class DecodeError
  extends TaggedError<DecodeError>("@effect-codex/client/CodexError/DecodeError")("DecodeError", {
    method: Schema.String,
    /** What does not match. */
    issue: Schema.String,
    /** The answer as it arrived. */
    raw: Schema.Unknown
  })
{
  override get message(): string {
    return `The answer to ${this.method} does not match the protocol: ${
      sentence(this.issue)
    } The request took effect; if the ` +
      `server is newer than this library, update the library.`
  }
  readonly isRetryable = false
}

/**
 * The errors of a request that concerns no thread.
 *
 * @see {@link ThreadCallError}
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
 * The errors of a request that concerns a thread.
 *
 * @see {@link CallError}
 * @see {@link ResumeError}
 * @category models
 * @since 0.1.0
 */
export type ThreadCallError = CallError | ThreadNotFound | ThreadNotPersisted

/**
 * The errors of a request that concerns a running turn: `Turn.steer` and `Turn.interrupt`. They never include
 * `DecodeError`, because the client uses nothing of the reply.
 *
 * @see {@link ThreadCallError}
 * @category models
 * @since 0.1.0
 */
export type TurnCallError = Exclude<CallError, DecodeError> | ThreadNotFound | NoActiveTurn | TurnMismatch

/**
 * The errors of `Turn.updateSettings`.
 *
 * @see {@link TurnCallError}
 * @category models
 * @since 0.1.0
 */
export type TurnSettingsError = CallError | ThreadNotFound | NoActiveTurn | SettingsNotApplied

/**
 * The errors of loading a stored thread: of `Codex.resumeThread`, and of calls that run the agent on a thread. A
 * handle first resumes a thread that the server may have unloaded.
 *
 * @see {@link TurnStartError}
 * @category models
 * @since 0.1.0
 */
export type ResumeError = ThreadCallError | ThreadInUse | SettingsNotApplied

/**
 * The errors of starting a turn with a message: of `Thread.turn`, and of `Thread.run` before its turn runs.
 *
 * @see {@link TurnEndError} for how a turn can end
 * @category models
 * @since 0.1.0
 */
export type TurnStartError = ResumeError | InputTooLarge | ThreadBusy | BudgetExceeded

/**
 * The errors of `Thread.ask`.
 *
 * @see {@link AskFailed}
 * @category models
 * @since 0.1.0
 */
export type AskError = ThreadCallError | ThreadInUse | AskFailed | BudgetExceeded

/**
 * The errors of the requests of `Thread.queue`.
 *
 * @see {@link QueuedMessageNotFound}
 * @category models
 * @since 0.1.0
 */
export type QueueError = ThreadCallError | QueuedMessageNotFound

/**
 * The errors of any request. `AppServerRpc.request` narrows them by its method.
 *
 * @see {@link ReplyError}
 * @category models
 * @since 0.1.0
 */
export type RequestError = ConnectionError | AppServerTimeout | ReplyError | InvalidArgument | DecodeError

// =============================================================================
// Login
// =============================================================================

const loginAdvice = {
  cancelled: "Start a new login if you still want one.",
  replaced:
    "Another login or a logout took its place: a server has one login under way at a time, and browser logins of " +
    "all codex processes of a machine share one port. Start it again if it is still wanted.",
  offline: "The login service cannot be reached: check the network and the proxy, then try again.",
  timedOut: "Nobody confirmed the login in time: start a new one.",
  refused: "Correct what the server names before you try again. `Auth.logout` ends a login with external tokens.",
  failed: "Start the login again; `Auth.account` says who is logged in."
} as const

/**
 * A login did not succeed.
 *
 * | `reason` | |
 * | --- | --- |
 * | `cancelled` | by `cancel` of its handle, or because the handle's scope closed |
 * | `replaced` | by another login, a logout, or the browser login of another codex on the same machine |
 * | `offline` | the login service or ChatGPT's backend could not be reached; the only retryable reason |
 * | `timedOut` | nobody confirmed it in time |
 * | `refused` | external tokens are active, the configuration forbids the login, or the tokens are invalid |
 * | `failed` | anything else |
 *
 * @see {@link LoginRequired} for a request that needs a login
 * @category login
 * @since 0.1.0
 */
export class LoginFailed
  extends TaggedError<LoginFailed>("@effect-codex/client/CodexError/LoginFailed")("LoginFailed", {
    reason: Schema.Literals(["cancelled", "replaced", "offline", "timedOut", "refused", "failed"]),
    /** The server's text. */
    detail: Schema.String,
    /** The id of the attempt. Null if it had not started. */
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
 * The errors of starting a login.
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

const mcpLoginAdvice = {
  closed: "Keep the scope open until `wait` has returned.",
  timedOut: "Nobody confirmed the login in time: start a new one.",
  refused: "Start a new login once the person, or the authorization server, allows it.",
  failed: "Check the URL of the MCP server and its OAuth options, then start a new login."
} as const

/**
 * An OAuth login to an MCP server did not succeed.
 *
 * | `reason` | |
 * | --- | --- |
 * | `closed` | the scope of its handle closed |
 * | `timedOut` | nobody confirmed it in time |
 * | `refused` | the person or the authorization server refused it |
 * | `failed` | anything else |
 *
 * @see {@link LoginFailed} for a login of the app-server's account
 * @category login
 * @since 0.1.0
 */
export class McpLoginFailed
  extends TaggedError<McpLoginFailed>("@effect-codex/client/CodexError/McpLoginFailed")("McpLoginFailed", {
    reason: Schema.Literals(["closed", "timedOut", "refused", "failed"]),
    /** The name of the MCP server. */
    server: Schema.String,
    /** The server's id of the attempt. Null if an older server gave none. */
    loginId: Schema.NullOr(Schema.String),
    /** The server's text. */
    detail: Schema.String
  })
{
  override get message(): string {
    return `The login to the MCP server ${this.server} did not succeed (${this.reason}): ` +
      `${sentence(this.detail)} ${mcpLoginAdvice[this.reason]}`
  }
  readonly isRetryable = false
}

// =============================================================================
// Turns
// =============================================================================

// A turn error holds the partial result that was folded from the server's frames. The schema only checks that it is
// an object: building an error must not fail because of what the server sent.
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
 * The turn ran and failed.
 *
 * | `reason` | | `isRetryable` |
 * | --- | --- | --- |
 * | `login` | nobody is logged in, or the key is wrong (HTTP 401) | |
 * | `forbidden` | the account may not do this (HTTP 403) | |
 * | `usageLimit` | the account has reached its limit; `resetsAt` says when it is reset, if known | |
 * | `rateLimit` | too many requests (HTTP 429) | yes |
 * | `contextFull` | the thread is longer than the model accepts: compact it | |
 * | `outputLimit` | the model's answer was cut at its maximum length | |
 * | `network` | the provider could not be reached | yes |
 * | `streamBroken` | the answer broke off | yes |
 * | `overloaded` | the provider is overloaded or failing (HTTP 500 and above) | yes |
 * | `policy` | the provider's policy refuses the request | |
 * | `badRequest` | the provider refuses the request as invalid (HTTP 400 to 499) | |
 * | `modelNotFound` | the model does not exist, or this account may not use it | |
 * | `resources` | the app-server process has run out of file descriptors | once the client has let go of threads |
 * | `other` | anything else | |
 *
 * **Details**
 *
 * codex repeats failed requests itself (`request_max_retries` and `stream_max_retries` of its configuration); this
 * error is the result of those attempts.
 *
 * **Gotchas**
 *
 * While the provider cannot be reached at all, codex retries without end: set `stallTimeout`.
 *
 * @see {@link TurnStalled}
 * @see {@link TurnInterrupted}
 * @see {@link TurnOutcomeUnknown}
 * @category turns
 * @since 0.1.0
 */
export class TurnFailed extends TaggedError<TurnFailed>("@effect-codex/client/CodexError/TurnFailed")("TurnFailed", {
  threadId: Schema.String,
  turnId: Schema.String,
  /** The server's text, without anything that looks like a key. */
  detail: Schema.String,
  /** The server's decoded `codexErrorInfo`. Null if it sent none. */
  info: ErrorInfo,
  /** When the reached limit is reset. Only for `usageLimit` and `rateLimit`, and only if the server reported it. */
  resetsAt: Schema.Option(Schema.DateTimeUtc).pipe(Schema.withConstructorDefault(Effect.succeed(Option.none()))),
  /**
   * How many idle threads the client has let go of since, to free file descriptors. Only for `resources`, and only with
   * `maxLoadedThreads`.
   */
  threadsLetGo: Schema.Number.pipe(Schema.withConstructorDefault(Effect.succeed(0))),
  /** What the turn did before it failed. */
  result: PartialResult
}) {
  override get message(): string {
    return TurnFailure.message(this, Option.getOrUndefined(Option.map(this.resetsAt, DateTime.formatIso)))
  }
  get reason(): TurnFailure.Reason {
    return TurnFailure.reasonOf(this)
  }
  /** The name of `info`, which the server sends as a string or as the key of an object. */
  get infoName(): string | undefined {
    return TurnFailure.nameOf(this.info)
  }
  /** The HTTP status of the model provider's answer, if the server reported it. */
  get httpStatus(): number | undefined {
    return TurnFailure.statusOf(this.info)
  }
  /**
   * True when the model, or the connection to it, failed in a way that may pass, so that a new turn on the same
   * thread may succeed. It does not consider what the failed turn did: its commands and patches stay done, and the
   * model sees them in the new turn.
   */
  get isRetryable(): boolean {
    return TurnFailure.isTransient(this.reason) || this.threadsLetGo > 0
  }
}

/**
 * `Turn.interrupt`, a cancelled approval or another client of the thread interrupted the turn.
 *
 * @see {@link TurnFailed}
 * @category turns
 * @since 0.1.0
 */
export class TurnInterrupted
  extends TaggedError<TurnInterrupted>("@effect-codex/client/CodexError/TurnInterrupted")("TurnInterrupted", {
    threadId: Schema.String,
    turnId: Schema.String,
    /** What the turn did before it was interrupted. */
    result: PartialResult
  })
{
  override get message(): string {
    return `Turn ${this.turnId} was interrupted. The thread is free: start a new turn to go on.`
  }
  readonly isRetryable = false
}

/**
 * The turn made no progress for longer than its `stallTimeout`, and the server has not stored an end of it. The
 * client has interrupted it.
 *
 * **Gotchas**
 *
 * Its work may be half done: check it before you send the same input again.
 *
 * @see {@link TurnFailed}
 * @category turns
 * @since 0.1.0
 */
export class TurnStalled
  extends TaggedError<TurnStalled>("@effect-codex/client/CodexError/TurnStalled")("TurnStalled", {
    threadId: Schema.String,
    turnId: Schema.String,
    /** In milliseconds. */
    stallTimeout: Schema.Number,
    /** The last event of the turn. Null if there was none. */
    lastEvent: Schema.NullOr(Schema.String),
    /**
     * Why codex last tried again to reach the model, if nothing else was heard since. Retries do not count as
     * progress.
     */
    lastRetry: Retry,
    /** The items that had begun and not ended. */
    runningItems: Items,
    /** The MCP servers of the thread that were still starting. */
    startingMcpServers: Schema.Array(Schema.String),
    /** What the turn did before it was interrupted. */
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
 * The turn is over, but its outcome cannot be learned: neither the server's events nor its stored turns contain it.
 *
 * **Gotchas**
 *
 * The library does not run the turn again. Check what it did, then start a new turn.
 *
 * @see {@link TurnFailed}
 * @category turns
 * @since 0.1.0
 */
export class TurnOutcomeUnknown
  extends TaggedError<TurnOutcomeUnknown>("@effect-codex/client/CodexError/TurnOutcomeUnknown")("TurnOutcomeUnknown", {
    threadId: Schema.String,
    turnId: Schema.String,
    /** Why the outcome is unknown, as a sentence. */
    detail: Schema.String,
    /** What is known of the turn. */
    result: PartialResult
  })
{
  override get message(): string {
    return `How turn ${this.turnId} ended is unknown: ${this.detail} Check what it did before you send its input again.`
  }
  readonly isRetryable = false
}

const limitNames = { modelCalls: "model calls", tokens: "tokens", cost: "in cost" } as const

/**
 * A budget of the turn is spent. Either the turn, or a question of `Thread.ask`, was refused before anything was sent
 * (`turnId` and `result` are null),
 * or it was interrupted, with its subagents, when a call of the model crossed the limit.
 *
 * @see {@link PriceUnknown}
 * @category turns
 * @since 0.1.0
 */
export class BudgetExceeded
  extends TaggedError<BudgetExceeded>("@effect-codex/client/CodexError/BudgetExceeded")("BudgetExceeded", {
    threadId: Schema.String,
    /** Null if the turn did not start. */
    turnId: Schema.NullOr(Schema.String),
    /** The limit that is used up. */
    limit: Schema.Literals(["modelCalls", "tokens", "cost"]),
    /** What the budget allows. */
    allowed: Schema.Number,
    /**
     * What was used of it, by everything that shares the budget. May be above `allowed` by the last call of the model.
     */
    spent: Schema.Number,
    /** What the turn did before it was interrupted. Null if it did not start. */
    result: Schema.NullOr(PartialResult)
  })
{
  override get message(): string {
    const spent = `the budget is used up: ${this.spent} of ${this.allowed} ${limitNames[this.limit]}.`
    return this.turnId === null
      ? `Nothing was sent to thread ${this.threadId}: ${spent} Use another budget to go on.`
      : `Turn ${this.turnId} was interrupted: ${spent} Start a new turn with another budget to go on.`
  }
  readonly isRetryable = false
}

/**
 * A budget limits the cost, and a call of the model was made by a model whose price is not known: codex rerouted the
 * turn, or a subagent has a model of its own. The turn was interrupted.
 *
 * @see {@link BudgetExceeded}
 * @category turns
 * @since 0.1.0
 */
export class PriceUnknown
  extends TaggedError<PriceUnknown>("@effect-codex/client/CodexError/PriceUnknown")("PriceUnknown", {
    threadId: Schema.String,
    turnId: Schema.String,
    /** Null if the server did not report the model. */
    model: Schema.NullOr(Schema.String),
    /** What the turn did before it was interrupted. */
    result: PartialResult
  })
{
  override get message(): string {
    return `Turn ${this.turnId} was interrupted: its budget limits the cost, and \`Pricing\` has no price for ${
      this.model === null ? "the model that answered" : `the model ${this.model}, which answered`
    }. Add the price, then start a new turn.`
  }
  readonly isRetryable = false
}

/**
 * The errors of a turn that neither completed nor was interrupted by somebody.
 *
 * @category models
 * @since 0.1.0
 */
export type TurnEndError = TurnFailed | TurnStalled | TurnOutcomeUnknown | BudgetExceeded | PriceUnknown

/**
 * The thread is already running a turn. A thread runs one turn at a time.
 *
 * @see {@link TurnMismatch}
 * @category turns
 * @since 0.1.0
 */
export class ThreadBusy extends TaggedError<ThreadBusy>("@effect-codex/client/CodexError/ThreadBusy")("ThreadBusy", {
  threadId: Schema.String,
  /** The running turn; empty if it is unknown. */
  activeTurnId: Schema.String,
  /**
   * Whether the server delivered the input to the running turn anyway. It does so when this client did not know of
   * another client's turn.
   */
  delivered: Schema.Boolean
}) {
  override get message(): string {
    return `Thread ${this.threadId} is already running ${
      this.activeTurnId === "" ? "a turn" : `turn ${this.activeTurnId}`
    }${
      this.delivered ? ", which has received the input" : ""
    }. Wait for it, set \`whenBusy\` to "steer" or "queue", or use another thread.`
  }
  readonly isRetryable = false
}

/**
 * The server holds settings other than the requested ones, and the client could not change them.
 *
 * **Details**
 *
 * Nothing runs with the wrong settings: no handle was created, or the message was not sent. Only a review or a turn
 * of a goal may already have begun, when another client changed the thread immediately before; the client has then
 * stopped it.
 *
 * @category threads
 * @since 0.1.0
 */
export class SettingsNotApplied
  extends TaggedError<SettingsNotApplied>("@effect-codex/client/CodexError/SettingsNotApplied")(
    "SettingsNotApplied",
    {
      threadId: Schema.String,
      /**
       * Each setting: its option, the requested value, the actual value, and what to do. The values are for people to
       * read. For `config` and the instructions only the names appear, because the values may be secrets.
       */
      settings: Schema.Array(
        Schema.Struct({ setting: Schema.String, asked: Schema.String, holds: Schema.String, advice: Schema.String })
      )
    }
  )
{
  override get message(): string {
    const told = this.settings.map(({ asked, holds, setting }) => `${setting} (asked ${asked}, holds ${holds})`)
    const advice = [...new Set(this.settings.map(({ advice }) => advice))]
    return `Thread ${this.threadId} does not hold the requested settings: ${told.join("; ")}. ${advice.join(" ")}`
  }
  readonly isRetryable = false
}

/**
 * The turn completed, but its final answer does not match the requested schema. Ask again with `repair`, or loosen
 * the schema.
 *
 * @category turns
 * @since 0.1.0
 */
export class OutputInvalid
  extends TaggedError<OutputInvalid>("@effect-codex/client/CodexError/OutputInvalid")("OutputInvalid", {
    threadId: Schema.String,
    turnId: Schema.String,
    /** The answer, unchanged. Null if the turn ended without one. */
    text: Schema.NullOr(Schema.String),
    /** What does not match. */
    issue: Schema.String,
    /** What the turn did. */
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
 * A reader of a turn's events left more than `maxUnreadBytes` unread. Only that stream ends; the turn continues.
 *
 * @category turns
 * @since 0.1.0
 */
export class EventsOverflow
  extends TaggedError<EventsOverflow>("@effect-codex/client/CodexError/EventsOverflow")("EventsOverflow", {
    threadId: Schema.String,
    turnId: Schema.String,
    /** The bytes of events that the reader had left unread. */
    unreadBytes: Schema.Number
  })
{
  override get message(): string {
    return `A reader of turn ${this.turnId} left ${this.unreadBytes} bytes of events unread, more than ` +
      `\`maxUnreadBytes\`. Read faster, or raise the limit; the turn itself goes on.`
  }
  readonly isRetryable = false
}

/**
 * The model did not answer a question of `Thread.ask`. `reason` is one of those of {@link TurnFailed}, as far as the
 * server's text tells.
 *
 * **Details**
 *
 * codex does not repeat the request to the model by itself. Asking again changes nothing on the thread and costs one
 * more call of the model: retry while `isRetryable` is true.
 *
 * @see {@link TurnFailed}
 * @category threads
 * @since 0.1.0
 */
export class AskFailed extends TaggedError<AskFailed>("@effect-codex/client/CodexError/AskFailed")("AskFailed", {
  threadId: Schema.String,
  /** The server's text. */
  detail: Schema.String
}) {
  override get message(): string {
    return TurnFailure.askMessage(this.detail)
  }
  get reason(): TurnFailure.Reason {
    return TurnFailure.reasonOfAsk(this.detail)
  }
  /** True when the model, or the connection to it, failed in a way that may pass. */
  get isRetryable(): boolean {
    return TurnFailure.isTransient(this.reason)
  }
}

// =============================================================================
// Workspace
// =============================================================================

const fileAdvice = {
  notFound: "Check the path. The folder of a new file must exist.",
  permissionDenied: "The user that codex runs as may not do this.",
  alreadyExists: "Remove it first, or choose another path.",
  notFolder: "Name a folder. All parts of the path but the last must be folders.",
  notFile: "It is a folder or a device. List a folder, and copy it with `recursive: true`.",
  notEmpty: "Remove what is in the folder first, or pass `recursive: true`.",
  readOnly: "The file system is read-only.",
  noSpace: "Make space on the server's machine, then try again.",
  tooLarge: "Read a part of it with a command, such as `head -c`.",
  notText: "Read its bytes with `readFile`.",
  other: "The operating system of the server's machine refused it."
} as const

/**
 * The operating system of the server's machine refused what a program wanted to do with a file or a folder.
 *
 * | `reason` | |
 * | --- | --- |
 * | `notFound` | the path, or the folder of a new file, does not exist |
 * | `permissionDenied` | the user that codex runs as may not do it |
 * | `alreadyExists` | the path exists, and the call creates it |
 * | `notFolder` | a folder is needed, also as a part of the path |
 * | `notFile` | a file is needed, and the path is a folder or a device |
 * | `notEmpty` | the folder has entries, and `recursive` is not set |
 * | `readOnly` | the file system is read-only |
 * | `noSpace` | the disk or the quota is full |
 * | `tooLarge` | the server reads files of at most 512 MiB |
 * | `notText` | `readText` found bytes that are not UTF-8 |
 * | `other` | any other error of the operating system; see `osError` |
 *
 * **Example** (A file that need not exist)
 *
 * ```ts
 * import { Workspace } from "@effect-codex/client"
 * import { Effect, Option } from "effect"
 *
 * export const readIfThere = Effect.fn("readIfThere")(function*(path: string) {
 *   const workspace = yield* Workspace.Workspace
 *   return yield* workspace.readText(path).pipe(
 *     Effect.asSome,
 *     Effect.catchIf(
 *       (error) => error._tag === "FileError" && error.reason === "notFound",
 *       () => Effect.succeed(Option.none<string>())
 *     )
 *   )
 * })
 * ```
 *
 * @see {@link CommandError} for commands
 * @category workspace
 * @since 0.1.0
 */
export class FileError extends TaggedError<FileError>("@effect-codex/client/CodexError/FileError")("FileError", {
  reason: Schema.Literals([
    "notFound",
    "permissionDenied",
    "alreadyExists",
    "notFolder",
    "notFile",
    "notEmpty",
    "readOnly",
    "noSpace",
    "tooLarge",
    "notText",
    "other"
  ]),
  /** The method of the request, such as `fs/readFile`. */
  method: Schema.String,
  /** The path of the call; of a copy, the source. */
  path: Schema.String,
  /** Where a copy should go. Absent for other calls. */
  destination: Schema.optionalKey(Schema.String),
  /** The server's text. */
  detail: Schema.String,
  /** The number of the error in the server's operating system: `errno` on Unix. */
  osError: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    const paths = this.destination === undefined ? this.path : `${this.path} to ${this.destination}`
    return `${this.method} failed for ${paths}: ${sentence(this.detail)} ${fileAdvice[this.reason]}`
  }
  readonly isRetryable = false
}

const commandAdvice = {
  notFound: "Check that the program is on the PATH of the server, and that `cwd` exists.",
  permissionDenied: "Check that the file is a program, and that the user that codex runs as may run it.",
  notStarted: "The stderr of codex may say more.",
  ended: "Look at `exit` for how it ended.",
  stdinClosed: "Start it with `stdin: true`, and write before `closeStdin`.",
  noTerminal: "Start it with `terminal: true`.",
  unread: "Read faster, raise `maxUnreadBytes`, or limit the output with `maxOutputBytes`. The command itself goes on."
} as const

/**
 * A command could not be started, or a call on a running command does not fit its state. A command that exits with a
 * code other than 0 is no error.
 *
 * | `reason` | |
 * | --- | --- |
 * | `notFound` | the program, or the folder `cwd`, does not exist. In a sandbox a missing program exits with code 101 |
 * | `permissionDenied` | the file is not executable |
 * | `notStarted` | the operating system did not start it for another reason |
 * | `ended` | the command has ended: nothing can be written, and no terminal resized |
 * | `stdinClosed` | its stdin is closed, or was never open |
 * | `noTerminal` | it has no terminal to resize |
 * | `unread` | more than `maxUnreadBytes` of its output were unread; only that stream ends |
 *
 * @see {@link FileError} for files
 * @category workspace
 * @since 0.1.0
 */
export class CommandError
  extends TaggedError<CommandError>("@effect-codex/client/CodexError/CommandError")("CommandError", {
    reason: Schema.Literals([
      "notFound",
      "permissionDenied",
      "notStarted",
      "ended",
      "stdinClosed",
      "noTerminal",
      "unread"
    ]),
    /** The program, without its arguments, which may contain secrets. */
    program: Schema.String,
    /** What went wrong, as a sentence. */
    detail: Schema.String,
    /** The number of the error in the server's operating system: `errno` on Unix. */
    osError: Schema.optionalKey(Schema.Number)
  })
{
  override get message(): string {
    return `Command ${this.program} (${this.reason}): ${sentence(this.detail)} ${commandAdvice[this.reason]}`
  }
  readonly isRetryable = false
}

/**
 * The errors of a call on a file of the server's machine.
 *
 * @see {@link FileError}
 * @category models
 * @since 0.1.0
 */
export type FileCallError = CallError | FileError

/**
 * The errors of a command on the server's machine.
 *
 * @see {@link CommandError}
 * @category models
 * @since 0.1.0
 */
export type CommandCallError = CallError | CommandError

// =============================================================================
// Configuration
// =============================================================================

const configurationAdvice = {
  conflict: "Read the configuration again, and repeat the change with its version.",
  invalid: "Correct the key or the value. Nothing was written.",
  notFound: "Check the name. Nothing was written.",
  readOnly: "Only the user's `config.toml` in the `CODEX_HOME` of the server can be written.",
  other: "Nothing was written."
} as const

/**
 * The server refused a change of its configuration. It wrote nothing.
 *
 * | `reason` | |
 * | --- | --- |
 * | `conflict` | the file has another version than `expectedVersion` |
 * | `invalid` | codex could not use the file with the new value, or an administrator forbids the value |
 * | `notFound` | the provider, or what else is named, does not exist |
 * | `readOnly` | the file, or the key, cannot be written |
 * | `other` | a code of a newer codex; see `code` |
 *
 * @see {@link RpcError} for a `config.toml` that codex cannot read
 * @category configuration
 * @since 0.1.0
 */
export class ConfigurationError
  extends TaggedError<ConfigurationError>("@effect-codex/client/CodexError/ConfigurationError")("ConfigurationError", {
    reason: Schema.Literals(["conflict", "invalid", "notFound", "readOnly", "other"]),
    /** The method of the request, such as `config/batchWrite`. */
    method: Schema.String,
    /** The server's code, such as `configVersionConflict`. */
    code: Schema.String,
    /** The server's text. */
    detail: Schema.String
  })
{
  override get message(): string {
    return `The configuration was not changed (${this.reason}): ${
      sentence(ServerTexts.refusal(this.detail.trimEnd(), this.method))
    } ${configurationAdvice[this.reason]}`
  }
  readonly isRetryable = false
}

/**
 * The errors of a change of the configuration.
 *
 * @see {@link ConfigurationError}
 * @category models
 * @since 0.1.0
 */
export type ConfigurationCallError = CallError | ConfigurationError

// =============================================================================
// All
// =============================================================================

/**
 * Any error of this library.
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
 * @see {@link isCodexError}
 * @category models
 * @since 0.1.0
 */
export type CodexError =
  | CodexExecutableNotFound
  | AppServerStartError
  | AppServerConnectError
  | RequestError
  | LoginFailed
  | McpLoginFailed
  | TurnEndError
  | TurnInterrupted
  | ThreadBusy
  | SettingsNotApplied
  | OutputInvalid
  | EventsOverflow
  | AskFailed
  | FileError
  | CommandError
  | ConfigurationError

/**
 * Whether a value is an error of this library.
 *
 * @see {@link CodexError}
 * @category guards
 * @since 0.1.0
 */
export const isCodexError = (u: unknown): u is CodexError =>
  identifierOf(u)?.startsWith("@effect-codex/client/CodexError/") === true
