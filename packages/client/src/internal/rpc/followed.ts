/** The notifications that the connection itself follows, to know the state of threads, turns, items and MCP servers. */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import type * as Clock from "effect/Clock"
import type { ReadBatch } from "../events/readBatch.ts"
import { at, textAt } from "../protocol/peek.ts"
import type { ThreadObserver } from "../rpcInternals.ts"
import type { Router } from "../serverRequests/router.ts"
import type { ServerRequestFibers } from "../serverRequests/serverRequestFibers.ts"
import type { ToldSettings } from "../settings/toldSettings.ts"
import type { ConnectionState } from "./connectionState.ts"
import type { DiagnosticLog } from "./diagnosticLog.ts"
import type { FanOut, Observed } from "./fanOut.ts"
import type { Notices } from "./notices.ts"
import type { ThreadTotals } from "./threadTotals.ts"

const methods: ReadonlySet<string> = new Set<keyof ServerNotifications>([
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

export const isFollowed = (method: string): boolean => methods.has(method)

export interface Followed {
  /** Called by the reader for a method that {@link isFollowed}, after the notification was delivered. */
  readonly onNotification: (method: string, threadId: string | undefined, params: unknown) => void
}

export const make = (parts: {
  readonly batch: ReadBatch<Observed>
  readonly clock: Clock.Clock
  readonly diagnostics: DiagnosticLog
  readonly fanOut: FanOut
  readonly notices: Notices
  readonly router: Router
  readonly serverRequests: ServerRequestFibers
  readonly settings: ToldSettings
  readonly state: ConnectionState
  readonly totals: ThreadTotals
}): Followed => {
  const { batch, clock, diagnostics, fanOut, notices, router, serverRequests, settings, state, totals } = parts

  // Kept here because these may arrive right after the handshake, before anybody can subscribe.
  const ofNoThread = (method: string, params: unknown): void => {
    if (method === "configWarning") diagnostics.configWarning({ _tag: method, params }, fanOut.isSubscribed)
    else if (method === "mcpServer/startupStatus/updated") notices.mcpServer(undefined, params)
  }

  const turnCompleted = (threadId: string, params: unknown): void => {
    const turnId = textAt(at(params, "turn"), "id")
    if (turnId === undefined) return
    subagentTurn(threadId, turnId, false)
    router.turnEnded(turnId)
    notices.turnEnded(turnId)
    batch.defer(() => serverRequests.turnEnded(threadId, turnId))
  }

  const tokenUsage = (threadId: string, params: unknown): void => {
    const usage = at(params, "tokenUsage")
    // The turn's observer has already compared the usage with the previous total.
    totals.updated(threadId, usage)
    const turnId = textAt(params, "turnId")
    if (turnId === undefined) return
    ofSubagent(threadId, turnId, (observer, rootId) => observer.onSubagentUsage?.(rootId, { threadId, turnId }, usage))
  }

  const subagentItem = (threadId: string, params: unknown): void => {
    const turnId = textAt(params, "turnId")
    if (turnId === undefined) return
    const item = at(params, "item")
    ofSubagent(threadId, turnId, (observer, rootId) => observer.onSubagentItem?.(rootId, { threadId, turnId }, item))
  }

  /** Tells the observers of the turn that a subagent's turn works for. */
  const ofSubagent = (
    threadId: string,
    turnId: string,
    tell: (observer: ThreadObserver, rootId: string) => void
  ): void => {
    const root = router.rootOf(turnId)
    if (root === undefined || root.threadId === threadId) return
    for (const observer of fanOut.observersOf(root.threadId)) tell(observer, root.turnId)
  }

  const subagentTurn = (threadId: string, turnId: string, isRunning: boolean): void =>
    ofSubagent(
      threadId,
      turnId,
      (observer, rootId) => observer.onSubagentRunning?.(rootId, { threadId, turnId }, isRunning)
    )

  const turnStarted = (threadId: string, params: unknown): void => {
    router.turnStarted(threadId, params)
    subagentTurn(threadId, textAt(at(params, "turn"), "id") ?? "", true)
    notices.turnStarted(params)
    const turnId = textAt(at(params, "turn"), "id")
    const root = turnId === undefined ? undefined : router.rootOf(turnId)
    if (root === undefined || root.threadId === threadId) return
    const observers = fanOut.observersOf(root.threadId)
    const started = { _tag: "turn/started", params }
    for (const observer of observers) observer.onSubagentTurn?.(root.turnId, threadId, started)
    batch.defer(() => {
      for (const observer of observers) observer.onReadEnd()
    })
  }

  const threadClosed = (threadId: string): void => {
    state.link.mcpStartup.closed(threadId)
    notices.threadClosed(threadId)
    settings.closed(threadId)
    totals.closed(threadId)
    serverRequests.idle(threadId)
  }

  return {
    onNotification(method, threadId, params) {
      if (threadId === undefined) return ofNoThread(method, params)
      switch (method) {
        case "turn/completed":
          return turnCompleted(threadId, params)
        case "thread/tokenUsage/updated":
          return tokenUsage(threadId, params)
        case "turn/started":
          return turnStarted(threadId, params)
        case "item/started":
          subagentItem(threadId, params)
          return serverRequests.itemStarted(threadId, params)
        case "item/completed":
          serverRequests.itemCompleted(threadId, params)
          return notices.itemCompleted(threadId, params)
        case "serverRequest/resolved":
          return batch.defer(() => serverRequests.resolved(at(params, "requestId")))
        case "mcpServer/startupStatus/updated":
          state.link.mcpStartup.updated(threadId, params)
          return notices.mcpServer(threadId, params)
        case "thread/closed":
          return threadClosed(threadId)
        case "thread/status/changed":
          if (at(at(params, "status"), "type") === "idle") serverRequests.idle(threadId)
          return
        case "error":
          return notices.turnError(threadId, params)
        case "model/rerouted":
          return notices.rerouted(threadId, params)
        case "thread/started":
        case "thread/settings/updated":
          return settings.updated(threadId, params, clock.monotonicTimeNanosUnsafe())
      }
    }
  }
}
