/** Budgets and prices, on the real codex. */
import { Budget, BudgetExceeded, InvalidArgument, partialResult } from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { real, rejection } from "./support/real.ts"

const usage = { input: 10, cached: 4, output: 5 }
const works = ScriptedModel.reply([ScriptedModel.exec("echo working")], { usage })

describe("a budget", () => {
  real("is shared by turns, threads, goals and the client, and prices tell what they cost", async ({ model, open }) => {
    const budget = new Budget({ modelCalls: 2, cost: 1000 })
    const codex = open({ budget, pricing: { "scripted-model": { input: 1e6, cachedInput: 1e5, output: 2e6 } } })
    const thread = await codex.startThread({ budget })
    await model.enqueue(ScriptedModel.reply(["done"], { usage }), works, "never")
    const { cost } = await thread.run("Go.", { budget })
    assert.strictEqual(cost, 16.4)
    assert.deepStrictEqual(budget.spent, { modelCalls: 1, tokens: 15, cost: 16.4 })
    const error = await rejection(thread.run("Go on."))
    assert(error instanceof BudgetExceeded)
    assert.strictEqual(partialResult(error)?.cost, 16.4)
    assert.deepStrictEqual(budget.remaining, { modelCalls: 0, tokens: undefined, cost: 1000 - 32.8 })
    const refused = await rejection(thread.runGoal("Go on.", { budget: new Budget({}) }))
    assert(refused instanceof BudgetExceeded)
    assert.isNull(refused.turnId)
    assert.isUndefined(partialResult(refused))
  })

  real("is refused if it is none, as wrong limits are", async ({ codex }) => {
    assert.throws(() => new Budget({ tokens: -1 }), "Invalid tokens: expected a whole number, 0 or more.")
    const thread = await codex.startThread()
    const wrong: object = { budget: { modelCalls: 1 } }
    for (const call of [() => thread.run("Go.", wrong), () => thread.runGoal("Go.", wrong)]) {
      const error = await rejection(call())
      assert(error instanceof InvalidArgument)
      assert.strictEqual(error.argument, "budget")
    }
  })
})
