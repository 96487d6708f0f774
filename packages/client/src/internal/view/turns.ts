/** The turns of an agent. */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Received from "../../Received.ts"
import type { AgentView, TurnView } from "../../ThreadView.ts"
import { at, rawOf } from "../protocol/peek.ts"
import * as Items from "./items.ts"
import { List } from "./list.ts"
import { problemOf } from "./problems.ts"
import { emptyTurn, state } from "./state.ts"

export const turnOf = (agent: AgentView, id: string): TurnView | undefined => {
  const place = Option.getOrUndefined(HashMap.get(agent[state].turns, id))
  return place === undefined ? undefined : agent.turns.at(place)
}

/** Changes a turn. One that was never heard of begins here: its beginning is late, or was missed. */
export const inTurn = <A extends AgentView>(agent: A, id: string, change: (turn: TurnView) => TurnView): A => {
  const place = Option.getOrUndefined(HashMap.get(agent[state].turns, id))
  const before = place === undefined ? undefined : agent.turns.at(place)
  if (place !== undefined && before !== undefined) {
    const turn = change(before)
    return turn === before ? agent : { ...agent, turns: agent.turns.set(place, turn) }
  }
  return {
    ...agent,
    turns: agent.turns.append(change(emptyTurn(id))),
    [state]: { ...agent[state], turns: HashMap.set(agent[state].turns, id, agent.turns.length) }
  }
}

/** The time in an id that codex has made, in milliseconds. */
const timeIn = (id: string): number | undefined =>
  /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-/.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined

/** The server tells whole seconds, and the id has milliseconds of the same clock. */
const startOf = (turn: Pick<Received.Turn, "id" | "startedAt">, when: number | undefined): number | undefined => {
  if (typeof turn.startedAt !== "number") return when
  const seconds = turn.startedAt * 1000
  const time = timeIn(turn.id)
  return time !== undefined && Math.abs(time - seconds) < 2000 ? time : seconds
}

const endOf = (turn: Received.Turn, startedAt: number | undefined, when: number | undefined): number | undefined => {
  if (typeof turn.completedAt !== "number") return when
  return typeof turn.durationMs === "number" && startedAt !== undefined
    ? startedAt + turn.durationMs
    : turn.completedAt * 1000
}

const ended: ReadonlySet<string> = new Set(["completed", "interrupted", "failed"])

export const isOver = ({ status }: Pick<TurnView, "status">): boolean => ended.has(status)

/** What the server says of a turn itself. What is over stays over. */
const said = (before: TurnView, turn: Received.Turn, when: number | undefined): TurnView => {
  const startedAt = before.startedAt ?? startOf(turn, isOver(turn) ? undefined : when)
  const base: TurnView = {
    ...before,
    rootTurnId: turn.rootTurnId ?? before.rootTurnId,
    startedAt
  }
  if (!isOver(turn)) return isOver(before) ? base : { ...base, status: turn.status }
  return {
    ...base,
    status: turn.status,
    endedAt: before.endedAt ?? endOf(turn, startedAt, when),
    durationMs: turn.durationMs ?? before.durationMs,
    error: turn.error === null || turn.error === undefined ? before.error : problemOf(turn.error, false, when)
  }
}

/** When a stored item began and ended, if its producer recorded that. */
export const timesOf = (item: unknown): { readonly startedAt?: number; readonly endedAt?: number } => {
  const raw = rawOf(item)
  const startedAt = at(raw, "startedAtMs")
  const endedAt = at(raw, "completedAtMs")
  return {
    ...typeof startedAt === "number" ? { startedAt } : {},
    ...typeof endedAt === "number" ? { endedAt } : {}
  }
}

/** Items that came with a turn, whole. */
const withItems = (turn: TurnView, items: ReadonlyArray<Received.ThreadItem>): TurnView =>
  items.reduce((now, item) => Items.store(now, item, timesOf(item)), turn)

/** @param model the model that the thread has now. */
export const begin = (
  before: TurnView,
  turn: Received.Turn,
  model: string | undefined,
  when: number | undefined
): TurnView => ({ ...said(before, turn, when), model: before.model ?? model })

export const end = (before: TurnView, turn: Received.Turn, when: number | undefined): TurnView => {
  const next = said(before, turn, when)
  return Items.abandon(withItems(next, turn.items), "all", next.endedAt ?? when)
}

/** Notes a turn that begins within another one of the same thread, as that of a review does. */
export const within = <A extends AgentView>(agent: A, { id, rootTurnId }: Received.Turn): A =>
  rootTurnId === null || rootTurnId === undefined || rootTurnId === id || turnOf(agent, rootTurnId) === undefined
    ? agent
    : { ...agent, [state]: { ...agent[state], inner: HashMap.set(agent[state].inner, rootTurnId, id) } }

/** The turn within a review ends with it, and its end is not told. The store has it as interrupted, too. */
export const endInner = <A extends AgentView>(agent: A, id: string): A => {
  const inner = Option.getOrUndefined(HashMap.get(agent[state].inner, id))
  if (inner === undefined) return agent
  return inTurn(
    agent,
    inner,
    (turn) => isOver(turn) ? turn : Items.abandon({ ...turn, status: "interrupted" }, "all", undefined)
  )
}

/** A turn of the store. It has the order of the items. What was running when codex was killed is still so there. */
export const stored = (before: TurnView, turn: Received.Turn): TurnView => {
  const next = withItems(said(before, turn, undefined), turn.items)
  const sorted = turn.itemsView === "full" || turn.itemsView === undefined ? Items.sortAs(next, turn.items) : next
  return isOver(sorted) ? Items.abandon(sorted, "all", sorted.endedAt) : sorted
}

/** Only these turns, in this order: the others were taken out of the history. */
export const only = <A extends AgentView>(agent: A, ids: ReadonlyArray<string>): A => {
  const turns = ids.flatMap((id) => turnOf(agent, id) ?? [])
  return {
    ...agent,
    turns: List.from(turns),
    isReverted: false,
    [state]: { ...agent[state], turns: HashMap.fromIterable(turns.map(({ id }, place) => [id, place])) }
  }
}
