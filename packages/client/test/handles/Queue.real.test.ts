/** The durable queue of a thread, on the real codex binary with a scripted model. */
import { ApprovalMode, Approvals, AppServerRpc, Codex, Sandbox, type Thread } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, type Scope, Stream } from "effect"

const services = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  const rpc = yield* AppServerRpc.AppServerRpc
  return { codex, model, rpc }
})

type Services = Effect.Success<typeof services>

const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>
) => it.live(name, () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))

/** A turn that waits for the model until the gate opens. */
const waiting = Effect.fnUntraced(function*(thread: Thread.Thread, model: ScriptedModel.ScriptedModel["Service"]) {
  const gate = yield* ScriptedModel.gate
  yield* model.enqueue(ScriptedModel.text(["one", gate]))
  const turn = yield* thread.turn("first")
  yield* gate.reached
  return { gate, turn }
})

const texts = (thread: Thread.Thread) =>
  Effect.map(
    thread.queue.list,
    (all) =>
      all.map((entry) =>
        "type" in entry ? entry.type : entry.input.map((item) => item.type === "text" ? item.text : item.type).join()
      )
  )

const answerOf = (thread: Thread.Thread, queued: Parameters<Thread.Thread["queue"]["turn"]>[0]) =>
  Effect.scoped(
    Effect.flatMap(thread.queue.turn(queued), ({ result }) =>
      Effect.map(result, ({ finalResponse, status }) => [status, Option.getOrNull(finalResponse)]))
  )

describe("the queue of a thread", () => {
  real(
    "starts a message on an idle thread at once, and tells how its turn ends",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue("Done.")
        const thread = yield* codex.startThread()
        const queued = yield* thread.queue.add("Do it.", { metadata: { a: "b" } })
        assert.deepInclude(queued, { metadata: { a: "b" } })
        const turn = yield* thread.queue.turn(queued)
        const events = yield* Stream.runCollect(turn.events)
        assert.deepStrictEqual([events[0]?._tag, events.at(-1)?._tag], ["turn/started", "turn/completed"])
        const result = yield* turn.result
        assert.deepStrictEqual(result.finalResponse, Option.some("Done."))
        assert.deepStrictEqual(yield* answerOf(thread, queued), ["completed", "Done."])
      })
  )

  real(
    "runs its messages one after the other, in the order that they were given",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const { gate, turn } = yield* waiting(thread, model)
        const a = yield* thread.queue.add("a")
        const b = yield* thread.queue.add("b")
        const c = yield* thread.queue.add("c")
        yield* thread.queue.reorder([c.id, b.id, a.id])
        assert.deepStrictEqual((yield* thread.queue.update(a.id, "changed")).clientId, a.clientId)
        assert.isTrue(yield* thread.queue.remove(b.id))
        assert.isFalse(yield* thread.queue.remove(b.id))
        assert.deepStrictEqual(yield* texts(thread), ["c", "changed"])
        yield* model.enqueue("of c", "of a")
        const first = yield* Effect.forkChild(answerOf(thread, c))
        const second = yield* Effect.forkChild(answerOf(thread, a))
        const removed = yield* Effect.forkChild(Effect.flip(answerOf(thread, b)))
        yield* gate.release
        yield* turn.result
        assert.deepStrictEqual(yield* Fiber.join(first), ["completed", "of c"])
        assert.deepStrictEqual(yield* Fiber.join(second), ["completed", "of a"])
        assert.strictEqual((yield* Fiber.join(removed))._tag, "QueuedMessageNotFound")
        assert.deepStrictEqual((yield* model.requests).map(({ prompt }) => prompt), ["first", "c", "changed"])
      })
  )

  real("rests after an interrupted turn, until it is started", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      assert.strictEqual((yield* Effect.flip(thread.queue.start()))._tag, "QueuedMessageNotFound")
      const { turn } = yield* waiting(thread, model)
      const a = yield* thread.queue.add("a")
      assert.strictEqual((yield* Effect.flip(thread.queue.start()))._tag, "ThreadBusy")
      yield* turn.interrupt
      yield* turn.result
      const b = yield* thread.queue.add("b")
      assert.deepStrictEqual(yield* texts(thread), ["a", "b"])
      yield* model.enqueue("of b", "of a")
      const started = yield* thread.queue.start(b.id)
      assert.deepStrictEqual((yield* started.result).finalResponse, Option.some("of b"))
      assert.deepStrictEqual(yield* answerOf(thread, a), ["completed", "of a"])
      assert.strictEqual((yield* Effect.flip(thread.queue.start(a.id)))._tag, "QueuedMessageNotFound")
      assert.strictEqual((yield* Effect.flip(thread.queue.update(a.id, "x")))._tag, "QueuedMessageNotFound")
      assert.strictEqual((yield* Effect.flip(thread.queue.reorder([a.id])))._tag, "RpcError")
    }))

  real("goes on after a failed turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue([ScriptedModel.text(["one", gate]), ScriptedModel.exec("true")])
      yield* model.enqueue(ScriptedModel.httpFailure(400, { error: { message: "no" } }), "of a")
      const turn = yield* thread.turn("first")
      yield* gate.reached
      const a = yield* thread.queue.add("a")
      yield* gate.release
      assert.strictEqual((yield* Effect.flip(turn.result))._tag, "TurnFailed")
      assert.deepStrictEqual(yield* answerOf(thread, a), ["completed", "of a"])
    }))

  real("tells its changes", ({ codex, model }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const { turn } = yield* waiting(thread, model)
      const heard = yield* Deferred.make<void>()
      const sizes = yield* thread.queue.changes.pipe(
        Stream.map((all) => all.length),
        Stream.tap(() => Deferred.succeed(heard, undefined)),
        Stream.takeUntil((size) => size === 2),
        Stream.runCollect,
        Effect.forkChild
      )
      yield* Deferred.await(heard)
      yield* thread.queue.add("a")
      yield* thread.queue.add("b")
      const all = yield* Fiber.join(sizes)
      assert.deepStrictEqual([all[0], all.at(-1)], [0, 2])
      yield* turn.interrupt
    }))

  real("leaves the approvals of its turns to the thread's handlers", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(
        ScriptedModel.exec("touch approved", {
          args: { sandbox_permissions: "require_escalated", justification: "why" }
        }),
        "Done."
      )
      const asked: Array<unknown> = []
      const handlers = yield* Approvals.acceptWhen((request) =>
        Effect.sync(() => {
          asked.push(request)
          return false
        })
      )
      const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask, sandbox: Sandbox.readOnly, handlers })
      assert.deepStrictEqual(yield* answerOf(thread, yield* thread.queue.add("go")), ["completed", "Done."])
      assert.lengthOf(asked, 1)
    }))

  real("makes a handle busy, and takes steering", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["one ", gate]), "steered")
      const thread = yield* codex.startThread()
      const turn = yield* thread.queue.turn(yield* thread.queue.add("a"))
      yield* gate.reached
      assert.deepInclude(yield* Effect.flip(thread.run("b")), { _tag: "ThreadBusy", delivered: false })
      const steered = yield* thread.run("b", { whenBusy: "steer" })
      assert.strictEqual(steered.id, turn.id)
      assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("steered"))
    }))

  real(
    "runs with what the handle was given, or its turn is stopped",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
        const loosen = rpc.request("thread/settings/update", {
          threadId: thread.id,
          sandboxPolicy: { type: "dangerFullAccess" }
        })
        yield* loosen
        yield* model.enqueue(ScriptedModel.exec("touch made-here && echo made it"), "tried")
        assert.deepStrictEqual(yield* answerOf(thread, yield* thread.queue.add("go")), ["completed", "tried"])
        // docs/codex-behaviour.md, "Not every command that ran is an item".
        assert.notInclude((yield* model.requests).at(-1)?.toolOutputs[0]?.output ?? "made it", "made it")

        const { gate, turn } = yield* waiting(thread, model)
        const queued = yield* thread.queue.add("go")
        yield* loosen
        const held = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["never ", held, "said"]))
        const stopped = yield* Effect.forkChild(Effect.flip(answerOf(thread, queued)))
        yield* gate.release
        yield* turn.result
        assert.strictEqual((yield* Fiber.join(stopped))._tag, "SettingsNotApplied")
      })
  )

  real(
    "does not plan after a turn that does",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const { turn } = yield* waiting(thread, model)
        const queued = yield* thread.queue.add("go")
        yield* turn.interrupt
        yield* turn.result
        yield* model.enqueue("<proposed_plan>\n# Plan\n</proposed_plan>\n", "went")
        assert.deepStrictEqual((yield* thread.run("plan", { mode: "plan" })).plan, Option.some("# Plan\n"))
        assert.deepStrictEqual(yield* answerOf(thread, queued), ["completed", "went"])
        const modes = (yield* model.requests).at(-1)?.body["input"] ?? ""
        assert.isAbove(JSON.stringify(modes).lastIndexOf("Collaboration Mode: Default"), 0)

        const second = yield* waiting(thread, model)
        const other = yield* thread.queue.add("go on")
        yield* rpc.request("thread/settings/update", {
          threadId: thread.id,
          collaborationMode: {
            mode: "plan",
            settings: { model: "scripted-model", reasoning_effort: null, developer_instructions: null }
          }
        })
        const held = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["never ", held, "said"]))
        const stopped = yield* Effect.forkChild(Effect.flip(answerOf(thread, other)))
        yield* second.gate.release
        yield* second.turn.result
        assert.strictEqual((yield* Fiber.join(stopped))._tag, "SettingsNotApplied")
      })
  )

  real(
    "takes the id of a message, which finds its turn, and refuses a second one with it",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const { gate, turn } = yield* waiting(thread, model)
        yield* model.enqueue("Done.")
        const queued = yield* thread.queue.add("Do it.", { messageId: "review/42" })
        assert.strictEqual(queued.clientId, "review/42")
        const [waits] = yield* thread.queue.list
        assert.deepInclude(waits, { clientId: "review/42" })
        const error = yield* Effect.flip(thread.queue.add("Do it.", { messageId: "review/42" }))
        assert.deepInclude(error, { _tag: "InvalidArgument", argument: "messageId" })
        assert.isTrue(Option.isNone(yield* thread.findTurn("review/42")))
        yield* gate.release
        yield* turn.result
        assert.deepStrictEqual(yield* answerOf(thread, queued), ["completed", "Done."])
        const found = yield* thread.findTurn("review/42")
        assert.deepStrictEqual(Option.flatMap(found, ({ finalResponse }) => finalResponse), Option.some("Done."))
      })
  )

  real("refuses an ephemeral thread, and input that is wrong", ({ codex }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread({ ephemeral: true })
      assert.strictEqual((yield* Effect.flip(thread.queue.add("a")))._tag, "RpcError")
      assert.strictEqual((yield* Effect.flip(thread.queue.list))._tag, "RpcError")
      assert.strictEqual((yield* Effect.flip(thread.queue.add([])))._tag, "InvalidArgument")
      const stored = yield* codex.startThread()
      assert.strictEqual((yield* Effect.flip(stored.queue.add("x".repeat(1_048_577))))._tag, "InputTooLarge")
    }))

  it.live("survives its processes, and rests in the next one until it is started", () =>
    Effect.gen(function*() {
      const home = yield* CodexHome.CodexHome
      const model = yield* ScriptedModel.ScriptedModel
      const process = CodexNode.layer({ cwd: home.workspace, env: home.env })
      const threadId = yield* Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread()
        yield* waiting(thread, model)
        yield* thread.queue.add("a")
        yield* thread.queue.add("b")
        return thread.id
      }).pipe(Effect.scoped, Effect.provide(process, { local: true }))
      yield* Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).resumeThread(threadId)
        assert.deepStrictEqual(yield* texts(thread), ["a", "b"])
        const c = yield* thread.queue.add("c")
        assert.strictEqual((yield* thread.status).type, "idle")
        yield* model.enqueue("of a", "of b", "of c")
        const turn = yield* thread.queue.start()
        assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("of a"))
        assert.deepStrictEqual(yield* answerOf(thread, c), ["completed", "of c"])
        assert.deepStrictEqual(yield* texts(thread), [])
      }).pipe(Effect.scoped, Effect.provide(process, { local: true }))
    }).pipe(Effect.scoped, Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))))
})
