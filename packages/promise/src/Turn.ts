/**
 * A running turn.
 *
 * @since 0.1.0
 */
import type { Input } from "@effect-codex/client/Input"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { MessagePiece, SteerOptions, UpdateTurnSettingsOptions } from "@effect-codex/client/Turn"
import type { CallOptions } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { TurnResult } from "./Results.ts"
import type { Subagent, SubagentNode } from "./Subagent.ts"

/**
 * A handle on one turn of a thread. Declare it with `await using`, or call {@link Turn.close}, so that leaving early
 * interrupts the turn. A turn that has ended holds no resources; its handle stays readable.
 *
 * **Example** (Printing while the agent writes)
 *
 * ```ts
 * import type { Thread } from "@effect-codex/promise"
 *
 * export const tell = async (thread: Thread) => {
 *   await using turn = await thread.turn("Tell me a story.")
 *   for await (const piece of turn.text) process.stdout.write(piece)
 *   return turn.result()
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Turn extends AsyncDisposable {
  readonly id: string
  readonly threadId: string
  /**
   * All events of the turn, from `turn/started` to `turn/completed`, tagged by the protocol's method names. The first
   * reader receives every event unchanged. A later reader first receives the past events, with the deltas of each item
   * merged into one, then the live events. A slow reader does not slow down anything else. Each iterable below counts
   * as a reader.
   */
  readonly events: Readable<TurnEvent>
  /**
   * The agent's messages piece by piece as they are written, including commentary. `itemId` names the message of a
   * piece: `Delta` adds to it, `Completed` contains all of it, and `Abandoned` discards it because the model's stream
   * broke and the model writes a new one.
   */
  readonly messages: Readable<MessagePiece>
  /**
   * The text of the agent's messages as it is written, including commentary, with an empty line between messages.
   * Joined, it equals the text of the messages in the result's items. Text cannot be taken back: if the model's stream
   * breaks within a message, only what the new message adds to the abandoned one follows, or, if it differs, all of it
   * after an empty line. Read `messages` instead to replace abandoned text.
   */
  readonly text: Readable<string>
  /** The summary of the model's reasoning as it is written; its parts are separated by an empty line. */
  readonly reasoning: Readable<string>
  /**
   * The items as they complete, including the user's messages. An item that completes again with changed members is
   * repeated, with the same id.
   */
  readonly items: Readable<Received.ThreadItem>
  /**
   * The checklist that the agent keeps while it works, on each change. The proposal of an agent in plan mode is
   * something else: see `proposedPlan`.
   */
  readonly plan: Readable<Received.TurnPlanUpdatedNotification>
  /**
   * The text of the plan that the agent proposes in a turn with the mode `plan`, as it is written. Joined, it equals
   * the result's `plan`, which is the last one if the agent proposes several, separated by an empty line. A plan that
   * is written again is repeated as in `text`. The messages around the plan do not contain it.
   */
  readonly proposedPlan: Readable<string>
  /**
   * The unified diff of the files that the turn has changed with codex's patch tool, on each change. It does not
   * include files that commands wrote.
   */
  readonly diff: Readable<string>
  /** The tokens used, after each model call, without those of subagents. */
  readonly usage: Readable<Received.ThreadTokenUsage>
  /**
   * The subagents that work for the turn, at any depth, each once: as it begins its first turn for this one. A later
   * reader receives the past ones first. Ends when the turn and all of its subagents have ended: they go on when the
   * turn has ended or was interrupted. A reader that begins after the turn's end may miss what its subagents did since.
   */
  readonly subagents: Readable<Subagent>
  /**
   * The subagents as a tree, each time that one starts, ends or uses tokens. Begins with the tree as it is, and ends as
   * `subagents` does. A slow reader skips the states between.
   */
  readonly subagentTree: Readable<ReadonlyArray<SubagentNode>>
  /**
   * Waits for the end of the turn; `events` need not be read. Resolves when the turn was completed or interrupted, as
   * `status` says. Rejects with `TurnFailed`, `TurnStalled`, `TurnOutcomeUnknown`, `ThreadBusy`, or the error that
   * ended the connection. The signal ends the waiting, not the turn.
   */
  readonly result: (options?: CallOptions) => Promise<TurnResult>
  /**
   * What the turn has done so far, at any time: its completed items, its usage and its timing. `status` is `inProgress`
   * while it runs.
   */
  readonly partialResult: () => Promise<TurnResult>
  /**
   * Changes settings of this turn from its next call of the model on. The thread keeps its own. codex changes the
   * model, the effort, the summary and the tier only where its feature `step_model_switching` is on, as with
   * `config: { "features.step_model_switching": true }` of the thread. Rejects with `SettingsNotApplied` when codex
   * does not change them, and with `NoActiveTurn` once the turn is over. Experimental.
   */
  readonly updateSettings: (options: UpdateTurnSettingsOptions & CallOptions) => Promise<void>
  /**
   * Sends more input to the agent while the turn runs. Rejects with `NoActiveTurn` before the server has begun the turn
   * and after its end, with `TurnMismatch` if another turn runs by then, with `InputTooLarge`, and with `RpcError` for
   * a review.
   */
  readonly steer: (input: Input, options?: SteerOptions & CallOptions) => Promise<void>
  /**
   * Interrupts the turn. Resolves when the server has accepted the interrupt, or when the turn has already ended. Its
   * subagents go on; interrupt each of `subagents` to end them, too.
   */
  readonly interrupt: (options?: CallOptions) => Promise<void>
  /** Interrupts the turn and ends its commands that run in the background. Resolves with these commands. */
  readonly interruptWithTerminals: (
    options?: CallOptions
  ) => Promise<ReadonlyArray<Received.ThreadBackgroundTerminal>>
  /** Interrupts the turn and its subagents if the turn still runs, and waits a bounded time for its end. */
  readonly close: () => Promise<void>
}
