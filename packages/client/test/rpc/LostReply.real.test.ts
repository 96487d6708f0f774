/** The reply to `turn/start` is lost on the way, on the real codex binary: nothing is run twice and nothing is lost. */
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { connect } from "../support/lossyCodex.ts"

const live = (
  name: string,
  test: Effect.Effect<void, unknown, Effect.Services<ReturnType<typeof connect>> | ScriptedModel.ScriptedModel>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer()))),
      Effect.provide(NodeServices.layer)
    ))

// The replies to `turn/start` are the only ones that hold a turn beside nothing else.
const isStartReply = (frame: string) => /^\{"id":\d+,"result":\{"turn":/.test(frame)
const isNotification = (frame: string) => frame.startsWith("{\"method\":")

describe("a lost reply to turn/start", () => {
  live(
    "is settled by the turn's own frames",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue("answered")
      const codex = yield* connect(isStartReply)
      const thread = yield* codex.startThread()
      const result = yield* thread.run("go")
      assert.deepStrictEqual(result.finalResponse, Option.some("answered"))
      assert.strictEqual((yield* model.requests).length, 1)
    })
  )

  live(
    "is settled by what the server has stored when the frames are lost, too",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue("answered")
      const codex = yield* connect((frame) => isStartReply(frame) || isNotification(frame))
      const thread = yield* codex.startThread()
      const result = yield* thread.run("go")
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.finalResponse, Option.some("answered"))
      assert.deepStrictEqual(result.items.map((item) => item.type), ["userMessage", "agentMessage"])
      assert.strictEqual((yield* model.requests).length, 1)
    })
  )

  live(
    "of a turn that failed is the failure",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(ScriptedModel.failed("insufficient_quota", "enough"))
      const codex = yield* connect((frame) => isStartReply(frame) || isNotification(frame))
      const thread = yield* codex.startThread()
      const error = yield* Effect.flip(thread.run("go"))
      assert.deepInclude(error, { _tag: "TurnFailed", info: "usageLimitExceeded" })
    })
  )

  live(
    "is AppServerTimeout when the server knows of no such turn",
    Effect.gen(function*() {
      const codex = yield* connect(() => false, (frame) => frame.includes("\"method\":\"turn/start\""))
      const thread = yield* codex.startThread()
      assert.strictEqual((yield* Effect.flip(thread.run("go")))._tag, "AppServerTimeout")
    })
  )
})
