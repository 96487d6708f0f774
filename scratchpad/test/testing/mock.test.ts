import { Codex } from "@effect-codex/client"
import { CodexTest } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"

// A part of a program.
const summarize = Effect.fn("summarize")(function*(text: string) {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  const { finalResponse } = yield* thread.run(`Summarize this in one sentence: ${text}`)
  return Option.getOrElse(finalResponse, () => "")
})

it.effect("summarizes", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* summarize("It was a long day. Nothing happened."), "Nothing happened.")
  }).pipe(Effect.provide(CodexTest.layerText("Nothing happened."))))

it.effect("says what it wants", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* summarize("A, B, C."), "Summarize this in one sentence: A, B, C.")
  }).pipe(Effect.provide(CodexTest.layer({ respond: (input) => input }))))
