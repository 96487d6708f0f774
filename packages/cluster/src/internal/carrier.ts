/** Carries the files of one thread to the store: finds them, and stores the lines that are new. */
import type { AppServerRpc } from "@effect-codex/client"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Metrics from "../Metrics.ts"
import type { SessionLines, SessionStore } from "../SessionStore.ts"
import { linesAt, placeOf } from "./rolloutLines.ts"
import { archived, foldersOf, inOrder, isOf, keyOf } from "./rolloutNames.ts"
import { SessionFileError } from "./sessionErrors.ts"
import { SessionFenced, type SessionGap, SessionStoreUnavailable } from "./storeErrors.ts"

export type CarryError = SessionFenced | SessionStoreUnavailable | SessionFileError

export interface Env {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  readonly rpc: AppServerRpc.AppServerRpc["Service"]
  readonly store: SessionStore["Service"]
  /** How long a call of the store may take. */
  readonly timeout: Duration.Input
}

/** How far a file is stored. */
class Tail {
  line = 0
  offset = 0
  /** The file's size when it was last read. */
  seen = -1
  readonly threadId: string
  readonly file: string
  constructor(threadId: string, file: string) {
    this.threadId = threadId
    this.file = file
  }
}

/** A thread whose files are carried. */
export class Carried {
  readonly tails = new Map<string, Tail>()
  /** Where its files lie. A revert begins a file in the folder of its day. */
  readonly folders: Set<string>
  /** Whether there may be a file that is not known: a fresh thread has none yet, and a revert adds one. */
  isIncomplete = true
  /** Whether codex may write a file in another folder. */
  isMoved = false
  /** Whether the store has nothing of it that this machine has not. */
  isChecked = false
  readonly threadId: string
  /** The source of a fork may go on elsewhere. What the fork needs of it, this machine has. */
  readonly isSource: boolean
  constructor(threadId: string, folder: string, isSource: boolean) {
    this.threadId = threadId
    this.folders = new Set([folder])
    this.isSource = isSource
  }
  /** It was reverted, or may have been. */
  move(): void {
    this.isIncomplete = true
    this.isMoved = true
  }
}

const FirstLine = Schema.fromJsonString(Schema.Struct({
  payload: Schema.Struct({
    forked_from_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
    history_base: Schema.optionalKey(Schema.NullOr(Schema.Struct({ thread_id: Schema.String })))
  })
}))

/** What the first line of a file says of the thread that it was forked from, and of the file that it goes on from. */
const originOf = (line: string): { readonly source?: string | undefined; readonly base?: string | undefined } =>
  Option.match(Schema.decodeUnknownOption(FirstLine)(line), {
    onNone: () => ({}),
    onSome: ({ payload }) => ({
      source: payload.forked_from_id ?? undefined,
      base: payload.history_base?.thread_id
    })
  })

const isMissing = (error: PlatformError): boolean => error.reason._tag === "NotFound"

/** The files of a thread in a folder, as the store names them. */
export const filesIn = ({ fs, path, rpc }: Env, folder: string, threadId: string) =>
  fs.readDirectory(folder).pipe(
    Effect.catchIf(isMissing, () => Effect.succeed<Array<string>>([])),
    Effect.map((names) =>
      names.filter((name) => isOf(name, threadId)).sort().map((name) =>
        keyOf(path.relative(rpc.serverInfo.codexHome, path.join(folder, name)))
      )
    )
  )

export const makeCarrier = (env: Env) => {
  const { fs, path, rpc, store } = env

  const call = <A, E>(operation: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | SessionStoreUnavailable> =>
    Effect.timeoutOrElse(effect, {
      duration: env.timeout,
      orElse: () =>
        Effect.fail(new SessionStoreUnavailable({ operation, cause: new Error("the store did not answer in time") }))
    })

  const append = (lines: SessionLines) => call("append lines", store.append(lines))

  const unread = (threadId: string, file: string) => (cause: PlatformError) =>
    Effect.fail(new SessionFileError({ threadId, operation: "read", file, cause }))

  const absolute = (file: string): string => path.join(rpc.serverInfo.codexHome, ...file.split("/"))

  const infoAt = (file: string) =>
    fs.stat(file).pipe(
      Effect.map((info) => Option.some({ file, size: Number(info.size), mtime: info.mtime })),
      Effect.catchIf(isMissing, () => Effect.succeedNone)
    )

  /** The file as it is, also while its thread is archived. */
  const infoOf = (file: string) =>
    Effect.flatMap(
      infoAt(absolute(file)),
      (info) => Option.isSome(info) ? Effect.succeed(info) : infoAt(absolute(archived(file)))
    )

  /** Goes to the line that the store lacks. */
  const rewind = Effect.fnUntraced(function*(tail: Tail, handle: FileSystem.File, line: number) {
    const place = yield* placeOf(handle, line)
    tail.line = place.line
    tail.offset = place.offset
    return place
  })

  /** Follows a file from where the store ends, if the store has nothing that this machine has not. */
  const begin = Effect.fnUntraced(function*(carried: Carried, file: string, stored: number) {
    const { threadId } = carried
    const tail = new Tail(threadId, file)
    if (stored > 0) {
      const info = yield* infoOf(file)
      if (Option.isNone(info)) return yield* new SessionFenced({ threadId, file, line: 0 })
      const handle = yield* fs.open(info.value.file)
      const place = yield* rewind(tail, handle, stored)
      if (!carried.isSource) {
        if (place.line < stored) return yield* new SessionFenced({ threadId, file, line: place.line })
        // Lines have their times, so files that differ before differ here. The store compares.
        const last = yield* linesAt(handle, place.last, place.offset)
        yield* append({ threadId, file, line: stored - 1, lines: last?.lines.slice(0, 1) ?? [] }).pipe(
          Effect.catchTag("SessionGap", ({ stored }) => rewind(tail, handle, stored))
        )
      }
    }
    carried.tails.set(file, tail)
    return undefined
  }, Effect.scoped)

  /** Stores the whole lines that are new, from first to last. */
  const storeNew = Effect.fnUntraced(function*(tail: Tail, file: string, size: number) {
    const handle = yield* fs.open(file)
    let stored = 0
    while (true) {
      const next = yield* linesAt(handle, tail.offset, size)
      if (next === undefined) return stored
      if (tail.line === 0) yield* withSource(tail.threadId, next.lines[0] ?? "")
      const gap = yield* append({ threadId: tail.threadId, file: tail.file, line: tail.line, lines: next.lines }).pipe(
        Effect.catchTag("SessionGap", (gap) => Effect.succeed<SessionGap>(gap))
      )
      if (gap !== undefined) {
        yield* rewind(tail, handle, gap.stored)
        continue
      }
      tail.line += next.lines.length
      tail.offset += next.bytes
      stored += next.lines.length
    }
  }, Effect.scoped)

  /** Looks whether codex has written, and stores what is new. */
  const drain = (tail: Tail): Effect.Effect<boolean, CarryError> =>
    Effect.gen(function*() {
      const info = yield* infoOf(tail.file)
      if (Option.isNone(info) || info.value.size === tail.seen) return false
      const { file, mtime, size } = info.value
      if (size < tail.offset) {
        const cause = new Error("it is shorter than what was stored of it. Restore the thread")
        return yield* new SessionFileError({ threadId: tail.threadId, operation: "read", file: tail.file, cause })
      }
      const stored = yield* storeNew(tail, file, size).pipe(
        Effect.withSpan("CodexSession.flush", { attributes: { threadId: tail.threadId, file: tail.file } })
      )
      tail.seen = size
      if (stored > 0 && Option.isSome(mtime)) {
        const now = yield* DateTime.now
        yield* Metric.update(Metrics.flushLag, Math.max(0, now.epochMilliseconds - mtime.value.getTime()) / 1000)
      }
      return true
    }).pipe(Effect.catchTag("PlatformError", unread(tail.threadId, tail.file)))

  /**
   * A file that the store does not have yet is no fence. So the store may have of the other files what this machine
   * has, and nothing else.
   */
  const refuseOthers = Effect.fnUntraced(function*(
    { tails, threadId }: Carried,
    files: ReadonlyArray<string>,
    sizes: ReadonlyMap<string, number>
  ) {
    for (const [file, stored] of sizes) {
      const tail = tails.get(file)
      if (tail === undefined) {
        if (!files.includes(file)) return yield* new SessionFenced({ threadId, file, line: 0 })
      } else if (stored > tail.line) {
        tail.seen = -1
        yield* drain(tail)
        if (stored > tail.line) return yield* new SessionFenced({ threadId, file, line: tail.line })
      }
    }
  })

  /** Asks codex where it writes now. Without an answer the folders that are known are all there is. */
  const ask = (carried: Carried) =>
    locate(carried.threadId).pipe(
      Effect.timeout(env.timeout),
      Effect.match({
        onSuccess: ({ folders }) => {
          for (const folder of folders) carried.folders.add(folder)
        },
        onFailure: () => carried.move()
      })
    )

  const list = (carried: Carried) =>
    Effect.map(
      Effect.forEach(carried.folders, (folder) => filesIn(env, folder, carried.threadId)),
      (files) => files.flat()
    )

  const firstLine = Effect.fnUntraced(function*(file: string) {
    const info = yield* infoOf(file)
    if (Option.isNone(info)) return ""
    return (yield* linesAt(yield* fs.open(info.value.file), 0, info.value.size))?.lines[0] ?? ""
  }, Effect.scoped)

  /** Adds the files that these go on from, which an earlier day may have. */
  const withBases = Effect.fnUntraced(function*({ tails, threadId }: Carried, files: ReadonlyArray<string>) {
    const found = [...files]
    // A list that grows while it is walked is walked to its new end.
    for (const file of found) {
      if (tails.has(file)) continue
      const { base } = originOf(yield* firstLine(file))
      if (base === undefined || found.some((other) => other.endsWith(`${base}.jsonl`))) continue
      const near = yield* Effect.forEach(foldersOf(base), (folder) => filesIn(env, absolute(folder), threadId))
      found.push(...near.flat().filter((other) => other.endsWith(`${base}.jsonl`)))
    }
    return inOrder(found)
  })

  /** Finds files that are new, and begins to follow them. */
  const look = (carried: Carried): Effect.Effect<void, CarryError> =>
    Effect.gen(function*() {
      const { folders, tails, threadId } = carried
      const asks = carried.isMoved
      carried.isIncomplete = carried.isMoved = false
      if (asks) yield* ask(carried)
      let files = yield* list(carried)
      if (files.length === 0) carried.isIncomplete = true
      if (carried.isChecked && files.every((file) => tails.has(file))) return
      const sizes = yield* call("tell what it has", store.sizes(threadId))
      if (!carried.isChecked) {
        for (const file of sizes.keys()) folders.add(path.dirname(absolute(file)))
        files = yield* list(carried)
      }
      const all = yield* withBases(carried, files)
      if (!carried.isSource) yield* refuseOthers(carried, all, sizes)
      for (const file of all) if (!tails.has(file)) yield* begin(carried, file, sizes.get(file) ?? 0)
      carried.isChecked = true
    }).pipe(
      Effect.catchTag("PlatformError", unread(carried.threadId, "")),
      Effect.onError(() => Effect.sync(() => carried.move()))
    )

  /** Stores what is new in all files. Returns whether codex has written. */
  const carry = (carried: Carried): Effect.Effect<boolean, CarryError> =>
    Effect.gen(function*() {
      const known = [...carried.tails.values()]
      const written = yield* Effect.forEach(known, drain)
      if (carried.isIncomplete) {
        yield* look(carried)
        written.push(...yield* Effect.forEach([...carried.tails.values()].slice(known.length), drain))
      }
      return written.includes(true)
    })

  /** Asks codex where a thread lies. */
  const locate = Effect.fnUntraced(function*(threadId: string, isSource = false) {
    const refused = (cause: unknown) => new SessionFileError({ threadId, operation: "find", file: "", cause })
    const { thread } = yield* rpc.request("thread/read", { threadId, includeTurns: false }).pipe(
      Effect.mapError(refused)
    )
    if (thread.path === null) {
      return yield* refused(new Error("codex keeps no file of it. An ephemeral thread cannot be carried"))
    }
    return new Carried(threadId, path.dirname(thread.path), isSource)
  })

  /** Stores the source of a fork before the fork, which cannot be restored without it. */
  const withSource = (threadId: string, firstLine: string): Effect.Effect<void, CarryError> => {
    const { source } = originOf(firstLine)
    return source === undefined || source === threadId ? Effect.void : Effect.gen(function*() {
      yield* link(threadId, source)
      yield* carry(yield* locate(source, true))
    })
  }

  const link = (threadId: string, needed: string) => call("link two threads", store.link(threadId, needed))

  /** How many bytes are written and not stored. */
  const unstored = Effect.fnUntraced(function*(carried: Carried) {
    let bytes = 0
    for (const tail of carried.tails.values()) {
      const info = yield* Effect.orElseSucceed(infoOf(tail.file), () => Option.none())
      if (Option.isSome(info)) bytes += info.value.size - tail.offset
    }
    return bytes
  })

  return { carry, link, locate, unstored }
}
