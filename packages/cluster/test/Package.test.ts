import { CodexSession, SessionStore } from "@effect-codex/cluster"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { inspect } from "node:util"

it.effect("a session that stays on its machine restores nothing", () =>
  Effect.gen(function*() {
    const session = yield* CodexSession.CodexSession
    assert.isFalse(yield* session.restore("some-thread"))
  }).pipe(Effect.provide(CodexSession.layerLocal)))

it("errors print their message, and neither keys nor control characters of others", () => {
  const key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
  const hostile = "\u001b[2J"
  const errors = [
    new SessionStore.SessionFenced({ threadId: hostile, file: "a.jsonl", line: 1 }),
    new SessionStore.SessionGap({ threadId: hostile, file: "a.jsonl", line: 2, stored: 1 }),
    new SessionStore.SessionStoreUnavailable({ operation: `append ${hostile}`, cause: key }),
    new CodexSession.SessionFileError({ threadId: hostile, operation: "read", file: "", cause: new Error(key) })
  ]
  for (const error of errors) {
    assert.notInclude(error.message, hostile)
    assert.notInclude(JSON.stringify(error), key)
    assert.include(inspect(error), `${error._tag}: ${error.message}`)
  }
})
