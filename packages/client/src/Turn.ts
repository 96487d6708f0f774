/**
 * A running turn.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type {
  ConnectionError,
  DecodeError,
  EventsOverflow,
  InputTooLarge,
  SettingsNotApplied,
  ThreadBusy,
  TurnCallError,
  TurnEndError
} from "./CodexError.ts"
import type { Input } from "./Input.ts"
import type * as Received from "./Received.ts"
import type { TurnEvent } from "./ServerNotification.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * A piece of what the agent says. Every piece names its message, and a message is told until it is `Completed` or
 * `Abandoned`:
 *
 * - `Delta`: more of the message. `text` is what is new.
 * - `Completed`: the message is whole. `text` is all of it, whatever its deltas were.
 * - `Abandoned`: the model's stream broke in the middle of the message. It is void, and the model writes another, with the
 *   same words or others. `text` is what was told of it.
 *
 * `phase` tells commentary from the final answer, where the model does; it is null until the message is completed when its
 * beginning was not heard.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessagePiece {
  readonly _tag: "Delta" | "Completed" | "Abandoned"
  readonly itemId: string
  readonly phase: Received.MessagePhase | null
  readonly text: string
}

/**
 * A handle on one turn of a thread. It lives as long as the scope that it was started in: closing that scope before the
 * turn's end interrupts the turn and waits a bounded time for its end.
 *
 * **Example** (Printing while the agent writes, and stopping it after a while)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { Console, Effect, Stream } from "effect"
 *
 * export const tell = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   const turn = yield* thread.turn("Tell me a story.")
 *   yield* Stream.runForEach(turn.text, Console.log).pipe(Effect.timeoutOption("1 minute"))
 *   yield* turn.interrupt
 *   return yield* turn.result
 * }).pipe(Effect.scoped)
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Turn {
  readonly id: string
  readonly threadId: string
  /**
   * Everything the server tells of the turn, from `turn/started` to `turn/completed`. Any number of readers may run it at
   * any time while the handle lives: the first gets every event as it came, a further one gets what has passed with the
   * deltas of an item merged into one, and then the live events. A slow reader slows nothing down: beyond 1,024 unread
   * events the deltas of an item are merged for it. The streams below are each a reader like any other.
   */
  readonly events: Stream.Stream<TurnEvent, ConnectionError | EventsOverflow>
  /**
   * The agent's messages as they are written, piece by piece, commentary included. Whoever shows them keeps a text for each
   * `itemId`, adds the deltas to it, replaces it when the message is completed and removes it when the message is abandoned:
   * what is left are the messages among the result's items.
   */
  readonly messages: Stream.Stream<MessagePiece, ConnectionError | EventsOverflow>
  /**
   * The text of the agent's messages as it is written, commentary included, with an empty line between two messages. Joined,
   * it is the text of the messages among the result's items; of a turn that says one thing, its final response.
   *
   * A text cannot take back what it has told. When the model's stream breaks in the middle of a message and the model writes
   * it again, then only what goes beyond the abandoned message is told. If the new message has other words, it is told after
   * an empty line, and the abandoned piece stays before it: whoever cannot have that reads {@link Turn.messages}.
   */
  readonly text: Stream.Stream<string, ConnectionError | EventsOverflow>
  /**
   * The summary of the model's reasoning as it is written; its parts are separated by an empty line. What the model thinks
   * again because its stream broke is told as {@link Turn.text} tells what it writes again.
   */
  readonly reasoning: Stream.Stream<string, ConnectionError | EventsOverflow>
  /**
   * The items as they are completed, the user's messages included. One that is completed again with other members comes
   * again, with the same id.
   */
  readonly items: Stream.Stream<Received.ThreadItem, ConnectionError | EventsOverflow>
  /**
   * The checklist that the agent keeps while it works, each time that it changes. What an agent in plan mode proposes is an
   * item of type `plan`, and `plan` of the result.
   */
  readonly plan: Stream.Stream<Received.TurnPlanUpdatedNotification, ConnectionError | EventsOverflow>
  /**
   * The unified diff of the files that the turn has changed with codex's own tool for patches, each time that it changes.
   * Files that commands have written are not in it.
   */
  readonly diff: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The tokens used, after each call of the model, without those of subagents. */
  readonly usage: Stream.Stream<Received.ThreadTokenUsage, ConnectionError | EventsOverflow>
  /**
   * Waits for the end. Succeeds when the turn was completed or interrupted (`status` says which), and needs no reader of
   * `events`. Fails with `TurnFailed`, `TurnStalled` or `TurnOutcomeUnknown`, as it ended. `ThreadBusy` means that another
   * client's turn was running and has taken the input. `SettingsNotApplied` means that a review or a turn of a goal began
   * with other settings than its handle was asked for, because somebody else had changed the thread, and was stopped.
   */
  readonly result: Effect.Effect<TurnResult, TurnEndError | ThreadBusy | SettingsNotApplied | ConnectionError>
  /**
   * Says more to the agent while the turn runs. Fails with `NoActiveTurn` before the server has begun the turn and when it is
   * over, with `TurnMismatch` when another turn runs by then, and with `RpcError` for a review, which takes no input.
   */
  readonly steer: (input: Input) => Effect.Effect<void, TurnCallError | InputTooLarge>
  /**
   * Interrupts the turn. Succeeds when the server has taken it, or when the turn is over anyway; `result` then succeeds
   * with the status `interrupted`. Waits until the server has begun the turn, because it takes no interrupt before.
   * Fails with `NoActiveTurn` or `TurnMismatch` when the server refuses for longer than `Codex.Options.stopGrace` and does not
   * tell that the turn is over, and with `ThreadBusy` as {@link Turn.result} does.
   */
  readonly interrupt: Effect.Effect<void, TurnCallError | ThreadBusy>
  /**
   * {@link interrupt}, and ends the commands that the turn left running, which an interrupt alone does not: codex ends the
   * one that the turn waits for if it gets to it within 100 ms, and none that is in the background (measured). Gives the
   * commands that were ended. Where the end of its scope interrupts the turn, they are ended, too.
   */
  readonly interruptWithTerminals: Effect.Effect<
    ReadonlyArray<Received.ThreadBackgroundTerminal>,
    TurnCallError | DecodeError | ThreadBusy
  >
}
