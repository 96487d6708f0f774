/**
 * A running turn.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type { ConnectionError, EventsOverflow, InvalidArgument, RequestError, TurnFailed } from "./CodexError.ts"
import type { Input } from "./Input.ts"
import { toWire } from "./Input.ts"
import type { Turns } from "./internal/threadRoute.ts"
import type { TurnState } from "./internal/turnState.ts"
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
   * events the deltas of an item are merged for it.
   */
  readonly events: Stream.Stream<TurnEvent, ConnectionError | EventsOverflow>
  /** The text of the agent's messages as it is written, commentary included. A reader like any other of `events`. */
  readonly text: Stream.Stream<string, ConnectionError | EventsOverflow>
  /**
   * Waits for the end. Succeeds when the turn was completed or interrupted (`status` says which), and needs no reader of
   * `events`.
   */
  readonly result: Effect.Effect<TurnResult, TurnFailed | ConnectionError>
  /** Says more to the agent while the turn runs. Fails with `NoActiveTurn` when it is over. */
  readonly steer: (input: Input) => Effect.Effect<void, RequestError | InvalidArgument>
  /**
   * Interrupts the turn. Succeeds when the server has taken it, or when the turn is over anyway; `result` then succeeds
   * with the status `interrupted`. Waits until the server has begun the turn, because it takes no interrupt before.
   */
  readonly interrupt: Effect.Effect<void, RequestError>
}

/** @internal */
export const make = (rpc: AppServerRpc["Service"], turns: Turns, state: TurnState): Turn => ({
  id: state.id,
  threadId: state.threadId,
  events: state.events,
  text: Stream.filterMap(
    state.events,
    (event) => event._tag === "item/agentMessage/delta" ? Result.succeed(event.params.delta) : Result.failVoid
  ),
  result: state.result,
  steer: Effect.fn("Turn.steer")(function*(input) {
    const items = yield* toWire(input)
    yield* rpc.request("turn/steer", { threadId: state.threadId, expectedTurnId: state.id, input: items })
  }),
  interrupt: turns.interrupt(state)
})
