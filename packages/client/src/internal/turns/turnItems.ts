/**
 * The items of one turn as they came: those that have begun, those that are running, and the completed state of
 * each.
 */
import * as Received from "@effect-codex/protocol/Received"
import * as Predicate from "effect/Predicate"
import { guardOf } from "../protocol/guard.ts"
import * as Items from "../protocol/items.ts"

const idOf = (item: unknown): string | undefined =>
  Predicate.hasProperty(item, "id") && Predicate.isString(item.id) ? item.id : undefined

const written: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>(["agentMessage", "plan", "reasoning"])

/** Whether the model writes the item, so that nothing runs meanwhile. */
const isWritten = (item: unknown): boolean => Predicate.hasProperty(item, "type") && written.has(item.type)

export class TurnItems {
  /** The ids of the items that have begun. */
  readonly ids = new Set<string>()
  /** The items that have begun and not ended. */
  private readonly begun = new Map<string, unknown>()
  /** The completed items, in the order of their first completion. */
  private readonly completed: Array<unknown> = []
  /** The index of each completed item. */
  private readonly places = new Map<string, number>()

  begin(item: unknown): void {
    const id = idOf(item)
    if (id === undefined) return
    this.ids.add(id)
    this.begun.set(id, item)
  }

  complete(item: unknown): void {
    const id = idOf(item)
    if (id === undefined) {
      this.completed.push(item)
      return
    }
    this.begun.delete(id)
    const place = this.places.get(id) ?? this.completed.length
    this.places.set(id, place)
    this.completed[place] = item
  }

  /**
   * Forgets what the model was writing, which never completes: docs/codex-behaviour.md, "A message that breaks off
   * is never completed". The model writes it again under another id.
   */
  abandonWritten(): void {
    for (const [id, item] of this.begun) {
      if (isWritten(item)) this.begun.delete(id)
    }
  }

  /** Whether the item's completion was not heard, or did not fit the protocol. */
  isMissing(item: unknown): boolean {
    const id = idOf(item)
    if (id === undefined) return false
    const place = this.places.get(id)
    return place === undefined || !guardOf(Received.ThreadItem)(this.completed[place])
  }

  /** Sorts the items as the server has stored them. Missed items come before those heard since. */
  sortAs(stored: ReadonlyArray<unknown>): void {
    const place = new Map(stored.map((item, index) => [idOf(item), index]))
    const placeOf = (item: unknown) => place.get(idOf(item)) ?? Infinity
    this.completed.sort((a, b) => placeOf(a) - placeOf(b))
    this.places.clear()
    this.completed.forEach((item, place) => {
      const id = idOf(item)
      if (id !== undefined) this.places.set(id, place)
    })
  }

  get running(): ReadonlyArray<Received.ThreadItem> {
    return [...this.begun.values()].map(Items.read)
  }

  get all(): ReadonlyArray<Received.ThreadItem> {
    return this.completed.map(Items.read)
  }
}
