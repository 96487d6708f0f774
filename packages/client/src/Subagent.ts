/**
 * The subagents that codex starts to work for a turn.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { ConnectionError, EventsOverflow, TurnCallError, TurnFailed, TurnOutcomeUnknown } from "./CodexError.ts"
import { aboutOf } from "./internal/turns/subagentThread.ts"
import type * as Received from "./Received.ts"
import type { TurnEvent } from "./ServerNotification.ts"
import type { Thread } from "./Thread.ts"
import type { MessagePiece } from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * A handle on a subagent that works for a turn, from {@link Turn.subagents}. It lives as long as the handle of that
 * turn. A subagent works in a thread of its own. It runs a turn when it is started, and another one when it is sent
 * more input after that; the streams contain all of these turns.
 *
 * Its requests for approval, its questions and elicitations go to the handlers of the turn that it works for.
 *
 * **Example** (Stopping subagents that take too long)
 *
 * ```ts
 * import type { Turn } from "@effect-codex/client"
 * import { Effect, Stream } from "effect"
 *
 * export const stopSlow = (turn: Turn.Turn) =>
 *   turn.subagents.pipe(
 *     Stream.mapEffect((subagent) =>
 *       subagent.result.pipe(
 *         Effect.timeoutOrElse({ duration: "5 minutes", orElse: () => subagent.interrupt }),
 *         Effect.ignore
 *       ), { concurrency: "unbounded" }),
 *     Stream.runDrain
 *   )
 * ```
 *
 * @see {@link Turn.subagents}
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
  readonly nickname: Option.Option<string>
  /** The role that it was started with, such as `explorer`. */
  readonly role: Option.Option<string>
  /** Its path, such as `/root/count_files`; only with codex's second generation of agent tools (`multi_agent_v2`). */
  readonly path: Option.Option<string>
  /** The message that it was started with; none with `multi_agent_v2`, which does not report it. */
  readonly prompt: Option.Option<string>
  /**
   * All notifications about the subagent's turns. A reader receives the past events, with the deltas of each item
   * merged into one, and then the live events. Ends when the root turn and all of its subagents have ended.
   */
  readonly events: Stream.Stream<TurnEvent, ConnectionError | EventsOverflow>
  /** The messages while they are written, as {@link Turn.messages}. */
  readonly messages: Stream.Stream<MessagePiece, ConnectionError | EventsOverflow>
  /** The text of the messages while it is written, as {@link Turn.text}. */
  readonly text: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The summary of the model's reasoning while it is written, as {@link Turn.reasoning}. */
  readonly reasoning: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The items as they complete, the messages that it was sent included. */
  readonly items: Stream.Stream<Received.ThreadItem, ConnectionError | EventsOverflow>
  /** The tokens that it used itself, after each of its model calls. */
  readonly usage: Stream.Stream<Received.ThreadTokenUsage, ConnectionError | EventsOverflow>
  /**
   * Waits for the end of the turn that the subagent runs, or gives the last one that it ran. `finalResponse` is its
   * answer. Succeeds when the turn was completed or interrupted (see `status`), and fails as {@link Turn.result} does.
   * Run it again after the subagent was sent more input.
   */
  readonly result: Effect.Effect<TurnResult, TurnFailed | TurnOutcomeUnknown | ConnectionError>
  /**
   * Interrupts this subagent. The turn, the other subagents and those that this one started go on; the agent that waits
   * for it is told that it was interrupted. Succeeds when the server has accepted the interrupt, or when the subagent
   * runs no turn. Fails as {@link Turn.interrupt} does.
   */
  readonly interrupt: Effect.Effect<void, TurnCallError>
  /**
   * The stored items of the subagent's thread, as `Thread.items`. Does not load the thread, so it also serves for a
   * subagent that was closed. With `multi_agent_v2` they begin with what it inherited from its parent.
   */
  readonly history: Thread["items"]
}

/**
 * What a subagent does: `running`; `completed`, `interrupted` or `failed`, as its last turn ended; `unknown` if how it
 * ended is not known, as for a stored thread.
 *
 * @category models
 * @since 0.1.0
 */
export type SubagentStatus = "running" | "completed" | "interrupted" | "failed" | "unknown"

/**
 * A subagent in a tree, with those that it started.
 *
 * @see {@link Turn.subagentTree}
 * @see {@link treeOf}
 * @category models
 * @since 0.1.0
 */
export interface SubagentNode
  extends Pick<Subagent, "threadId" | "parentThreadId" | "depth" | "nickname" | "role" | "path" | "prompt">
{
  readonly status: SubagentStatus
  /** The tokens that it used itself; none for a stored thread, whose tokens the server does not list. */
  readonly tokens: Option.Option<Received.TokenUsageBreakdown>
  readonly children: ReadonlyArray<SubagentNode>
}

/**
 * Makes a tree of subagents, in their order. A subagent whose parent is not among them is a root, and so is one whose
 * parent is itself, or works for it. Of a thread that is given twice, the first counts.
 *
 * **Example** (The agents that run, however deep)
 *
 * ```ts
 * import type { Subagent } from "@effect-codex/client"
 *
 * export const running = (nodes: ReadonlyArray<Subagent.SubagentNode>): ReadonlyArray<string> =>
 *   nodes.flatMap((node) => [...node.status === "running" ? [node.threadId] : [], ...running(node.children)])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tree = (
  subagents: ReadonlyArray<Omit<SubagentNode, "children">>
): ReadonlyArray<SubagentNode> => {
  const nodes = new Map<string, Growing>()
  for (const one of subagents) {
    if (!nodes.has(one.threadId)) nodes.set(one.threadId, { ...one, children: [] })
  }
  const roots = rootsOf(nodes)
  for (const node of nodes.values()) {
    if (!roots.has(node)) nodes.get(node.parentThreadId)?.children.push(node)
  }
  return [...nodes.values()].filter((node) => roots.has(node))
}

interface Growing extends Omit<SubagentNode, "children"> {
  readonly children: Array<SubagentNode>
}

/** Those without a parent, and one of each ring of parents: what a server says of its threads may be wrong. */
const rootsOf = (nodes: ReadonlyMap<string, Growing>): ReadonlySet<Growing> => {
  const roots = new Set<Growing>()
  const placed = new Set<Growing>()
  for (const first of nodes.values()) {
    const path = new Set<Growing>()
    let node = first
    while (!placed.has(node)) {
      path.add(node)
      placed.add(node)
      const parent = nodes.get(node.parentThreadId)
      if (parent === undefined || path.has(parent)) {
        roots.add(parent ?? node)
        break
      }
      node = parent
    }
  }
  return roots
}

const statusOf = ({ type }: Received.ThreadStatus): SubagentStatus =>
  type === "active" ? "running" : type === "systemError" ? "failed" : "unknown"

/**
 * Makes the tree of stored subagents from their threads, the oldest first. Threads that are no subagents are left out.
 *
 * **Example** (The subagents that a thread has started)
 *
 * ```ts
 * import { Codex, Subagent } from "@effect-codex/client"
 * import { Effect, Stream } from "effect"
 *
 * export const subagentsOf = Effect.fn(function*(threadId: string) {
 *   const codex = yield* Codex.Codex
 *   const threads = yield* Stream.runCollect(codex.listThreads({ ancestorThreadId: threadId }))
 *   return Subagent.treeOf(threads)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const treeOf = (
  threads: ReadonlyArray<Received.Thread | Received.Undecodable<Received.Thread>>
): ReadonlyArray<SubagentNode> =>
  tree(
    [...threads].flatMap((thread) => "raw" in thread || thread.parentThreadId === null ? [] : [thread])
      // Times are in seconds, and ids begin with the time too.
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
      .map((thread) => ({
        threadId: thread.id,
        ...aboutOf(thread, thread.parentThreadId ?? ""),
        prompt: thread.preview === "" ? Option.none() : Option.some(thread.preview),
        status: statusOf(thread.status),
        tokens: Option.none()
      }))
  )
