/**
 * A running turn.
 *
 * @since 0.1.0
 */
import type { Input } from "@effect-codex/client/Input"
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import type { MessagePiece } from "@effect-codex/client/Turn"
import type { CallOptions } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { TurnResult } from "./Results.ts"

/**
 * A handle on one turn of a thread. `await using` it, or {@link Turn.close} it, where leaving early is to interrupt the
 * turn; a turn that has ended holds nothing any more, and its handle can be read for as long as it is kept.
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
   * Everything the server tells of the turn, from `turn/started` to `turn/completed`, tagged by the protocol's method names.
   * The first reader gets every event as it came, a further one gets what has passed with the deltas of an item merged into
   * one, and then the live events. A slow reader slows nothing down. Those below are each a reader like any other.
   */
  readonly events: Readable<TurnEvent>
  /**
   * The agent's messages as they are written, piece by piece, commentary included. A piece names its message by `itemId`:
   * a `Delta` adds to it, `Completed` has all of it, `Abandoned` makes it void, because the model's stream broke and the
   * model writes another.
   */
  readonly messages: Readable<MessagePiece>
  /**
   * The text of the agent's messages as it is written, commentary included, with an empty line between two messages. Joined,
   * it is the text of the messages among the result's items. It cannot take back what it has told: when the model's stream
   * breaks in the middle of a message, only what goes beyond the abandoned message is told, or, if the new one has other
   * words, all of it after an empty line. Read `messages` to show neither twice.
   */
  readonly text: Readable<string>
  /** The summary of the model's reasoning as it is written; its parts are separated by an empty line. */
  readonly reasoning: Readable<string>
  /**
   * The items as they are completed, the user's messages included. One that is completed again with other members comes
   * again, with the same id.
   */
  readonly items: Readable<Received.ThreadItem>
  /**
   * The checklist that the agent keeps while it works, each time that it changes. What an agent in plan mode proposes is an
   * item of type `plan`, and `plan` of the result.
   */
  readonly plan: Readable<Received.TurnPlanUpdatedNotification>
  /**
   * The unified diff of the files that the turn has changed with codex's own tool for patches, each time that it changes.
   * Files that commands have written are not in it.
   */
  readonly diff: Readable<string>
  /** The tokens used, after each call of the model, without those of subagents. */
  readonly usage: Readable<Received.ThreadTokenUsage>
  /**
   * Waits for the end. Resolves when the turn was completed or interrupted (`status` says which), and needs no reader of
   * `events`. Rejects with `TurnFailed`, `TurnStalled`, `TurnOutcomeUnknown`, `ThreadBusy` or the connection's cause. The
   * signal ends the waiting, not the turn.
   */
  readonly result: (options?: CallOptions) => Promise<TurnResult>
  /**
   * Says more to the agent while the turn runs. Rejects with `NoActiveTurn` before the server has begun the turn and when it
   * is over, with `TurnMismatch` when another turn runs by then, with `InputTooLarge`, and with `RpcError` for a review.
   */
  readonly steer: (input: Input, options?: CallOptions) => Promise<void>
  /** Interrupts the turn. Resolves when the server has taken it, or when the turn is over anyway. */
  readonly interrupt: (options?: CallOptions) => Promise<void>
  /** {@link Turn.interrupt}, and ends the commands that the turn left running in the background. Gives these commands. */
  readonly interruptWithTerminals: (
    options?: CallOptions
  ) => Promise<ReadonlyArray<Received.ThreadBackgroundTerminal>>
  /** Interrupts the turn if it has not ended, and waits a bounded time for its end. */
  readonly close: () => Promise<void>
}
