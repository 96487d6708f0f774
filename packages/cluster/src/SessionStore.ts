/**
 * Where the histories of threads are kept, so that another machine can continue them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import * as Memory from "./internal/memoryStore.ts"
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
