/**
 * The internal members that the parts of the client use beside the public ones of `AppServerRpc`.
 *
 * They stand behind a key on the service's object that is not part of its type. A wrapper made by spreading the
 * service keeps them. For a service without them, such as a mock of the public members, they are derived from those.
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
import type { Next } from "./settings/toldSettings.ts"

/** A turn that a subagent runs on a thread of its own. */
export interface SubagentTurn {
  readonly threadId: string
  readonly turnId: string
}

/** Receives the notifications of one thread, or of no thread. Called by the reader; must not block or throw. */
export interface ThreadObserver {
  /** `bytes` is the size of the frame, or 0 if unknown. */
  readonly onNotification: (notification: Raw, bytes: number) => void
  /** All frames of a read, or of several consecutive reads, were passed on. */
  readonly onReadEnd: () => void
  /** The connection ended for good; nothing follows. */
  readonly onEnd: (cause: ConnectionError) => void
  /**
   * The connection was lost and is being restored. The server's process has most likely ended, and its work with it.
   */
  readonly onLost?: ((cause: ConnectionError) => void) | undefined
  /** The connection was restored. The server sends no notifications of a thread before that thread is resumed. */
  readonly onRestored?: (() => void) | undefined
  /** The handler of a request ended. The request belongs to the turn or to a subagent that works for it. */
  readonly onHandled?: ((turnId: string | undefined) => void) | undefined
  /**
   * A request has come that belongs to the turn, or to a subagent that works for it. Called before its handler runs,
   * and not for a request that names no turn.
   */
  readonly onRequest?: ((turnId: string, subagent?: SubagentTurn) => void) | undefined
  /** A request that names this thread has come. */
  readonly onServerRequest?: ((id: string | number, method: string, params: unknown) => void) | undefined
  /** Such a request is being answered, with this frame. Not called by the reader. */
  readonly onServerRequestAnswer?: ((id: string | number, frame: string) => void) | undefined
  /** An item of a subagent that works for a turn of this thread has begun. */
  readonly onSubagentItem?: ((turnId: string, subagent: SubagentTurn, item: unknown) => void) | undefined
  /** The turn of a subagent that works for a turn of this thread begins or ends. */
  readonly onSubagentRunning?: ((turnId: string, subagent: SubagentTurn, isRunning: boolean) => void) | undefined
  /** The tokens used so far by the turn of a subagent that works for a turn of this thread. */
  readonly onSubagentUsage?: ((turnId: string, subagent: SubagentTurn, tokenUsage: unknown) => void) | undefined
  /** A turn of a subagent, which works for a turn of this thread, has started. Called for each of its turns. */
  readonly onSubagentTurn?: ((turnId: string, subagentThreadId: string, started: Raw) => void) | undefined
  /** The handlers for the requests of a turn, or of the thread when a request names no turn. */
  readonly handlers?: ((turnId: string | undefined) => Overrides | undefined) | undefined
  /** Waits until it is known whether the turn has handlers. Undefined if it is known already. */
  readonly undecided?: ((turnId: string | undefined) => Effect.Effect<void> | undefined) | undefined
  /** The turn's span, which becomes the parent of its requests' spans. */
  readonly span?: ((turnId: string | undefined) => Tracer.AnySpan | undefined) | undefined
}

export interface RpcInternals {
  /**
   * Observes one thread until the scope closes, or with `undefined` the notifications of no thread. `Thread`, `Turn`
   * and `Auth` build on it; it costs no fiber and no queue.
   */
  readonly observe: (threadId: string | undefined, observer: ThreadObserver) => Effect.Effect<void, never, Scope.Scope>
  /** Observes one thread until the returned function is called. For observers that the reader itself attaches. */
  readonly attach: (threadId: string, observer: ThreadObserver) => () => void
  /** The running turns of the subagents that work for a turn, at any depth. */
  readonly subagentTurns: (
    threadId: string,
    turnId: string
  ) => ReadonlyArray<{ readonly threadId: string; readonly turnId: string }>
  /** Decodes a notification that an observer received. Never fails; counts notifications that do not decode. */
  readonly decode: (notification: Raw) => ServerNotification
  /** Reports an anomaly as a diagnostic and a metric; a fiber of the connection logs it. Never waits. */
  readonly tell: (diagnostic: Diagnostic) => void
  /** Reports an anomaly without a kind of its own, or a slow reader. Never waits. */
  readonly report: (text: string, unreadBytes?: number) => void
  /**
   * Runs an effect each time the connection was restored, before anything else is sent on it, until the scope closes.
   * Use it for state that a new process must receive again, such as a login that the server does not store. The
   * effect may take as long as a request.
   *
   * @param isOfEach whether each of several processes needs it, and not only the one that does what concerns no thread
   */
  readonly afterRestart: (effect: Effect.Effect<void>, isOfEach?: boolean) => Effect.Effect<void, never, Scope.Scope>
  /** The server requests whose handlers are running, for a turn and for the subagents that work for it. */
  readonly openServerRequests: (threadId: string, turnId: string) => ReadonlyArray<string>
  /**
   * Ends the handlers of a thread's requests that came on a lost connection and were not repeated on the next one.
   * Call it after resuming the thread: the server repeats its requests before it answers the next request.
   */
  readonly settleServerRequests: (threadId: string) => void
  /** Whether somebody follows the thread, or something runs for it: a subagent, or the handler of a server request. */
  readonly isInUse: (threadId: string) => boolean
  /** The MCP servers of a thread whose last reported state is starting. */
  readonly startingMcpServers: (threadId: string) => ReadonlyArray<string>
  /** The thread's settings as far as the server reported them. The same object until it reports more. */
  readonly settingsOf: (threadId: string) => Told | undefined
  /** The mode, the model and the effort that the thread's next turn begins with, as far as they are known. */
  readonly nextSettingsOf: (threadId: string) => Next
  /** Tells that a thread is a fork of another, whose mode the model was told. */
  readonly onForked: (threadId: string, fromId: string) => void
  /** The total tokens that a thread has used, as last reported by the server. */
  readonly tokensOf: (threadId: string) => number | undefined
  /** How many reads brought frames so far, and how many requests wait for their reply. */
  readonly traffic: () => { readonly reads: number; readonly waiting: number }
  /** Lets the requests of an effect take no part in `maxInFlight`: whether the server answers at all does not wait. */
  readonly outOfTurn: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Gives up the current connection as if it were lost, from this very moment: what is requested from now on waits for
   * the next one, or fails with the cause if there will be none.
   */
  readonly abandon: (cause: ConnectionError) => void
}

/** The connection, as the parts of the client pass it to each other. */
export type Rpc = AppServerRpc["Service"]

const key = Symbol("@effect-codex/client/AppServerRpc/internals")

interface Keyed {
  readonly [key]?: RpcInternals
}

/** Attaches the internals to the service. */
export const withInternals = (rpc: Rpc, internals: RpcInternals): Rpc => Object.assign(rpc, { [key]: internals })

const derivations = new WeakMap<Rpc, RpcInternals>()

/** Returns the internals of a service; derives them from the public members if it has none. */
export const internalsOf = (rpc: Rpc & Keyed): RpcInternals => {
  const own = rpc[key]
  // `Layer.mock` has a function for each member that it was not given.
  if (typeof own === "object") return own
  const known = derivations.get(rpc)
  if (known !== undefined) return known
  const made = derived(rpc)
  derivations.set(rpc, made)
  return made
}

// =============================================================================
// Derived from the public members
// =============================================================================

/** The notification as the server sent it. */
const rawOf = (event: ServerNotification): Raw =>
  event._tag === "Unknown" || event._tag === "Undecodable" ? { _tag: event.method, params: event.params } : event

const derived = (rpc: Rpc): RpcInternals => ({
  observe: observeOf(rpc.notifications),
  // Which turn works for which is known to the client's own connection alone.
  attach: () => () => {},
  subagentTurns: () => [],
  decode,
  // A replaced connection has no log to write to.
  tell: () => {},
  report: () => {},
  // A connection that the client did not open is never restored.
  afterRestart: () => Effect.void,
  openServerRequests: () => [],
  settleServerRequests: () => {},
  isInUse: () => true,
  startingMcpServers: () => [],
  settingsOf: () => undefined,
  nextSettingsOf: () => ({}),
  onForked: () => {},
  tokensOf: () => undefined,
  traffic: () => ({ reads: 0, waiting: 0 }),
  outOfTurn: (effect) => effect,
  abandon: () => {}
})

/** Runs the notifications once for all observers, from the first until the last leaves. */
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
        // Detached: the release of the last observer interrupts it.
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
