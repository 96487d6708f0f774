/** The items of a turn: each is there once, whatever comes twice, late or without its beginning. */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Received from "../../Received.ts"
import type { ItemState, ItemView, TurnView } from "../../ThreadView.ts"
import { rawOf, textAt } from "../protocol/peek.ts"
import { type Delta, unrepeated } from "./deltas.ts"
import { filesOf } from "./files.ts"
import { List } from "./list.ts"
import { state } from "./state.ts"

interface Times {
  readonly startedAt?: number | undefined
  readonly endedAt?: number | undefined
}

const written: ReadonlySet<string> = new Set<Received.ThreadItem["type"]>(["agentMessage", "plan", "reasoning"])

/** Whether the model writes the item, so that it is void when the model's stream breaks. */
const isWritten = ({ item }: ItemView): boolean => written.has(String(textAt(rawOf(item), "type")))

/** An item that does not fit may still tell its id. */
const idOf = (item: Received.ThreadItem): string => textAt(rawOf(item), "id") ?? ""

const make = (turn: TurnView, item: Received.ThreadItem, itemState: ItemState, times: Times): ItemView => ({
  id: idOf(item),
  turnId: turn.id,
  item,
  state: itemState,
  isPartial: false,
  startedAt: times.startedAt,
  endedAt: times.endedAt,
  files: filesOf(item),
  stdin: "",
  progress: undefined
})

export const placeOf = (turn: TurnView, id: string): number | undefined =>
  Option.getOrUndefined(HashMap.get(turn[state].places, id))

export const itemAt = (turn: TurnView, id: string): ItemView | undefined => {
  const place = placeOf(turn, id)
  return place === undefined ? undefined : turn.items.at(place)
}

/** Puts an item in its place, or at the end. An item without an id has no place to come back to. */
const put = (turn: TurnView, view: ItemView): TurnView => {
  const place = view.id === "" ? undefined : placeOf(turn, view.id)
  if (place !== undefined) return { ...turn, items: turn.items.set(place, view) }
  const own = turn[state]
  return {
    ...turn,
    items: turn.items.append(view),
    [state]: view.id === "" ? own : { ...own, places: HashMap.set(own.places, view.id, turn.items.length) }
  }
}

const withRunning = (turn: TurnView, id: string, left: string): TurnView => ({
  ...turn,
  [state]: { ...turn[state], running: HashMap.set(turn[state].running, id, left), hasItem: true }
})

const withoutRunning = (turn: TurnView, id: string): TurnView =>
  HashMap.has(turn[state].running, id)
    ? { ...turn, [state]: { ...turn[state], running: HashMap.remove(turn[state].running, id) } }
    : turn

const firstText = (item: Received.ThreadItem): string =>
  item.type === "agentMessage" || item.type === "plan" ? item.text : ""

/** What was streamed of an item before its beginning came. */
const streamed = (item: Received.ThreadItem, before: Received.ThreadItem): Received.ThreadItem => {
  if (item.type === "agentMessage" && before.type === "agentMessage") return { ...item, text: before.text }
  if (item.type === "plan" && before.type === "plan") return { ...item, text: before.text }
  if (item.type === "reasoning" && before.type === "reasoning") {
    return { ...item, summary: before.summary, content: before.content }
  }
  if (item.type === "commandExecution" && before.type === "commandExecution") {
    return { ...item, aggregatedOutput: before.aggregatedOutput }
  }
  return item
}

/** Abandons what runs: all of it at the end of a turn, else what the model was writing. */
export const abandon = (turn: TurnView, which: "all" | "written", at: number | undefined): TurnView => {
  let next = turn
  for (const id of HashMap.keys(turn[state].running)) {
    const view = itemAt(next, id)
    if (view === undefined || which === "written" && !isWritten(view)) continue
    // The end of a turn is known less exactly than the beginning of its items.
    const endedAt = at === undefined || view.startedAt === undefined ? at : Math.max(at, view.startedAt)
    next = withoutRunning(put(next, { ...view, state: "abandoned", endedAt }), id)
  }
  return next
}

/** `item/started`. */
export const begin = (turn: TurnView, item: Received.ThreadItem, startedAt: number | undefined): TurnView => {
  const id = idOf(item)
  const before = itemAt(turn, id)
  if (before !== undefined && !before.isPartial) {
    // A provider may have one id for all of its messages. What came twice began before it was complete.
    const isNew = before.state !== "running" && startedAt !== undefined && startedAt !== before.startedAt &&
      before.endedAt !== undefined && startedAt > before.endedAt
    // What is late may still tell when the item began.
    if (!isNew) return before.startedAt === undefined ? put(turn, { ...before, startedAt }) : turn
  }
  // docs/codex-behaviour.md, "Steering ends the model's answer at once".
  const now = item.type === "userMessage" ? abandon(turn, "written", startedAt) : turn
  if (before?.isPartial === true && before.state === "running") {
    return put(now, {
      ...before,
      item: streamed(item, before.item),
      files: filesOf(item),
      isPartial: false,
      startedAt: startedAt ?? before.startedAt
    })
  }
  return withRunning(put(now, make(now, item, "running", { startedAt })), id, firstText(item))
}

/** `item/completed`. */
export const complete = (turn: TurnView, item: Received.ThreadItem, times: Times): TurnView => {
  const id = idOf(item)
  const before = id === "" ? undefined : itemAt(turn, id)
  const made = make(turn, item, "completed", times)
  const view: ItemView = before === undefined ? made : {
    ...made,
    startedAt: times.startedAt ?? before.startedAt,
    endedAt: times.endedAt ?? before.endedAt,
    stdin: before.stdin,
    progress: before.progress
  }
  const next = withoutRunning(put(turn, view), id)
  return next[state].hasItem || item.type === "userMessage"
    ? next
    : { ...next, [state]: { ...next[state], hasItem: true } }
}

/** An item of the store, which may not be complete yet. */
export const store = (turn: TurnView, item: Received.ThreadItem, times: Times): TurnView => {
  if (textAt(rawOf(item), "status") !== "inProgress") return complete(turn, item, times)
  const id = idOf(item)
  return itemAt(turn, id) === undefined
    ? withRunning(put(turn, make(turn, item, "running", times)), id, firstText(item))
    : turn
}

/** A piece of an item. What comes after its end is late: the end has the whole. */
export const write = (turn: TurnView, delta: Delta, at: number | undefined): TurnView => {
  const { blank, itemId } = delta
  const before = itemAt(turn, itemId)
  if (before === undefined) {
    const made = make(turn, delta.write(blank(itemId), delta.text), "running", { startedAt: at })
    return withRunning(put(turn, { ...made, isPartial: true }), itemId, "")
  }
  if (before.state !== "running") return turn
  const left = Option.getOrElse(HashMap.get(turn[state].running, itemId), () => "")
  const [text, rest] = left === "" ? [delta.text, ""] : unrepeated(left, delta.text)
  const item = delta.write(before.item, text)
  const files = item.type === "fileChange" && item !== before.item ? filesOf(item) : before.files
  const next = put(turn, { ...before, item, files })
  return rest === left ? next : withRunning(next, itemId, rest)
}

/** Changes what stands beside an item, if the item is there. */
export const note = (turn: TurnView, id: string, change: (view: ItemView) => Partial<ItemView>): TurnView => {
  const view = itemAt(turn, id)
  return view === undefined ? turn : put(turn, { ...view, ...change(view) })
}

/** The items in the order of the store, and then those that it does not have. */
export const sortAs = (turn: TurnView, stored: ReadonlyArray<Received.ThreadItem>): TurnView => {
  const order = new Map(stored.map((item, place) => [idOf(item), place]))
  const views = [...turn.items]
  const known = views.filter(({ id }) => order.has(id)).sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0))
  // An item that only the live view has stays where it was, before the item that followed it.
  let next = 0
  const sorted = views.map((view) => order.has(view.id) ? known[next++]! : view)
  if (sorted.every((view, place) => view === views[place])) return turn
  return {
    ...turn,
    items: List.from(sorted),
    [state]: { ...turn[state], places: HashMap.fromIterable(sorted.map(({ id }, place) => [id, place])) }
  }
}
