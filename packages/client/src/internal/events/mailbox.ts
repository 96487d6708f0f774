/**
 * The mailbox of one reader of notifications, and the compacted log for late readers.
 *
 * The connection's reader never waits: it pushes notifications and, at the end of a read, wakes each waiting
 * mailbox. An unread mailbox does not grow with every delta: beyond `mergeBeyond` unread notifications, the
 * deltas of one item are merged into one. Nothing else is ever merged or dropped.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Raw } from "../../ServerNotification.ts"

export const mergeBeyond = 1024

// The protocol's deltas. The value is the member that, beside the item's id, identifies the text they belong
// to.
const deltas = new Map<string, string | undefined>([
  ["item/agentMessage/delta", undefined],
  ["item/plan/delta", undefined],
  ["item/commandExecution/outputDelta", undefined],
  ["item/fileChange/outputDelta", undefined],
  ["item/reasoning/summaryTextDelta", "summaryIndex"],
  ["item/reasoning/textDelta", "contentIndex"]
])

interface DeltaParams {
  readonly itemId: string
  readonly delta: string
  readonly [key: string]: unknown
}

const isDelta = (params: unknown): params is DeltaParams =>
  typeof params === "object" && params !== null &&
  typeof (params as Record<string, unknown>)["itemId"] === "string" &&
  typeof (params as Record<string, unknown>)["delta"] === "string"

const isName = (u: unknown): u is string | number | undefined =>
  typeof u === "string" || typeof u === "number" || u === undefined

/**
 * Up to this many pieces are left unjoined. Keeping more costs the garbage collector; joining fewer costs as
 * much.
 */
const fewPieces = 64

/** Consecutive deltas of one item, merged. */
class MergedDelta {
  readonly method: string
  readonly params: DeltaParams
  readonly index: unknown
  private readonly indexKey: string | undefined
  private readonly itemId: string
  private readonly turnId: unknown
  private text = ""
  private pieces: Array<string>
  constructor(method: string, params: DeltaParams, indexKey: string | undefined) {
    this.method = method
    this.params = params
    this.indexKey = indexKey
    this.index = indexKey === undefined ? undefined : params[indexKey]
    this.itemId = params.itemId
    this.turnId = params["turnId"]
    this.pieces = [params.delta]
  }
  /** Takes in a notification if it continues this one. */
  takes({ _tag, params }: Raw): boolean {
    if (_tag !== this.method || typeof params !== "object" || params === null) return false
    const { delta, itemId, turnId } = params as Readonly<Record<string, unknown>>
    if (itemId !== this.itemId || turnId !== this.turnId || typeof delta !== "string") return false
    if (this.indexKey !== undefined && (params as DeltaParams)[this.indexKey] !== this.index) return false
    this.pieces.push(delta)
    return true
  }
  add(delta: string): void {
    this.pieces.push(delta)
  }
  join(): void {
    this.text += this.pieces.join("")
    this.pieces = []
  }
  joinMany(): void {
    if (this.pieces.length > fewPieces) this.join()
  }
  get event(): Raw {
    return { _tag: this.method, params: { ...this.params, delta: this.text + this.pieces.join("") } }
  }
}

/** Notifications in order, with the deltas of one item merged. */
export class CompactLog {
  private entries: Array<Raw | MergedDelta> = []
  private merged = new Map<string, MergedDelta>()
  private last: MergedDelta | undefined
  /** The ids of the items that have deltas in `merged`. */
  private readonly itemIds = new Set<string>()

  push(event: Raw): void {
    if (this.last?.takes(event) === true) return
    const { _tag: method, params } = event
    if (!deltas.has(method) || !isDelta(params)) {
      if (method === "item/started") this.begin(params)
      this.entries.push(event)
      return
    }
    const indexKey = deltas.get(method)
    const index = indexKey === undefined ? undefined : params[indexKey]
    // An id that is neither a string nor a number is not the protocol's, and converting it to a key may throw.
    if (!isName(params["turnId"]) || !isName(index)) {
      this.entries.push(event)
      return
    }
    this.last?.join()
    const key = `${method} ${params["turnId"]} ${params.itemId} ${index}`
    const known = this.merged.get(key)
    if (known !== undefined) {
      this.last = known
      return known.add(params.delta)
    }
    this.last = new MergedDelta(method, params, indexKey)
    this.merged.set(key, this.last)
    this.itemIds.add(params.itemId)
    this.entries.push(this.last)
  }

  // A restarted item may have the id of the abandoned one: always for a plan, and with some providers for a
  // message.
  private begin(params: unknown): void {
    const { item } = Object(params) as { readonly item?: { readonly id?: unknown } | null }
    if (typeof item?.id !== "string" || !this.itemIds.has(item.id)) return
    this.last?.join()
    this.last = undefined
    this.merged = new Map()
    this.itemIds.clear()
  }

  /** Called when all notifications of a read have been pushed. */
  readEnded(): void {
    this.last?.joinMany()
  }

  get length(): number {
    return this.entries.length
  }

  snapshot(): Array<Raw> {
    return this.entries.map((entry) => entry instanceof MergedDelta ? entry.event : entry)
  }
}

export interface MailboxLimits<E> {
  /** Fails only this reader when more than `bytes` are unread. */
  readonly maxUnread?: { readonly bytes: number; readonly error: (bytes: number) => E } | undefined
  /** Called once, the first time that more than `bytes` are unread. */
  readonly highWater?: { readonly bytes: number; readonly report: (bytes: number) => void } | undefined
}

export class Mailbox<E> {
  private unread: Array<Raw>
  private overflow: CompactLog | undefined
  private unreadBytes = 0
  private end: Exit.Exit<never, E | Cause.Done> | undefined
  private waiting: (() => void) | undefined
  private warned = false
  private readonly limits: MailboxLimits<E>

  constructor(limits: MailboxLimits<E>, history: Array<Raw> = []) {
    this.limits = limits
    this.unread = history
  }

  /** @param bytes the size of the notification's frame. */
  push(event: Raw, bytes: number): void {
    if (this.end !== undefined) return
    this.unreadBytes += bytes
    // A waiting reader is not slow: the end of the read wakes it.
    if (this.overflow === undefined && (this.unread.length < mergeBeyond || this.waiting !== undefined)) {
      this.unread.push(event)
    } else {
      this.overflow ??= new CompactLog()
      this.overflow.push(event)
    }
    const { highWater, maxUnread } = this.limits
    if (maxUnread !== undefined && this.unreadBytes > maxUnread.bytes) {
      this.unread = []
      this.overflow = undefined
      this.end = Exit.fail(maxUnread.error(this.unreadBytes))
    }
    if (highWater !== undefined && !this.warned && this.unreadBytes > highWater.bytes) {
      this.warned = true
      highWater.report(this.unreadBytes)
    }
  }

  /** Ends the reader after its unread notifications. */
  close(end: Exit.Exit<never, E | Cause.Done>): void {
    this.end ??= end
  }

  /** Wakes the reader if it waits and there is something to read. */
  flush(): void {
    this.overflow?.readEnded()
    if (this.waiting === undefined || (this.unread.length === 0 && this.end === undefined)) return
    const wake = this.waiting
    this.waiting = undefined
    wake()
  }

  private take(): Array<Raw> | undefined {
    if (this.unread.length === 0) return undefined
    const batch = this.overflow === undefined ? this.unread : this.unread.concat(this.overflow.snapshot())
    this.unread = []
    this.overflow = undefined
    this.unreadBytes = 0
    return batch
  }

  /**
   * The batches of this mailbox, each notification mapped by `look`. For one consumer. Effects that do not
   * depend on the batch are created once, because with many concurrent turns a batch holds only a few
   * notifications.
   */
  streamOf<A>(look: (raw: Raw) => A): Stream.Stream<A, E> {
    type Batch = readonly [A, ...Array<A>]
    const read = (): Effect.Effect<Batch, E | Cause.Done> | undefined => {
      const batch = this.take()
      return batch === undefined ? this.end : Effect.succeed(batch.map(look) as unknown as Batch)
    }
    const stopWaiting = Effect.sync(() => {
      this.waiting = undefined
    })
    const wait = Effect.callback<Batch, E | Cause.Done>((resume) => {
      this.waiting = () => resume(read() ?? wait)
      return stopWaiting
    })
    const pull: Pull.Pull<Batch, E> = Effect.suspend(() => read() ?? wait)
    return Stream.fromPull(Effect.succeed(pull as Pull.Pull<Batch, E, void>))
  }
}

const highWaterBytes = 64 * 1024 * 1024

/** Reports a reader that leaves more than 64 MiB unread. */
export const slowReader = (
  { report }: { readonly report: (text: string, unreadBytes: number) => void },
  name: string
): NonNullable<MailboxLimits<never>["highWater"]> => ({
  bytes: highWaterBytes,
  report: (bytes) => report(`${bytes} bytes of ${name} are unread; their reader is too slow`, bytes)
})

export const done: Exit.Exit<never, Cause.Done> = Exit.fail(Cause.Done())
