/** The socket to an app-server is lost and made again, while the server and its turns go on, on the real codex binary. */
import { ApprovalMode, AppServerRpc, Codex, CodexError, type Thread } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { onTcp, onUnix, proxy, removeLeftovers, unixProxy } from "@effect-codex/test-support/servers"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Option, Schedule, type Scope, Stream } from "effect"

afterAll(removeLeftovers)

const restart = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(3)])

// A server, a way to it that can be cut and shut, and two clients: one at the other end of the way, and one at the server.
const transports = {
  "a WebSocket": Effect.gen(function*() {
    const server = yield* onTcp()
    const way = yield* proxy(server.url)
    return {
      server,
      way,
      layer: CodexNode.layerWebSocket({ url: way.url, restart }),
      other: CodexNode.layerWebSocket({ url: server.url })
    }
  }),
  "a unix socket": Effect.gen(function*() {
    const server = yield* onUnix()
    const way = yield* unixProxy(server.path)
    return {
      server,
      way,
      layer: CodexNode.layerUnixSocket({ path: way.path, restart }),
      other: CodexNode.layerUnixSocket({ path: server.path })
    }
  })
}

const live = (
  name: string,
  test: (services: {
    readonly cut: Effect.Effect<void>
    /** Keeps the connection from being made again until the effect that it gives is run. */
    readonly hold: Effect.Effect<Effect.Effect<void>>
    /** Another client of the server, whose socket is not cut. */
    readonly other: Effect.Effect<Codex.Codex["Service"], unknown, Scope.Scope>
    readonly end: () => void
    readonly codex: Codex.Codex["Service"]
    readonly thread: Thread.Thread
    readonly model: ScriptedModel.ScriptedModel["Service"]
    readonly rpc: AppServerRpc.AppServerRpc["Service"]
  }) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.live.each(Object.entries(transports))(`${name}: %s`, ([, connect]) =>
    Effect.gen(function*() {
      const { layer, other, server, way } = yield* connect
      const client = yield* Layer.build(layer)
      const codex = yield* Effect.provide(Codex.Codex, client)
      const rpc = yield* Effect.provide(AppServerRpc.AppServerRpc, client)
      const model = yield* ScriptedModel.ScriptedModel
      yield* test({
        cut: Effect.sync(way.cut),
        hold: Effect.sync(() => {
          way.shut()
          return Effect.sync(way.open)
        }),
        other: Effect.map(Layer.build(other), (context) => Context.get(context, Codex.Codex)),
        end: () => server.child.kill("SIGKILL"),
        codex,
        model,
        rpc,
        thread: yield* codex.startThread({ approvalMode: ApprovalMode.ask })
      })
    }).pipe(
      Effect.scoped,
      Effect.provide([CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())), Logger.layer([])])
    ))

const restored = (rpc: AppServerRpc.AppServerRpc["Service"]) =>
  Effect.forkChild(
    rpc.diagnosticEvents.pipe(
      Stream.takeUntil(({ _tag }) => _tag === "ConnectionRestored"),
      Stream.runDrain
    ),
    { startImmediately: true }
  )

const types = (items: ReadonlyArray<{ readonly type: string }>) => items.map(({ type }) => type)

describe("a socket that is cut", () => {
  live(
    "leaves the turn running, which is followed again to its end",
    ({ cut, model, rpc, thread }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["half ", gate, "done"]))
        const turn = yield* thread.turn("go")
        yield* gate.reached
        const back = yield* restored(rpc)
        yield* cut
        yield* Fiber.join(back)
        // The thread is resumed before it goes on, so that the end is one that is heard.
        yield* rpc.request("thread/read", { threadId: thread.id })
        yield* gate.release
        const result = yield* turn.result
        assert.strictEqual(result.status, "completed")
        assert.deepStrictEqual(result.finalResponse, Option.some("half done"))
        assert.deepStrictEqual(types(result.items), ["userMessage", "agentMessage"])
        assert.strictEqual((yield* model.requests).length, 1)
      })
  )

  live(
    "misses nothing of a turn that ends meanwhile",
    ({ cut, hold, model, other, rpc, thread }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text([gate, "first"]))
        const turn = yield* thread.turn("go")
        yield* gate.reached
        const witness = yield* (yield* other).resumeThread(thread.id)
        const ended = yield* Effect.forkChild(
          Stream.runHead(Stream.filter(witness.events, ({ _tag }) => _tag === "turn/completed")),
          { startImmediately: true }
        )
        const back = yield* restored(rpc)
        const release = yield* hold
        yield* cut
        yield* gate.release
        yield* Fiber.join(ended)
        assert.strictEqual(rpc.restarts, 0, "it ended while nobody was connected")
        yield* release
        yield* Fiber.join(back)
        const result = yield* turn.result
        assert.strictEqual(result.status, "completed")
        assert.deepStrictEqual(result.finalResponse, Option.some("first"))
        assert.strictEqual(
          (yield* Stream.runCollect(turn.events)).filter(({ _tag }) => _tag === "turn/completed").length,
          1
        )
        assert.strictEqual((yield* model.requests).length, 1)
      })
  )

  live(
    "fills in the items that came meanwhile, in their order",
    ({ cut, model, rpc, thread }) =>
      Effect.gen(function*() {
        const [first, second] = [yield* ScriptedModel.gate, yield* ScriptedModel.gate]
        yield* model.enqueue(ScriptedModel.reply([
          ScriptedModel.text([first, "missed"], { phase: "commentary" }),
          ScriptedModel.text([second, "heard"])
        ]))
        const turn = yield* thread.turn("go")
        yield* first.reached
        const back = yield* restored(rpc)
        yield* cut
        yield* first.release
        yield* second.reached
        yield* Fiber.join(back)
        yield* rpc.request("thread/read", { threadId: thread.id })
        yield* second.release
        const result = yield* turn.result
        assert.deepStrictEqual(
          result.items.flatMap((item) => item.type === "agentMessage" ? [item.text] : []),
          ["missed", "heard"]
        )
        assert.deepStrictEqual(result.finalResponse, Option.some("heard"))
      })
  )

  live(
    "leaves the question to the person who is looking at it",
    ({ cut, model, rpc, thread }) =>
      Effect.gen(function*() {
        yield* model.enqueue(ScriptedModel.exec("echo hi", {
          args: { sandbox_permissions: "require_escalated", justification: "please" }
        }))
        yield* model.enqueue("done")
        const asked = yield* Deferred.make<void>()
        const decided = yield* Deferred.make<void>()
        let questions = 0
        const run = yield* Effect.forkChild(thread.run("go", {
          handlers: {
            "item/commandExecution/requestApproval": () => {
              questions++
              return Deferred.succeed(asked, undefined).pipe(
                Effect.andThen(Deferred.await(decided)),
                Effect.as({ decision: "accept" })
              )
            }
          }
        }))
        yield* Deferred.await(asked)
        const back = yield* restored(rpc)
        yield* cut
        yield* Fiber.join(back)
        yield* Deferred.succeed(decided, undefined)
        const result = yield* Fiber.join(run)
        assert.deepStrictEqual(result.finalResponse, Option.some("done"))
        assert.deepStrictEqual([questions, rpc.restarts], [1, 1])
        const command = result.items.find((item) => item.type === "commandExecution")
        assert.deepInclude(command, { status: "completed", exitCode: 0 })
      })
  )

  live("can still have its turn interrupted", ({ cut, model, rpc, thread }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["half ", gate]))
      const turn = yield* thread.turn("go")
      yield* gate.reached
      yield* cut
      yield* turn.interrupt
      assert.strictEqual((yield* turn.result).status, "interrupted")
      assert.strictEqual(rpc.restarts, 1)
    }))

  live("stays cut when nobody listens any more", ({ codex, end, rpc, thread }) =>
    Effect.gen(function*() {
      const waits = yield* Effect.forkChild(Effect.flip(thread.run("go")))
      end()
      const ended = yield* rpc.ended
      assert.deepInclude(ended, { _tag: "TransportError", reason: "restart" })
      assert.instanceOf(ended.cause, CodexError.AppServerConnectError)
      assert.include(["TransportError"], (yield* Fiber.join(waits))._tag)
      assert.strictEqual(yield* Effect.flip(codex.models()), ended)
    }))
})
