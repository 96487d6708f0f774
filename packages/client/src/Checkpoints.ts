/**
 * Snapshots of the working tree around turns: what a turn changed, files written by commands included, and the way
 * back.
 *
 * **Details**
 *
 * Snapshots are kept by git in a repository of their own, outside the folder. The folder need not be a repository; if
 * it is one, its `.git`, index, hooks, filters and configuration are neither changed nor used. git 2.29 or later must
 * be installed where the program runs.
 *
 * **Gotchas**
 *
 * The program must see the folder that the agent works in. Checkpoints do not work for an app-server on another
 * machine or in a container, which is reached over a WebSocket.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import type { InvalidArgument } from "./CodexError.ts"
import * as Load from "./internal/load.ts"
import { TaggedError } from "./internal/taggedError.ts"
import type { Thread } from "./Thread.ts"

const advice = {
  gitMissing: "Install git, or give the option `git`.",
  folder: "Give a folder that exists, and a `directory` outside of it.",
  notFound: "List the checkpoints with `list`.",
  unfinished: "`rewind` still works.",
  conflict: "Pass `conflicts: \"keep\"` to leave these files as they are, or `\"overwrite\"` to replace them.",
  blocked: "Move these files away and try again.",
  locked: "If no other program uses these checkpoints, remove the lock file and try again.",
  git: "The detail is what git said."
} as const

/**
 * A snapshot could not be taken, read or restored.
 *
 * | `reason` | |
 * | --- | --- |
 * | `gitMissing` | git cannot be started |
 * | `folder` | the folder does not exist, or `directory` is inside of it or cannot be written |
 * | `notFound` | no checkpoint has this id, and no checkpoint was taken around a turn with it |
 * | `unfinished` | there is no snapshot after the turn: it is still running, or the program ended before |
 * | `conflict` | a rewind would undo changes that no checkpoint covers; `paths` are the files. Nothing was restored |
 * | `blocked` | files, named in `paths`, are in the way: ones that no snapshot has, or pipes that git would read |
 * | `locked` | another git holds a lock in the repository of the checkpoints; retryable |
 * | `git` | git failed otherwise, for instance because the disk is full |
 *
 * @see {@link Checkpoints}
 * @category errors
 * @since 0.1.0
 */
export class CheckpointError
  extends TaggedError<CheckpointError>("@effect-codex/client/Checkpoints/CheckpointError")("CheckpointError", {
    reason: Schema.Literals([
      "gitMissing",
      "folder",
      "notFound",
      "unfinished",
      "conflict",
      "blocked",
      "locked",
      "git"
    ]),
    /** What went wrong, as a sentence. */
    detail: Schema.String,
    /** The files of a `conflict` or a `blocked` rewind, else empty. */
    paths: Schema.Array(Schema.String)
  })
{
  override get message(): string {
    const shown = this.paths.slice(0, 10).map((path) => `\n  ${JSON.stringify(path)}`).join("")
    const more = this.paths.length > 10 ? `\n  and ${this.paths.length - 10} more` : ""
    return `${this.detail} ${advice[this.reason]}${shown}${more}`
  }
  get isRetryable(): boolean {
    return this.reason === "locked"
  }
}

/**
 * What to take snapshots of, and where to keep them.
 *
 * @see {@link layer}
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The folder to take snapshots of, usually the thread's `cwd`. What the agent writes elsewhere is not covered. A
   * relative path is resolved from the working directory of the program.
   */
  readonly folder: string
  /**
   * Where the snapshots are kept, a folder for each `folder` and its rules. It must be outside of `folder`, where the
   * agent's sandbox may not write, and is created if needed. Snapshots hold the contents of files: keep it private.
   */
  readonly directory: string
  /**
   * Whether files that `.gitignore` excludes are part of the snapshots. `skip` honors the `.gitignore` files and
   * `.git/info/exclude` of the folder and of the repository that it is in, but no global excludes of the user.
   * Default: `skip`.
   */
  readonly ignored?: "skip" | "include" | undefined
  /** More patterns to exclude, in the form of lines of a `.gitignore`, relative to the repository. Default: none. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** Larger files are not kept: a rewind leaves them as they are. In bytes. Default: 50 MiB. */
  readonly maxFileBytes?: number | undefined
  /** The git executable: a path, or a name to look up on `PATH`. Default: `git`. */
  readonly git?: string | undefined
}

/**
 * A file that is not kept in a snapshot, because it is too large or cannot be read.
 *
 * @see {@link Checkpoint}
 * @category models
 * @since 0.1.0
 */
export interface Skipped {
  /** Relative to the folder, with `/` between its parts. */
  readonly path: string
  /** In bytes. */
  readonly size: number
}

/**
 * The state of the folder before and after a turn, a goal, or a rewind.
 *
 * @see {@link Checkpoints}
 * @category models
 * @since 0.1.0
 */
export interface Checkpoint {
  /** Such as `checkpoint-12`. Later checkpoints of the folder have greater numbers. */
  readonly id: string
  readonly kind: "turn" | "rewind"
  /** None for a rewind. */
  readonly threadId: Option.Option<string>
  /** The turns that ran meanwhile: one for a turn, any number for a goal, none for a rewind. */
  readonly turnIds: ReadonlyArray<string>
  readonly createdAt: DateTime.Utc
  /** Whether there is a snapshot after the turn. False while the turn runs, or if the program ended before. */
  readonly isFinished: boolean
  /**
   * Whether another turn, tracked by this or another program, worked in the folder at the same time. The changes are
   * then those of all of them.
   */
  readonly isShared: boolean
  /** What the snapshots lack. */
  readonly skipped: ReadonlyArray<Skipped>
}

/**
 * A file that differs between two snapshots. A renamed file is one that was deleted and one that was added.
 *
 * @see {@link Checkpoints}
 * @category models
 * @since 0.1.0
 */
export interface Change {
  /** Relative to the folder, with `/` between its parts. Bytes that are no UTF-8 are shown as U+FFFD. */
  readonly path: string
  /** `typeChanged` means that a file became a symbolic link, or the reverse. */
  readonly kind: "added" | "modified" | "deleted" | "typeChanged"
  /** Lines. 0 for a binary file, and for a file of which only the mode changed. */
  readonly insertions: number
  /** Lines. 0 for a binary file, and for a file of which only the mode changed. */
  readonly deletions: number
  readonly binary: boolean
  /** False if one of its two states is in no snapshot, so that a rewind may be unable to restore it. */
  readonly isStored: boolean
}

/**
 * How to rewind.
 *
 * @see {@link Checkpoints}
 * @category options
 * @since 0.1.0
 */
export interface RewindOptions {
  /** Returns what would change, and changes nothing. Default: false. */
  readonly dryRun?: boolean | undefined
  /**
   * What to do about files that have changed outside of the checkpoints since, for instance by the user, and would be
   * restored too.
   *
   * - `fail`, the default, restores nothing and fails with the reason `conflict`.
   * - `keep` leaves these files as they are and restores the others.
   * - `overwrite` restores them as well.
   *
   * Whatever it is, the state before the rewind is kept as a checkpoint.
   */
  readonly conflicts?: "fail" | "keep" | "overwrite" | undefined
}

/**
 * What a rewind did.
 *
 * @see {@link Checkpoints}
 * @category models
 * @since 0.1.0
 */
export interface Rewound {
  /** The checkpoint of the rewind. To undo the rewind, rewind to it. None for a dry run, and if nothing changed. */
  readonly id: Option.Option<string>
  /** What the rewind changed in the folder, or would change. */
  readonly changes: ReadonlyArray<Change>
  /** Files that changed outside of the checkpoints: kept, overwritten, or, in a dry run, in conflict. */
  readonly conflicts: ReadonlyArray<string>
  /** Files whose former state is in no snapshot. They stay as they are. */
  readonly unstored: ReadonlyArray<string>
}

/**
 * Which checkpoints to forget.
 *
 * @see {@link Checkpoints}
 * @category options
 * @since 0.1.0
 */
export type Forget =
  | { readonly keepLast: number }
  | { readonly threadId: string }
  | { readonly ids: ReadonlyArray<string> }

/**
 * Snapshots of a folder around turns.
 *
 * **Details**
 *
 * Wherever a method takes an id, it is the id of a checkpoint, of a turn, or of any turn of a goal. Checkpoints
 * survive the program: a later one finds them with the same `folder`, `directory`, `ignored` and `exclude`.
 *
 * **Example** (A turn, what it changed, and back)
 *
 * ```ts
 * import { Checkpoints, Codex } from "@effect-codex/client"
 * import { Console, Effect } from "effect"
 *
 * export const attempt = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const checkpoints = yield* Checkpoints.Checkpoints
 *   const thread = yield* codex.startThread({ cwd: "/repositories/one" })
 *   const turn = yield* thread.run("Fix the failing test.").pipe(checkpoints.track(thread))
 *   for (const { deletions, insertions, path } of yield* checkpoints.changes(turn.id)) {
 *     yield* Console.log(`${path}: +${insertions} -${deletions}`)
 *   }
 *   yield* checkpoints.rewind(turn.id)
 * })
 * ```
 *
 * @see {@link layer}
 * @category services
 * @since 0.1.0
 */
export class Checkpoints extends Context.Service<Checkpoints, {
  /**
   * Takes a snapshot, runs the effect, and takes another, also if the effect fails or is interrupted. The checkpoint
   * is found by the ids of the turns that the thread began meanwhile: those of a `run`, of a `runGoal`, or of a
   * handle whose `result` the effect awaits. If there was none, nothing is kept.
   *
   * **Details**
   *
   * Fails with `CheckpointError` before the effect begins. If only the second snapshot fails, a warning is logged
   * and the checkpoint stays unfinished, so that the outcome of the turn is not lost.
   *
   * **Gotchas**
   *
   * What the agent leaves running in the background may write after the second snapshot. A turn that waits
   * (`whenBusy: "queue"`) shares the folder with those that it waits for.
   */
  readonly track: (
    thread: Pick<Thread, "id" | "events">
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CheckpointError, R>
  /** The checkpoints of the folder, the newest first. */
  readonly list: (
    options?: { readonly threadId?: string | undefined }
  ) => Effect.Effect<ReadonlyArray<Checkpoint>, CheckpointError>
  /** What changed, by path. Fails with the reasons `notFound` and `unfinished`. */
  readonly changes: (id: string) => Effect.Effect<ReadonlyArray<Change>, CheckpointError>
  /**
   * What changed, as a unified diff with paths relative to the folder, which `git apply` accepts unless files are
   * binary. Fails as {@link changes} does.
   */
  readonly diff: (id: string) => Effect.Effect<string, CheckpointError>
  /**
   * Restores the folder as it was before the turn: contents, executable bits and symbolic links. Later turns are
   * undone too. Files that were created since are removed.
   *
   * **Details**
   *
   * The history of the thread stays: see `Thread.revert`. Commits that the agent made stay too, as does everything in
   * `.git`. Fails with the reasons `notFound`, `conflict` and `blocked`.
   *
   * **Gotchas**
   *
   * Do not rewind while a turn runs in the folder. Empty folders are not restored.
   */
  readonly rewind: (
    id: string,
    options?: RewindOptions
  ) => Effect.Effect<Rewound, CheckpointError | InvalidArgument>
  /**
   * Forgets checkpoints and frees the disk space that nothing else needs, which takes seconds for a large folder.
   * Nothing is forgotten by itself. Succeeds with the number of forgotten checkpoints.
   */
  readonly forget: (which: Forget) => Effect.Effect<number, CheckpointError | InvalidArgument>
}>()("@effect-codex/client/Checkpoints") {}

/**
 * Opens or creates the checkpoints of a folder, for programs that work in several.
 *
 * **Details**
 *
 * Fails with `InvalidArgument` for options of the wrong kind, and with `CheckpointError`, of the reasons
 * `gitMissing`, `folder` and `git`.
 *
 * @see {@link layer}
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<
  Checkpoints["Service"],
  CheckpointError | InvalidArgument,
  FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
> => Effect.flatMap(Load.checkpoints, ({ make }) => make(options))

/**
 * The checkpoints of a folder.
 *
 * **Example** (With the platform services of Node)
 *
 * ```ts
 * import { Checkpoints } from "@effect-codex/client"
 * import * as NodeServices from "@effect/platform-node/NodeServices"
 * import { Layer } from "effect"
 *
 * export const CheckpointsLive = Checkpoints.layer({
 *   folder: "/repositories/one",
 *   directory: "/var/lib/my-agent/checkpoints"
 * }).pipe(Layer.provide(NodeServices.layer))
 * ```
 *
 * @see {@link make} for several folders
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<
  Checkpoints,
  CheckpointError | InvalidArgument,
  FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
> => Layer.effect(Checkpoints, make(options))
