import { CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Option } from "effect"
import * as Fake from "../support/fakeServer.ts"

/** A turn that fails with an error of the server, after notifications that belong to no turn. */
const failsWith = Effect.fnUntraced(function*(error: unknown, ...before: ReadonlyArray<string>) {
  const { server, thread } = yield* Fake.connectThread()
  const running = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
  yield* server.reply(yield* server.expect("turn/start"), { turn: Fake.turn("turn-1") })
  yield* server.send(
    ...before,
    Fake.started("turn-1"),
    Fake.completed("turn-1", "failed", { completedAt: 1000, error })
  )
  const failed = yield* Fiber.join(running)
  assert.instanceOf(failed, CodexError.TurnFailed)
  return failed
})

const told = (message: string, codexErrorInfo: unknown) => ({
  message,
  codexErrorInfo,
  additionalDetails: null,
  misalignment: null
})

const limits = (windows: Record<string, unknown>) =>
  Fake.frame({
    method: "account/rateLimits/updated",
    params: {
      rateLimits: {
        limitId: "codex",
        limitName: null,
        normalModelSlug: null,
        primary: null,
        secondary: null,
        credits: null,
        individualLimit: null,
        spendControlReached: null,
        planType: null,
        rateLimitReachedType: null,
        ...windows
      }
    }
  })

const window = (usedPercent: number, resetsAt: number | null) => ({ usedPercent, windowDurationMins: 300, resetsAt })
const usageLimit = told("You’ve hit your usage limit.", "usageLimitExceeded")

describe("the reason of a failed turn", () => {
  const cases: ReadonlyArray<
    readonly [info: unknown, detail: string, reason: CodexError.TurnFailed["reason"], isRetryable: boolean]
  > = [
    ["unauthorized", "no", "login", false],
    [{ httpConnectionFailed: { httpStatusCode: null } }, "no", "network", true],
    [{ responseStreamConnectionFailed: { httpStatusCode: null } }, "no", "network", true],
    [{ responseStreamDisconnected: { httpStatusCode: null } }, "no", "streamBroken", true],
    [{ responseTooManyFailedAttempts: { httpStatusCode: 408 } }, "no", "overloaded", true],
    [{ responseTooManyFailedAttempts: { httpStatusCode: 502 } }, "no", "overloaded", true],
    [{ httpConnectionFailed: { httpStatusCode: 413 } }, "too large", "badRequest", false],
    [{ httpConnectionFailed: { httpStatusCode: 400 } }, "The model `x` does not exist", "modelNotFound", false],
    ["flexUnavailable", "no", "overloaded", true],
    ["policyCapacityUnavailable", "no", "overloaded", true],
    ["bioPolicy", "no", "policy", false],
    ["misalignmentPolicyViolation", "no", "policy", false],
    ["badRequest", "no", "badRequest", false],
    ["other", "Invalid prompt: we've limited access to this content for safety reasons.", "policy", false],
    ["other", "application network policy is unavailable", "resources", false],
    ["other", "failed to spawn: Too many open files (os error 24)", "resources", false],
    ["other", "stream disconnected before completion: boom", "streamBroken", true],
    ["other", "", "other", false],
    ["sandboxError", "no", "other", false],
    ["brandNew", "stream disconnected before completion: boom", "other", false],
    [{ brandNew: 3 }, "no", "other", false],
    [null, "stream disconnected before completion: boom", "streamBroken", true]
  ]
  it.effect.each(cases)("%j, %s", ([info, detail, reason, isRetryable]) =>
    Effect.gen(function*() {
      assert.deepInclude(yield* failsWith(told(detail, info)), { reason, isRetryable, detail })
    }))

  it.effect("is other when the server gives none", () =>
    Effect.gen(function*() {
      const { message, reason } = yield* failsWith(null)
      assert.strictEqual(reason, "other")
      assert.include(message, "the server gave no reason. Look at what the turn did")
    }))
})

describe("the message of a failed turn", () => {
  const body = (error: unknown) => JSON.stringify({ error })
  const cases: ReadonlyArray<readonly [detail: string, info: unknown, words: string]> = [
    [body({ message: "no" }), "other", "as invalid: no. Check"],
    [body("no!"), "other", "as invalid: no! Check"],
    [JSON.stringify({ detail: "no" }), "other", "as invalid: no. Check"],
    ["{\"broken", "other", "as invalid: {\"broken. Check"],
    [
      "unexpected status 401 Unauthorized: no key, url: https://user:pass@example.com/v1?key=abc",
      { httpConnectionFailed: { httpStatusCode: 401 } },
      "(login, HTTP 401): the model's provider does not accept the login: no key. Log in"
    ],
    [`unexpected status 418 <unknown>: ${body({ message: "tea" })}, url: http://x/`, "other", ": tea. Look"]
  ]
  it.effect.each(cases)("%s", ([detail, info, words]) =>
    Effect.gen(function*() {
      const { message } = yield* failsWith(told(detail, info))
      assert.include(message, words)
      assert.notInclude(message, "abc")
    }))

  it.effect("names what it does not know", () =>
    Effect.gen(function*() {
      assert.match(
        (yield* failsWith(told("boom", "brandNew"))).message,
        /^The turn failed \(other, "brandNew"\): .*: boom\./
      )
      assert.match((yield* failsWith(told("boom", "other"))).message, /^The turn failed \(other\): .*: boom\./)
    }))

  it.effect("is one line of a bounded length without control characters, whatever the provider says", () =>
    Effect.gen(function*() {
      for (
        const hostile of ["a\u001b]0;title\u0007\r\n\u202eb ", "model ", "try again in 1", "{\"error\":", " \t", "\n"]
      ) {
        for (const info of ["other", "usageLimitExceeded", hostile.repeat(1000)]) {
          const { message } = yield* failsWith(told(hostile.repeat(20_000), info))
          assert.isBelow(message.length, 1500)
          assert.notMatch(message, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
        }
      }
    }))
})

describe("when a limit is reset", () => {
  const resetOf = (failed: CodexError.TurnFailed) =>
    Option.getOrUndefined(Option.map(failed.resetsAt, DateTime.toEpochMillis))

  it.effect("is that of the windows that are used up", () =>
    Effect.gen(function*() {
      const both = limits({ primary: window(100, 2000), secondary: window(100, 5000) })
      const one = limits({ primary: window(100, 2000), secondary: window(40, 5000) })
      assert.strictEqual(resetOf(yield* failsWith(usageLimit, both)), 5_000_000)
      const failed = yield* failsWith(usageLimit, one)
      assert.strictEqual(resetOf(failed), 2_000_000)
      assert.include(failed.message, "It resets at 1970-01-01T00:33:20.000Z.")
    }))

  it.effect("is kept when a later update does not tell the windows", () =>
    Effect.gen(function*() {
      const known = limits({ primary: window(100, 2000) })
      assert.strictEqual(resetOf(yield* failsWith(usageLimit, known, limits({}))), 2_000_000)
    }))

  it.effect("is unknown when no window is used up, none says when, it is past, or the turn failed otherwise", () =>
    Effect.gen(function*() {
      for (const primary of [window(99, 2000), window(100, null), window(100, 999), window(100, 1e300), null]) {
        assert.isUndefined(resetOf(yield* failsWith(usageLimit, limits({ primary }))))
      }
      const known = limits({ primary: window(100, 2000) })
      assert.isUndefined(resetOf(yield* failsWith(told("no", "serverOverloaded"), known)))
      assert.isUndefined(resetOf(yield* failsWith(usageLimit, Fake.frame({ method: "account/rateLimits/updated" }))))
    }))

  it.effect("is what the text says", () =>
    Effect.gen(function*() {
      const text = (after: string) => told(`rate limit exceeded: Please try again in ${after}.`, "rateLimitExceeded")
      for (
        const [after, millis] of [["1.5s", 1500], ["250ms", 250], ["2 seconds", 2000], ["6m0s", 360_000], [
          "1h 5m",
          3_900_000
        ]] as const
      ) {
        assert.strictEqual(resetOf(yield* failsWith(text(after))), 1_000_000 + millis, after)
      }
      assert.isUndefined(resetOf(yield* failsWith(text("a while"))))
    }))
})
