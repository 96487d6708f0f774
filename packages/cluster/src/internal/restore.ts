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
import { commonBytes } from "./rolloutLines.ts"
import { inOrder, isSafe, keyOf } from "./rolloutNames.ts"
import { SessionFileError } from "./sessionErrors.ts"

/** A file that is being written beside its place. codex reads only names that end in `.jsonl`. */
interface Writing {
  readonly threadId: string
  readonly file: string
  readonly target: string
  readonly temporary: string
  readonly handle: FileSystem.File
  lines: number
}

/** What this machine had of a file: nothing, a part, all, more, or something else. */
type Local = "missing" | "older" | "same" | "newer" | "other"

interface Place {
  readonly threadId: string
  readonly file: string
}

interface Placed extends Place {
  readonly local: Local
}

export const makeRestore = (env: Env) => {
  const { fs, path, rpc, store } = env

  const failing = ({ file, threadId }: Place, operation: SessionFileError["operation"]) => (cause: unknown) =>
    new SessionFileError({ threadId, operation, file, cause })

  const absolute = (file: string) => path.join(rpc.serverInfo.codexHome, ...file.split("/"))

  const open = Effect.fnUntraced(function*(chunk: SessionLines) {
    const { file, threadId } = chunk
    if (!isSafe(file)) {
      return yield* failing(chunk, "place")(new Error("the store's name for it leads elsewhere. Nothing was written"))
    }
    const target = absolute(file)
    const temporary = `${target}.${crypto.randomUUID()}.restoring`
    yield* fs.makeDirectory(path.dirname(target), { recursive: true })
    const handle = yield* fs.open(temporary, { flag: "wx+", mode: 0o600 })
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
    const writing: Writing = { threadId, file, target, temporary, handle, lines: 0 }
    return writing
  })

  const write = Effect.fnUntraced(function*(writing: Writing, chunk: SessionLines) {
    if (chunk.line !== writing.lines) {
      return yield* failing(chunk, "place")(new Error(`line ${writing.lines} is missing in the store`))
    }
    yield* writing.handle.writeAll(new TextEncoder().encode(chunk.lines.map((line) => `${line}\n`).join("")))
    writing.lines += chunk.lines.length
  })

  /** Keeps what only this machine has, under a name that codex does not read. */
  const keep = Effect.fnUntraced(function*(threadId: string, file: string) {
    const kept = `${file}.kept-${DateTime.formatIso(yield* DateTime.now).replaceAll(":", "-")}`
    yield* fs.rename(file, kept)
    yield* Effect.logWarning(`Another machine has continued thread ${threadId}. What only this one had is in ${kept}`)
  })

  /** What this machine has of the file, compared with what was written beside it. */
  const localOf = Effect.fnUntraced(function*({ handle, target }: Writing) {
    if (!(yield* fs.exists(target))) return "missing"
    const local = yield* fs.open(target)
    const [here, stored] = yield* Effect.all([local.stat, handle.stat])
    const same = yield* commonBytes(local, handle)
    if (same < Number(here.size)) return same === Number(stored.size) ? "newer" : "other"
    return here.size === stored.size ? "same" : "older"
  }, Effect.scoped)

  /** Puts the file into its place, unless this machine has all of it. */
  const place = Effect.fnUntraced(function*(writing: Writing) {
    const { file, target, temporary, threadId } = writing
    const local: Local = yield* localOf(writing)
    if (local === "other") yield* keep(threadId, target)
    if (local !== "same" && local !== "newer") yield* fs.rename(temporary, target)
    return { threadId, file, local } satisfies Placed
  })

  /** Writes all files of the store, one after the other. */
  const placeAll = Effect.fnUntraced(function*(threadId: string) {
    const placed: Array<Placed> = []
    let current: { readonly writing: Writing; readonly scope: Scope.Closeable } | undefined
    const settle = Effect.gen(function*() {
      if (current === undefined) return
      const { scope, writing } = current
      current = undefined
      placed.push(yield* place(writing))
      yield* Scope.close(scope, Exit.void)
    })
    const whole = yield* Effect.scope
    const next = (chunk: SessionLines) =>
      Effect.gen(function*() {
        if (current?.writing.file !== chunk.file) {
          yield* settle
          const scope = yield* Scope.fork(whole)
          current = { scope, writing: yield* Scope.provide(open(chunk), scope) }
        }
        yield* write(current.writing, chunk)
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
   * would go on with the one that it knows: "A home that knows a thread goes on with the file it knows". It looks for
   * the files again once it has forgotten the thread, and it must not find them while it forgets, since it removes
   * them.
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
    if (stored.length === 0) return placed
    const at = { threadId, file: stored.at(-1) ?? "" }
    const current = yield* Effect.mapError(pathOf(threadId), failing(at, "find"))
    let more = yield* Effect.mapError(others(threadId, stored, current), failing(at, "read"))
    if (own.some(({ local }) => local !== "same" && local !== "newer")) {
      yield* Effect.forEach(more, (file) => keep(threadId, absolute(file))).pipe(Effect.mapError(failing(at, "write")))
      more = []
    }
    const files = inOrder([...stored, ...more])
    if (current !== files.at(-1)) yield* Effect.mapError(renew(threadId, files), failing(at, "replace"))
    return placed
  })
}
