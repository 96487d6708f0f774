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
  TurnEndError,
  TurnSettingsError
} from "./CodexError.ts"
import type { Input } from "./Input.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"
import type { TurnEvent } from "./ServerNotification.ts"
import type { Subagent, SubagentNode } from "./Subagent.ts"
import type { AdditionalContext, Effort } from "./Thread.ts"
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
 * What goes along with a message that steers a turn.
 *
 * @see {@link Turn.steer}
 * @category options
 * @since 0.1.0
 */
export interface SteerOptions {
  /**
   * What the model should know and the user did not say, by the name of its source. See {@link AdditionalContext}.
   * Default: none. Experimental.
   */
  readonly additionalContext?: AdditionalContext | undefined
  /**
   * The id of the message, which codex stores in the history. `Thread.findTurn` finds the turn by it, also after a
   * crash: a message that was not answered need not be sent twice. codex does not check that an id is used once. Must
   * not be empty. Default: the message has no id.
   */
  readonly messageId?: string | undefined
  /**
   * Texts for the model's provider, from the turn's next request on. What the turn carries under other names stays.
   * See `TurnOptions.metadata`. Default: they stay as they are. Experimental.
   */
  readonly metadata?: { readonly [name: string]: string } | undefined
}

/**
 * Settings of a running turn to change. A setting that is left out stays as it is.
 *
 * @see {@link Turn.updateSettings}
 * @category options
 * @since 0.1.0
 */
export interface UpdateTurnSettingsOptions {
  /** A model of `Codex.models`: codex switches only between models that it knows. */
  readonly model?: string | undefined
  readonly effort?: Effort | undefined
  /** How detailed the summary of the reasoning is. */
  readonly summary?: Sent.ReasoningSummary | undefined
  /** `null` resets it to the default. */
  readonly serviceTier?: string | null | undefined
  /** Who decides what the agent asks from now on. When it asks stays as it is. */
  readonly approvalsReviewer?: Sent.ApprovalsReviewer | undefined
  /** The environments that commands run in, the primary first. An empty list removes all of them. */
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
}

/**
 * A handle on one turn of a thread. It lives as long as the scope that it was started in. Closing that scope before
 * the turn ends interrupts the turn and its subagents, and waits a bounded time for the turn's end.
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
   * The agent's checklist, each time it changes. A plan that an agent proposes in plan mode is something else: see
   * {@link Turn.proposedPlan}.
   */
  readonly plan: Stream.Stream<Received.TurnPlanUpdatedNotification, ConnectionError | EventsOverflow>
  /**
   * The text of the plan that the agent proposes in a turn with the mode `plan`, while it is written. Joined, it equals
   * `plan` of the result, which is the last plan if the agent proposes several: they follow one another after an empty
   * line. A plan that is written again is emitted as {@link Turn.text} emits a repeated message. The messages around
   * the plan do not contain it.
   *
   * **Example** (Showing a plan while it is written)
   *
   * ```ts
   * import type { Thread } from "@effect-codex/client"
   * import { Console, Effect, Stream } from "effect"
   *
   * export const plan = Effect.fn(function*(thread: Thread.Thread, task: string) {
   *   const turn = yield* thread.turn(task, { mode: "plan" })
   *   yield* Stream.runForEach(turn.proposedPlan, Console.log)
   *   return (yield* turn.result).plan
   * }, Effect.scoped)
   * ```
   */
  readonly proposedPlan: Stream.Stream<string, ConnectionError | EventsOverflow>
  /**
   * The unified diff of the files that the turn changed with codex's own patch tool, each time it changes. It does
   * not include files written by commands.
   */
  readonly diff: Stream.Stream<string, ConnectionError | EventsOverflow>
  /** The tokens used, after each model call, without those of subagents. */
  readonly usage: Stream.Stream<Received.ThreadTokenUsage, ConnectionError | EventsOverflow>
  /**
   * The subagents that work for the turn, at any depth, each once: as it begins its first turn for this one. A later
   * reader receives the past ones first. Ends when the turn and all of its subagents have ended: they go on when the
   * turn has ended or was interrupted, unless they are interrupted themselves. What a subagent does for other turns of
   * the thread is not part of it.
   *
   * Codex does not report the name of a subagent when it starts it, so each costs one `thread/read`, once for all
   * readers. At most 256 subagents of a turn are followed.
   *
   * @see {@link Subagent}
   */
  readonly subagents: Stream.Stream<Subagent, ConnectionError>
  /**
   * The subagents as a tree, each time that one starts, ends or uses tokens. Begins with the tree as it is, and ends
   * as {@link subagents} does. A slow reader skips the states between.
   */
  readonly subagentTree: Stream.Stream<ReadonlyArray<SubagentNode>, ConnectionError>
  /**
   * Waits for the turn's end; needs no reader of `events`. Succeeds when the turn was completed or interrupted (see
   * `status`). Fails with `TurnFailed`, `TurnStalled` or `TurnOutcomeUnknown`, depending on how it ended. Fails with
   * `ThreadBusy` when another client's turn was running and took the input. Fails with `SettingsNotApplied` when a
   * review or a goal's turn began with other settings than its handle asked for, because another client had changed
   * the thread; that turn was stopped.
   */
  readonly result: Effect.Effect<TurnResult, TurnEndError | ThreadBusy | SettingsNotApplied | ConnectionError>
  /**
   * What the turn has done so far, at any time: its completed items, its usage and its {@link TurnResult.timing}. While
   * the turn runs, `status` is `inProgress`. After the end it equals `result`, which also knows why a turn failed.
   */
  readonly partialResult: Effect.Effect<TurnResult>
  /**
   * Changes settings of this turn while it runs. They apply from its next call of the model on, and to no other turn:
   * the thread keeps its own. `result.model` then names the model that was asked for last.
   *
   * codex changes the model, the effort, the summary and the tier only where its feature `step_model_switching` is on,
   * as with `config: { "features.step_model_switching": true }` of the thread, and only from and to models that it
   * knows. Experimental.
   *
   * Fails with `SettingsNotApplied` when codex does not change them, with `NoActiveTurn` once the turn is over, and
   * with `RpcError` for an unknown environment.
   *
   * **Example** (Going on with the big model)
   *
   * ```ts
   * import { Codex } from "@effect-codex/client"
   * import { Effect } from "effect"
   *
   * export const hard = Effect.gen(function*() {
   *   const codex = yield* Codex.Codex
   *   const thread = yield* codex.startThread({ config: { "features.step_model_switching": true } })
   *   const turn = yield* thread.turn("Find the race condition.", { effort: "low" })
   *   yield* turn.updateSettings({ effort: "high" })
   *   return yield* turn.result
   * }).pipe(Effect.scoped)
   * ```
   */
  readonly updateSettings: (options: UpdateTurnSettingsOptions) => Effect.Effect<void, TurnSettingsError>
  /**
   * Sends more input to the agent while the turn runs. Fails with `NoActiveTurn` before the server has begun the turn
   * and after its end, with `TurnMismatch` when another turn is running by then, and with `RpcError` for a review,
   * which takes no input. Of a goal it steers the turn that runs, or the next one.
   *
   * **Example** (News that the user did not write)
   *
   * ```ts
   * import type { Turn } from "@effect-codex/client"
   * import { Effect } from "effect"
   *
   * export const tell = Effect.fn("tell")(function*(turn: Turn.Turn, log: string) {
   *   yield* turn.steer("The build broke. Look at its log first.", {
   *     additionalContext: { "build log": { kind: "untrusted", value: log } },
   *     messageId: "build/42"
   *   })
   * })
   * ```
   */
  readonly steer: (input: Input, options?: SteerOptions) => Effect.Effect<void, TurnCallError | InputTooLarge>
  /**
   * Interrupts the turn. Succeeds when the server has accepted the interrupt, or when the turn is already over;
   * `result` then succeeds with the status `interrupted`. Waits until the server has begun the turn, because the server
   * accepts no interrupt before. Its subagents go on; {@link subagents} ends them. Fails with `NoActiveTurn` or
   * `TurnMismatch` when the server keeps refusing for longer than `Codex.Options.stopGrace` without reporting the
   * turn's end, and with `ThreadBusy` as {@link Turn.result} does.
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
