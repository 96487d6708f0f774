/**
 * The subagents that codex starts to work for a turn.
 *
 * @since 0.1.0
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import * as Client from "@effect-codex/client/Subagent"
import type { ListItemsOptions } from "@effect-codex/client/Thread"
import type { MessagePiece } from "@effect-codex/client/Turn"
import * as results from "./internal/results.ts"
import type { CallOptions } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { TurnResult } from "./Results.ts"

/**
 * A handle on a subagent that works for a turn, from `Turn.subagents`. It works in a thread of its own. It runs a turn
 * when it is started, and another one when it is sent more input after that; the iterables contain all of these turns.
 * They end when the turn and all of its subagents have ended.
 *
 * Its requests for approval, its questions and elicitations go to the handlers of the turn that it works for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subagent {
  /** The subagent's own thread. `Codex.resumeThread` accepts it, too. */
  readonly threadId: string
  /** The thread of the agent that started it: the turn's thread, or another subagent's. */
  readonly parentThreadId: string
  /** 1 for a subagent that the turn itself started. */
  readonly depth: number
  /** The name that codex gave it. */
  readonly nickname: string | undefined
  /** The role that it was started with, such as `explorer`. */
  readonly role: string | undefined
  /** Its path, such as `/root/count_files`; only with codex's second generation of agent tools (`multi_agent_v2`). */
  readonly path: string | undefined
  /** The message that it was started with; undefined with `multi_agent_v2`, which does not report it. */
  readonly prompt: string | undefined
  /** All events of its turns: the past ones, with the deltas of each item merged into one, then the live ones. */
  readonly events: Readable<TurnEvent>
  /** Its messages as they are written, as `Turn.messages`. */
  readonly messages: Readable<MessagePiece>
  /** The text of its messages as it is written, as `Turn.text`. */
  readonly text: Readable<string>
  /** The summary of the model's reasoning as it is written, as `Turn.reasoning`. */
  readonly reasoning: Readable<string>
  /** The items as they complete, including the messages that it was sent. */
  readonly items: Readable<Received.ThreadItem>
  /** The tokens that it used itself, after each of its model calls. */
  readonly usage: Readable<Received.ThreadTokenUsage>
  /**
   * Waits for the end of the turn that the subagent runs, or gives the last one that it ran. Resolves when the turn was
   * completed or interrupted, as `status` says. Rejects with `TurnFailed`, `TurnOutcomeUnknown`, or the error that
   * ended the connection. Call it again after the subagent was sent more input.
   */
  readonly result: (options?: CallOptions) => Promise<TurnResult>
  /**
   * Interrupts this subagent; the turn, the other subagents and those that this one started go on. Resolves when the
   * server has accepted the interrupt, or when the subagent runs no turn.
   */
  readonly interrupt: (options?: CallOptions) => Promise<void>
  /** The stored items of its thread, as `Thread.items`. Serves also for a subagent that was closed. */
  readonly history: (
    options?: ListItemsOptions
  ) => Readable<Received.ThreadItemEntry | Received.Undecodable<Received.ThreadItemEntry>>
}

/**
 * A subagent in a tree, with those that it started. `status` is `unknown` if how its last turn ended is not known, as
 * for a stored thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubagentNode
  extends Pick<Subagent, "threadId" | "parentThreadId" | "depth" | "nickname" | "role" | "path" | "prompt">
{
  readonly status: Client.SubagentStatus
  /** The tokens that it used itself; undefined for a stored thread, whose tokens the server does not list. */
  readonly tokens: Received.TokenUsageBreakdown | undefined
  readonly children: ReadonlyArray<SubagentNode>
}

/**
 * Makes the tree of stored subagents from their threads, the oldest first. Threads that are no subagents are left out.
 *
 * **Example** (The subagents that a thread has started)
 *
 * ```ts
 * import { type Codex, subagentTreeOf } from "@effect-codex/promise"
 *
 * export const subagentsOf = async (codex: Codex, threadId: string) => {
 *   const threads = []
 *   for await (const thread of codex.listThreads({ ancestorThreadId: threadId })) threads.push(thread)
 *   return subagentTreeOf(threads)
 * }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const subagentTreeOf = (
  threads: ReadonlyArray<Received.Thread | Received.Undecodable<Received.Thread>>
): ReadonlyArray<SubagentNode> => Client.treeOf(threads).map(results.subagentNode)
