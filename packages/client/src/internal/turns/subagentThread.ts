/** Reads what a thread says of the subagent that works in it. */
import * as Option from "effect/Option"
import type { Subagent } from "../../Subagent.ts"
import { at, textAt } from "../protocol/peek.ts"

/** What the server says of a subagent's thread. */
export type About = Pick<Subagent, "depth" | "nickname" | "parentThreadId" | "path" | "role">

/** @param parentThreadId the parent if the thread does not name it. */
export const aboutOf = (thread: unknown, parentThreadId: string): About => {
  const spawn = at(at(at(thread, "source"), "subAgent"), "thread_spawn")
  const depth = at(spawn, "depth")
  return {
    parentThreadId: textAt(thread, "parentThreadId") ?? textAt(spawn, "parent_thread_id") ?? parentThreadId,
    depth: typeof depth === "number" ? depth : 1,
    nickname: Option.fromUndefinedOr(textAt(thread, "agentNickname") ?? textAt(spawn, "agent_nickname")),
    role: Option.fromUndefinedOr(textAt(thread, "agentRole") ?? textAt(spawn, "agent_role")),
    path: Option.fromUndefinedOr(textAt(spawn, "agent_path"))
  }
}
