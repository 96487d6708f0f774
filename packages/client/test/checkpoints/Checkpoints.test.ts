/** Checkpoints on real folders with the real git, and a codex in memory. */
import { Checkpoints, Codex } from "@effect-codex/client"
import { CodexTest } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { folders, git, hashOf, services, treeOf, turn, write } from "../support/trees.ts"

type Services =
  | Scope.Scope
  | Effect.Services<ReturnType<typeof turn>>
  | Effect.Services<ReturnType<typeof Checkpoints.make>>

// Each test starts git some fifty times.
const timeout = 60_000

const live = (name: string, test: Effect.Effect<void, unknown, Services>) =>
  it.live(name, () => test.pipe(Effect.scoped, Effect.provide(services)), timeout)

/** A folder with files, and its checkpoints. */
const opened = (
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Partial<Checkpoints.Options> = {}
) =>
  Effect.gen(function*() {
    const { base, directory, folder } = yield* folders
    write(folder, files)
    const checkpoints = yield* Checkpoints.make({ folder, directory, ...options })
    return { base, directory, folder, checkpoints }
  })

const shownOf = (changes: ReadonlyArray<Checkpoints.Change>) =>
  changes.map(({ deletions, insertions, kind, path }) => `${kind} ${path} +${insertions} -${deletions}`)

describe("changes", () => {
  live(
    "are all that happened to files, with the lines",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({
        "a.txt": "1\n2\n3\n",
        "gone.txt": "1\n",
        "folder/same.txt": "same\n",
        "run.sh": "#!/bin/sh\n",
        "link-to-be": "a.txt",
        "image.png": Uint8Array.of(0, 1, 2)
      })
      const id = yield* turn(checkpoints, () => {
        write(folder, { "a.txt": "1\nzwei\n3\n4\n", "folder/new.txt": "new\n", "image.png": Uint8Array.of(0, 1, 3) })
        unlinkSync(join(folder, "gone.txt"))
        chmodSync(join(folder, "run.sh"), 0o755)
        unlinkSync(join(folder, "link-to-be"))
        symlinkSync("image.png", join(folder, "link-to-be"))
      })
      const changes = yield* checkpoints.changes(id)
      assert.deepStrictEqual(shownOf(changes), [
        "modified a.txt +2 -1",
        "added folder/new.txt +1 -0",
        "deleted gone.txt +0 -1",
        "modified image.png +0 -0",
        "typeChanged link-to-be +1 -1",
        "modified run.sh +0 -0"
      ])
      assert.deepStrictEqual(changes.filter(({ binary }) => binary).map(({ path }) => path), ["image.png"])
      assert.isTrue(changes.every(({ isStored }) => isStored))
      const diff = yield* checkpoints.diff(id)
      assert.include(diff, "-2\n+zwei\n 3\n+4\n")
      assert.include(diff, "old mode 100644\nnew mode 100755")
    })
  )

  live(
    "and rewinds have names of any bytes",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "plain": "1" })
      const before = treeOf(folder)
      const odd = ["new\nline", "-rf", "\"quoted\"", "tab\there", " space ", "ümläut", ":(glob)*", "back\\slash"]
      const latin = Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xe4, 0xf6)])
      const id = yield* turn(checkpoints, () => {
        write(folder, Object.fromEntries(odd.map((name) => [name, "1\n"])))
        writeFileSync(latin, "1\n")
      })
      const paths = (yield* checkpoints.changes(id)).map(({ path }) => path)
      assert.sameMembers([...paths], [...odd, "\ufffd\ufffd"])
      const edited = treeOf(folder)
      const { id: undo } = yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(folder), before)
      yield* checkpoints.rewind(Option.getOrThrow(undo))
      assert.deepStrictEqual(treeOf(folder), edited)
    })
  )

  live(
    "take no file for changed that is written again as it was, and rewinds remove it",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "kept.txt": "1\n" })
      const before = treeOf(folder)
      const id = yield* turn(checkpoints, () => write(folder, { "new.txt": "1\n", "e/new.txt": "2\n" }))
      const again = yield* turn(checkpoints, () => {
        write(folder, { "kept.txt": "1\n", "new.txt": "1\n" })
        for (const name of ["kept.txt", "new.txt"]) utimesSync(join(folder, name), 1_700_000_000, 1_700_000_000)
      })
      assert.deepStrictEqual(yield* checkpoints.changes(again), [])
      yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(folder), before)
    })
  )

  live(
    "leave out what was ignored until the turn, which a rewind does not remove",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ ".gitignore": "/dist/\n*.log\n", "dist/a.js": "1", "x.log": "1" })
      const id = yield* turn(checkpoints, () => write(folder, { ".gitignore": "*.tmp\n", "new.txt": "1\n" }))
      assert.deepStrictEqual(shownOf(yield* checkpoints.changes(id)), [
        "modified .gitignore +1 -2",
        "added new.txt +1 -0"
      ])
      yield* checkpoints.rewind(id)
      assert.sameMembers(Object.keys(treeOf(folder)), [".gitignore", "dist/a.js", "x.log"])
    })
  )
})

describe("a rewind", () => {
  live(
    "of an earlier turn undoes the later ones, and can be undone",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "a": "0\n", "d/b": "0\n" })
      const start = treeOf(folder)
      const first = yield* turn(checkpoints, () => write(folder, { "a": "1\n" }))
      const middle = treeOf(folder)
      const second = yield* turn(checkpoints, () => {
        rmSync(join(folder, "d"), { recursive: true })
        write(folder, { "d": "a file now\n", "e/f": "2\n" })
      })
      const end = treeOf(folder)
      yield* checkpoints.rewind(second)
      assert.deepStrictEqual(treeOf(folder), middle)
      const { changes, id } = yield* checkpoints.rewind(first)
      assert.deepStrictEqual(shownOf(changes), ["modified a +1 -1"])
      assert.deepStrictEqual(treeOf(folder), start)
      yield* checkpoints.rewind(Option.getOrThrow(id))
      assert.deepStrictEqual(treeOf(folder), middle)
      const [undo] = yield* checkpoints.list()
      assert.strictEqual(undo?.kind, "rewind")
      // The rewind of the second turn, which is undone.
      const rewinds = (yield* checkpoints.list()).filter(({ kind }) => kind === "rewind")
      yield* checkpoints.rewind(rewinds.at(-1)!.id)
      assert.deepStrictEqual(treeOf(folder), end)
    })
  )

  live(
    "that is dry tells the same and changes nothing",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "a": "0\n", "b": "0\n" })
      const id = yield* turn(checkpoints, () => write(folder, { "a": "1\n", "c": "1\n" }))
      write(folder, { "b": "the user's\n" })
      const before = treeOf(folder)
      const dry = yield* checkpoints.rewind(id, { dryRun: true, conflicts: "overwrite" })
      assert.deepStrictEqual(treeOf(folder), before)
      assert.isTrue(Option.isNone(dry.id))
      assert.deepStrictEqual(dry.conflicts, ["b"])
      const { changes, conflicts } = yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.deepStrictEqual({ changes, conflicts }, { changes: dry.changes, conflicts: dry.conflicts })
    })
  )

  const withConflict = Effect.gen(function*() {
    const all = yield* opened({ "a": "0\n", "b": "0\n", "d/x": "0\n" })
    const { checkpoints, folder } = all
    const start = treeOf(folder)
    const id = yield* turn(checkpoints, () => {
      rmSync(join(folder, "d"), { recursive: true })
      write(folder, { "a": "1\n", "b": "1\n", "c": "1\n" })
    })
    write(folder, { "b": "the user's\n", "mine": "the user's\n", "d": "the user's\n" })
    return { ...all, id, start, edited: treeOf(folder) }
  })

  live(
    "refuses to undo the user's changes",
    Effect.gen(function*() {
      const { checkpoints, edited, folder, id } = yield* withConflict
      const error = yield* Effect.flip(checkpoints.rewind(id))
      assert.deepInclude(error, { _tag: "CheckpointError", reason: "conflict", paths: ["b", "d", "mine"] })
      assert.include(error.message, "\"keep\"")
      assert.deepStrictEqual(treeOf(folder), edited)
    })
  )

  live(
    "keeps the user's changes where it is told to",
    Effect.gen(function*() {
      const { checkpoints, edited, folder, id, start } = yield* withConflict
      const { changes, conflicts } = yield* checkpoints.rewind(id, { conflicts: "keep" })
      assert.deepStrictEqual(conflicts, ["b", "d", "mine"])
      assert.deepStrictEqual(changes.map(({ path }) => path), ["a", "c"])
      const { b, d, mine } = edited
      assert.deepStrictEqual(treeOf(folder), { a: start["a"], b, d, mine })
    })
  )

  live(
    "overwrites the user's changes where it is told to, and gives them back",
    Effect.gen(function*() {
      const { checkpoints, edited, folder, id, start } = yield* withConflict
      const rewound = yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.deepStrictEqual(treeOf(folder), start)
      yield* checkpoints.rewind(Option.getOrThrow(rewound.id))
      assert.deepStrictEqual(treeOf(folder), edited)
    })
  )

  live(
    "takes an ignored file that is in its way for the user's",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ ".gitignore": "", "cache": "0\n", "d/x": "0\n" })
      const start = treeOf(folder)
      const id = yield* turn(checkpoints, () => {
        rmSync(join(folder, "d"), { recursive: true })
        unlinkSync(join(folder, "cache"))
        write(folder, { ".gitignore": "cache\nd\n" })
      })
      write(folder, { "cache": "the user's\n", "d": "the user's\n" })
      const edited = treeOf(folder)
      const error = yield* Effect.flip(checkpoints.rewind(id))
      assert.deepInclude(error, { reason: "conflict", paths: ["cache", "d/x"] })
      const rewound = yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.deepStrictEqual(treeOf(folder), start)
      yield* checkpoints.rewind(Option.getOrThrow(rewound.id))
      assert.deepStrictEqual(treeOf(folder), edited)
    })
  )

  live(
    "never removes what it cannot give back",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ ".gitignore": "*.o\n", "thing": "a file\n" })
      const id = yield* turn(checkpoints, () => {
        unlinkSync(join(folder, "thing"))
        write(folder, { "thing/main.c": "1\n" })
      })
      write(folder, { "thing/main.o": "built\n" })
      git(join(folder, "thing"), "init", "-q")
      const error = yield* Effect.flip(checkpoints.rewind(id, { conflicts: "overwrite" }))
      assert.deepInclude(error, { reason: "blocked" })
      assert.include(error.message, "thing/main.o")
      assert.isTrue(existsSync(join(folder, "thing/.git/HEAD")))
    })
  )

  live(
    "keeps the permissions of a file that it writes anew",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "secret": "0\n", "tool": "0\n" })
      chmodSync(join(folder, "secret"), 0o600)
      chmodSync(join(folder, "tool"), 0o700)
      const before = treeOf(folder)
      const id = yield* turn(checkpoints, () => write(folder, { "secret": "1\n", "tool": "1\n" }))
      yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(folder), before)
    })
  )
})

describe("a file that is too large", () => {
  live(
    "is told and left alone",
    Effect.gen(function*() {
      const big = "x".repeat(2000)
      const { checkpoints, folder } = yield* opened({ "big": big, "grows": "0\n" }, { maxFileBytes: 1000 })
      const id = yield* turn(checkpoints, () => write(folder, { "big": `${big}y`, "grows": big, "new": big }))
      const changes = yield* checkpoints.changes(id)
      assert.deepStrictEqual(
        changes.map(({ isStored, kind, path }) => [kind, path, isStored]),
        [["modified", "big", false], ["modified", "grows", false], ["added", "new", false]]
      )
      const [checkpoint] = yield* checkpoints.list()
      assert.deepStrictEqual(checkpoint?.skipped.map(({ path }) => path).sort(), ["big", "grows", "new"])
      const { id: undo, unstored } = yield* checkpoints.rewind(id)
      assert.deepStrictEqual(unstored, ["big"])
      assert.strictEqual(readFileSync(join(folder, "grows"), "utf8"), "0\n")
      assert.strictEqual(readFileSync(join(folder, "big"), "utf8"), `${big}y`)
      // What it wrote over is in the checkpoint of the rewind, whatever its size.
      yield* checkpoints.rewind(Option.getOrThrow(undo))
      assert.strictEqual(readFileSync(join(folder, "grows"), "utf8"), big)
    })
  )
})

describe("the user's repository", () => {
  const repository = (folder: string) => {
    write(folder, {
      ".gitattributes": "*.txt text=auto filter=evil\n*.utf16 working-tree-encoding=UTF-16\n*.id ident\n",
      ".gitignore": "ignored\n",
      "a.txt": "one\r\ntwo\n",
      "b.utf16": Buffer.from("\ufeffutf-16", "utf16le"),
      "c.id": "$Id$\n",
      "ignored": "1\n"
    })
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    for (const hook of ["pre-commit", "post-checkout", "post-index-change", "reference-transaction"]) {
      mkdirSync(join(folder, ".git/hooks"), { recursive: true })
      writeFileSync(join(folder, ".git/hooks", hook), "#!/bin/sh\ntouch ../hook-ran\n", { mode: 0o755 })
    }
    git(folder, "config", "core.autocrlf", "true")
    git(folder, "config", "core.fsmonitor", "touch ../fsmonitor-ran")
    git(folder, "config", "filter.evil.clean", "touch ../filter-ran; cat")
    git(folder, "config", "filter.evil.smudge", "touch ../filter-ran; cat")
  }

  live(
    "stays byte for byte, and runs nothing, in the middle of a merge",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      repository(folder)
      git(folder, "checkout", "-q", "-b", "other")
      write(folder, { "m": "theirs\n" })
      git(folder, "add", "m")
      git(folder, "commit", "-q", "--no-verify", "-m", "theirs")
      git(folder, "checkout", "-q", "main")
      write(folder, { "m": "ours\n" })
      git(folder, "add", "m")
      git(folder, "commit", "-q", "--no-verify", "-m", "ours")
      assert.throws(() => git(folder, "merge", "-q", "other"))
      for (const name of readdirSync(base)) if (name.endsWith("-ran")) rmSync(join(base, name))
      const [before, hash] = [treeOf(folder), hashOf(join(folder, ".git"))]
      // As in a hook of the user's git.
      process.env["GIT_DIR"] = join(folder, ".git")
      process.env["GIT_INDEX_FILE"] = join(folder, ".git/index")
      const ran = yield* Effect.gen(function*() {
        const checkpoints = yield* Checkpoints.make({ folder, directory })
        const id = yield* turn(checkpoints, () => {
          write(folder, { "a.txt": "changed\r\n", "b.utf16": "changed", "c.id": "changed", "m": "merged\n" })
        })
        assert.lengthOf(yield* checkpoints.changes(id), 4)
        yield* checkpoints.diff(id)
        yield* checkpoints.rewind(id)
        yield* checkpoints.forget({ keepLast: 0 })
        return readdirSync(base).filter((name) => name.endsWith("-ran"))
      }).pipe(Effect.ensuring(Effect.sync(() => {
        delete process.env["GIT_DIR"]
        delete process.env["GIT_INDEX_FILE"]
      })))
      assert.deepStrictEqual(treeOf(folder), before)
      assert.strictEqual(hashOf(join(folder, ".git")), hash)
      assert.deepStrictEqual(ran, [])
    })
  )

  live(
    "may have others in it, which are files like others",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({
        "a": "1\n",
        "sub/b": "1\n",
        "sub/deep/c": "1\n",
        "empty/.keep": ""
      })
      for (const at of ["sub/deep", "sub", "empty", "."]) git(join(folder, at), "init", "-q")
      unlinkSync(join(folder, "empty/.keep"))
      git(join(folder, "sub"), "add", "b")
      git(join(folder, "sub"), "commit", "-q", "-m", "one")
      const before = treeOf(folder)
      const hash = hashOf(join(folder, "sub/.git"))
      const id = yield* turn(checkpoints, () => {
        write(folder, { "sub/b": "2\n", "sub/deep/c": "2\n", "sub/deep/d": "2\n" })
        unlinkSync(join(folder, "a"))
      })
      assert.deepStrictEqual(shownOf(yield* checkpoints.changes(id)), [
        "deleted a +0 -1",
        "modified sub/b +1 -1",
        "modified sub/deep/c +1 -1",
        "added sub/deep/d +1 -0"
      ])
      yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(folder), before)
      assert.strictEqual(hashOf(join(folder, "sub/.git")), hash)
    })
  )

  live(
    "may track what is ignored, which is then part of the snapshots",
    Effect.gen(function*() {
      const { base, directory } = yield* folders
      const [folder, linked] = [join(base, "work"), join(base, "linked")]
      write(folder, { ".gitignore": "*.env\n", "tracked.env": "0\n" })
      git(folder, "init", "-q")
      git(folder, "add", "-f", ".")
      git(folder, "commit", "-q", "-m", "one")
      git(folder, "worktree", "add", "-q", linked)
      for (const folder of [join(base, "work"), linked]) {
        write(folder, { "other.env": "0\n" })
        const checkpoints = yield* Checkpoints.make({ folder, directory })
        const id = yield* turn(checkpoints, () => write(folder, { "tracked.env": "1\n", "other.env": "1\n" }))
        assert.deepStrictEqual(shownOf(yield* checkpoints.changes(id)), ["modified tracked.env +1 -1"])
        yield* checkpoints.rewind(id)
        assert.strictEqual(readFileSync(join(folder, "tracked.env"), "utf8"), "0\n")
      }
    })
  )

  live(
    "has its say on a folder within it",
    Effect.gen(function*() {
      const { base, directory } = yield* folders
      write(base, {
        ".gitignore": "build/\n/inner/private\n/ignored/\n/store/\n",
        "inner/a": "1\n",
        "inner/private": "1\n",
        "inner/build/x": "1\n",
        "outer": "1\n",
        "ignored/a": "1\n"
      })
      git(base, "init", "-q")
      for (const [name, seen] of [["inner", ["a"]], ["ignored", ["a", "build/x", "private"]]] as const) {
        const folder = join(base, name)
        const checkpoints = yield* Checkpoints.make({ folder, directory })
        const id = yield* turn(checkpoints, () => {
          write(folder, { "a": "2\n", "private": "2\n", "build/x": "2\n", "../outer": "2\n" })
        })
        assert.deepStrictEqual((yield* checkpoints.changes(id)).map(({ path }) => path), [...seen])
        assert.match(yield* checkpoints.diff(id), /^diff --git a\/a b\/a\n/)
        yield* checkpoints.rewind(id)
        assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "1\n")
        assert.strictEqual(readFileSync(join(base, "outer"), "utf8"), "2\n")
      }
    })
  )
})

describe("the rules", () => {
  live(
    "can include what is ignored, and exclude more",
    Effect.gen(function*() {
      const files = { ".gitignore": "*.log\n", "a.log": "0\n", "modules/x": "0\n" }
      const edit = { "a.log": "1\n", "modules/x": "1\n" }
      const { checkpoints, directory, folder } = yield* opened(files, { ignored: "include", exclude: ["modules"] })
      const id = yield* turn(checkpoints, () => write(folder, edit))
      assert.deepStrictEqual((yield* checkpoints.changes(id)).map(({ path }) => path), ["a.log"])
      const other = yield* Checkpoints.make({ folder, directory })
      assert.deepStrictEqual(yield* other.list(), [])
    })
  )
})

describe("checkpoints", () => {
  live(
    "are found again by another program, by thread and turn",
    Effect.gen(function*() {
      const { checkpoints, directory, folder } = yield* opened({ "a": "0\n" })
      const id = yield* turn(checkpoints, () => write(folder, { "a": "1\n" }))
      yield* turn(checkpoints, () => write(folder, { "b": "1\n" }))
      const again = yield* Checkpoints.make({ folder: join(folder, "..", "work"), directory })
      const [last, first] = yield* again.list()
      assert.deepStrictEqual(first?.turnIds, [id])
      assert.deepStrictEqual([first?.isFinished, first?.isShared], [true, false])
      const threadId = Option.getOrThrow(first!.threadId)
      assert.deepStrictEqual((yield* again.list({ threadId })).map((one) => one.id), [first?.id])
      assert.notStrictEqual(last?.id, first?.id)
      yield* again.rewind(first!.id)
      assert.sameMembers(Object.keys(treeOf(folder)), ["a"])
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "0\n")
    })
  )

  live(
    "are kept of turns that fail or are interrupted, and not where no turn began",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "a": "0\n" })
      const thread = yield* (yield* Codex.Codex).startThread()
      yield* thread.run("Go.").pipe(
        Effect.andThen(Effect.sync(() => write(folder, { "a": "1\n" }))),
        Effect.andThen(Effect.interrupt),
        checkpoints.track(thread),
        Effect.exit
      )
      const [only, ...others] = yield* checkpoints.list()
      assert.lengthOf(others, 0)
      assert.deepStrictEqual(shownOf(yield* checkpoints.changes(only!.id)), ["modified a +1 -1"])
      const error = yield* Effect.flip(Effect.fail("no turn").pipe(checkpoints.track(thread)))
      assert.strictEqual(error, "no turn")
      assert.lengthOf(yield* checkpoints.list(), 1)
    })
  )

  live(
    "of turns that ran at the same time say so, and are not rewound unasked",
    Effect.gen(function*() {
      const { checkpoints, directory, folder } = yield* opened({ "a": "0\n" })
      const other = yield* Checkpoints.make({ folder, directory })
      const [begun, done] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const thread = yield* (yield* Codex.Codex).startThread()
      const long = yield* thread.run("Go.").pipe(
        Effect.tap(Deferred.succeed(begun, undefined)),
        Effect.tap(Deferred.await(done)),
        checkpoints.track(thread),
        Effect.forkChild
      )
      yield* Deferred.await(begun)
      const [running] = yield* checkpoints.list()
      assert.isFalse(running?.isFinished)
      assert.strictEqual((yield* Effect.flip(checkpoints.changes(running!.id))).reason, "unfinished")
      yield* turn(other, () => write(folder, { "a": "1\n" }))
      yield* Deferred.succeed(done, undefined)
      const { id } = yield* Fiber.join(long)
      yield* turn(checkpoints, () => write(folder, { "b": "1\n" }))
      assert.deepStrictEqual((yield* checkpoints.list()).map(({ isShared }) => isShared), [false, true, true])
      const error = yield* Effect.flip(checkpoints.rewind(id))
      assert.deepInclude(error, { reason: "conflict" })
      yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "0\n")
    })
  )

  live(
    "are not taken for shared because of a program that died",
    Effect.gen(function*() {
      const { checkpoints, directory, folder } = yield* opened({ "a": "0\n" })
      const id = yield* turn(checkpoints, () => write(folder, { "a": "1\n" }))
      const [store = ""] = readdirSync(directory)
      const marker = join(directory, store, "active", "of-the-dead")
      writeFileSync(marker, ".")
      const now = lstatSync(marker).mtimeMs / 1000
      utimesSync(marker, now - 600, now - 600)
      yield* turn(checkpoints, () => write(folder, { "a": "2\n" }))
      yield* checkpoints.rewind(id)
      assert.isFalse(existsSync(marker))
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "0\n")
    })
  )

  live(
    "are forgotten by rule, and their space is freed",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "a": "0\n" })
      const ids: Array<string> = []
      for (const n of [1, 2, 3, 4]) ids.push(yield* turn(checkpoints, () => write(folder, { "a": `${n}\n` })))
      const left = Effect.map(checkpoints.list(), (all) => all.flatMap(({ turnIds }) => turnIds))
      assert.strictEqual(yield* checkpoints.forget({ keepLast: 3 }), 1)
      assert.deepStrictEqual(yield* left, [ids[3], ids[2], ids[1]])
      assert.strictEqual(yield* checkpoints.forget({ ids: [ids[2]!, "unknown"] }), 1)
      const [newest] = yield* checkpoints.list()
      assert.strictEqual(yield* checkpoints.forget({ threadId: Option.getOrThrow(newest!.threadId) }), 1)
      assert.deepStrictEqual(yield* left, [ids[1]])
      yield* checkpoints.rewind(ids[1]!, { conflicts: "overwrite" })
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "1\n")
    })
  )
})

describe("a failure", () => {
  const failing = (
    options: (given: { readonly base: string; readonly folder: string; readonly directory: string }) => object
  ) =>
    Effect.gen(function*() {
      const given = yield* folders
      return yield* Effect.flip(Checkpoints.make({ ...given, ...options(given) }))
    })

  live(
    "to begin says what is wrong",
    Effect.gen(function*() {
      const reasons = yield* Effect.forEach([
        failing(() => ({ git: "no-such-git" })),
        failing(({ folder }) => ({ folder: join(folder, "missing") })),
        failing(({ folder }) => ({ directory: join(folder, "store") })),
        failing(({ folder }) => ({ directory: folder })),
        failing(() => ({ folder: process.execPath }))
      ], (error) => Effect.map(error, (error) => error._tag === "CheckpointError" && error.reason))
      assert.deepStrictEqual(reasons, ["gitMissing", "folder", "folder", "folder", "folder"])
      for (
        const wrong of [{ folder: 1 }, { ignored: "yes" }, { maxFileBytes: -1 }, { exclude: "x" }, { folder: "a\0b" }]
      ) {
        assert.strictEqual((yield* failing(() => wrong))._tag, "InvalidArgument")
      }
    })
  )

  it.effect("because of a lock is told after a while, and names it", () =>
    Effect.gen(function*() {
      const { checkpoints, directory } = yield* opened({ "a": "0\n" })
      const [store = ""] = readdirSync(directory)
      writeFileSync(join(directory, store, "index.lock"), "")
      const failing = yield* Effect.forkChild(Effect.flip(turn(checkpoints, () => {})))
      // Git answers in real time, and the pauses between the attempts are the test's.
      while (failing.pollUnsafe() === undefined) {
        yield* Effect.promise(() => setImmediate())
        yield* TestClock.adjust("1 second")
      }
      const error = yield* Fiber.join(failing)
      assert.deepInclude(error, { _tag: "CheckpointError", reason: "locked", isRetryable: true })
      assert.include(error.message, "index.lock")
    }).pipe(Effect.scoped, Effect.provide(services)), timeout)

  live(
    "to find a checkpoint is typed",
    Effect.gen(function*() {
      const { checkpoints } = yield* opened({})
      const { changes, diff, rewind } = checkpoints
      for (const call of [changes, diff, rewind]) {
        const error = yield* Effect.flip(Effect.asVoid<unknown, unknown, never>(call("x")))
        assert.deepInclude(error, { _tag: "CheckpointError", reason: "notFound" })
      }
    })
  )

  live(
    "of the second snapshot keeps the turn's outcome, and the way back",
    Effect.gen(function*() {
      const { base, checkpoints, folder } = yield* opened({ "a": "0\n" })
      const id = yield* turn(checkpoints, () => renameSync(folder, join(base, "away")))
      renameSync(join(base, "away"), folder)
      assert.strictEqual((yield* Effect.flip(checkpoints.changes(id))).reason, "unfinished")
      write(folder, { "a": "1\n" })
      yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "0\n")
    })
  )

  live(
    "of the second snapshot keeps the turn's id, also where the folder is gone before the turn begins",
    Effect.gen(function*() {
      const { base, checkpoints, folder } = yield* opened({ "a": "0\n" })
      const thread = yield* (yield* Codex.Codex).startThread()
      const { id } = yield* Effect.sync(() => renameSync(folder, join(base, "away"))).pipe(
        Effect.andThen(thread.run("Go.")),
        checkpoints.track(thread)
      )
      const [checkpoint] = yield* checkpoints.list()
      assert.deepStrictEqual([checkpoint?.turnIds, checkpoint?.isFinished], [[id], false])
      // The one missing is the folder, not git.
      const error = yield* Effect.flip(checkpoints.rewind(id))
      assert.strictEqual(error._tag === "CheckpointError" ? error.reason : error._tag, "folder")
    })
  )
})

describe("a snapshot", () => {
  live(
    "of many files at once is as exact as that of a few",
    Effect.gen(function*() {
      const many = Array.from({ length: 600 }, (_, i) => [`d${i % 7}/f${i}`, `${i}\r\n`.repeat(i)] as const)
      const { checkpoints, folder } = yield* opened(Object.fromEntries(many))
      const before = treeOf(folder)
      const id = yield* turn(checkpoints, () => {
        write(folder, Object.fromEntries(many.map(([name, text]) => [name, `${text}more`])))
      })
      const changes = yield* checkpoints.changes(id)
      assert.deepStrictEqual([changes.length, changes.every(({ binary }) => !binary)], [600, true])
      yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(folder), before)
    })
  )

  live(
    "follows files that become folders or links, and the reverse",
    Effect.gen(function*() {
      const { checkpoints, folder } = yield* opened({ "f": "0\n", "d/x": "0\n", "d/y": "0\n", "target/x": "other\n" })
      symlinkSync("target", join(folder, "l"))
      const states = [treeOf(folder)]
      const ids: Array<string> = []
      const edits = [
        () => {
          unlinkSync(join(folder, "f"))
          write(folder, { "f/in": "1\n" })
          symlinkSync("../target", join(folder, "f/link"))
        },
        () => {
          rmSync(join(folder, "d"), { recursive: true })
          symlinkSync("target", join(folder, "d"))
        },
        () => {
          unlinkSync(join(folder, "l"))
          write(folder, { "l/x": "1\n" })
        },
        () => {
          rmSync(join(folder, "f"), { recursive: true })
          mkdirSync(join(folder, "f"))
        }
      ]
      for (const edit of edits) {
        ids.push(yield* turn(checkpoints, edit))
        states.push(treeOf(folder))
      }
      for (const [i, id] of [...ids.entries()].reverse()) {
        yield* checkpoints.rewind(id)
        assert.deepStrictEqual(treeOf(folder), states[i])
      }
      assert.isTrue(lstatSync(join(folder, "l")).isSymbolicLink())
    })
  )
})

describe("a mock", () => {
  it.effect("has what it is given, runs what is tracked, and dies with the name of anything else", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints.Checkpoints
      const thread = yield* (yield* Codex.Codex).startThread()
      const { id } = yield* thread.run("Go.").pipe(checkpoints.track(thread))
      assert.deepStrictEqual(yield* checkpoints.changes(id), [])
      const cause = yield* Effect.flip(Effect.sandbox(checkpoints.rewind(id)))
      assert.include(String(cause), "Checkpoints.rewind was used, and the mock does not have it")
    }).pipe(
      Effect.provide([CodexTest.mockCheckpoints({ changes: () => Effect.succeed([]) }), CodexTest.layerText("Done.")])
    ))
})
