/** A client on a replaced connection: one that a test writes by hand, and one that wraps another. */
import { AppServerRpc, Codex, CodexError, ServerNotification } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, PubSub, Stream } from "effect"
import { fromInitialize } from "../../src/internal/rpc/serverVersion.ts"
import { internalsOf } from "../../src/internal/rpcInternals.ts"
import * as Fake from "../support/fakeServer.ts"

const eventOf = Effect.fnUntraced(function*(frame: string) {
  const { method: _tag, params } = JSON.parse(frame) as { readonly method: string; readonly params: unknown }
  return (yield* ServerNotification.decode)({ _tag, params })
})

/** The public members and nothing else. Each turn says `text`, then ends; what a newer server tells comes between. */
const mocked = Effect.fnUntraced(function*(text: string) {
  const told = yield* PubSub.unbounded<ServerNotification.ServerNotification>()
  const requests: Array<string> = []
  const tell = (...frames: ReadonlyArray<string>) =>
    Effect.forEach(frames, (frame) => Effect.flatMap(eventOf(frame), (event) => PubSub.publish(told, event)), {
      discard: true
    })
  let subscriptions = 0
  let turns = 0
  const answer = (method: string, params: unknown): Effect.Effect<unknown> =>
    Effect.suspend(() => {
      requests.push(method)
      if (method === "thread/start") return Effect.succeed(Fake.threadOpened(params))
      if (method !== "turn/start") return Effect.succeed({})
      const id = `turn-${++turns}`
      return Effect.as(
        tell(
          Fake.started(id),
          Fake.notification("turn/dreamt", { threadId: Fake.threadId, turnId: id }),
          Fake.delta(id, "item-1", text),
          Fake.itemCompleted(id, Fake.agentMessage("item-1", text, "final_answer")),
          Fake.completed(id)
        ),
        { turn: Fake.turn(id) }
      )
    })
  const service: AppServerRpc.AppServerRpc["Service"] = {
    serverInfo: fromInitialize(Fake.initialized, "effect_codex"),
    restarts: 0,
    connected: Effect.void,
    request: (method, params) => answer(method, params) as Effect.Effect<never>,
    requestRaw: answer,
    notify: () => Effect.void,
    notifications: Stream.suspend(() => {
      subscriptions++
      return Stream.ensuring(Stream.fromPubSub(told), Effect.sync(() => subscriptions--))
    }),
    handle: () => Effect.void,
    diagnostics: Effect.succeed({ garbage: 0, dropped: 0, unmatchedReplies: 0, unknown: 0, undecodable: 0 }),
    diagnosticEvents: Stream.empty,
    ended: Effect.never
  }
  return { requests, service, subscriptions: () => subscriptions, tell }
})

const clientOf = (service: AppServerRpc.AppServerRpc["Service"]) =>
  Layer.build(Codex.layer().pipe(Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, service)))).pipe(
    Effect.flatMap((context) => Effect.provide(Codex.Codex, context))
  )

describe("a client on a mock of the connection's public members", () => {
  it.effect("starts a thread, runs a turn and reads its events", () =>
    Effect.gen(function*() {
      const { requests, service } = yield* mocked("the answer")
      const thread = yield* (yield* clientOf(service)).startThread()
      const turn = yield* thread.turn("go")
      const events = yield* Effect.forkScoped(Stream.runCollect(turn.events))
      const result = yield* turn.result
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.finalResponse, Option.some("the answer"))
      assert.deepStrictEqual((yield* Fiber.join(events)).map((event) => event._tag), [
        "turn/started",
        "Unknown",
        "item/agentMessage/delta",
        "item/completed",
        "turn/completed"
      ])
      assert.deepStrictEqual(requests, ["thread/start", "turn/start"])
      assert.deepStrictEqual((yield* thread.run("again")).finalResponse, Option.some("the answer"))
    }))

  it.effect("reads its notifications once, for as long as somebody needs them", () =>
    Effect.gen(function*() {
      const { service, subscriptions, tell } = yield* mocked("the answer")
      assert.strictEqual(subscriptions(), 0)
      const names = yield* Effect.scoped(Effect.gen(function*() {
        const thread = yield* (yield* clientOf(service)).startThread()
        const named = yield* thread.events.pipe(
          Stream.take(1),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        yield* thread.run("go")
        assert.strictEqual(subscriptions(), 1)
        yield* tell(Fake.notification("thread/name/updated", { threadId: Fake.threadId, threadName: "a name" }))
        return yield* Fiber.join(named)
      }))
      assert.strictEqual(names.length, 1)
      assert.strictEqual(subscriptions(), 0)
    }))

  it.effect("ends its turns when the notifications end", () =>
    Effect.gen(function*() {
      const { service } = yield* mocked("the answer")
      const cause = new CodexError.TransportError({ reason: "read", detail: "the test pulled the plug." })
      for (const [notifications, reason] of [[Stream.fail(cause), "read"], [Stream.empty, "closed"]] as const) {
        const thread = yield* (yield* clientOf({ ...service, notifications })).startThread()
        assert.deepInclude(yield* Effect.flip(thread.run("go")), { _tag: "TransportError", reason })
      }
    }))

  it.effect("starts a thread and runs a turn on `Layer.mock` with the members that it needs", () =>
    Effect.gen(function*() {
      const { connected, notifications, request, restarts, serverInfo } = (yield* mocked("the answer")).service
      const mock = Layer.mock(AppServerRpc.AppServerRpc, { connected, notifications, request, restarts, serverInfo })
      const codex = yield* Effect.provide(Codex.Codex, yield* Layer.build(Codex.layer().pipe(Layer.provide(mock))))
      const thread = yield* codex.startThread()
      assert.deepStrictEqual((yield* thread.run("go")).finalResponse, Option.some("the answer"))
    }))
})

describe("a client on a wrapper that spreads the connection", () => {
  it.effect("has all that the connection has", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const requests: Array<string> = []
      const wrapped: AppServerRpc.AppServerRpc["Service"] = {
        ...rpc,
        request: (method, params, options) =>
          Effect.suspend(() => {
            requests.push(method)
            return rpc.request(method, params, options)
          })
      }
      assert.strictEqual(internalsOf(wrapped), internalsOf(rpc))
      const starting = yield* Effect.forkScoped(Effect.flatMap(clientOf(wrapped), (codex) => codex.startThread()))
      yield* Effect.flatMap(server.expect("thread/start"), (asked) =>
        server.reply(asked, Fake.threadOpened(asked.params)))
      const thread = yield* Fiber.join(starting)
      const running = yield* Effect.forkScoped(thread.run("go"))
      const asked = yield* server.expect("turn/start")
      yield* server.send(
        Fake.frame({ id: asked.id, result: { turn: Fake.turn("turn-1") } }),
        Fake.started("turn-1"),
        Fake.completed("turn-1")
      )
      // What the thread was told to hold comes from the connection itself.
      assert.deepInclude((yield* Fiber.join(running)).model, { value: "mock-model" })
      assert.deepStrictEqual(requests, ["thread/start", "turn/start"])
    }))
})
