/**
 * Measures checkpoints on a folder of many files, beside what git takes for it by hand in the same folder. Creates the
 * folder below the home folder and removes it. In the folder of the repository:
 *
 *     npx node --conditions=@effect-codex/source packages/client/scripts/checkpoints.ts --files 100000
 *
 * Other work on the machine changes the times: compare the columns of one run.
 */
import { Checkpoints } from "@effect-codex/client"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Clock, Console, Effect, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { homedir, loadavg } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: { files: { type: "string", default: "100000" }, rounds: { type: "string", default: "3" } }
})
const files = Number(values.files)
const rounds = Number(values.rounds)

const words = "const function return import from export type readonly string number boolean value index found".split(
  " "
)

/** Text of about 1.5 kB that git can compress as it can sources, and that differs in each file. */
const textOf = (seed: number): string => {
  let state = seed + 1
  const next = () => (state = Math.imul(state, 1103515245) + 12345 >>> 0) >>> 8
  return Array.from(
    { length: 20 + next() % 40 },
    () => Array.from({ length: 2 + next() % 6 }, () => words[next() % words.length]).join(" ")
  ).join(`${next()}\n`)
}

const nameOf = (i: number) => `src/d${i % 40}/e${Math.floor(i / 40) % 50}/file${i}.ts`

const folders = Effect.acquireRelease(
  Effect.sync(() => {
    const base = mkdtempSync(join(homedir(), ".effect-codex-checkpoints-"))
    return { base, folder: join(base, "work"), directory: join(base, "store") }
  }),
  ({ base }) => Effect.sync(() => rmSync(base, { recursive: true, force: true }))
)

const git = (folder: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", ["-c", "user.name=u", "-c", "user.email=u@localhost", "-c", "gc.auto=0", ...args], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" }
  })

const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)} s`

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const began = yield* Clock.monotonicTimeNanos
    const value = yield* effect
    return [Number((yield* Clock.monotonicTimeNanos) - began) / 1e6, value] as const
  })

const row = (what: string, ours: number | undefined, byHand: number | undefined): string =>
  [
    what.padEnd(48),
    (ours === undefined ? "" : seconds(ours)).padStart(10),
    (byHand === undefined ? "" : seconds(byHand)).padStart(10),
    (ours === undefined || byHand === undefined ? "" : (ours / byHand).toFixed(2)).padStart(8)
  ].join(" ")

/** Tracks a turn in which this happens, and tells how long the snapshots before and after it took. */
const turn = (checkpoints: Checkpoints.Checkpoints["Service"], id: string, edit: () => void) =>
  Effect.gen(function*() {
    const thread = {
      id: "thread",
      events: Stream.make({ _tag: "turn/started", params: { threadId: "thread", turn: { id } } } as never)
    }
    let ended = 0n
    const began = yield* Clock.monotonicTimeNanos
    const between = yield* Effect.gen(function*() {
      const now = yield* Clock.monotonicTimeNanos
      yield* Effect.sync(edit)
      ended = yield* Clock.monotonicTimeNanos
      return now
    }).pipe(checkpoints.track(thread))
    return {
      before: Number(between - began) / 1e6,
      after: Number((yield* Clock.monotonicTimeNanos) - ended) / 1e6
    }
  })

const program = Effect.gen(function*() {
  const { base, directory, folder } = yield* folders
  for (let i = 0; i < files; i++) {
    const file = join(folder, nameOf(i))
    if (i < 2000) mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, textOf(i))
  }
  let version = 0
  const change = () => {
    version++
    for (let i = 0; i < 10; i++) {
      writeFileSync(join(folder, nameOf(Math.floor((i * files) / 10))), `${version}\n${textOf(version * 10 + i)}`)
    }
  }
  const print = (...cells: Parameters<typeof row>) => Console.log(row(...cells))
  yield* Console.log(`${files} files, load ${loadavg()[0]?.toFixed(1)}`)
  yield* Console.log("".padEnd(48) + ["checkpoint", "by hand"].map((name) => name.padStart(11)).join("") + "    ratio")

  const checkpoints = yield* Checkpoints.make({ folder, directory })
  const usage = process.cpuUsage()
  const first = yield* turn(checkpoints, "first", () => {})
  const { system, user } = process.cpuUsage(usage)
  yield* Console.log(`of the first snapshot, this process used the processor for ${seconds((user + system) / 1000)}`)
  git(folder, "init", "-q")
  const [addAll] = yield* timed(Effect.sync(() => git(folder, "add", "-A")))
  git(folder, "commit", "-q", "-m", "one")
  yield* print("first snapshot; git add -A", first.before, addAll)

  for (let round = 1; round <= rounds; round++) {
    const none = yield* turn(checkpoints, `none-${round}`, () => {})
    const [stashNone] = yield* timed(Effect.sync(() => git(folder, "stash", "create")))
    yield* print("nothing changed, before; git stash create", none.before, stashNone)
    yield* print("nothing changed, after", none.after, stashNone)
    const ten = yield* turn(checkpoints, `ten-${round}`, change)
    const [stashTen] = yield* timed(Effect.sync(() => git(folder, "stash", "create")))
    yield* print("10 files changed, before; git stash create", ten.before, stashTen)
    yield* print("10 files changed, after", ten.after, stashTen)
    const [changes] = yield* timed(checkpoints.changes(`ten-${round}`))
    const [stashed] = yield* timed(Effect.sync(() => git(folder, "diff", "--numstat", "HEAD")))
    yield* print("changes; git diff --numstat", changes, stashed)
    const [diff] = yield* timed(checkpoints.diff(`ten-${round}`))
    yield* print("diff", diff, undefined)
    const [dry] = yield* timed(checkpoints.rewind(`ten-${round}`, { dryRun: true }))
    yield* print("rewind, dry", dry, undefined)
    const [rewind] = yield* timed(checkpoints.rewind(`ten-${round}`))
    yield* Effect.sync(change)
    const [checkout] = yield* timed(Effect.sync(() => git(folder, "checkout", "-q", "--", ".")))
    yield* print("rewind; git checkout -- .", rewind, checkout)
  }

  const big = join(folder, "big.bin")
  const one = yield* turn(checkpoints, "big", () => writeFileSync(big, randomBytes(32_000_000)))
  const [stashBig] = yield* timed(Effect.sync(() => {
    git(folder, "add", "big.bin")
    git(folder, "stash", "create")
  }))
  yield* print("a file of 32 MB; git add, git stash create", one.after, stashBig)
  const size = (path: string) => execFileSync("du", ["-sm", path], { encoding: "utf8" }).split("\t")[0]
  yield* Console.log(`checkpoints ${size(directory)} MiB, .git ${size(join(folder, ".git"))} MiB, folder ${base}`)
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
