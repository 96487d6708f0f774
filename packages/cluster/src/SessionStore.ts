/**
 * Where the histories of threads are kept, so that another machine can continue them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Stream from "effect/Stream"
import * as Memory from "./internal/memoryStore.ts"
import * as Sql from "./internal/sqlStore.ts"
import type { SessionFenced, SessionGap, SessionStoreUnavailable } from "./internal/storeErrors.ts"

export { SessionFenced, SessionGap, SessionStoreUnavailable } from "./internal/storeErrors.ts"

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
  /**
   * Whether the thread may still have no history: `rebind` can replace it until `settle` says that it has one. Default:
   * false.
   */
  readonly isNew?: boolean | undefined
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
   * text are fine, so a call whose reply was lost can be repeated. Lines before these that are not stored are a
   * `SessionGap`.
   */
  readonly append: (lines: SessionLines) => Effect.Effect<void, SessionFenced | SessionGap | SessionStoreUnavailable>
  /** Notes that a thread needs the files of another one: its source, if it is a fork, or the thread that spawned it. */
  readonly link: (
    threadId: string,
    needed: string
  ) => Effect.Effect<void, SessionStoreUnavailable>
  /** How many lines of each file of the thread are stored. Empty for an unknown thread. */
  readonly sizes: (threadId: string) => Effect.Effect<ReadonlyMap<string, number>, SessionStoreUnavailable>
  /**
   * The files of a thread and of all threads that it needs, in chunks of at most a MiB: file by file, in the order of
   * their lines. A longer line is a chunk of its own. Empty for an unknown thread.
   */
  readonly load: (threadId: string) => Stream.Stream<SessionLines, SessionStoreUnavailable>
  /** Gives the key a thread, and returns the thread that the key has: the first one stays. */
  readonly bind: (key: string, thread: BoundThread) => Effect.Effect<BoundThread, SessionStoreUnavailable>
  /**
   * Gives the key a thread in the place of `lost`, a new one that was lost before it had a history. Returns the thread
   * that the key has: another one than this if the key no longer had `lost`, or if that was settled. So it can be
   * repeated.
   */
  readonly rebind: (
    key: string,
    lost: string,
    thread: BoundThread
  ) => Effect.Effect<BoundThread, SessionStoreUnavailable>
  /**
   * Notes that the thread of a key has a history. Returns false, and changes nothing, if the key has another thread.
   */
  readonly settle: (key: string, threadId: string) => Effect.Effect<boolean, SessionStoreUnavailable>
  /** The thread of a key. */
  readonly lookup: (key: string) => Effect.Effect<Option.Option<BoundThread>, SessionStoreUnavailable>
  /** Notes that a runner begins the turn of a key, and returns who began it first. */
  readonly begin: (
    key: string,
    turnKey: string,
    runner: string
  ) => Effect.Effect<BegunTurn, SessionStoreUnavailable>
  /**
   * Removes all that is stored about a thread: its lines, the keys that have it, and their turns. A fork of the thread
   * keeps its own lines, but no machine can restore it without the thread.
   */
  readonly forget: (threadId: string) => Effect.Effect<void, SessionStoreUnavailable>
  /**
   * The threads that were not used since then: nothing was stored of them, and no key was given to them or began a
   * turn. A thread that a used one needs is not among them. To keep histories for 30 days, `forget` these once a day.
   */
  readonly idle: (since: DateTime.Utc) => Effect.Effect<ReadonlyArray<string>, SessionStoreUnavailable>
}>()("@effect-codex/cluster/SessionStore") {}

/**
 * Keeps everything in this process, for tests. Each build of the layer is an empty store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<SessionStore> = Layer.effect(SessionStore, Memory.make)

/**
 * How a store in a database works.
 *
 * @category options
 * @since 0.1.0
 */
export interface SqlOptions {
  /**
   * How long a call may take, and each chunk of `load`, before it fails with `SessionStoreUnavailable`. Default: 30
   * seconds.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Keeps everything in PostgreSQL (`PgClient` of `@effect/sql-pg`) or SQLite (`SqliteClient`).
 *
 * **Details**
 *
 * Building the layer creates the tables, whose names begin with `codex_session_`, or brings them up to date; any number
 * of processes may do so at once. It fails with `SessionStoreUnavailable` if that fails.
 *
 * Of two machines that append the same line, the first one wins: the number of stored lines is read and written under a
 * lock on the file's row, and the lines' primary key is (file, line). On PostgreSQL a process that freezes in the
 * middle of an append loses that lock after 10 seconds.
 *
 * An append is one transaction. Cut a history of many MiB into several: 50 MiB at once take seconds, and on SQLite they
 * stop the event loop for about one.
 *
 * Lines are stored as the bytes of their UTF-8 text, in plain: encrypt the disk. To read them in PostgreSQL, use
 * `convert_from(body, 'UTF8')`. What `forget` deletes is gone for every query. `SqliteClient` overwrites it; PostgreSQL
 * does so when it reuses the space, after its next vacuum. Backups keep it.
 *
 * **Example** (Histories in a file)
 *
 * ```ts
 * import { SessionStore, SqliteClient } from "@effect-codex/cluster"
 * import { Layer } from "effect"
 *
 * export const Sessions = SessionStore.layerSql({ timeout: "10 seconds" }).pipe(
 *   Layer.provide(SqliteClient.layer({ filename: "sessions.sqlite" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSql = (
  options: SqlOptions = {}
): Layer.Layer<SessionStore, SessionStoreUnavailable, SqlClient.SqlClient> =>
  Layer.effect(SessionStore, Sql.make(Duration.fromInputUnsafe(options.timeout ?? "30 seconds")))
