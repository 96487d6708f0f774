/** How the client ends under each fault. */
import { AppServerRpc, Codex, CodexError, Transport } from "@effect-codex/client"
import { FakeAppServer, Faults, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { transportReal } from "./support/contractServers.ts"

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

describe("what arrives of what the client sends: a, b, b, c", () => {
  const named = (method: string) => JSON.stringify({ method, params: {} })
  const sent = (method: string) => (frame: Faults.Frame) => frame.from === "client" && frame.method === method
  const arrives = (name: string, expected: ReadonlyArray<string>, ...rules: ReadonlyArray<Faults.Rule>) =>
    it.effect(`${name}: ${expected.join(", ")}`, () =>
      Effect.gen(function*() {
        const [client, server] = yield* Transport.makeMemory
        const faulty = yield* Faults.make(client, rules)
        const arrived: Array<string> = []
        yield* server.receive((frames) => void arrived.push(...frames)).pipe(Effect.ignore, Effect.forkScoped)
        yield* faulty.receive(() => {}).pipe(Effect.ignore, Effect.forkScoped)
        yield* Effect.forEach(["a", "b", "b", "c"], (method) => faulty.send(named(method)))
        yield* pass(20)
        assert.deepStrictEqual(arrived, expected.map((text) => text.startsWith("{") ? text : named(text)))
      }))

  arrives("a method, which is that of the server's frames", ["a", "b", "b", "c"], Faults.drop("b"))
  arrives("drop", ["a", "b", "c"], Faults.drop(sent("b")))
  arrives("drop, twice", ["a", "c"], Faults.drop(sent("b"), { times: 2 }))
  arrives("duplicate", ["a", "a", "b", "b", "c"], Faults.duplicate(sent("a")))
  arrives("reorder", ["b", "a", "b", "c"], Faults.reorder(sent("a")))
  arrives("silence", ["a"], Faults.silence(sent("b")))
  arrives(
    "corrupt",
    ["{\"method\":\"a\"", "b", "b", "c"],
    Faults.corrupt(sent("a"), { corrupt: (text) => text.slice(0, 13) })
  )
  arrives("delay", ["a", "b", "b", "c"], Faults.delay(sent("b"), "10 seconds"))
  arrives("delay, beyond the end", ["a", "b", "b"], Faults.delay(sent("c"), "1 hour"))
  arrives("cut", ["a", "b"], Faults.cut(({ from, index }) => from === "client" && index === 2))

  it.effect("cut: the client hears of the end", () =>
    Effect.gen(function*() {
      const [client] = yield* Transport.makeMemory
      const faulty = yield* Faults.make(client, [Faults.cut(sent("b"))])
      const reading = yield* Effect.forkChild(Effect.flip(faulty.receive(() => {})))
      yield* faulty.send(named("b"))
      assert.strictEqual((yield* Fiber.join(reading))._tag, "TransportError")
    }))
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
  it.effect("to a request is a AppServerTimeout, and the next one is answered", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const reading = yield* Effect.forkChild(Effect.flip(thread.read()))
      yield* pass(61)
      assert.strictEqual((yield* Fiber.join(reading))._tag, "AppServerTimeout")
      assert.strictEqual((yield* thread.read()).id, thread.id)
    }).pipe(Effect.provide(clientWith(Faults.neverAnswer("thread/read")))))

  it.effect("to the requests that a predicate holds for", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      yield* thread.setName("first")
      const naming = yield* Effect.forkChild(Effect.flip(thread.setName("second")))
      yield* pass(61)
      assert.strictEqual((yield* Fiber.join(naming))._tag, "AppServerTimeout")
      assert.strictEqual((yield* thread.read()).name, "first")
      const { receivedOf } = yield* FakeAppServer.FakeAppServer
      assert.lengthOf(yield* receivedOf("thread/name/set"), 1)
    }).pipe(Effect.provide(clientWith(
      // The notifications and answers of the client are none, whatever the predicate says of them.
      Faults.neverAnswer(({ kind, text }) => kind !== "request" || text.includes("second"), { times: 1 })
    ))))

  it.effect("to the handshake fails the layer", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const rule = Faults.neverAnswer(({ method }) => {
        Deferred.doneUnsafe(asked, Exit.void)
        return method === "initialize"
      })
      const building = yield* Effect.forkChild(Effect.flip(Layer.build(clientWith(rule))))
      // What is behind the layers is loaded in real time.
      yield* Deferred.await(asked)
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
      assert.deepStrictEqual(errors, ["AppServerTimeout", "TransportError"])
    }).pipe(Effect.provide(clientWith(Faults.neverAnswer("thread/read"), Faults.cut("thread/read")))))
})

describe("over the real codex", () => {
  const turn = Effect.gen(function*() {
    yield* Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(answer))
    const codex = yield* Codex.Codex
    return yield* Effect.result((yield* codex.startThread()).run("go"))
  })

  const real = (...rules: ReadonlyArray<Faults.Rule>) =>
    Codex.layer().pipe(
      Layer.provideMerge(AppServerRpc.layer()),
      Layer.provide(Faults.layer(...rules)),
      Layer.provideMerge(transportReal)
    )

  it.live("what is damaged, swapped and repeated does not hurt a turn", () =>
    Effect.gen(function*() {
      const result = yield* turn
      assert.strictEqual(result._tag, "Success")
      if (result._tag === "Success") assert.deepStrictEqual(result.success.finalResponse, Option.some("Hello"))
      const { garbage } = yield* Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.diagnostics)
      assert.strictEqual(garbage, 1)
    }).pipe(Effect.provide(real(
      Faults.corrupt("item/agentMessage/delta"),
      Faults.reorder((frame) => frame.kind === "reply" && frame.method === "turn/start"),
      Faults.duplicate("turn/completed")
    ))))

  it.live("a cut ends the turn", () =>
    Effect.gen(function*() {
      const result = yield* turn
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "Success", "TransportError")
    }).pipe(Effect.provide(real(Faults.cut("turn/started")))))

  it.live("a request that does not arrive is not answered", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const lost = Effect.flip(rpc.request("thread/loaded/list", {}, { timeout: "500 millis" }))
      assert.strictEqual((yield* lost)._tag, "AppServerTimeout")
      assert.deepStrictEqual((yield* rpc.request("thread/loaded/list", {})).data, [])
    }).pipe(Effect.provide(real(Faults.neverAnswer("thread/loaded/list")))))
})
