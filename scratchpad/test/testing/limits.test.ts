import { Auth, Codex } from "@effect-codex/client"
import { FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Option, Stream } from "effect"

const limit = (usedPercent: number) => ({
  "x-codex-primary-used-percent": String(usedPercent),
  "x-codex-primary-window-minutes": "300",
  "x-codex-primary-reset-at": "1900000000"
})

const CodexLive = FakeAppServer.layer({
  model: {
    answers: [
      ScriptedModel.reply(["Hello!"], { headers: limit(90) }),
      ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached" } }, { headers: limit(100) })
    ]
  }
})

it.effect("sees how much of the limit is used, and when it is reset", () =>
  Effect.gen(function*() {
    const auth = yield* Auth.Auth
    const thread = yield* (yield* Codex.Codex).startThread()

    yield* thread.run("Say hello.")
    const told = yield* Stream.runHead(auth.rateLimitChanges)
    assert.strictEqual(Option.getOrThrow(told).rateLimits.primary?.usedPercent, 90)

    const error = yield* Effect.flip(thread.run("Say hello again."))
    if (error._tag !== "TurnFailed") return assert.fail(error.message)
    assert.strictEqual(error.reason, "usageLimit")
    assert.strictEqual(DateTime.formatIso(Option.getOrThrow(error.resetsAt)), "2030-03-17T17:46:40.000Z")
  }).pipe(Effect.provide(CodexLive)))
