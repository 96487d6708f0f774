/** What a turn's time went into, on the test clock. */
import { ApprovalMode, Codex } from "@effect-codex/client"
import { CodexTest, FakeAppServer, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import type { TurnTiming } from "../../src/TurnResult.ts"

const millis = ({ firstToken, model, tools }: TurnTiming) => ({
  firstToken: Option.getOrUndefined(Option.map(firstToken, Duration.toMillis)),
  model: Duration.toMillis(model),
  tools: Duration.toMillis(tools)
})

const services = Effect.gen(function*() {
  return { codex: yield* Codex.Codex, model: yield* ScriptedModel.ScriptedModel }
})

const timed = (
  name: string,
  test: (given: Effect.Success<typeof services>) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.effect(
    name,
    () =>
      Effect.flatMap(services, test).pipe(
        Effect.scoped,
        Effect.provide(FakeAppServer.layer({ exec: () => Effect.delay(Effect.succeed({}), "4 seconds") }))
      )
  )

describe("the timing of a turn", () => {
  timed(
    "counts until the model's first item, and parts the tools from the rest",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(
          ScriptedModel.reply([
            ScriptedModel.delay("2 seconds"),
            ScriptedModel.text(["I ", ScriptedModel.delay("1 second"), "look."]),
            ScriptedModel.exec("ls")
          ]),
          ScriptedModel.reply([ScriptedModel.delay("3 seconds"), "done"])
        )
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll })
        const { timing } = yield* CodexTest.eventually(thread.run("go"))
        assert.deepStrictEqual(millis(Option.getOrThrow(timing)), { firstToken: 2000, model: 6000, tools: 4000 })
      })
  )

  timed("is told while the turn runs, and stands still after its end", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.reply([gate, "done"]))
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      yield* gate.reached
      const now = Effect.map(turn.partialResult, ({ timing }) => millis(Option.getOrThrow(timing)))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* now, { firstToken: undefined, model: 5000, tools: 0 })
      yield* gate.release
      yield* turn.result
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* now, { firstToken: 5000, model: 5000, tools: 0 })
    }))

  timed("begins when a turn that waited is sent", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.reply([gate]), "done")
      const thread = yield* codex.startThread()
      yield* thread.turn("first")
      yield* gate.reached
      const waiting = yield* Effect.forkChild(thread.run("second", { whenBusy: "queue" }))
      yield* TestClock.adjust("1 minute")
      yield* gate.release
      const { timing } = yield* CodexTest.eventually(Fiber.join(waiting))
      assert.deepStrictEqual(millis(Option.getOrThrow(timing)), { firstToken: 0, model: 0, tools: 0 })
    }))

  timed("is one for all handles on the turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.reply([gate]), "done")
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      yield* gate.reached
      const joined = yield* thread.turn("more", { whenBusy: "steer" })
      yield* gate.release
      assert.isTrue(Option.isSome((yield* joined.result).timing))
      assert.isTrue(Option.isSome((yield* turn.result).timing))
    }))
})
