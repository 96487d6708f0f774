/**
 * The typed connection to an app-server: requests, notifications, the server's own requests, and the one cause of the
 * connection's end.
 *
 * @since 0.1.0
 */
import type { ClientNotifications, ClientRequests } from "@effect-codex/protocol/Methods"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { AppServerStartError, CodexError, ConnectionError, DecodeError, InvalidArgument } from "./CodexError.ts"
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
 * How a single request is made.
 *
 * @category options
 * @since 0.1.0
 */
export interface RequestOptions {
  /**
   * How long to wait for the answer once the request is sent. Default: {@link DefaultRequestTimeout}, and none for the
   * methods whose answer comes when some work is done (such as `command/exec`).
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * Called with the request's id when it leaves the queue, right before it is handed to the transport: so nothing is missed
   * that the server tells by that id. It must not wait and must not throw.
   */
  readonly onSent?: ((id: number) => void) | undefined
}

/**
 * How a single request is made that this client may not know.
 *
 * @category options
 * @since 0.1.0
 */
export interface RawRequestOptions extends RequestOptions {
  /**
   * The request that ends the work of this one, which has this id. It is sent when the caller is interrupted, or its
   * `timeout` has passed, before the answer has come; the end is then waited for up to 2 seconds. Default: what
   * {@link AppServerRpc}'s `request` sends for the method, or nothing.
   */
  readonly cancel?: ((id: number) => { readonly method: string; readonly params?: unknown } | undefined) | undefined
}

/**
 * What the reader counted. None of it ends anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface Diagnostics {
  /** Lines that are not JSON, and JSON that is no message. */
  readonly garbage: number
  /** Messages of this client that the server could not read and dropped. It tells so in its log alone: see `FrameDropped`. */
  readonly dropped: number
  /** Replies to requests that nobody waits for (any more). */
  readonly unmatchedReplies: number
  /** Notifications of unknown methods, each time that a reader met one. */
  readonly unknown: number
  /**
   * Notifications whose params do not fit the protocol, wholly or in part, each time that a reader met one; replies; and
   * requests of the server.
   */
  readonly undecodable: number
}

/**
 * Something odd that happened on the connection. `message` says it in a sentence. None of it ends anything.
 *
 * - `GarbageLine`: a line that is no message of the protocol was skipped; `line` is its beginning.
 * - `FrameDropped`: the server dropped a message of this client, which it could not read, and answers it in no other way.
 *   `reason` is what it said in its log, which only a process of our own shows. It is not expected: this client sends
 *   nothing that codex cannot read.
 * - `UnmatchedReply`: a reply to a request that nobody waits for (any more), often because it came after the timeout.
 * - `UnknownNotification`, `UndecodableNotification`: a reader met a notification of a newer server, or one whose params do
 *   not fit.
 * - `UndecodableReply`: a part of a reply does not fit, or what the call does not use; the call has succeeded with the rest.
 * - `UndecodableServerRequest`: params of a request of the server do not fit. Its handler got the others, or it was refused
 *   because an answer depends on what does not fit.
 * - `SlowReader`: more than 64 MiB are unread.
 * - `ServerWarning`: the server found something wrong with its configuration.
 * - `HandlerProblem`: a request of the server was unknown, its handler failed or took too long, or the server
 *   did not accept or did not read the answer.
 * - `ModelRetry`: codex does not reach the model and tries again, told once for each turn.
 * - `ModelRerouted`: another model than the one that was asked for answers, told once for each turn; of a thread that was
 *   started with another model `turnId` is undefined.
 * - `McpServerFailed`: an MCP server did not start, or ended in a call of one of its tools, told once for each thread and environment.
 * - `Undecided`: a request of the server got the default answer because no handler was given, told once for each method.
 * - `NotLoggedIn`: a thread was asked for, nobody is logged in, and the model provider needs it.
 * - `ConnectionLost`, `RestartFailed`, `ConnectionRestored`: the connection is made again, see {@link layerSupervised}.
 * - `Other`: what else was reported.
 *
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
    /** The environment whose configuration has the server; undefined for one of the whole thread, and before codex 0.171. */
    readonly environmentId: string | undefined
    readonly server: string
    readonly phase: "start" | "call"
    readonly reason: string
  }
  | { readonly _tag: "Undecided"; readonly message: string; readonly method: ServerRequests.Method }
  | { readonly _tag: "NotLoggedIn"; readonly message: string }
  | { readonly _tag: "ConnectionLost"; readonly message: string; readonly cause: ConnectionError }
  | { readonly _tag: "RestartFailed"; readonly message: string; readonly cause: CodexError }
  | { readonly _tag: "ConnectionRestored"; readonly message: string; readonly restarts: number }
  | { readonly _tag: "Other"; readonly message: string }

/**
 * The connection to an app-server.
 *
 * A test may put an object with these members in its place: `Codex` and `Auth` then read what `notifications` tells and make
 * their requests with `request`. A wrapper that changes a member spreads the service: `{ ...rpc, request }`.
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
  /** What the server said of itself in the handshake, the last one if the connection was made again. */
  readonly serverInfo: ServerInfo.ServerInfo
  /** How many times the connection was made again: see {@link layerSupervised}. */
  readonly restarts: number
  /** Waits while a lost connection is made again, for as long as a request does. */
  readonly connected: Effect.Effect<void, ConnectionError>
  /**
   * Sends a request and waits for its result. The params are checked before they are sent (`InvalidArgument`); a result
   * that does not fit the protocol is a `DecodeError`. So are those that codex could not read, which it would drop without
   * an answer: what is nested more than 127 levels deep, and what JSON does not have, such as `NaN`. Half of a character in
   * a text that was cut (a lone surrogate) is sent as U+FFFD. At most `maxInFlight` requests are outstanding, others wait.
   *
   * Interruption stops the waiting. What the request has begun is ended too where the protocol has a way, which is waited
   * for up to 2 seconds: the command of `command/exec` and the process of `process/spawn` are killed; `fuzzyFileSearch` and
   * its sessions, `fs/watch`, `mcpServer/event/stream/start`, `thread/realtime/start`, `thread/sample`, `thread/search`,
   * `userVerification/enroll` and `verify`, and `account/gatewayOAuth/login` are cancelled; so is `account/login/start`, in
   * the background, once its reply names the login. The same goes for a request whose `timeout` has passed. Others are not
   * undone.
   *
   * While a lost connection is made again, requests wait for it, as long as they would for their answer (60 seconds for
   * those without a limit), and then fail with a `TransportError` whose reason is `unavailable`. What was sent before it
   * was lost fails with the cause: nothing is sent twice.
   */
  readonly request: <M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    options?: RequestOptions
  ) => Effect.Effect<ClientRequests[M]["result"], RequestErrorOf<M>>
  /**
   * Sends a request that this client need not know, such as one of a newer codex. Neither the method nor the params nor the
   * result are checked, but that what is sent is JSON that codex can read (`InvalidArgument`). Limits, interruption and
   * errors are those of `request`, which is to be preferred where it knows the method.
   *
   * **Example** (A method of a newer codex that tells its results by the id of the request)
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
  /** Sends a notification. */
  readonly notify: <M extends keyof ClientNotifications>(
    method: M,
    params: ClientNotifications[M]
  ) => Effect.Effect<void, ConnectionError | InvalidArgument>
  /**
   * Everything the server tells from now on, of all threads. Each run of the stream has a mailbox of its own; it fails
   * with the connection's cause after the last notification.
   */
  readonly notifications: Stream.Stream<ServerNotification, ConnectionError>
  /**
   * Answers requests of the server with these handlers until the scope closes. They go before the handlers that the client
   * was built with and after those of a thread or a turn.
   */
  readonly handle: (handlers: ServerRequests.Overrides) => Effect.Effect<void, never, Scope.Scope>
  /** What was counted so far. */
  readonly diagnostics: Effect.Effect<Diagnostics>
  /**
   * Each odd thing as it happens, first the last 16 warnings of the server, which come right after the handshake. Ends
   * with the connection. Lossy by design: a reader that falls more than 256 behind loses the oldest. Costs nothing
   * while nobody reads it.
   */
  readonly diagnosticEvents: Stream.Stream<Diagnostic>
  /** Waits for the end of the connection, of the last one if it is made again, and succeeds with its cause. */
  readonly ended: Effect.Effect<ConnectionError>
}>()("@effect-codex/client/AppServerRpc") {}

/**
 * How long a request waits for its answer. Default: 60 seconds.
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
 * What a client can say of itself in the handshake (`capabilities` of `initialize`), beside `experimentalApi`.
 *
 * - `optOutNotificationMethods`: notifications that the server is not to send, by their exact names. It saves what nobody
 *   reads, such as `item/agentMessage/delta` where `turn.text` is not used: what is made of those notifications stays empty.
 *   Those that this client needs itself, such as `turn/completed`, are refused: the layer then fails with an
 *   `AppServerStartError` whose cause is an `InvalidArgument`.
 * - `requestAttestation`: the server asks `attestation/generate`, which then needs a handler. Default: false.
 * - The others are passed on as they are.
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
 * What the connection tells the server of itself, and what it accepts from it.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Who this client is. The server puts the name first in its user agent. Default: `effect_codex`, this package's version. */
  readonly clientInfo?:
    | { readonly name: string; readonly title?: string | undefined; readonly version: string }
    | undefined
  /** Whether the experimental part of the protocol is used. Default: true, as in the Python SDK. */
  readonly experimentalApi?: boolean | undefined
  /** What else the client says of itself in the handshake. Default: nothing. */
  readonly capabilities?: Capabilities | undefined
  /** How many requests may be outstanding. More than about 100 at once can make the server drop some. Default: 64. */
  readonly maxInFlight?: number | undefined
  /** How long the handshake may take. Default: 30 seconds. */
  readonly initializeTimeout?: Duration.Input | undefined
}

/**
 * When a lost connection is made again. Its input is the cause of the loss, then the error of each attempt that fails. When
 * it ends, so does the client. A connection that was held for a minute begins the schedule anew.
 *
 * @category options
 * @since 0.1.0
 */
export type RestartSchedule = Schedule.Schedule<unknown, CodexError>

// =============================================================================
// Layers
// =============================================================================

/**
 * Makes the handshake and reads the connection until the scope closes.
 *
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
 * {@link layer} with options that are read from the `ConfigProvider`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<AppServerRpc, AppServerStartError | Config.ConfigError, Transport> =>
  Layer.effect(AppServerRpc, Effect.flatMap(Config.unwrap(options), make))

/**
 * A connection that is made again when it is lost.
 *
 * **Details**
 *
 * The layer of the transport is built once more, after what was left of the old connection has ended, as often and after
 * such pauses as the schedule says; the first connection is made once, and its failure is the layer's. When the schedule
 * ends, every call fails with one `TransportError` whose reason is `restart`.
 *
 * - Requests that are made meanwhile wait. Those that were under way fail with the cause of the loss: whether the server
 *   did what was asked is unknown. Nothing is sent twice.
 * - A turn that was running waits for the next connection, as long as the schedule goes on, and is then settled: if it goes on (a WebSocket was lost, and the server was not) it is followed again;
 *   else it ends as the server has stored it, or with `TurnOutcomeUnknown`. It is not run again. The end of a goal is the
 *   cause of the loss; `Thread.resumeGoal` goes on with it.
 * - Each `Thread` is resumed before its next call, with the settings that the server does not store. A thread that had
 *   no turn yet is gone.
 * - What the server asks of us waits for its turn. If that goes on and is resumed, the server asks again, and gets the
 *   answer of the handler that was asked first, which goes on meanwhile; else the handler is interrupted.
 * - Streams of notifications go on; what was told meanwhile is not in them. Logins that are under way end with the cause.
 *
 * **Example** (A process that is started again five times, after pauses that grow)
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
      // The scope is that of each connection, and not the one among the services.
      const connect = Effect.flatMap(Effect.scope, (scope) =>
        Layer.buildWithScope(Layer.fresh(connection), scope).pipe(
          Effect.map((built) => Context.get(built, Transport)),
          CapturedServices.provider(services)
        ))
      const loaded = yield* implementation
      return yield* loaded.connection.make(connect, options, options.restart)
    })
  )
