/** A program that keeps its thread busy does not take for silence what it has not read yet. */
import { AppServerRpc, Codex } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"

/** Nothing runs meanwhile, and nothing is read of what codex says. */
const beBusy = (millis: number): void => {
  const until = performance.now() + millis
  while (performance.now() < until);
}

/** Until what is to be written is written. */
const written = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

describe("a program that is busy for longer than the limit", () => {
  it.live("does not stall a turn that speaks", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Codex.Codex
      // It ends while nobody reads. The model answers when the program is not busy any more, because it is a part of it.
      yield* model.enqueue(ScriptedModel.exec("sleep 1", { args: { yield_time_ms: 30_000 } }), "the answer")
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go", { stallTimeout: "3 seconds" })
      yield* turn.events.pipe(
        Stream.filter((event) => event._tag === "item/started" && event.params.item.type === "commandExecution"),
        Stream.take(1),
        Stream.runForEach(() => Effect.sync(() => beBusy(4_000)))
      )
      assert.strictEqual((yield* turn.result).status, "completed")
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))

  it.live("gets the reply to a request that came in time", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const asked = yield* Effect.forkChild(rpc.request("thread/loaded/list", {}, { timeout: "2 seconds" }), {
        startImmediately: true
      })
      yield* written
      beBusy(3_000)
      assert.deepStrictEqual((yield* Fiber.join(asked)).data, [])
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))
})
