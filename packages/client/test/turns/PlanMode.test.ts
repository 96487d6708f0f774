/** Plan mode on servers and connections that know less of it than the real codex. */
import { AppServerRpc, Budget, Codex } from "@effect-codex/client"
import { FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { completed, connectThread, notification, started, threadId, threadOpened, turn } from "../support/fakeServer.ts"

describe("a turn in plan mode", () => {
  it.effect("asks for the model of the thread on a connection that does not follow its settings", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const model = yield* ScriptedModel.ScriptedModel
      // Only the public members, as a wrapper of a program has them.
      const { ended, handle, notifications, request, requestRaw, restarts, serverInfo } = rpc
      const plain = Layer.mock(AppServerRpc.AppServerRpc, {
        connected: rpc.connected,
        ended,
        handle,
        notifications,
        request,
        requestRaw,
        restarts,
        serverInfo
      })
      yield* Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread({ config: { model_reasoning_effort: "high" } })
        yield* model.enqueue("first", "<proposed_plan>\n# Plan\n</proposed_plan>")
        yield* thread.run("go")
        const { plan } = yield* thread.run("plan", { mode: "plan" })
        assert.deepStrictEqual(plan, Option.some("# Plan\n"))
        const { collaborationMode } = yield* rpc.request("thread/resume", { threadId: thread.id, excludeTurns: true })
        assert.deepInclude(collaborationMode?.settings, { model: "scripted-model", reasoning_effort: "high" })
      }).pipe(Effect.provide(Codex.layer().pipe(Layer.provide(plain))))
    }).pipe(Effect.provide(FakeAppServer.layer())))
})

describe("a plan that is implemented in a fresh thread", () => {
  it.effect("counts towards the budget of the planning thread, or the one that it is given", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const model = yield* ScriptedModel.ScriptedModel
      const thread = yield* codex.startThread({ budget: yield* Budget.make({ modelCalls: 1 }) })
      yield* model.enqueue("planned", "implemented")
      yield* thread.run("plan")
      const refused = yield* Effect.flip(thread.implementPlan("# Plan", { fresh: true }))
      assert.strictEqual(refused._tag, "BudgetExceeded")
      const budget = yield* Budget.make({ modelCalls: 1 })
      const { result } = yield* thread.implementPlan("# Plan", { fresh: { budget } })
      assert.deepStrictEqual((yield* result).finalResponse, Option.some("implemented"))
      assert.strictEqual((yield* budget.spent).modelCalls, 1)
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect.each([
    "Invalid request: unknown variant `thread/prepareApprovedPlan`, expected one of",
    "thread/prepareApprovedPlan requires experimentalApi capability"
  ])("is the message of its turn where the server cannot prepare it: %s", (refusal) =>
    Effect.gen(function*() {
      const { server, thread } = yield* connectThread()
      const fresh = "01a204a7-b198-7230-917e-fb51d9aaf8db"
      const implementing = yield* Effect.forkScoped(thread.implementPlan("# Plan", { fresh: true }))
      const start = yield* server.expect("thread/start")
      yield* server.reply(start, threadOpened(start.params, fresh))
      const prepare = yield* server.expect("thread/prepareApprovedPlan")
      assert.deepStrictEqual(prepare.params, { threadId: fresh, markdown: "# Plan" })
      yield* server.refuse(prepare, -32600, refusal)
      const begin = yield* server.expect("turn/start")
      assert.deepInclude(begin.params, {
        threadId: fresh,
        input: [{ type: "text", text: "Implement this plan:\n\n# Plan", text_elements: [] }]
      })
      yield* server.reply(begin, { turn: turn("t") })
      const { result } = yield* Fiber.join(implementing)
      yield* server.send(started("t", fresh), completed("t", "completed", {}, fresh))
      assert.strictEqual((yield* result).status, "completed")
    }))

  it.effect("is told nothing of a mode that the server does not keep", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* connectThread()
      yield* server.send(notification("thread/settings/updated", { threadId, threadSettings: { model: "m" } }))
      const turning = yield* Effect.forkScoped(thread.run("go"))
      const begin = yield* server.expect("turn/start")
      assert.notProperty(begin.params, "collaborationMode")
      yield* server.reply(begin, { turn: turn("t") })
      yield* server.send(started("t"), completed("t"))
      yield* Fiber.join(turning)
    }))
})
