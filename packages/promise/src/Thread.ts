/**
 * A thread: a conversation with the agent, of which the server keeps the history.
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
import type { Handlers } from "./Handlers.ts"
import type { CallOptions, Time } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { Goal, TurnResult } from "./Results.ts"
import type * as Sent from "./Sent.ts"
import type { Tool, ToolNamespace } from "./Tools.ts"
import type { Turn } from "./Turn.ts"

interface Stallable extends CallOptions {
  /**
   * How long a turn may make no progress; that codex tries again to reach the model is none. Then the turn is looked up on the server and, if it has not ended there,
   * interrupted; it fails with `TurnStalled`. Time in which a handler of this program runs does not count. Default: that of
   * the thread, else of the client, else for ever.
   */
  readonly stallTimeout?: Time | undefined
}

/** @internal */
export interface ThreadExtras extends Stallable {
  /** Answer what the server asks during the turns of this handle, before the client's handlers do. */
  readonly handlers?: Handlers | undefined
  /**
   * Offers tools of this program to the agent, for as long as the thread exists, and answers their calls during the turns of
   * this handle. They cannot be changed later: give the same ones to `resumeThread` and `forkThread`.
   */
  readonly tools?: ReadonlyArray<Tool | ToolNamespace> | undefined
}

type Replaced = "handlers" | "tools" | "stallTimeout"

/**
 * What a thread is started with. What is left out comes from the server's configuration, except for `approvalMode`.
 *
 * @category options
 * @since 0.1.0
 */
export interface StartThreadOptions extends Omit<ClientCodex.StartThreadOptions, Replaced>, ThreadExtras {}

/**
 * What a thread is resumed with. What is left out stays as it was stored, except that a `Sandbox.workspaceWrite` has to be
 * given again. The server ignores all of it for a thread that it has loaded already.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeThreadOptions extends Omit<ClientCodex.ResumeThreadOptions, Replaced>, ThreadExtras {}

/**
 * What a thread is forked with.
 *
 * @category options
 * @since 0.1.0
 */
export interface ForkThreadOptions extends Omit<ClientCodex.ForkThreadOptions, Replaced>, ThreadExtras {}

/**
 * How a turn is run. Except for `outputSchema`, `cyberAccessProgram`, `handlers`, `stallTimeout`, `whenBusy`,
 * `maxUnreadBytes` and `signal` the server keeps what is given here for the later turns of the thread.
 *
 * @category options
 * @since 0.1.0
 */
export interface TurnOptions extends Omit<Client.TurnOptions, Replaced>, Stallable {
  /** Answer what the server asks during this turn, before the thread's handlers and the client's do. */
  readonly handlers?: Handlers | undefined
}

/**
 * How a goal is taken up again. Its budget of tokens stays.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeGoalOptions extends Omit<ClientResumeGoalOptions, "stallTimeout">, Stallable {}

/**
 * How a goal is followed: with `tokenBudget` for as many tokens, else without limit.
 *
 * @category options
 * @since 0.1.0
 */
export interface GoalOptions extends Omit<ClientGoalOptions, "stallTimeout">, Stallable {}

interface WhenBusy extends CallOptions {
  /** What happens when a turn of the thread is running already. Default: `fail`. */
  readonly whenBusy?: "fail" | "queue" | undefined
}

/**
 * A handle on a thread. It holds nothing open: there is nothing to close.
 *
 * A signal that aborts interrupts what was begun: `run` and `runGoal` reject with its reason once the turn was interrupted;
 * a handle is closed by the signal that it was started with, for as long as its turn runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Thread {
  readonly id: string
  readonly run: {
    /**
     * Runs a turn to its end and resolves only if it was completed. With `output` the model has to answer in that shape, and
     * the result holds the decoded answer; one that does not fit is `OutputInvalid`. Otherwise it rejects as
     * {@link Thread.turn} and {@link Turn.result} do, and with `TurnInterrupted`.
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
   * Starts a turn and gives its handle as soon as the server has accepted it. Rejects with `ThreadBusy` when a turn of the
   * thread is running and `whenBusy` is not given, with `ThreadNotFound` for a thread that was archived or deleted, with
   * `InputTooLarge`, and with `InvalidArgument` for an input or options that this client knows to be wrong. A thread that
   * has to be resumed first, after {@link Thread.unsubscribe} or by a process that was started since, rejects as
   * `Codex.resumeThread` does.
   */
  readonly turn: (input: Input, options?: TurnOptions) => Promise<Turn>
  /**
   * Starts the server's own review of the changes in the thread's folder. The review is the text of the item
   * `exitedReviewMode` and the final answer. It cannot be steered. Rejects with `ThreadBusy` as {@link Thread.turn} does, and
   * with `RpcError` for an empty branch or empty instructions.
   */
  readonly review: (target: Sent.ReviewTarget, options?: WhenBusy) => Promise<Turn>
  /**
   * Starts to compact the thread's history, as the server does by itself when the context is full. It is a turn too, and
   * rejects as {@link Thread.turn} does.
   */
  readonly compact: (options?: WhenBusy) => Promise<Turn>

  /**
   * What the server keeps of the thread. `includeTurns` (default: false) reads the whole history at once, and rejects with
   * `RpcError` (`methodNotFound`) while the thread has neither a turn nor a name: prefer {@link Thread.turns}. A thread
   * that was deleted is `ThreadNotFound`.
   */
  readonly read: (
    options?: CallOptions & { readonly includeTurns?: boolean | undefined }
  ) => Promise<Client.ThreadInfo>
  /** What the thread does at the moment, asked of the server. For its changes read {@link Thread.events}. */
  readonly status: (options?: CallOptions) => Promise<Client.ThreadStatus>
  /** The turns of all pages, fetched as they are read. */
  readonly turns: (options?: Client.ListTurnsOptions) => Readable<Received.Turn | Received.Undecodable<Received.Turn>>
  /** The items of all pages, each with its turn, fetched as they are read. */
  readonly items: (
    options?: Client.ListItemsOptions
  ) => Readable<Received.ThreadItemEntry | Received.Undecodable<Received.ThreadItemEntry>>
  /** Everything the server tells of the thread from the moment that it is read, of all its turns. */
  readonly events: Readable<Client.ThreadEvent>
  /**
   * Names the thread, which also stores one that has no turn yet. Rejects with `RpcError` for an empty name and for an
   * ephemeral thread, and with `ThreadNotPersisted` once the thread was archived or deleted.
   */
  readonly setName: (name: string, options?: CallOptions) => Promise<void>
  /** A new thread with this one's history and this handle's handlers and tools. Rejects as `Codex.forkThread` does. */
  readonly fork: (options?: ForkThreadOptions) => Promise<Thread>
  /**
   * Takes the thread out of the ordinary lists and unloads it; a running turn is interrupted. Rejects with
   * `ThreadNotPersisted` when it is archived already, or deleted, and with `ThreadInUse` while another process has it.
   */
  readonly archive: (options?: CallOptions) => Promise<void>
  /**
   * Takes a turn and every later one out of the history, for good. What they did to files stays. Rejects with
   * `RpcError` for an unknown turn and for an ephemeral thread, and with `ThreadNotPersisted` before the first turn: the server then forgets the
   * thread (measured on codex 0.169).
   */
  readonly revert: (beforeTurnId: string, options?: CallOptions) => Promise<void>
  /**
   * Appends items of the Responses API to what the model sees of the history, such as
   * `{ type: "message", role: "user", content: [{ type: "input_text", text: "..." }] }`. They are no items of a turn. Rejects
   * with `RpcError` for what is no such item, and for none.
   */
  readonly inject: (items: Parameters<Client.Thread["inject"]>[0], options?: CallOptions) => Promise<void>
  /**
   * Changes settings for the turns to come, without a turn. Rejects with `InvalidArgument` for options that exclude each
   * other and for a folder that is not there, and with `ThreadNotFound` once the thread was archived or deleted.
   */
  readonly updateSettings: (options: Client.UpdateSettingsOptions & CallOptions) => Promise<void>
  /** Asks the server to tell this connection nothing more of the thread, which lets it unload the thread when it is idle. */
  readonly unsubscribe: (options?: CallOptions) => Promise<Received.ThreadUnsubscribeStatus>

  /**
   * Sets the thread's goal, which the server follows over as many turns as it takes; they are one turn here. `interrupt`
   * and `close` pause the goal. Rejects with `ThreadBusy` when a turn or a goal of the thread runs, and with
   * `InvalidArgument` for an objective that is empty or too long.
   */
  readonly startGoal: (objective: string, options?: GoalOptions) => Promise<Turn>
  /** {@link Thread.startGoal} to its end. Resolves only if the last turn was completed and none failed. */
  readonly runGoal: (objective: string, options?: GoalOptions) => Promise<TurnResult>
  /**
   * Takes up the thread's goal again, for instance after it was paused or interrupted. Rejects with `RpcError` when
   * there is none, otherwise as {@link Thread.startGoal}.
   */
  readonly resumeGoal: (options?: ResumeGoalOptions) => Promise<Turn>
  /** The thread's goal as the server has it now. Rejects with `RpcError` for an ephemeral thread. */
  readonly goal: (options?: CallOptions) => Promise<Goal | undefined>
  /** Lets the running turn end and starts no other. Rejects with `RpcError` when there is no goal. */
  readonly pauseGoal: (options?: CallOptions) => Promise<Goal>
  /** Forgets the goal and lets the running turn end. Resolves with whether there was one. */
  readonly clearGoal: (options?: CallOptions) => Promise<boolean>
}
