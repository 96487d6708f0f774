import { ApprovalMode, Approvals, Codex } from "@effect-codex/client"
import { Expect, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

const CodexLive = FakeAppServer.layer({
  model: { answers: [ScriptedModel.exec("git push"), ScriptedModel.exec("git diff"), "Done."] },
  exec: ({ command }) => ({ output: `output of ${command}` })
}).pipe(
  Layer.provide(
    Approvals.layerAcceptWhen((request) =>
      Effect.succeed(request._tag === "Command" && request.command?.includes("git diff") === true)
    )
  )
)

it.effect("declines a command, allows another, and stops the agent after a while", () =>
  Effect.gen(function*() {
    const model = yield* ScriptedModel.ScriptedModel
    const thread = yield* (yield* Codex.Codex).startThread({ approvalMode: ApprovalMode.untrusted })

    const { items } = yield* thread.run("Push, or look.")
    const commands = items.flatMap((item) => item.type === "commandExecution" ? [item.status] : [])
    assert.deepStrictEqual(commands, ["declined", "completed"])
    assert.match(Expect.told(yield* Expect.modelRequest(3)).toolOutputs.join(), /rejected[^]*output of git diff/)

    const gate = yield* ScriptedModel.gate
    yield* model.enqueue(ScriptedModel.text(["One, two, ", gate]))
    const turn = yield* thread.turn("Count.")
    yield* gate.reached
    yield* turn.interrupt
    assert.strictEqual((yield* turn.result).status, "interrupted")
  }).pipe(Effect.scoped, Effect.provide(CodexLive)))
