import { Codex } from "@effect-codex/client"
import { CodexHome, Expect, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

it.live("tells the model what is in the folder", () =>
  Effect.gen(function*() {
    const { workspace } = yield* CodexHome.CodexHome
    writeFileSync(join(workspace, "notes.txt"), "buy milk\n")
    const model = yield* ScriptedModel.ScriptedModel
    yield* model.enqueue(ScriptedModel.exec("cat notes.txt"), "Milk.")

    const thread = yield* (yield* Codex.Codex).startThread()
    const turn = yield* thread.turn("What do I have to buy?")
    const { finalResponse } = yield* turn.result

    assert.deepStrictEqual(finalResponse, Option.some("Milk."))
    const { toolOutputs } = Expect.told(yield* Expect.modelRequest(2))
    assert.match(toolOutputs.join(), /buy milk/)
    yield* Expect.event(turn, "item/completed", { where: ({ params }) => params.item.type === "commandExecution" })
    assert.deepStrictEqual(readdirSync(workspace), ["notes.txt"])
  }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))
