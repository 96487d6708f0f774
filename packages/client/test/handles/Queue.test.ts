/** What the queue of a thread leaves behind, and what it may spend. */
import { Budget, Codex } from "@effect-codex/client"
import { CodexTest, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as Fibers from "../support/fibers.ts"

const settled = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

describe("a message that is removed from the queue", () => {
  it.effect("leaves no fiber behind, and whoever waits for its turn hears of it", () =>
    Fibers.counting((live) =>
      Effect.gen(function*() {
        const model = yield* ScriptedModel.ScriptedModel
        const held = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text([held, "done"]), "next")
        const thread = yield* (yield* Codex.Codex).startThread()
        const turn = yield* thread.turn("go")
        yield* held.reached
        const stays = yield* thread.queue.add("stays")
        yield* settled
        const before = live()
        for (let i = 0; i < 5; i++) {
          const { id } = yield* thread.queue.add("goes")
          assert.isTrue(yield* thread.queue.remove(id))
        }
        const last = yield* thread.queue.add("goes too")
        const waiting = yield* Effect.forkChild(Effect.flip(Effect.scoped(thread.queue.turn(last))))
        yield* settled
        yield* thread.queue.remove(last.id)
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "QueuedMessageNotFound")
        yield* settled
        assert.strictEqual(live(), before)
        yield* held.release
        yield* turn.result
        assert.strictEqual((yield* (yield* thread.queue.turn(stays)).result).status, "completed")
      }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer()))
    ))
})

describe("a message of the queue", () => {
  it.effect("counts towards the budget of its thread, and is stopped where that is spent", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const held = yield* ScriptedModel.gate
      yield* model.enqueue("first", ScriptedModel.text(["never ", held, "said"]))
      const budget = yield* Budget.make({ modelCalls: 1 })
      const thread = yield* (yield* Codex.Codex).startThread({ budget })
      const answer = Effect.fnUntraced(function*(text: string) {
        return yield* (yield* thread.queue.turn(yield* thread.queue.add(text))).result
      })
      assert.strictEqual((yield* answer("a")).status, "completed")
      assert.strictEqual((yield* budget.spent).modelCalls, 1)
      assert.strictEqual((yield* Effect.flip(answer("b")))._tag, "BudgetExceeded")
      assert.strictEqual((yield* Effect.flip(thread.run("c")))._tag, "BudgetExceeded")
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
})

describe("whoever waits for the turn of a message", () => {
  it.effect("hears of the end of the layer", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(FakeAppServer.layer(), scope)
      const held = yield* ScriptedModel.gate
      yield* Context.get(context, ScriptedModel.ScriptedModel).enqueue(ScriptedModel.text([held, "done"]))
      const thread = yield* Context.get(context, Codex.Codex).startThread()
      yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      yield* held.reached
      const message = yield* thread.queue.add("next")
      const waiting = yield* Effect.forkScoped(Effect.flip(Effect.scoped(thread.queue.turn(message))))
      yield* CodexTest.settle
      yield* Scope.close(scope, Exit.void)
      yield* CodexTest.settle
      assert.strictEqual(
        waiting.pollUnsafe() === undefined ? "waits" : (yield* Fiber.join(waiting))._tag,
        "TransportError"
      )
    }))
})
