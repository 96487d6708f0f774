/**
 * The outcome of a turn: status, items, final answer, token usage.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Received from "./Received.ts"

/**
 * The tokens that a turn used. The turn's full cost is `turn` plus `subagents`; neither contains the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnUsage {
  /** Tokens used by all model calls of this turn, without its subagents. */
  readonly turn: Received.TokenUsageBreakdown
  /**
   * Tokens used by the subagents that worked for this turn, at any depth, until the turn ended. Later usage is
   * missing: a turn that does not wait for its subagents ends before them.
   */
  readonly subagents: Received.TokenUsageBreakdown
  /** Tokens used by the thread since it began. Subagents run on threads of their own, which are not included. */
  readonly total: Received.TokenUsageBreakdown
  /** Tokens of the last model call only. */
  readonly last: Received.TokenUsageBreakdown
  /** The size of the model's context in tokens, if the server knows it. */
  readonly modelContextWindow: Option.Option<number>
  /**
   * How many tokens are in the context now: all of the last model call, or codex's estimate of what a compaction has
   * left.
   */
  readonly contextTokens: number
  /**
   * How full the context is, from 0 to 1: `contextTokens` of `modelContextWindow`. codex compacts the thread by itself
   * when it is nearly full. Its terminal program shows another number: it leaves the first 12,000 tokens out of both.
   */
  readonly contextUsed: Option.Option<number>
}

/**
 * What a turn's time went into, measured by this client on a monotonic clock. It begins when the request that starts
 * the turn is sent, and ends with the turn. `model` plus `tools` is all of it.
 *
 * **Gotchas**
 *
 * codex does not tell when it asks the model, so `model` is what remains without the tools. It includes codex's own
 * work, the way of the messages, and the pauses between two attempts to reach the model.
 *
 * @see {@link TurnResult}
 * @category models
 * @since 0.1.0
 */
export interface TurnTiming {
  /**
   * Until the model's first item: its first message or reasoning begins, or, if it does not write before, its first
   * tool. None if nothing of the model came.
   */
  readonly firstToken: Option.Option<Duration.Duration>
  /** The time in which no tool ran. */
  readonly model: Duration.Duration
  /**
   * The time in which at least one tool ran: a command, a patch, a tool of an MCP server or of the program. The wait
   * for an approval counts, and so does a command that was left in the background.
   */
  readonly tools: Duration.Duration
}

/**
 * The outcome of a turn.
 *
 * **Details**
 *
 * `items` holds the completed items in order of completion, the user's messages included. An item that completes
 * again appears once, in its last form. An item that does not fit the protocol is an `Undecodable` with its id and
 * the raw value; `finalResponse` and `plan` are still found in it.
 *
 * `finalResponse` is the text of the last message of phase `final_answer`, else of the last message without a phase.
 * Commentary never counts; an empty text counts as a response. `status` is `completed` or `interrupted` in a result
 * that a call succeeds with; the partial result inside a `TurnFailed` has the status that the server reported.
 *
 * **Gotchas**
 *
 * codex does not report every command that ran as an item, so a result without items does not prove that the turn did
 * nothing.
 *
 * @see {@link TurnUsage}
 * @category models
 * @since 0.1.0
 */
export interface TurnResult<out A = undefined> {
  readonly id: string
  readonly threadId: string
  readonly status: Received.TurnStatus
  /** The error that the server reported for the turn. */
  readonly error: Option.Option<Received.TurnError>
  readonly startedAt: Option.Option<DateTime.Utc>
  readonly completedAt: Option.Option<DateTime.Utc>
  /** How long the turn took, as reported by the server. */
  readonly duration: Option.Option<Duration.Duration>
  /** What the time went into. None for a goal, and for a turn that another call or client started. */
  readonly timing: Option.Option<TurnTiming>
  /**
   * The model that answered: the one that the thread or the turn asked for, or the one that codex rerouted to. None
   * when the server did not report it.
   */
  readonly model: Option.Option<string>
  readonly finalResponse: Option.Option<string>
  /**
   * The last plan that the agent proposed, for a turn with the mode `plan`. Such a turn may have no final response.
   * `Turn.plan` is a different thing: the checklist that an agent keeps while it works. `Thread.implementPlan`
   * carries it out.
   */
  readonly plan: Option.Option<string>
  readonly items: ReadonlyArray<Received.ThreadItem>
  readonly usage: Option.Option<TurnUsage>
  /**
   * What the turn and its subagents cost, by `Pricing`, in its unit: the sum over the calls of the model that `usage`
   * counts, each with the model that answered. None if a call has no known price, or no usage was reported.
   */
  readonly cost: Option.Option<number>
  /** The decoded final answer of a run with a schema as `output`. */
  readonly output: A
}
