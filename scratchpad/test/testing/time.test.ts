import { Codex } from "@effect-codex/client"
import { CodexTest } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Option } from "effect"

const review = (files: ReadonlyArray<string>) =>
  Effect.forEach(
    files,
    Effect.fnUntraced(function*(file) {
      const thread = yield* (yield* Codex.Codex).startThread()
      return yield* Effect.timeoutOption(thread.run(file), "1 minute")
    }),
    { concurrency: 4 }
  )

it.effect("gives up on the files that take too long, and on no others", () =>
  Effect.gen(function*() {
    const results = yield* CodexTest.eventually(review(["a.ts", "huge.ts", "b.ts"]))
    assert.deepStrictEqual(results.map(Option.isSome), [true, false, true])
    assert.strictEqual(yield* Clock.currentTimeMillis, 60_000)
  }).pipe(Effect.provide(CodexTest.layer({
    respond: (file) => file === "huge.ts" ? Effect.as(Effect.sleep("1 hour"), "Fine.") : "Fine."
  }))))
