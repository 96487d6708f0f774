/** The WebSocket transport on a WebSocket whose other end is the test. */
import { AppServerRpc, CodexError, Transport } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Logger, Redacted, Scope, Tracer } from "effect"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"
import { createHmac } from "node:crypto"
import * as Util from "node:util"

// =============================================================================
// Support
// =============================================================================

interface Event extends Socket.WebSocketEvent {
  readonly message?: string
  readonly error?: { readonly message?: string; readonly code?: string }
}

class TestWebSocket implements Socket.WebSocketLike {
  readyState = 0
  bufferedAmount = 0
  answersClose = true
  terminated = false
  readonly sent: Array<unknown> = []
  readonly closes: Array<number | undefined> = []
  readonly url: string
  readonly options: Socket.WebSocketConstructorOptions | undefined
  private readonly listeners: Array<{ readonly type: string; readonly listener: (event: Event) => void }> = []

  constructor(url: string, options: Socket.WebSocketConstructorOptions | undefined) {
    this.url = url
    this.options = options
  }
  addEventListener(type: string, listener: (event: Event) => void) {
    this.listeners.push({ type, listener })
  }
  removeEventListener(type: string, listener: (event: Event) => void) {
    const index = this.listeners.findIndex((entry) => entry.type === type && entry.listener === listener)
    if (index !== -1) this.listeners.splice(index, 1)
  }
  send(data: unknown) {
    this.sent.push(data)
  }
  close(code?: number) {
    this.closes.push(code)
    this.readyState = 2
    if (this.answersClose) this.emit("close", { code: 1006 })
  }
  terminate() {
    this.terminated = true
    this.emit("close", { code: 1006 })
  }
  emit(type: "open" | "message" | "error" | "close", event: Event = {}) {
    if (type === "open") this.readyState = 1
    if (type === "close") this.readyState = 3
    for (const { listener } of this.listeners.filter((entry) => entry.type === type)) listener(event)
  }
  message(...frames: ReadonlyArray<unknown>) {
    for (const data of frames) this.emit("message", { data })
  }
}

/** A platform whose WebSockets are the test's, each open as soon as it is made unless `opens` says otherwise. */
const platform = (opens: (ws: TestWebSocket) => void = (ws) => ws.emit("open")) => {
  const sockets: Array<TestWebSocket> = []
  const first = Deferred.makeUnsafe<TestWebSocket>()
  const layer = Layer.succeed(Socket.WebSocketConstructor)((url, options) => {
    const ws = new TestWebSocket(url, options)
    sockets.push(ws)
    // Afterwards, as the platforms do it.
    queueMicrotask(() => {
      Deferred.doneUnsafe(first, Exit.succeed(ws))
      opens(ws)
    })
    return ws
  })
  const make = (options?: Partial<Transport.WebSocketOptions>) =>
    Effect.provide(Transport.makeWebSocket({ url: "ws://127.0.0.1:4500", ...options }), layer)
  return { sockets, first: Deferred.await(first), layer, make }
}

const connected = Effect.fnUntraced(function*(options?: Partial<Transport.WebSocketOptions>) {
  const { make, sockets } = platform()
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const transport = yield* Scope.provide(make(options), scope)
  return { transport, ws: sockets[0]!, close: Scope.close(scope, Exit.void) }
})

/** Receives until the end, and gives the batches and the cause. */
const received = Effect.fnUntraced(function*(transport: Transport.Transport["Service"]) {
  const batches: Array<ReadonlyArray<string>> = []
  const fiber = yield* Effect.forkChild(
    Effect.flip(transport.receive((frames) => batches.push(frames))),
    { startImmediately: true }
  )
  return { batches, cause: Fiber.join(fiber) }
})

const texts = (u: unknown): string =>
  [
    String(u),
    Util.inspect(u, { depth: 20, showHidden: true }),
    JSON.stringify(u, (_key, value: unknown) => typeof value === "bigint" ? `${value}` : value)
  ].join("\n")

const refusal = (event: Event, options?: Partial<Transport.WebSocketOptions>) =>
  Effect.scoped(Effect.flip(
    platform((ws) => {
      ws.emit("error", event)
      ws.emit("close", { code: 1006 })
    }).make(options)
  ))

// =============================================================================
// Tests
// =============================================================================

describe("the address", () => {
  const foreign = [
    "ws://example.com",
    "ws://10.0.0.1:4500",
    "ws://0.0.0.0:4500",
    "ws://127.0.0.1.example.com",
    "ws://localhost.example.com",
    "ws://[fe80::1]:4500"
  ]
  it.effect.each(foreign)("refuses plain %s before anything is made or sent", (url) =>
    Effect.gen(function*() {
      const { make, sockets } = platform()
      const error = yield* Effect.flip(make({ url, token: Effect.die("the token was made") }))
      assert.instanceOf(error, CodexError.AppServerConnectError)
      assert.deepInclude(error, { reason: "insecure", isRetryable: false })
      assert.include(error.message, "wss://")
      assert.deepStrictEqual(sockets, [])
    }))

  const near = ["ws://127.0.0.1:4500", "ws://127.9.9.9", "ws://localhost:1", "ws://[::1]:4500/x", "wss://example.com"]
  it.effect.each(near)("connects to %s", (url) =>
    Effect.gen(function*() {
      const { make, sockets } = platform()
      yield* make({ url })
      assert.deepStrictEqual(sockets.map((ws) => ws.url), [url])
    }))

  it.effect("connects to a foreign host in the clear when asked to", () =>
    Effect.gen(function*() {
      const { make, sockets } = platform()
      yield* make({ url: "ws://example.com", allowInsecure: true })
      assert.strictEqual(sockets.length, 1)
    }))

  it.effect.each(["", "127.0.0.1:4500", "http://127.0.0.1", "unix:///tmp/x"])(
    "takes %s for invalid",
    (url) =>
      Effect.gen(function*() {
        const { make, sockets } = platform()
        const error = yield* Effect.flip(make({ url }))
        assert.strictEqual(error.reason, "invalid")
        assert.deepStrictEqual(sockets, [])
      })
  )

  it.effect("is told without its credentials and query", () =>
    Effect.gen(function*() {
      const { transport } = yield* connected({ url: "wss://me:pass@example.com/a?key=secret" })
      assert.strictEqual(transport.description, "wss://example.com/a")
    }))
})

describe("the opening", () => {
  it.effect("sends the token and the headers, and no options where there are none", () =>
    Effect.gen(function*() {
      const plain = yield* connected()
      assert.strictEqual(plain.ws.options, undefined)
      const { ws } = yield* connected({
        token: Redacted.make("tok-1\n"),
        headers: { "x-a": "a", "x-b": Redacted.make("b") }
      })
      assert.deepStrictEqual(ws.options, { headers: { "x-a": "a", "x-b": "b", Authorization: "Bearer tok-1" } })
    }))

  it.effect("makes a token for each connection", () =>
    Effect.gen(function*() {
      let made = 0
      const { make, sockets } = platform()
      const transport = make({ token: Effect.sync(() => Redacted.make(`tok-${++made}`)) })
      yield* transport
      yield* transport
      assert.deepStrictEqual(sockets.map(({ options }) => options), [
        { headers: { Authorization: "Bearer tok-1" } },
        { headers: { Authorization: "Bearer tok-2" } }
      ])
    }))

  it.effect("gives up on a token that is not made in time, and sends nothing", () =>
    Effect.gen(function*() {
      const { make, sockets } = platform()
      const asked = yield* Deferred.make<void>()
      const token = Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
      const making = yield* Effect.forkChild(Effect.flip(make({ token, connectTimeout: "3 seconds" })))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(making)
      assert.deepInclude(error, { reason: "timeout", isRetryable: true })
      assert.include(error.message, "the option `token` gave none within 3000 ms")
      assert.deepStrictEqual(sockets, [])
    }))

  it.effect("fails with the error of a token that cannot be made, and sends nothing", () =>
    Effect.gen(function*() {
      const { make, sockets } = platform()
      const error = yield* Effect.flip(make({ token: Transport.signedBearer({ secret: Redacted.make("") }) }))
      assert.strictEqual(error.reason, "token")
      assert.deepStrictEqual(sockets, [])
    }))

  const answers = [
    ["Unexpected server response: 401", { reason: "unauthorized", status: 401, isRetryable: false }, "option `token`"],
    ["Unexpected server response: 403", { reason: "forbidden", status: 403, isRetryable: false }, "Origin"],
    ["Unexpected server response: 404", { reason: "refused", status: 404, isRetryable: false }, "HTTP 404"],
    ["Unexpected server response: 502: gone", { reason: "refused", status: 502, isRetryable: true }, "502 (gone)"],
    ["connect ECONNREFUSED 127.0.0.1:1", { reason: "unreachable", isRetryable: true }, "ECONNREFUSED"],
    ["Received network error or non-101 status code.", { reason: "unreachable", isRetryable: true }, "token"]
  ] as const
  it.effect.each(answers)("tells %s", ([message, expected, text]) =>
    Effect.gen(function*() {
      const error = yield* refusal({ message })
      assert.deepInclude(error, expected)
      assert.include(error.message, text)
    }))

  it.effect("tells a refused token from a missing one, and the code where there is no message", () =>
    Effect.gen(function*() {
      const refused = yield* refusal({ message: "Unexpected server response: 401: expired websocket jwt" }, {
        token: Redacted.make("tok-1")
      })
      assert.include(refused.message, "expired websocket jwt")
      assert.include(refused.message, "signedBearer")
      assert.include(
        (yield* refusal({ message: "", error: { message: "", code: "ECONNREFUSED" } })).message,
        "ECONNREFUSED"
      )
    }))

  it.effect("is given up after 10 seconds", () =>
    Effect.gen(function*() {
      const { first, make } = platform(() => {})
      const opening = yield* Effect.forkChild(Effect.flip(make()))
      const ws = yield* first
      yield* TestClock.adjust("9 seconds")
      assert.isFalse(ws.terminated)
      yield* TestClock.adjust("1 seconds")
      const error = yield* Fiber.join(opening)
      assert.deepInclude(error, { reason: "timeout", isRetryable: true })
      assert.isTrue(ws.terminated)
    }))

  it.effect("that is interrupted leaves no WebSocket", () =>
    Effect.gen(function*() {
      const { first, make } = platform(() => {})
      const opening = yield* Effect.forkChild(make())
      const ws = yield* first
      yield* Fiber.interrupt(opening)
      assert.isTrue(ws.terminated)
    }))

  it.effect("that the platform refuses is an error, without what the platform quotes", () =>
    Effect.gen(function*() {
      const error = yield* Transport.makeWebSocket({ url: "ws://localhost", token: Redacted.make("s3cret\n-1") }).pipe(
        Effect.flip,
        Effect.provideService(Socket.WebSocketConstructor, (_url, options) => {
          throw new TypeError(`invalid: ${JSON.stringify(options)}`)
        })
      )
      assert.strictEqual(error.reason, "invalid")
      assert.notInclude(texts(error), "s3cret")
    }))

  it.effect("of what is no app-server names the address", () =>
    Effect.gen(function*() {
      const { layer } = platform((ws) => {
        ws.emit("open")
        ws.emit("close", { code: 1011, reason: "no codex here" })
      })
      const error = yield* AppServerRpc.make().pipe(
        Effect.provide(Transport.layerWebSocket({ url: "ws://127.0.0.1:4500" })),
        Effect.provide(layer),
        Effect.flip
      )
      assert.strictEqual(error._tag, "AppServerStartError")
      assert.include(error.message, "ws://127.0.0.1:4500")
      assert.include(error.message, "no codex here")
      assert.notInclude(error.message, "executable")
    }))
})

describe("frames", () => {
  it.effect("come in order, those of one read together, and those before the end before it", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      ws.message("early")
      const { batches, cause } = yield* received(transport)
      ws.message("1", "2")
      yield* Effect.promise(() => Promise.resolve())
      ws.message("3", "4")
      ws.emit("close", { code: 1001, reason: "going away" })
      ws.message("5")
      assert.deepInclude(yield* cause, { _tag: "TransportError", reason: "read", closeCode: 1001 })
      assert.deepInclude(yield* cause, { closeReason: "going away" })
      assert.deepStrictEqual(batches, [["early"], ["1", "2"], ["3", "4"]])
      const again = yield* received(transport)
      assert.strictEqual(yield* again.cause, yield* cause)
      assert.deepStrictEqual(again.batches, [])
    }))

  it.effect("that came before the end are there for who receives after it", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      ws.message("1")
      ws.emit("close", { code: 1000 })
      const { batches, cause } = yield* received(transport)
      assert.deepInclude(yield* cause, { closeCode: 1000 })
      assert.deepStrictEqual(batches, [["1"]])
    }))

  it.effect("that nobody receives any more are dropped", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      const receiving = yield* Effect.forkChild(transport.receive(() => {}), { startImmediately: true })
      yield* Fiber.interrupt(receiving)
      ws.message("1")
      yield* Effect.promise(() => Promise.resolve())
      const { batches } = yield* received(transport)
      ws.message("2")
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(batches, [["2"]])
    }))

  it.effect("that are binary are handed over as what is no message", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      const { batches } = yield* received(transport)
      ws.message(new TextEncoder().encode("{\"id\":1}"), new Blob(["{}"]))
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(batches, [["a binary frame of 8 bytes", "a binary frame of 2 bytes"]])
    }))

  it.effect("may have maxFrameBytes bytes, and one more ends the connection", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected({ maxFrameBytes: 8 })
      const { batches, cause } = yield* received(transport)
      ws.message("12345678", "éééé", "ééééé")
      const error = yield* cause
      assert.deepInclude(error, { reason: "frameTooLarge" })
      assert.include(error.message, "8 bytes")
      assert.deepStrictEqual(batches, [["12345678", "éééé"]])
      assert.isTrue(ws.terminated)
    }))

  it.effect("that the platform finds too large end it in the same way", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      const { cause } = yield* received(transport)
      ws.emit("error", { message: "Max payload size exceeded", error: { code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" } })
      assert.deepInclude(yield* cause, { reason: "frameTooLarge" })
    }))

  it.effect("after an error are not waited for", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      ws.answersClose = false
      const { cause } = yield* received(transport)
      ws.emit("error", { message: "Invalid WebSocket frame: invalid UTF-8 sequence" })
      const error = yield* cause
      assert.deepInclude(error, { reason: "read" })
      assert.include(error.message, "invalid UTF-8")
      assert.isTrue(ws.terminated)
    }))

  it.effect("that their receiver chokes on are its defect", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      const receiving = yield* Effect.forkChild(
        transport.receive(() => {
          throw new Error("a bug")
        }),
        { startImmediately: true }
      )
      ws.message("1")
      const exit = yield* Fiber.await(receiving)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))
})

describe("send", () => {
  it.effect("waits in order while much is buffered", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      ws.bufferedAmount = 4 * 1024 * 1024 + 1
      const sending = yield* Effect.forkChild(
        Effect.forEach(["1", "2", "3"], transport.send, { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(ws.sent, [])
      ws.bufferedAmount = 0
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(sending)
      assert.deepStrictEqual(ws.sent, ["1", "2", "3"])
    }))

  it.effect("does not wait for a connection that has ended, and sends nothing on it", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      ws.bufferedAmount = 2 ** 30
      const sending = yield* Effect.forkChild(transport.send("1"), { startImmediately: true })
      ws.emit("close", { code: 1006 })
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(sending)
      yield* transport.send("2")
      assert.deepStrictEqual(ws.sent, [])
    }))

  it.effect("of a frame that codex does not take is told with the end", () =>
    Effect.gen(function*() {
      const { transport, ws } = yield* connected()
      yield* transport.send("x".repeat(16 * 1024 * 1024 + 1))
      ws.emit("close", { code: 1006 })
      const { cause } = yield* received(transport)
      assert.include((yield* cause).message, "16777217 characters")
    }))
})

describe("closing the scope", () => {
  it.effect("closes with 1000 and waits for the answer", () =>
    Effect.gen(function*() {
      const { close, transport, ws } = yield* connected()
      const { cause } = yield* received(transport)
      ws.answersClose = false
      const closing = yield* Effect.forkChild(close, { startImmediately: true })
      assert.deepStrictEqual(ws.closes, [1000])
      assert.isFalse(ws.terminated)
      ws.emit("close", { code: 1000 })
      yield* Fiber.join(closing)
      assert.deepInclude(yield* cause, { reason: "closed" })
    }))

  it.effect("waits no longer than a second", () =>
    Effect.gen(function*() {
      const { close, ws } = yield* connected()
      ws.answersClose = false
      const closing = yield* Effect.forkChild(close, { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isFalse(ws.terminated)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      assert.isTrue(ws.terminated)
    }))

  it.effect("is done at once when the connection has ended before", () =>
    Effect.gen(function*() {
      const { close, ws } = yield* connected()
      ws.emit("close", { code: 1006 })
      yield* close
      assert.deepStrictEqual(ws.closes, [])
    }))
})

describe("a secret", () => {
  it.effect("appears in no error, log, span or inspected value", () =>
    Effect.gen(function*() {
      const secret = "s3cret-token"
      const seen: Array<unknown> = []
      const logger = Logger.make((options) => void seen.push(Util.inspect(options, { depth: 20 })))
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          seen.push(span)
          return span
        }
      })
      const options = {
        url: `wss://me:${secret}@example.com/?token=${secret}`,
        token: Redacted.make(secret),
        headers: { cookie: Redacted.make(secret) }
      }
      yield* Effect.gen(function*() {
        const target = { options: { headers: { Authorization: `Bearer ${secret}` } } }
        const event = (message: string) => ({ message, target, error: Object.assign(new Error(message), { target }) })
        seen.push(yield* refusal(event(`Unexpected server response: 401: not ${secret}`), options))
        seen.push(yield* refusal(event(`no way to ${secret}`), options))
        const { transport, ws } = yield* connected(options)
        seen.push(transport)
        ws.emit("close", { code: 1008, reason: `${secret} is revoked` })
        const cause = yield* (yield* received(transport)).cause
        yield* Effect.logError("the end", cause, transport)
        seen.push(cause)
        const other = yield* connected(options)
        other.ws.emit("error", event(`frame of ${secret}`))
        seen.push(yield* (yield* received(other.transport)).cause)
      }).pipe(Effect.withSpan("connect"), Effect.provide(Logger.layer([logger])), Effect.withTracer(tracer))
      // A span, a log entry, four errors, a transport.
      assert.isAtLeast(seen.length, 7)
      for (const value of seen) assert.notInclude(texts(value), secret)
    }))
})

describe("signedBearer", () => {
  const parts = (token: Redacted.Redacted<string>) => {
    const [header, claims, signature] = Redacted.value(token).split(".")
    const json = (text = ""): unknown => JSON.parse(Buffer.from(text, "base64url").toString())
    return { header: json(header), claims: json(claims), signed: `${header}.${claims}`, signature }
  }

  it.effect("signs what the server checks, and tells nobody", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("100 seconds")
      const sign = Transport.signedBearer({
        secret: Redacted.make("s".repeat(32) + "\n"),
        issuer: "mé",
        audience: "you"
      })
      const token = yield* sign
      const { claims, header, signature, signed } = parts(token)
      assert.deepStrictEqual(header, { alg: "HS256", typ: "JWT" })
      assert.deepStrictEqual(claims, { iss: "mé", aud: "you", exp: 160 })
      assert.strictEqual(signature, createHmac("sha256", "s".repeat(32)).update(signed).digest("base64url"))
      assert.notInclude(texts(token), signature ?? "")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(parts(yield* sign).claims, { iss: "mé", aud: "you", exp: 170 })
    }))

  it.effect("takes a lifetime, and leaves away what is not given", () =>
    Effect.gen(function*() {
      const token = yield* Transport.signedBearer({ secret: Redacted.make("s".repeat(32)), lifetime: "5 minutes" })
      assert.deepStrictEqual(parts(token).claims, { exp: 300 })
    }))
})
