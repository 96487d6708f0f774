/**
 * A thread: a conversation with the agent, of which the server keeps the history.
 *
 * @since 0.1.0
 */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ApprovalMode } from "./ApprovalMode.ts"
import type { ForkThreadOptions } from "./Codex.ts"
import type {
  CallError,
  ConnectionError,
  DecodeError,
  OutputInvalid,
  ResumeError,
  SettingsNotApplied,
  ThreadBusy,
  ThreadCallError,
  ThreadInUse,
  TurnEndError,
  TurnInterrupted,
  TurnStartError
} from "./CodexError.ts"
import type { Goals } from "./Goal.ts"
import type { Input } from "./Input.ts"
import type { Output } from "./Output.ts"
import type * as Received from "./Received.ts"
import type { Sandbox } from "./Sandbox.ts"
import type * as Sent from "./Sent.ts"
import type { Known, Undecodable, Unknown } from "./ServerNotification.ts"
import type { Overrides } from "./ServerRequests.ts"
import type { Turn } from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * How long the model thinks before it answers. Which of them a model takes says `codex.models()`; any other text is for
 * models that are newer than this library.
 *
 * @category options
 * @since 0.1.0
 */
export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | (string & {})

/**
 * How a turn is run. Except for `outputSchema`, `cyberAccessProgram`, `handlers`, `stallTimeout`, `whenBusy` and
 * `maxUnreadBytes` the server keeps what is given here for the later turns of the thread (measured); what is left out stays
 * as it is.
 *
 * @category options
 * @since 0.1.0
 */
export interface TurnOptions {
  readonly model?: string | undefined
  readonly effort?: Effort | undefined
  readonly summary?: Sent.ReasoningSummary | undefined
  readonly cwd?: string | undefined
  readonly sandbox?: Sandbox | undefined
  readonly approvalMode?: ApprovalMode | undefined
  readonly serviceTier?: string | undefined
  /** A JSON Schema that the final answer has to fit, for this turn alone. */
  readonly outputSchema?: Schema.Json | undefined
  /**
   * Asks for a program of OpenAI's access to cyber security work, for this turn alone and with OpenAI's own provider. It
   * grants nothing: the account has to have the access. Experimental. Default: the server decides.
   */
  readonly cyberAccessProgram?: Sent.CyberAccessProgram | undefined
  /**
   * Answer what the server asks during this turn, before the thread's handlers and the client's do. A handler of
   * `item/tool/call` gets the calls of the thread's `tools` as well.
   */
  readonly handlers?: Overrides | undefined
  /** How long this turn may make no progress. Default: the thread's. `StartThreadOptions.stallTimeout` says more. */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * What happens when a turn of the thread is running already. `fail`, the default, fails with `ThreadBusy`. `queue` waits
   * for the thread to be free, in the order of the calls. `steer` says the input to the running turn: the handle is then
   * one more on that turn, and closing its scope does not interrupt it. If the running turn does not have what this call or
   * this handle asks for, that is `SettingsNotApplied`, and nothing is said. Its events begin with the steering when the turn
   * was started by `run`, which keeps none, or by somebody else. The handlers of the running turn stay.
   */
  readonly whenBusy?: "fail" | "queue" | "steer" | undefined
  /**
   * Ends a reader of the turn's events with `EventsOverflow` when it leaves more than this unread. Default: no limit;
   * the deltas of an item are merged, so that an unread turn costs little more than its text.
   */
  readonly maxUnreadBytes?: number | undefined
}

/**
 * What the server keeps of a thread. `turns` is empty unless they were asked for. A turn that does not fit the protocol is
 * an `Undecodable` among them.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadInfo = Received.Thread

/**
 * What a thread does: `notLoaded`, `idle`, `systemError` (its last turn failed; it can be used again) or `active`, with
 * flags that say whether it waits for an approval or for the user's input.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadStatus = Received.ThreadStatus

type ThreadMethod = {
  readonly [M in keyof ServerNotifications]: ServerNotifications[M] extends
    { readonly threadId: string | null } | { readonly thread: { readonly id: string } } ? M : never
}[keyof ServerNotifications]

/**
 * What the server tells of a thread: of the thread itself and of its turns and their items.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadEvent = { readonly [M in ThreadMethod]: Known<M> }[ThreadMethod] | Unknown | Undecodable

/**
 * Which turns are listed, and how.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListTurnsOptions {
  /** Default: `desc`, the newest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /**
   * How much comes with each turn: no items (`notLoaded`), the user's message and the final answer (`summary`), or all of
   * them (`full`). Default: `summary`.
   */
  readonly itemsView?: Sent.TurnItemsView | undefined
  /**
   * How many the server is asked for at a time, which changes nothing but the number of requests; it gives at most 100.
   * Default: 25, and 100 from the second page on, unless `itemsView` is `full`.
   */
  readonly pageSize?: number | undefined
}

/**
 * Which items are listed, and how.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListItemsOptions {
  /** The items of this turn alone. Default: of all turns. */
  readonly turnId?: string | undefined
  /** Default: `asc`, the oldest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /**
   * How many the server is asked for at a time, which changes nothing but the number of requests; it gives at most 100.
   * Default: 25, and 100 from the second page on.
   */
  readonly pageSize?: number | undefined
}

/**
 * Settings of a thread to change. What is left out stays as it is.
 *
 * @category options
 * @since 0.1.0
 */
export interface UpdateSettingsOptions {
  readonly model?: string | undefined
  readonly effort?: Effort | undefined
  readonly summary?: Sent.ReasoningSummary | undefined
  /** The folder that the agent works in. It also selects the default environments of that folder. */
  readonly cwd?: string | undefined
  /**
   * The environments that commands run in, the primary first. An empty list takes them all away. Default: unchanged,
   * unless `cwd` is given.
   */
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
  readonly sandbox?: Sandbox | undefined
  /** The name of a permissions profile of the configuration. Not together with `sandbox` (`InvalidArgument`). */
  readonly permissions?: string | undefined
  readonly approvalMode?: ApprovalMode | undefined
  /** `null` stands for the default. */
  readonly serviceTier?: string | null | undefined
}

/**
 * Asks for an answer of a shape.
 *
 * @category options
 * @since 0.1.0
 */
export interface StructuredOutput<A> {
  /**
   * An Effect Schema, a Standard Schema that offers JSON Schema, or a JSON Schema with a decoder. It takes the place of
   * `outputSchema`; an answer that does not fit is `OutputInvalid`.
   */
  readonly output: Output<A>
  /** How many times the model is asked again, on the same thread, when its answer does not fit. Default: 0. */
  readonly repair?: number | undefined
}

/**
 * A handle on a thread. It holds nothing open: there is nothing to close.
 *
 * What needs the thread loaded resumes it first where the server may not have it: by a process that was started since, and
 * for a turn after {@link Thread.unsubscribe}. It then fails as `Codex.resumeThread` does if that is not possible.
 *
 * **Example** (Two turns of one conversation, the second read-only)
 *
 * ```ts
 * import { Codex, Sandbox } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const review = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread({ cwd: "/repositories/one", sandbox: Sandbox.workspaceWrite })
 *   yield* thread.run("Fix the failing test.")
 *   return yield* thread.run("Review your change.", { sandbox: Sandbox.readOnly, effort: "high" })
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Thread extends Goals {
  readonly id: string
  readonly run: {
    /**
     * Runs a turn to its end and succeeds only if it was completed. Interrupting it interrupts the turn on the server and
     * waits a bounded time for its end, so `Effect.timeout(thread.run(...), "1 minute")` stops the agent.
     *
     * With `output` the model has to answer in that shape, and the result holds the decoded answer.
     *
     * Fails with
     * - `ThreadBusy` while another turn or a goal of the thread runs: see `whenBusy`
     * - `InvalidArgument` and `InputTooLarge` for what is known to be wrong before a turn runs
     * - `ThreadNotFound` once the thread was archived or deleted
     * - `TurnFailed`, `TurnStalled` and `TurnOutcomeUnknown`, as the turn ended
     * - `TurnInterrupted` when the turn was interrupted by a handle, a cancelled approval or another client
     * - `OutputInvalid` when the answer does not fit, with `output` alone
     *
     * **Example** (A typed answer)
     *
     * ```ts
     * import { Codex } from "@effect-codex/client"
     * import { Effect, Schema } from "effect"
     *
     * const Finding = Schema.Struct({ file: Schema.String, line: Schema.Int })
     * const Findings = Schema.Struct({ findings: Schema.Array(Finding) })
     *
     * export const lint = Effect.gen(function*() {
     *   const codex = yield* Codex.Codex
     *   const thread = yield* codex.startThread()
     *   const { output } = yield* thread.run("Which lines are too long?", { output: Findings, repair: 1 })
     *   return output.findings.map(({ file, line }) => `${file}:${line}`)
     * })
     * ```
     */
    <A>(
      input: Input,
      options: TurnOptions & StructuredOutput<A>
    ): Effect.Effect<TurnResult<A>, TurnStartError | TurnEndError | TurnInterrupted | OutputInvalid>
    (
      input: Input,
      options?: TurnOptions
    ): Effect.Effect<TurnResult, TurnStartError | TurnEndError | TurnInterrupted>
  }
  /**
   * Starts a turn and returns its handle as soon as the server has accepted it. Fails as {@link Thread.run} does before its
   * turn runs.
   */
  readonly turn: (input: Input, options?: TurnOptions) => Effect.Effect<Turn, TurnStartError, Scope.Scope>
  /**
   * Starts the server's own review of the changes in the thread's folder: what is not committed, what a branch adds, one
   * commit, or what the instructions say. The review is the text of the item `exitedReviewMode` and the final answer. It
   * cannot be steered (`RpcError`). Fails as {@link Thread.turn} does, and with `RpcError` for an empty branch or empty
   * instructions.
   */
  readonly review: (
    target: Sent.ReviewTarget,
    options?: { readonly whenBusy?: "fail" | "queue" | undefined }
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy, Scope.Scope>
  /** Starts to compact the thread's history, as the server does by itself when the context is full. It is a turn too. */
  readonly compact: (
    options?: { readonly whenBusy?: "fail" | "queue" | undefined }
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy, Scope.Scope>

  // ---------------------------------------------------------------------------
  // The thread itself
  // ---------------------------------------------------------------------------

  /**
   * What the server keeps of the thread. `includeTurns` (default: false) reads the whole history at once, which is
   * deprecated by the protocol: prefer {@link turns} and {@link items}. It fails with `RpcError` (`methodNotFound`) while
   * the thread has neither a turn nor a name (measured).
   */
  readonly read: (
    options?: { readonly includeTurns?: boolean | undefined }
  ) => Effect.Effect<ThreadInfo, ThreadCallError>
  /** What the thread does at the moment, asked of the server. For its changes read {@link events}. */
  readonly status: Effect.Effect<ThreadStatus, ThreadCallError>
  /**
   * The turns of all pages, read as the stream is. One that does not fit the protocol is an `Undecodable`, an item of it is
   * one among its items. `ThreadNotPersisted` before the thread's first turn, or `RpcError`
   * (`methodNotFound`) once {@link read} has asked for them (measured).
   */
  readonly turns: (
    options?: ListTurnsOptions
  ) => Stream.Stream<Received.Turn | Received.Undecodable<Received.Turn>, ThreadCallError>
  /**
   * The items of all pages, each with its turn, read as the stream is. One that does not fit the protocol is an `Undecodable`.
   * `RpcError` (`methodNotFound`) before the thread's
   * first turn (measured).
   */
  readonly items: (
    options?: ListItemsOptions
  ) => Stream.Stream<
    Received.ThreadItemEntry | Received.Undecodable<Received.ThreadItemEntry>,
    ThreadCallError
  >
  /**
   * Everything the server tells of the thread from the moment that the stream runs, of all its turns. Each run of the
   * stream has a mailbox of its own, as `Turn.events` has; without one nothing is kept. It ends with the connection's
   * cause, or with the scope of the stream.
   *
   * **Example** (Waiting for a human)
   *
   * ```ts
   * import type { Thread } from "@effect-codex/client"
   * import { Stream } from "effect"
   *
   * export const approvalsWaiting = (thread: Thread.Thread) =>
   *   thread.events.pipe(
   *     Stream.filter((event) => event._tag === "thread/status/changed"),
   *     Stream.map(({ params }) =>
   *       params.status.type === "active" && params.status.activeFlags.includes("waitingOnApproval")
   *     ),
   *     Stream.changes
   *   )
   * ```
   */
  readonly events: Stream.Stream<ThreadEvent, ConnectionError>
  /**
   * Names the thread, which also stores one that has no turn yet. Fails with `RpcError` for an empty name and for an
   * ephemeral thread, and with `ThreadNotPersisted` once the thread was archived or deleted (measured).
   */
  readonly setName: (name: string) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * A new thread with this one's history, and this handle's sandbox, approval mode, folder, handlers and tools.
   * {@link Codex.forkThread} says more, also how it fails.
   */
  readonly fork: (options?: ForkThreadOptions) => Effect.Effect<Thread, ThreadCallError | SettingsNotApplied>
  /**
   * Takes the thread out of the ordinary lists and unloads it; a running turn is interrupted (measured). Fails with
   * `ThreadNotPersisted` when it is archived already, or deleted, and with `ThreadInUse` while another process has it.
   */
  readonly archive: Effect.Effect<void, Exclude<ThreadCallError, DecodeError> | ThreadInUse>
  /**
   * Takes a turn and every later one out of the history, for good. What they did to files stays. Called rollback in older
   * versions of the protocol. Fails with `RpcError` for an unknown turn and for an ephemeral thread, and with
   * `ThreadNotPersisted` before anything of the thread is stored (measured).
   */
  readonly revert: (beforeTurnId: string) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Appends items of the Responses API to what the model sees of the history, such as
   * `{ type: "message", role: "user", content: [{ type: "input_text", text: "..." }] }`. They are no items of a turn.
   * Fails with `InvalidArgument` for an image that codex does not take, with `RpcError` for what is no such item, and with
   * `ThreadNotFound` once the thread was archived or deleted.
   */
  readonly inject: (items: ReadonlyArray<Schema.Json>) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Changes settings for the turns to come, without a turn. A turn that runs keeps its own. Other handles of the thread
   * keep to the sandbox and the approval mode that they were given. A turn that was begun before this call runs without
   * them, unless it waits for another turn. Fails with `InvalidArgument` for options that exclude each other, for a folder
   * that is not there, and for another mode than `ApprovalMode.dangerouslyBypass` after that one without a sandbox, and with `ThreadNotFound` once the thread was archived or deleted.
   */
  readonly updateSettings: (options: UpdateSettingsOptions) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Asks the server to tell this connection nothing more of the thread, which lets it unload the thread when it is idle. A
   * turn that is running is not heard of any more, and so does not end here. A later turn of a handle of this client
   * resumes the thread first.
   *
   * The server unloads it a minute later, and only then another process can resume it (`ThreadInUse` until then). A thread
   * that was started with `config: { thread_unload_delay_secs: 0 }`, or a server that was, lets go within milliseconds
   * (measured on codex 0.169).
   */
  readonly unsubscribe: Effect.Effect<Received.ThreadUnsubscribeStatus, CallError>
}
