import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as DirectPipes from "../src/internal/directPipes.ts"

/** Fails when Node does not tell of its processes any more. */
const start = Effect.fnUntraced(function*(program: string) {
  const { handle, pipes } = yield* DirectPipes.spawn(ChildProcess.make(process.execPath, ["-e", program]))
  assert.isDefined(pipes)
  return { handle, pipes }
})

/** Reads until the text is there, or to the end. */
const read = Effect.fnUntraced(function*(pipes: Effect.Success<ReturnType<typeof start>>["pipes"], until?: string) {
  let text = ""
  const found = yield* Deferred.make<void>()
  const whole = pipes.read((chunk) => {
    text += new TextDecoder().decode(chunk)
    if (until !== undefined && text.includes(until)) Deferred.doneUnsafe(found, Effect.void)
  })
  yield* Effect.raceFirst(whole, Deferred.await(found))
  return text
})

const live = (name: string, test: Effect.Effect<void, unknown, Effect.Services<ReturnType<typeof start>>>) =>
  it.live(name, () => test.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

describe("directPipes", () => {
  live(
    "reads what was written before the reading, and goes on where a reader left off",
    Effect.gen(function*() {
      const { handle, pipes } = yield* start(
        "console.log('one'); process.stdin.on('data', (line) => console.log(`${line}`))"
      )
      assert.strictEqual(yield* read(pipes, "one"), "one\n")
      yield* pipes.write("two")
      yield* pipes.end
      // By then it has come, while nobody read.
      yield* handle.exitCode
      assert.strictEqual(yield* read(pipes), "two\n")
      assert.strictEqual(yield* read(pipes), "")
    })
  )

  live(
    "says of a full read that more follows, and after the last that nothing does",
    Effect.gen(function*() {
      const { handle, pipes } = yield* start(`
        require("node:fs").writeSync(1, "x".repeat(65_536))
        console.error("written")
        setInterval(() => {}, 1000)`)
      yield* Stream.runHead(handle.stderr)
      const reads: Array<readonly [bytes: number, more: boolean | undefined]> = []
      const ended = yield* Deferred.make<void>()
      yield* Effect.raceFirst(
        pipes.read(({ length }, more) => {
          reads.push([length, more])
          const bytes = reads.reduce((sum, [length]) => sum + length, 0)
          if (bytes === 65_536 && more !== true) Deferred.doneUnsafe(ended, Effect.void)
        }),
        Deferred.await(ended)
      )
      assert.deepStrictEqual(reads, [[65_536, true], [0, false]])
    })
  )

  live(
    "writes what comes at once as one",
    Effect.gen(function*() {
      const { pipes } = yield* start("process.stdin.on('data', (data) => console.log(`[${data}]`))")
      yield* Effect.forEach(["a", "b", "c"], pipes.write)
      assert.strictEqual(yield* read(pipes, "]"), "[abc]\n")
    })
  )

  live(
    "ends stdin after what was written",
    Effect.gen(function*() {
      const { pipes } = yield* start("process.stdin.pipe(process.stdout)")
      yield* pipes.write("last words")
      yield* pipes.end
      assert.strictEqual(yield* read(pipes), "last words")
    })
  )

  live(
    "releases who waits to write when the process is gone",
    Effect.gen(function*() {
      const { handle, pipes } = yield* start("console.log('ready'); setInterval(() => {}, 1000)")
      yield* read(pipes, "ready")
      yield* pipes.write("x".repeat(4_000_000))
      yield* Effect.promise(() => new Promise((resolve) => process.nextTick(resolve)))
      const waiting = yield* Effect.forkChild(pipes.write(""), { startImmediately: true })
      assert.isUndefined(waiting.pollUnsafe())
      yield* handle.kill()
      yield* Fiber.join(waiting)
    })
  )

  live(
    "waits while the pipe is full, and goes on when it is read",
    Effect.gen(function*() {
      const { handle, pipes } = yield* start(`
        let bytes = 0
        process.on("SIGUSR2", () => process.stdin.on("data", (data) => {
          bytes += data.length
          if (bytes === 4_000_000) console.log("all")
        }))
        console.log("ready")
        setInterval(() => {}, 1000)`)
      yield* read(pipes, "ready")
      yield* pipes.write("x".repeat(4_000_000))
      yield* Effect.promise(() => new Promise((resolve) => process.nextTick(resolve)))
      const warnings: Array<Error> = []
      const note = (warning: Error) => warnings.push(warning)
      process.on("warning", note)
      const write = Effect.forkChild(pipes.write(""), { startImmediately: true })
      const waiting = yield* Effect.all(Array.from({ length: 20 }, () => write))
      assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() === undefined))
      process.kill(handle.pid, "SIGUSR2")
      yield* read(pipes, "all")
      yield* Fiber.joinAll(waiting)
      process.off("warning", note)
      assert.deepStrictEqual(warnings, [])
    })
  )

  live(
    "neither fails nor waits when nobody is there to read, and says so",
    Effect.gen(function*() {
      const { handle, pipes } = yield* start(
        "require('node:fs').closeSync(0); console.log('deaf'); setInterval(() => {}, 1000)"
      )
      yield* read(pipes, "deaf")
      yield* pipes.write("x".repeat(4_000_000))
      assert.instanceOf(yield* pipes.writeFailure, Error)
      yield* pipes.write("more")
      yield* pipes.end
      yield* handle.kill()
    })
  )
})
