/**
 * What a person sees of a thread: its messages, commands, file changes, plans, approvals, subagents, tokens and errors,
 * folded from what happens in it. One fold for a terminal, a page, a report and tests.
 *
 * The fold is pure and has no clock. A view is immutable: an event makes a new one, which shares with the one before
 * all that the event does not change. So compare parts with `===` to know what to draw again. The cost of an event does
 * not grow with the length of the thread.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { AppServerRpc } from "./AppServerRpc.ts"
import type { ConnectionError } from "./CodexError.ts"
import { implementation } from "./internal/load.ts"
import type { Reason } from "./internal/text/turnFailure.ts"
import * as Fold from "./internal/view/fold.ts"
import type { List as ListClass } from "./internal/view/list.ts"
import * as Scan from "./internal/view/scan.ts"
import type { AgentState, state, SubagentsState, subagentsState, TurnState } from "./internal/view/state.ts"
import * as State from "./internal/view/state.ts"
import * as Timeline from "./internal/view/timeline.ts"
import * as Totals from "./internal/view/totals.ts"
import type { Price } from "./Pricing.ts"
import type * as Received from "./Received.ts"
import type { ServerNotification } from "./ServerNotification.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * An immutable list that is cheap to grow. Iterate over it, or read `length`, `at(index)`, which counts from the end
 * when negative, and `toArray()`. As JSON it is an array.
 *
 * @category models
 * @since 0.1.0
 */
export type List<A> = ListClass<A>

/**
 * A file of a patch.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileView {
  readonly path: string
  readonly kind: "add" | "delete" | "update" | "unknown"
  /** Where an update moves the file. */
  readonly movedTo: string | undefined
  /** A unified diff of an update. The whole text of a file that comes or goes. */
  readonly diff: string
  /** Lines. */
  readonly added: number
  /** Lines. */
  readonly removed: number
}

/**
 * How far an item is:
 *
 * - `running`: it has begun. Its `item` has what was streamed so far.
 * - `completed`: the server completed or stored it. Its own `status` says whether it succeeded.
 * - `abandoned`: it will not be completed. The model's stream broke in the middle of it, the turn was steered, or the
 *   turn has ended. Only a live view has these: the server does not store them.
 *
 * @category models
 * @since 0.1.0
 */
export type ItemState = "running" | "completed" | "abandoned"

/**
 * An item of a turn. `item` is the protocol's, with what was streamed so far written into it, so narrow by
 * `item.type`. One of a newer server has another type; one that does not fit the protocol is `undecodable`, with the
 * reason.
 *
 * @category models
 * @since 0.1.0
 */
export interface ItemView {
  /** Unique within its turn. */
  readonly id: string
  readonly turnId: string
  readonly item: Received.ThreadItem
  readonly state: ItemState
  /** Its beginning was not seen: what its deltas do not tell is empty until it completes. Only live. */
  readonly isPartial: boolean
  /** In milliseconds. For an item that waits for an approval, the wait is a part of its time. */
  readonly startedAt: number | undefined
  /** In milliseconds. */
  readonly endedAt: number | undefined
  /** The files of a `fileChange`, with counts. Empty for other items. */
  readonly files: ReadonlyArray<FileView>
  /** What was typed into a running command. Only live. */
  readonly stdin: string
  /** The last message of an MCP tool about its progress. Only live. */
  readonly progress: string | undefined
}

/**
 * A call of the model that was reported with its tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelCall {
  /** When it was reported: after its tools have ended. In milliseconds. */
  readonly at: number | undefined
  /** As far as it is known. */
  readonly model: string | undefined
  readonly usage: Received.TokenUsageBreakdown
}

/**
 * An error of a turn, and what to do about it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  /** In milliseconds. */
  readonly at: number | undefined
  /** As the server put it. */
  readonly message: string
  /** The kind of failure, as in `TurnFailed`. */
  readonly reason: Reason
  /** What the reason means. */
  readonly meaning: string
  /** What to do next. Nothing while codex tries again by itself. */
  readonly advice: string
  /** Codex tries again by itself. */
  readonly willRetry: boolean
  readonly error: Received.TurnError
}

/**
 * The checklist of an agent. What an agent proposes in plan mode is an item of the type `plan`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlanView {
  readonly explanation: string | null
  readonly steps: ReadonlyArray<Received.TurnPlanStep>
}

/**
 * A turn of a thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnView {
  readonly id: string
  /** `unknown` when neither its beginning nor its end was seen. */
  readonly status: Received.TurnStatus | "unknown"
  /** The turn that it works for, if it is a subagent's. */
  readonly rootTurnId: string | undefined
  /** In milliseconds. The server knows whole seconds only. */
  readonly startedAt: number | undefined
  /** In milliseconds. */
  readonly endedAt: number | undefined
  /** As the server reports it, in milliseconds. */
  readonly durationMs: number | undefined
  readonly items: List<ItemView>
  /** The checklist, as it was last. Live, and in a rollout. */
  readonly plan: PlanView | undefined
  /** The unified diff of all patches so far. Only live. */
  readonly diff: string | undefined
  /** The model, as far as it is known. Live, and in a rollout. */
  readonly model: string | undefined
  /** The calls of the model, in order. Live, and in a rollout. */
  readonly calls: List<ModelCall>
  /** The tokens of these calls. Undefined if none was reported. */
  readonly usage: Received.TokenUsageBreakdown | undefined
  /** The errors that came while it ran, those that codex retried included. Only live. */
  readonly errors: List<Problem>
  /** Why it failed. */
  readonly error: Problem | undefined
  /** What the fold remembers beside. */
  readonly [state]: TurnState
}

/**
 * A request of the server that somebody has to answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ask {
  /** The id of the server's request, or of a review by the server's own reviewer. */
  readonly id: string | number
  readonly threadId: string
  readonly turnId: string | undefined
  /** The item that waits for it. */
  readonly itemId: string | undefined
  /**
   * - `command`, `fileChange`, `permissions`, `mcpTool`: an approval
   * - `question`: questions of the agent
   * - `elicitation`: a form or a page of an MCP server
   * - `review`: the server's own reviewer decides
   * - `unknown`: only the end of the request was seen, or a newer server asks something else
   */
  readonly kind:
    | "command"
    | "fileChange"
    | "permissions"
    | "mcpTool"
    | "question"
    | "elicitation"
    | "review"
    | "unknown"
  /** The protocol's method; empty if it was not seen. */
  readonly method: string
  /** The params of the method, as they came. */
  readonly params: unknown
  /** In milliseconds. */
  readonly askedAt: number | undefined
  /** In milliseconds. */
  readonly endedAt: number | undefined
  /**
   * - `waiting`: nobody has answered yet
   * - `answered`: this client, or the server's reviewer, decided
   * - `closed`: it is no longer open, and this view did not see who ended it: another client, or the end of its turn
   */
  readonly state: "waiting" | "answered" | "closed"
  /** Who decided, if that was seen. */
  readonly by: "client" | "reviewer" | undefined
  /**
   * The answer: its `result` or its `error`; for a review the review. Without answers to secret questions, and of an
   * elicitation only the `action`.
   */
  readonly answer: unknown
}

/**
 * Something to tell that is no item: a warning, an error, a rerouted model, or what a newer server sends.
 *
 * @category models
 * @since 0.1.0
 */
export interface Notice {
  readonly kind: "warning" | "error" | "rerouted" | "reverted" | "hook" | "compacted" | "unknown" | "undecodable"
  /** In milliseconds. */
  readonly at: number | undefined
  readonly turnId: string | undefined
  readonly message: string
  /** What it was made of. */
  readonly method: string
  readonly params: unknown
}

/**
 * An MCP server of a thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface McpServerView {
  readonly name: string
  readonly environmentId: string | null
  readonly status: Received.McpServerStartupState
  readonly error: string | null
  /** When it began to start, in milliseconds. */
  readonly startedAt: number | undefined
  /** When it was ready, failed or cancelled, in milliseconds. */
  readonly endedAt: number | undefined
}

/**
 * What a view has of one agent: of the thread itself, or of a subagent.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentView {
  readonly threadId: string
  /** Undefined until the server tells it. */
  readonly status: Received.ThreadStatus | undefined
  readonly name: string | undefined
  /** The beginning of the first message, if the thread was read. */
  readonly preview: string | undefined
  readonly cwd: string | undefined
  readonly model: string | undefined
  readonly effort: Received.ReasoningEffort | undefined
  /** All settings, once the server has reported a change of them. Only live. */
  readonly settings: Received.ThreadSettings | undefined
  /** As stored, in milliseconds. */
  readonly createdAt: number | undefined
  readonly turns: List<TurnView>
  /** All that was asked, in order. Only of {@link changes}, and in a cassette. */
  readonly asks: List<Ask>
  /** Those of {@link asks} that still wait. */
  readonly waiting: ReadonlyArray<Ask>
  readonly notices: List<Notice>
  readonly goal: Received.ThreadGoal | undefined
  readonly mcpServers: ReadonlyArray<McpServerView>
  /** As last reported: the total of the thread, and the last call. Live, and in a rollout. */
  readonly usage: Received.ThreadTokenUsage | undefined
  /** The tokens that are left in the context window. Undefined while that is not known. */
  readonly contextLeft: number | undefined
  /** Turns were taken out of the history, and this view may still show them. Read the thread again. */
  readonly isReverted: boolean
  /** What the fold remembers beside. */
  readonly [state]: AgentState
}

/**
 * A subagent of the thread, at any depth.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubagentView extends AgentView {
  /** The agent that started it. The thread itself if that was not seen. */
  readonly parentThreadId: string
  readonly nickname: string | undefined
  readonly role: string | undefined
  readonly path: string | undefined
  /** The message that it was started with. */
  readonly prompt: string | undefined
  /** What the agents around it said of it last. */
  readonly agentStatus: Received.CollabAgentStatus | undefined
  /** The last text that it reported to its parent. */
  readonly agentMessage: string | undefined
}

/**
 * What a person sees of a thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThreadView extends AgentView {
  /** The subagents at any depth, in the order in which they were first heard of. */
  readonly subagents: List<SubagentView>
  /** What the fold remembers beside. */
  readonly [subagentsState]: SubagentsState
}

/**
 * A stretch of time in a thread, for a picture of where the time went:
 *
 * - `turn`: all of a turn
 * - `model`: what is left of a turn when nothing else runs: the model, and codex itself
 * - `command`, `fileChange`, `tool`, `subagent`: an item, with the wait for its approval
 * - `waiting`: a decision, an answer or a review was waited for
 * - `mcpStart`: an MCP server was starting
 *
 * @see {@link timeline}
 * @category models
 * @since 0.1.0
 */
export interface TimeSpan {
  readonly kind: "turn" | "model" | "command" | "fileChange" | "tool" | "subagent" | "waiting" | "mcpStart"
  readonly threadId: string
  readonly turnId: string | undefined
  readonly itemId: string | undefined
  /** The command, the files, the tool, the model, the server's name. Text of the agent: show it with care. */
  readonly label: string
  /** In milliseconds. */
  readonly startedAt: number
  /** In milliseconds. Undefined while it goes on, or if its end was not seen. */
  readonly endedAt: number | undefined
}

// =============================================================================
// Events
// =============================================================================

/**
 * A request of the server, as a cassette or a handler has it.
 *
 * @category events
 * @since 0.1.0
 */
export interface ServerRequest {
  readonly _tag: "ServerRequest"
  readonly id: string | number
  readonly method: string
  readonly params: unknown
}

/**
 * An answer to a request of the server: the members `result` or `error` of its frame.
 *
 * @category events
 * @since 0.1.0
 */
export interface ServerRequestAnswer {
  readonly _tag: "ServerRequestAnswer"
  readonly id: string | number
  readonly answer: unknown
}

/**
 * A thread as the server stores it, with its turns if they were read. A turn that is stored takes the place of what was
 * seen of it live, in the order of the store.
 *
 * @category events
 * @since 0.1.0
 */
export interface StoredThread {
  readonly _tag: "StoredThread"
  readonly thread: Received.Thread
}

/**
 * A turn as the server stores it. With the items view `full` it takes the place of what was seen of it live.
 *
 * @category events
 * @since 0.1.0
 */
export interface StoredTurn {
  readonly _tag: "StoredTurn"
  readonly threadId: string
  readonly turn: Received.Turn | Received.Undecodable<Received.Turn>
}

/**
 * An item as the server stores it.
 *
 * @category events
 * @since 0.1.0
 */
export interface StoredItem {
  readonly _tag: "StoredItem"
  readonly threadId: string
  readonly entry: Received.ThreadItemEntry | Received.Undecodable<Received.ThreadItemEntry>
}

/**
 * What a view is folded from: what the server sends, live or recorded, and what it stores. The events of
 * `Thread.events`, `Turn.events`, `Subagent.events` and `AppServerRpc.notifications` are some of these.
 *
 * @category events
 * @since 0.1.0
 */
export type Event =
  | ServerNotification
  | ServerRequest
  | ServerRequestAnswer
  | StoredThread
  | StoredTurn
  | StoredItem

// =============================================================================
// The fold
// =============================================================================

/**
 * A view of nothing. The first event that names a thread makes it a view of that thread.
 *
 * @see {@link make} for events of several threads
 * @category constructors
 * @since 0.1.0
 */
export const empty: ThreadView = State.emptyThread("")

/**
 * A view of a thread of which nothing is known yet. Events of other threads change nothing, unless these are its
 * subagents.
 *
 * **Example** (Each state of a thread while a turn runs)
 *
 * ```ts
 * import { type Thread, ThreadView } from "@effect-codex/client"
 * import { Stream } from "effect"
 *
 * export const states = (thread: Thread.Thread) =>
 *   thread.events.pipe(
 *     Stream.scan(() => ThreadView.make(thread.id), (view, event) => ThreadView.apply(view, event))
 *   )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (threadId: string): ThreadView => State.emptyThread(threadId)

/**
 * Takes an event into a view. The same view if the event changes nothing of it. Never throws: what does not fit, or is
 * of a newer server, is kept and marked.
 *
 * **Details**
 *
 * Events may come twice, late or out of order: an item is there once, and what is complete stays complete. A delta
 * cannot be told from its repetition, so a text may be doubled until its item completes.
 *
 * **Example** (A stored thread)
 *
 * ```ts
 * import { type Thread, ThreadView } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const stored = (thread: Thread.Thread) =>
 *   Effect.map(thread.read({ includeTurns: true }), (thread) =>
 *     ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread }))
 * ```
 *
 * @param at when it happened, in milliseconds since the epoch. Where the server tells a time itself, that counts.
 * @category folding
 * @since 0.1.0
 */
export const apply = (view: ThreadView, event: Event, at?: number): ThreadView => Fold.apply(view, event, at)

// =============================================================================
// Rollouts
// =============================================================================

/**
 * An event with its time, in milliseconds since the epoch.
 *
 * @see {@link rollout}
 * @category events
 * @since 0.1.0
 */
export interface TimedEvent {
  readonly event: Event
  readonly at: number | undefined
}

/**
 * Reads the events of a rollout, the file in which codex keeps a thread:
 * `CODEX_HOME/sessions/<year>/<month>/<day>/rollout-<time>-<thread>.jsonl`. For a thread that is not loaded, without
 * codex: a subagent is in a file of its own. It takes the lines of a file from the first on, and any iterable, so the
 * file need not be in memory.
 *
 * **Details**
 *
 * The format is codex's own, and no promise of codex. What a newer codex writes is an event of an unknown method, and
 * so is a line that was cut. A file that ends in the middle of a turn has it interrupted, as codex lists it. A fork
 * does not repeat the history of its source, nor does the file that a revert begins.
 *
 * **Example** (A thread from its file)
 *
 * ```ts
 * import { ThreadView } from "@effect-codex/client"
 * import { Effect, FileSystem } from "effect"
 *
 * export const load = Effect.fnUntraced(function*(path: string) {
 *   const fs = yield* FileSystem.FileSystem
 *   const rollout = yield* ThreadView.rollout
 *   const lines = (yield* fs.readFileString(path)).split("\n")
 *   return ThreadView.applyAll(ThreadView.empty, rollout(lines))
 * })
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const rollout: Effect.Effect<(lines: Iterable<string>) => Iterable<TimedEvent>> = Effect.map(
  implementation,
  ({ decode, rolloutOf }) => (lines) => rolloutOf(lines, decode)
)

/**
 * Takes events with their times into a view, such as those of a {@link rollout} or of a cassette.
 *
 * @category folding
 * @since 0.1.0
 */
export const applyAll = (view: ThreadView, events: Iterable<TimedEvent>): ThreadView => {
  let now = view
  for (const { at, event } of events) now = apply(now, event, at)
  return now
}

// =============================================================================
// Looking at a view
// =============================================================================

/**
 * Everything that waits for an answer, of the thread and of its subagents.
 *
 * @category getters
 * @since 0.1.0
 */
export const waiting = (view: ThreadView): ReadonlyArray<Ask> => [
  ...view.waiting,
  ...[...view.subagents].flatMap((subagent) => subagent.waiting)
]

/**
 * The subagents that an agent started, in order. Begin with the id of the thread itself, to draw them as a tree.
 *
 * @category getters
 * @since 0.1.0
 */
export const childrenOf = (view: ThreadView, threadId: string): ReadonlyArray<SubagentView> =>
  [...view.subagents].filter((subagent) => subagent.parentThreadId === threadId)

/**
 * The tokens of a turn, of an agent, or of a thread with its subagents. Undefined if none were reported. It adds up all
 * turns, so call it once for each picture.
 *
 * @category getters
 * @since 0.1.0
 */
export const tokens = (of: TurnView | AgentView | ThreadView): Received.TokenUsageBreakdown | undefined =>
  Totals.tokens(of)

/**
 * The cost of a turn, of an agent, or of a thread with its subagents. None if nothing was reported, or if the model or
 * the price of a call is not known.
 *
 * @see `Pricing` for the prices
 * @category getters
 * @since 0.1.0
 */
export const cost = (of: TurnView | AgentView | ThreadView, price: Price): Option.Option<number> =>
  Totals.cost(of, price)

/**
 * Where the time went, by beginning, with the subagents. Empty if no times are known. In the clock of the view's times.
 *
 * @category getters
 * @since 0.1.0
 */
export const timeline = (view: ThreadView): ReadonlyArray<TimeSpan> => Timeline.timeline(view)

// =============================================================================
// Live
// =============================================================================

/**
 * Folds a stream of events: the view itself, and then the view after all that has come since it was last read. So a
 * slow reader, such as a screen, skips the states between and never falls behind.
 *
 * **Example** (A page that is drawn at most ten times a second)
 *
 * ```ts
 * import { type Thread, ThreadView } from "@effect-codex/client"
 * import { Effect, Stream } from "effect"
 *
 * export const draw = (thread: Thread.Thread, show: (view: ThreadView.ThreadView) => Effect.Effect<void>) =>
 *   thread.events.pipe(
 *     ThreadView.scan(ThreadView.make(thread.id)),
 *     Stream.runForEach((view) => Effect.andThen(show(view), Effect.sleep("100 millis")))
 *   )
 * ```
 *
 * @see {@link changes} which also has what the server asks, and subagents
 * @category streams
 * @since 0.1.0
 */
export const scan = (from: ThreadView) => <E, R>(events: Stream.Stream<Event, E, R>): Stream.Stream<ThreadView, E, R> =>
  Scan.scan(events, from)

/**
 * The views of a thread while it is worked on by this client or another: what it was given, and then the view after all
 * that has come since it was last read, as {@link scan}. Contains the subagents, what the server asks this client, and
 * what this client answers. Ends with the connection's cause.
 *
 * **Details**
 *
 * It neither loads nor reads the thread, so begin with what is stored: `from`. Answers to secret questions are left out
 * of the view, and what was filled into forms of MCP servers.
 *
 * **Example** (What waits for an answer, with what was there before)
 *
 * ```ts
 * import { Codex, ThreadView } from "@effect-codex/client"
 * import { Effect, Stream } from "effect"
 *
 * export const waiting = Effect.fnUntraced(function*(threadId: string) {
 *   const codex = yield* Codex.Codex
 *   const handle = yield* codex.resumeThread(threadId)
 *   const thread = yield* handle.read({ includeTurns: true })
 *   const from = ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread })
 *   return Stream.map(ThreadView.changes(threadId, { from }), ThreadView.waiting)
 * })
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const changes = (
  threadId: string,
  options?: {
    /** Default: a view of nothing. */
    readonly from?: ThreadView | undefined
  }
): Stream.Stream<ThreadView, ConnectionError, AppServerRpc> =>
  Stream.unwrap(
    Effect.map(
      Effect.all([AppServerRpc, implementation]),
      ([rpc, { viewChanges }]) => viewChanges(rpc, options?.from ?? make(threadId))
    )
  )
