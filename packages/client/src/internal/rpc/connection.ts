/**
 * The connection behind `AppServerRpc`.
 *
 * The frames are read by one plain loop that never waits: a reply resumes its request, a request of the server starts a
 * fiber, a notification is put into the mailboxes of those who asked for it, and each waiting mailbox is woken once for
 * each read, or for several that follow one another at once.
 */
import type { ClientRequests, ServerNotifications } from "@effect-codex/protocol/Methods"
import { clientRequests } from "@effect-codex/protocol/Methods"
import * as Received from "@effect-codex/protocol/Received"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Options, RawRequestOptions, RequestOptions, RestartSchedule } from "../../AppServerRpc.ts"
import { AppServerRpc, DefaultRequestTimeout } from "../../AppServerRpc.ts"
import type { CodexError, ConnectionError, RequestError } from "../../CodexError.ts"
import {
  AppServerStartError,
  AppServerTimeout,
  DecodeError,
  InvalidArgument,
  TransportError
} from "../../CodexError.ts"
import * as Metrics from "../../Metrics.ts"
import * as ServerInfo from "../../ServerInfo.ts"
import type { Raw } from "../../ServerNotification.ts"
import * as ServerRequests from "../../ServerRequests.ts"
import type { Transport } from "../../Transport.ts"
import { done, Mailbox, slowReader } from "../events/mailbox.ts"
import * as Launch from "../launch.ts"
import * as OptionKinds from "../options.ts"
import type { RequestErrorOf } from "../protocol/answers.ts"
import * as Cancellation from "../protocol/cancellation.ts"
import { DeltaFrames } from "../protocol/deltaFrames.ts"
import { fitted, guardOf, issueOf, parts } from "../protocol/guard.ts"
import { threadIdOf } from "../protocol/peek.ts"
import * as RpcErrors from "../protocol/rpcErrors.ts"
import { undecodableReply, usingWith } from "../protocol/uses.ts"
import type { ThreadObserver } from "../rpcInternals.ts"
import { withInternals } from "../rpcInternals.ts"
import * as HandlerLookup from "../serverRequests/handlerLookup.ts"
import * as ServerRequestFibers from "../serverRequests/serverRequestFibers.ts"
import * as ToldSettings from "../settings/toldSettings.ts"
import { redactTurnError } from "../text/keys.ts"
import * as Frame from "../wire/frame.ts"
import * as Capabilities from "./capabilities.ts"
import * as Deadlines from "./deadlines.ts"
import * as DiagnosticLog from "./diagnosticLog.ts"
import * as McpStartup from "./mcpStartup.ts"
import * as Notices from "./notices.ts"
import * as RequestTelemetry from "./requestTelemetry.ts"
import * as ServerVersion from "./serverVersion.ts"
import * as Supervisor from "./supervisor.ts"
import * as ThreadTotals from "./threadTotals.ts"

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
  "thread/search",
  "thread/search/stream",
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
  /** Monotonic, in nanoseconds. */
  readonly sentAt: bigint
  readonly reply: Deferred.Deferred<Reply, Exclude<RequestError, DecodeError>>
  /** In milliseconds, as the monotonic time at which it has passed. */
  readonly timeout: number
  readonly expiresAt: number
}

/** The notifications that the connection itself follows. */
const followed: ReadonlySet<string> = new Set<keyof ServerNotifications>([
  "configWarning",
  "error",
  "item/completed",
  "item/started",
  "mcpServer/startupStatus/updated",
  "model/rerouted",
  "serverRequest/resolved",
  "thread/closed",
  "thread/settings/updated",
  "thread/started",
  "thread/status/changed",
  "thread/tokenUsage/updated",
  "turn/completed",
  "turn/started"
])

/** Before anybody sees what a provider says of a failure. */
const redactErrors = (params: unknown): void => {
  if (Predicate.hasProperty(params, "error")) redactTurnError(params.error)
  if (Predicate.hasProperty(params, "turn") && Predicate.hasProperty(params.turn, "error")) {
    redactTurnError(params.turn.error)
  }
}

/** How long the end of a request waits for the end of its work. */
const cancelWithin = Duration.seconds(2)
const cancelAgainAfter = Duration.millis(250)

/** Nobody waits for the reply any more, though it may come. */
const isGivenUp = (exit: Exit.Exit<unknown, RequestError>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) =>
    reason._tag === "Interrupt" || (reason._tag === "Fail" && reason.error._tag === "AppServerTimeout")
  )

const closed = () => new TransportError({ reason: "closed", detail: "the layer's scope has ended." })

const unsendable = (argument: string, detail: string): Effect.Effect<never, InvalidArgument> =>
  Effect.fail(new InvalidArgument({ argument, detail: `${detail}.` }))

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
export const make = Effect.fnUntraced(function*<E extends CodexError>(
  connect: Effect.Effect<Transport["Service"], E, Scope.Scope>,
  options: Options | undefined,
  restart: RestartSchedule | undefined
): Effect.fn.Return<AppServerRpc["Service"], AppServerStartError | E, Scope.Scope> {
  const givenHandlerTimeout = yield* ServerRequests.HandlerTimeout
  // One that is none is told by the handshake.
  const handlerTimeout = OptionKinds.time.fits(givenHandlerTimeout) ? givenHandlerTimeout : Duration.zero
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
  const forkEnding = yield* FiberSet.makeRuntime<never, void>()

  const lookup = HandlerLookup.make(
    yield* ServerRequests.current,
    (threadId) => observers.has(threadId),
    (threadId, turnId) => observersOf(threadId).flatMap((observer) => observer.handlers?.(turnId) ?? []),
    (threadId, turnId) => observersOf(threadId).flatMap((observer) => observer.span?.(turnId) ?? [])[0]
  )
  const clock = yield* Clock.Clock
  const notices = Notices.make(clock, diagnostics.tell)
  const settings = ToldSettings.make()
  const totals = ThreadTotals.make()
  const secondsSince = (nanos: bigint): number => Number(clock.monotonicTimeNanosUnsafe() - nanos) / 1e9
  const telemetry = RequestTelemetry.make(clock, context, handlerTimeout)
  const deadlines = yield* Deadlines.make(clock, (now) => {
    let nearest = Infinity
    for (const [id, { expiresAt, method, reply, timeout }] of pending) {
      if (expiresAt > now) {
        nearest = Math.min(nearest, expiresAt)
        continue
      }
      pending.delete(id)
      telemetry.answered(method, timeout / 1000, "AppServerTimeout")
      Deferred.doneUnsafe(reply, Exit.fail(new AppServerTimeout({ method, timeout })))
    }
    return nearest
  })
  let connection: Connection
  const serving = yield* ServerRequestFibers.make({
    handlerOf: (method, origin, params) => {
      const found = lookup.handlerOf(method, origin, params)
      if (found === undefined) return undefined
      const handler = telemetry.handler(method, found)
      const { undecided } = found
      if (undecided === undefined) return { ...found, handler }
      return {
        ...found,
        handler: (request) => Effect.andThen(Effect.sync(() => notices.undecided(undecided)), handler(request))
      }
    },
    undecided: (origin) => {
      const waits = lookup.turnsOf(origin).flatMap(({ threadId, turnId }) =>
        observersOf(threadId).flatMap((observer) => observer.undecided?.(turnId) ?? [])
      )
      return waits.length === 0 ? undefined : Effect.all(waits, { discard: true })
    },
    spanOf: lookup.spanOf,
    onRejected: telemetry.rejected,
    onUndecodable: diagnostics.undecodableServerRequest,
    onHandled: (origin) => {
      for (const { threadId, turnId } of lookup.turnsOf(origin)) {
        for (const observer of observersOf(threadId)) observer.onHandled?.(turnId)
      }
    },
    timeout: handlerTimeout,
    send: (frame) => Effect.suspend(() => connection.transport.send(frame)),
    report: (message) => diagnostics.tell({ _tag: "HandlerProblem", message }),
    maxSendBytes: () => connection.transport.maxSendBytes,
    dropped: diagnostics.dropped
  })
  let serverInfo: ServerInfo.ServerInfo

  // ---------------------------------------------------------------------------
  // The reader
  // ---------------------------------------------------------------------------

  // Notifications come in runs of one method and one thread. The strings of the last one are used again, because looking
  // up a string that was just parsed costs more than comparing it.
  let lastMethod = ""
  let isLastFollowed = false
  let mayQuoteKey = false
  let lastThreadId: string | undefined
  let lastObserved: Observed | undefined
  const deltaFrames = new DeltaFrames()

  const onNotification = (notification: Raw, bytes: number): void => {
    const { _tag: method, params } = notification
    if (method !== lastMethod) {
      lastMethod = method
      isLastFollowed = followed.has(method)
      mayQuoteKey = method === "error" || method === "turn/completed"
    }
    if (mayQuoteKey) redactErrors(params)
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
      else if (method === "mcpServer/startupStatus/updated") notices.mcpServer(undefined, params)
      return
    }
    if (method === "turn/completed") {
      const { turn } = params as { readonly turn?: { readonly id?: unknown } | null }
      const turnId = turn?.id
      if (typeof turnId !== "string") return
      lookup.turnEnded(turnId)
      notices.turnEnded(turnId)
      afterRead.push(() => serving.turnEnded(threadId, turnId))
    } else if (method === "thread/tokenUsage/updated") {
      const { tokenUsage, turnId } = params as { readonly tokenUsage?: unknown; readonly turnId?: unknown }
      // After the turn itself, which compares it with what was told before.
      totals.updated(threadId, tokenUsage)
      const root = lookup.rootOf(turnId)
      if (root === undefined || root.threadId === threadId || typeof turnId !== "string") return
      for (const observer of observersOf(root.threadId)) observer.onSubagentUsage?.(root.turnId, turnId, tokenUsage)
    } else if (method === "turn/started") {
      lookup.turnStarted(threadId, params)
      notices.turnStarted(params)
    } else if (method === "item/started") {
      serving.itemStarted(threadId, params)
    } else if (method === "item/completed") {
      serving.itemCompleted(threadId, params)
      notices.itemCompleted(threadId, params)
    } else if (method === "serverRequest/resolved") {
      const { requestId } = params as { readonly requestId?: unknown }
      afterRead.push(() => serving.resolved(requestId))
    } else if (method === "mcpServer/startupStatus/updated") {
      connection.mcpStartup.updated(threadId, params)
      notices.mcpServer(threadId, params)
    } else if (method === "thread/closed") {
      connection.mcpStartup.closed(threadId)
      notices.threadClosed(threadId)
      settings.closed(threadId)
      totals.closed(threadId)
      serving.idle(threadId)
    } else if (method === "thread/status/changed") {
      const { status } = params as { readonly status?: { readonly type?: unknown } | null }
      if (status?.type === "idle") serving.idle(threadId)
    } else if (method === "error") {
      notices.turnError(threadId, params)
    } else if (method === "model/rerouted") {
      notices.rerouted(threadId, params)
    } else if (method === "thread/started" || method === "thread/settings/updated") {
      settings.updated(threadId, params, clock.monotonicTimeNanosUnsafe())
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
    // Ours are numbers. One that comes back as a text is still ours, and nobody else's.
    const known = typeof id === "string" && /^\d+$/.test(id) ? Number(id) : id
    const request = typeof known === "number" ? pending.get(known) : undefined
    if (request === undefined) {
      diagnostics.unmatchedReply(id)
      return
    }
    pending.delete(known as number)
    const error = message.error !== undefined && message.error !== null
      ? RpcErrors.fromReply(request.method, message.error)
      : undefined
    if (error === undefined && ToldSettings.isTold(request.method)) settings.replied(message.result, request.sentAt)
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
    onSent?: (id: number) => void,
    cancellableOf?: (id: number) => Cancellation.Cancellable | undefined,
    isChecked = false
  ): Effect.Effect<Reply, Exclude<RequestError, DecodeError>> =>
    Effect.flatMap(
      connected(Duration.isFinite(Duration.fromInputUnsafe(timeout)) ? timeout : defaultTimeout),
      () =>
        Effect.withFiber((fiber) => {
          const id = ++lastId
          const span = Context.getOption(fiber.context, Tracer.ParentSpan)
          const trace = Option.isNone(span) ? undefined : RequestTelemetry.traceOf(span.value)
          const cancellable = cancellableOf?.(id)
          const frame = Frame.encode(
            { id, method, params: cancellable?.params ?? params, trace },
            connection.transport.maxSendBytes,
            isChecked
          )
          if (Result.isFailure(frame)) return unsendable(`params of ${method}`, frame.failure)
          onSent?.(id)
          const reply = Deferred.makeUnsafe<Reply, Exclude<RequestError, DecodeError>>()
          const millis = Duration.toMillis(timeout)
          const sentAt = clock.monotonicTimeNanosUnsafe()
          const expiresAt = Number(sentAt) / 1e6 + millis
          pending.set(id, { method, reply, sentAt, timeout: millis, expiresAt })
          deadlines.add(expiresAt)
          // Next to the waiting for its reply, because a connection that takes nothing must not outlast the deadline.
          return Effect.flatMap(
            Effect.forkChild(connection.transport.send(frame.success), { startImmediately: true }),
            (sending) =>
              Effect.onExitPrimitive(Deferred.await(reply), (exit) => {
                const unsubscribed = method === "thread/unsubscribe" ? threadIdOf(params) : undefined
                if (unsubscribed !== undefined) serving.unsubscribed(unsubscribed)
                const isSent = sending.pollUnsafe() !== undefined
                if (cancellable !== undefined && isSent && isGivenUp(exit)) {
                  const forgotten = Effect.ensuring(
                    endWork(cancellable, reply),
                    Effect.sync(() => pending.delete(id))
                  )
                  if (!cancellable.afterReply) return forgotten
                  forkEnding(forgotten)
                  return undefined
                }
                pending.delete(id)
                return isSent ? undefined : Fiber.interrupt(sending)
              })
          )
        })
    )

  /** Asks for the end of the work of a request, and waits a short time for the reply, which then comes. */
  const endWork = (
    { afterReply, cancel }: Cancellation.Cancellable,
    reply: Pending["reply"]
  ): Effect.Effect<void> => {
    const ask = (result?: unknown): Effect.Effect<void> => {
      const asked = cancel(result)
      return asked === undefined
        ? Effect.void
        : Effect.ignore(exchange(asked.method, asked.params, cancelWithin))
    }
    const ended = afterReply
      ? Effect.ignore(Effect.flatMap(Deferred.await(reply), ({ result }) => ask(result)))
      : Deferred.isDoneUnsafe(reply)
      ? ask()
      // One that comes right behind its request may find no work yet.
      : Effect.raceFirst(
        Effect.forever(Effect.andThen(ask(), Effect.sleep(cancelAgainAfter))),
        Effect.exit(Deferred.await(reply))
      )
    return Effect.interruptible(ended).pipe(Effect.timeoutOption(cancelWithin), Effect.asVoid)
  }

  /** Sends what was checked, and reads the result. */
  const requestUnchecked = <A, E extends DecodeError>(
    method: string,
    params: unknown,
    requestOptions: RequestOptions | undefined,
    cancellableOf: (id: number) => Cancellation.Cancellable | undefined,
    read: (result: unknown) => Result.Result<A, E>
  ): Effect.Effect<A, Exclude<RequestError, DecodeError> | E> => {
    const problem = OptionKinds.problemOf(requestOptions, { timeout: OptionKinds.time })
    if (problem !== undefined) return Effect.fail(problem)
    const unlimited = waiting.has(method)
    const timeout = requestOptions?.timeout ?? (unlimited ? Duration.infinity : defaultTimeout)
    const exchanged = telemetry.request(
      method,
      Effect.flatMap(
        exchange(method, params, timeout, requestOptions?.onSent, cancellableOf, true),
        ({ result, seconds }): Effect.Effect<A, E> => {
          const decoded = read(result)
          telemetry.answered(method, seconds, Result.isSuccess(decoded) ? "ok" : decoded.failure._tag)
          return Effect.fromResult(decoded)
        }
      )
    )
    // An interrupt must get through when everything else is stuck, and what makes the connection when everything waits for it.
    if (unlimited || method === "turn/interrupt") return exchanged
    if (isConnected()) return inFlight.withPermit(exchanged)
    return Effect.flatMap(Establishing, (own) => own === connection ? exchanged : inFlight.withPermit(exchanged))
  }

  const requestWith = <M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    requestOptions: RequestOptions | undefined
  ): Effect.Effect<ClientRequests[M]["result"], RequestError> => {
    const entry = Object.hasOwn(clientRequests, method) ? clientRequests[method] : undefined
    if (entry === undefined) {
      const detail = `the protocol has no request ${method}. If the server knows it, send it with \`requestRaw\`.`
      return Effect.fail(new InvalidArgument({ argument: "method", detail }))
    }
    // First, because a schema looks at what comes again and again as often as it comes.
    const unwritable = Frame.problemOf(params)
    if (unwritable !== undefined) return unsendable(`params of ${method}`, unwritable)
    if (!guardOf(entry.params)(params)) {
      const issue = issueOf(entry.params, params)
      return Effect.fail(new InvalidArgument({ argument: `params of ${method}`, detail: issue }))
    }
    return requestUnchecked(
      method,
      params,
      requestOptions,
      (id) => Cancellation.of(method, params, id),
      (result) => {
        if (guardOf(entry.result)(result)) return Result.succeed(result)
        const part = fitted(entry.result, result)
        if (part === undefined) {
          return Result.fail(new DecodeError({ method, issue: issueOf(entry.result, result), raw: result }))
        }
        diagnostics.tell(undecodableReply(method, part.issue))
        return Result.succeed(part.value)
      }
    )
  }

  const requestRaw = <M extends string>(
    method: M,
    params?: unknown,
    requestOptions?: RawRequestOptions
  ) =>
    Effect.suspend(() => {
      // A frame whose method is no text is dropped without an answer.
      if (typeof method !== "string") return unsendable("method", "it is not a text")
      const unwritable = Frame.problemOf(params)
      if (unwritable !== undefined) return unsendable(`params of ${method}`, unwritable)
      const cancel = requestOptions?.cancel
      const cancellableOf = (id: number): Cancellation.Cancellable | undefined => {
        if (cancel !== undefined) return { params, afterReply: false, cancel: () => cancel(id) }
        const entry = Object.hasOwn(clientRequests, method) ? clientRequests[method as keyof ClientRequests] : undefined
        return entry !== undefined && guardOf<unknown>(entry.params)(params)
          ? Cancellation.of(method, params, id)
          : undefined
      }
      return requestUnchecked(method, params, requestOptions, cancellableOf, Result.succeed)
      // The replies are mapped to errors by the table that this type is made of.
    }) as Effect.Effect<unknown, Exclude<RequestErrorOf<M>, DecodeError>>

  const request: AppServerRpc["Service"]["request"] = <M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    requestOptions?: RequestOptions
  ) =>
    // The replies are mapped to errors by the table that this type is made of.
    Effect.suspend(() => requestWith(method, params, requestOptions)) as Effect.Effect<
      ClientRequests[M]["result"],
      RequestErrorOf<M>
    >

  const notify: AppServerRpc["Service"]["notify"] = (method, params) =>
    Effect.andThen(
      connected(defaultTimeout),
      Effect.suspend((): Effect.Effect<void, InvalidArgument> => {
        const frame = Frame.encode({ method, params })
        return Result.isFailure(frame)
          ? unsendable(`params of ${method}`, frame.failure)
          : connection.transport.send(frame.success)
      })
    )

  // ---------------------------------------------------------------------------
  // Connections
  // ---------------------------------------------------------------------------

  const clientInfo = Launch.clientInfo(options?.clientInfo)
  const given = { ...options, handlerTimeout: givenHandlerTimeout, requestTimeout: defaultTimeout }
  const handshake = Effect.flatMap(
    Effect.andThen(OptionKinds.check(given, OptionKinds.ofConnection), Capabilities.of(options)),
    (capabilities) =>
      request("initialize", Launch.initialize(clientInfo, capabilities), {
        timeout: options?.initializeTimeout ?? Duration.seconds(30)
      })
  ).pipe(
    usingWith(diagnostics.tell, "initialize", (reply) => {
      const told = parts(Received.InitializeResponse, reply)
      // What says nothing that an app-server says is none.
      return Object.keys(told).length === 0 ? undefined : told
    }),
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
    if (transport.watchLog !== undefined) yield* transport.watchLog(diagnostics.serverLog)
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
    // The scope may end in the handshake or before it, and nothing else would then end that.
    yield* Effect.addFinalizer(() => Effect.sync(() => failPending(closed())))
    const scope = yield* Effect.scope
    const establish = Effect.gen(function*() {
      if (scope.state._tag === "Closed") return yield* closed()
      const response = yield* handshake
      // All but the first.
      if (restarts >= 0) yield* Effect.forEach(restartEffects, afterRestart, { discard: true })
      return ServerVersion.fromInitialize(response, clientInfo.name)
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
    const warning = ServerVersion.warningOf(serverInfo)
    const warnedOf = yield* ServerInfo.WarnedOf
    if (warning !== undefined && !warnedOf.has(serverInfo.version)) {
      warnedOf.add(serverInfo.version)
      yield* Effect.logWarning(warning)
    }
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

  const service = AppServerRpc.of({
    get serverInfo() {
      return serverInfo
    },
    get restarts() {
      return restarts
    },
    connected: connected(defaultTimeout),
    request,
    requestRaw,
    notify,
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
    handle: (overrides) =>
      Effect.acquireRelease(
        Effect.sync(() => lookup.install(overrides)),
        () => Effect.sync(() => lookup.remove(overrides))
      )
  })
  return withInternals(service, {
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
    decode: diagnostics.decode,
    tell: diagnostics.tell,
    report: diagnostics.report,
    afterRestart: (effect) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => restartEffects.add(effect)),
        () => Effect.sync(() => restartEffects.delete(effect))
      )),
    openServerRequests: (threadId, turnId) => serving.open((origin) => lookup.isFor(origin, threadId, turnId)),
    settleServerRequests: serving.settled,
    startingMcpServers: (threadId) => connection.mcpStartup.starting(threadId),
    settingsOf: settings.of,
    tokensOf: totals.of
  })
})
