import { Codex } from "@effect-codex/promise"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

// The home knows where the model listens. Both go when the test ends.
const HomeLive = CodexHome.layer().pipe(
  Layer.provideMerge(ScriptedModel.layer({ answers: [ScriptedModel.exec("ls"), "The folder is empty."] }))
)

it.live("says what is in the folder", () =>
  Effect.gen(function*() {
    const { env, workspace } = yield* CodexHome.CodexHome
    yield* Effect.promise(async () => {
      await using codex = await Codex.start({ env, cwd: workspace })
      const thread = await codex.startThread()
      const { finalResponse } = await thread.run("What is in this folder?")
      assert.strictEqual(finalResponse, "The folder is empty.")
    })
  }).pipe(Effect.provide(HomeLive)))
