/** Delivers each notification to the observers of its thread, and to the streams of all notifications. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionError } from "../../CodexError.ts"
import type { Raw, ServerNotification } from "../../ServerNotification.ts"
import { done, Mailbox, slowReader } from "../events/mailbox.ts"
import type { ReadBatch, Touchable } from "../events/readBatch.ts"
import type { ThreadObserver } from "../rpcInternals.ts"
import type { DiagnosticLog } from "./diagnosticLog.ts"

const none: ReadonlyArray<ThreadObserver> = []

/** The observers of one thread. */
export class Observed implements Touchable {
  isTouched = false
  by: ReadonlyArray<ThreadObserver>

  constructor(by: ReadonlyArray<ThreadObserver>) {
    this.by = by
  }

  onNotification(notification: Raw, bytes: number): void {
    for (const observer of this.by) observer.onNotification(notification, bytes)
  }

  onReadEnd(): void {
    for (const observer of this.by) observer.onReadEnd()
  }
}

export class FanOut {
  private readonly observers = new Map<string | undefined, Observed>()
  private readonly subscribers = new Set<Mailbox<ConnectionError>>()
  private end: ConnectionError | undefined
  // Notifications come in runs of one thread. Looking up a freshly parsed string costs more than comparing it.
  private lastThreadId: string | undefined
  private lastObserved: Observed | undefined
  private readonly batch: ReadBatch<Observed>
  private readonly diagnostics: DiagnosticLog

  constructor(batch: ReadBatch<Observed>, diagnostics: DiagnosticLog) {
    this.batch = batch
    this.diagnostics = diagnostics
  }

  // ---------------------------------------------------------------------------
  // Called by the reader
  // ---------------------------------------------------------------------------

  deliver(notification: Raw, threadId: string | undefined, bytes: number): void {
    if (threadId !== this.lastThreadId) {
      this.lastThreadId = threadId
      this.lastObserved = this.observers.get(threadId)
    }
    if (this.subscribers.size > 0) { for (const subscriber of this.subscribers) subscriber.push(notification, bytes) }
    const observed = this.lastObserved
    if (observed === undefined) return
    observed.onNotification(notification, bytes)
    this.batch.touch(observed)
  }

  /** Wakes the waiting streams. */
  flush(): void {
    for (const subscriber of this.subscribers) subscriber.flush()
  }

  /** Ends all observers and streams. */
  finish(cause: ConnectionError): void {
    this.end = cause
    this.forEach((observer) => observer.onEnd(cause))
    for (const subscriber of this.subscribers) {
      subscriber.close(Exit.fail(cause))
      subscriber.flush()
    }
  }

  // ---------------------------------------------------------------------------
  // For the client
  // ---------------------------------------------------------------------------

  /** Whether somebody reads all notifications. */
  get isSubscribed(): boolean {
    return this.subscribers.size > 0
  }

  isObserved(threadId: string): boolean {
    return this.observers.has(threadId)
  }

  observersOf(threadId: string | undefined): ReadonlyArray<ThreadObserver> {
    return this.observers.get(threadId)?.by ?? none
  }

  forEach(tell: (observer: ThreadObserver) => void): void {
    for (const { by } of this.observers.values()) {
      for (const observer of by) tell(observer)
    }
  }

  observe(threadId: string | undefined, observer: ThreadObserver): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(Effect.sync(() => this.attach(threadId, observer)), (detach) => Effect.sync(detach))
    )
  }

  /** Observes a thread until the returned function is called. */
  attach(threadId: string | undefined, observer: ThreadObserver): () => void {
    if (this.end !== undefined) {
      observer.onEnd(this.end)
      return () => {}
    }
    this.set(threadId, [...this.observersOf(threadId), observer])
    return () => this.set(threadId, this.observersOf(threadId).filter((other) => other !== observer))
  }

  /** All notifications from now on, with a mailbox for each run. */
  readonly notifications: Stream.Stream<ServerNotification, ConnectionError> = Stream.unwrap(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const mailbox = new Mailbox<ConnectionError>({ highWater: slowReader(this.diagnostics, "notifications") })
        if (this.end !== undefined) mailbox.close(Exit.fail(this.end))
        else this.subscribers.add(mailbox)
        return mailbox
      }),
      (mailbox) =>
        Effect.sync(() => {
          this.subscribers.delete(mailbox)
          mailbox.close(done)
        })
    ),
    (mailbox) => mailbox.streamOf(this.diagnostics.decode)
  ))

  private set(threadId: string | undefined, by: ReadonlyArray<ThreadObserver>): void {
    const known = this.observers.get(threadId)
    if (by.length === 0) this.observers.delete(threadId)
    else if (known !== undefined) known.by = by
    else this.observers.set(threadId, new Observed(by))
    this.lastObserved = this.observers.get(this.lastThreadId)
  }
}
