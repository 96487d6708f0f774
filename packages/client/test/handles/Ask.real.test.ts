/** Side questions, on the real codex binary with a scripted model. */
import { AppServer, AppServerRpc, Codex } from "@effect-codex/client"
import { Expect, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, Option, type Scope, Stream } from "effect"

const services = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  const rpc = yield* AppServerRpc.AppServerRpc
  return { codex, model, rpc }
})

type Services = Effect.Success<typeof services>
type Provided = Layer.Success<ReturnType<typeof ScriptedCodex.layer>>

const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope | Provided>
) => it.live(name, () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))

const usage = (input: number, output: number) => ({ usage: { input, output } })

describe("a side question", () => {
  real("is answered from the history, and leaves none", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue("one", ScriptedModel.reply(["It is done."], usage(11, 3)), "two")
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      const events = yield* Effect.forkChild(
        thread.events.pipe(Stream.takeUntil(({ _tag }) => _tag === "turn/started"), Stream.runCollect),
        { startImmediately: true }
      )
      const answer = yield* thread.ask("Is it done?", { metadata: { why: "a test" } })
      assert.deepStrictEqual(answer, {
        text: Option.some("It is done."),
        usage: Option.some({ inputTokens: 11, cachedInputTokens: 0, outputTokens: 3 })
      })
      const asked = (yield* model.requests)[1]!
      assert.deepStrictEqual(asked.userTexts.slice(-2), ["first", "Is it done?"])
      yield* thread.run("second")
      const next = (yield* model.requests)[2]!
      assert.notInclude(next.userTexts, "Is it done?")
      assert.lengthOf(yield* Stream.runCollect(thread.turns()), 2)
      const told = (yield* Fiber.join(events)).map(({ _tag }) => _tag)
      assert.deepStrictEqual(told.filter((tag) => tag.startsWith("item/") || tag.includes("tokenUsage")), [])
    }))

  real("sees a running turn as far as it is, and does not hold it up", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["Hello ", gate, "there."]), "Saying hello.")
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      yield* gate.reached
      assert.deepStrictEqual((yield* thread.ask("What are you doing?")).text, Option.some("Saying hello."))
      yield* gate.release
      assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("Hello there."))
    }))

  real("goes on beside a turn that begins meanwhile", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue("one", ScriptedModel.text(["an", gate, "swer"]), "two")
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      const asking = yield* Effect.forkChild(thread.ask("Well?"))
      yield* gate.reached
      assert.deepStrictEqual((yield* thread.run("second")).finalResponse, Option.some("two"))
      yield* gate.release
      assert.deepStrictEqual((yield* Fiber.join(asking)).text, Option.some("answer"))
    }))

  real("that wants a tool gets none, and has no text", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue("one", ScriptedModel.exec("touch made-by-a-question"))
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      assert.deepStrictEqual((yield* thread.ask("Well?")).text, Option.none())
      assert.lengthOf(yield* model.requests, 2)
    }))

  real("that is interrupted ends the request to the model", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue("one", ScriptedModel.text(["never ", gate, "said"]))
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      const asking = yield* Effect.forkChild(thread.ask("Well?"))
      yield* gate.reached
      yield* Fiber.interrupt(asking)
      const { outcome } = yield* Expect.modelRequest(2)
      assert.strictEqual(yield* outcome, "abandoned")
      assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies, 0)
    }))

  real(
    "fails with what the model's provider said, and is not repeated by anybody",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(
          "one",
          ScriptedModel.failed("context_length_exceeded", "too long"),
          ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached", message: "enough" } }),
          ScriptedModel.httpFailure(500, { error: { message: "boom" } })
        )
        const thread = yield* codex.startThread()
        yield* thread.run("first")
        const failure = Effect.map(
          Effect.flip(thread.ask("Well?")),
          (error) => error._tag === "AskFailed" ? [error.reason, error.isRetryable] : error._tag
        )
        assert.deepStrictEqual(yield* failure, ["contextFull", false])
        assert.deepStrictEqual(yield* failure, ["usageLimit", false])
        assert.deepStrictEqual(yield* failure, ["overloaded", true])
        assert.lengthOf(yield* model.requests, 4)
      })
  )

  real("about a thread without turns, or of a wrong length, is refused", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      assert.strictEqual((yield* Effect.flip(thread.ask("Well?")))._tag, "ThreadNotPersisted")
      yield* model.enqueue("one", "yes")
      yield* thread.run("first")
      assert.strictEqual((yield* Effect.flip(thread.ask(" ")))._tag, "InvalidArgument")
      assert.strictEqual((yield* Effect.flip(thread.ask("ä".repeat(2001))))._tag, "InvalidArgument")
      assert.deepStrictEqual((yield* thread.ask("ä".repeat(2000))).text, Option.some("yes"))
      yield* thread.archive
      assert.strictEqual((yield* Effect.flip(thread.ask("Well?")))._tag, "ThreadNotFound")
    }))

  real("whose process is killed fails, and is not asked again", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue("one", ScriptedModel.text(["never ", gate, "said"]))
      const thread = yield* codex.startThread()
      yield* thread.run("first")
      const asking = yield* Effect.forkChild(thread.ask("Well?"))
      yield* gate.reached
      process.kill((yield* AppServer.AppServer).pid, "SIGKILL")
      assert.strictEqual((yield* Effect.flip(Fiber.join(asking)))._tag, "AppServerExited")
      assert.lengthOf(yield* model.requests, 2)
    }))
})
