/**
 * The durable queue of a thread: messages that codex stores, and runs one after the other as turns of their own.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type {
  InputTooLarge,
  QueuedMessageNotFound,
  QueueError,
  ResumeError,
  ThreadBusy,
  ThreadCallError,
  ThreadInUse
} from "./CodexError.ts"
import type { Input } from "./Input.ts"
import type * as Received from "./Received.ts"
import type { Turn } from "./Turn.ts"

/**
 * A message that waits in a thread's queue.
 *
 * @see {@link Queue}
 * @category models
 * @since 0.1.0
 */
export interface QueuedMessage {
  /** The id in the queue, for {@link Queue.update}, {@link Queue.remove} and {@link Queue.reorder}. */
  readonly id: string
  /** The `clientId` that the item of the message will have. It finds the turn that the message becomes. */
  readonly clientId: string
  readonly input: ReadonlyArray<Received.UserInput>
  /** What the client that added it said for the model's provider. */
  readonly metadata: { readonly [key: string]: string }
}

/**
 * An entry of the queue. One that does not fit the protocol is an `Undecodable`.
 *
 * @see {@link Queue}
 * @category models
 * @since 0.1.0
 */
export type Entry = QueuedMessage | Received.Undecodable<Received.QueuedSubmission>

/**
 * Options of {@link Queue.add}.
 *
 * @category options
 * @since 0.1.0
 */
export interface AddOptions {
  /**
   * The id of the message: the `clientId` of {@link QueuedMessage} and of the item in the history, by which
   * `Thread.findTurn` finds its turn. After a crash {@link Queue.list} and `findTurn` tell by it whether the message
   * was added. Give each message its own: codex does not check that, and two with one id are told apart only while this
   * client follows the first, which refuses the second (`InvalidArgument`). Must not be empty. Default: a new UUID.
   */
  readonly messageId?: string | undefined
  /** Metadata for the requests to the model's provider. Default: none. */
  readonly metadata?: { readonly [key: string]: string } | undefined
  /** How long the message's turn may go without progress. Default: the thread's. */
  readonly stallTimeout?: Duration.Input | undefined
}

/**
 * Options of {@link Queue.update}.
 *
 * @category options
 * @since 0.1.0
 */
export interface UpdateOptions {
  /** Replaces the metadata. Default: it stays. */
  readonly metadata?: { readonly [key: string]: string } | undefined
}

/**
 * The durable queue of a thread.
 *
 * **When to use**
 *
 * For follow-ups that must survive this program. `whenBusy: "queue"` waits in the memory of this program, and its turn
 * can have settings and handlers of its own.
 *
 * **Details**
 *
 * codex starts the first message when a turn of the thread has completed or failed, so also behind the turns of a goal
 * and of other clients, and at once when a message is added to an idle thread. The queue rests
 *
 * - after an interrupted turn, also one that ended with its process, and then takes messages without starting them
 * - after the thread was resumed in another process
 *
 * until {@link Queue.start} or any turn that completes or fails. It is stored with the thread: nothing in it is lost
 * with a process, and nothing starts while nobody has the thread loaded.
 *
 * A queued message carries no settings. {@link Queue.add} and {@link Queue.start} make the thread hold what this handle
 * was given, and a turn that would begin with other settings, because somebody changed them, is interrupted at once
 * with `SettingsNotApplied`. Its requests go to the handlers of the handle that added, started or followed the message,
 * and otherwise to the client's.
 *
 * An ephemeral thread has no queue (`RpcError`).
 *
 * **Gotchas**
 *
 * Between two messages the thread looks idle for a moment. `run` and `turn`, also those that wait with
 * `whenBusy: "queue"`, may then reach a turn of the queue, and fail with `ThreadBusy` and `delivered: true`. Use one
 * kind of queue at a time.
 *
 * **Example** (A follow-up, and its result)
 *
 * ```ts
 * import type { Thread } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const followUp = Effect.fn("followUp")(function*(thread: Thread.Thread) {
 *   const queued = yield* thread.queue.add("Then update the changelog.")
 *   const turn = yield* thread.queue.turn(queued)
 *   return yield* turn.result
 * }, Effect.scoped)
 * ```
 *
 * @see {@link Thread.queue}
 * @category models
 * @since 0.1.0
 */
export interface Queue {
  /**
   * Adds a message at the end. On an idle thread whose last turn completed or failed, its turn starts at once.
   *
   * Fails with
   * - `InvalidArgument` and `InputTooLarge` for input that is wrong
   * - `SettingsNotApplied` when the thread has to be loaded and cannot hold this handle's settings
   * - `ThreadNotPersisted` once the thread was archived or deleted
   * - `RpcError` for an ephemeral thread
   *
   * Without an answer (`AppServerTimeout`, `AppServerExited`) the message may have been added: {@link list} tells.
   */
  readonly add: (input: Input, options?: AddOptions) => Effect.Effect<QueuedMessage, ResumeError | InputTooLarge>
  /** The messages that wait, in order. A message leaves the queue right before its turn begins. Loads nothing. */
  readonly list: Effect.Effect<ReadonlyArray<Entry>, ThreadCallError>
  /** {@link list}, now and again after each change, whoever made it. Loads the thread. */
  readonly changes: Stream.Stream<ReadonlyArray<Entry>, ThreadCallError | ThreadInUse>
  /** Replaces the input of a message, which keeps its place. Fails with `QueuedMessageNotFound` once it has begun. */
  readonly update: (
    id: string,
    input: Input,
    options?: UpdateOptions
  ) => Effect.Effect<QueuedMessage, QueueError | InputTooLarge>
  /** Removes a message. Returns false if the queue does not have it, because its turn has begun, for instance. */
  readonly remove: (id: string) => Effect.Effect<boolean, ThreadCallError>
  /**
   * Sets the order of the queue. The list must have the id of each message once; otherwise, also when another message
   * came or went meanwhile, it fails with `RpcError`, and the order stays.
   */
  readonly reorder: (ids: ReadonlyArray<string>) => Effect.Effect<void, ThreadCallError>
  /**
   * Starts a message of a resting queue, the first by default, and returns a handle on its turn. When that turn has
   * completed or failed, the next message follows. Closing the scope leaves the turn running.
   *
   * Fails with `ThreadBusy` while a turn runs, and with `QueuedMessageNotFound` for an empty queue or an unknown id.
   */
  readonly start: (
    id?: string
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy | QueuedMessageNotFound, Scope.Scope>
  /**
   * Waits until the turn of a message begins, and returns a handle on it. It may wait for long: a queue that rests
   * starts nothing. Works for messages of {@link list} too, as after a restart of this program, and for a message whose
   * turn has begun or ended, as long as it is one of the last turns of the thread. A turn that ended before is read
   * from the server's store, which has no usage.
   *
   * Closing the scope leaves the turn running; `turn.interrupt` stops it, and the queue rests then. Fails with
   * `QueuedMessageNotFound` if the message was removed.
   */
  readonly turn: (
    message: QueuedMessage
  ) => Effect.Effect<Turn, ResumeError | QueuedMessageNotFound, Scope.Scope>
}
