/** Which threads are subagents of the one that is viewed, and what is told of them. */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Received from "../../Received.ts"
import type { SubagentView, ThreadView } from "../../ThreadView.ts"
import { at, textAt } from "../protocol/peek.ts"
import { emptySubagent, subagentsState } from "./state.ts"

export const placeOf = (view: ThreadView, threadId: string): number | undefined =>
  Option.getOrUndefined(HashMap.get(view[subagentsState].places, threadId))

export const change = (
  view: ThreadView,
  threadId: string,
  f: (subagent: SubagentView) => SubagentView
): ThreadView => {
  const place = placeOf(view, threadId)
  const before = place === undefined ? undefined : view.subagents.at(place)
  if (place === undefined || before === undefined) return view
  const after = f(before)
  return after === before ? view : { ...view, subagents: view.subagents.set(place, after) }
}

/** Takes a thread for a subagent from now on. */
export const adopt = (view: ThreadView, threadId: string, parentThreadId: string): ThreadView =>
  threadId === view.threadId || threadId === "" || placeOf(view, threadId) !== undefined ? view : {
    ...view,
    subagents: view.subagents.append(emptySubagent(threadId, parentThreadId)),
    [subagentsState]: {
      ...view[subagentsState],
      places: HashMap.set(view[subagentsState].places, threadId, view.subagents.length)
    }
  }

/** What an item of an agent tells of the agents that it started. */
export const told = (view: ThreadView, senderThreadId: string, item: Received.ThreadItem): ThreadView => {
  if (item.type === "subAgentActivity") {
    const { agentPath, agentThreadId, model } = item
    return change(adopt(view, agentThreadId, senderThreadId), agentThreadId, (subagent) => ({
      ...subagent,
      path: subagent.path ?? agentPath,
      model: subagent.model ?? model ?? undefined
    }))
  }
  if (item.type !== "collabAgentToolCall") return view
  const isSpawn = item.tool === "spawnAgent"
  const known = item.receiverThreadIds.reduce(
    (now, id) =>
      change(adopt(now, id, senderThreadId), id, (subagent) =>
        isSpawn
          ? {
            ...subagent,
            parentThreadId: senderThreadId,
            prompt: subagent.prompt ?? item.prompt ?? undefined,
            model: subagent.model ?? item.model ?? undefined
          }
          : subagent),
    view
  )
  return Object.entries(item.agentsStates ?? {}).reduce(
    (now, [id, said]) =>
      change(now, id, (subagent) =>
        said === undefined
          ? subagent
          : { ...subagent, agentStatus: said.status, agentMessage: said.message ?? subagent.agentMessage }),
    known
  )
}

/** What a subagent's thread tells of itself. */
export const about = (subagent: SubagentView, thread: Received.Thread): SubagentView => {
  const spawn = at(at(at(thread, "source"), "subAgent"), "thread_spawn")
  return {
    ...subagent,
    parentThreadId: thread.parentThreadId ?? textAt(spawn, "parent_thread_id") ?? subagent.parentThreadId,
    nickname: thread.agentNickname ?? textAt(spawn, "agent_nickname") ?? subagent.nickname,
    role: thread.agentRole ?? textAt(spawn, "agent_role") ?? subagent.role,
    path: textAt(spawn, "agent_path") ?? subagent.path
  }
}

/** The agent that a stored thread belongs to. */
export const parentOf = (thread: Received.Thread): string | undefined =>
  thread.parentThreadId ??
    textAt(at(at(at(thread, "source"), "subAgent"), "thread_spawn"), "parent_thread_id")
