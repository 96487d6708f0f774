import { Codex } from "@effect-codex/client"
import { Expect, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"

const CodexLive = FakeAppServer.layer({
  model: {
    answers: [
      ScriptedModel.exec("cat notes.txt"),
      ({ toolOutputs }) => `The notes say: ${toolOutputs[0]?.output.includes("milk") ? "milk" : "nothing"}`
    ]
  },
  exec: () => ({ output: "buy milk\n" })
})

it.effect("answers with what the command printed", () =>
  Effect.gen(function*() {
    const thread = yield* (yield* Codex.Codex).startThread()
    const { finalResponse } = yield* thread.run("What do the notes say?")
    assert.deepStrictEqual(finalResponse, Option.some("The notes say: milk"))
    yield* Expect.noAnswersLeft
  }).pipe(Effect.provide(CodexLive)))
