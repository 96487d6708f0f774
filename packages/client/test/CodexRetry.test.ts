import { CodexError, CodexRetry } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "./support/fakeServer.ts"

const overloaded = new CodexError.ServerOverloaded({ method: "thread/start", code: -32001, detail: "later" })
const unknown = new CodexError.AppServerTimeout({ method: "turn/start", timeout: 1 })

/** The times at which an effect that always fails is tried, in milliseconds. */
const attempts = Effect.fnUntraced(function*(
  error: CodexError.CodexError,
  policy: typeof CodexRetry.overload
) {
  const times: Array<number> = []
  const failing = Effect.suspend(() =>
    Effect.andThen(Effect.clockWith((clock) => clock.currentTimeMillis), (now) => {
      times.push(now)
      return Effect.fail(error)
    })
  )
  const fiber = yield* Effect.forkScoped(Effect.flip(Effect.retry(failing, policy)))
  yield* TestClock.adjust("5 minutes")
  assert.strictEqual(yield* Fiber.join(fiber), error)
  return times
})

const pauses = (times: ReadonlyArray<number>) => times.slice(1).map((time, i) => time - times[i]!)

describe("CodexRetry", () => {
  it.effect("overload: three attempts, 250 ms and 500 ms apart, give or take a fifth", () =>
    Effect.gen(function*() {
      const [first, second, ...more] = pauses(yield* attempts(overloaded, CodexRetry.overload))
      assert.isTrue(first! >= 200 && first! <= 300, String(first))
      assert.isTrue(second! >= 400 && second! <= 600, String(second))
      assert.deepStrictEqual(more, [])
    }))

  it.effect("transient: five attempts, doubling from a second", () =>
    Effect.gen(function*() {
      const found = pauses(yield* attempts(overloaded, CodexRetry.transient))
      assert.strictEqual(found.length, 4)
      found.forEach((pause, i) => assert.isTrue(Math.abs(pause - 1000 * 2 ** i) <= 200 * 2 ** i + 1, String(pause)))
    }))

  it.effect("neither repeats a request whose outcome is unknown", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* attempts(unknown, CodexRetry.overload)).length, 1)
      assert.strictEqual((yield* attempts(unknown, CodexRetry.transient)).length, 1)
    }))

  it.effect("nothing is sent again unless it is asked for; an overloaded server then gets it again", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const once = yield* Effect.forkScoped(Effect.flip(codex.startThread()))
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.refuse(request, -32001, "later"))
      assert.strictEqual((yield* Fiber.join(once))._tag, "ServerOverloaded")
      const again = yield* Effect.forkScoped(Effect.retry(codex.startThread(), CodexRetry.overload))
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.refuse(request, -32001, "later"))
      yield* TestClock.adjust("1 second")
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, Fake.threadStarted()))
      assert.strictEqual((yield* Fiber.join(again)).id, Fake.threadId)
    }))

  it("isRetryable and isOverloaded say no to what is no error of this library", () => {
    for (const u of [undefined, null, "overloaded", new Error("overloaded"), { isRetryable: true }]) {
      assert.isFalse(CodexRetry.isRetryable(u))
      assert.isFalse(CodexRetry.isOverloaded(u))
    }
    assert.isTrue(CodexRetry.isRetryable(overloaded))
    assert.isFalse(CodexRetry.isRetryable(unknown))
  })
})
