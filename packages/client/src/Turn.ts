/**
 * A running turn.
 *
 * @since 0.1.0
 */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type {
  ConnectionError,
  EventsOverflow,
  InvalidArgument,
  RequestError,
  ThreadBusy,
  TurnEndError
} from "./CodexError.ts"
import type { Input } from "./Input.ts"
import type { TurnEvent } from "./ServerNotification.ts"
import type { TurnResult } from "./TurnResult.ts"

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
   * The text of the agent's messages as it is written, commentary included. When a broken stream of the model is tried
   * again, its message comes again from the beginning, as a new item (measured).
   */
  readonly text: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The summary of the model's reasoning as it is written; its parts are separated by an empty line. */
  readonly reasoning: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The items as they are completed, the user's messages included. */
  readonly items: Stream.Stream<Received.ThreadItem, ConnectionError | EventsOverflow>
  /** The agent's plan each time that it changes. */
  readonly plan: Stream.Stream<Received.TurnPlanUpdatedNotification, ConnectionError | EventsOverflow>
  /** The unified diff of all files that the turn has changed, each time that it changes. */
  readonly diff: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The tokens used, after each call of the model. */
  readonly usage: Stream.Stream<Received.ThreadTokenUsage, ConnectionError | EventsOverflow>
  /**
   * Waits for the end. Succeeds when the turn was completed or interrupted (`status` says which), and needs no reader of
   * `events`. `ThreadBusy` means that another client's turn was running and has taken the input.
   */
  readonly result: Effect.Effect<TurnResult, TurnEndError | ThreadBusy | ConnectionError>
  /** Says more to the agent while the turn runs. Fails with `NoActiveTurn` when it is over. */
  readonly steer: (input: Input) => Effect.Effect<void, RequestError | InvalidArgument>
  /**
   * Interrupts the turn. Succeeds when the server has taken it, or when the turn is over anyway; `result` then succeeds
   * with the status `interrupted`. Waits until the server has begun the turn, because it takes no interrupt before.
   */
  readonly interrupt: Effect.Effect<void, RequestError | ThreadBusy>
  /**
   * {@link interrupt}, and ends the commands that the turn left running, which an interrupt alone does not: codex ends the
   * one that the turn waits for if it gets to it within 100 ms, and none that is in the background (measured). Gives the
   * commands that were ended. Where the end of its scope interrupts the turn, they are ended, too.
   */
  readonly interruptWithTerminals: Effect.Effect<
    ReadonlyArray<Received.ThreadBackgroundTerminal>,
    RequestError | ThreadBusy
  >
}
