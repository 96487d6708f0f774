/** Assembles the parts of a connection into `AppServerRpc`. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Options, RestartSchedule } from "../../AppServerRpc.ts"
import { AppServerRpc, DefaultRequestTimeout } from "../../AppServerRpc.ts"
import type { AppServerStartError, CodexError } from "../../CodexError.ts"
import * as ServerRequests from "../../ServerRequests.ts"
import type { Transport } from "../../Transport.ts"
import { ReadBatch } from "../events/readBatch.ts"
import * as OptionKinds from "../options.ts"
import { withInternals } from "../rpcInternals.ts"
import { Router } from "../serverRequests/router.ts"
import { ServerRequestFibers } from "../serverRequests/serverRequestFibers.ts"
import * as ToldSettings from "../settings/toldSettings.ts"
import { ConnectionState } from "./connectionState.ts"
import * as DiagnosticLog from "./diagnosticLog.ts"
import type { Observed } from "./fanOut.ts"
import { FanOut } from "./fanOut.ts"
import * as Followed from "./followed.ts"
import * as Notices from "./notices.ts"
import { PendingRequests } from "./pendingRequests.ts"
import { Reader } from "./reader.ts"
import { OutOfTurn, Requests } from "./requests.ts"
import * as RequestTelemetry from "./requestTelemetry.ts"
import { Session } from "./session.ts"
import * as ThreadTotals from "./threadTotals.ts"

/** @param restart when to restore a lost connection; without it the first loss is the end. */
export const make = Effect.fnUntraced(function*<E extends CodexError>(
  connect: Effect.Effect<Transport["Service"], E, Scope.Scope>,
  options: Options | undefined,
  restart: RestartSchedule | undefined
): Effect.fn.Return<AppServerRpc["Service"], AppServerStartError | E, Scope.Scope> {
  const handlerTimeout = yield* ServerRequests.HandlerTimeout
  const defaultTimeout = yield* DefaultRequestTimeout
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  const diagnostics = yield* DiagnosticLog.make
  const forkEnding = yield* FiberSet.makeRuntime<never, void>()

  const state = new ConnectionState()
  const batch = new ReadBatch<Observed>()
  const fanOut = new FanOut(batch, diagnostics)
  const router = new Router(yield* ServerRequests.current, fanOut)
  const notices = Notices.make(clock, diagnostics.tell)
  const settings = ToldSettings.make()
  const totals = ThreadTotals.make()
  const telemetry = RequestTelemetry.make(clock, context)
  const pending = yield* PendingRequests.make({ batch, clock, diagnostics, settings, telemetry })
  const serverRequests = yield* ServerRequestFibers.make({
    router,
    state,
    diagnostics,
    notices,
    telemetry,
    // The handshake refuses an invalid timeout.
    timeout: OptionKinds.time.fits(handlerTimeout) ? handlerTimeout : Duration.zero
  })
  const requests = new Requests({
    defaultTimeout,
    diagnostics,
    forkEnding,
    maxInFlight: options?.maxInFlight ?? 64,
    pending,
    serverRequests,
    state,
    telemetry
  })
  const reader = new Reader(batch, {
    onReply: (id, reply) => pending.onReply(id, reply),
    onRequest: serverRequests.start,
    fanOut,
    followed: Followed.make({
      batch,
      clock,
      diagnostics,
      fanOut,
      notices,
      router,
      serverRequests,
      settings,
      state,
      totals
    }),
    diagnostics
  })
  const session = new Session({
    context,
    defaultTimeout,
    diagnostics,
    fanOut,
    handlerTimeout,
    options,
    pending,
    reader,
    requests,
    serverRequests,
    state
  })
  yield* session.start(connect, restart)

  const service = AppServerRpc.of({
    get serverInfo() {
      return session.serverInfo
    },
    get restarts() {
      return session.restarts
    },
    connected: state.awaitOpen(defaultTimeout),
    request: requests.request,
    requestRaw: requests.requestRaw,
    notify: requests.notify,
    notifications: fanOut.notifications,
    handle: (overrides) =>
      Effect.acquireRelease(
        Effect.sync(() => router.install(overrides)),
        () => Effect.sync(() => router.remove(overrides))
      ),
    diagnostics: diagnostics.counts,
    diagnosticEvents: diagnostics.events,
    ended: session.awaitEnd
  })
  return withInternals(service, {
    observe: (threadId, observer) => fanOut.observe(threadId, observer),
    attach: (threadId, observer) => fanOut.attach(threadId, observer),
    subagentTurns: (threadId, turnId) => router.workingFor({ threadId, turnId }),
    decode: diagnostics.decode,
    tell: diagnostics.tell,
    report: diagnostics.report,
    afterRestart: (effect) => session.afterRestart(effect),
    openServerRequests: (threadId, turnId) => serverRequests.open(threadId, turnId),
    settleServerRequests: (threadId) => serverRequests.settled(threadId),
    isInUse: (threadId) => fanOut.isObserved(threadId) || router.isWorking(threadId) || serverRequests.isOpen(threadId),
    startingMcpServers: (threadId) => state.link.mcpStartup.starting(threadId),
    settingsOf: settings.of,
    nextSettingsOf: settings.next,
    onForked: settings.forked,
    tokensOf: totals.of,
    traffic: () => ({ reads: reader.reads, waiting: pending.size }),
    outOfTurn: Effect.provideService(OutOfTurn, true),
    abandon: (cause) => session.abandon(cause)
  })
})
