/**
 * Reads frames: a reply resumes its request, a server request starts a fiber, a notification goes to its observers and
 * mailboxes. Each waiting mailbox is woken once per read, or once for several reads in immediate succession.
 *
 * The reader is synchronous and never waits, however slow its recipients are.
 */
import type { Raw } from "../../ServerNotification.ts"
import type { ReadBatch } from "../events/readBatch.ts"
import { DeltaFrames } from "../protocol/deltaFrames.ts"
import { at, threadIdOf } from "../protocol/peek.ts"
import type { Message } from "../serverRequests/serverRequestFibers.ts"
import { redactTurnError } from "../text/keys.ts"
import type { DiagnosticLog } from "./diagnosticLog.ts"
import type { FanOut, Observed } from "./fanOut.ts"
import type { Followed } from "./followed.ts"
import { isFollowed } from "./followed.ts"

/** While more input is waiting, wake readers only once each has about this many notifications. */
const worthWaking = 16
/** At most this many notifications wait for that. */
const mostUnflushed = 2048

/** A provider's error text may quote a key, so it is redacted before anybody sees it. */
const redactErrors = (params: unknown): void => {
  redactTurnError(at(params, "error"))
  redactTurnError(at(at(params, "turn"), "error"))
}

export interface Recipients {
  readonly onReply: (id: unknown, reply: { readonly result?: unknown; readonly error?: unknown }) => void
  readonly onRequest: (message: Message) => void
  readonly fanOut: FanOut
  readonly followed: Followed
  readonly diagnostics: DiagnosticLog
}

export class Reader {
  private readonly deltaFrames = new DeltaFrames()
  /** How many reads brought frames: a server whose reads stand still is silent. */
  reads = 0
  private unflushed = 0
  // Notifications come in runs of one method, so its properties are looked up only when it changes.
  private lastMethod = ""
  private isLastFollowed = false
  private mayQuoteKey = false
  private readonly batch: ReadBatch<Observed>
  private readonly to: Recipients

  constructor(batch: ReadBatch<Observed>, to: Recipients) {
    this.batch = batch
    this.to = to
  }

  /** `more`: the next read follows at once. */
  readonly onFrames = (frames: ReadonlyArray<string>, more = false): void => {
    this.reads++
    for (let i = 0; i < frames.length; i++) this.onFrame(frames[i]!)
    this.unflushed += frames.length
    // Waking a reader costs as much as about ten notifications, and with many turns a read brings each only a few.
    const isWorthIt = this.unflushed >= worthWaking * this.batch.size || this.unflushed >= mostUnflushed
    if (more && !this.batch.hasDeferred && !isWorthIt) return
    this.endRead()
  }

  endRead(): void {
    this.unflushed = 0
    this.batch.runDeferred()
    this.batch.endTouched()
    this.to.fanOut.flush()
  }

  private onFrame(frame: string): void {
    const delta = this.deltaFrames.read(frame)
    if (delta !== undefined) return this.onNotification(delta, frame.length)
    const { diagnostics, onReply, onRequest } = this.to
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
        this.deltaFrames.learn(frame, method, params)
        return this.onNotification({ _tag: method, params }, frame.length)
      }
      if (typeof id !== "string" && typeof id !== "number") return diagnostics.garbage(frame)
      return this.batch.defer(() => onRequest({ id, method, params }))
    }
    if (id === undefined || id === null) return diagnostics.garbage(frame)
    onReply(id, message)
  }

  private onNotification(notification: Raw, bytes: number): void {
    const { _tag: method, params } = notification
    if (method !== this.lastMethod) {
      this.lastMethod = method
      this.isLastFollowed = isFollowed(method)
      this.mayQuoteKey = method === "error" || method === "turn/completed"
    }
    if (this.mayQuoteKey) redactErrors(params)
    const threadId = threadIdOf(params)
    this.to.fanOut.deliver(notification, threadId, bytes)
    if (this.isLastFollowed) this.to.followed.onNotification(method, threadId, params)
  }
}
