/** Planning first, on the real codex. */
import { OutputInvalid, Sandbox } from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { collect, gate, real, rejection } from "./support/real.ts"

const { functionCall, text } = ScriptedModel

const proposed = "<proposed_plan>\n# Plan\n- look\n</proposed_plan>\n"

describe("a plan", () => {
  real("is asked about, streamed and implemented in a fresh thread", async ({ codex, model }) => {
    await model.enqueue(
      functionCall("request_user_input", {
        questions: [{
          id: "colour",
          header: "Colour",
          question: "Which colour?",
          options: [{ label: "Red", description: "warm" }, { label: "Blue", description: "cold" }]
        }]
      }),
      text(["<proposed_plan>\n# Plan\n", "- look\n</proposed_plan>\n"])
    )
    const asked: Array<string> = []
    const thread = await codex.startThread({
      sandbox: Sandbox.readOnly,
      handlers: {
        questions: async ({ questions }) => {
          asked.push(...questions.map(({ question }) => question))
          return { colour: "Blue" }
        }
      }
    })
    const turn = await thread.turn("go", { mode: "plan" })
    assert.strictEqual((await collect(turn.proposedPlan)).join(""), "# Plan\n- look\n")
    assert.deepStrictEqual(asked, ["Which colour?"])
    const { finalResponse, plan } = await turn.result()
    assert.deepStrictEqual([finalResponse, plan], [undefined, "# Plan\n- look\n"])

    await model.enqueue(`{"done":true}`, `{"done":1}`)
    const output = {
      jsonSchema: { type: "object", properties: { done: { type: "boolean" } } },
      decode: (value: unknown) => ({ ok: true as const, value: value as { readonly done: boolean } })
    }
    const implementation = await thread.implementPlan(plan ?? "", { fresh: { ephemeral: true }, output })
    assert.notStrictEqual(implementation.thread.id, thread.id)
    const result = await implementation.result()
    assert.deepStrictEqual([result.output, result.threadId], [{ done: true }, implementation.thread.id])
    assert.strictEqual((await model.requests()).at(-1)?.prompt, "Implement the plan.")
    const invalid = await thread.implementPlan("again", { output })
    assert.strictEqual(invalid.thread, thread)
    assert.instanceOf(await rejection(invalid.result()), OutputInvalid)
  })

  real("that is being implemented is interrupted by the signal", async ({ codex, model }) => {
    const controller = new AbortController()
    await model.enqueue(proposed, [await gate()])
    const thread = await codex.startThread()
    const { plan } = await thread.run("go", { mode: "plan" })
    const { result, turn } = await thread.implementPlan(plan ?? "", { signal: controller.signal })
    await model.received(2)
    const interrupted = rejection(result())
    controller.abort()
    assert.deepInclude(await interrupted, { _tag: "TurnInterrupted" })
    assert.strictEqual((await turn.result()).status, "interrupted")
  })
})
