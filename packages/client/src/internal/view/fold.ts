/** Takes events into the view of a thread: finds the agent that an event belongs to. */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Received from "../../Received.ts"
import type { ServerNotification } from "../../ServerNotification.ts"
import type { AgentView, Event, ThreadView } from "../../ThreadView.ts"
import { at, rootOf, threadIdOf, turnIdOf } from "../protocol/peek.ts"
import * as Agent from "./agent.ts"
import * as Asks from "./asks.ts"
import { subagentsState } from "./state.ts"
import * as Subagents from "./subagents.ts"
import * as Turns from "./turns.ts"

/** Changes the agent of a thread. Nothing if the thread is none of these. */
const inAgent = (view: ThreadView, threadId: string, change: <A extends AgentView>(agent: A) => A): ThreadView =>
  threadId === view.threadId ? change(view) : Subagents.change(view, threadId, change)

/** Makes an empty view one of this thread. */
const named = (view: ThreadView, threadId: string | undefined): ThreadView =>
  view.threadId !== "" || threadId === undefined ? view : { ...view, threadId }

/** docs/codex-behaviour.md, "The turns of a subagent name the turn that they work for". */
const adoptWorking = (view: ThreadView, threadId: string, params: unknown): ThreadView => {
  const root = rootOf(params)
  return root !== undefined && threadId !== view.threadId && Turns.turnOf(view, root) !== undefined
    ? Subagents.adopt(view, threadId, view.threadId)
    : view
}

const isOurs = (view: ThreadView, threadId: string): boolean =>
  threadId === view.threadId || Subagents.placeOf(view, threadId) !== undefined

const adoptChild = (view: ThreadView, thread: Received.Thread): ThreadView => {
  const parent = Subagents.parentOf(thread)
  return parent !== undefined && isOurs(view, parent) ? Subagents.adopt(view, thread.id, parent) : view
}

const withThread = (view: ThreadView, thread: Received.Thread): ThreadView =>
  Subagents.change(view, thread.id, (subagent) => Subagents.about(subagent, thread))

const notified = (before: ThreadView, event: ServerNotification, when: number | undefined): ThreadView => {
  const threadId = threadIdOf(event.params)
  const view = named(before, threadId)
  // What names no thread concerns all of them, such as a warning about the configuration.
  if (threadId === undefined) return turnIdOf(event.params) === undefined ? Agent.notified(view, event, when) : view
  const known = event._tag === "turn/started"
    ? adoptWorking(view, threadId, event.params)
    : event._tag === "thread/started"
    ? adoptChild(view, event.params.thread)
    : view
  if (!isOurs(known, threadId)) return known
  const next = inAgent(known, threadId, (agent) => Agent.notified(agent, event, when))
  switch (event._tag) {
    case "item/started":
    case "item/completed":
      return Subagents.told(next, threadId, event.params.item)
    case "thread/started":
      return withThread(next, event.params.thread)
    default:
      return next
  }
}

const storedItems = (view: ThreadView, threadId: string, turn: unknown): ThreadView => {
  const items = at(turn, "items")
  return Array.isArray(items)
    ? items.reduce<ThreadView>((now, item: Received.ThreadItem) => Subagents.told(now, threadId, item), view)
    : view
}

export const apply = (view: ThreadView, event: Event, when: number | undefined): ThreadView => {
  switch (event._tag) {
    case "ServerRequest": {
      const threadId = Asks.threadOf(event)
      if (threadId === undefined || !Asks.isAsked(event)) return view
      const next = inAgent(named(view, threadId), threadId, (agent) => Asks.ask(agent, event, when))
      if (next === view) return view
      const { askers } = next[subagentsState]
      return { ...next, [subagentsState]: { ...next[subagentsState], askers: HashMap.set(askers, event.id, threadId) } }
    }
    case "ServerRequestAnswer": {
      const threadId = Option.getOrUndefined(HashMap.get(view[subagentsState].askers, event.id))
      return threadId === undefined
        ? view
        : inAgent(view, threadId, (agent) => Asks.answer(agent, event.id, event.answer, when))
    }
    case "StoredThread": {
      const { thread } = event
      const known = adoptChild(named(view, thread.id), thread)
      if (!isOurs(known, thread.id)) return known
      const next = withThread(inAgent(known, thread.id, (agent) => Agent.storedThread(agent, event)), thread)
      return (thread.turns ?? []).reduce((now, turn) => storedItems(now, thread.id, turn), next)
    }
    case "StoredTurn": {
      const { threadId, turn } = event
      const next = inAgent(named(view, threadId), threadId, (agent) => Agent.storedTurn(agent, turn))
      return isOurs(next, threadId) ? storedItems(next, threadId, turn) : next
    }
    case "StoredItem": {
      const { entry, threadId } = event
      const next = inAgent(named(view, threadId), threadId, (agent) => Agent.storedItem(agent, entry))
      return isOurs(next, threadId) && entry.item !== undefined ? Subagents.told(next, threadId, entry.item) : next
    }
    default:
      return notified(view, event, when)
  }
}
