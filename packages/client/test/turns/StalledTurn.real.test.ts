/** Turns whose end is not told, on the real codex binary. */
import { Codex, CodexError } from "@effect-codex/client"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { connect } from "../support/lossyCodex.ts"

describe("on the real server", () => {
  it.live("a turn whose end gets lost ends as it was stored", () =>
    Effect.gen(function*() {
      const codex = yield* connect((frame) => frame.includes("\"turn/completed\""))
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue([ScriptedModel.exec("echo one")], "the answer")
      const thread = yield* codex.startThread()
      const result = yield* thread.run("go")
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.finalResponse, Option.some("the answer"))
      assert.deepStrictEqual(result.items.map(({ type }) => type), ["userMessage", "commandExecution", "agentMessage"])
    }).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer()))),
      Effect.provide(NodeServices.layer)
    ))

  it.live(
    "a model that says nothing stalls the turn, which is stopped, and the thread is free",
    () =>
      Effect.gen(function*() {
        const model = yield* ScriptedModel.ScriptedModel
        const codex = yield* Codex.Codex
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["begun ", gate]), "next")
        const thread = yield* codex.startThread()
        const error = yield* Effect.flip(thread.run("go"))
        assert.instanceOf(error, CodexError.TurnStalled)
        assert.deepStrictEqual(error.runningItems.map(({ type }) => type), ["agentMessage"])
        assert.deepStrictEqual((yield* thread.run("again")).finalResponse, Option.some("next"))
        const outcomes = yield* Effect.forEach(yield* model.requests, ({ outcome }) => outcome)
        assert.deepStrictEqual(outcomes, ["abandoned", "answered"])
      }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer({ codex: { stallTimeout: "1 second" } })))
  )
})
