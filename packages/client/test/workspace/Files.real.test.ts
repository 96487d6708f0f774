/** Files of the server's machine, on the real codex binary. */
import { AppServer, AppServerRpc, CodexError, Workspace } from "@effect-codex/client"
import { CodexHome } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Queue, Schedule, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { realWith } from "../support/realService.ts"

const real = realWith(Workspace.layer)

const services = Effect.all({
  files: Workspace.Workspace,
  home: CodexHome.CodexHome,
  rpc: AppServerRpc.AppServerRpc
})

const reasonOf = <A, R>(call: Effect.Effect<A, CodexError.FileCallError, R>) =>
  Effect.map(Effect.flip(call), (error) => error instanceof CodexError.FileError ? error.reason : error)

describe("a file", () => {
  real(
    "is written, read, looked at, copied and removed, byte by byte",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      const path = `${workspace}/ä b.txt`
      yield* files.writeFile(path, "\uFEFFgrüß dich\n")
      assert.strictEqual(readFileSync(path, "utf8"), "\uFEFFgrüß dich\n")
      assert.strictEqual(yield* files.readText(path), "\uFEFFgrüß dich\n")
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256)
      yield* files.writeFile(path, bytes)
      assert.deepStrictEqual(yield* files.readFile(path), bytes)
      yield* files.writeFile(`${workspace}/empty`, "")
      assert.strictEqual(yield* files.readText(`${workspace}/empty`), "")

      const info = yield* files.stat(path)
      assert.deepInclude(info, { kind: "file", isSymlink: false })
      assert.isTrue(Option.isSome(info.modifiedAt))
      symlinkSync(path, `${workspace}/link`)
      assert.deepInclude(yield* files.stat(`${workspace}/link`), { kind: "file", isSymlink: true })

      yield* files.createFolder(`${workspace}/deep/er`)
      yield* files.copy(path, `${workspace}/deep/er/copy`)
      yield* files.copy(`${workspace}/deep`, `${workspace}/other`, { recursive: true })
      assert.deepStrictEqual(yield* files.list(`${workspace}/other/er`), [{ name: "copy", kind: "file" }])
      yield* files.remove(`${workspace}/other`, { recursive: true })
      yield* files.remove(`${workspace}/link`)
      yield* files.remove(`${workspace}/nothing`, { force: true })
      assert.deepStrictEqual(
        (yield* files.list(workspace)).toSorted((a, b) => a.name < b.name ? -1 : 1),
        [{ name: "deep", kind: "folder" }, { name: "empty", kind: "file" }, { name: "ä b.txt", kind: "file" }]
      )
    })
  )

  real(
    "has any name, and one that is no UTF-8 is listed with U+FFFD and not found by that",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      const odd = ["new\nline", "-rf", "\"quoted\"", "$(touch ran)", "back\\slash", " space ", "..."]
      for (const name of odd) yield* files.writeFile(`${workspace}/${name}`, name)
      writeFileSync(Buffer.concat([Buffer.from(`${workspace}/`), Buffer.of(0xe4)]), "latin")
      assert.sameMembers((yield* files.list(workspace)).map(({ name }) => name), [...odd, "\ufffd"])
      for (const name of odd) assert.strictEqual(yield* files.readText(`${workspace}/${name}`), name)
      assert.strictEqual(yield* reasonOf(files.readText(`${workspace}/\ufffd`)), "notFound")
      for (const name of odd) yield* files.remove(`${workspace}/${name}`)
      assert.deepStrictEqual((yield* files.list(workspace)).map(({ name }) => name), ["\ufffd"])
      execFileSync("mkfifo", [`${workspace}/pipe`])
      assert.strictEqual(yield* reasonOf(files.readText(`${workspace}/pipe`)), "notFile")
      const nul = yield* Effect.flip(files.readText(`${workspace}/a\0b`))
      assert.include(["InvalidArgument", "FileError", "RpcError"], nul._tag)
    })
  )

  real(
    "that the operating system refuses fails with its reason, and nothing is removed by default",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      const file = `${workspace}/file`
      yield* files.writeFile(file, "x")
      mkdirSync(`${workspace}/full`)
      writeFileSync(`${workspace}/full/one`, Uint8Array.of(0xff))
      symlinkSync("nowhere", `${workspace}/dangling`)
      symlinkSync("loop", `${workspace}/loop`)
      const none = `${workspace}/none`

      assert.strictEqual(yield* reasonOf(files.readFile(none)), "notFound")
      assert.strictEqual(yield* reasonOf(files.stat(`${workspace}/dangling`)), "notFound")
      assert.strictEqual(yield* reasonOf(files.writeFile(`${none}/new`, "x")), "notFound")
      assert.strictEqual(yield* reasonOf(files.remove(none)), "notFound")
      assert.strictEqual(yield* reasonOf(files.readFile(`${file}/below`)), "notFolder")
      assert.strictEqual(yield* reasonOf(files.list(file)), "notFolder")
      assert.strictEqual(yield* reasonOf(files.readFile(workspace)), "notFile")
      assert.strictEqual(yield* reasonOf(files.writeFile(workspace, "x")), "notFile")
      assert.strictEqual(yield* reasonOf(files.copy(workspace, none)), "notFile")
      assert.strictEqual(yield* reasonOf(files.createFolder(file)), "alreadyExists")
      assert.strictEqual(yield* reasonOf(files.createFolder(`${none}/below`, { recursive: false })), "notFound")
      assert.strictEqual(yield* reasonOf(files.remove(`${workspace}/full`)), "notEmpty")
      assert.strictEqual(yield* reasonOf(files.readText(`${workspace}/full/one`)), "notText")
      assert.strictEqual(yield* reasonOf(files.readFile(`${workspace}/loop`)), "other")

      const missing = yield* Effect.flip(files.readFile(none))
      assert.deepInclude(missing, { path: none, method: "fs/readFile", osError: 2 })
      assert.strictEqual(
        missing.message,
        `fs/readFile failed for ${none}: No such file or directory (os error 2). Check the path. The folder of a new file ` +
          "must exist."
      )
      const copied = yield* Effect.flip(files.copy(workspace, `${workspace}/full`, { recursive: true }))
      assert.deepInclude(copied, { _tag: "RpcError", code: -32600 })
    })
  )

  real(
    "with a relative path is refused, by the client and by codex",
    Effect.gen(function*() {
      const { files, rpc } = yield* services
      for (const path of ["a.txt", "./a.txt", "~/a.txt", "", "/a\0b"]) {
        assert.deepInclude(yield* Effect.flip(files.readFile(path)), { _tag: "InvalidArgument", argument: "path" })
      }
      assert.deepInclude(yield* Effect.flip(files.copy("/a", "b")), { _tag: "InvalidArgument", argument: "to" })
      const refused = yield* Effect.flip(rpc.request("fs/readFile", { path: "a.txt" }))
      assert.include(refused.message, "AbsolutePathBuf deserialized without a base path")
    })
  )
})

describe("a watch", () => {
  /** The events of a watch, after it has started. */
  const started = Effect.fnUntraced(function*(path: string) {
    const { files } = yield* services
    const events = yield* Queue.unbounded<Workspace.WatchEvent>()
    yield* Effect.forkScoped(
      Stream.runForEach(files.watch(path), (event) => Queue.offer(events, event)),
      { startImmediately: true }
    )
    assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Started", path })
    return events
  })

  /** The next event, while the file is written again and again: a busy codex may set up its watch after the first time. */
  const whileWriting = (path: string, events: Queue.Dequeue<Workspace.WatchEvent>) =>
    Effect.raceFirst(
      Queue.take(events),
      Effect.andThen(
        Effect.repeat(Effect.sync(() => writeFileSync(path, "x")), Schedule.spaced("100 millis")),
        Effect.never
      )
    )

  real(
    "tells what changes in a folder and in a file that does not exist yet, and ends on the server",
    Effect.gen(function*() {
      const { home: { workspace }, rpc } = yield* services
      const file = `${workspace}/new/file`
      yield* Effect.scoped(Effect.gen(function*() {
        const folder = yield* started(workspace)
        const later = yield* started(file)
        mkdirSync(`${workspace}/new`)
        assert.deepStrictEqual(yield* Queue.take(folder), { _tag: "Changed", paths: [`${workspace}/new`] })
        assert.deepStrictEqual(yield* whileWriting(file, later), { _tag: "Changed", paths: [file] })
      }))
      // The next watch has changed before the old one could have been told of it.
      const seen: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(rpc.notifications, (event) =>
          Effect.sync(() => {
            if (event._tag === "fs/changed") seen.push(event.params.watchId)
          })),
        { startImmediately: true }
      )
      const again = yield* started(workspace)
      yield* whileWriting(`${workspace}/other`, again)
      assert.strictEqual(new Set(seen).size, 1)
    })
  )

  real(
    "goes on after a restart of codex, and says that it may have missed something",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      const { pid } = yield* AppServer.AppServer
      const events = yield* started(workspace)
      process.kill(pid, "SIGKILL")
      assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Restarted" })
      yield* files.writeFile(`${workspace}/after`, "x")
      assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Changed", paths: [`${workspace}/after`] })
    }),
    { restart: Schedule.recurs(3) }
  )

  real(
    "fails when codex is gone for good",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      const { pid } = yield* AppServer.AppServer
      const error = yield* files.watch(workspace).pipe(
        Stream.runForEach(() => Effect.sync(() => process.kill(pid, "SIGKILL"))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "AppServerExited")
    })
  )
})

describe("a search", () => {
  const tree = (workspace: string) => {
    mkdirSync(`${workspace}/src/über`, { recursive: true })
    writeFileSync(`${workspace}/src/über/Workspace.ts`, "")
    writeFileSync(`${workspace}/src/workshop.md`, "")
    writeFileSync(`${workspace}/other.txt`, "")
  }

  real(
    "finds files by a part of their path",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      tree(workspace)
      const found = yield* files.searchFiles("überspace", [workspace])
      assert.strictEqual(found.length, 1)
      assert.deepInclude(found[0]!, {
        folder: workspace,
        path: "src/über/Workspace.ts",
        name: "Workspace.ts",
        isFolder: false,
        matches: [4, 5, 6, 7, 13, 14, 15, 16, 17]
      })
      assert.deepInclude((yield* files.searchFiles("über", [workspace]))[0]!, { path: "src/über", isFolder: true })
      assert.deepStrictEqual(yield* files.searchFiles("workspace", [`${workspace}/none`]), [])
      const relative = yield* Effect.flip(files.searchFiles("x", ["src"]))
      assert.deepInclude(relative, { _tag: "InvalidArgument", argument: "folders[0]" })
    })
  )

  real(
    "follows a query that changes",
    Effect.gen(function*() {
      const { files, home: { workspace }, rpc } = yield* services
      tree(workspace)
      const id = yield* Effect.scoped(Effect.gen(function*() {
        const search = yield* files.searchFilesLive([workspace])
        const found = (query: string, count: number) =>
          Effect.andThen(
            search.search(query),
            Stream.runHead(Stream.filter(search.results, (it) => it.query === query && it.files.length === count))
          )
        assert.isTrue(Option.isSome(yield* found("work", 2)))
        const one = Option.getOrThrow(yield* found("workshop", 1))
        assert.deepInclude(one.files[0]!, { path: "src/workshop.md" })
        return "effect-codex-search-1"
      }))
      const gone = yield* Effect.flip(
        rpc.request("fuzzyFileSearch/sessionUpdate", { sessionId: id, query: "x" })
      )
      assert.include(gone.message, "fuzzy file search session not found")
      const none = yield* Effect.flip(Effect.scoped(files.searchFilesLive([])))
      assert.deepInclude(none, { _tag: "RpcError", code: -32603 })
    })
  )
})

describe("the difference to the remote", () => {
  real(
    "has the files that the remote does not have",
    Effect.gen(function*() {
      const { files, home: { workspace } } = yield* services
      const git = (...args: ReadonlyArray<string>) =>
        execFileSync("git", ["-c", "user.name=n", "-c", "user.email=n@localhost", ...args], {
          cwd: workspace,
          stdio: "pipe",
          env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" }
        }).toString().trim()
      const none = yield* Effect.flip(files.diffToRemote(workspace))
      assert.deepInclude(none, { _tag: "RpcError", code: -32600 })
      assert.include(none.message, "with a commit that is on one of its remotes")

      git("init", "-q", "-b", "main")
      git("commit", "-q", "--allow-empty", "-m", "one")
      git("init", "-q", "--bare", "../remote.git")
      git("remote", "add", "origin", "../remote.git")
      git("push", "-q", "-u", "origin", "main")
      yield* files.writeFile(`${workspace}/new.txt`, "two\n")
      const { diff, sha } = yield* files.diffToRemote(workspace)
      assert.strictEqual(sha, git("rev-parse", "HEAD"))
      assert.include(diff, "+++ b/new.txt\n@@ -0,0 +1 @@\n+two\n")
    })
  )
})
