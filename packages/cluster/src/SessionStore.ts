/**
 * Where the histories of threads are kept, so that another machine can continue them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"

/**
 * The store could not be reached, or refused the call. Nothing was changed. It is safe to try again.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionStoreUnavailable
  extends Schema.TaggedError<SessionStoreUnavailable>("@effect-codex/cluster/SessionStore/SessionStoreUnavailable")(
    "SessionStoreUnavailable",
    {
      /** What was to be done. */
      operation: Schema.String,
      cause: Schema.Defect()
    }
  )
{
  override get message(): string {
    return `the session store did not ${this.operation}. Nothing was lost: codex keeps its own files. Check the database.`
  }
}

/**
 * Another machine has written this thread: what this machine wrote since is not stored, and never will be.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionFenced
  extends Schema.TaggedError<SessionFenced>("@effect-codex/cluster/SessionStore/SessionFenced")("SessionFenced", {
    threadId: Schema.String,
    file: Schema.String,
    /** The number of the first line that the other machine had stored already. */
    line: Schema.Int
  })
{
  override get message(): string {
    return `another machine has continued thread ${this.threadId}. Stop working with it here, and run the turn through the cluster again.`
  }
}

/**
 * Lines of one file of a thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionLines {
  readonly threadId: string
  /** The file's path below `CODEX_HOME`, with `/` between its parts. A revert begins another file. */
  readonly file: string
  /** The number of the first of these lines, from 0. */
  readonly line: number
  /** Without their line ends. */
  readonly lines: ReadonlyArray<string>
}

/**
 * The thread of a key.
 *
 * @category models
 * @since 0.1.0
 */
export interface BoundThread {
  readonly threadId: string
  readonly name: Option.Option<string>
  /** The folder that the agent works in. It is not carried to another machine. */
  readonly cwd: Option.Option<string>
  /** The program's own words about the thread. */
  readonly metadata: { readonly [name: string]: string }
}

/**
 * Who began a turn, and when.
 *
 * @category models
 * @since 0.1.0
 */
export interface BegunTurn {
  /** Whether this call began it. */
  readonly isFirst: boolean
  readonly runner: string
  readonly at: DateTime.Utc
}

/**
 * Keeps the histories of threads, which thread belongs to which key, and which turns were begun.
 *
 * @category services
 * @since 0.1.0
 */
export class SessionStore extends Context.Service<SessionStore, {
  /**
   * Appends lines to a file of a thread, all of them or none. The number of the first line is the fence: it fails with
   * `SessionFenced` when one of these lines is stored with another text. Lines that are stored already with the same
   * text are fine, so a call whose reply was lost can be repeated.
   */
  readonly append: (lines: SessionLines) => Effect.Effect<void, SessionFenced | SessionStoreUnavailable>
  /** Notes that a thread needs the files of another one: its source, if it is a fork, or the thread that spawned it. */
  readonly link: (
    threadId: string,
    needed: string
  ) => Effect.Effect<void, SessionStoreUnavailable>
  /** How many lines of each file of the thread are stored. Empty for an unknown thread. */
  readonly sizes: (threadId: string) => Effect.Effect<ReadonlyMap<string, number>, SessionStoreUnavailable>
  /**
   * The files of a thread and of all threads that it needs, in chunks of at most a MiB: file by file, in the order of
   * their lines. Empty for an unknown thread.
   */
  readonly load: (threadId: string) => Stream.Stream<SessionLines, SessionStoreUnavailable>
  /** Gives the key a thread, and returns the thread that the key has: the first one stays. */
  readonly bind: (key: string, thread: BoundThread) => Effect.Effect<BoundThread, SessionStoreUnavailable>
  /** The thread of a key. */
  readonly lookup: (key: string) => Effect.Effect<Option.Option<BoundThread>, SessionStoreUnavailable>
  /** Notes that a runner begins the turn of a key, and returns who began it first. */
  readonly begin: (
    key: string,
    turnKey: string,
    runner: string
  ) => Effect.Effect<BegunTurn, SessionStoreUnavailable>
  /** Removes all that is stored about a thread: its lines, the keys that have it, and their turns. */
  readonly forget: (threadId: string) => Effect.Effect<void, SessionStoreUnavailable>
}>()("@effect-codex/cluster/SessionStore") {}
