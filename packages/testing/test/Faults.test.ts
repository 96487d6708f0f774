/** How the client ends under each fault. */
import { AppServerRpc, Codex, CodexError, Transport } from "@effect-codex/client"
import { FakeAppServer, Faults, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"

const answer = ScriptedModel.text(["Hel", "lo"])

const clientWith = (...rules: ReadonlyArray<Faults.Rule>) =>
  Codex.layer().pipe(
    Layer.provideMerge(AppServerRpc.layer()),
    Layer.provide(Faults.layer(...rules)),
    Layer.provideMerge(FakeAppServer.layerTransport({ model: { answer: () => answer } }))
  )

/** Lets time pass in steps, because what happens in one of them may wait for something in a later one. */
const pass = (seconds: number) =>
  Effect.repeat(
    Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 20 }), TestClock.adjust("5 seconds")),
    { times: Math.ceil(seconds / 5) - 1 }
  )

/** The exit of one turn, when time passes as it may. */
const turned = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ stallTimeout: "10 minutes" })
  const running = yield* Effect.forkChild(Effect.result(thread.run("go")))
  yield* pass(1000)
  return yield* Fiber.join(running)
})

const completes = (name: string, ...rules: ReadonlyArray<Faults.Rule>) =>
  it.effect(`${name}: the turn is completed all the same`, () =>
    Effect.gen(function*() {
      const result = yield* turned
      assert.strictEqual(result._tag, "Success")
      if (result._tag === "Success") assert.deepStrictEqual(result.success.finalResponse, Option.some("Hello"))
    }).pipe(Effect.provide(clientWith(...rules))))

const fails = (name: string, tag: string, ...rules: ReadonlyArray<Faults.Rule>) =>
  it.effect(`${name}: ${tag}`, () =>
    Effect.gen(function*() {
      const result = yield* turned
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "Success", tag)
    }).pipe(Effect.provide(clientWith(...rules))))

describe("what arrives of a, b, b, c", () => {
  const named = (method: string) => JSON.stringify({ method, params: {} })
  const arrives = (name: string, expected: ReadonlyArray<string>, ...rules: ReadonlyArray<Faults.Rule>) =>
    it.effect(`${name}: ${expected.join(", ")}`, () =>
      Effect.gen(function*() {
        const [client, server] = yield* Transport.makeMemory
        const faulty = yield* Faults.make(client, rules)
        const arrived: Array<string> = []
        yield* faulty.receive((frames) => void arrived.push(...frames)).pipe(Effect.ignore, Effect.forkScoped)
        yield* server.sendAll(["a", "b", "b", "c"].map(named))
        yield* pass(20)
        assert.deepStrictEqual(arrived, expected.map((text) => text.startsWith("{") ? text : named(text)))
      }))

  arrives("without a fault", ["a", "b", "b", "c"])
  arrives("drop", ["a", "b", "c"], Faults.drop("b"))
  arrives("drop, twice", ["a", "c"], Faults.drop("b", { times: 2 }))
  arrives("duplicate", ["a", "a", "b", "b", "c"], Faults.duplicate("a"))
  arrives("reorder", ["b", "a", "b", "c"], Faults.reorder("a"))
  arrives("silence", ["a"], Faults.silence("b"))
  arrives(
    "corrupt",
    ["{\"method\":\"a\"", "b", "b", "c"],
    Faults.corrupt("a", { corrupt: (text) => text.slice(0, 13) })
  )
  arrives("delay, beyond the end", ["a", "b", "b"], Faults.delay("c", "1 hour"))
  arrives("cut", ["a", "b"], Faults.cut(({ index }) => index === 2))
})

describe("drop", () => {
  completes("a delta", Faults.drop("item/agentMessage/delta", { times: 10 }))
  completes("the end of the turn", Faults.drop("turn/completed"))
  completes("the reply to turn/start", Faults.drop((frame) => frame.kind === "reply" && frame.method === "turn/start"))
  completes(
    "everything that tells of the turn",
    Faults.drop((frame) => frame.kind === "notification" && frame.method !== "thread/started", { times: Infinity })
  )
})

describe("delay", () => {
  it.effect("holds back the frame and what follows it, on the clock of the test", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const running = yield* Effect.forkChild(thread.run("go"))
      yield* pass(55)
      assert.isUndefined(running.pollUnsafe())
      yield* pass(10)
      assert.deepStrictEqual((yield* Fiber.join(running)).finalResponse, Option.some("Hello"))
    }).pipe(Effect.provide(clientWith(Faults.delay("turn/completed", "1 minute")))))
})

describe("duplicate", () => {
  completes("the end of the turn", Faults.duplicate("turn/completed"))
  completes("the beginning of the turn", Faults.duplicate("turn/started"))

  it.effect("a reply is counted and ignored", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* codex.startThread()
      const rpc = yield* AppServerRpc.AppServerRpc
      yield* rpc.request("thread/loaded/list", {})
      assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies, 1)
    }).pipe(Effect.provide(clientWith(Faults.duplicate("thread/start")))))
})

describe("reorder", () => {
  completes(
    "the reply to turn/start after the beginning of its turn",
    Faults.reorder((frame) => frame.kind === "reply" && frame.method === "turn/start"),
    Faults.reorder("turn/started")
  )
  completes(
    "the end of the turn before the thread is idle",
    Faults.reorder(({ from, text }) =>
      from === "server" && text.includes("\"idle\"") && text.includes("thread/status/changed")
    )
  )
})

describe("corrupt", () => {
  it.effect("a line that is no message any more is counted, and the rest goes on", () =>
    Effect.gen(function*() {
      const result = yield* turned
      assert.strictEqual(result._tag, "Success")
      const { garbage } = yield* Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.diagnostics)
      assert.strictEqual(garbage, 2)
    }).pipe(Effect.provide(clientWith(Faults.corrupt("item/agentMessage/delta", { times: 2 })))))

  completes(
    "an end of the turn that does not fit the protocol",
    Faults.corrupt("turn/completed", { corrupt: () => "{\"method\":\"turn/completed\",\"params\":{}}" })
  )
})

describe("cut", () => {
  it.effect("ends the turn and every later call with the one cause", () =>
    Effect.gen(function*() {
      const result = yield* turned
      const error = result._tag === "Failure" ? result.failure : undefined
      assert.instanceOf(error, CodexError.TransportError)
      const codex = yield* Codex.Codex
      assert.strictEqual(yield* Effect.flip(codex.startThread()), error)
    }).pipe(Effect.provide(clientWith(Faults.cut("turn/started")))))

  const exited = new CodexError.AppServerExited({ code: 101, signal: null, stderr: ["panicked"] })
  fails("as a process that exits", "AppServerExited", Faults.cut("item/started", { cause: exited }))
})

describe("silence", () => {
  fails("after the beginning of the turn", "TurnStalled", Faults.silence("turn/started"))
})

describe("no answer", () => {
  it.effect("to a request is a RequestTimeout, and the next one is answered", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const reading = yield* Effect.forkChild(Effect.flip(thread.read()))
      yield* pass(61)
      assert.strictEqual((yield* Fiber.join(reading))._tag, "RequestTimeout")
      assert.strictEqual((yield* thread.read()).id, thread.id)
    }).pipe(Effect.provide(clientWith(Faults.neverAnswer("thread/read")))))

  it.effect("to the handshake fails the layer", () =>
    Effect.gen(function*() {
      const building = yield* Effect.forkChild(Effect.flip(Layer.build(clientWith(Faults.neverAnswer("initialize")))))
      yield* pass(61)
      assert.strictEqual((yield* Fiber.join(building))._tag, "AppServerStartError")
    }))
})

describe("a rule", () => {
  it.effect("gives way to the next one when it was used up", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const errors: Array<string> = []
      for (let i = 0; i < 2; i++) {
        const reading = yield* Effect.forkChild(Effect.flip(thread.read()))
        yield* pass(61)
        errors.push((yield* Fiber.join(reading))._tag)
      }
      assert.deepStrictEqual(errors, ["RequestTimeout", "TransportError"])
    }).pipe(Effect.provide(clientWith(Faults.neverAnswer("thread/read"), Faults.cut("thread/read")))))
})
