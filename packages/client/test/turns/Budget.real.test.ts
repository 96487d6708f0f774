/** What budgets do, on the real codex binary with a scripted model. */
import { ApprovalMode, Budget, Codex, type CodexError, Pricing, type Thread } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schema, type Scope } from "effect"

const { exec, functionCall, gate, reply } = ScriptedModel

const services = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  return { codex, model }
})

type Services = Effect.Success<typeof services>

const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  options?: ScriptedCodex.Options,
  limit?: number
) =>
  it.live(
    name,
    () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer(options))),
    limit
  )

/** A call with 10 tokens of input and 5 of output. */
const usage = { input: 10, output: 5 }
const says = (text: string) => reply([text], { usage })
const works = reply([exec("echo working")], { usage })

const exceeded = (error: { readonly _tag: string }): CodexError.BudgetExceeded => {
  assert.strictEqual(error._tag, "BudgetExceeded")
  return error as CodexError.BudgetExceeded
}

const numbersOf = ({ allowed, limit, spent }: CodexError.BudgetExceeded) => ({ limit, allowed, spent })

const itemsOf = (error: CodexError.BudgetExceeded) => error.result?.items.map(({ type }) => type)

/** The thread is free, and codex does nothing on its own. */
const isFree = Effect.fnUntraced(function*({ model }: Services, thread: Thread.Thread) {
  const before = (yield* model.requests).length
  assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("free"))
  assert.strictEqual((yield* model.requests).length, before + 1)
})

describe("a budget of calls of the model", () => {
  real(
    "is shared by fifty turns at once, of which twenty make one call each",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const budget = yield* Budget.make({ modelCalls: 20 })
        const runs = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          (index) =>
            Effect.flatMap(codex.startThread(), (thread) => Effect.result(thread.run(`turn ${index}`, { budget }))),
          { concurrency: "unbounded" }
        )
        const requests = yield* model.requests
        const answered = requests.filter(({ toolOutputs }) => toolOutputs.length === 0).map(({ prompt }) => prompt)
        assert.strictEqual(new Set(answered).size, 20)
        // Whoever was still asked to go on had its request closed.
        for (const request of requests.filter(({ toolOutputs }) => toolOutputs.length > 0)) {
          assert.strictEqual(yield* request.outcome, "abandoned")
        }
        const table = { completed: 0, interrupted: 0, refused: 0 }
        for (const [index, run] of runs.entries()) {
          const name = `turn ${index}`
          if (run._tag === "Success") {
            table.completed++
            assert.strictEqual(index % 2, 0)
            assert.include(answered, name)
            assert.deepStrictEqual(run.success.finalResponse, Option.some("done"))
            continue
          }
          const error = exceeded(run.failure)
          if (error.turnId === null) {
            table.refused++
            assert.notInclude(answered, name)
            assert.deepStrictEqual(numbersOf(error), { limit: "modelCalls", allowed: 20, spent: 20 })
            assert.isNull(error.result)
          } else {
            table.interrupted++
            assert.strictEqual(index % 2, 1)
            assert.include(answered, name)
            assert.deepStrictEqual(itemsOf(error), ["userMessage", "commandExecution"])
          }
        }
        assert.deepStrictEqual(table, {
          completed: 20 - table.interrupted,
          interrupted: table.interrupted,
          refused: 30
        })
        assert.isAbove(table.interrupted, 0)
        assert.isAbove(table.completed, 0)
        assert.deepStrictEqual(yield* budget.spent, { modelCalls: 20, tokens: 20 * 15, cost: Option.none() })
        assert.deepStrictEqual((yield* budget.remaining).modelCalls, Option.some(0))
      }),
    {
      model: {
        // Each second turn runs a command. What follows is never answered, as by a model that thinks.
        answer: ({ prompt, toolOutputs }) =>
          Effect.gen(function*() {
            if (toolOutputs.length > 0) return reply([yield* gate])
            return Number(prompt?.split(" ")[1]) % 2 === 0 ? says("done") : works
          })
      }
    },
    120_000
  )

  real(
    "cuts a turn after the call that used it up, with the tools of that call, and leaves its thread free",
    (all) =>
      Effect.gen(function*() {
        const { codex, model } = all
        const budget = yield* Budget.make({ modelCalls: 2 })
        const thread = yield* codex.startThread()
        const error = exceeded(yield* Effect.flip(thread.run("go", { budget })))
        assert.deepStrictEqual(numbersOf(error), { limit: "modelCalls", allowed: 2, spent: 2 })
        assert.deepStrictEqual(itemsOf(error), ["userMessage", "commandExecution", "commandExecution"])
        assert.strictEqual(error.result?.status, "interrupted")
        assert.strictEqual(Option.getOrThrow(error.result?.usage ?? Option.none()).turn.totalTokens, 30)
        assert.include(error.message, "the budget is used up: 2 of 2 model calls.")
        // codex may have been quicker than the interrupt. It hung up.
        for (const request of (yield* model.requests).slice(2)) assert.strictEqual(yield* request.outcome, "abandoned")
        // A refused turn sends nothing.
        const before = (yield* model.requests).length
        const refused = exceeded(yield* Effect.flip(thread.run("again", { budget })))
        assert.isNull(refused.turnId)
        assert.strictEqual((yield* model.requests).length, before)
        yield* isFree(all, thread)
      }),
    {
      model: {
        answer: ({ prompt, toolOutputs }) =>
          prompt === "next" ? "free" : toolOutputs.length < 2 ? works : Effect.map(gate, (held) => reply([held]))
      }
    }
  )

  real(
    "lets a turn succeed that is complete with the last call, and repairs count",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const budget = yield* Budget.make({ modelCalls: 2 })
        const thread = yield* codex.startThread({ budget })
        yield* model.enqueue(works, says("done"))
        assert.strictEqual((yield* thread.run("go")).status, "completed")
        const other = yield* Budget.make({ modelCalls: 1 })
        const fresh = yield* codex.startThread()
        yield* model.enqueue("no JSON")
        const output = Schema.Struct({ n: Schema.Int })
        const error = yield* Effect.flip(fresh.run("go", { output, repair: 3, budget: other }))
        assert.strictEqual(exceeded(error).turnId, null)
      })
  )

  real(
    "counts the calls of a provider that tells no tokens, and those of a compaction",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const budget = yield* Budget.make({ modelCalls: 10 })
        const thread = yield* codex.startThread({ budget })
        yield* model.enqueue([exec("echo working")], "done")
        yield* thread.run("go")
        assert.strictEqual((yield* budget.spent).modelCalls, 2)
        yield* model.enqueue(says("more"), says("a summary"))
        yield* thread.run("more")
        yield* Effect.scoped(Effect.flatMap(thread.compact(), ({ result }) => result))
        assert.deepStrictEqual(yield* budget.spent, { modelCalls: 4, tokens: 30, cost: Option.none() })
      })
  )
})

describe("a budget of tokens", () => {
  real("that another turn uses up hangs up on the model", ({ codex, model }) =>
    Effect.gen(function*() {
      const budget = yield* Budget.make({ tokens: 15 })
      const open = yield* gate
      yield* model.enqueue(reply([ScriptedModel.text(["so far", open])], { usage }))
      const thinking = yield* codex.startThread()
      const run = yield* Effect.forkScoped(Effect.flip(thinking.run("think", { budget })))
      yield* open.reached
      yield* model.enqueue(says("done"))
      const other = yield* codex.startThread()
      assert.strictEqual((yield* other.run("go", { budget })).status, "completed")
      const error = exceeded(yield* Fiber.join(run))
      assert.deepStrictEqual(numbersOf(error), { limit: "tokens", allowed: 15, spent: 15 })
      const [request] = yield* model.requests
      assert.strictEqual(yield* request!.outcome, "abandoned")
    }))

  let calls = 0
  const child = Effect.runSync(gate)
  real("counts subagents, and ends them with the turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const budget = yield* Budget.make({ tokens: 1000 })
      const thread = yield* codex.startThread()
      const error = exceeded(yield* Effect.flip(thread.run("parent", { budget })))
      assert.strictEqual(error.limit, "tokens")
      const { subagents, turn } = Option.getOrThrow(error.result?.usage ?? Option.none())
      assert.strictEqual(subagents.totalTokens, 5001)
      assert.strictEqual((yield* budget.spent).tokens, turn.totalTokens + 5001)
      const open = (yield* model.requests).filter(({ prompt }) => prompt === "silent")
      assert.strictEqual(open.length, 1)
      for (const request of open) assert.strictEqual(yield* request.outcome, "abandoned")
    }), {
    model: {
      answer: ({ prompt, toolOutputs }) => {
        // It is still thinking when its sibling has used up the tokens.
        if (prompt === "silent") return reply([ScriptedModel.text(["hm", child])])
        if (prompt === "costly") return Effect.as(child.reached, reply(["done"], { usage: { input: 5000, output: 1 } }))
        const call = (name: string, args: object) => functionCall(name, { ...args }, { namespace: "multi_agent_v1" })
        const targets = toolOutputs.flatMap(({ output }) => /"agent_id":"([^"]*)"/.exec(output)?.[1] ?? [])
        switch (calls++) {
          case 0:
            return reply([call("spawn_agent", { message: "silent" })], { usage })
          case 1:
            return reply([call("spawn_agent", { message: "costly" })], { usage })
          default:
            return reply([call("wait_agent", { targets, timeout_ms: 30_000 })], { usage })
        }
      }
    }
  })
})

/** A parent that waits for a subagent, which runs commands without end. */
const withSubagent = () => {
  let calls = 0
  return {
    model: {
      answer: ({ prompt, toolOutputs }: ScriptedModel.ModelRequest) => {
        if (prompt === "work") return works
        if (prompt === "judge") return says("yes")
        const call = (name: string, args: object) => functionCall(name, { ...args }, { namespace: "multi_agent_v1" })
        const targets = toolOutputs.flatMap(({ output }) => /"agent_id":"([^"]*)"/.exec(output)?.[1] ?? [])
        return calls++ === 0
          ? reply([call("spawn_agent", { message: "work" })], { usage })
          : reply([call("wait_agent", { targets, timeout_ms: 30_000 })], { usage })
      }
    }
  }
}

describe("a subagent", () => {
  real("that makes its calls quickly makes none that the budget does not allow", ({ codex }) =>
    Effect.gen(function*() {
      const budget = yield* Budget.make({ modelCalls: 4 })
      const thread = yield* codex.startThread()
      exceeded(yield* Effect.flip(thread.run("parent", { budget })))
      assert.strictEqual((yield* budget.spent).modelCalls, 4)
    }), withSubagent())

  real(
    "whose handler starts a turn on the same budget does not wait for itself",
    ({ codex }) =>
      Effect.gen(function*() {
        // One call of the parent is told, and it and the subagent are in one each.
        const budget = yield* Budget.make({ modelCalls: 3 })
        const judge = yield* codex.startThread()
        const told: Array<string> = []
        const thread = yield* codex.startThread({
          approvalMode: ApprovalMode.untrusted,
          handlers: {
            "item/commandExecution/requestApproval": () =>
              Effect.map(Effect.flip(judge.run("judge", { budget })), ({ _tag }) => {
                told.push(_tag)
                return { decision: "accept" as const }
              }).pipe(Effect.orDie)
          }
        })
        exceeded(yield* Effect.flip(thread.run("parent", { budget })))
        assert.deepStrictEqual(told, ["BudgetExceeded"])
      }),
    withSubagent()
  )
})

describe("a budget of money", () => {
  const prices = Pricing.layer({
    "scripted-model": { input: 1_000_000, cachedInput: 100_000, output: 2_000_000 },
    dear: { input: 50_000_000, output: 0 }
  })
  const cached = (text: string) => reply([text], { usage: { input: 10, cached: 4, output: 5, reasoning: 3 } })

  real(
    "counts each call by its model's price, and results tell what they cost",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const budget = yield* Budget.make({ cost: 16.5 })
        const thread = yield* codex.startThread()
        yield* model.enqueue(cached("done"), works, works)
        // 6 of input, 4 of the cache and 5 of output, of which 3 are reasoning.
        assert.deepStrictEqual((yield* thread.run("go", { budget })).cost, Option.some(6 + 0.4 + 10))
        const error = exceeded(yield* Effect.flip(thread.run("more", { budget })))
        assert.deepStrictEqual(numbersOf(error), { limit: "cost", allowed: 16.5, spent: 36.4 })
        assert.deepStrictEqual(error.result?.cost, Option.some(20))
      }).pipe(Effect.provide(prices))
  )

  real("needs a price for the model, before anything is sent", ({ codex, model }) =>
    Effect.gen(function*() {
      const budget = yield* Budget.make({ cost: 1 })
      const thread = yield* codex.startThread()
      const error = yield* Effect.flip(thread.run("go", { budget }))
      assert.strictEqual(
        error.message,
        "Invalid budget: it limits the cost, and `Pricing` has no price for the model scripted-model. Provide one with " +
          "`Pricing.layer`."
      )
      const other = yield* Effect.flip(thread.run("go", { budget, model: "new" }).pipe(Effect.provide(prices)))
      assert.include(other.message, "no price for the model new")
      assert.strictEqual((yield* model.requests).length, 0)
      yield* model.enqueue(says("done"))
      assert.deepStrictEqual((yield* thread.run("go")).cost, Option.none())
    }))

  real("ends a turn that is rerouted to a model without a price", ({ codex, model }) =>
    Effect.gen(function*() {
      const budget = yield* Budget.make({ cost: 1000 })
      const thread = yield* codex.startThread()
      yield* model.enqueue(reply([exec("echo working")], { usage, model: "unheard-of" }))
      const error = yield* Effect.flip(thread.run("go", { budget }))
      assert(error._tag === "PriceUnknown")
      assert.strictEqual(error.model, "unheard-of")
      assert.deepStrictEqual(error.result.cost, Option.none())
      assert.include(error.message, "`Pricing` has no price for the model unheard-of")
      // The stopped turn may have asked once more before it ended.
      const done = reply(["done"], { usage, model: "dear" })
      yield* model.enqueue(done, done)
      assert.deepStrictEqual((yield* thread.run("go", { budget })).cost, Option.some(500))
    }).pipe(Effect.provide(prices)))
})

describe("a goal", () => {
  real(
    "and a turn of its thread, which wait for the same call, do not wait for each other",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const budget = yield* Budget.make({ modelCalls: 1 })
        const at = yield* gate
        const [first, second] = [yield* codex.startThread(), yield* codex.startThread()]
        yield* model.enqueue(reply([at]), says("a turn"), reply([at]))
        const holder = yield* Effect.forkScoped(first.run("go", { budget }))
        yield* at.reached
        const atOnce = { startImmediately: true }
        const goal = yield* Effect.forkScoped(Effect.flip(second.runGoal("Go on.", { budget })), atOnce)
        yield* second.goal
        const turn = yield* Effect.forkScoped(Effect.flip(second.run("go", { budget, whenBusy: "queue" })), atOnce)
        yield* second.goal
        yield* Fiber.interrupt(holder)
        exceeded(yield* Fiber.join(goal))
        exceeded(yield* Fiber.join(turn))
        assert.strictEqual((yield* budget.spent).modelCalls, 1)
      })
  )

  for (const [when, working] of [["in a turn that goes on", true], ["between two turns", false]] as const) {
    let calls = 0
    real(`is paused and fails when its budget is spent ${when}`, ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const budget = yield* Budget.make({ modelCalls: 2 })
        const error = exceeded(yield* Effect.flip(thread.runGoal("Go on.", { budget })))
        assert.deepStrictEqual(numbersOf(error), { limit: "modelCalls", allowed: 2, spent: 2 })
        assert.isNotNull(error.turnId)
        assert.strictEqual(Option.getOrThrow(yield* thread.goal).status, "paused")
        for (const request of (yield* model.requests).slice(2)) assert.strictEqual(yield* request.outcome, "abandoned")
        const again = exceeded(yield* Effect.flip(Effect.scoped(thread.resumeGoal({ budget }))))
        assert.isNull(again.turnId)
      }), {
      model: {
        answer: () => calls++ >= 2 ? Effect.map(gate, (held) => reply([held])) : working ? works : says("a turn")
      }
    })
  }
})
