import { Codex, type Thread } from "@effect-codex/client"
import { CodexTest, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Option, Schedule } from "effect"
import { TestClock } from "effect/testing"

/** Needs a command and an answer, which take no time or 90 seconds. */
const Live = CodexTest.layer({
  respond: (input, { toolOutputs }) => {
    if (toolOutputs.length === 0) return ScriptedModel.exec("ls")
    return input === "slow" ? Effect.as(Effect.sleep("90 seconds"), "slow") : "fast"
  }
})

const timed = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const before = yield* Clock.currentTimeMillis
  const result = yield* effect
  return [result, (yield* Clock.currentTimeMillis) - before] as const
})

const run = (thread: Thread.Thread, input: string) =>
  Effect.map(
    Effect.timeoutOption(thread.run(input), "1 minute"),
    (result) => Option.isSome(result) ? "done" : "timed out"
  )

/** Twelve threads, four at a time, of which every third needs longer than it may take. */
const batch = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  return yield* Effect.forEach(
    Array.from({ length: 12 }, (_, index) => index % 3 === 0 ? "slow" : "fast"),
    (input) => Effect.flatMap(codex.startThread(), (thread) => timed(run(thread, input))),
    { concurrency: 4 }
  )
})

const outcomes = Array.from(
  { length: 12 },
  (_, index) => index % 3 === 0 ? ["timed out", 60_000] as const : ["done", 0] as const
)

describe("the time of a test", () => {
  it.effect("passes for what waits, and for nothing else", () =>
    Effect.gen(function*() {
      const [results, took] = yield* timed(CodexTest.eventually(batch))
      assert.deepStrictEqual(results, outcomes)
      assert.strictEqual(took, 60_000)
    }).pipe(Effect.provide(Live)))

  it.effect("moves on in one step, however much there is to do before it", () =>
    Effect.gen(function*() {
      const running = yield* Effect.forkChild(batch)
      yield* CodexTest.advance("2 minutes")
      assert.deepStrictEqual(yield* Fiber.join(running), outcomes)
    }).pipe(Effect.provide(Live)))

  it.effect("stands where the effect ended, whatever else ticks", () =>
    Effect.gen(function*() {
      let ticks = 0
      const tick = Effect.sync(() => {
        ticks++
      })
      yield* Effect.forkChild(Effect.repeat(tick, Schedule.spaced("1 second")))
      const thread = yield* (yield* Codex.Codex).startThread()
      const later = Effect.andThen(Effect.sleep("2500 millis"), thread.run("fast"))
      const [, took] = yield* timed(CodexTest.eventually(later))
      assert.deepStrictEqual([took, ticks], [2500, 3])
    }).pipe(Effect.provide(Live)))

  it.effect("hands on the failure of the effect", () =>
    Effect.gen(function*() {
      const failing = Effect.andThen(Effect.sleep("1 hour"), Effect.fail("no"))
      assert.strictEqual(yield* Effect.flip(CodexTest.eventually(failing)), "no")
    }))

  it.effect("ends a test that waits for something else", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(CodexTest.eventually(Effect.never, { within: "1 hour" }))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "within 1h of the test's time")
    }))

  const endless = [
    [
      "sleeps for a millisecond, again and again",
      Effect.forever(Effect.sleep(1)),
      /[1-9].* of the test's time and 0 frames/
    ],
    ["does something, again and again", Effect.forever(Effect.yieldNow), / 1d of the test's time and 0 frames/],
    [
      "starts threads, again and again",
      Effect.provide(
        Effect.forever(Effect.flatMap(Codex.Codex, (codex) => codex.startThread())),
        Live
      ),
      / 0 of the test's time and [1-9]\d* frames/
    ]
  ] as const

  it.effect.each(endless)("ends a test that %s", ([, effect, expected]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(CodexTest.eventually(effect, { realTime: "1 second" }))
      const text = String(Exit.isFailure(exit) && Cause.squash(exit.cause))
      assert.include(text, "The effect did not end within ")
      assert.match(text, expected)
      assert.notInclude(text, "interrupted either")
    }))

  it.effect("ends a test that cannot be interrupted", () =>
    Effect.gen(function*() {
      const stubborn = Effect.uninterruptible(Effect.never)
      const exit = yield* Effect.exit(CodexTest.eventually(stubborn, { within: "1 hour" }))
      const text = String(Exit.isFailure(exit) && Cause.squash(exit.cause))
      assert.include(text, "within 1h of the test's time. Meanwhile 1h of the test's time and 0 frames")
      assert.include(text, "It cannot be interrupted either, and is still running.")
    }))

  it.effect("ends with the test, and what it has begun with it", () =>
    Effect.gen(function*() {
      let isReleased = false
      const held = Effect.ensuring(
        Effect.never,
        Effect.sync(() => {
          isReleased = true
        })
      )
      const fiber = yield* Effect.forkChild(CodexTest.eventually(held), { startImmediately: true })
      yield* CodexTest.settle
      yield* Fiber.interrupt(fiber)
      assert.isTrue(isReleased)
    }))

  it.effect("stands still while a test looks at what its program has done so far", () =>
    Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      const running = yield* Effect.forkChild(thread.run("slow"))
      yield* CodexTest.settle
      const model = yield* ScriptedModel.ScriptedModel
      assert.strictEqual((yield* model.requests).length, 2)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      yield* TestClock.adjust("90 seconds")
      yield* Fiber.join(running)
    }).pipe(Effect.provide(Live)))
})
