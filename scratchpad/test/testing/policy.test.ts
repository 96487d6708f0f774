import { Approvals, Codex, CodexError, CodexRetry } from "@effect-codex/client"
import { CodexTest } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"

const Policy = Approvals.layerAcceptWhen((request) =>
  Effect.succeed(request._tag === "Command" && /^\S*sh -lc 'git (diff|status)'$/.test(request.command ?? ""))
)

it.effect("lets the agent look at the changes, and do nothing else", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* CodexTest.askCommand("git diff"), "accept")
    assert.strictEqual(yield* CodexTest.askCommand("git diff; git push"), "decline")
  }).pipe(Effect.provide(Policy)))

it.effect("does not wait for a server that is gone", () =>
  Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const error = yield* Effect.flip(Effect.retry(codex.startThread(), CodexRetry.overload))
    assert.strictEqual(error._tag, "TransportError")
  }).pipe(Effect.provide(CodexTest.mockCodex({
    startThread: () => Effect.fail(new CodexError.TransportError({ reason: "read", detail: "it is gone." }))
  }))))
