/** Folders, repositories and environments that are out to run a program, to hang git, or to lose files. */
import { Checkpoints, Codex } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { folders, git, hashOf, services, treeOf, turn, write } from "../support/trees.ts"

type Services =
  | Scope.Scope
  | Effect.Services<ReturnType<typeof turn>>
  | Effect.Services<ReturnType<typeof Checkpoints.make>>

// Each test starts git some fifty times.
const timeout = 60_000

const live = (name: string, test: Effect.Effect<void, unknown, Services>) =>
  it.live(name, () => test.pipe(Effect.scoped, Effect.provide(services)), timeout)

/** Sets variables of this process until the scope closes. */
const withEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const ran = (base: string) => readdirSync(base).filter((name) => name.endsWith("-ran"))

describe("the user's configuration", () => {
  live(
    "runs no program and leads nothing elsewhere, whether it is global or in the environment",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      write(folder, {
        ".gitattributes": "* text=auto filter=evil diff=evil merge=evil\n*.bin diff=text\n",
        "a.txt": "1\r\n",
        "b.bin": Uint8Array.of(0, 1)
      })
      git(folder, "init", "-q")
      git(folder, "add", "-A")
      git(folder, "commit", "-q", "-m", "one")
      const touch = (name: string) => `touch ${base}/${name}-ran; false`
      const hooks = join(base, "hooks")
      for (const hook of ["post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"]) {
        write(hooks, { [hook]: `#!/bin/sh\n${touch("hook")}\n` })
        execFileSync("chmod", ["+x", join(hooks, hook)])
      }
      const evil: ReadonlyArray<readonly [string, string]> = [
        ["core.fsmonitor", join(hooks, "fsmonitor-watchman")],
        ["core.hooksPath", hooks],
        ["core.pager", touch("pager")],
        ["core.editor", touch("editor")],
        ["core.excludesFile", join(base, "excludes")],
        ["core.attributesFile", join(folder, ".gitattributes")],
        ["core.worktree", base],
        ["diff.external", touch("diff")],
        ["diff.evil.command", touch("diff")],
        ["diff.evil.textconv", touch("textconv")],
        ["filter.evil.clean", touch("filter")],
        ["filter.evil.smudge", touch("filter")],
        ["filter.evil.required", "true"],
        ["gpg.program", touch("gpg")],
        ["commit.gpgSign", "true"],
        ["init.templateDir", hooks],
        ["uploadpack.packObjectsHook", touch("pack")],
        ["trace2.eventTarget", join(base, "trace-ran")]
      ]
      write(base, { excludes: "*.bin\n" })
      const configuration = join(base, "config")
      for (const [name, value] of evil) git(folder, "config", "--file", configuration, name, value)
      const before = treeOf(folder)
      const hash = hashOf(join(folder, ".git"))
      yield* withEnvironment({
        GIT_CONFIG_GLOBAL: configuration,
        GIT_CONFIG_SYSTEM: configuration,
        GIT_CONFIG_COUNT: String(evil.length),
        ...Object.fromEntries(evil.flatMap(([name, value], i) => [
          [`GIT_CONFIG_KEY_${i}`, name],
          [`GIT_CONFIG_VALUE_${i}`, value]
        ])),
        GIT_CONFIG_PARAMETERS: `'core.hooksPath=${hooks}'`,
        GIT_DIR: join(folder, ".git"),
        GIT_WORK_TREE: base,
        GIT_COMMON_DIR: join(folder, ".git"),
        GIT_INDEX_FILE: join(folder, ".git/index"),
        GIT_OBJECT_DIRECTORY: join(folder, ".git/objects"),
        GIT_ALTERNATE_OBJECT_DIRECTORIES: join(folder, ".git/objects"),
        GIT_NAMESPACE: "evil",
        GIT_EXTERNAL_DIFF: touch("diff"),
        GIT_DIFF_OPTS: "-u0",
        GIT_LITERAL_PATHSPECS: "0",
        GIT_ICASE_PATHSPECS: "1",
        GIT_CEILING_DIRECTORIES: base,
        GIT_TEMPLATE_DIR: hooks,
        GIT_DEFAULT_HASH: "sha256",
        GIT_ATTR_SOURCE: "HEAD",
        GIT_AUTHOR_DATE: "never",
        XDG_CONFIG_HOME: base
      })
      const checkpoints = yield* Checkpoints.make({ folder, directory })
      const id = yield* turn(checkpoints, () => write(folder, { "a.txt": "2\r\n", "b.bin": Uint8Array.of(0, 2) }))
      assert.deepStrictEqual((yield* checkpoints.changes(id)).map(({ path }) => path), ["a.txt", "b.bin"])
      assert.include(yield* checkpoints.diff(id), "-1\r\n+2\r\n")
      yield* checkpoints.rewind(id)
      assert.deepStrictEqual(treeOf(folder), before)
      yield* checkpoints.forget({ keepLast: 0 })
      assert.strictEqual(hashOf(join(folder, ".git")), hash)
      assert.deepStrictEqual(ran(base), [])
    })
  )
})

describe("a folder", () => {
  live(
    "with pipes in the place of files that git reads does not hang, and names them",
    Effect.gen(function*() {
      const { directory, folder } = yield* folders
      write(folder, { "a": "0\n", "d/b": "0\n" })
      git(folder, "init", "-q", "--template=")
      mkdirSync(join(folder, ".git/info"), { recursive: true })
      const pipe = (name: string) => execFileSync("mkfifo", [join(folder, name)])
      pipe(".git/info/exclude")
      const checkpoints = yield* Checkpoints.make({ folder, directory })
      const id = yield* turn(checkpoints, () => {
        write(folder, { "a": "1\n" })
        pipe("pipe")
        pipe("d/.gitignore")
        symlinkSync("/dev/zero", join(folder, "endless"))
      })
      const error = yield* Effect.flip(checkpoints.rewind(id))
      assert.deepInclude(error, { _tag: "CheckpointError", reason: "blocked", paths: ["d/.gitignore"] })
      unlinkSync(join(folder, "d/.gitignore"))
      yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "0\n")
    }).pipe(Effect.timeout("40 seconds"))
  )

  live(
    "may be deeper than a path can be long",
    Effect.gen(function*() {
      const { directory, folder } = yield* folders
      write(folder, { "a": "0\n" })
      const checkpoints = yield* Checkpoints.make({ folder, directory })
      const id = yield* turn(checkpoints, () => {
        write(folder, { "a": "1\n" })
        execFileSync("sh", [
          "-c",
          "for i in $(seq 30); do mkdir $0 && cd -P $0 || exit; done; echo 1 > f",
          "x".repeat(200)
        ], {
          cwd: folder
        })
      })
      assert.include((yield* checkpoints.changes(id)).map(({ path }) => path), "a")
      yield* checkpoints.rewind(id, { conflicts: "overwrite" })
      assert.strictEqual(readFileSync(join(folder, "a"), "utf8"), "0\n")
      execFileSync("rm", ["-rf", "x".repeat(200)], { cwd: folder })
    })
  )

  live(
    "may be a submodule, and have submodules, whose repositories stay as they are",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      const source = join(base, "source")
      write(source, { "lib": "1\n" })
      git(source, "init", "-q")
      git(source, "add", "-A")
      git(source, "commit", "-q", "-m", "one")
      write(folder, { "a": "1\n" })
      git(folder, "init", "-q")
      git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "sub")
      git(folder, "add", "-A")
      git(folder, "commit", "-q", "-m", "one")
      const hash = hashOf(join(folder, ".git"))
      const before = treeOf(folder)
      for (const at of [folder, join(folder, "sub")]) {
        const checkpoints = yield* Checkpoints.make({ folder: at, directory })
        const id = yield* turn(checkpoints, () => write(folder, { "sub/lib": "2\n", "sub/new": "1\n" }))
        const prefix = at === folder ? "sub/" : ""
        assert.deepStrictEqual(
          (yield* checkpoints.changes(id)).map(({ kind, path }) => [kind, path]),
          [["modified", `${prefix}lib`], ["added", `${prefix}new`]]
        )
        yield* checkpoints.rewind(id)
        assert.deepStrictEqual(treeOf(folder), before)
        assert.isTrue(existsSync(join(folder, "sub/.git")))
      }
      assert.strictEqual(hashOf(join(folder, ".git")), hash)
    })
  )
})

/** A git that does something else first, for its arguments. */
const wrapped = (base: string, script: string) => {
  const path = join(base, "git")
  writeFileSync(path, `#!/bin/sh\n${script}\nexec git "$@"\n`, { mode: 0o755 })
  return path
}

describe("a full disk", () => {
  live(
    "fails a snapshot before the turn begins, and says so",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      write(folder, { "a": "0\n" })
      const path = wrapped(
        base,
        `case "$*" in *write-tree*) [ -e ${base}/full ] && {\n` +
          "echo 'fatal: unable to write tree: No space left on device' >&2; exit 128; } ;; esac"
      )
      const checkpoints = yield* Checkpoints.make({ folder, directory, git: path })
      write(base, { full: "" })
      let hasRun = false
      const error = yield* Effect.flip(turn(checkpoints, () => {
        hasRun = true
      }))
      assert.deepInclude(error, { _tag: "CheckpointError", reason: "git" })
      assert.include(error.message, "No space left on device")
      assert.isFalse(hasRun)
      unlinkSync(join(base, "full"))
      const id = yield* turn(checkpoints, () => write(folder, { "a": "1\n" }))
      assert.lengthOf(yield* checkpoints.changes(id), 1)
    })
  )

  live(
    "in the middle of a rewind is told as that, with the way back",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      write(folder, { "a": "0\n", "b": "0\n" })
      const path = wrapped(
        base,
        `case "$*" in *"read-tree -m -u"*) [ -e ${base}/full ] && { echo 0 > ${folder}/a\n` +
          "echo 'error: unable to write file b' >&2; echo 'fatal: No space left on device' >&2; exit 128; } ;; esac"
      )
      const checkpoints = yield* Checkpoints.make({ folder, directory, git: path })
      const id = yield* turn(checkpoints, () => write(folder, { "a": "1\n", "b": "1\n" }))
      const edited = treeOf(folder)
      write(base, { full: "" })
      const error = yield* Effect.flip(checkpoints.rewind(id))
      assert.deepInclude(error, { _tag: "CheckpointError", reason: "git" })
      const [half] = yield* checkpoints.list()
      assert.deepInclude(half, { kind: "rewind", isFinished: false })
      assert.include(error.message, half!.id)
      unlinkSync(join(base, "full"))
      yield* checkpoints.rewind(half!.id, { conflicts: "overwrite" })
      assert.deepStrictEqual(treeOf(folder), edited)
    })
  )
})

describe("snapshots", () => {
  live(
    "that are interrupted leave no lock behind, and the next one is whole",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      write(folder, Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, `${i}\n`])))
      const begun = join(base, "begun")
      execFileSync("mkfifo", [begun])
      const path = wrapped(
        base,
        `case "$*" in *"update-index"*) [ -e ${base}/slow ] && { (sleep 30; cat) | git "$@" & echo > ${begun}; wait; } ;; esac`
      )
      const checkpoints = yield* Checkpoints.make({ folder, directory, git: path })
      write(base, { slow: "" })
      const thread = yield* (yield* Codex.Codex).startThread()
      const running = yield* Effect.forkChild(checkpoints.track(thread)(thread.run("Go.")))
      yield* Effect.promise(() => import("node:fs/promises").then((fs) => fs.readFile(begun)))
      yield* Fiber.interrupt(running)
      unlinkSync(join(base, "slow"))
      const id = yield* turn(checkpoints, () => write(folder, { "f7": "changed\n" }))
      assert.deepStrictEqual((yield* checkpoints.changes(id)).map(({ path }) => path), ["f7"])
      const [store = ""] = readdirSync(directory)
      assert.deepStrictEqual(readdirSync(join(directory, store)).filter((name) => name.endsWith(".lock")), [])
    })
  )

  live(
    "of several programs in one folder wait for each other",
    Effect.gen(function*() {
      const { base, directory, folder } = yield* folders
      write(folder, { "a": "0\n" })
      // Git holds its lock while it reads its input.
      const slow = wrapped(
        base,
        `case "$*" in *"update-index"*"--stdin"*) (sleep 0.2; cat) | git "$@"; exit $? ;; esac`
      )
      const all = yield* Effect.all([1, 2, 3].map(() => Checkpoints.make({ folder, directory, git: slow })))
      const gate = yield* Deferred.make<void>()
      const ids = yield* Effect.forEach(
        all,
        (checkpoints, i) =>
          Effect.andThen(
            i === 0 ? Deferred.succeed(gate, undefined) : Deferred.await(gate),
            Effect.forEach([1, 2], (n) => turn(checkpoints, () => write(folder, { [`f${i}-${n}`]: `${n}\n` })))
          ),
        { concurrency: "unbounded" }
      )
      const list = yield* all[0]!.list()
      assert.sameMembers(list.flatMap(({ turnIds }) => turnIds), ids.flat())
      assert.isTrue(list.every(({ isFinished }) => isFinished))
      const oldest = list.at(-1)!
      const { id } = yield* all[1]!.rewind(oldest.id, { conflicts: "overwrite" })
      assert.isTrue(Option.isSome(id))
    })
  )
})
