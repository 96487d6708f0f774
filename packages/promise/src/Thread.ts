/**
 * A thread: a conversation with the agent, whose history the server stores.
 *
 * @since 0.1.0
 */
import type * as ClientCodex from "@effect-codex/client/Codex"
import type {
  GoalOptions as ClientGoalOptions,
  ResumeGoalOptions as ClientResumeGoalOptions
} from "@effect-codex/client/Goal"
import type { Input } from "@effect-codex/client/Input"
import type * as Client from "@effect-codex/client/Thread"
import type { Budget } from "./Budget.ts"
import type { Handlers } from "./Handlers.ts"
import type { McpServers } from "./McpServer.ts"
import type { CallOptions, Time } from "./Options.ts"
import type { Implementation, ImplementPlanOptions } from "./Plan.ts"
import type { Queue } from "./Queue.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { Answer, Goal, TurnResult } from "./Results.ts"
import type * as Sent from "./Sent.ts"
import type { Tool, ToolNamespace } from "./Tools.ts"
import type { Turn } from "./Turn.ts"

interface Stallable extends CallOptions {
  /**
   * The longest time that a turn may make no progress. Retries of codex to reach the model are not progress. Time in
   * which a handler of this program runs does not count toward the limit. After it, the turn is looked up on the server
   * and, if it still runs, interrupted; it fails with `TurnStalled`. Default: that of the thread, else of the client,
   * else no limit.
   */
  readonly stallTimeout?: Time | undefined
  /**
   * Limits what may be spent: by the turn, the goal, or all turns of the thread's handle together. All budgets that
   * apply to a turn limit it: its own, its thread's and its client's. Default: no limit.
   */
  readonly budget?: Budget | undefined
}

/** @internal */
export interface ThreadExtras extends Stallable {
  /** Answer requests of the server during the turns of this handle, before the client's handlers. */
  readonly handlers?: Handlers | undefined
  /**
   * Offers tools of this program to the agent for the lifetime of the thread, and answers their calls during the turns
   * of this handle. They cannot change later: pass the same tools to `resumeThread` and `forkThread`.
   */
  readonly tools?: ReadonlyArray<Tool | ToolNamespace> | undefined
  /**
   * MCP servers of the thread, beside those of the configuration. A loaded thread keeps the servers that it was loaded
   * with. codex does not store them: pass them again to resume or fork the thread in another process.
   */
  readonly mcpServers?: McpServers | undefined
}

type Replaced = "budget" | "handlers" | "mcpServers" | "tools" | "stallTimeout"

/**
 * Options of `Codex.startThread`. Omitted options come from the server's configuration, except for `approvalMode`.
 *
 * @category options
 * @since 0.1.0
 */
export interface StartThreadOptions extends Omit<ClientCodex.StartThreadOptions, Replaced>, ThreadExtras {}

/**
 * Options of `Codex.resumeThread`. Omitted options keep their stored values, except for a `Sandbox.workspaceWrite`:
 * pass it again.
 *
 * **Gotchas**
 *
 * The server ignores these options for a thread that it has already loaded.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeThreadOptions extends Omit<ClientCodex.ResumeThreadOptions, Replaced>, ThreadExtras {}

/**
 * Options of `Codex.forkThread` and {@link Thread.fork}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ForkThreadOptions extends Omit<ClientCodex.ForkThreadOptions, Replaced>, ThreadExtras {}

/**
 * Options of a turn. The server keeps them for the later turns of the thread, except for `serviceTierForTurn`,
 * `source`, `outputSchema`, `cyberAccessProgram`, `additionalContext`, `metadata`, `handlers`, `budget`,
 * `stallTimeout`, `whenBusy`, `maxUnreadBytes` and `signal`.
 *
 * @category options
 * @since 0.1.0
 */
export interface TurnOptions extends Omit<Client.TurnOptions, Replaced>, Stallable {
  /** Answer requests of the server during this turn, before the thread's and the client's handlers. */
  readonly handlers?: Handlers | undefined
}

/**
 * Options of {@link Thread.resumeGoal}. The goal keeps its token budget.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeGoalOptions extends Omit<ClientResumeGoalOptions, "budget" | "stallTimeout">, Stallable {}

/**
 * Options of {@link Thread.startGoal} and {@link Thread.runGoal}. `tokenBudget` limits the tokens; the default is no
 * limit.
 *
 * @category options
 * @since 0.1.0
 */
export interface GoalOptions extends Omit<ClientGoalOptions, "budget" | "stallTimeout">, Stallable {}

interface WhenBusy extends CallOptions {
  /** What to do while another turn of the thread runs: reject with `ThreadBusy`, or wait for it. Default: `fail`. */
  readonly whenBusy?: "fail" | "queue" | undefined
}

/**
 * A handle on a thread. It holds no resources, so there is nothing to close.
 *
 * **Details**
 *
 * Aborting a signal interrupts the turn that the call has begun: `run` and `runGoal` reject with the signal's reason
 * after the turn was interrupted, and a running {@link Turn} is closed by the signal that it was started with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Thread {
  readonly id: string
  readonly run: {
    /**
     * Runs a turn to its end and resolves only if it completed. With `output`, the model must answer in that shape, and
     * the result contains the decoded answer; rejects with `OutputInvalid` if the answer does not match. Rejects with
     * `TurnInterrupted` if the turn was interrupted, and otherwise as {@link Thread.turn} and {@link Turn.result} do.
     *
     * **Example** (A typed answer)
     *
     * ```ts
     * import type { Thread } from "@effect-codex/promise"
     *
     * export const longLines = async (thread: Thread): Promise<ReadonlyArray<number>> => {
     *   const { output } = await thread.run("Which lines are too long?", {
     *     output: {
     *       jsonSchema: { type: "object", properties: { lines: { type: "array", items: { type: "integer" } } } },
     *       decode: (value) => ({ ok: true, value: value as { lines: Array<number> } })
     *     },
     *     repair: 1,
     *     signal: AbortSignal.timeout(60_000)
     *   })
     *   return output.lines
     * }
     * ```
     */
    <A>(input: Input, options: TurnOptions & Client.StructuredOutput<A>): Promise<TurnResult<A>>
    (input: Input, options?: TurnOptions): Promise<TurnResult>
  }
  /**
   * Starts a turn. Resolves with its handle as soon as the server accepts it. Rejects with `ThreadBusy` while another
   * turn of the thread runs, unless `whenBusy` is `"queue"`; with `ThreadNotFound` for an archived or deleted thread;
   * with `InputTooLarge`; and with `InvalidArgument` for an invalid input or option. If the thread must first be
   * resumed, after {@link Thread.unsubscribe} or a restart of the process, it also rejects as `Codex.resumeThread`
   * does.
   */
  readonly turn: (input: Input, options?: TurnOptions) => Promise<Turn>
  readonly implementPlan: {
    /**
     * Starts a turn that implements a plan: the `plan` of a result of a turn with the mode `plan`, or what the user
     * made of it. It is the message of a turn of this thread, or, with `fresh`, part of a new thread. Rejects with
     * `InvalidArgument` for a plan without text, otherwise as {@link Thread.turn} does, and with `fresh` also as
     * `Codex.startThread` does. The new thread is deleted if its turn does not start.
     *
     * **Example** (Planning, asking somebody, and implementing in a fresh thread)
     *
     * ```ts
     * import type { Thread } from "@effect-codex/promise"
     *
     * export const change = async (thread: Thread, task: string, approve: (plan: string) => Promise<boolean>) => {
     *   const { plan } = await thread.run(task, { mode: "plan" })
     *   if (plan === undefined || !(await approve(plan))) return undefined
     *   const implementation = await thread.implementPlan(plan, { fresh: true })
     *   return implementation.result()
     * }
     * ```
     */
    <A>(
      plan: string,
      options: ImplementPlanOptions & Pick<Client.StructuredOutput<A>, "output">
    ): Promise<Implementation<A>>
    (plan: string, options?: ImplementPlanOptions): Promise<Implementation>
  }
  /**
   * Starts codex's built-in review of the changes in the thread's folder. The review is the text of the item
   * `exitedReviewMode`, and the final answer. It cannot be steered. Rejects with `ThreadBusy` as {@link Thread.turn}
   * does, and with `RpcError` for an empty branch or empty instructions.
   */
  readonly review: (target: Sent.ReviewTarget, options?: WhenBusy) => Promise<Turn>
  /**
   * Starts compacting the thread's history, as the server does automatically when the context is full. This is a turn
   * too, and rejects as {@link Thread.turn} does.
   */
  readonly compact: (options?: WhenBusy) => Promise<Turn>
  /**
   * Asks the model a question about the thread, which leaves no trace: the history and a running turn stay as they are.
   * It is one call of the model, without tools, and works while a turn runs. The question has at most 4,000 bytes.
   * Aborting the signal ends the model's request. Rejects with `AskFailed` when the model does not answer, and with
   * `ThreadNotPersisted` before the thread's first turn.
   */
  readonly ask: (prompt: string, options?: Client.AskOptions & CallOptions) => Promise<Answer>
  /** The thread's durable queue of follow-ups, which survives a restart of codex and of this program. */
  readonly queue: Queue

  /**
   * Reads the stored thread. `includeTurns` (default: false) reads the whole history at once, and rejects with
   * `RpcError` (`methodNotFound`) while the thread has neither a turn nor a name; prefer {@link Thread.turns}. Rejects
   * with `ThreadNotFound` for a deleted thread.
   */
  readonly read: (
    options?: CallOptions & { readonly includeTurns?: boolean | undefined }
  ) => Promise<Client.ThreadInfo>
  /** The thread's current status, requested from the server. For changes, read {@link Thread.events}. */
  readonly status: (options?: CallOptions) => Promise<Client.ThreadStatus>
  /** The turns of all pages. Pages are fetched as they are read. */
  readonly turns: (options?: Client.ListTurnsOptions) => Readable<Received.Turn | Received.Undecodable<Received.Turn>>
  /**
   * Finds the turn that a message began or steered, by the `messageId` of the turn's options; of several, the newest.
   * Undefined if the history has no such message. The result has no `timing`, `usage`, `model`, `cost` and `output`,
   * and any `status`: `inProgress` while the turn runs, `interrupted` after its codex was killed. Rejects with
   * `ThreadNotFound` if the thread is deleted, and with `RpcError` if it is ephemeral.
   */
  readonly findTurn: (messageId: string, options?: CallOptions) => Promise<TurnResult | undefined>
  /** The items of all pages, each with the id of its turn. Pages are fetched as they are read. */
  readonly items: (
    options?: Client.ListItemsOptions
  ) => Readable<Received.ThreadItemEntry | Received.Undecodable<Received.ThreadItemEntry>>
  /** All events of the thread and its turns, from the start of the reading. */
  readonly events: Readable<Client.ThreadEvent>
  /**
   * Names the thread. This also stores a thread without turns. Rejects with `RpcError` for an empty name and for an
   * ephemeral thread, and with `ThreadNotPersisted` for an archived or deleted thread.
   */
  readonly setName: (name: string, options?: CallOptions) => Promise<void>
  /**
   * Changes what is stored beside the history, and returns the thread. Rejects with `InvalidArgument` if there is
   * nothing to change, and with `RpcError` for an ephemeral thread.
   */
  readonly updateMetadata: (options: Client.MetadataOptions & CallOptions) => Promise<Client.ThreadInfo>
  /** Puts the thread at the end of a section of `codex.threadSections`, or with null in none. */
  readonly moveToSection: (sectionId: string | null, options?: CallOptions) => Promise<void>
  /**
   * Finds a text in the messages, in any case. Each hit has its turn, its item, the text around it (`snippet`), and
   * where in it the hit is (`snippetMatchRange`). Throws `RpcError` for an empty text and while nothing is stored.
   */
  readonly search: (
    query: string
  ) => Readable<Received.ThreadSearchOccurrence | Received.Undecodable<Received.ThreadSearchOccurrence>>
  /** Creates a thread with this history, and this handle's handlers and tools. Rejects as `Codex.forkThread` does. */
  readonly fork: (options?: ForkThreadOptions) => Promise<Thread>
  /**
   * Archives the thread: hides it from default listings and unloads it; a running turn is interrupted. Rejects with
   * `ThreadNotPersisted` for an archived or deleted thread, and with `ThreadInUse` while another process has loaded it.
   */
  readonly archive: (options?: CallOptions) => Promise<void>
  /**
   * Removes a turn and all later ones from the history, permanently. Their changes to files stay. Rejects with
   * `RpcError` for an unknown turn and for an ephemeral thread, and with `ThreadNotPersisted` before the first turn; in
   * that last case the server forgets the thread.
   */
  readonly revert: (beforeTurnId: string, options?: CallOptions) => Promise<void>
  /**
   * Appends items of the Responses API to the history that the model sees, such as
   * `{ type: "message", role: "user", content: [{ type: "input_text", text: "..." }] }`. They do not become items of a
   * turn. Rejects with `RpcError` for an invalid item and for an empty list.
   */
  readonly inject: (items: Parameters<Client.Thread["inject"]>[0], options?: CallOptions) => Promise<void>
  /**
   * Changes the settings of future turns, without running a turn. Rejects with `InvalidArgument` for conflicting
   * options and for a missing folder, and with `ThreadNotFound` for an archived or deleted thread.
   */
  readonly updateSettings: (options: Client.UpdateSettingsOptions & CallOptions) => Promise<void>
  /** Ends the thread's notifications on this connection, so that the server can unload the thread when it is idle. */
  readonly unsubscribe: (options?: CallOptions) => Promise<Received.ThreadUnsubscribeStatus>

  /**
   * Sets the thread's goal. The server pursues it over as many turns as it takes; the handle presents them as one turn.
   * `interrupt` and `close` pause the goal. Rejects with `ThreadBusy` while a turn or a goal of the thread runs, and
   * with `InvalidArgument` for an objective that is empty or too long.
   */
  readonly startGoal: (objective: string, options?: GoalOptions) => Promise<Turn>
  /** Runs {@link Thread.startGoal} to its end. Resolves only if the last turn completed and none failed. */
  readonly runGoal: (objective: string, options?: GoalOptions) => Promise<TurnResult>
  /**
   * Resumes the thread's goal, for instance after it was paused or interrupted. Rejects with `RpcError` without a goal,
   * and otherwise as {@link Thread.startGoal} does.
   */
  readonly resumeGoal: (options?: ResumeGoalOptions) => Promise<Turn>
  /** The thread's current goal on the server. Rejects with `RpcError` for an ephemeral thread. */
  readonly goal: (options?: CallOptions) => Promise<Goal | undefined>
  /**
   * Pauses the goal: the running turn ends normally, and no further one starts. Rejects with `RpcError` without a goal.
   */
  readonly pauseGoal: (options?: CallOptions) => Promise<Goal>
  /** Removes the goal; the running turn ends normally. Resolves with whether there was a goal. */
  readonly clearGoal: (options?: CallOptions) => Promise<boolean>
}
