/** What a pool does in a service that lives for long: it closes, waits, drains and is asked too much. */
import { Codex } from "@effect-codex/client"
import { CodexExecutable, CodexPool } from "@effect-codex/node"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Logger, Option, Schedule, type Scope } from "effect"
import { ended } from "./support/processes.ts"

type Services = Codex.Codex | CodexPool.CodexPool | CodexHome.CodexHome | ScriptedModel.ScriptedModel

const said: Array<string> = []
const logs = Logger.layer([Logger.make(({ message }) => said.push(String(message)))])

const real = (
  name: string,
  options: CodexPool.Options,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      said.length = 0
      const home = yield* CodexHome.CodexHome
      yield* test.pipe(Effect.provide(CodexPool.layer({ env: home.env, cwd: home.workspace, ...options })))
    }).pipe(
      Effect.scoped,
      Effect.provide([
        CodexHome.layer().pipe(
          Layer.provideMerge(ScriptedModel.layer({ answer: ({ prompt }) => `You said: ${prompt}` }))
        ),
        logs
      ])
    ))

const stats = Effect.flatMap(CodexPool.CodexPool, ({ stats }) => stats)
const until = (isSo: (stats: CodexPool.Stats) => boolean) =>
  Effect.repeat(Effect.delay(stats, "20 millis"), { until: isSo }).pipe(Effect.timeout("30 seconds"))

const ask = Effect.fnUntraced(function*(question: string) {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  return yield* thread.run(question)
})

describe("a pool that closes", () => {
  it.live("starts nothing again, also with a process that was the spare one", () =>
    Effect.gen(function*() {
      said.length = 0
      const home = yield* CodexHome.CodexHome
      const all = yield* Effect.gen(function*() {
        const pool = yield* CodexPool.CodexPool
        yield* until(({ sparePid }) => Option.isSome(sparePid))
        yield* pool.recycle
        const { processes, sparePid } = yield* until(({ sparePid }) => Option.isSome(sparePid))
        said.length = 0
        return [...processes.map(({ pid }) => pid), Option.getOrThrow(sparePid)]
      }).pipe(
        Effect.provide(CodexPool.layer({ env: home.env, processes: 2, spare: true })),
        Effect.provide(logs)
      )
      assert.deepStrictEqual(said, [])
      yield* Effect.forEach(all, ended)
    }).pipe(Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))))
})

describe("recycling", () => {
  real(
    "that is interrupted leaves the processes to new threads",
    { processes: 2 },
    Effect.gen(function*() {
      const pool = yield* CodexPool.CodexPool
      const codex = yield* Codex.Codex
      // It would be lost, so it keeps the process.
      yield* codex.startThread({ ephemeral: true })
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(pool.recycle, "500 millis")))
      assert.deepStrictEqual((yield* stats).processes.map(({ state }) => state), ["up", "up"])
    })
  )

  real(
    "by age replaces all under constant load",
    { processes: 2, recycleAfter: { age: "2 seconds" } },
    Effect.gen(function*() {
      const load = yield* Effect.forEach(
        Array.from({ length: 4 }),
        () => Effect.forkChild(Effect.forever(Effect.exit(ask("hi"))))
      )
      yield* until(({ processes }) => processes.every(({ restarts }) => restarts >= 1))
      yield* Effect.forEach(load, Fiber.interrupt, { concurrency: "unbounded" })
    })
  )

  it.live("stops when no other process starts in the place of one", () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const fs = yield* FileSystem.FileSystem
      const executable = `${home.workspace}/codex`
      const found = yield* CodexExecutable.find()
      yield* fs.symlink(found.executable, executable)
      yield* Effect.gen(function*() {
        const pool = yield* CodexPool.CodexPool
        yield* fs.remove(executable)
        yield* fs.symlink("/bin/false", executable)
        const recycling = yield* Effect.forkChild(pool.recycle)
        yield* until(({ processes }) => processes[0]!.state === "restoring")
        yield* Effect.sleep("1 second")
        assert.deepStrictEqual((yield* stats).processes.map(({ state }) => state), ["restoring", "up"])
        yield* fs.remove(executable)
        yield* fs.symlink(found.executable, executable)
        yield* Fiber.join(recycling)
        assert.deepStrictEqual((yield* stats).processes.map(({ restarts }) => restarts), [1, 1])
      }).pipe(Effect.provide(CodexPool.layer({
        env: home.env,
        executable,
        processes: 2,
        restart: Schedule.spaced("100 millis")
      })))
    }).pipe(Effect.provide([
      CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())),
      NodeServices.layer,
      Logger.layer([])
    ])))
})

describe("a process that answers", () => {
  real(
    "is left alone while the model and a command say nothing for long",
    { processes: 1, hangTimeout: "1 second" },
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(
        ScriptedModel.reply([ScriptedModel.delay("3 seconds"), ScriptedModel.exec("sleep 3")]),
        ScriptedModel.text(["done"])
      )
      assert.strictEqual((yield* ask("hi")).status, "completed")
      assert.deepStrictEqual((yield* stats).processes.map(({ restarts }) => restarts), [0])
    })
  )

  real(
    "is left alone when the whole machine stood still",
    { processes: 1, hangTimeout: "2 seconds" },
    Effect.gen(function*() {
      const pid = (yield* stats).processes[0]!.pid
      process.kill(pid, "SIGSTOP")
      // By now it was asked whether it is there.
      yield* Effect.sleep("700 millis")
      yield* Effect.sync(() => {
        const end = performance.now() + 3000
        while (performance.now() < end);
      })
      yield* Effect.sleep("100 millis")
      process.kill(pid, "SIGCONT")
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual((yield* stats).processes.map(({ restarts }) => restarts), [0])
    })
  )

  real(
    "is left alone when others of its requests are never answered",
    { processes: 1, hangTimeout: "600 millis", maxInFlight: 1 },
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      // codex waits for a server that is required, and says nothing meanwhile.
      const slow = { command: "sleep", args: ["60"], required: true, startup_timeout_sec: 60 }
      const start = codex.startThread({ config: { mcp_servers: { slow } } })
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(start, "3 seconds")))
      assert.deepStrictEqual((yield* stats).processes.map(({ restarts }) => restarts), [0])
    })
  )
})

describe("a pool that is not there yet", () => {
  /** A codex that notes the id of each process, and does something else instead from the third on. */
  const scripted = Effect.fnUntraced(function*(instead: string) {
    const home = yield* CodexHome.CodexHome
    const fs = yield* FileSystem.FileSystem
    const { executable } = yield* CodexExecutable.find()
    const [script, noted] = [`${home.workspace}/codex`, `${home.workspace}/pids`]
    yield* fs.writeFileString(
      script,
      `#!/bin/sh\necho $$ >> ${noted}\nif [ "$(wc -l < ${noted})" -ge 3 ]; then ${instead}; fi\nexec ${executable} "$@"\n`
    )
    yield* fs.chmod(script, 0o755)
    const pids = Effect.map(
      Effect.orElseSucceed(fs.readFileString(noted), () => ""),
      (text) => text.split("\n").filter((line) => line !== "").map(Number)
    )
    return { pids, options: { env: home.env, executable: script, processes: 4 } satisfies CodexPool.Options }
  })

  const withScript = <A, E>(
    effect: Effect.Effect<A, E, CodexHome.CodexHome | FileSystem.FileSystem | NodeServices.NodeServices>
  ) =>
    effect.pipe(Effect.provide([
      CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())),
      NodeServices.layer,
      Logger.layer([])
    ]))

  for (const spare of [false, true]) {
    it.live(`leaves nothing when a process does not start, ${spare ? "with" : "without"} a spare one`, () =>
      withScript(Effect.gen(function*() {
        const { options, pids } = yield* scripted("echo no >&2; exit 3")
        const error = yield* Effect.flip(Effect.scoped(Layer.build(CodexPool.layer({ ...options, spare }))))
        assert.strictEqual(error._tag, "AppServerStartError")
        const all = yield* pids
        assert.isAtLeast(all.length, 3)
        yield* Effect.forEach(all, ended)
      })))

    it.live(`leaves nothing when it is interrupted, ${spare ? "with" : "without"} a spare one`, () =>
      withScript(Effect.gen(function*() {
        const { options, pids } = yield* scripted("exec sleep 60")
        const building = yield* Effect.forkChild(Effect.scoped(Layer.build(CodexPool.layer({ ...options, spare }))))
        const all = yield* Effect.repeat(Effect.delay(pids, "20 millis"), { until: ({ length }) => length >= 3 })
        yield* Fiber.interrupt(building)
        yield* Effect.forEach([...all, ...yield* pids], ended)
      })))
  }
})
