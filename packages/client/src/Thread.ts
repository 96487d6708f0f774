/**
 * A thread: a conversation with the agent whose history the server keeps.
 *
 * @since 0.1.0
 */
import type { ServerNotifications } from "@effect-codex/protocol/Methods"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ApprovalMode } from "./ApprovalMode.ts"
import type { Budget } from "./Budget.ts"
import type { ForkThreadOptions } from "./Codex.ts"
import type {
  AskError,
  BudgetExceeded,
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
import type { Plans } from "./Plan.ts"
import type { Queue } from "./Queue.ts"
import type * as Received from "./Received.ts"
import type { Sandbox } from "./Sandbox.ts"
import type * as Sent from "./Sent.ts"
import type { Known, Undecodable, Unknown } from "./ServerNotification.ts"
import type { Overrides } from "./ServerRequests.ts"
import type { Turn } from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * How much the model reasons before it answers. `codex.models()` lists the efforts that each model supports; any
 * other text is for models newer than this library.
 *
 * @category options
 * @since 0.1.0
 */
export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | (string & {})

/**
 * What the model should know beside the user's words, by the name of its source: `{ clock: { kind: "application",
 * value: "It is noon." } }`.
 *
 * **Details**
 *
 * - `application`: the program's own words. The model gets them as instructions of the developer, between tags with the
 *   name of the source.
 * - `untrusted`: anybody else's, such as a page or an issue. The model gets them as the output of a tool, so that they
 *   are not taken for instructions. `name` labels it; default: the name of the source.
 *
 * The context comes before the user's message and stays in the thread's history, but in no item. What the previous turn
 * carried under the same name is not repeated.
 *
 * @see {@link TurnOptions.additionalContext}
 * @category options
 * @since 0.1.0
 */
export type AdditionalContext = { readonly [source: string]: Sent.AdditionalContextEntry }

/**
 * How to run a turn.
 *
 * **Details**
 *
 * The server keeps these settings for the later turns of the thread, except `mode`, `serviceTierForTurn`, `source`,
 * `outputSchema`, `cyberAccessProgram`, `additionalContext`, `metadata`, `messageId`, `handlers`, `budget`,
 * `stallTimeout`, `whenBusy` and `maxUnreadBytes`. An option that is left out stays as it is.
 *
 * @see {@link StructuredOutput} for a typed answer
 * @category options
 * @since 0.1.0
 */
export interface TurnOptions {
  /**
   * Whether the agent plans or acts, in this turn only. In `plan` it explores without changing anything, asks the user
   * what it cannot find out (see `Questions`), and proposes a plan: `plan` of the result, and `Turn.proposedPlan` while
   * it is written. It keeps the model, effort, sandbox and approval mode; codex only tells the model to change nothing,
   * so plan with `Sandbox.readOnly` to be sure. A message that steers takes the mode of the running turn; if it asks
   * for another one, it fails with `SettingsNotApplied`. Default: `default`.
   */
  readonly mode?: "plan" | "default" | undefined
  /** The id of the model. Default: the thread's. */
  readonly model?: string | undefined
  /** How much the model reasons. Default: the thread's. */
  readonly effort?: Effort | undefined
  /** How detailed the summary of the reasoning is. Default: the thread's. */
  readonly summary?: Sent.ReasoningSummary | undefined
  /** The folder that the agent works in. Default: the thread's. */
  readonly cwd?: string | undefined
  /** What commands may read, write and reach. Default: the thread's. */
  readonly sandbox?: Sandbox | undefined
  /** Which actions need an approval, and who decides. Default: the thread's. */
  readonly approvalMode?: ApprovalMode | undefined
  /** The service tier of the model's provider. Default: the thread's. */
  readonly serviceTier?: string | undefined
  /**
   * The service tier of the model's provider, for this turn only. `default` is the provider's standard speed. The
   * server drops a tier that the model lacks, and does not say so. A message that steers takes the tier of the running
   * turn; if it asks for another one, it fails with `SettingsNotApplied`. Default: `serviceTier`, or the thread's.
   */
  readonly serviceTierForTurn?: string | undefined
  /**
   * What started the turn, in a word of your own, such as `schedule`. It is a label: the server tells it to the model's
   * provider as `turn_trigger` of `x-codex-turn-metadata`, and it grants nothing. Ignored for a message that steers.
   * Default: none.
   */
  readonly source?: string | undefined
  /**
   * The environments that commands run in, the primary first. An empty list leaves the agent without commands.
   * Default: the thread's. An unknown environment is an `RpcError`. Experimental.
   */
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
  /**
   * What the model should know and the user did not say, by the name of its source. See {@link AdditionalContext}.
   * Experimental.
   */
  readonly additionalContext?: AdditionalContext | undefined
  /**
   * Texts for the model's provider, such as a trace id, for this turn only. They are members of the JSON in
   * `x-codex-turn-metadata`: a header of each request to the model, and an entry of its `client_metadata`. codex keeps
   * its own names, such as `thread_id`, whatever is given for them. They are not for secrets. Experimental.
   */
  readonly metadata?: { readonly [name: string]: string } | undefined
  /**
   * The id of the user's message, which codex stores in the history. After a crash {@link Thread.findTurn} tells by it
   * whether the turn was begun, and what became of it. It is the id of the message that begins the turn, that steers
   * one (`whenBusy: "steer"`), of each turn that `repair` takes, and of the message of `implementPlan`. Reviews,
   * compactions and goals have no message; `Turn.steer` and `Queue.add` take an id of their own. codex
   * does not check that an id is used once. Must not be empty. Default: a new UUID.
   */
  readonly messageId?: string | undefined
  /** A JSON Schema that the final answer must fit, for this turn only. */
  readonly outputSchema?: Schema.Json | undefined
  /**
   * Requests one of OpenAI's access programs for cyber security work, for this turn only and with OpenAI's own
   * provider. It grants nothing by itself: the account must have the access. Experimental. Default: the server
   * decides.
   */
  readonly cyberAccessProgram?: Sent.CyberAccessProgram | undefined
  /**
   * Handlers for the server's requests during this turn. They come before those of the thread and of the client. A
   * handler of `item/tool/call` also receives the calls of the thread's `tools`.
   */
  readonly handlers?: Overrides | undefined
  /** How long this turn may go without progress. Default: the thread's. See `StartThreadOptions.stallTimeout`. */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * Limits what this turn may spend, with its subagents, beside the budgets of its thread and its client. A spent one
   * fails with `BudgetExceeded`. Default: only theirs.
   */
  readonly budget?: Budget | undefined
  /**
   * What to do when a turn of the thread is already running.
   *
   * - `fail`, the default, fails with `ThreadBusy`.
   * - `queue` waits until the thread is free; calls run in order.
   * - `steer` sends the input to the running turn. The returned handle is one more handle on that turn, and closing
   *   its scope does not interrupt it. If the running turn lacks a setting that this call or this handle asks for, it
   *   fails with `SettingsNotApplied` and sends nothing. The handle's events begin at the steering when the turn was
   *   started by `run`, which keeps no events, or by another client. The running turn keeps its handlers.
   */
  readonly whenBusy?: "fail" | "queue" | "steer" | undefined
  /**
   * Ends a reader of the turn's events with `EventsOverflow` when it leaves more bytes than this unread. Default: no
   * limit. Deltas of an item are merged, so an unread turn costs little more than its text.
   */
  readonly maxUnreadBytes?: number | undefined
}

/**
 * What the server stores about a thread. `turns` is empty unless requested. A turn that does not fit the protocol
 * appears there as an `Undecodable`.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadInfo = Received.Thread

/**
 * What a thread is doing: `notLoaded`, `idle`, `systemError` (its last turn failed; the thread stays usable) or
 * `active`, with flags for whether it waits for an approval or for user input.
 *
 * @see {@link Thread.status}
 * @category models
 * @since 0.1.0
 */
export type ThreadStatus = Received.ThreadStatus

type ThreadMethod = {
  readonly [M in keyof ServerNotifications]: ServerNotifications[M] extends
    { readonly threadId: string | null } | { readonly thread: { readonly id: string } } ? M : never
}[keyof ServerNotifications]

/**
 * A notification about a thread: about the thread itself, its turns or their items.
 *
 * @see {@link Thread.events}
 * @category models
 * @since 0.1.0
 */
export type ThreadEvent = { readonly [M in ThreadMethod]: Known<M> }[ThreadMethod] | Unknown | Undecodable

/**
 * Options of {@link Thread.turns}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListTurnsOptions {
  /** Default: `desc`, the newest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /**
   * How much each turn carries: no items (`notLoaded`), the user's message and the final answer (`summary`), or all
   * items (`full`). Default: `summary`.
   */
  readonly itemsView?: Sent.TurnItemsView | undefined
  /**
   * How many to request per page. It changes nothing but the number of requests; the server returns at most 100.
   * Default: 25 for the first page and 100 for later pages, unless `itemsView` is `full`.
   */
  readonly pageSize?: number | undefined
}

/**
 * Options of {@link Thread.items}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListItemsOptions {
  /** Lists the items of this turn only. Default: of all turns. */
  readonly turnId?: string | undefined
  /** Default: `asc`, the oldest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /**
   * How many to request per page. It changes nothing but the number of requests; the server returns at most 100.
   * Default: 25 for the first page and 100 for later pages.
   */
  readonly pageSize?: number | undefined
}

/**
 * What the server stores beside a thread's history. What is left out stays as it is.
 *
 * @see {@link Thread.updateMetadata}
 * @category options
 * @since 0.1.0
 */
export interface MetadataOptions {
  /**
   * The commit, the branch and the remote that the thread belongs to, for a list of threads. Null clears one; it must
   * not be empty. codex sets them itself when it starts a thread in a repository.
   */
  readonly gitInfo?: {
    readonly sha?: string | null | undefined
    readonly branch?: string | null | undefined
    readonly originUrl?: string | null | undefined
  } | undefined
  /**
   * The project of `ListThreadsOptions.projectId`. It must exist (`RpcError`). Null takes the thread out of its
   * project.
   */
  readonly projectId?: string | null | undefined
}

/**
 * Settings of a thread to change. A setting that is left out stays as it is.
 *
 * @see {@link Thread.updateSettings}
 * @category options
 * @since 0.1.0
 */
export interface UpdateSettingsOptions {
  readonly model?: string | undefined
  readonly effort?: Effort | undefined
  /** How detailed the summary of the reasoning is. */
  readonly summary?: Sent.ReasoningSummary | undefined
  /** The folder that the agent works in. It also selects that folder's default environments. */
  readonly cwd?: string | undefined
  /**
   * The environments that commands run in, the primary first. An empty list removes all of them. Default: unchanged,
   * unless `cwd` is given.
   */
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
  readonly sandbox?: Sandbox | undefined
  /** The name of a permissions profile in the configuration. Excludes `sandbox` (`InvalidArgument`). */
  readonly permissions?: string | undefined
  readonly approvalMode?: ApprovalMode | undefined
  /** `null` resets it to the default. */
  readonly serviceTier?: string | null | undefined
}

/**
 * Options of {@link Thread.ask}.
 *
 * @category options
 * @since 0.1.0
 */
export interface AskOptions {
  /**
   * How much the model reasons. Applies only where the provider and the model can change it without losing the cached
   * history. Default: the thread's.
   */
  readonly effort?: Effort | undefined
  /**
   * Whether to leave the tools of MCP servers out of the request. Applies only to models that get tools one by one.
   * Default: false.
   */
  readonly disableMcp?: boolean | undefined
  /** Metadata for the request to the model's provider. Default: none. */
  readonly metadata?: { readonly [key: string]: string } | undefined
}

/**
 * The answer to a side question.
 *
 * @see {@link Thread.ask}
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  /** What the model said. None if it said nothing, or wanted to use a tool, which a side question cannot. */
  readonly text: Option.Option<string>
  /** The tokens of the one call of the model. None if the provider reported none. */
  readonly usage: Option.Option<{
    /** Including the cached ones. */
    readonly inputTokens: number
    readonly cachedInputTokens: number
    readonly outputTokens: number
  }>
}

/**
 * Options of a turn whose final answer is a typed value.
 *
 * @see {@link Thread.run}
 * @category options
 * @since 0.1.0
 */
export interface StructuredOutput<A> {
  /**
   * The schema of the answer: an Effect Schema, a Standard Schema that offers JSON Schema, or a JSON Schema with a
   * decoder. It replaces `outputSchema`; an answer that does not fit fails with `OutputInvalid`.
   */
  readonly output: Output<A>
  /**
   * How many times to ask the model again, on the same thread, when its answer does not fit. The result is that of the
   * last turn: it lacks the items and the usage of the turns before. Default: 0.
   */
  readonly repair?: number | undefined
}

/**
 * A handle on a thread. It holds no resources, so there is nothing to close.
 *
 * **Details**
 *
 * Calls that need the thread loaded resume it first when the server may not have it loaded: after the server process
 * was restarted, and for a turn after {@link Thread.unsubscribe}. If it cannot be resumed, the call fails as
 * `Codex.resumeThread` does.
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
 * @see {@link Turn} for a handle on one turn
 * @category models
 * @since 0.1.0
 */
export interface Thread extends Goals, Plans {
  /** The id of the thread, for `Codex.resumeThread`. */
  readonly id: string
  readonly run: {
    /**
     * Runs a turn to its end and succeeds only if it completes. Interrupting this effect interrupts the turn on the
     * server and waits a bounded time for its end, so `Effect.timeout(thread.run(...), "1 minute")` stops the agent.
     *
     * With `output`, the model must answer in that shape, and the result holds the decoded answer.
     *
     * Fails with
     * - `ThreadBusy` while another turn or a goal of the thread runs: see `whenBusy`
     * - `InvalidArgument` and `InputTooLarge` for input and options that are known to be wrong before the turn starts
     * - `ThreadNotFound` once the thread was archived or deleted
     * - `BudgetExceeded` when a budget is spent, before the turn starts or while it runs, and `PriceUnknown`
     * - `TurnFailed`, `TurnStalled` and `TurnOutcomeUnknown`, depending on how the turn ended
     * - `TurnInterrupted` when the turn was interrupted by a handle, a cancelled approval or another client
     * - `OutputInvalid` when the answer does not fit, only with `output`
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
   * Starts a turn and returns its handle as soon as the server has accepted it. Fails like {@link Thread.run} before
   * its turn starts.
   */
  readonly turn: (input: Input, options?: TurnOptions) => Effect.Effect<Turn, TurnStartError, Scope.Scope>
  /**
   * Starts the server's own review of the changes in the thread's folder: uncommitted changes, what a branch adds,
   * one commit, or what custom instructions describe. The review is the text of the item `exitedReviewMode` and the
   * final answer. A review cannot be steered (`RpcError`). Fails like {@link Thread.turn}, and with `RpcError` for an
   * empty branch or empty instructions.
   */
  readonly review: (
    target: Sent.ReviewTarget,
    options?: { readonly whenBusy?: "fail" | "queue" | undefined }
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy | BudgetExceeded, Scope.Scope>
  /**
   * Starts compacting the thread's history, which the server also does on its own when the context is full.
   * Compacting is a turn too.
   */
  readonly compact: (
    options?: { readonly whenBusy?: "fail" | "queue" | undefined }
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy | BudgetExceeded, Scope.Scope>
  /**
   * Asks the model a question about the thread, which leaves no trace: the history, the running turn and the thread's
   * usage stay as they are. Works while a turn runs, and then sees what the turn did so far. The question has at most
   * 4,000 bytes.
   *
   * **When to use**
   *
   * For a side question, a title or a summary. {@link fork} and run a turn for what needs tools or structured output.
   *
   * **Details**
   *
   * It is one call of the model with the thread's whole history, which the provider usually has cached. No tool runs: a
   * model that wants to use one has no text. The call may take as long as the model does; interrupting it ends the
   * model's request, so bound it with `Effect.timeout`. It blocks nothing else on the thread.
   *
   * Fails with
   * - `AskFailed` when the model does not answer. codex does not try again, so retry while `isRetryable` is true
   * - `BudgetExceeded`, before any request, when a budget of the thread or the client is spent: the call counts
   * - `ThreadNotPersisted` before the thread's first turn
   * - `ThreadNotFound` once the thread was archived or deleted
   * - `InvalidArgument` for a question that is empty or too long
   * - `AppServerExited` if the process is lost meanwhile. The client does not ask again
   *
   * **Example** (What the agent is up to)
   *
   * ```ts
   * import type { Thread } from "@effect-codex/client"
   * import { Effect, Option } from "effect"
   *
   * export const progress = (thread: Thread.Thread) =>
   *   thread.ask("In one sentence: what are you doing, and what is left?").pipe(
   *     Effect.timeout("1 minute"),
   *     Effect.map(({ text }) => Option.getOrElse(text, () => "no answer"))
   *   )
   * ```
   */
  readonly ask: (prompt: string, options?: AskOptions) => Effect.Effect<Answer, AskError>
  /** The thread's durable queue of follow-ups, which survives a restart of codex and of this program. */
  readonly queue: Queue

  // ---------------------------------------------------------------------------
  // The thread itself
  // ---------------------------------------------------------------------------

  /**
   * Reads what the server stores about the thread. `includeTurns` (default: false) reads the whole history at once,
   * which the protocol deprecates: prefer {@link turns} and {@link items}. It fails with `RpcError`
   * (`methodNotFound`) while the thread has neither a turn nor a name.
   */
  readonly read: (
    options?: { readonly includeTurns?: boolean | undefined }
  ) => Effect.Effect<ThreadInfo, ThreadCallError>
  /**
   * Asks the server what the thread is doing, which is `notLoaded` if the client has let go of it
   * (`Codex.Options.maxLoadedThreads`). Read {@link events} for changes.
   */
  readonly status: Effect.Effect<ThreadStatus, ThreadCallError>
  /**
   * The thread's turns. Pages are read on demand. A turn that does not fit the protocol is an `Undecodable`; so is an
   * item within a turn. Fails with `ThreadNotPersisted` before the thread's first turn, or with `RpcError`
   * (`methodNotFound`) once {@link read} has requested the turns.
   */
  readonly turns: (
    options?: ListTurnsOptions
  ) => Stream.Stream<Received.Turn | Received.Undecodable<Received.Turn>, ThreadCallError>
  /**
   * The thread's items, each with its turn. Pages are read on demand. An item that does not fit the protocol is an
   * `Undecodable`. Fails with `RpcError` (`methodNotFound`) before the thread's first turn.
   */
  readonly items: (
    options?: ListItemsOptions
  ) => Stream.Stream<
    Received.ThreadItemEntry | Received.Undecodable<Received.ThreadItemEntry>,
    ThreadCallError
  >
  /**
   * Finds a turn by the id of a message, which began or steered it: see `TurnOptions.messageId`. Of several turns with
   * the id it is the newest. None before the thread's first turn, and if the history has no such message: it was never
   * sent, codex was killed before it stored it, its turn was reverted, or a hook refused it. The history of a fork has
   * the messages of its source.
   *
   * The result has no `timing`, `usage`, `model`, `cost` and `output`. Its `status` may be any: `inProgress` while the
   * turn runs, `interrupted` after its codex was killed, with the items that were complete by then.
   *
   * It reads the summaries of the turns, and then one turn; only if no turn began with the message, the whole history.
   * An archived thread is searched too. Fails with `InvalidArgument` if the id is empty, with `ThreadNotFound` if the
   * thread is deleted, and with `RpcError` if it is ephemeral, because codex does not store it.
   *
   * **Example** (Run a prompt once, also after a crash)
   *
   * ```ts
   * import type { Thread } from "@effect-codex/client"
   * import { Effect, Option } from "effect"
   *
   * export const once = Effect.fnUntraced(function*(thread: Thread.Thread, messageId: string, prompt: string) {
   *   const before = yield* thread.findTurn(messageId)
   *   if (Option.isSome(before) && before.value.status === "completed") return before.value
   *   return yield* thread.run(Option.isNone(before) ? prompt : "You were interrupted. Go on.", { messageId })
   * })
   * ```
   */
  readonly findTurn: (messageId: string) => Effect.Effect<Option.Option<TurnResult>, ThreadCallError>
  /**
   * All notifications about the thread and its turns, from the moment the stream runs. Each run of the stream has its
   * own mailbox, as `Turn.events` does; without a reader nothing is kept. It ends with the connection's cause, or
   * when the stream's scope closes.
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
   * Names the thread, which also stores a thread that has no turn yet. Fails with `RpcError` for an empty name and
   * for an ephemeral thread, and with `ThreadNotPersisted` once the thread was archived or deleted.
   */
  readonly setName: (name: string) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Changes what is stored beside the history, and returns the thread. Fails with `InvalidArgument` if there is nothing
   * to change, and with `RpcError` for an ephemeral thread.
   */
  readonly updateMetadata: (options: MetadataOptions) => Effect.Effect<ThreadInfo, ThreadCallError>
  /**
   * Puts the thread at the end of a section of the sidebar of codex's apps, such as `Pinned`, or with null in none. The
   * `section` of a read thread shows it. Fails with `RpcError` for an unknown section.
   *
   * @see `Codex.threadSections`
   */
  readonly moveToSection: (sectionId: string | null) => Effect.Effect<void, Exclude<ThreadCallError, DecodeError>>
  /**
   * Finds a text in the messages of the user and the agent, in any case, from the first to the last. Each hit has its
   * turn, its item, the text around it (`snippet`), and where in it the hit is (`snippetMatchRange`, in UTF-16 code
   * units, for `slice`). The stream reads pages on demand.
   *
   * Fails with `RpcError` for an empty text, for an unknown id, and while nothing of the thread is stored. Needs the
   * experimental API. `Codex.searchThreads` finds the threads.
   *
   * **Example** (Marking the hits)
   *
   * ```ts
   * import type { Thread } from "@effect-codex/client"
   * import { Stream } from "effect"
   *
   * export const marked = (thread: Thread.Thread, text: string) =>
   *   Stream.map(
   *     thread.search(text),
   *     // A hit of a newer codex may lack both.
   *     ({ snippet = "", snippetMatchRange: { end, start } = { end: 0, start: 0 } }) =>
   *       `${snippet.slice(0, start)}**${snippet.slice(start, end)}**${snippet.slice(end)}`
   *   )
   * ```
   */
  readonly search: (
    query: string
  ) => Stream.Stream<
    Received.ThreadSearchOccurrence | Received.Undecodable<Received.ThreadSearchOccurrence>,
    ThreadCallError
  >
  /**
   * Starts a new thread with this thread's history and this handle's sandbox, approval mode, folder, handlers and
   * tools. See `Codex.forkThread` for details and failures.
   */
  readonly fork: (options?: ForkThreadOptions) => Effect.Effect<Thread, ThreadCallError | SettingsNotApplied>
  /**
   * Archives the thread: hides it from default listings and unloads it. A running turn is interrupted. Fails with
   * `ThreadNotPersisted` when the thread is already archived or was deleted, and with `ThreadInUse` while another
   * process has it open.
   */
  readonly archive: Effect.Effect<void, Exclude<ThreadCallError, DecodeError> | ThreadInUse>
  /**
   * Removes a turn and every later one from the history, permanently. Changes they made to files stay. Older versions
   * of the protocol call this rollback. Fails with `RpcError` for an unknown turn and for an ephemeral thread, and
   * with `ThreadNotPersisted` before the thread is first stored.
   */
  readonly revert: (beforeTurnId: string) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Appends items of the Responses API to the history that the model sees, such as `{ type: "message", role: "user",
   * content: [{ type: "input_text", text: "..." }] }`. They belong to no turn. Fails with `InvalidArgument` for an
   * image that codex does not accept, with `RpcError` for anything that is not such an item, and with
   * `ThreadNotFound` once the thread was archived or deleted.
   */
  readonly inject: (items: ReadonlyArray<Schema.Json>) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Changes settings for later turns, without starting a turn. A running turn keeps its settings, and so does a turn
   * that was begun before this call, unless it waits for another turn. Other handles of the thread keep the sandbox
   * and approval mode that they were given.
   *
   * Fails with `InvalidArgument` for options that exclude each other, for a folder that does not exist, and for
   * switching from `ApprovalMode.dangerouslyBypass` without a sandbox to another mode. Fails with `ThreadNotFound`
   * once the thread was archived or deleted.
   */
  readonly updateSettings: (options: UpdateSettingsOptions) => Effect.Effect<void, ThreadCallError | ThreadInUse>
  /**
   * Asks the server to stop sending this connection notifications about the thread, which lets the server unload the
   * thread once it is idle. No more events of a running turn arrive, so that turn never ends here. A later turn on a
   * handle of this client resumes the thread first.
   *
   * `Codex.Options.maxLoadedThreads` does this by itself for threads that are not used.
   *
   * The server unloads the thread one minute later. Until then another process fails to resume it (`ThreadInUse`). A
   * thread started with `config: { thread_unload_delay_secs: 0 }`, or a server started with that setting, lets go
   * within milliseconds.
   */
  readonly unsubscribe: Effect.Effect<Received.ThreadUnsubscribeStatus, CallError>
}
