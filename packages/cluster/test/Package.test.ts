import { CodexSession } from "@effect-codex/cluster"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"

it.effect("a session that stays on its machine restores nothing", () =>
  Effect.gen(function*() {
    const session = yield* CodexSession.CodexSession
    assert.isFalse(yield* session.restore("some-thread"))
  }).pipe(Effect.provide(CodexSession.layerLocal)))
