/** The anomalies of a connection: counted, published to readers, and logged if a person should see them. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Diagnostic, Diagnostics } from "../../AppServerRpc.ts"
import type { ConnectionError } from "../../CodexError.ts"
import * as Metrics from "../../Metrics.ts"
import type { Raw, ServerNotification } from "../../ServerNotification.ts"
import { decode as decodeRaw } from "../protocol/decodeNotification.ts"
import { withoutKeys } from "../text/keys.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import { beginning, visibleLines } from "../text/visibleText.ts"
import { byAttributes } from "./requestTelemetry.ts"

export interface DiagnosticLog {
  readonly counts: Effect.Effect<Diagnostics>
  readonly events: Stream.Stream<Diagnostic>
  /** Counts, publishes and logs. */
  readonly tell: (diagnostic: Diagnostic) => void
  readonly report: (message: string, unreadBytes?: number) => void
  /** Decodes the params of a notification; counts unknown methods and params that do not fit. */
  readonly decode: (raw: Raw) => ServerNotification
  /** Reports params of a server request that do not fit. */
  readonly undecodableServerRequest: (method: string, issue: string, isRefused: boolean) => void
  readonly garbage: (frame: string) => void
  readonly unmatchedReply: (id: unknown) => void
  /** Searches a line of the server's log for remarks on our frames. */
  readonly serverLog: (line: string) => void
  readonly dropped: () => { readonly count: number; readonly reason: string }
  /** `isRead`: somebody reads all notifications, so the warning is left to that reader and not logged. */
  readonly configWarning: (raw: Raw, isRead: boolean) => void
  /** Ends the streams of events. */
  readonly end: () => void
}

// Bounds memory against a misbehaving server; a healthy one sends a few.
const maxWarnings = 16

// Queues of this size slide, so a server that sends only garbage cannot fill the memory.
const maxUnread = 256

const undecodableTags: ReadonlySet<Diagnostic["_tag"]> = new Set(
  [
    "UndecodableNotification",
    "UndecodableReply",
    "UndecodableServerRequest"
  ] as const
)

const kindOf = byAttributes(Metrics.diagnostics, (kind: Diagnostic["_tag"]) => ({ kind }))

/** A pool replaces a process that has run for long. */
const isPlanned = (cause: ConnectionError): boolean => cause._tag === "TransportError" && cause.reason === "replaced"

const safe = (message: string): string => visibleLines(withoutKeys(message))

export const make: Effect.Effect<DiagnosticLog, never, Scope.Scope> = Effect.gen(function*() {
  const context = yield* Effect.context<never>()
  const counts = { dropped: 0, garbage: 0, unmatchedReplies: 0, unknown: 0, undecodable: 0 }
  let lastDropped = ""
  const watchers = new Set<Queue.Queue<Diagnostic, Cause.Done>>()
  const warnings: Array<Diagnostic> = []
  let isEnded = false

  const log = yield* Queue.sliding<Effect.Effect<void>>(maxUnread)
  yield* Queue.take(log).pipe(Effect.flatten, Effect.forever, Effect.forkScoped)

  const count = (kind: Diagnostic["_tag"]): void => {
    kindOf(kind).updateUnsafe(1, context)
  }
  const publish = (diagnostic: Diagnostic): void => {
    if (watchers.size === 0) return
    const told = { ...diagnostic, message: safe(diagnostic.message) }
    for (const watcher of watchers) Queue.offerUnsafe(watcher, told)
  }
  let isReplacing = false
  const logOf = (diagnostic: Diagnostic): typeof Effect.logWarning => {
    if (diagnostic._tag === "ServerWarning" && ServerTexts.isRemark(diagnostic.summary)) return Effect.logDebug
    const isPart = diagnostic._tag === "ConnectionRestored" && isReplacing
    if (diagnostic._tag === "ConnectionLost") isReplacing = isPlanned(diagnostic.cause)
    if (diagnostic._tag === "RestartFailed") isReplacing = false
    // Nobody has to do anything about a process that is replaced on purpose.
    return isPart || diagnostic._tag === "ConnectionLost" && isReplacing ? Effect.logInfo : Effect.logWarning
  }
  const tell = (diagnostic: Diagnostic): void => {
    if (undecodableTags.has(diagnostic._tag)) counts.undecodable++
    count(diagnostic._tag)
    publish(diagnostic)
    const write = logOf(diagnostic)
    const line = Effect.suspend(() => write(safe(diagnostic.message)))
    Queue.offerUnsafe(log, line)
  }

  const undecodable = (method: string, issue: string): void => {
    counts.undecodable++
    count("UndecodableNotification")
    if (watchers.size === 0) return
    const message = `the params of ${method} do not fit the protocol: ${issue}`
    publish({ _tag: "UndecodableNotification", message, method, issue })
  }

  const decode = (raw: Raw): ServerNotification => {
    const notification = decodeRaw(raw, undecodable)
    if (notification._tag === "Unknown") {
      counts.unknown++
      count("UnknownNotification")
      if (watchers.size > 0) {
        const { method } = notification
        publish({ _tag: "UnknownNotification", message: `the notification ${method} is unknown`, method })
      }
    } else if (notification._tag === "Undecodable") {
      undecodable(notification.method, notification.issue)
    }
    return notification
  }

  return {
    counts: Effect.sync(() => ({ ...counts })),
    events: Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Effect.gen(function*() {
          const watcher = yield* Queue.sliding<Diagnostic, Cause.Done>(maxUnread)
          for (const warning of warnings) Queue.offerUnsafe(watcher, warning)
          if (isEnded) Queue.endUnsafe(watcher)
          else watchers.add(watcher)
          return watcher
        }),
        (watcher) => Effect.sync(() => watchers.delete(watcher))
      ),
      Stream.fromQueue
    )),
    tell,
    report(message, unreadBytes) {
      if (unreadBytes === undefined) return tell({ _tag: "Other", message })
      Metrics.unreadBytes.updateUnsafe(unreadBytes, context)
      tell({ _tag: "SlowReader", message, unreadBytes })
    },
    decode,
    undecodableServerRequest(method, issue, isRefused) {
      const then = isRefused ? "It is refused" : "Its handler gets the rest"
      const message = `params of the server's request ${method} do not fit the protocol. ${then}: ${issue}`
      tell({ _tag: "UndecodableServerRequest", message, method, issue })
    },
    garbage(frame) {
      counts.garbage++
      const line = withoutKeys(beginning(frame, 200))
      tell({
        _tag: "GarbageLine",
        message: `codex app-server wrote a line that is not a protocol message: ${line}`,
        line
      })
    },
    unmatchedReply(replyId) {
      counts.unmatchedReplies++
      count("UnmatchedReply")
      if (watchers.size === 0) return
      const id = typeof replyId === "number" || typeof replyId === "string" ? replyId : undefined
      publish({ _tag: "UnmatchedReply", message: `nobody waits for the reply to request ${id}`, id })
    },
    serverLog(line) {
      const dropped = ServerTexts.droppedFrameOf(line)
      if (dropped !== undefined) {
        counts.dropped++
        lastDropped = dropped
        const message = `codex app-server dropped a message of this client that it could not read: ${dropped}`
        return tell({ _tag: "FrameDropped", message, reason: dropped })
      }
      const refused = ServerTexts.refusedAnswerOf(line)
      if (refused === undefined) return
      tell({ _tag: "HandlerProblem", message: `codex app-server did not accept an answer of this client: ${refused}` })
    },
    dropped: () => ({ count: counts.dropped, reason: lastDropped }),
    configWarning(raw, isRead) {
      const notification = isRead ? decodeRaw(raw) : decode(raw)
      if (notification._tag !== "configWarning") return
      const { details, summary } = notification.params
      const message = `codex: ${[summary, details ?? ""].join(" ").trim()}`
      const warning: Diagnostic = { _tag: "ServerWarning", message, summary, details: details ?? undefined }
      if (warnings.push(warning) > maxWarnings) warnings.shift()
      if (!isRead) return tell(warning)
      count(warning._tag)
      publish(warning)
    },
    end() {
      isEnded = true
      for (const watcher of watchers) Queue.endUnsafe(watcher)
      watchers.clear()
    }
  }
})
