/** Frames that no honest server sends: they neither end the connection, nor confuse what others are told, nor pile up. */
import type { CodexError } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Option, Stream } from "effect"
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { internalsOf } from "../../src/internal/rpcInternals.ts"
import * as Fake from "../support/fakeServer.ts"

type Connected = Effect.Success<ReturnType<typeof Fake.connectThread>>

/** JSON that is nested so deeply that what walks through it by calling itself fails. */
const deep = "[".repeat(100_000) + "]".repeat(100_000)

const prototypeNames = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]

const alive = Effect.fnUntraced(function*({ rpc, server }: Pick<Connected, "rpc" | "server">) {
  const request = yield* Effect.forkChild(rpc.request("account/logout", undefined))
  let asked = yield* server.next
  // What the client answered to requests of the server comes first.
  while (asked.method !== "account/logout") asked = yield* server.next
  yield* server.reply(asked, {})
  yield* Fiber.join(request)
})

/** A turn, during which the server sends these frames, goes on to its end. */
const turnWith = Effect.fnUntraced(function*({ server, thread }: Connected, ...frames: ReadonlyArray<string>) {
  const turning = yield* Effect.forkChild(thread.turn("go"))
  const request = yield* server.expect("turn/start")
  yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), Fake.started("turn-1"))
  const turn = yield* Fiber.join(turning)
  yield* server.send(...frames)
  yield* server.send(Fake.itemCompleted("turn-1", Fake.agentMessage("m", "Done.")), Fake.completed("turn-1"))
  const result = yield* turn.result
  assert.deepStrictEqual(result.finalResponse, Option.some("Done."))
  return yield* Stream.runCollect(turn.events)
}, Effect.scoped)

const answerTo = Effect.fnUntraced(function*({ rpc, server }: Connected, reply: (id: number) => ReadonlyArray<string>) {
  const request = yield* Effect.forkChild(Effect.exit(rpc.request("config/read", { includeLayers: true })))
  const { id } = yield* server.expect("config/read")
  yield* server.send(...reply(id))
  const exit: Exit.Exit<unknown, CodexError.CodexError> = yield* Fiber.join(request)
  return Exit.isSuccess(exit)
    ? "success"
    : exit.cause.reasons.map((reason) => reason._tag === "Fail" ? kindOf(reason.error) : reason._tag).join()
})

describe("frames that are nested too deeply", () => {
  it.effect("are garbage, an event, or a typed error", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { server } = connected
      const of = `"threadId":"${Fake.threadId}","turnId":"turn-1"`
      const all = yield* Effect.forkScoped(Stream.runDrain(connected.rpc.notifications))
      yield* Effect.yieldNow
      yield* server.send(
        deep,
        `{"method":"warning","params":${deep}}`,
        `{"method":"warning","params":{"message":${deep}}}`,
        `{"method":"thread/dream","params":${deep}}`,
        `{"method":"thread/started","params":{"thread":${deep}}}`,
        `{"method":${deep},"params":{}}`,
        `{"id":${deep},"result":{}}`,
        `{"id":${deep},"method":"currentTime/read"}`,
        `{"id":99,"result":${deep}}`,
        `{"id":99,"error":${deep}}`,
        `{"id":1,"method":"currentTime/read","params":${deep}}`,
        `{"id":2,"method":"item/tool/call","params":{${of},"callId":"c","tool":"t","arguments":${deep}}}`,
        `{"id":3,"method":"thread/dream","params":${deep}}`
      )
      assert.sameMembers([(yield* server.next).id, (yield* server.next).id, (yield* server.next).id], [1, 2, 3])
      yield* alive(connected)
      const events = yield* turnWith(
        connected,
        `{"method":"item/started","params":{${of},"item":${deep}}}`,
        `{"method":"item/completed","params":{${of},"item":${deep}}}`,
        `{"method":"item/completed","params":{${of},"item":{"type":"new","id":"i","x":${deep}},"completedAtMs":1}}`,
        `{"method":"thread/tokenUsage/updated","params":{${of},"tokenUsage":${deep}}}`,
        `{"method":"item/agentMessage/delta","params":{${of},"itemId":"m","delta":${deep}}}`
      )
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        [
          "turn/started",
          "Undecodable",
          "Undecodable",
          "item/completed",
          "Undecodable",
          "Undecodable",
          "item/completed",
          "turn/completed"
        ]
      )
      assert.isUndefined(all.pollUnsafe())
      yield* alive(connected)
    }))

  it.effect("as a reply are a typed error of that request alone", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const replies = [
        `"result":${deep}`,
        `"result":{"config":${deep},"origins":{}}`,
        `"result":{"config":{"desktop":{"a":${deep}}},"origins":{}}`,
        `"result":{"config":{},"origins":{},"layers":[{"name":{"type":"x"},"version":"1","config":${deep}}]}`
      ]
      for (const reply of replies) {
        const tag = yield* answerTo(connected, (id) => [`{"id":${id},${reply}}`])
        assert.include(["DecodeError", "success"], tag, reply.slice(0, 60))
      }
      for (
        const error of [
          deep,
          `{"code":${deep}}`,
          `{"code":-32600,"message":${deep}}`,
          `{"code":-32600,"message":"no","data":${deep}}`
        ]
      ) {
        const tag = yield* answerTo(connected, (id) => [`{"id":${id},"error":${error}}`])
        assert.include(["RpcError: unexpected", "RpcError: invalidRequest"], tag, error.slice(0, 60))
      }
      yield* alive(connected)
    }))
})

describe("the name of a method that a terminal would obey", () => {
  const lines: Array<string> = []
  const hostile = `item/\u001b[2J\r\n\u202eINFO all is well\u0007${"x".repeat(2000)}`
  const shown = `item/\\u{1b}[2J\\u{d}\\u{a}\\u{202e}INFO all is well\\u{7}`

  it.effect("is one short line without escapes in the log and in the answer", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      yield* connected.server.send(Fake.frame({ id: 1, method: hostile, params: {} }))
      const answer = yield* connected.server.next
      assert.include(answer.error?.message, `does not know the method ${shown}`)
      yield* alive(connected)
      const line = lines.find((line) => line.includes("unknown method")) ?? ""
      assert.include(line, `the server sent a request with the unknown method ${shown}`)
      assert.match(line, /^[\x20-\x7e]{80,250}… \(\d+ more characters\)$/)
    }).pipe(
      Effect.scoped,
      Effect.provide(Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]))
    ))
})

describe("the names of what objects inherit", () => {
  it.effect("are methods that nobody knows", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { rpc, server } = connected
      const told = yield* Effect.forkScoped(Stream.runCollect(Stream.take(rpc.notifications, prototypeNames.length)))
      yield* Effect.yieldNow
      yield* server.send(...prototypeNames.map((name) => Fake.notification(name, { threadId: name })))
      assert.deepStrictEqual((yield* Fiber.join(told)).map(({ _tag }) => _tag), prototypeNames.map(() => "Unknown"))
      for (const name of prototypeNames) {
        yield* server.send(Fake.frame({ id: name, method: name, params: {} }))
        const answer = yield* server.next
        assert.strictEqual(answer.id, name)
        assert.strictEqual(answer.error?.code, -32601)
      }
      yield* alive(connected)
    }))

  it.effect("are keys, which change no other object", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { server } = connected
      const bad =
        `"__proto__":{"polluted":true,"threadId":"t","method":"x"},"constructor":{"prototype":{"polluted":true}}`
      const of = `"threadId":"${Fake.threadId}","turnId":"turn-1"`
      yield* server.send(
        `{"method":"warning","params":{"message":"m",${bad}},${bad}}`,
        `{"id":5,"method":"currentTime/read","params":{"threadId":"t",${bad}},${bad}}`,
        `{"id":99,"result":{${bad}},${bad}}`
      )
      assert.strictEqual((yield* server.next).id, 5)
      yield* turnWith(
        connected,
        `{"method":"item/started","params":{${of},"item":{"type":"commandExecution","id":"i",${bad}},${bad}}}`
      )
      yield* answerTo(connected, (id) => [`{"id":${id},"result":{"config":{${bad}},"origins":{${bad}},${bad}},${bad}}`])
      assert.notProperty({}, "polluted")
      assert.notProperty(Object, "polluted")
      yield* alive(connected)
    }))

  it.effect("are ids like any other of threads, turns and items", () =>
    Effect.gen(function*() {
      const { codex, server, rpc } = yield* Fake.connect()
      for (const name of prototypeNames) {
        const starting = yield* Effect.forkChild(codex.startThread())
        yield* Effect.flatMap(server.expect("thread/start"), (asked) => server.reply(asked, Fake.threadStarted(name)))
        const thread = yield* Fiber.join(starting)
        const running = yield* Effect.forkChild(thread.run("go"))
        const { id } = yield* server.expect("turn/start")
        yield* server.send(
          Fake.frame({ id, result: { turn: Fake.turn(name) } }),
          Fake.started(name, name),
          Fake.delta(name, name, "Hi", name),
          Fake.ask("item/commandExecution/requestApproval", name, { threadId: name, turnId: name, itemId: name }),
          Fake.notification("item/started", {
            threadId: name,
            turnId: name,
            item: { type: "commandExecution", id: name }
          }),
          Fake.itemCompleted(name, Fake.agentMessage(name, "Hi"), name)
        )
        assert.deepStrictEqual(yield* server.next, { id: name, result: { decision: "decline" } } as Fake.Message)
        yield* server.send(Fake.completed(name, "completed", {}, name))
        assert.deepStrictEqual((yield* Fiber.join(running)).finalResponse, Option.some("Hi"))
      }
      yield* alive({ rpc, server })
    }))
})

describe("values that are no value for what is done with them", () => {
  const values = ["{\"toString\":1,\"valueOf\":1}", "[]", "1e999", "-1e308", "1.5", "true", "null", "\"\\ud800\"", "{}"]
  const members = ["threadId", "turnId", "itemId", "delta", "summaryIndex", "contentIndex", "item", "turn", "thread"]
  const methods = [
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "item/agentMessage/delta",
    "item/started",
    "item/completed",
    "turn/started",
    "thread/tokenUsage/updated",
    "serverRequest/resolved",
    "configWarning",
    "error"
  ]
  const usual = { threadId: `"${Fake.threadId}"`, turnId: "\"turn-1\"", itemId: "\"i\"", delta: "\"d\"" }

  it.effect("as members of a notification, also for a reader that is behind", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const frames = methods.flatMap((method) =>
        [...members, "tokenUsage", "requestId", "summary", "error"].flatMap((member) =>
          values.map((value) => {
            const params = Object.entries({ ...usual, [member]: value }).map(([key, text]) => `"${key}":${text}`)
            return `{"method":"${method}","params":{${params}}}`
          })
        )
      )
      const many = Array.from({ length: 1_100 }, () => Fake.delta("turn-1", "m", "x"))
      yield* turnWith(connected, ...many, ...frames)
      yield* alive(connected)
    }))

  it.effect("as the code and the message of an error, and as the times of a turn", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { server, thread } = connected
      for (const value of values) {
        for (const error of [value, `{"code":${value}}`, `{"code":-32600,"message":${value},"data":${value}}`]) {
          const tag = yield* answerTo(connected, (id) => [`{"id":${id},"error":${error}}`])
          // An error that is null is none.
          assert.include(["RpcError: unexpected", "RpcError: invalidRequest", "DecodeError"], tag, error)
        }
        const running = yield* Effect.forkChild(thread.run("go"))
        const { id } = yield* server.expect("turn/start")
        yield* server.send(
          Fake.frame({ id, result: { turn: Fake.turn("turn-1") } }),
          `{"method":"turn/completed","params":{"threadId":"${Fake.threadId}","turn":{"id":"turn-1","status":"completed",` +
            `"error":${value},"startedAt":${value},"completedAt":${value},"durationMs":${value},"items":${value}}}}`
        )
        assert.strictEqual((yield* Fiber.join(running)).status, "completed")
      }
      yield* alive(connected)
    }))

  it.effect("as ids of replies and requests", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { server } = connected
      for (const value of values) {
        yield* server.send(
          `{"id":${value},"result":{}}`,
          `{"id":${value},"error":{}}`,
          `{"id":${value},"method":"currentTime/read"}`
        )
        yield* alive(connected)
      }
    }))
})

describe("strings", () => {
  it.effect("of many megabytes are as good as any, and are not said back", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { server } = connected
      const huge = "x".repeat(8_000_000)
      yield* server.send(huge, Fake.notification(huge, {}), Fake.frame({ id: 1, method: huge, params: {} }))
      const answer = yield* server.next
      assert.isBelow(JSON.stringify(answer).length, 500)
      yield* server.send(
        Fake.frame({ id: 2, method: "currentTime/read", params: { threadId: [" ".repeat(1_000_000)] } })
      )
      assert.isBelow(JSON.stringify(yield* server.next).length, 5_000)
      yield* turnWith(
        connected,
        Fake.delta("turn-1", huge, huge),
        Fake.notification("error", { threadId: Fake.threadId, turnId: "turn-1", error: " \n".repeat(1_000_000) })
      )
      yield* alive(connected)
    }))
})

describe("replies that nobody asked for", () => {
  it.effect("are counted and change nothing", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const { rpc, server } = connected
      yield* server.send(
        Fake.frame({ id: 1_000, result: {} }),
        Fake.frame({ id: "1", result: {} }),
        Fake.frame({ id: 1, error: {} })
      )
      yield* alive(connected)
      assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies, 3)
    }))

  it.effect("the first of two for one request counts, and an error that comes with a result", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connectThread()
      const fine = { config: {}, origins: {}, layers: null }
      const no = { code: -32600, message: "no" }
      const replies = [
        yield* answerTo(connected, (id) => [Fake.frame({ id, error: no }), Fake.frame({ id, result: fine })]),
        yield* answerTo(connected, (id) => [Fake.frame({ id, result: 1 }), Fake.frame({ id, error: no })]),
        yield* answerTo(connected, (id) => [Fake.frame({ id, result: fine, error: no })]),
        yield* answerTo(connected, (id) => [Fake.frame({ id })])
      ]
      assert.deepStrictEqual(replies, [
        "RpcError: invalidRequest",
        "DecodeError",
        "RpcError: invalidRequest",
        "DecodeError"
      ])
      assert.strictEqual((yield* connected.rpc.diagnostics).unmatchedReplies, 2)
    }))
})

describe("100,000 of a kind", () => {
  V8.setFlagsFromString("--expose-gc")
  const collect = Vm.runInNewContext("gc") as () => void

  const item = (threadId: string, turnId: string, id: string) =>
    Fake.notification("item/started", { threadId, turnId, startedAtMs: 1, item: { type: "commandExecution", id } })
  const approval = (n: number, threadId: string, turnId: string) =>
    Fake.ask("item/commandExecution/requestApproval", `request-${n}`, { threadId, turnId, itemId: `i-${n}` })

  const whileStarting = "turns that nobody knows, while one is being started"

  // Each frame of its own, with ids that do not come again.
  const kinds: { readonly [name: string]: (n: number) => string } = {
    "threads that nobody knows": (n) => Fake.started("turn-1", `thread-${n}`),
    "items of threads that nobody knows": (n) => item(`thread-${n}`, "turn-1", "i"),
    "items of another's turn": (n) => item(Fake.threadId, "other", `i-${n}`),
    "turns of a thread that never end": (n) => Fake.started(`turn-${n}`),
    [whileStarting]: (n) => Fake.delta(`turn-${n}`, "m", "x"),
    "ends of turns that never began": (n) => Fake.completed(`turn-${n}`),
    "requests of a thread that are never resolved": (n) => approval(n, `thread-${n}`, "t"),
    "requests of no thread": (n) => Fake.frame({ id: `r-${n}`, method: "attestation/generate", params: {} }),
    "requests of a method that nobody knows": (n) =>
      Fake.frame({ id: n, method: `thread/dream-${n}`, params: { threadId: `thread-${n}` } }),
    "resolutions of requests that were never made": (n) =>
      Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: n }),
    "replies to nothing": (n) => Fake.frame({ id: 1_000_000 + n, result: { n } }),
    "methods that nobody knows": (n) => Fake.notification(`thread/dream-${n}`, { threadId: Fake.threadId, n }),
    "lines that are no JSON": (n) => `garbage ${n}`
  }

  for (const [name, frameOf] of Object.entries(kinds)) {
    it.effect(`${name}: do not pile up`, () =>
      Effect.gen(function*() {
        const connected = yield* Fake.connectThread()
        const { rpc, server } = connected
        // Somebody listens to the thread.
        yield* internalsOf(rpc).observe(Fake.threadId, {
          onNotification: () => {},
          onReadEnd: () => {},
          onEnd: () => {}
        })
        const starting = name === whileStarting ? yield* Effect.forkScoped(connected.thread.run("go")) : undefined
        const asked = starting === undefined ? undefined : yield* server.expect("turn/start")
        const flood = Effect.fnUntraced(function*(from: number, to: number) {
          for (let at = from; at < to; at += 1_000) {
            yield* server.send(...Array.from({ length: 1_000 }, (_, i) => frameOf(at + i)))
            yield* alive(connected)
          }
          collect()
          return process.memoryUsage().heapUsed
        })
        const before = yield* flood(0, 10_000)
        const after = yield* flood(10_000, 110_000)
        if (starting !== undefined && asked !== undefined) {
          yield* server.reply(asked, { turn: Fake.turn("mine") })
          yield* alive(connected)
          yield* server.send(Fake.completed("mine"))
          yield* Fiber.join(starting)
        }
        // 40 bytes each would be more.
        assert.isBelow(after - before, 4_000_000)
        // 110,000 frames take half a minute on a busy machine.
      }).pipe(Effect.provide(Logger.layer([]))), 120_000)
  }

  it.effect("requests with one id are run once", () =>
    Effect.gen(function*() {
      let runs = 0
      const connected = yield* Fake.connectThread({
        handlers: {
          "item/commandExecution/requestApproval": () => Effect.andThen(Effect.sync(() => runs++), Effect.never)
        }
      })
      yield* connected.server.send(...Array.from({ length: 10_000 }, () => approval(1, Fake.threadId, "turn-1")))
      yield* alive(connected)
      assert.strictEqual(runs, 1)
    }))

  it.effect("requests whose handler never answers are refused from some number on", () =>
    Effect.gen(function*() {
      let runs = 0
      const connected = yield* Fake.connectThread({
        handlers: {
          "item/commandExecution/requestApproval": () => Effect.andThen(Effect.sync(() => runs++), Effect.never)
        }
      })
      const { server } = connected
      yield* server.send(...Array.from({ length: 5_000 }, (_, n) => approval(n, Fake.threadId, "turn-1")))
      assert.strictEqual((yield* server.next).error?.code, -32603)
      yield* alive(connected)
      assert.strictEqual(runs, 4_096)
      yield* server.send(Fake.completed("turn-1"), approval(5_001, Fake.threadId, "turn-2"))
      yield* alive(connected)
      assert.strictEqual(runs, 4_097)
    }).pipe(Effect.provide(Logger.layer([]))))
})
