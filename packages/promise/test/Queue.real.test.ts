/** Side questions and the queue of a thread, on the real codex. */
import { AskFailed, QueuedMessageNotFound } from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { gate, real, rejection } from "./support/real.ts"

const { httpFailure, reply, text } = ScriptedModel

describe("a thread", () => {
  real("is asked a side question", async ({ codex, model }) => {
    await model.enqueue(
      "one",
      reply(["Yes."], { usage: { input: 5, output: 1 } }),
      httpFailure(500, { error: { message: "boom" } })
    )
    const thread = await codex.startThread()
    await thread.run("first")
    assert.deepStrictEqual(await thread.ask("Is it?", { metadata: { a: "b" } }), {
      text: "Yes.",
      usage: { inputTokens: 5, cachedInputTokens: 0, outputTokens: 1 }
    })
    assert.instanceOf(await rejection(thread.ask("Is it?")), AskFailed)
  })

  real("queues messages, and tells what became of them", async ({ codex, model }) => {
    const waiting = await gate()
    await model.enqueue(text(["one", waiting]), "of a")
    const thread = await codex.startThread()
    const turn = await thread.turn("first")
    await Effect.runPromise(waiting.reached)
    const a = await thread.queue.add("a")
    const b = await thread.queue.add("b", { metadata: { c: "d" } })
    await thread.queue.reorder([b.id, a.id])
    assert.isTrue(await thread.queue.remove(b.id))
    assert.strictEqual((await thread.queue.update(a.id, "changed")).id, a.id)
    for await (const all of thread.queue.changes) {
      assert.lengthOf(all, 1)
      break
    }
    assert.instanceOf(await rejection(thread.queue.start("nope")), QueuedMessageNotFound)
    await turn.interrupt()
    await turn.result()
    assert.lengthOf(await thread.queue.list(), 1)
    const started = await thread.queue.start()
    assert.strictEqual((await started.result()).finalResponse, "of a")
    const again = await thread.queue.turn(a)
    assert.strictEqual((await again.result()).id, started.id)
  })
})
