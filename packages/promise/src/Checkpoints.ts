/**
 * Snapshots of a folder around turns: what a turn changed, files written by commands included, and the way back.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Checkpoints"
import type { CallOptions } from "./Options.ts"
import type { Thread } from "./Thread.ts"

/**
 * The state of the folder before and after a turn, a goal, or a rewind.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checkpoint extends Omit<Client.Checkpoint, "threadId" | "createdAt"> {
  /** Undefined for a rewind. */
  readonly threadId: string | undefined
  readonly createdAt: Date
}

/**
 * What a rewind did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rewound extends Omit<Client.Rewound, "id"> {
  /**
   * The checkpoint of the rewind. To undo the rewind, rewind to it. Undefined for a dry run, and if nothing changed.
   */
  readonly id: string | undefined
}

/**
 * Snapshots of a folder around turns. Wherever a method takes an id, it is the id of a checkpoint, of a turn, or of any
 * turn of a goal. What fails rejects with `CheckpointError`, whose `reason` says why.
 *
 * **Example** (A turn, what it changed, and back)
 *
 * ```ts
 * import type { Codex } from "@effect-codex/promise"
 *
 * export const attempt = async (codex: Codex) => {
 *   const checkpoints = await codex.checkpoints({
 *     folder: "/repositories/one",
 *     directory: "/var/lib/my-agent/checkpoints"
 *   })
 *   const thread = await codex.startThread({ cwd: "/repositories/one" })
 *   const turn = await checkpoints.track(thread, () => thread.run("Fix the failing test."))
 *   for (const { deletions, insertions, path } of await checkpoints.changes(turn.id)) {
 *     console.log(`${path}: +${insertions} -${deletions}`)
 *   }
 *   await checkpoints.rewind(turn.id)
 * }
 * ```
 *
 * @see `Codex.checkpoints`
 * @category models
 * @since 0.1.0
 */
export interface Checkpoints {
  /**
   * Takes a snapshot, calls the function, and takes another when its promise settles. The checkpoint is found by the
   * ids of the turns that the thread began meanwhile. Rejects with `CheckpointError` before the function is called, and
   * else as it does. If only the second snapshot fails, that is logged, and the checkpoint stays unfinished.
   *
   * When the signal aborts, or the client closes, the signal of the function aborts too. Pass it on to what runs the
   * turn: the second snapshot is taken once the function has settled, or after 10 seconds.
   */
  readonly track: <A>(
    thread: Thread,
    run: (options: { readonly signal: AbortSignal }) => Promise<A>,
    options?: CallOptions
  ) => Promise<A>
  /** The checkpoints of the folder, the newest first. */
  readonly list: (
    options?: CallOptions & { readonly threadId?: string | undefined }
  ) => Promise<ReadonlyArray<Checkpoint>>
  /** What changed, by path. Rejects with the reasons `notFound` and `unfinished`. */
  readonly changes: (id: string, options?: CallOptions) => Promise<ReadonlyArray<Client.Change>>
  /** What changed, as a unified diff with paths relative to the folder. */
  readonly diff: (id: string, options?: CallOptions) => Promise<string>
  /**
   * Restores the folder as it was before the turn. Later turns are undone too, and files that were created since are
   * removed. The history of the thread stays: see `Thread.revert`. Rejects with the reasons `notFound`, `conflict` and
   * `blocked`, having restored nothing.
   */
  readonly rewind: (id: string, options?: Client.RewindOptions & CallOptions) => Promise<Rewound>
  /** Forgets checkpoints and frees their space. Resolves with the number of forgotten checkpoints. */
  readonly forget: (which: Client.Forget, options?: CallOptions) => Promise<number>
}
