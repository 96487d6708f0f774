/**
 * What a turn did: its status, its items, its final answer, what it used.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Received from "./Received.ts"

/**
 * The tokens that a turn used. `turn` and `subagents` added up are all that it cost; neither contains the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnUsage {
  /** What this turn used, over all its calls of the model, without its subagents. */
  readonly turn: Received.TokenUsageBreakdown
  /**
   * What the subagents used that worked for this turn, at any depth, until it ended. What a subagent uses after that is
   * not in it: a turn that does not wait for its subagents ends before them.
   */
  readonly subagents: Received.TokenUsageBreakdown
  /** What the thread has used since it began. A subagent has a thread of its own, which is not in it. */
  readonly total: Received.TokenUsageBreakdown
  /** The last call of the model alone: what is in the context now. */
  readonly last: Received.TokenUsageBreakdown
  /** The size of the model's context in tokens, if the server knows it. */
  readonly modelContextWindow: Option.Option<number>
}

/**
 * The outcome of a turn.
 *
 * **Details**
 *
 * `items` are the completed items in the order of their completion, the user's messages included (a rule of the Python
 * SDK). An item that is completed again stands there once, as it was completed last. One that does not fit the protocol is an
 * `Undecodable` with its id and what came; `finalResponse` and `plan` are found in it all the same. Items are what codex tells, and it does
 * not tell of every command that ran (measured): a result without items is no proof that the turn did nothing.
 *
 * `finalResponse` is the text of the last message of phase `final_answer`, else of the last message without a phase;
 * commentary never counts, and an empty text is a response. `status` is `completed` or `interrupted` in a result that a call
 * succeeds with; the partial result inside a `TurnFailed` has the status that the server gave.
 *
 * @category models
 * @since 0.1.0
 */
export interface TurnResult<out A = undefined> {
  readonly id: string
  readonly threadId: string
  readonly status: Received.TurnStatus
  readonly error: Option.Option<Received.TurnError>
  readonly startedAt: Option.Option<DateTime.Utc>
  readonly completedAt: Option.Option<DateTime.Utc>
  readonly duration: Option.Option<Duration.Duration>
  /**
   * The model that answered: the one that the thread or the turn was to use, or the one that codex was rerouted to. None
   * when the server did not tell it.
   */
  readonly model: Option.Option<string>
  readonly finalResponse: Option.Option<string>
  /**
   * The plan that the agent proposed last, of a turn in plan mode. Such a turn may have no final response. The checklist
   * that an agent keeps while it works is another thing: see `Turn.plan`.
   */
  readonly plan: Option.Option<string>
  readonly items: ReadonlyArray<Received.ThreadItem>
  readonly usage: Option.Option<TurnUsage>
  /** The decoded final answer, of a run that was given a schema as `output`. */
  readonly output: A
}
