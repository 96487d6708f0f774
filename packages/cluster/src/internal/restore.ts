/** Writes threads from the store into codex's home. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SessionLines } from "../SessionStore.ts"
import { type Env, filesIn } from "./carrier.ts"
import { descendantsOf } from "./followers.ts"
import { bytesAt, copyStart } from "./rolloutLines.ts"
import { inOrder, isSafe, keyOf } from "./rolloutNames.ts"
import { SessionFileError } from "./sessionErrors.ts"

/** What this machine had of a file: nothing, a part, all, more, or something else. */
type Local = "missing" | "older" | "same" | "newer" | "other"

interface Place {
  readonly threadId: string
  readonly file: string
}

interface Placed extends Place {
  readonly local: Local
}

/** A file of the store, as far as it has come. */
interface Arriving extends Place {
  readonly target: string
  /** This machine's file. */
  readonly here: FileSystem.File | undefined
  /** A file beside it with what the store has. Undefined while this machine has the same. */
  temporary: { readonly path: string; readonly handle: FileSystem.File } | undefined
  local: Local
  lines: number
  bytes: number
}

export const makeRestore = (env: Env) => {
  const { fs, path, rpc, store } = env

  const failing = ({ file, threadId }: Place, operation: SessionFileError["operation"]) => (cause: unknown) =>
    new SessionFileError({ threadId, operation, file, cause })

  const absolute = (file: string) => path.join(rpc.serverInfo.codexHome, ...file.split("/"))

  const open = Effect.fnUntraced(function*(chunk: SessionLines) {
    const { file, threadId } = chunk
    if (!isSafe(file, threadId)) {
      return yield* failing(chunk, "place")(new Error("it is no name of a file of this thread. Nothing was written"))
    }
    const target = absolute(file)
    const here = (yield* fs.exists(target)) ? yield* fs.open(target) : undefined
    const arriving: Arriving = {
      threadId,
      file,
      target,
      here,
      temporary: undefined,
      local: here === undefined ? "missing" : "same",
      lines: 0,
      bytes: 0
    }
    return arriving
  })

  /** Writes the file anew, beside its place. codex reads only names that end in `.jsonl`. */
  const differ = Effect.fnUntraced(function*({ here, target }: Arriving, bytes: number) {
    const temporary = `${target}.${crypto.randomUUID()}.restoring`
    yield* fs.makeDirectory(path.dirname(target), { recursive: true })
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
    const handle = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
    if (here !== undefined) yield* copyStart(here, handle, bytes)
    return { path: temporary, handle }
  })

  /** Compares the lines with this machine's file, and writes them from the first difference on. */
  const receive = Effect.fnUntraced(function*(arriving: Arriving, chunk: SessionLines) {
    const { bytes, here, lines } = arriving
    if (chunk.line !== lines) {
      return yield* failing(chunk, "place")(new Error(`line ${lines} is missing in the store`))
    }
    const arrived = Buffer.from(chunk.lines.map((line) => `${line}\n`).join(""))
    arriving.lines += chunk.lines.length
    arriving.bytes += arrived.length
    let { temporary } = arriving
    if (temporary === undefined && here !== undefined) {
      const local = yield* bytesAt(here, bytes, arrived.length)
      if (local.equals(arrived)) return
      arriving.local = local.equals(arrived.subarray(0, local.length)) ? "older" : "other"
    }
    temporary ??= yield* differ(arriving, bytes)
    arriving.temporary = temporary
    yield* temporary.handle.writeAll(arrived)
  })

  /** Keeps what only this machine has, under a name that codex does not read. */
  const keep = Effect.fnUntraced(function*(threadId: string, file: string) {
    const kept = `${file}.kept-${DateTime.formatIso(yield* DateTime.now).replaceAll(":", "-")}`
    yield* fs.rename(file, kept)
    yield* Effect.logWarning(`Another machine has continued thread ${threadId}. What only this one had is in ${kept}`)
  })

  /** Puts the file into its place, unless this machine has all of it. */
  const place = Effect.fnUntraced(function*({ bytes, file, here, local, target, temporary, threadId }: Arriving) {
    if (local === "other") yield* keep(threadId, target)
    if (temporary !== undefined) yield* fs.rename(temporary.path, target)
    const isNewer = local === "same" && here !== undefined && Number((yield* here.stat).size) > bytes
    return { threadId, file, local: isNewer ? "newer" : local } satisfies Placed
  })

  /** Writes all files of the store, one after the other. */
  const placeAll = Effect.fnUntraced(function*(threadId: string) {
    const placed: Array<Placed> = []
    let current: { readonly arriving: Arriving; readonly scope: Scope.Closeable } | undefined
    const settle = Effect.gen(function*() {
      if (current === undefined) return
      const { arriving, scope } = current
      current = undefined
      placed.push(yield* place(arriving))
      yield* Scope.close(scope, Exit.void)
    })
    const whole = yield* Effect.scope
    const next = (chunk: SessionLines) =>
      Effect.gen(function*() {
        if (current?.arriving.file !== chunk.file) {
          yield* settle
          const scope = yield* Scope.fork(whole)
          current = { scope, arriving: yield* Scope.provide(open(chunk), scope) }
        }
        yield* Scope.provide(receive(current.arriving, chunk), current.scope)
      }).pipe(Effect.catchTag("PlatformError", (cause) => Effect.fail(failing(chunk, "write")(cause))))
    yield* Stream.runForEach(store.load(threadId), next)
    yield* Effect.catchTag(
      settle,
      "PlatformError",
      (cause) => Effect.fail(failing({ threadId, file: "" }, "write")(cause))
    )
    return placed
  }, Effect.scoped)

  /** The files of the thread that this machine has beside those of the store, as far as codex would find them. */
  const others = Effect.fnUntraced(function*(threadId: string, files: ReadonlyArray<string>, current: string) {
    const folders = new Set([...files, current].map((file) => path.dirname(absolute(file))))
    const found = yield* Effect.forEach(folders, (folder) => filesIn(env, folder, threadId))
    return found.flat().filter((file) => !files.includes(file))
  })

  const pathOf = (threadId: string) =>
    Effect.map(
      rpc.request("thread/read", { threadId, includeTurns: false }),
      ({ thread }) => thread.path === null ? "" : keyOf(path.relative(rpc.serverInfo.codexHome, thread.path))
    )

  /** Runs it while these files are not where codex sees them. */
  const without = <A, E>(files: ReadonlyArray<string>, effect: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.forEach(files, (file) => Effect.isSuccess(fs.rename(file, `${file}.away`))),
      () => effect,
      (moved) =>
        Effect.forEach(files.filter((_, i) => moved[i]), (file) => fs.rename(`${file}.away`, file), { discard: true })
    )

  /**
   * Makes codex go on with the newest file. A revert begins another file, and a codex that has known the thread before
   * would go on with the one that it knows: see docs/codex-behaviour.md, "A home that knows a thread goes on with the
   * file it knows". It looks for the files again once it has forgotten the thread, and it must not find them while it
   * forgets, since it removes them.
   */
  const renew = Effect.fnUntraced(function*(threadId: string, files: ReadonlyArray<string>) {
    const subagents = yield* descendantsOf(rpc, threadId)
    const paths = [...files.map(absolute), ...subagents.flatMap(({ path }) => path === null ? [] : [path])]
    yield* without(paths, rpc.request("thread/delete", { threadId }))
    if ((yield* pathOf(threadId)) !== files.at(-1)) {
      return yield* Effect.fail(new Error("codex still reads an older file"))
    }
  })

  return Effect.fnUntraced(function*(threadId: string) {
    const placed = yield* placeAll(threadId)
    const own = placed.filter((one) => one.threadId === threadId)
    const stored = own.map(({ file }) => file)
    const isBehind = own.some(({ local }) => local === "older" || local === "other")
    // One file that nobody has continued is the one that codex reads. To ask takes codex half a second for 50 MB.
    if (stored.length === 0 || (stored.length === 1 && !isBehind)) return placed
    const at = { threadId, file: stored.at(-1) ?? "" }
    const current = yield* Effect.mapError(pathOf(threadId), failing(at, "find"))
    let more = yield* Effect.mapError(others(threadId, stored, current), failing(at, "read"))
    if (isBehind || own.some(({ local }) => local === "missing")) {
      yield* Effect.forEach(more, (file) => keep(threadId, absolute(file))).pipe(Effect.mapError(failing(at, "write")))
      more = []
    }
    const files = inOrder([...stored, ...more])
    if (current !== files.at(-1)) yield* Effect.mapError(renew(threadId, files), failing(at, "replace"))
    return placed
  })
}
