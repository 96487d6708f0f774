/** The life of a connection: handshake, loss, restart and end. */
import * as Received from "@effect-codex/protocol/Received"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Options, RestartSchedule } from "../../AppServerRpc.ts"
import type { CodexError, ConnectionError } from "../../CodexError.ts"
import { AppServerStartError, TransportError } from "../../CodexError.ts"
import * as Metrics from "../../Metrics.ts"
import * as ServerInfo from "../../ServerInfo.ts"
import type { Transport } from "../../Transport.ts"
import * as Launch from "../launch.ts"
import * as OptionKinds from "../options.ts"
import { parts as partsOf } from "../protocol/guard.ts"
import { usingWith } from "../protocol/uses.ts"
import { scopeEnded } from "../scopeEnded.ts"
import type { ServerRequestFibers } from "../serverRequests/serverRequestFibers.ts"
import * as Capabilities from "./capabilities.ts"
import type { ConnectionState, Link } from "./connectionState.ts"
import { Handshake } from "./connectionState.ts"
import type { DiagnosticLog } from "./diagnosticLog.ts"
import type { FanOut } from "./fanOut.ts"
import * as McpStartup from "./mcpStartup.ts"
import type { PendingRequests } from "./pendingRequests.ts"
import type { Reader } from "./reader.ts"
import type { Requests } from "./requests.ts"
import * as ServerVersion from "./serverVersion.ts"
import * as Supervisor from "./supervisor.ts"

interface Parts {
  readonly context: Context.Context<never>
  readonly defaultTimeout: Duration.Input
  readonly diagnostics: DiagnosticLog
  readonly fanOut: FanOut
  readonly handlerTimeout: Duration.Input
  readonly options: Options | undefined
  readonly pending: PendingRequests
  readonly reader: Reader
  readonly requests: Requests
  readonly serverRequests: ServerRequestFibers
  readonly state: ConnectionState
}

type Connect<E> = Effect.Effect<Transport["Service"], E, Scope.Scope>

export class Session {
  /** The server's metadata from the latest handshake. */
  serverInfo!: ServerInfo.ServerInfo
  /** How many times the connection was restored; -1 before the first handshake. */
  restarts = -1
  private readonly ended = Deferred.makeUnsafe<ConnectionError>()
  private readonly restartEffects = new Set<Effect.Effect<void>>()
  private readonly clientInfo: ReturnType<typeof Launch.clientInfo>
  private readonly parts: Parts

  constructor(parts: Parts) {
    this.parts = parts
    this.clientInfo = Launch.clientInfo(parts.options?.clientInfo)
  }

  /** Gives up the current connection. The supervisor, or whoever built the layer, closes it. */
  abandon: (cause: ConnectionError) => void = () => {}

  readonly awaitEnd: Effect.Effect<ConnectionError> = Deferred.await(this.ended)

  /** Connects, and keeps the connection until the scope closes. Without a schedule the first loss is the end. */
  start<E extends CodexError>(
    connect: Connect<E>,
    schedule: RestartSchedule | undefined
  ): Effect.Effect<void, AppServerStartError | E, Scope.Scope> {
    const { diagnostics, reader, state } = this.parts
    const endReads = Effect.sync(() => {
      if (!state.hasEnded) reader.endRead()
    })
    const started = schedule === undefined
      ? Effect.andThen(this.open(connect, (cause) => this.finish(cause)), this.onOpened)
      : Supervisor.start({
        schedule,
        open: this.open(connect, (cause) => this.onLost(cause)),
        onOpened: this.onOpened,
        onLost: (cause) => this.onLost(cause),
        onFailure: (cause) => diagnostics.tell({ _tag: "RestartFailed", message: cause.message, cause }),
        onGivenUp: (detail, cause) => this.finish(new TransportError({ reason: "restart", detail, cause }))
      })
    return Effect.andThen(
      started,
      Effect.addFinalizer(() => Effect.ensuring(endReads, Effect.sync(() => this.finish(scopeEnded("layer")))))
    )
  }

  /** Runs an effect after every handshake except the first, before anything else is sent, until the scope closes. */
  afterRestart(effect: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(Effect.acquireRelease(
      Effect.sync(() => this.restartEffects.add(effect)),
      () => Effect.sync(() => this.restartEffects.delete(effect))
    ))
  }

  // ---------------------------------------------------------------------------
  // Begin
  // ---------------------------------------------------------------------------

  /** Opens a connection. Returns an effect that waits for its loss. */
  private open<E>(
    connect: Connect<E>,
    onEnd: (cause: ConnectionError) => void
  ): Effect.Effect<Effect.Effect<ConnectionError>, AppServerStartError | E, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const { diagnostics, pending, state } = this.parts
      const transport = yield* connect
      const lost = Deferred.makeUnsafe<ConnectionError>()
      const onLoss = (cause: ConnectionError): void => {
        // The connection may have been abandoned before.
        if (Deferred.doneUnsafe(lost, Exit.succeed(cause))) onEnd(cause)
      }
      this.abandon = onLoss
      const link: Link = state.link = { transport, mcpStartup: McpStartup.make() }
      if (transport.watchLog !== undefined) yield* transport.watchLog(diagnostics.serverLog)
      yield* this.read(transport, onLoss)
      // If the scope closes before the handshake is done, nothing else ends the pending requests.
      yield* Effect.addFinalizer(() => Effect.sync(() => pending.failAll(scopeEnded("layer"))))
      this.serverInfo = yield* this.greet(link)
      yield* this.warnOfVersion
      return Deferred.await(lost)
    })
  }

  private read(transport: Transport["Service"], onEnd: (cause: ConnectionError) => void) {
    const { reader } = this.parts
    return transport.receive(reader.onFrames).pipe(
      Effect.tapError(() => Effect.sync(() => reader.endRead())),
      // No known frame makes the reader throw. If one does, end the connection so that nobody hangs.
      Effect.catchDefect((defect) =>
        Effect.fail(
          new TransportError({ reason: "read", detail: `the reader failed, which is a bug: ${String(defect)}.` })
        )
      ),
      Effect.catch((cause) => Effect.sync(() => onEnd(cause))),
      Effect.forkScoped
    )
  }

  private greet(link: Link): Effect.Effect<ServerInfo.ServerInfo, AppServerStartError, Scope.Scope> {
    const established = Effect.gen({ self: this }, function*() {
      if ((yield* Effect.scope).state._tag === "Closed") return yield* scopeEnded("layer")
      const response = yield* this.handshake
      // Skip on the first connection: there is nothing to restore.
      if (this.restarts >= 0) {
        yield* Effect.forEach(this.restartEffects, (effect) => this.restore(effect), { discard: true })
      }
      return ServerVersion.fromInitialize(response, this.clientInfo.name)
    })
    const { transport } = link
    return established.pipe(
      Effect.provideService(Handshake, link),
      Effect.catch((cause) =>
        Effect.flatMap(transport.log, (stderr) =>
          new AppServerStartError({
            phase: "initialize",
            executable: transport.description,
            // `AppServerStartError` carries stderr itself, so the detail need not repeat it.
            detail: cause._tag === "AppServerExited" ? `the process ${cause.howItEnded}.` : cause.message,
            stderr,
            cause
          }))
      )
    )
  }

  private get handshake() {
    const { defaultTimeout, diagnostics, handlerTimeout, options, requests } = this.parts
    const given = { ...options, handlerTimeout, requestTimeout: defaultTimeout }
    return Effect.flatMap(
      Effect.andThen(OptionKinds.check(given, OptionKinds.ofConnection), Capabilities.of(options)),
      (capabilities) =>
        requests.request("initialize", Launch.initialize(this.clientInfo, capabilities), {
          timeout: options?.initializeTimeout ?? Duration.seconds(30)
        })
    ).pipe(
      usingWith(diagnostics.tell, "initialize", (reply) => {
        const told = partsOf(Received.InitializeResponse, reply)
        // A reply without a single known member does not come from an app-server.
        return Object.keys(told).length === 0 ? undefined : told
      }),
      Effect.tap(requests.notify("initialized", undefined))
    )
  }

  private restore(effect: Effect.Effect<void>): Effect.Effect<void> {
    const { defaultTimeout, diagnostics } = this.parts
    return Effect.map(Effect.exit(Effect.timeoutOption(effect, defaultTimeout)), (exit) => {
      if (Exit.isSuccess(exit) && Option.isSome(exit.value)) return
      const problem = Exit.isSuccess(exit) ? "took too long" : "died"
      diagnostics.report(`the work to do after a restart of codex app-server ${problem}`)
    })
  }

  private get warnOfVersion(): Effect.Effect<void> {
    const { serverInfo } = this
    const warning = ServerVersion.warningOf(serverInfo)
    return Effect.flatMap(ServerInfo.WarnedOf, (warnedOf) => {
      if (warning === undefined || warnedOf.has(serverInfo.version)) return Effect.void
      warnedOf.add(serverInfo.version)
      return Effect.logWarning(warning)
    })
  }

  private readonly onOpened: Effect.Effect<void> = Effect.sync(() => {
    const { context, diagnostics, fanOut, state } = this.parts
    this.restarts++
    if (this.restarts > 0) {
      Metrics.restarts.updateUnsafe(1, context)
      diagnostics.tell({
        _tag: "ConnectionRestored",
        message: `codex app-server is connected again: ${this.serverInfo.userAgent}`,
        restarts: this.restarts
      })
      fanOut.forEach((observer) => observer.onRestored?.())
    }
    state.open()
  })

  // ---------------------------------------------------------------------------
  // Loss and end
  // ---------------------------------------------------------------------------

  private onLost(cause: ConnectionError): void {
    const { diagnostics, fanOut, pending, serverRequests, state } = this.parts
    const loss = cause._tag === "AppServerExited" ? `codex app-server ${cause.howItEnded}.` : cause.message
    // Before the pending requests fail: their callers may immediately make new ones.
    if (state.lose(loss)) {
      diagnostics.tell({ _tag: "ConnectionLost", message: `${loss} The client reconnects.`, cause })
      fanOut.forEach((observer) => observer.onLost?.(cause))
      serverRequests.lost((threadId) => fanOut.observersOf(threadId).some(({ onRestored }) => onRestored !== undefined))
    }
    pending.failAll(cause)
  }

  /** The one place that ends everything that waits on the connection. */
  private finish(cause: ConnectionError): void {
    const { diagnostics, fanOut, pending, serverRequests, state } = this.parts
    const wake = state.end(cause)
    if (wake === undefined) return
    serverRequests.ended()
    pending.failAll(cause)
    fanOut.finish(cause)
    diagnostics.end()
    wake()
    Deferred.doneUnsafe(this.ended, Exit.succeed(cause))
  }
}
