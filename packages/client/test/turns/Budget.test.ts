/** Budgets on the fake server: who waits, and which budgets apply. */
import { Budget, Codex, DynamicTools, Pricing, Sandbox, type Thread } from "@effect-codex/client"
import { FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schema } from "effect"

const { exec, functionCall, gate, reply, text } = ScriptedModel
const usage = { input: 10, output: 5 }
const held = (at: ScriptedModel.Gate) => reply([text(["so far", at])], { usage })
const works = reply([exec("true")], { usage })
const done = reply(["done"], { usage })

const tagOf = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(effect), (result) => result._tag === "Success" ? "ok" : result.failure._tag)

const newThread = (options?: Codex.StartThreadOptions) =>
  Effect.flatMap(Codex.Codex, (codex) => codex.startThread(options))

const fork = (thread: Thread.Thread, options: Thread.TurnOptions) =>
  Effect.forkScoped(tagOf(thread.run("go", options)), { startImmediately: true })

/** Has begun a turn that holds the only call of a budget, and one that waits for it. */
const waiting = Effect.gen(function*() {
  const model = yield* ScriptedModel.ScriptedModel
  const budget = yield* Budget.make({ modelCalls: 1 })
  const at = yield* gate
  const [first, second] = [yield* newThread(), yield* newThread()]
  yield* model.enqueue(held(at), done)
  const holder = yield* fork(first, { budget })
  yield* at.reached
  const waiter = yield* fork(second, { budget })
  return { at, budget, first, holder, model, second, waiter }
})

describe("a turn for which another one holds the last call", () => {
  it.effect("starts once the other has ended without it", () =>
    Effect.gen(function*() {
      const { holder, model, waiter } = yield* waiting
      assert.strictEqual((yield* model.requests).length, 1)
      yield* Fiber.interrupt(holder)
      assert.strictEqual(yield* Fiber.join(waiter), "ok")
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("is refused once the other has spent it", () =>
    Effect.gen(function*() {
      const { at, budget, holder, model, waiter } = yield* waiting
      yield* at.release
      assert.deepStrictEqual([yield* Fiber.join(holder), yield* Fiber.join(waiter)], ["ok", "BudgetExceeded"])
      assert.strictEqual((yield* model.requests).length, 1)
      assert.deepStrictEqual(yield* budget.spent, { modelCalls: 1, tokens: 15, cost: Option.none() })
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("keeps no call when it is interrupted, and holds up no change of its thread's settings", () =>
    Effect.gen(function*() {
      const { at, budget, first, holder, second, waiter } = yield* waiting
      yield* second.updateSettings({ sandbox: Sandbox.readOnly })
      yield* Fiber.interrupt(waiter)
      yield* Fiber.interrupt(holder)
      yield* at.release
      assert.strictEqual(yield* tagOf(first.run("go", { budget })), "ok")
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("keeps its thread busy while it waits", () =>
    Effect.gen(function*() {
      const { second, waiter } = yield* waiting
      yield* second.updateSettings({ sandbox: Sandbox.readOnly })
      assert.strictEqual(yield* tagOf(second.run("go")), "ThreadBusy")
      yield* Fiber.interrupt(waiter)
      assert.strictEqual(yield* tagOf(second.run("go")), "ok")
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("is refused if it is the work of a tool of the other, which waits for it", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const budget = yield* Budget.make({ modelCalls: 1 })
      const inner = yield* newThread()
      const tools = yield* DynamicTools.make([
        DynamicTools.tool("delegate", {
          description: "Asks another agent.",
          input: Schema.Struct({}),
          handler: () => tagOf(inner.run("go", { budget }))
        })
      ])
      const outer = yield* newThread({ tools })
      yield* model.enqueue(reply([functionCall("delegate", {})], { usage }))
      const error = yield* Effect.flip(outer.run("go", { budget }))
      assert(error._tag === "BudgetExceeded")
      const call = error.result?.items.find((item) => item.type === "dynamicToolCall")
      assert.include(JSON.stringify(call), "BudgetExceeded")
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
})

describe("a turn that a handler starts", () => {
  const question = { id: "q", header: "Which", question: "Which one?", options: [{ label: "one", description: "" }] }
  it.effect("is refused if the turn that asks holds the last call, also when its tool has no item", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const budget = yield* Budget.make({ modelCalls: 1 })
      const inner = yield* newThread()
      const thread = yield* newThread({ config: { "features.default_mode_request_user_input": true } })
      const told: Array<string> = []
      yield* model.enqueue(reply([functionCall("request_user_input", { questions: [question] })], { usage }))
      const outcome = yield* tagOf(thread.run("go", {
        budget,
        handlers: {
          "item/tool/requestUserInput": () =>
            Effect.map(tagOf(inner.run("which?", { budget })), (tag) => {
              told.push(tag)
              return { answers: {} }
            })
        }
      }))
      assert.deepStrictEqual([outcome, told], ["BudgetExceeded", ["BudgetExceeded"]])
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
})

describe("all budgets that apply to a turn", () => {
  const clients = Effect.runSync(Budget.make({ modelCalls: 5 }))
  it.effect("count it and limit it: the turn's, the thread's and the client's", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const ofThread = yield* Budget.make({ modelCalls: 3 })
      const ofTurn = yield* Budget.make({ modelCalls: 2 })
      const thread = yield* newThread({ budget: ofThread })
      yield* model.enqueue(done, works, done, works, works)
      assert.strictEqual(yield* tagOf(thread.run("go", { budget: ofTurn })), "ok")
      const cut = yield* Effect.flip(thread.run("go", { budget: ofTurn }))
      assert.deepInclude(cut, { _tag: "BudgetExceeded", limit: "modelCalls", allowed: 2, spent: 2 })
      assert.strictEqual(yield* tagOf(thread.run("go")), "ok")
      assert.deepInclude(yield* Effect.flip(thread.run("go")), { allowed: 3, spent: 3, turnId: null })
      const other = yield* newThread()
      assert.deepInclude(yield* Effect.flip(other.run("go")), { allowed: 5, spent: 5 })
      for (const refused of [thread.compact(), thread.review({ type: "uncommittedChanges" })]) {
        assert.strictEqual(yield* tagOf(Effect.scoped(refused)), "BudgetExceeded")
      }
      const spent = yield* Effect.forEach([ofTurn, ofThread, clients], (budget) => budget.spent)
      assert.deepStrictEqual(spent.map(({ modelCalls }) => modelCalls), [2, 3, 5])
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer({ budget: clients }))))

  it.effect("limit a plan of the thread that is implemented in a fresh one", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const budget = yield* Budget.make({ modelCalls: 1 })
      const thread = yield* newThread({ budget })
      yield* model.enqueue(done, done)
      assert.strictEqual(yield* tagOf(thread.run("go")), "ok")
      assert.strictEqual(
        yield* tagOf(Effect.scoped(thread.implementPlan("# Plan", { fresh: true }))),
        "BudgetExceeded"
      )
      assert.strictEqual((yield* model.requests).length, 1)
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("limit a turn that is steered with them again, after a first message has let go of the turn", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const budget = yield* Budget.make({ modelCalls: 1 })
      const thread = yield* newThread()
      const at = yield* gate
      yield* model.enqueue(held(at), works, works, works)
      const run = yield* fork(thread, {})
      yield* at.reached
      yield* Effect.scoped(thread.turn("more", { budget, whenBusy: "steer" }))
      const steered = yield* thread.turn("and more", { budget, whenBusy: "steer" })
      assert.deepStrictEqual(
        [yield* Fiber.join(run), yield* tagOf(steered.result)],
        ["BudgetExceeded", "BudgetExceeded"]
      )
      assert.strictEqual((yield* budget.spent).modelCalls, 1)
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it.effect("count and limit a turn of the thread's queue", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const budget = yield* Budget.make({ modelCalls: 3 })
      const thread = yield* newThread({ budget })
      yield* model.enqueue(done, works, works, works, done)
      const first = yield* Effect.flatMap(thread.queue.add("first"), thread.queue.turn)
      assert.deepStrictEqual((yield* first.result).cost, Option.some(1))
      const second = yield* Effect.flatMap(thread.queue.add("second"), thread.queue.turn)
      const error = yield* Effect.flip(second.result)
      assert.deepInclude(error, { _tag: "BudgetExceeded", limit: "modelCalls", allowed: 3, spent: 3 })
      assert.strictEqual((yield* budget.spent).modelCalls, 3)
    }).pipe(
      Effect.scoped,
      Effect.provide(FakeAppServer.layer().pipe(Layer.provide(Pricing.layer(() => Option.some(1)))))
    ))

  it.effect("count a question about the thread, and refuse one when they are spent", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const budget = yield* Budget.make({ modelCalls: 2 })
      const thread = yield* newThread({ budget })
      yield* model.enqueue(done, done)
      yield* thread.run("go")
      yield* thread.ask("What was it?")
      const { cost, modelCalls, tokens } = yield* budget.spent
      assert.deepStrictEqual([modelCalls, tokens > 0, cost], [2, true, Option.some(2)])
      assert.deepInclude(yield* Effect.flip(thread.ask("And?")), {
        _tag: "BudgetExceeded",
        limit: "modelCalls",
        turnId: null,
        spent: 2
      })
      assert.strictEqual((yield* model.requests).length, 2)
    }).pipe(
      Effect.scoped,
      Effect.provide(FakeAppServer.layer().pipe(Layer.provide(Pricing.layer(() => Option.some(1)))))
    ))

  it.effect("limit a turn that is steered with them, from then on", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const own = yield* Budget.make({})
      const budget = yield* Budget.make({ modelCalls: 1 })
      const thread = yield* newThread()
      const at = yield* gate
      yield* model.enqueue(works, held(at), works, works)
      const run = yield* fork(thread, { budget: own })
      yield* at.reached
      const steered = yield* thread.turn("more", { budget, whenBusy: "steer" })
      assert.deepStrictEqual(
        [yield* Fiber.join(run), yield* tagOf(steered.result)],
        ["BudgetExceeded", "BudgetExceeded"]
      )
      assert.strictEqual((yield* budget.spent).modelCalls, 1)
      assert.strictEqual((yield* own.spent).modelCalls, 2)
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))
})

describe("the prices", () => {
  const price = (cost: number) => Pricing.layer(() => Option.some(cost))
  it.effect("are those of the client's layer, unless the turn is started with others", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const thread = yield* newThread()
      yield* model.enqueue(done, done)
      assert.deepStrictEqual((yield* thread.run("go")).cost, Option.some(1))
      const { cost } = yield* thread.run("go").pipe(Effect.provide(price(2)))
      assert.deepStrictEqual(cost, Option.some(2))
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer().pipe(Layer.provide(price(1))))))

  it.effect("may throw or be no numbers, which is no price", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const thread = yield* newThread()
      const wrong: ReadonlyArray<Pricing.Price> = [
        () => {
          throw new Error("no")
        },
        () => Option.some(Number.NaN),
        () => Option.some(-1)
      ]
      for (const price of wrong) {
        yield* model.enqueue(done)
        const { cost } = yield* thread.run("go").pipe(Effect.provide(Pricing.layer(price)))
        assert.deepStrictEqual(cost, Option.none())
      }
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer())))

  it("of a table know the models that it names, and nothing that every object has", () => {
    const none = {
      totalTokens: 0,
      inputTokens: 0,
      cachedInputTokens: 0,
      cacheWriteInputTokens: 0,
      outputTokens: 0,
      reasoningOutputTokens: 0
    }
    const table = Pricing.perMillionTokens({ mine: { input: 1e6, cacheWrite: 3e6, output: 5e6 } })
    assert.deepStrictEqual(
      table("mine", { ...none, inputTokens: 10, cachedInputTokens: 2, cacheWriteInputTokens: 3, outputTokens: 4 }),
      Option.some(5 + 2 + 9 + 20)
    )
    for (const model of ["other", "toString"]) assert.deepStrictEqual(table(model, none), Option.none())
  })
})

describe("a budget", () => {
  it.effect("is made of limits that are numbers, and of nothing else", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<object> = [
        { modelCalls: -1 },
        { modelCalls: 0.5 },
        { tokens: Number.NaN },
        { cost: Number.POSITIVE_INFINITY },
        { cost: "1" },
        { modelcalls: 1 }
      ]
      for (const limits of wrong) {
        assert.strictEqual((yield* Effect.flip(Budget.make(limits)))._tag, "InvalidArgument", JSON.stringify(limits))
      }
      const nothing = yield* Budget.make({ modelCalls: 0 })
      assert.strictEqual((yield* nothing.remaining).modelCalls.pipe(Option.getOrThrow), 0)
      assert.isTrue(Budget.isBudget(nothing))
      assert.isFalse(Budget.isBudget({ modelCalls: 0 }))
      const thread = yield* newThread()
      assert.strictEqual(yield* tagOf(thread.run("go", { budget: nothing })), "BudgetExceeded")
    }).pipe(Effect.provide(FakeAppServer.layer())))
})
