import { Codex } from "@effect-codex/client"
import { Cassette, ScriptedCodex } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { join } from "node:path"

const CodexLive = Cassette.layer(join(import.meta.dirname, "cassettes", "hello.jsonl"), {
  server: ScriptedCodex.layerTransport({ model: { answers: ["Hello!"] } })
})

it.live("says hello", () =>
  Effect.gen(function*() {
    const thread = yield* (yield* Codex.Codex).startThread()
    const { finalResponse } = yield* thread.run("Say hello.")
    assert.deepStrictEqual(finalResponse, Option.some("Hello!"))
    yield* Cassette.verify
  }).pipe(Effect.provide(CodexLive)))
