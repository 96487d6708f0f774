/** Goals, on the real codex binary with a scripted model. */
import { AppServerRpc, Codex, CodexError, type Thread } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, type Scope, Stream } from "effect"
import { goalsOf, makeTurns, tagOf } from "../support/goals.ts"

const services = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  const rpc = yield* AppServerRpc.AppServerRpc
  const startThread = Effect.fnUntraced(function*(options?: Codex.StartThreadOptions) {
    const thread = yield* codex.startThread(options)
    return { thread, goals: goalsOf(yield* makeTurns(rpc), thread.id) }
  })
  return { codex, model, rpc, startThread }
})

type Services = Effect.Success<typeof services>

const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  layer: ReturnType<typeof ScriptedCodex.layer> = ScriptedCodex.layer()
) => it.live(name, () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(layer)))

const complete = ScriptedModel.functionCall("update_goal", { status: "complete" })

const statusOf = (goals: ReturnType<typeof goalsOf>) =>
  Effect.map(goals.goal, (found) => Option.getOrThrow(found).status)

/** That the thread is free and that no turn but this one follows. */
const isFree = Effect.fnUntraced(function*({ model }: Services, thread: Thread.Thread) {
  const before = (yield* model.requests).length
  yield* model.enqueue("free")
  assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("free"))
  assert.strictEqual((yield* model.requests).length, before + 1)
})

describe("on the real server a goal", () => {
  real("runs over two turns until the model says that it is complete", (all) =>
    Effect.gen(function*() {
      yield* all.model.enqueue(
        ScriptedModel.reply(["Initial pass."], { usage: { input: 10, output: 1 } }),
        ScriptedModel.reply([complete], { usage: { input: 20, output: 2 } }),
        ScriptedModel.reply(["Goal complete."], { usage: { input: 30, output: 3 } })
      )
      const { goals, thread } = yield* all.startThread()
      assert.deepStrictEqual(yield* goals.goal, Option.none())
      const turn = yield* goals.startGoal(" Improve the coverage. ")
      const events = yield* Stream.runCollect(turn.events)
      const count = (tag: string) => events.filter((event) => event._tag === tag).length
      assert.strictEqual(events[0]?._tag, "turn/started")
      assert.strictEqual(events.at(-1)?._tag, "turn/completed")
      assert.deepStrictEqual([count("turn/started"), count("turn/completed"), count("thread/goal/updated")], [1, 1, 0])
      assert.deepStrictEqual(events.filter((event) => event._tag === "Unknown" || event._tag === "Undecodable"), [])
      for (const event of events) {
        if ("params" in event && Object.hasOwn(Object(event.params), "turnId")) {
          assert.deepInclude(event.params, { turnId: turn.id })
        }
      }
      const result = yield* turn.result
      assert.strictEqual(result.id, turn.id)
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.finalResponse, Option.some("Goal complete."))
      assert.deepStrictEqual(
        result.items.flatMap((item) => item.type === "agentMessage" ? [item.text] : []),
        ["Initial pass.", "Goal complete."]
      )
      assert.strictEqual(Option.getOrThrow(result.usage).turn.totalTokens, 66)
      const found = Option.getOrThrow(yield* goals.goal)
      assert.deepStrictEqual([found.objective, found.status], ["Improve the coverage.", "complete"])
      assert.strictEqual((yield* all.model.requests).length, 3)
      yield* isFree(all, thread)
      // A second goal replaces the first, whose end the server tells late.
      yield* all.model.enqueue([complete], "Again.")
      assert.deepStrictEqual((yield* goals.runGoal("Again.")).finalResponse, Option.some("Again."))
      assert.isTrue(yield* goals.clearGoal)
      assert.isFalse(yield* goals.clearGoal)
    }))

  real("that is interrupted is paused and not continued, and can be resumed", (all) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* all.model.enqueue("first", ScriptedModel.text(["second ", gate]))
      const { goals, thread } = yield* all.startThread()
      const turn = yield* goals.startGoal("Go on.")
      yield* gate.reached
      yield* turn.interrupt
      const result = yield* turn.result
      assert.strictEqual(result.status, "interrupted")
      assert.strictEqual(result.id, turn.id)
      assert.strictEqual(yield* statusOf(goals), "paused")
      yield* turn.interrupt
      assert.strictEqual(yield* tagOf(turn.steer("more")), "NoActiveTurn")
      yield* isFree(all, thread)
      yield* all.model.enqueue([complete], "done")
      const resumed = yield* goals.resumeGoal()
      assert.deepStrictEqual((yield* resumed.result).finalResponse, Option.some("done"))
      assert.strictEqual(yield* statusOf(goals), "complete")
    }))

  real("whose run is interrupted in its second turn is paused, too", (all) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* all.model.enqueue("first", ScriptedModel.text(["second ", gate]))
      const { goals, thread } = yield* all.startThread()
      const running = yield* Effect.forkScoped(goals.runGoal("Go on."))
      yield* gate.reached
      yield* Fiber.interrupt(running)
      const [, second] = yield* all.model.received(2)
      assert.strictEqual(yield* second!.outcome, "abandoned")
      assert.strictEqual(yield* statusOf(goals), "paused")
      yield* isFree(all, thread)
    }))

  real(
    "that is interrupted at any moment of its start or between its turns does not run on",
    (all) =>
      Effect.gen(function*() {
        const { goals, thread } = yield* all.startThread()
        for (let millis = 0; millis < 60; millis += 3) {
          yield* goals.runGoal("Go on for ever.").pipe(Effect.timeoutOption(millis))
          const found = yield* goals.goal
          if (Option.isSome(found)) assert.notStrictEqual(found.value.status, "active")
          const { thread: read } = yield* all.rpc.request("thread/read", { threadId: thread.id, includeTurns: false })
          assert.strictEqual(read.status.type, "idle", `after ${millis} ms`)
        }
        assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("on"))
      }),
    ScriptedCodex.layer({ model: { answer: () => "on" } })
  )

  real("is steered in the turn that runs, also across turns", (all) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* all.model.enqueue("first", ScriptedModel.text(["second ", gate]), [complete], "steered")
      const { goals, thread } = yield* all.startThread()
      const turn = yield* goals.startGoal("Go on.")
      yield* gate.reached
      yield* turn.steer("turn left", { messageId: "left" })
      assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("steered"))
      const found = yield* thread.findTurn("left")
      assert.deepStrictEqual(Option.flatMap(found, (it) => it.finalResponse), Option.some("steered"))
      assert.include((yield* all.model.requests).at(-1)?.userTexts ?? [], "turn left")
    }))

  real("ends when its budget is used up", (all) =>
    Effect.gen(function*() {
      yield* all.model.enqueue(ScriptedModel.reply(["much"], { usage: { input: 100, output: 10 } }))
      const { goals } = yield* all.startThread()
      assert.strictEqual((yield* goals.runGoal("Go on.", { tokenBudget: 50 })).status, "completed")
      const found = Option.getOrThrow(yield* goals.goal)
      assert.strictEqual(found.status, "budgetLimited")
      assert.deepStrictEqual(found.tokenBudget, Option.some(50))
    }))

  real("ends with its turn when it is paused or cleared meanwhile", (all) =>
    Effect.gen(function*() {
      const { goals, thread } = yield* all.startThread()
      for (const end of [goals.pauseGoal, goals.clearGoal]) {
        const gate = yield* ScriptedModel.gate
        yield* all.model.enqueue(ScriptedModel.text(["the ", gate, "end"]))
        const turn = yield* goals.startGoal("Go on.")
        yield* gate.reached
        yield* end
        yield* gate.release
        const result = yield* turn.result
        assert.deepStrictEqual([result.status, result.finalResponse], ["completed", Option.some("the end")])
      }
      yield* isFree(all, thread)
      assert.strictEqual(yield* tagOf(goals.resumeGoal()), "RpcError: invalidRequest")
      assert.strictEqual(yield* tagOf(goals.pauseGoal), "RpcError: invalidRequest")
    }))

  real(
    "whose model fails is TurnFailed and blocked, or usage limited, and the thread takes another",
    (all) =>
      Effect.gen(function*() {
        const { goals } = yield* all.startThread()
        for (
          const [code, info, status] of [
            ["server_error", "other", "blocked"],
            ["insufficient_quota", "usageLimitExceeded", "usageLimited"]
          ] as const
        ) {
          yield* all.model.enqueue(ScriptedModel.failed(code, "goal model failed"))
          const error = yield* Effect.flip(goals.runGoal("Fail."))
          assert.instanceOf(error, CodexError.TurnFailed)
          assert.strictEqual(error.info, info)
          assert.strictEqual(yield* statusOf(goals), status)
        }
        yield* all.model.enqueue([complete], "fine")
        assert.strictEqual((yield* goals.runGoal("Again.")).status, "completed")
      })
  )

  real(
    "on a busy thread is ThreadBusy with the running turn, and is not set",
    (all) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* all.model.enqueue(ScriptedModel.text(["working ", gate]))
        const { goals, thread } = yield* all.startThread()
        const turn = yield* thread.turn("go")
        yield* gate.reached
        assert.deepInclude(yield* Effect.flip(goals.startGoal("More.")), { _tag: "ThreadBusy", activeTurnId: turn.id })
        yield* gate.release
        assert.strictEqual((yield* turn.result).status, "completed")
        assert.deepStrictEqual(yield* goals.goal, Option.none())
      })
  )

  real("on a thread that is not loaded is ThreadNotFound and is not set", (all) =>
    Effect.gen(function*() {
      const { goals, thread } = yield* all.startThread()
      yield* all.model.enqueue("stored")
      yield* thread.run("go")
      yield* all.rpc.request("thread/archive", { threadId: thread.id })
      yield* all.rpc.request("thread/unarchive", { threadId: thread.id })
      assert.strictEqual(yield* tagOf(goals.startGoal("Go on.")), "ThreadNotFound")
      assert.deepStrictEqual(yield* goals.goal, Option.none())
    }))

  real("on an ephemeral thread is InvalidArgument", (all) =>
    Effect.gen(function*() {
      const { goals } = yield* all.startThread({ ephemeral: true })
      assert.strictEqual(yield* tagOf(goals.runGoal("Go on.")), "InvalidArgument")
      const error = yield* Effect.flip(goals.goal)
      assert.include(error.message, "ephemeral thread does not support goals")
    }))

  real(
    "that is switched off in the configuration is refused as an invalid request",
    (all) =>
      Effect.gen(function*() {
        const { goals, thread } = yield* all.startThread()
        const error = yield* Effect.flip(goals.runGoal("Go on."))
        assert.strictEqual(kindOf(error), "RpcError: invalidRequest")
        assert.include(error.message, "goals feature is disabled")
        yield* isFree(all, thread)
      }),
    ScriptedCodex.layer({ home: { config: { features: { goals: false } } } })
  )
})
