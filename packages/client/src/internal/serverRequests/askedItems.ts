/** Keeps the running items, so that a handler gets the whole item that its request names. */
import * as Received from "@effect-codex/protocol/Received"
import { guardOf } from "../protocol/guard.ts"
import { at, textAt } from "../protocol/peek.ts"

// Requests never refer to items of other types, or those are too many to keep.
const types: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>([
  "commandExecution",
  "fileChange",
  "mcpToolCall",
  "dynamicToolCall"
])

// Far beyond what runs at once. Bounds memory against a server that never completes an item.
const maxItems = 4096

export class AskedItems {
  private readonly threads = new Map<
    string,
    Map<string, { readonly turnId: string | undefined; readonly item: unknown }>
  >()
  private count = 0

  /** The item that the params of a request name. */
  of(threadId: string | undefined, params: unknown): Received.ThreadItem | undefined {
    const itemId = textAt(params, "itemId") ?? textAt(params, "callId")
    if (threadId === undefined || itemId === undefined) return undefined
    const item = this.threads.get(threadId)?.get(itemId)?.item
    return guardOf(Received.ThreadItem)(item) ? item : undefined
  }

  started(threadId: string, params: unknown): void {
    const item = at(params, "item")
    const id = textAt(item, "id")
    if (id === undefined || !types.has(at(item, "type"))) return
    const ofThread = this.threads.get(threadId) ?? new Map()
    this.threads.set(threadId, ofThread)
    if (!ofThread.has(id)) this.count++
    ofThread.set(id, { turnId: textAt(params, "turnId"), item })
    if (this.count <= maxItems) return
    for (const [oldestThread, items] of this.threads) {
      const [oldest] = items.keys()
      return this.drop(oldestThread, oldest!)
    }
  }

  drop(threadId: string, id: string): void {
    const ofThread = this.threads.get(threadId)
    if (ofThread?.delete(id) !== true) return
    this.count--
    if (ofThread.size === 0) this.threads.delete(threadId)
  }

  /** Drops the turn's items: one that was running when its turn was interrupted never completes. */
  turnEnded(threadId: string, turnId: string): void {
    for (const [id, item] of this.threads.get(threadId) ?? []) {
      if (item.turnId === turnId) this.drop(threadId, id)
    }
  }

  clear(): void {
    this.threads.clear()
    this.count = 0
  }
}
