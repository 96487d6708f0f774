/**
 * The durable queue of a thread.
 *
 * @since 0.1.0
 */
import type { Input } from "@effect-codex/client/Input"
import type * as Client from "@effect-codex/client/Queue"
import type { CallOptions, Time } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type { Turn } from "./Turn.ts"

/**
 * Options of {@link Queue.add}.
 *
 * @category options
 * @since 0.1.0
 */
export interface AddOptions extends Omit<Client.AddOptions, "stallTimeout">, CallOptions {
  /** How long the message's turn may go without progress. Default: the thread's. */
  readonly stallTimeout?: Time | undefined
}

/**
 * The durable queue of a thread: messages that codex stores, and runs one after the other as turns of their own. It
 * survives a restart of codex and of this program.
 *
 * **Details**
 *
 * codex starts the first message when a turn of the thread has completed or failed, and at once when a message is added
 * to an idle thread. After an interrupted turn, and after the thread was resumed in another process, the queue rests
 * until {@link Queue.start}, or any turn that completes or fails. A turn runs with the settings of the handle that
 * added or started its message, or is interrupted. An ephemeral thread has no queue (`RpcError`).
 *
 * **Example** (A follow-up, and its result)
 *
 * ```ts
 * import type { Thread } from "@effect-codex/promise"
 *
 * export const followUp = async (thread: Thread) => {
 *   const turn = await thread.queue.turn(await thread.queue.add("Then update the changelog."))
 *   return turn.result()
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Queue {
  /** Adds a message at the end. Rejects with `InvalidArgument` and `InputTooLarge` for input that is wrong. */
  readonly add: (input: Input, options?: AddOptions) => Promise<Client.QueuedMessage>
  /** The messages that wait, in order. A message leaves the queue right before its turn begins. */
  readonly list: (options?: CallOptions) => Promise<ReadonlyArray<Client.Entry>>
  /** {@link Queue.list}, now and again after each change, whoever made it. */
  readonly changes: Readable<ReadonlyArray<Client.Entry>>
  /** Replaces the input of a message. Rejects with `QueuedMessageNotFound` once its turn has begun. */
  readonly update: (
    id: string,
    input: Input,
    options?: Client.UpdateOptions & CallOptions
  ) => Promise<Client.QueuedMessage>
  /** Removes a message. Resolves with false if the queue does not have it. */
  readonly remove: (id: string, options?: CallOptions) => Promise<boolean>
  /** Sets the order. The list must have the id of each message once; otherwise rejects with `RpcError`. */
  readonly reorder: (ids: ReadonlyArray<string>, options?: CallOptions) => Promise<void>
  /**
   * Starts a message of a resting queue, the first by default. Rejects with `ThreadBusy` while a turn runs, and with
   * `QueuedMessageNotFound` for an empty queue or an unknown id. Closing the handle leaves the turn running.
   */
  readonly start: (id?: string, options?: CallOptions) => Promise<Turn>
  /**
   * Waits until the turn of a message begins. Rejects with `QueuedMessageNotFound` if the message was removed. Closing
   * the handle leaves the turn running.
   */
  readonly turn: (message: Client.QueuedMessage, options?: CallOptions) => Promise<Turn>
}
