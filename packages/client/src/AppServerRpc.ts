/**
 * The typed connection to an app-server: requests, notifications, the server's own requests, and the one cause of the
 * connection's end.
 *
 * The frames are read by one plain loop that never waits: a reply resumes its request, a request of the server starts a
 * fiber, a notification is put into the mailboxes of those who asked for it, and each waiting mailbox is woken once for
 * each read, or for several that follow one another at once.
 *
 * @since 0.1.0
 */
import type { ClientNotifications, ClientRequests, ServerNotifications } from "@effect-codex/protocol/Methods"
import { clientRequests } from "@effect-codex/protocol/Methods"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { CodexError, ConnectionError, RequestError } from "./CodexError.ts"
import { AppServerStartError, DecodeError, InvalidArgument, RequestTimeout, TransportError } from "./CodexError.ts"
import * as CapturedServices from "./internal/capturedServices.ts"
import * as Deadlines from "./internal/deadlines.ts"
import { DeltaFrames } from "./internal/deltaFrames.ts"
import * as DiagnosticLog from "./internal/diagnosticLog.ts"
import { guardOf, issueOf } from "./internal/guard.ts"
import * as HandlerLookup from "./internal/handlerLookup.ts"
import { done, Mailbox, slowReader } from "./internal/mailbox.ts"
import * as McpStartup from "./internal/mcpStartup.ts"
import * as RequestTelemetry from "./internal/requestTelemetry.ts"
import * as RpcErrors from "./internal/rpcErrors.ts"
import * as ServerRequestFibers from "./internal/serverRequestFibers.ts"
import * as Supervisor from "./internal/supervisor.ts"
import { version } from "./internal/version.ts"
import * as Metrics from "./Metrics.ts"
import * as ServerInfo from "./ServerInfo.ts"
import type { Raw, ServerNotification } from "./ServerNotification.ts"
import * as ServerRequests from "./ServerRequests.ts"
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
  /** Called when the request leaves the queue and is handed to the transport. */
  readonly onSent?: (() => void) | undefined
}

/**
 * Gets the notifications of one thread, or those of none, called by the reader. It must not wait and must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThreadObserver {
  /** `bytes` is the size of the frame. */
  readonly onNotification: (notification: Raw, bytes: number) => void
  /** All frames of a read were handed over, or of several that followed one another at once. */
  readonly onReadEnd: () => void
  /** The connection ended for good; nothing follows. */
  readonly onEnd: (cause: ConnectionError) => void
  /**
   * The connection is lost and is made again: see {@link layerSupervised}. The server's process has most likely ended, and
   * with it all that it did.
   */
  readonly onLost?: ((cause: ConnectionError) => void) | undefined
  /** It was made again. The server tells nothing of a thread before that is resumed. */
  readonly onRestored?: (() => void) | undefined
  /** The handler of a request has ended, of a turn or of the subagents that work for it. */
  readonly onHandled?: ((turnId: string | undefined) => void) | undefined
  /** The handlers for the requests of a turn, or of the thread where a request names no turn. */
  readonly handlers?: ((turnId: string | undefined) => ServerRequests.Overrides | undefined) | undefined
  /** The span of the turn, below which those of its requests belong. */
  readonly span?: ((turnId: string | undefined) => Tracer.AnySpan | undefined) | undefined
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
  /** Replies to requests that nobody waits for (any more). */
  readonly unmatchedReplies: number
  /** Notifications of unknown methods, each time that a reader met one. */
  readonly unknown: number
  /** Notifications whose params do not fit the protocol, each time that a reader met one. */
  readonly undecodable: number
}

/**
 * Something odd that happened on the connection. `message` says it in a sentence. None of it ends anything.
 *
 * - `GarbageLine`: a line that is no message of the protocol was skipped; `line` is its beginning.
 * - `UnmatchedReply`: a reply to a request that nobody waits for (any more), often because it came after the timeout.
 * - `UnknownNotification`, `UndecodableNotification`: a reader met a notification of a newer server, or one whose params do
 *   not fit.
 * - `SlowReader`: more than 64 MiB are unread.
 * - `ServerWarning`: the server found something wrong with its configuration.
 * - `HandlerProblem`: a request of the server was unknown or malformed, or its handler failed or took too long.
 * - `ConnectionLost`, `RestartFailed`, `ConnectionRestored`: the connection is made again, see {@link layerSupervised}.
 * - `Other`: what else was reported.
 *
 * @category models
 * @since 0.1.0
 */
export type Diagnostic =
  | { readonly _tag: "GarbageLine"; readonly message: string; readonly line: string }
  | { readonly _tag: "UnmatchedReply"; readonly message: string; readonly id: string | number | undefined }
  | { readonly _tag: "UnknownNotification"; readonly message: string; readonly method: string }
  | {
    readonly _tag: "UndecodableNotification"
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
  | { readonly _tag: "ConnectionLost"; readonly message: string; readonly cause: ConnectionError }
  | { readonly _tag: "RestartFailed"; readonly message: string; readonly cause: CodexError }
  | { readonly _tag: "ConnectionRestored"; readonly message: string; readonly restarts: number }
  | { readonly _tag: "Other"; readonly message: string }

/**
 * The connection to an app-server.
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
   * Runs an effect each time that the connection was made again, before anything else is sent on it, until the scope
   * closes. For what a new process has to be told, such as a login that it does not store. It may take as long as a
   * request.
   */
  readonly afterRestart: (effect: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Sends a request and waits for its result. The params are checked before they are sent (`InvalidArgument`); a result
   * that does not fit the protocol is a `DecodeError`. At most `maxInFlight` requests are outstanding, others wait.
   * Interruption stops the waiting; it does not undo the request.
   *
   * While a lost connection is made again, requests wait for it, as long as they would for their answer (60 seconds for
   * those without a limit), and then fail with a `TransportError` whose reason is `unavailable`. What was sent before it
   * was lost fails with the cause: nothing is sent twice.
   */
  readonly request: <M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    options?: RequestOptions
  ) => Effect.Effect<ClientRequests[M]["result"], RequestError>
  /** Sends a notification. */
  readonly notify: <M extends keyof ClientNotifications>(
    method: M,
    params: ClientNotifications[M]
  ) => Effect.Effect<void, ConnectionError>
  /**
   * Everything the server tells from now on, of all threads. Each run of the stream has a mailbox of its own; it fails
   * with the connection's cause after the last notification.
   */
  readonly notifications: Stream.Stream<ServerNotification, ConnectionError>
  /**
   * Observes one thread until the scope closes, or with `undefined` what belongs to no thread. The base of `Thread`, `Turn`
   * and `Auth`; costs no fiber and no queue.
   */
  readonly observe: (threadId: string | undefined, observer: ThreadObserver) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Answers requests of the server with these handlers until the scope closes. They go before the handlers that the client
   * was built with and after those of a thread or a turn.
   */
  readonly handle: (handlers: ServerRequests.Overrides) => Effect.Effect<void, never, Scope.Scope>
  /** Looks at the params of a notification that an observer got. Never fails; counts what it does not understand. */
  readonly decode: (notification: Raw) => ServerNotification
  /** The requests of the server whose handlers run here, of a turn and of the subagents that work for it. */
  readonly openServerRequests: (threadId: string, turnId: string) => ReadonlyArray<ServerRequests.Method>
  /**
   * Ends the handlers of what was asked of a thread on a connection that was lost, and was not asked again on the next
   * one. For who has resumed the thread: what is asked again comes before the answer to a request that follows.
   */
  readonly settleServerRequests: (threadId: string) => void
  /** The MCP servers of a thread that the server has said to be starting, and nothing else of them since then. */
  readonly startingMcpServers: (threadId: string) => ReadonlyArray<string>
  /**
   * Reports something odd, as a diagnostic and a metric; a fiber of the connection logs it as a warning. Never waits.
   */
  readonly report: (text: string, unreadBytes?: number) => void
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

const defaultClientInfo = { name: "effect_codex", title: "effect-codex", version }

// Their answer comes when something is done that has no bound of its own. They take no place among the requests in
// flight, because the server admits them at once and they would keep it for as long as they last.
const waiting: ReadonlySet<string> = new Set<keyof ClientRequests>([
  "account/gatewayOAuth/login",
  "command/exec",
  "externalAgentConfig/import",
  "feedback/upload",
  "fuzzyFileSearch",
  "marketplace/add",
  "marketplace/upgrade",
  "mcpServer/tool/call",
  "plugin/install",
  "thread/guardianReview",
  "thread/sample",
  "userVerification/enroll",
  "userVerification/verify",
  "windowsSandbox/setupStart"
])

// =============================================================================
// Constructor
// =============================================================================

interface Reply {
  readonly result: unknown
  /** How long the server took. */
  readonly seconds: number
}

interface Pending {
  readonly method: string
  readonly sentAt: bigint
  readonly reply: Deferred.Deferred<Reply, RequestError>
  /** In milliseconds, as the time at which it has passed. */
  readonly timeout: number
  readonly expiresAt: number
}

/** The notifications that the connection itself follows. */
const followed: ReadonlySet<string> = new Set<keyof ServerNotifications>([
  "configWarning",
  "item/completed",
  "item/started",
  "mcpServer/startupStatus/updated",
  "serverRequest/resolved",
  "thread/closed",
  "turn/completed",
  "turn/started"
])

const closed = () => new TransportError({ reason: "closed", detail: "the layer's scope has ended." })

const threadIdOf = (params: unknown): string | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const { threadId } = params as { readonly threadId?: unknown }
  if (typeof threadId === "string") return threadId
  const { thread } = params as { readonly thread?: unknown }
  if (typeof thread !== "object" || thread === null) return undefined
  const { id } = thread as { readonly id?: unknown }
  return typeof id === "string" ? id : undefined
}

/** The observers of one thread. */
interface Observed {
  by: ReadonlyArray<ThreadObserver>
  /** Something came for them since their last read end. */
  isTouched: boolean
}

/** How many notifications for each reader are worth its waking while more is being read. */
const worthWaking = 16
/** How many notifications wait for that at most. */
const mostUnflushed = 2048

interface Connection {
  readonly transport: Transport["Service"]
  readonly lost: Deferred.Deferred<ConnectionError>
  readonly mcpStartup: McpStartup.McpStartup
}

/** The connection that is being made, for the requests that belong to the making. The others wait. */
const Establishing = Context.Reference<Connection | undefined>("@effect-codex/client/AppServerRpc/Establishing", {
  defaultValue: () => undefined
})

/** @param restart without it the connection is made once, and its loss is the end. */
const makeWith = Effect.fnUntraced(function*<E extends CodexError>(
  connect: Effect.Effect<Transport["Service"], E, Scope.Scope>,
  options: Options | undefined,
  restart: RestartSchedule | undefined
): Effect.fn.Return<AppServerRpc["Service"], AppServerStartError | E, Scope.Scope> {
  const handlerTimeout = yield* ServerRequests.HandlerTimeout
  const defaultTimeout = yield* DefaultRequestTimeout

  const pending = new Map<number, Pending>()
  const observers = new Map<string | undefined, Observed>()
  const subscribers = new Set<Mailbox<ConnectionError>>()
  /** Those for whom something came since their last read end. */
  const touched: Array<Observed> = []
  let unflushed = 0
  const afterRead: Array<() => void> = []
  const inFlight = Semaphore.makeUnsafe(options?.maxInFlight ?? 64)
  const ended = Deferred.makeUnsafe<ConnectionError>()
  let end: ConnectionError | undefined
  /** Completed when the connection is made. Undefined while there is one. */
  let establishing: Deferred.Deferred<void, ConnectionError> | undefined = Deferred.makeUnsafe()
  let lastLoss = ""
  let restarts = -1
  let lastId = 0
  const restartEffects = new Set<Effect.Effect<void>>()
  const context = yield* Effect.context<never>()
  const diagnostics = yield* DiagnosticLog.make

  const lookup = HandlerLookup.make(
    yield* ServerRequests.current,
    (threadId) => observers.has(threadId),
    (threadId, turnId) => observersOf(threadId).flatMap((observer) => observer.handlers?.(turnId) ?? []),
    (threadId, turnId) => observersOf(threadId).flatMap((observer) => observer.span?.(turnId) ?? [])[0]
  )
  const clock = yield* Clock.Clock
  const secondsSince = (nanos: bigint): number => Number(clock.currentTimeNanosUnsafe() - nanos) / 1e9
  const telemetry = RequestTelemetry.make(clock, context, handlerTimeout)
  const deadlines = yield* Deadlines.make(clock, (now) => {
    let nearest = Infinity
    for (const [id, { expiresAt, method, reply, timeout }] of pending) {
      if (expiresAt > now) {
        nearest = Math.min(nearest, expiresAt)
        continue
      }
      pending.delete(id)
      telemetry.answered(method, timeout / 1000, "RequestTimeout")
      Deferred.doneUnsafe(reply, Exit.fail(new RequestTimeout({ method, timeout })))
    }
    return nearest
  })
  let connection: Connection
  const serving = yield* ServerRequestFibers.make({
    handlerOf: (method, origin, params) => telemetry.handler(method, lookup.handlerOf(method, origin, params)),
    spanOf: lookup.spanOf,
    onRejected: telemetry.rejected,
    onHandled: (origin) => {
      for (const { threadId, turnId } of lookup.turnsOf(origin)) {
        for (const observer of observersOf(threadId)) observer.onHandled?.(turnId)
      }
    },
    timeout: handlerTimeout,
    send: (frame) => Effect.suspend(() => connection.transport.send(frame)),
    report: (message) => diagnostics.tell({ _tag: "HandlerProblem", message })
  })
  let serverInfo: ServerInfo.ServerInfo

  // ---------------------------------------------------------------------------
  // The reader
  // ---------------------------------------------------------------------------

  // Notifications come in runs of one method and one thread. The strings of the last one are used again, because looking
  // up a string that was just parsed costs more than comparing it.
  let lastMethod = ""
  let isLastFollowed = false
  let lastThreadId: string | undefined
  let lastObserved: Observed | undefined
  const deltaFrames = new DeltaFrames()

  const onNotification = (notification: Raw, bytes: number): void => {
    const { _tag: method, params } = notification
    if (method !== lastMethod) {
      lastMethod = method
      isLastFollowed = followed.has(method)
    }
    const threadId = threadIdOf(params)
    if (threadId !== lastThreadId) {
      lastThreadId = threadId
      lastObserved = observers.get(threadId)
    }
    if (subscribers.size > 0) { for (const subscriber of subscribers) subscriber.push(notification, bytes) }
    const observed = lastObserved
    if (observed !== undefined) {
      for (const observer of observed.by) observer.onNotification(notification, bytes)
      if (!observed.isTouched) {
        observed.isTouched = true
        touched.push(observed)
      }
    }
    if (!isLastFollowed) return
    if (threadId === undefined) {
      // It comes right after the handshake, before anybody can have asked for it.
      if (method === "configWarning") diagnostics.configWarning({ _tag: method, params }, subscribers.size > 0)
      return
    }
    if (method === "turn/completed") {
      const { turn } = params as { readonly turn?: { readonly id?: unknown } | null }
      const turnId = turn?.id
      if (typeof turnId !== "string") return
      lookup.turnEnded(turnId)
      afterRead.push(() => serving.turnEnded(threadId, turnId))
    } else if (method === "turn/started") {
      lookup.turnStarted(threadId, params)
    } else if (method === "item/started") {
      serving.itemStarted(threadId, params)
    } else if (method === "item/completed") {
      serving.itemCompleted(threadId, params)
    } else if (method === "serverRequest/resolved") {
      const { requestId } = params as { readonly requestId?: unknown }
      afterRead.push(() => serving.resolved(requestId))
    } else if (method === "mcpServer/startupStatus/updated") {
      connection.mcpStartup.updated(threadId, params)
    } else if (method === "thread/closed") {
      connection.mcpStartup.closed(threadId)
    }
  }

  const observersOf = (threadId: string | undefined): ReadonlyArray<ThreadObserver> => observers.get(threadId)?.by ?? []

  const setObservers = (threadId: string | undefined, by: ReadonlyArray<ThreadObserver>): void => {
    const known = observers.get(threadId)
    if (by.length === 0) observers.delete(threadId)
    else if (known !== undefined) known.by = by
    else observers.set(threadId, { by, isTouched: false })
    lastObserved = observers.get(lastThreadId)
  }

  const onReply = (id: unknown, message: { readonly result?: unknown; readonly error?: unknown }): void => {
    const request = typeof id === "number" ? pending.get(id) : undefined
    if (request === undefined) {
      diagnostics.unmatchedReply(id)
      return
    }
    pending.delete(id as number)
    const error = message.error !== undefined && message.error !== null
      ? RpcErrors.fromReply(request.method, message.error)
      : undefined
    const seconds = secondsSince(request.sentAt)
    if (error !== undefined) telemetry.answered(request.method, seconds, error._tag)
    const exit = error === undefined ? Exit.succeed({ result: message.result, seconds }) : Exit.fail(error)
    afterRead.push(() => Deferred.doneUnsafe(request.reply, exit))
  }

  const onFrame = (frame: string): void => {
    const delta = deltaFrames.read(frame)
    if (delta !== undefined) return onNotification(delta, frame.length)
    let message: unknown
    try {
      message = JSON.parse(frame)
    } catch {
      return diagnostics.garbage(frame)
    }
    if (typeof message !== "object" || message === null) return diagnostics.garbage(frame)
    const { id, method, params } = message as {
      readonly id?: unknown
      readonly method?: unknown
      readonly params?: unknown
    }
    if (typeof method === "string") {
      if (id === undefined || id === null) {
        deltaFrames.learn(frame, method, params)
        return onNotification({ _tag: method, params }, frame.length)
      }
      if (typeof id !== "string" && typeof id !== "number") return diagnostics.garbage(frame)
      afterRead.push(() => serving.start({ id, method, params }))
      return
    }
    if (id === undefined || id === null) return diagnostics.garbage(frame)
    onReply(id, message)
  }

  // Completing a deferred runs those who wait for it, and forking a handler runs it, on the spot. They are to see all that
  // has arrived, so they run when the whole read is handed over.
  const onFrames = (frames: ReadonlyArray<string>, more = false): void => {
    for (let i = 0; i < frames.length; i++) onFrame(frames[i]!)
    unflushed += frames.length
    // To wake a reader costs as much as some ten notifications, and with many turns each read brings each of them a few.
    const isWorthIt = unflushed >= worthWaking * touched.length || unflushed >= mostUnflushed
    if (more && afterRead.length === 0 && !isWorthIt) return
    endRead()
  }

  const endRead = (): void => {
    unflushed = 0
    if (afterRead.length > 0) { for (const run of afterRead.splice(0)) run() }
    for (const observed of touched.splice(0)) {
      observed.isTouched = false
      for (const observer of observed.by) observer.onReadEnd()
    }
    for (const subscriber of subscribers) subscriber.flush()
  }

  const failPending = (cause: ConnectionError): void => {
    for (const { method, reply, sentAt } of pending.values()) {
      telemetry.answered(method, secondsSince(sentAt), cause._tag)
      Deferred.doneUnsafe(reply, Exit.fail(cause))
    }
    pending.clear()
  }

  const finish = (cause: ConnectionError): void => {
    if (end !== undefined) return
    end = cause
    serving.ended()
    failPending(cause)
    for (const { by } of observers.values()) {
      for (const observer of by) observer.onEnd(cause)
    }
    for (const subscriber of subscribers) {
      subscriber.close(Exit.fail(cause))
      subscriber.flush()
    }
    diagnostics.end()
    if (establishing !== undefined) Deferred.doneUnsafe(establishing, Exit.fail(cause))
    Deferred.doneUnsafe(ended, Exit.succeed(cause))
  }

  const onLost = (cause: ConnectionError): void => {
    lastLoss = cause._tag === "AppServerExited" ? `codex app-server ${cause.howItEnded}.` : cause.message
    // First, because those whose requests fail ask again on the spot.
    if (establishing === undefined) {
      establishing = Deferred.makeUnsafe()
      diagnostics.tell({ _tag: "ConnectionLost", message: `${lastLoss} The connection is made again.`, cause })
      for (const { by } of observers.values()) {
        for (const observer of by) observer.onLost?.(cause)
      }
      serving.lost((threadId) => observersOf(threadId).some(({ onRestored }) => onRestored !== undefined))
    }
    failPending(cause)
  }

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  const isConnected = (): boolean => end === undefined && establishing === undefined

  const established: Effect.Effect<void, ConnectionError> = Effect.flatMap(Establishing, (own) => {
    if (end !== undefined) return Effect.fail(end)
    if (establishing === undefined || own === connection) return Effect.void
    // It can be lost again before this goes on.
    return Effect.andThen(Deferred.await(establishing), established)
  })

  const connected = (limit: Duration.Input): Effect.Effect<void, ConnectionError> =>
    Effect.suspend(() => isConnected() ? Effect.void : awaitConnection(limit))

  const awaitConnection = (limit: Duration.Input): Effect.Effect<void, ConnectionError> =>
    established.pipe(
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => {
          const waited = Duration.format(Duration.fromInputUnsafe(limit))
          const detail = `it was not made again within ${waited}. It was lost: ${lastLoss}`
          return new TransportError({ reason: "unavailable", detail })
        }
      })
    )

  const exchange = (
    method: string,
    params: unknown,
    timeout: Duration.Input,
    onSent: (() => void) | undefined
  ): Effect.Effect<Reply, RequestError> =>
    Effect.flatMap(
      connected(Duration.isFinite(Duration.fromInputUnsafe(timeout)) ? timeout : defaultTimeout),
      () =>
        Effect.withFiber((fiber) => {
          const id = ++lastId
          const reply = Deferred.makeUnsafe<Reply, RequestError>()
          const millis = Duration.toMillis(timeout)
          const expiresAt = clock.currentTimeMillisUnsafe() + millis
          pending.set(id, { method, reply, sentAt: clock.currentTimeNanosUnsafe(), timeout: millis, expiresAt })
          const span = Context.getOption(fiber.context, Tracer.ParentSpan)
          const trace = Option.isNone(span) ? undefined : RequestTelemetry.traceOf(span.value)
          onSent?.()
          deadlines.add(expiresAt)
          // Next to the waiting for its reply, because a connection that takes nothing must not outlast the deadline.
          const frame = JSON.stringify({ id, method, params, trace })
          return Effect.flatMap(
            Effect.forkChild(connection.transport.send(frame), { startImmediately: true }),
            (sending) =>
              Effect.onExitPrimitive(Deferred.await(reply), () => {
                pending.delete(id)
                return sending.pollUnsafe() === undefined ? Fiber.interrupt(sending) : undefined
              })
          )
        })
    )

  const requestWith: AppServerRpc["Service"]["request"] = (method, params, requestOptions) => {
    const entry = Object.hasOwn(clientRequests, method) ? clientRequests[method] : undefined
    if (entry === undefined) {
      return Effect.fail(new InvalidArgument({ argument: "method", detail: `the protocol has no request ${method}.` }))
    }
    if (!guardOf(entry.params)(params)) {
      const issue = issueOf(entry.params, params)
      return Effect.fail(new InvalidArgument({ argument: `params of ${method}`, detail: issue }))
    }
    const unlimited = waiting.has(method)
    const timeout = requestOptions?.timeout ?? (unlimited ? Duration.infinity : defaultTimeout)
    const exchanged = telemetry.request(
      method,
      Effect.flatMap(exchange(method, params, timeout, requestOptions?.onSent), ({ result, seconds }) => {
        const fits = guardOf(entry.result)(result)
        telemetry.answered(method, seconds, fits ? "ok" : "DecodeError")
        return fits
          ? Effect.succeed(result)
          : Effect.fail(new DecodeError({ method, issue: issueOf(entry.result, result), raw: result }))
      })
    )
    // An interrupt must get through when everything else is stuck, and what makes the connection when everything waits for it.
    if (unlimited || method === "turn/interrupt") return exchanged
    if (isConnected()) return inFlight.withPermit(exchanged)
    return Effect.flatMap(Establishing, (own) => own === connection ? exchanged : inFlight.withPermit(exchanged))
  }

  const request: AppServerRpc["Service"]["request"] = (method, params, requestOptions) =>
    Effect.suspend(() => requestWith(method, params, requestOptions))

  const notify: AppServerRpc["Service"]["notify"] = (method, params) =>
    Effect.andThen(
      connected(defaultTimeout),
      Effect.suspend(() => connection.transport.send(JSON.stringify({ method, params })))
    )

  // ---------------------------------------------------------------------------
  // Connections
  // ---------------------------------------------------------------------------

  const clientInfo = { ...defaultClientInfo, ...options?.clientInfo }
  const handshake = request("initialize", {
    clientInfo: { ...clientInfo, title: clientInfo.title ?? null },
    capabilities: { experimentalApi: options?.experimentalApi ?? true, requestAttestation: false }
  }, { timeout: options?.initializeTimeout ?? Duration.seconds(30) }).pipe(
    Effect.tap(notify("initialized", undefined))
  )

  const afterRestart = (effect: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.map(Effect.exit(Effect.timeoutOption(effect, defaultTimeout)), (exit) => {
      if (Exit.isSuccess(exit) && Option.isSome(exit.value)) return
      const problem = Exit.isSuccess(exit) ? "took too long" : "died"
      diagnostics.report(`what has to be done when codex app-server was started again ${problem}`)
    })

  const open = Effect.gen(function*() {
    const transport = yield* connect
    const lost = Deferred.makeUnsafe<ConnectionError>()
    const opened: Connection = connection = { transport, lost, mcpStartup: McpStartup.make() }
    yield* transport.receive(onFrames).pipe(
      Effect.tapError(() => Effect.sync(endRead)),
      // No frame is known that does it. If there is one, everybody is to know that nothing is read any more.
      Effect.catchDefect((defect) =>
        Effect.fail(
          new TransportError({ reason: "read", detail: `the reader failed, which is a bug: ${String(defect)}.` })
        )
      ),
      Effect.catch((cause) =>
        Effect.sync(() => {
          if (restart === undefined) finish(cause)
          else onLost(cause)
          Deferred.doneUnsafe(lost, Exit.succeed(cause))
        })
      ),
      Effect.forkScoped
    )
    // The scope may end in the handshake, and nothing else would then end that.
    yield* Effect.addFinalizer(() => Effect.sync(() => failPending(closed())))
    const establish = Effect.gen(function*() {
      const response = yield* handshake
      // All but the first.
      if (restarts >= 0) yield* Effect.forEach(restartEffects, afterRestart, { discard: true })
      return ServerInfo.fromInitialize(response, clientInfo.name)
    })
    serverInfo = yield* establish.pipe(
      Effect.provideService(Establishing, opened),
      Effect.catch((cause) =>
        Effect.flatMap(transport.log, (stderr) =>
          new AppServerStartError({
            phase: "initialize",
            executable: transport.description,
            // The error that is raised here tells what stderr said.
            detail: cause._tag === "AppServerExited" ? `the process ${cause.howItEnded}.` : cause.message,
            stderr,
            cause
          }))
      )
    )
    const warning = ServerInfo.warningOf(serverInfo)
    if (warning !== undefined) yield* Effect.logWarning(warning)
    return Deferred.await(lost)
  })

  const onOpened = Effect.sync(() => {
    restarts++
    if (restarts > 0) {
      Metrics.restarts.updateUnsafe(1, context)
      diagnostics.tell({
        _tag: "ConnectionRestored",
        message: `codex app-server is connected again: ${serverInfo.userAgent}`,
        restarts
      })
      for (const { by } of observers.values()) {
        for (const observer of by) observer.onRestored?.()
      }
    }
    const made = establishing
    establishing = undefined
    if (made !== undefined) Deferred.doneUnsafe(made, Exit.void)
  })

  if (restart === undefined) {
    yield* Effect.andThen(open, onOpened)
  } else {
    yield* Supervisor.start({
      schedule: restart,
      open,
      onOpened,
      onLost,
      onFailure: (cause) => diagnostics.tell({ _tag: "RestartFailed", message: cause.message, cause }),
      onGivenUp: (detail, cause) => finish(new TransportError({ reason: "restart", detail, cause }))
    })
  }
  const endReads = Effect.sync(() => {
    if (end === undefined) endRead()
  })
  yield* Effect.addFinalizer(() => Effect.ensuring(endReads, Effect.sync(() => finish(closed()))))

  return AppServerRpc.of({
    get serverInfo() {
      return serverInfo
    },
    get restarts() {
      return restarts
    },
    connected: connected(defaultTimeout),
    afterRestart: (effect) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => restartEffects.add(effect)),
        () => Effect.sync(() => restartEffects.delete(effect))
      )),
    request,
    notify,
    decode: diagnostics.decode,
    report: diagnostics.report,
    openServerRequests: (threadId, turnId) => serving.open((origin) => lookup.isFor(origin, threadId, turnId)),
    settleServerRequests: serving.settled,
    startingMcpServers: (threadId) => connection.mcpStartup.starting(threadId),
    ended: Deferred.await(ended),
    diagnostics: diagnostics.counts,
    diagnosticEvents: diagnostics.events,
    notifications: Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const mailbox = new Mailbox<ConnectionError>({ highWater: slowReader(diagnostics, "notifications") })
          if (end !== undefined) mailbox.close(Exit.fail(end))
          else subscribers.add(mailbox)
          return mailbox
        }),
        (mailbox) =>
          Effect.sync(() => {
            subscribers.delete(mailbox)
            mailbox.close(done)
          })
      ),
      (mailbox) => mailbox.streamOf(diagnostics.decode)
    )),
    observe: (threadId, observer) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          if (end !== undefined) return observer.onEnd(end)
          setObservers(threadId, [...observersOf(threadId), observer])
        }),
        () =>
          Effect.sync(() => {
            setObservers(threadId, observersOf(threadId).filter((other) => other !== observer))
          })
      ),
    handle: (overrides) =>
      Effect.acquireRelease(
        Effect.sync(() => lookup.install(overrides)),
        () => Effect.sync(() => lookup.remove(overrides))
      )
  })
})

/**
 * Makes the handshake and reads the connection until the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<AppServerRpc["Service"], AppServerStartError, Transport | Scope.Scope> =>
  Effect.flatMap(Transport, (transport) => makeWith(Effect.succeed(transport), options, undefined))

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
      return yield* makeWith(connect, options, options.restart)
    })
  )
