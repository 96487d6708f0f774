/** The items of one turn, as they came: which have begun, which run, and what each was when it was completed. */
import * as Received from "@effect-codex/protocol/Received"
import * as Predicate from "effect/Predicate"
import { guardOf } from "../protocol/guard.ts"
import * as Items from "../protocol/items.ts"

const idOf = (item: unknown): string | undefined =>
  Predicate.hasProperty(item, "id") && Predicate.isString(item.id) ? item.id : undefined

const written: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>(["agentMessage", "plan", "reasoning"])

/** Whether the model writes it, and nothing runs meanwhile. */
const isWritten = (item: unknown): boolean => Predicate.hasProperty(item, "type") && written.has(item.type)

export class TurnItems {
  /** Of the items that have begun. */
  readonly ids = new Set<string>()
  /** Those that have begun and not ended. */
  private readonly begun = new Map<string, unknown>()
  /** Those that were completed, in the order of the first completion. */
  private readonly completed: Array<unknown> = []
  /** Where each of them stands. */
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

  /** What the model was writing is never completed, and is written again under another id. */
  abandonWritten(): void {
    for (const [id, item] of this.begun) {
      if (isWritten(item)) this.begun.delete(id)
    }
  }

  /** Whether its completion was not heard, or heard as what does not fit. */
  isMissing(item: unknown): boolean {
    const id = idOf(item)
    if (id === undefined) return false
    const place = this.places.get(id)
    return place === undefined || !guardOf(Received.ThreadItem)(this.completed[place])
  }

  /** Puts them into the order in which the server has stored them. What was missed lies before what was heard since. */
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
