/**
 * The typed connection to an app-server: requests, notifications, the server's own requests, and the error that ended
 * the connection.
 *
 * @since 0.1.0
 */
import type { ClientNotifications, ClientRequests } from "@effect-codex/protocol/Methods"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type {
  AppServerStartError,
  CallError,
  CodexError,
  ConnectionError,
  DecodeError,
  InvalidArgument
} from "./CodexError.ts"
import * as CapturedServices from "./internal/capturedServices.ts"
import { implementation } from "./internal/load.ts"
import type { RequestErrorOf } from "./internal/protocol/answers.ts"
import type * as Sent from "./Sent.ts"
import type * as ServerInfo from "./ServerInfo.ts"
import type { ServerNotification } from "./ServerNotification.ts"
import type * as ServerRequests from "./ServerRequests.ts"
import { Transport } from "./Transport.ts"

// =============================================================================
// Service
// =============================================================================

/**
 * Options of a single request.
 *
 * @category options
 * @since 0.1.0
 */
export interface RequestOptions {
  /**
   * How long to wait for the reply once the request is sent. Default: {@link DefaultRequestTimeout}; no timeout for
   * methods that reply only when their work is done, such as `command/exec`.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * Called synchronously with the request's id right before the request is handed to the transport, so that you can
   * observe every notification that carries this id. It must not block or throw.
   */
  readonly onSent?: ((id: number) => void) | undefined
}

/**
 * Options of a single request that this client may not know.
 *
 * @see {@link AppServerRpc} whose `requestRaw` takes them
 *
 * @category options
 * @since 0.1.0
 */
export interface RawRequestOptions extends RequestOptions {
  /**
   * Returns the request that cancels this one, whose id it receives. The client sends it when the caller is interrupted
   * or `timeout` passes before the reply, and then waits up to 2 seconds for the reply. Default: the request that
   * {@link AppServerRpc}'s `request` sends for the method, if any.
   */
  readonly cancel?: ((id: number) => { readonly method: string; readonly params?: unknown } | undefined) | undefined
}

/**
 * Counts of the anomalies on a connection. None of them ends anything.
 *
 * @see {@link Diagnostic} for the single events
 * @category models
 * @since 0.1.0
 */
export interface Diagnostics {
  /** Lines that are not JSON, and JSON that is not a protocol message. */
  readonly garbage: number
  /** Messages of this client that the server could not read and dropped: see `FrameDropped` of {@link Diagnostic}. */
  readonly dropped: number
  /** Replies to requests that nobody waits for, or no longer. */
  readonly unmatchedReplies: number
  /** Notifications with an unknown method, counted once per reader that meets one. */
  readonly unknown: number
  /**
   * Notifications, replies and server requests that do not fit the protocol, wholly or in part. A notification counts
   * once per reader that meets it.
   */
  readonly undecodable: number
}

/**
 * An anomaly on the connection. `message` describes it in a sentence. None of them ends anything.
 *
 * - `GarbageLine`: the client skipped a line that is not a protocol message; `line` is its beginning.
 * - `FrameDropped`: the server could not read a message of this client and dropped it without a reply. `reason` comes
 *   from the server's log, which the client sees only for a process that it started. This is not expected: the client
 *   sends nothing that codex cannot read.
 * - `UnmatchedReply`: a reply to a request that nobody waits for, often because it came after the timeout.
 * - `UnknownNotification`, `UndecodableNotification`: a reader met a notification of a newer server, or one whose
 *   params do not fit the protocol.
 * - `UndecodableReply`: a part of a reply that the call does not need did not fit; the call succeeded with the rest.
 * - `UndecodableServerRequest`: some params of a server request did not fit. Its handler received the rest, or the
 *   client refused the request because its answer depends on them.
 * - `SlowReader`: a reader left more than 64 MiB unread.
 * - `ServerWarning`: the server found a problem in its configuration.
 * - `HandlerProblem`: a server request had an unknown method, its handler failed or took too long, or the server did
 *   not accept or did not read the answer.
 * - `ModelRetry`: codex cannot reach the model and retries. Reported once per turn.
 * - `ModelRerouted`: another model answers than the one requested. Reported once per turn; `turnId` is undefined if a
 *   thread was started with another model.
 * - `McpServerFailed`: an MCP server did not start, or ended during a call of one of its tools. Reported once per
 *   thread and environment, until the server is ready again.
 * - `Undecided`: a server request got the default answer because it has no handler. Reported once per method.
 * - `DescriptorsLow`: the server's process has 85 % or more of the file descriptors open that it may have; without any
 *   it fails every turn. Looked at when a thread was loaded, for a process that a layer of `CodexNode` has started on
 *   Linux. Reported once, and again after the number was below 75 %.
 * - `NotLoggedIn`: a thread was requested, nobody is logged in, and the model provider requires a login.
 * - `ConnectionLost`, `RestartFailed`, `ConnectionRestored`: the connection is being restored, see
 *   {@link layerSupervised}.
 * - `Other`: any other report.
 *
 * @see {@link Diagnostics} for the counts
 * @category models
 * @since 0.1.0
 */
export type Diagnostic =
  | { readonly _tag: "GarbageLine"; readonly message: string; readonly line: string }
  | { readonly _tag: "FrameDropped"; readonly message: string; readonly reason: string }
  | { readonly _tag: "UnmatchedReply"; readonly message: string; readonly id: string | number | undefined }
  | { readonly _tag: "UnknownNotification"; readonly message: string; readonly method: string }
  | {
    readonly _tag: "UndecodableNotification"
    readonly message: string
    readonly method: string
    readonly issue: string
  }
  | {
    readonly _tag: "UndecodableReply"
    readonly message: string
    readonly method: string
    readonly issue: string
  }
  | {
    readonly _tag: "UndecodableServerRequest"
    readonly message: string
    readonly method: string
    readonly issue: string
  }
  | { readonly _tag: "SlowReader"; readonly message: string; readonly unreadBytes: number }
  | {
    readonly _tag: "ServerWarning"
    readonly message: string
    readonly summary: string
    readonly details: string | undefined
  }
  | { readonly _tag: "HandlerProblem"; readonly message: string }
  | {
    readonly _tag: "ModelRetry"
    readonly message: string
    readonly threadId: string
    readonly turnId: string
    readonly reason: string
    readonly details: string | undefined
  }
  | {
    readonly _tag: "ModelRerouted"
    readonly message: string
    readonly threadId: string
    readonly turnId: string | undefined
    readonly from: string
    readonly to: string
    readonly reason: string
  }
  | {
    readonly _tag: "McpServerFailed"
    readonly message: string
    readonly threadId: string | undefined
    /** The environment that configures the server; undefined if the thread does, and before codex 0.171. */
    readonly environmentId: string | undefined
    readonly server: string
    readonly phase: "start" | "call"
    readonly reason: string
  }
  | { readonly _tag: "Undecided"; readonly message: string; readonly method: ServerRequests.Method }
  | {
    readonly _tag: "DescriptorsLow"
    readonly message: string
    readonly open: number
    readonly limit: number
  }
  | { readonly _tag: "NotLoggedIn"; readonly message: string }
  | { readonly _tag: "ConnectionLost"; readonly message: string; readonly cause: ConnectionError }
  | { readonly _tag: "RestartFailed"; readonly message: string; readonly cause: CodexError }
  | { readonly _tag: "ConnectionRestored"; readonly message: string; readonly restarts: number }
  | { readonly _tag: "Other"; readonly message: string }

/**
 * The connection to an app-server.
 *
 * **When to use**
 *
 * For methods of the protocol that `Codex` and `Auth` do not wrap, for all notifications, and for diagnostics.
 *
 * **Details**
 *
 * A test may replace the service with an object that has these members: `Codex` and `Auth` then read its
 * `notifications` and call its `request`. A wrapper that changes a member spreads the service: `{ ...rpc, request }`.
 *
 * **Example** (A method that has no call of its own)
 *
 * ```ts
 * import { AppServerRpc } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const loadedThreads = Effect.gen(function*() {
 *   const rpc = yield* AppServerRpc.AppServerRpc
 *   const { data } = yield* rpc.request("thread/loaded/list", {}, { timeout: "5 seconds" })
 *   return data
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class AppServerRpc extends Context.Service<AppServerRpc, {
  /** Server metadata from the latest handshake: version, home, platform. */
  readonly serverInfo: ServerInfo.ServerInfo
  /** How many times a lost connection was restored: see {@link layerSupervised}. */
  readonly restarts: number
  /**
   * Waits until the connection is open. While a lost connection is being restored it waits at most
   * {@link DefaultRequestTimeout}, and then fails with a `TransportError` whose reason is `unavailable`.
   */
  readonly connected: Effect.Effect<void, ConnectionError>
  /**
   * Sends a request and waits for its result. At most `maxInFlight` requests are outstanding; further ones wait.
   *
   * Params that do not fit the protocol fail with `InvalidArgument` and are not sent. So do params that codex could not
   * read and would drop without a reply: values nested more than 127 levels deep, and values that JSON lacks, such as
   * `NaN`. A lone surrogate (half of a character in a cut string) is sent as U+FFFD. A result that does not fit the
   * protocol fails with `DecodeError`.
   *
   * Interruption stops the wait. Where the protocol has a way to cancel the request's work, the client also cancels
   * it, and waits up to 2 seconds for that: it kills the command of `command/exec` and the process of
   * `process/spawn`; it cancels `fuzzyFileSearch` and its sessions, `fs/watch`, `mcpServer/event/stream/start`,
   * `thread/realtime/start`, `thread/sample`, `thread/search`, `userVerification/enroll` and `verify`, and
   * `account/gatewayOAuth/login`; it cancels `account/login/start` in the background, once the reply names the login.
   * A `timeout` that passes does the same. Other requests are not undone.
   *
   * While a lost connection is being restored, requests wait for it as long as they would for their reply
   * ({@link DefaultRequestTimeout} for those without a timeout), and then fail with a `TransportError` whose reason is
   * `unavailable`. Requests that were sent before the loss fail with its cause: nothing is sent twice.
   */
  readonly request: <M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    options?: RequestOptions
  ) => Effect.Effect<ClientRequests[M]["result"], RequestErrorOf<M>>
  /**
   * Sends a request that this client does not know, such as one of a newer codex. Prefer `request` for the methods it
   * knows. The client checks only that the params are JSON that codex can read (`InvalidArgument`), and returns the
   * result unchecked. Limits, interruption and errors are those of `request`.
   *
   * **Example** (A method of a newer codex whose notifications carry the request's id)
   *
   * ```ts
   * import { AppServerRpc } from "@effect-codex/client"
   * import { Effect } from "effect"
   *
   * export const search = Effect.fn(function*(searchTerm: string, onSent: (id: number) => void) {
   *   const rpc = yield* AppServerRpc.AppServerRpc
   *   return yield* rpc.requestRaw("thread/search/stream", { searchTerm }, {
   *     onSent,
   *     cancel: (requestId) => ({ method: "thread/search/stream/cancel", params: { requestId } })
   *   })
   * })
   * ```
   */
  readonly requestRaw: <M extends string>(
    method: M,
    params?: unknown,
    options?: RawRequestOptions
  ) => Effect.Effect<unknown, Exclude<RequestErrorOf<M>, DecodeError>>
  /** Sends a notification. Params that codex could not read fail with `InvalidArgument`. */
  readonly notify: <M extends keyof ClientNotifications>(
    method: M,
    params: ClientNotifications[M]
  ) => Effect.Effect<void, ConnectionError | InvalidArgument>
  /**
   * All notifications of the server from now on, of all threads. Each run of the stream has its own mailbox, and fails
   * with the cause of the connection's end after the last notification.
   */
  readonly notifications: Stream.Stream<ServerNotification, ConnectionError>
  /**
   * Answers server requests with these handlers until the scope closes. They take precedence over the handlers that the
   * client was built with; those of a thread or a turn take precedence over them.
   */
  readonly handle: (handlers: ServerRequests.Overrides) => Effect.Effect<void, never, Scope.Scope>
  /** The anomalies counted so far. */
  readonly diagnostics: Effect.Effect<Diagnostics>
  /**
   * Each anomaly as it happens, after the last 16 warnings about the server's configuration, which come right after the
   * handshake. Ends with the connection. Lossy by design: a reader that falls more than 256 behind loses the oldest. It
   * costs nothing while nobody reads it.
   */
  readonly diagnosticEvents: Stream.Stream<Diagnostic>
  /** Waits until the connection ends for good, and succeeds with the cause. A loss that is restored is not an end. */
  readonly ended: Effect.Effect<ConnectionError>
}>()("@effect-codex/client/AppServerRpc") {}

/**
 * What the server's process uses, and how much it has to do.
 *
 * @see {@link health}
 * @category models
 * @since 0.1.0
 */
export interface Health {
  /** The id of the server's process, on its machine. */
  readonly pid: number
  /** The memory that the process occupies, in bytes. None where the platform does not tell. */
  readonly residentMemory: Option.Option<number>
  /**
   * What codex counts, by its own names, such as `core.threads.live` and `app.requests.queued`. They differ between
   * versions of codex.
   */
  readonly gauges: { readonly [name: string]: number }
}

/**
 * Asks the server how it is: a check that it answers, with its memory and its load. Needs the experimental API.
 *
 * **Example** (A process that has grown too large)
 *
 * ```ts
 * import { AppServerRpc } from "@effect-codex/client"
 * import { Effect, Option } from "effect"
 *
 * export const isTooLarge = Effect.map(
 *   AppServerRpc.health,
 *   ({ residentMemory }) => Option.getOrElse(residentMemory, () => 0) > 2 ** 30
 * )
 * ```
 *
 * @category health
 * @since 0.1.0
 */
export const health: Effect.Effect<Health, CallError, AppServerRpc> = Effect.flatMap(
  AppServerRpc,
  (rpc) => rpc.request("server/diagnostics", {}, { timeout: "5 seconds" })
).pipe(
  Effect.map(({ gauges, process }): Health => ({
    pid: process.id,
    residentMemory: Option.fromNullishOr(process.residentMemoryBytes),
    gauges: Object.fromEntries(gauges.map(({ name, value }) => [name, value]))
  })),
  Effect.withSpan("AppServerRpc.health")
)

/**
 * How long a request waits for its reply, and for a lost connection to be restored. Default: 60 seconds.
 *
 * @see {@link RequestOptions} to set it for one request
 *
 * @category references
 * @since 0.1.0
 */
export const DefaultRequestTimeout: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "@effect-codex/client/AppServerRpc/DefaultRequestTimeout",
  { defaultValue: () => Duration.seconds(60) }
)

// =============================================================================
// Options
// =============================================================================

/**
 * The capabilities that the client declares in the handshake (`capabilities` of `initialize`), except
 * `experimentalApi`.
 *
 * - `optOutNotificationMethods`: the exact names of notifications that the server should not send. It saves traffic
 *   that nobody reads, such as `item/agentMessage/delta` if you do not use `turn.text`; whatever the client derives
 *   from these notifications stays empty. The client refuses names that it needs itself, such as `turn/completed` and
 *   `fs/changed`: the layer then fails with an `AppServerStartError` whose cause is an `InvalidArgument`.
 * - `requestAttestation`: the server sends `attestation/generate`, which then needs a handler. Default: false.
 * - All others are passed on unchanged.
 *
 * @category options
 * @since 0.1.0
 */
export interface Capabilities
  extends
    Omit<Sent.InitializeCapabilities, "experimentalApi" | "requestAttestation">,
    Partial<Pick<Sent.InitializeCapabilities, "requestAttestation">>
{}

/**
 * Options of a connection: what the client tells the server in the handshake, and its limits.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Identifies the client. The server puts the name first in its user agent. Default: `effect_codex` with this
   * package's version.
   */
  readonly clientInfo?:
    | { readonly name: string; readonly title?: string | undefined; readonly version: string }
    | undefined
  /** Whether to use the experimental part of the protocol. Default: true, as in the Python SDK. */
  readonly experimentalApi?: boolean | undefined
  /** Further capabilities that the client declares. Default: none. */
  readonly capabilities?: Capabilities | undefined
  /** How many requests may be outstanding. The server may drop some of several hundred at once. Default: 64. */
  readonly maxInFlight?: number | undefined
  /** How long the handshake may take. Default: 30 seconds. */
  readonly initializeTimeout?: Duration.Input | undefined
}

/**
 * When to restore a lost connection. The schedule's input is the cause of the loss, then the error of each failed
 * attempt. When the schedule ends, so does the client. A connection that lasted for a minute resets the schedule.
 *
 * @see {@link layerSupervised}
 * @category options
 * @since 0.1.0
 */
export type RestartSchedule = Schedule.Schedule<unknown, CodexError>

// =============================================================================
// Layers
// =============================================================================

/**
 * Performs the handshake and reads the connection until the scope closes.
 *
 * **Details**
 *
 * Fails with an `AppServerStartError` if the handshake fails or takes longer than `initializeTimeout`.
 *
 * @see {@link layer} for the same as a layer
 * @see {@link layerSupervised} for a connection that is restored when it is lost
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<AppServerRpc["Service"], AppServerStartError, Transport | Scope.Scope> =>
  Effect.gen(function*() {
    const transport = yield* Transport
    const { connection } = yield* implementation
    return yield* connection.make(Effect.succeed(transport), options, undefined)
  })

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<AppServerRpc, AppServerStartError, Transport> =>
  Layer.effect(AppServerRpc, make(options))

/**
 * {@link layer} with options from the `ConfigProvider`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<AppServerRpc, AppServerStartError | Config.ConfigError, Transport> =>
  Layer.effect(AppServerRpc, Effect.flatMap(Config.unwrap(options), make))

/**
 * A connection that is restored when it is lost.
 *
 * **When to use**
 *
 * For a program that must survive a crash of the server, or a broken WebSocket.
 *
 * **Details**
 *
 * The first connection is opened once, and its failure is the layer's. After a loss the old connection's scope
 * closes, and the transport's layer is built anew, as often and after such pauses as the schedule says. When the
 * schedule ends, every call fails with a `TransportError` whose reason is `restart`.
 *
 * - Requests made during the outage wait. Requests under way fail with the cause of the loss, and whether the server
 *   acted on them is unknown. Nothing is sent twice.
 * - A running turn waits for the next connection as long as the schedule continues. If the turn is still running
 *   there (the WebSocket broke, the server did not), the client follows it again. Otherwise it ends with the outcome
 *   that the server has stored, or with `TurnOutcomeUnknown`. It is never run again.
 * - A running goal fails with the cause of the loss; `Thread.resumeGoal` continues it.
 * - Each `Thread` is resumed before its next call, with the settings that the server does not store. A thread without a
 *   turn or a name is gone if the server's process ended.
 * - The handler of a server request keeps running. If its turn is still running, the server sends the request again
 *   and gets that handler's answer; otherwise the handler is interrupted.
 * - Streams of notifications continue, without the notifications sent during the outage. Logins under way fail with the
 *   cause.
 *
 * **Example** (A process that is restarted up to five times, after growing pauses)
 *
 * ```ts
 * import { AppServer, AppServerRpc, Transport } from "@effect-codex/client"
 * import { Layer, Schedule } from "effect"
 *
 * const stdio = Transport.layerStdio().pipe(Layer.provide(AppServer.layer({ executable: "codex" })))
 *
 * export const RpcLive = AppServerRpc.layerSupervised(stdio, {
 *   restart: Schedule.max([Schedule.exponential("200 millis"), Schedule.recurs(5)])
 * })
 * ```
 *
 * @see {@link layer} for a connection whose loss is its end
 * @category layers
 * @since 0.1.0
 */
export const layerSupervised = <E extends CodexError, R>(
  connection: Layer.Layer<Transport, E, R>,
  options: Options & { readonly restart: RestartSchedule }
): Layer.Layer<AppServerRpc, AppServerStartError | E, R> =>
  Layer.effect(
    AppServerRpc,
    Effect.gen(function*() {
      const services = yield* Effect.context<R>()
      // The transport belongs to the scope of its connection, not to the scope among the captured services.
      const connect = Effect.flatMap(Effect.scope, (scope) =>
        Layer.buildWithScope(Layer.fresh(connection), scope).pipe(
          Effect.map((built) => Context.get(built, Transport)),
          CapturedServices.provider(services)
        ))
      const loaded = yield* implementation
      return yield* loaded.connection.make(connect, options, options.restart)
    })
  )
