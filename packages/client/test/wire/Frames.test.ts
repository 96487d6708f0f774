/** What leaves can be read by codex, and an answer that it did not read does not leave a turn open, in memory. */
import { AppServerRpc, type CodexError, DynamicTools, ServerRequests, Transport } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

/** An emoji that was cut in the middle. */
const half = "a\u{1F600}".slice(0, 2)
const whole = "a\uFFFD"

const nested = (levels: number): Schema.Json => levels === 0 ? 1 : [nested(levels - 1)]

/** The log of an effect. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    yield* Effect.provide(effect, Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]))
    return lines.join("\n")
  })

/** A client on a transport with these members. */
const connectOver = Effect.fnUntraced(function*(
  members: Partial<Transport.Transport["Service"]>,
  handlers: ServerRequests.Overrides
) {
  const server = yield* Fake.make
  const starting = yield* Effect.forkScoped(
    Layer.build(
      AppServerRpc.layer().pipe(
        Layer.provide(Layer.succeed(Transport.Transport, { ...server.client, ...members })),
        Layer.provide(ServerRequests.layer(handlers))
      )
    )
  )
  yield* Effect.flatMap(server.expect("initialize"), (request) => server.reply(request, Fake.initialized))
  const rpc = Context.get(yield* Fiber.join(starting), AppServerRpc.AppServerRpc)
  yield* server.next
  return { server, rpc }
})

const alive = Effect.fnUntraced(function*({ rpc, server }: Effect.Success<ReturnType<typeof Fake.connect>>) {
  const request = yield* Effect.forkChild(rpc.request("account/logout", undefined))
  yield* server.reply(yield* server.expect("account/logout"), {})
  yield* Fiber.join(request)
})

describe("a text that was cut in the middle of a character", () => {
  it.effect("is sent with U+FFFD, as a value, as a key and behind backslashes", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const value = { [half]: [half, `\\${half}`, "\\ud83d", "\u{1F600}"], lower: "\uDE00b" }
      yield* Effect.forkScoped(rpc.request("config/value/write", { keyPath: half, value, mergeStrategy: "replace" }))
      assert.deepStrictEqual((yield* server.expect("config/value/write")).params, {
        keyPath: whole,
        value: { [whole]: [whole, `\\${whole}`, "\\ud83d", "\u{1F600}"], lower: "\uFFFDb" },
        mergeStrategy: "replace"
      })
    }))

  it.effect.prop(
    "makes no frame that differs from its well-formed text, whatever is in it",
    { texts: Schema.Array(Schema.Union([Schema.String, Schema.Literals(["\uD83D", "\uDE00", "\\", "\\u", "d83d"])])) },
    ({ texts }) =>
      Effect.gen(function*() {
        const { rpc, server } = yield* Fake.connect()
        const name = texts.join("")
        yield* Effect.forkScoped(rpc.request("thread/name/set", { threadId: "t", name }))
        const wellFormed = name.replaceAll(
          /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g,
          "\uFFFD"
        )
        assert.deepStrictEqual((yield* server.expect("thread/name/set")).params, { threadId: "t", name: wellFormed })
      }).pipe(Effect.scoped)
  )

  it.effect("is in no answer and in no refusal", () =>
    Effect.gen(function*() {
      const { server } = yield* Fake.connect({
        handlers: {
          "item/tool/call": () => Effect.succeed({ success: true, contentItems: [DynamicTools.text(half)] }),
          "item/tool/requestUserInput": () => Effect.succeed({ answers: { [half]: { answers: [half] } } }),
          "attestation/generate": () => Effect.fail(new ServerRequests.Refusal({ message: half }))
        }
      })
      yield* server.send(Fake.ask("item/tool/call", 0))
      assert.deepStrictEqual((yield* server.next).result, {
        success: true,
        contentItems: [{ type: "inputText", text: whole }]
      })
      yield* server.send(Fake.ask("item/tool/requestUserInput", 1))
      assert.deepStrictEqual((yield* server.next).result, { answers: { [whole]: { answers: [whole] } } })
      yield* server.send(Fake.ask("attestation/generate", 2))
      assert.deepStrictEqual((yield* server.next).error, { code: -32603, message: whole })
      yield* server.send(Fake.frame({ id: 3, method: "thread/dream\uD83D", params: {} }))
      assert.include((yield* server.next).error?.message, "thread/dream\\u{d83d}")
    }))
})

describe("params that codex could not read", () => {
  const cyclic: Record<string, unknown> = {}
  cyclic["self"] = cyclic
  const params: ReadonlyArray<readonly [what: string, config: unknown, detail: string]> = [
    ["nested too deeply", nested(125), "nested more than 127 levels deep, which codex does not read"],
    ["with NaN", { a: [1, Number.NaN] }, ""],
    ["with a bigint", { a: 1n }, ""],
    ["with a hole", [undefined], ""],
    ["with a cycle", cyclic, ""]
  ]
  it.effect.each(params)("%s are an InvalidArgument, and nothing is sent", ([, x, detail]) =>
    Effect.gen(function*() {
      const connected = yield* Fake.connect()
      // As JavaScript may call it.
      const config = { x } as Record<string, Schema.Json>
      const error = yield* Effect.flip(connected.rpc.request("thread/start", { config }))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(error.message, "params of thread/start")
      assert.include(error.message, detail)
      yield* alive(connected)
    }))

  it.effect("are also those beside what the protocol knows", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connect()
      const refused = (more: object) =>
        Effect.map(
          Effect.flip(connected.rpc.request("thread/list", { limit: 1, ...more })),
          (error: CodexError.RequestError) => `${error._tag}: ${error.message}`
        )
      assert.include(yield* refused({ more: { id: 1n } }), "`more.id` is a bigint, which JSON does not have")
      assert.include(yield* refused({ more: [1, undefined] }), "`more.1` is undefined, which JSON does not have")
      assert.include(yield* refused({ more: Number.POSITIVE_INFINITY }), "`more` is Infinity, which JSON does not have")
      const throws = () => {
        throw new Error("not today")
      }
      for (const more of [{ toJSON: throws }, Object.defineProperty({}, "x", { enumerable: true, get: throws })]) {
        const said = yield* refused({ more })
        assert.include(said, "InvalidArgument")
        assert.include(said, "it cannot be written as JSON: not today.")
      }
      yield* alive(connected)
    }))

  const twice = (levels: number): unknown =>
    Array.from({ length: levels }).reduce<unknown>((inner) => [inner, inner], ["x"])
  const never = new Promise(() => {})
  const silent: ReadonlyArray<readonly [what: string, value: unknown, detail: string]> = [
    ["a function", { f: () => 1 }, "`more.f` is a function"],
    ["a symbol", [Symbol("s")], "`more.0` is a symbol"],
    ["a Map", { m: new Map([["a", 1]]) }, "`more.m` is a Map or a Set"],
    ["a Set", new Set([1]), "`more` is a Map or a Set"],
    ["bytes", { b: new Uint8Array(2) }, "`more.b` is bytes"],
    ["a Buffer", Buffer.from("a"), "`more` is bytes"],
    ["a RegExp", /x/, "`more` is of the class RegExp"],
    ["an Error", { e: new Error("x") }, "`more.e` is of the class Error"],
    ["a promise", never, "`more` is a promise"],
    ["what `toJSON` says of another", { t: { toJSON: () => ({ n: Number.NaN }) } }, "`more.t.n` is NaN"],
    [
      "a `toJSON` that says nothing",
      { t: { toJSON: () => undefined } },
      "`more.t` is an object whose `toJSON` gives nothing"
    ],
    ["a `toJSON` without end", { t: { toJSON: () => nested(200) } }, "nested more than 127 levels deep"],
    ["objects that come again without number", twice(100), "is more than the 50000000 values"]
  ]

  it.effect.each(silent)(
    "are those with %s, which JSON would change without a word",
    ([, more, detail]) =>
      Effect.gen(function*() {
        const connected = yield* Fake.connect()
        for (
          const request of [{ method: "thread/list", params: { limit: 1, more } }, {
            method: "thread/start",
            params: { config: { more } }
          }] as const
        ) {
          const error = yield* Effect.flip(connected.rpc.request(request.method, request.params as never))
          assert.strictEqual(error._tag, "InvalidArgument")
          assert.include(
            error.message,
            detail.replace("`more", request.method === "thread/list" ? "`more" : "`config.more")
          )
        }
        yield* alive(connected)
      })
  )

  it.effect("are not those that share objects, or say themselves what they are", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const more = {
        twice: twice(10),
        at: new Date(0),
        none: undefined,
        bare: Object.assign(Object.create(null), { a: 1 })
      }
      yield* Effect.forkScoped(rpc.request("thread/list", { limit: 1, more } as never))
      assert.deepStrictEqual((yield* server.expect("thread/list")).params, {
        limit: 1,
        more: { twice: twice(10), at: "1970-01-01T00:00:00.000Z", bare: { a: 1 } }
      })
    }))

  it.effect("are those that are longer than the connection takes, and so is an answer", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* connectOver({ maxSendBytes: 1000 }, {
        "item/tool/call": () => Effect.succeed({ success: true, contentItems: [DynamicTools.text("é".repeat(490))] })
      })
      const named = (name: string) => rpc.request("thread/name/set", { threadId: "t", name })
      const error = yield* Effect.flip(named("é".repeat(490)))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(error.message, "it is longer than the 1000 bytes that codex takes on this connection.")
      yield* Effect.forkScoped(named("é".repeat(400)))
      yield* server.expect("thread/name/set")
      yield* server.send(Fake.ask("item/tool/call", 0))
      assert.deepInclude((yield* server.next).result, { success: false })
    }))

  it.effect("are not those that it can just read", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      yield* Effect.forkScoped(rpc.request("thread/start", { config: { x: nested(124), zero: "\u0000" } }))
      assert.deepStrictEqual((yield* server.expect("thread/start")).params, {
        config: { x: nested(124), zero: "\u0000" }
      })
    }))
})

describe("an answer that codex could not read", () => {
  it.effect("is reported, and the default goes out", () =>
    Effect.gen(function*() {
      const log = yield* logged(Effect.gen(function*() {
        const { server } = yield* Fake.connect({
          handlers: {
            "mcpServer/elicitation/request": () =>
              Effect.succeed({ action: "accept" as const, content: nested(126), _meta: null }),
            "item/commandExecution/requestApproval": () =>
              Effect.succeed({ decision: "accept" as const, why: { toString: 1n } })
          }
        })
        yield* server.send(Fake.ask("mcpServer/elicitation/request", 0))
        assert.deepInclude((yield* server.next).result, { action: "decline" })
        yield* server.send(Fake.ask("item/commandExecution/requestApproval", 1))
        assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
      }))
      assert.include(
        log,
        "the handler of mcpServer/elicitation/request returned an answer that cannot be sent: `content.0.0.0.0.0…` is nested " +
          "more than 127 levels deep, which codex does not read; the default answers instead."
      )
      assert.include(log, "returned an answer that cannot be sent: `why.toString` is a bigint")
    }))
})

describe("an answer that the server does not show to have read", () => {
  const call = Fake.ask("item/tool/call", 7)
  const said = "The client's answer could not be read."
  const answering = Fake.connect({
    handlers: { "item/tool/call": () => Effect.succeed({ success: true, contentItems: [] }) }
  })

  it.effect("is followed by an error after ten seconds, once, and reported", () =>
    Effect.gen(function*() {
      const log = yield* logged(Effect.gen(function*() {
        const connected = yield* answering
        const { rpc, server } = connected
        const told = yield* Effect.forkScoped(Stream.runHead(rpc.diagnosticEvents), { startImmediately: true })
        yield* server.send(call, Fake.ask("item/permissions/requestApproval", 8))
        yield* Effect.all([server.next, server.next])
        yield* TestClock.adjust("9 seconds")
        yield* alive(connected)
        yield* TestClock.adjust("1 second")
        const late = [yield* server.next, yield* server.next]
        assert.sameDeepMembers(late, [7, 8].map((id) => ({ id, error: { code: -32603, message: said } })))
        yield* TestClock.adjust("1 minute")
        yield* alive(connected)
        assert.strictEqual((yield* Fiber.join(told))._tag, "Some")
      }))
      assert.deepStrictEqual(log.split("\n").filter((line) => line.includes("did not read")), [
        "codex did not read the answer to its request item/tool/call within 10 seconds. The client answers with an error, " +
        "so that the turn continues.",
        "codex did not read the answer to its request item/permissions/requestApproval within 10 seconds. The client " +
        "answers with an error, so that the turn continues."
      ])
    }))

  it.effect.each([
    ["its item", Fake.itemCompleted("turn-1", { type: "dynamicToolCall", id: "call-1" })],
    ["its turn", Fake.completed("turn-1")],
    ["the request", Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 7 })],
    ["all turns", Fake.notification("thread/status/changed", { threadId: Fake.threadId, status: { type: "idle" } })],
    ["the thread", Fake.notification("thread/closed", { threadId: Fake.threadId })]
  ])("is followed by nothing once the server has ended %s", ([, frame]) =>
    Effect.gen(function*() {
      const connected = yield* answering
      yield* connected.server.send(call)
      yield* connected.server.next
      yield* connected.server.send(frame)
      yield* alive(connected)
      yield* TestClock.adjust("1 hour")
      yield* alive(connected)
    }))

  const unsubscribe = Effect.fnUntraced(function*({ rpc, server }: Effect.Success<typeof answering>) {
    const request = yield* Effect.forkChild(rpc.request("thread/unsubscribe", { threadId: Fake.threadId }))
    yield* server.reply(yield* server.expect("thread/unsubscribe"), { status: "unsubscribed" })
    yield* Fiber.join(request)
  })

  it.effect("is followed by nothing once the thread is unsubscribed, and by an error once it is heard of again", () =>
    Effect.gen(function*() {
      const connected = yield* answering
      const { server } = connected
      yield* server.send(call)
      yield* server.next
      yield* unsubscribe(connected)
      yield* TestClock.adjust("1 hour")
      yield* alive(connected)
      yield* server.send(Fake.ask("item/tool/call", 9))
      yield* server.next
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* server.next, { id: 9, error: { code: -32603, message: said } })
    }))

  it.effect("is followed by nothing when its handler has unsubscribed the thread", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const connected = yield* Fake.connect({
        handlers: {
          "item/commandExecution/requestApproval": () =>
            Deferred.succeed(asked, undefined).pipe(
              Effect.andThen(Deferred.await(goOn)),
              Effect.as({ decision: "accept" as const })
            )
        }
      })
      yield* connected.server.send(Fake.ask("item/commandExecution/requestApproval", 0))
      yield* Deferred.await(asked)
      yield* unsubscribe(connected)
      yield* Deferred.succeed(goOn, undefined)
      assert.deepStrictEqual((yield* connected.server.next).result, { decision: "accept" })
      yield* TestClock.adjust("1 hour")
      yield* alive(connected)
    }))

  it.effect("is not one of a method of which no server says that", () =>
    Effect.gen(function*() {
      const connected = yield* Fake.connect()
      yield* connected.server.send(Fake.ask("currentTime/read", 0))
      yield* connected.server.next
      yield* TestClock.adjust("1 hour")
      yield* alive(connected)
    }))
})

/** A client whose server writes a log. */
const withLog = Effect.gen(function*() {
  let write: (line: string) => void = () => {}
  const watchLog = (onLine: (line: string) => void) => Effect.sync(() => void (write = onLine))
  const connected = yield* connectOver({ watchLog }, {
    "item/tool/call": () => Effect.succeed({ success: true, contentItems: [] })
  })
  return { ...connected, write: (line: string) => write(`2026-11-28T19:55:22.044419Z ERROR ${line}`) }
})

describe("what the log of the server says of our frames", () => {
  it.effect("is a diagnostic with its reason, and no other line is", () =>
    Effect.gen(function*() {
      const { rpc, server, write } = yield* withLog
      const told = yield* Effect.forkScoped(Stream.runCollect(Stream.take(rpc.diagnosticEvents, 2)), {
        startImmediately: true
      })
      const dropped = "codex_app_server_transport::transport: Failed to deserialize JSONRPCMessage: "
      write(`codex_core::tools::router: error=exec_command failed: ${dropped}model`)
      write("codex_app_server::bespoke_event_handling: request failed with client error: JSONRPCErrorError")
      write(`${dropped}recursion limit exceeded at line 1 column 199`)
      write(
        "codex_app_server::bespoke_event_handling: failed to deserialize ToolRequestUserInputResponse: invalid type: " +
          `string "pass \\"word", expected struct ToolRequestUserInputAnswer`
      )
      assert.deepStrictEqual(yield* Fiber.join(told), [
        {
          _tag: "FrameDropped",
          message:
            "codex app-server dropped a message of this client that it could not read: recursion limit exceeded " +
            "at line 1 column 199",
          reason: "recursion limit exceeded at line 1 column 199"
        },
        {
          _tag: "HandlerProblem",
          message: "codex app-server did not accept an answer of this client: ToolRequestUserInputResponse: invalid " +
            "type: string \"…\", expected struct ToolRequestUserInputAnswer"
        }
      ])
      assert.strictEqual((yield* rpc.diagnostics).dropped, 1)
      // It is told with the answer that may be the one that was dropped.
      yield* server.send(Fake.ask("item/tool/call", 0))
      yield* server.next
      const next = yield* Effect.forkScoped(Stream.runCollect(Stream.take(rpc.diagnosticEvents, 2)), {
        startImmediately: true
      })
      write(`${dropped}unexpected end of hex escape`)
      yield* TestClock.adjust("10 seconds")
      assert.include((yield* Fiber.join(next))[1]?.message, "within 10 seconds (unexpected end of hex escape)")
    }))
})
