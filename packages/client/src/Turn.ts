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
 * A piece of one of the agent's messages. Every piece names its message. Pieces of a message come until it is
 * `Completed` or `Abandoned`:
 *
 * - `Delta`: more of the message. `text` is the new part.
 * - `Completed`: the message is complete. `text` is all of it, whatever its deltas were.
 * - `Abandoned`: the model's stream broke, or the turn was steered, in the middle of the message. The message is
 *   void, and the model writes another one, with the same words or different ones. `text` is the part that was
 *   streamed.
 *
 * `phase` tells commentary from the final answer, if the model says so. It is null until the message completes if
 * this client missed the message's beginning.
 *
 * @see {@link Turn.messages}
 * @category models
 * @since 0.1.0
 */
export interface MessagePiece {
  readonly _tag: "Delta" | "Completed" | "Abandoned"
  /** The id of the message's item. */
  readonly itemId: string
  readonly phase: Received.MessagePhase | null
  readonly text: string
}

/**
 * A handle on one turn of a thread. It lives as long as the scope that it was started in. Closing that scope before
 * the turn ends interrupts the turn and waits a bounded time for its end.
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
 * @see {@link TurnResult} for the outcome
 * @category models
 * @since 0.1.0
 */
export interface Turn {
  readonly id: string
  readonly threadId: string
  /**
   * All notifications about the turn, from `turn/started` to `turn/completed`. Any number of readers may run this
   * stream at any time while the handle lives. The first reader receives every event as it came. A later reader
   * receives the past events, with the deltas of each item merged into one, and then the live events. A slow reader
   * slows down nothing else: beyond 1,024 unread events, the deltas of an item are merged for it. Each of the streams
   * below is one more reader.
   */
  readonly events: Stream.Stream<TurnEvent, ConnectionError | EventsOverflow>
  /**
   * The agent's messages while they are written, piece by piece, commentary included. To display them, keep a text
   * for each `itemId`: append each delta, replace the text when the message completes, and remove it when the message
   * is abandoned. What remains equals the messages among the result's items.
   */
  readonly messages: Stream.Stream<MessagePiece, ConnectionError | EventsOverflow>
  /**
   * The text of the agent's messages while it is written, commentary included, with an empty line between two
   * messages. Joined, it equals the text of the messages among the result's items; for a turn with a single message,
   * the final response.
   *
   * **Gotchas**
   *
   * The stream cannot take text back. When the model's stream breaks in the middle of a message and the model writes
   * it again, only the part beyond the abandoned message is emitted. If the new message differs, it follows after an
   * empty line, and the abandoned piece stays before it. Read {@link Turn.messages} to handle that case.
   */
  readonly text: Stream.Stream<string, ConnectionError | EventsOverflow>
  /**
   * The summary of the model's reasoning while it is written, with an empty line between its parts. Reasoning that
   * the model repeats after its stream broke is emitted as {@link Turn.text} emits a repeated message.
   */
  readonly reasoning: Stream.Stream<string, ConnectionError | EventsOverflow>
  /**
   * The items as they complete, the user's messages included. An item that completes again with other members is
   * emitted again, with the same id.
   */
  readonly items: Stream.Stream<Received.ThreadItem, ConnectionError | EventsOverflow>
  /**
   * The agent's checklist, each time it changes. A plan that an agent proposes in plan mode is an item of type
   * `plan`, and `plan` of the result.
   */
  readonly plan: Stream.Stream<Received.TurnPlanUpdatedNotification, ConnectionError | EventsOverflow>
  /**
   * The unified diff of the files that the turn changed with codex's own patch tool, each time it changes. It does
   * not include files written by commands.
   */
  readonly diff: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The tokens used, after each model call, without those of subagents. */
  readonly usage: Stream.Stream<Received.ThreadTokenUsage, ConnectionError | EventsOverflow>
  /**
   * Waits for the turn's end; needs no reader of `events`. Succeeds when the turn was completed or interrupted (see
   * `status`). Fails with `TurnFailed`, `TurnStalled` or `TurnOutcomeUnknown`, depending on how it ended. Fails with
   * `ThreadBusy` when another client's turn was running and took the input. Fails with `SettingsNotApplied` when a
   * review or a goal's turn began with other settings than its handle asked for, because another client had changed
   * the thread; that turn was stopped.
   */
  readonly result: Effect.Effect<TurnResult, TurnEndError | ThreadBusy | SettingsNotApplied | ConnectionError>
  /**
   * Sends more input to the agent while the turn runs. Fails with `NoActiveTurn` before the server has begun the turn
   * and after its end, with `TurnMismatch` when another turn is running by then, and with `RpcError` for a review,
   * which takes no input.
   */
  readonly steer: (input: Input) => Effect.Effect<void, TurnCallError | InputTooLarge>
  /**
   * Interrupts the turn. Succeeds when the server has accepted the interrupt, or when the turn is already over;
   * `result` then succeeds with the status `interrupted`. Waits until the server has begun the turn, because the
   * server accepts no interrupt before. Fails with `NoActiveTurn` or `TurnMismatch` when the server keeps refusing
   * for longer than `Codex.Options.stopGrace` without reporting the turn's end, and with `ThreadBusy` as
   * {@link Turn.result} does.
   */
  readonly interrupt: Effect.Effect<void, TurnCallError | ThreadBusy>
  /**
   * Interrupts the turn like {@link interrupt} and ends the commands that the turn left running. A plain interrupt
   * does less: codex ends the command that the turn waits for only if it gets to it within 100 ms, and never ends
   * background commands. Returns the commands that were ended. Closing the handle's scope also ends them when it
   * interrupts the turn.
   */
  readonly interruptWithTerminals: Effect.Effect<
    ReadonlyArray<Received.ThreadBackgroundTerminal>,
    TurnCallError | DecodeError | ThreadBusy
  >
}
