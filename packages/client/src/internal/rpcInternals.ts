/**
 * What the parts of the client tell each other beside the public members of `AppServerRpc`.
 *
 * It stands behind a key on the service's object that is not part of its type. A wrapper that is made by spreading the
 * service keeps it. For a service without it, such as a mock of the public members, it is derived from those.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { AppServerRpc, Diagnostic } from "../AppServerRpc.ts"
import type { ConnectionError } from "../CodexError.ts"
import { TransportError } from "../CodexError.ts"
import type { Raw, ServerNotification } from "../ServerNotification.ts"
import type { Overrides } from "../ServerRequests.ts"
import { decode } from "./protocol/decodeNotification.ts"
import { threadIdOf } from "./protocol/peek.ts"
import type { Told } from "./settings/heldSettings.ts"

/** Receives the notifications of one thread, or of no thread. The reader calls it: it must not wait and must not throw. */
export interface ThreadObserver {
  /** `bytes` is the size of the frame; 0 where it is not known. */
  readonly onNotification: (notification: Raw, bytes: number) => void
  /** All frames of a read were handed over, or of several that followed one another at once. */
  readonly onReadEnd: () => void
  /** The connection ended for good; nothing follows. */
  readonly onEnd: (cause: ConnectionError) => void
  /**
   * The connection is lost and is made again. The server's process has most likely ended, and with it all that it did.
   */
  readonly onLost?: ((cause: ConnectionError) => void) | undefined
  /** It was made again. The server tells nothing of a thread before that is resumed. */
  readonly onRestored?: (() => void) | undefined
  /** The handler of a request has ended, of a turn or of the subagents that work for it. */
  readonly onHandled?: ((turnId: string | undefined) => void) | undefined
  /** What a turn of a subagent that works for a turn of this thread has used so far. */
  readonly onSubagentUsage?: ((turnId: string, subagentTurnId: string, tokenUsage: unknown) => void) | undefined
  /** The handlers for the requests of a turn, or of the thread where a request names no turn. */
  readonly handlers?: ((turnId: string | undefined) => Overrides | undefined) | undefined
  /** Waits until it is known whether the turn has handlers. Undefined where it is known. */
  readonly undecided?: ((turnId: string | undefined) => Effect.Effect<void> | undefined) | undefined
  /** The span of the turn, below which those of its requests belong. */
  readonly span?: ((turnId: string | undefined) => Tracer.AnySpan | undefined) | undefined
}

export interface RpcInternals {
  /**
   * Observes one thread until the scope closes, or with `undefined` what belongs to no thread. The base of `Thread`, `Turn`
   * and `Auth`; costs no fiber and no queue.
   */
  readonly observe: (threadId: string | undefined, observer: ThreadObserver) => Effect.Effect<void, never, Scope.Scope>
  /** Looks at the params of a notification that an observer got. Never fails; counts what it does not understand. */
  readonly decode: (notification: Raw) => ServerNotification
  /** Reports something odd, as a diagnostic and a metric; a fiber of the connection logs it. Never waits. */
  readonly tell: (diagnostic: Diagnostic) => void
  /** Reports something odd that has no kind of its own, or a slow reader. Never waits. */
  readonly report: (text: string, unreadBytes?: number) => void
  /**
   * Runs an effect each time that the connection was made again, before anything else is sent on it, until the scope
   * closes. For what a new process has to be told, such as a login that it does not store. It may take as long as a
   * request.
   */
  readonly afterRestart: (effect: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
  /** The requests of the server whose handlers run here, of a turn and of the subagents that work for it. */
  readonly openServerRequests: (threadId: string, turnId: string) => ReadonlyArray<string>
  /**
   * Ends the handlers of what was asked of a thread on a connection that was lost, and was not asked again on the next
   * one. For who has resumed the thread: what is asked again comes before the answer to a request that follows.
   */
  readonly settleServerRequests: (threadId: string) => void
  /** The MCP servers of a thread that the server has said to be starting, and nothing else of them since then. */
  readonly startingMcpServers: (threadId: string) => ReadonlyArray<string>
  /** What a thread holds, as far as the server has told it. The same object until it tells more. */
  readonly settingsOf: (threadId: string) => Told | undefined
  /** How many tokens a thread has used in all, as the server told last. */
  readonly tokensOf: (threadId: string) => number | undefined
}

/** The connection, as the parts of the client hand it to each other. */
export type Rpc = AppServerRpc["Service"]

const key = Symbol("@effect-codex/client/AppServerRpc/internals")

interface Keyed {
  readonly [key]?: RpcInternals
}

/** The service with its internals. */
export const withInternals = (rpc: Rpc, internals: RpcInternals): Rpc => Object.assign(rpc, { [key]: internals })

const derivations = new WeakMap<Rpc, RpcInternals>()

/** The internals of a service. */
export const internalsOf = (rpc: Rpc & Keyed): RpcInternals => {
  const known = rpc[key] ?? derivations.get(rpc)
  if (known !== undefined) return known
  const made = derived(rpc)
  derivations.set(rpc, made)
  return made
}

// =============================================================================
// Derived from the public members
// =============================================================================

/** As it came from the server. */
const rawOf = (event: ServerNotification): Raw =>
  event._tag === "Unknown" || event._tag === "Undecodable" ? { _tag: event.method, params: event.params } : event

const derived = (rpc: Rpc): RpcInternals => ({
  observe: observeOf(rpc.notifications),
  decode,
  // Who replaces the connection has no log of it.
  tell: () => {},
  report: () => {},
  // A connection that nobody made is not made again.
  afterRestart: () => Effect.void,
  openServerRequests: () => [],
  settleServerRequests: () => {},
  startingMcpServers: () => [],
  settingsOf: () => undefined,
  tokensOf: () => undefined
})

/** One run of the notifications for all observers, from the first until the last has left. */
const observeOf = (notifications: Rpc["notifications"]): RpcInternals["observe"] => {
  let observers: ReadonlyArray<{ readonly threadId: string | undefined; readonly observer: ThreadObserver }> = []
  let end: ConnectionError | undefined
  let reading: Fiber.Fiber<void> | undefined

  const onBatch = (events: ReadonlyArray<ServerNotification>): void => {
    const touched = new Set<ThreadObserver>()
    for (const event of events) {
      const raw = rawOf(event)
      const id = threadIdOf(raw.params)
      for (const { observer, threadId } of observers) {
        if (threadId !== id) continue
        observer.onNotification(raw, 0)
        touched.add(observer)
      }
    }
    for (const observer of touched) observer.onReadEnd()
  }
  const onEnd = (cause: ConnectionError): void => {
    end = cause
    for (const { observer } of observers) observer.onEnd(cause)
  }
  const ended = new TransportError({ reason: "closed", detail: "the notifications have ended." })
  const read = Stream.runForEachArray(notifications, (events) => Effect.sync(() => onBatch(events))).pipe(
    Effect.matchCause({
      onSuccess: () => onEnd(ended),
      onFailure: (cause) => {
        if (Cause.hasInterruptsOnly(cause)) return
        const detail = `the notifications failed: ${String(Cause.squash(cause))}.`
        onEnd(Option.getOrElse(Cause.findErrorOption(cause), () => new TransportError({ reason: "read", detail })))
      }
    })
  )

  return (threadId, observer) => {
    const entry = { threadId, observer }
    return Effect.acquireRelease(
      Effect.suspend(() => {
        if (end !== undefined) observer.onEnd(end)
        observers = [...observers, entry]
        if (reading !== undefined) return Effect.void
        // The release of the last observer ends it.
        return Effect.map(Effect.forkDetach(read, { startImmediately: true }), (fiber) => {
          reading = fiber
        })
      }),
      () =>
        Effect.suspend(() => {
          observers = observers.filter((other) => other !== entry)
          if (observers.length > 0 || reading === undefined) return Effect.void
          const last = reading
          reading = undefined
          end = undefined
          return Fiber.interrupt(last)
        })
    )
  }
}
