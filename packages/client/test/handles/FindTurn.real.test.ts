/** Turns are found by the ids of their messages, on the real codex binary. */
import { AppServer, AppServerRpc, Codex, type Thread } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"

/** What became of a turn: its status, its answer and its items. */
const found = (thread: Thread.Thread, messageId: string) =>
  Effect.match(thread.findTurn(messageId), {
    onFailure: kindOf,
    onSuccess: Option.match({
      onNone: () => "none",
      onSome: ({ finalResponse, items, status }) => [
        status,
        Option.getOrNull(finalResponse),
        items.map(({ type }) => type).join()
      ]
    })
  })

const answered = (text: string) => ["completed", text, "userMessage,agentMessage"]

const services = Effect.all({ codex: Codex.Codex, model: ScriptedModel.ScriptedModel, rpc: AppServerRpc.AppServerRpc })

describe("a message of the thread", () => {
  it.live("finds the turn that it began or steered, the newest if there are several, whole and without its neighbours", () =>
    Effect.gen(function*() {
      const { codex, model } = yield* services
      const thread = yield* codex.startThread()
      assert.strictEqual(yield* found(thread, "a"), "none")

      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(
        [ScriptedModel.text("I begin.", { phase: "commentary" }), ScriptedModel.text("one", { phase: "final_answer" })],
        ScriptedModel.text(["never ", gate, "said"]),
        "steered"
      )
      const ran = yield* thread.run("first", { messageId: "a" })
      const a = Option.getOrThrow(yield* thread.findTurn("a"))
      assert.deepStrictEqual(
        { ...a, timing: ran.timing, usage: ran.usage, model: ran.model, cost: ran.cost },
        ran
      )
      assert.deepStrictEqual([a.usage, a.timing], [Option.none(), Option.none()])

      const turn = yield* thread.turn("second", { messageId: "b" })
      yield* gate.reached
      assert.deepStrictEqual(yield* found(thread, "b"), ["inProgress", null, "userMessage"])
      const joined = yield* thread.turn("and this", { messageId: "steers", whenBusy: "steer" })
      yield* turn.result
      assert.strictEqual(joined.id, turn.id)
      const both = ["completed", "steered", "userMessage,userMessage,agentMessage"]
      assert.deepStrictEqual([yield* found(thread, "b"), yield* found(thread, "steers")], [both, both])

      yield* model.enqueue("queued", "again", "{}", "{\"n\":1}")
      const message = yield* thread.queue.add("third")
      yield* Effect.flatMap(thread.queue.turn(message), ({ result }) => result)
      assert.deepStrictEqual(yield* found(thread, message.clientId), answered("queued"))
      yield* thread.run("fourth", { messageId: "a", whenBusy: "queue" })
      assert.deepStrictEqual(yield* found(thread, "a"), answered("again"))
      const output = Schema.Struct({ n: Schema.Number })
      yield* thread.run("fifth", { messageId: "e", output, repair: 1 })
      assert.deepStrictEqual(yield* found(thread, "e"), answered("{\"n\":1}"))

      const fork = yield* thread.fork()
      const last = Option.getOrThrow(yield* thread.findTurn("e"))
      yield* thread.revert(last.id)
      assert.deepStrictEqual(yield* found(thread, "e"), answered("{}"))
      assert.deepStrictEqual(yield* found(fork, "e"), answered("{\"n\":1}"))

      yield* thread.archive
      assert.deepStrictEqual([yield* found(thread, "b"), yield* found(thread, "z")], [both, "none"])
      yield* codex.deleteThread(fork.id)
      assert.strictEqual(yield* found(fork, "e"), "ThreadNotFound")
      const unloaded = yield* codex.unarchiveThread(thread.id)
      assert.deepStrictEqual(yield* found(unloaded, "b"), both)
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))

  it.live("is found in a plan and in a thread with a legacy history, and refused in an ephemeral thread", () =>
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      yield* model.enqueue("<proposed_plan>\n# Do it\n</proposed_plan>", "done", "whispered", "of old")
      const planner = yield* codex.startThread()
      yield* planner.run("plan", { messageId: "plan", mode: "plan" })
      assert.deepStrictEqual(yield* found(planner, "plan"), ["completed", null, "userMessage,plan"])
      const { result, thread } = yield* planner.implementPlan("# Do it", { fresh: true, messageId: "do" })
      yield* result
      assert.deepStrictEqual([yield* found(planner, "do"), yield* found(thread, "do")], ["none", answered("done")])

      const ephemeral = yield* codex.startThread({ ephemeral: true })
      yield* ephemeral.run("hush", { messageId: "a" })
      assert.strictEqual(yield* found(ephemeral, "a"), "RpcError: invalidRequest")

      const started = yield* rpc.request("thread/start", { historyMode: "legacy" })
      yield* rpc.request("thread/name/set", { threadId: started.thread.id, name: "stored" })
      const legacy = yield* codex.resumeThread(started.thread.id)
      yield* legacy.run("go", { messageId: "a" })
      assert.strictEqual(kindOf(yield* Effect.flip(Stream.runDrain(legacy.items()))), "RpcError: methodNotFound")
      assert.deepStrictEqual(yield* found(legacy, "a"), answered("of old"))
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))
})

/** Runs on a codex process of its own. */
const inProcess = <A, E, R>(
  effect: Effect.Effect<A, E, R | Codex.Codex | AppServerRpc.AppServerRpc | AppServer.AppServer>
) =>
  Effect.gen(function*() {
    const { env, workspace } = yield* CodexHome.CodexHome
    return yield* Effect.scoped(Effect.provide(effect, Layer.fresh(CodexNode.layer({ cwd: workspace, env }))))
  })

describe("after a crash", () => {
  it.live("a message tells whether its turn was begun, and what was lost of it", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      const tell = ScriptedModel.text("I begin.", { phase: "commentary" })
      yield* model.enqueue("one", [tell, ScriptedModel.exec("true")], [gate, "two"])
      const id = yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread()
        yield* thread.run("first", { messageId: "a" })
        const turn = yield* thread.turn("second", { messageId: "b" })
        yield* gate.reached
        // Another process does not see that it runs, but cannot have the thread either.
        yield* inProcess(Effect.gen(function*() {
          const rpc = yield* AppServerRpc.AppServerRpc
          const { data } = yield* rpc.request("thread/turns/list", { threadId: thread.id, limit: 1 })
          assert.deepStrictEqual(data.map(({ completedAt, status }) => [status, completedAt]), [["interrupted", null]])
          const error = yield* Effect.flip(Effect.flatMap(Codex.Codex, (codex) => codex.resumeThread(thread.id)))
          assert.strictEqual(error._tag, "ThreadInUse")
        }))
        process.kill((yield* AppServer.AppServer).pid, "SIGKILL")
        assert.strictEqual((yield* Effect.flip(turn.result))._tag, "AppServerExited")
        return thread.id
      }))
      yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).resumeThread(id)
        assert.deepStrictEqual(yield* found(thread, "a"), answered("one"))
        assert.deepStrictEqual(yield* found(thread, "b"), [
          "interrupted",
          null,
          "userMessage,agentMessage,commandExecution"
        ])
        assert.deepStrictEqual(yield* found(thread, "c"), "none")
      }))
    }).pipe(Effect.scoped, Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))))
})
