/** Who is let in by the real server, and how the connection to a bad one ends. */
import { AppServerRpc, Codex, CodexError, Transport } from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { badServer, httpServer, onTcp, onUnix, proxy, removeLeftovers } from "@effect-codex/test-support/servers"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeWS from "@effect/platform-node/NodeWS"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Redacted,
  Schedule,
  Scope,
  Stream
} from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Util from "node:util"
import { CodexNode } from "../src/index.ts"
import { isRunning } from "./support/processes.ts"

// =============================================================================
// Support
// =============================================================================

const home = CodexHome.layerUrl("http://127.0.0.1:1/v1")

const version = (options: CodexNode.WebSocketOptions) =>
  Effect.map(Codex.Codex, ({ serverInfo }) => serverInfo.version).pipe(
    Effect.provide(Layer.fresh(CodexNode.layerWebSocket(options)))
  )

const refused = Effect.fnUntraced(function*(options: CodexNode.WebSocketOptions) {
  const error = yield* Effect.flip(version(options))
  assert.instanceOf(error, CodexError.AppServerConnectError)
  return error
})

/** Builds a layer, so that the test can close it. */
const open = Effect.fnUntraced(function*(options: CodexNode.WebSocketOptions) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  const context = yield* Layer.buildWithScope(CodexNode.layerWebSocket(options), scope)
  return {
    rpc: Context.get(context, AppServerRpc.AppServerRpc),
    codex: Context.get(context, Codex.Codex),
    close: Scope.close(scope, Exit.void)
  }
})

const fileWith = Effect.fnUntraced(function*(text: string) {
  const file = join((yield* CodexHome.CodexHome).path, "secret")
  writeFileSync(file, text, { mode: 0o600 })
  return file
})

// =============================================================================
// The real server
// =============================================================================

describe("a server with a capability token", () => {
  const secret = "c4pability-t0ken"
  const started = Effect.gen(function*() {
    return yield* onTcp(["--ws-auth", "capability-token", "--ws-token-file", yield* fileWith(`${secret}\n`)])
  })

  it.live("lets in who has it, also through variables, and nobody else", () =>
    Effect.gen(function*() {
      const { url } = yield* started
      assert.strictEqual(yield* version({ url, token: Redacted.make(secret) }), codexVersion)
      const provider = ConfigProvider.fromUnknown({ MY_URL: url, MY_TOKEN: `${secret}\n` })
      const fromConfig = Effect.provide(
        Codex.Codex,
        CodexNode.layerWebSocketConfig({ url: Config.String("MY_URL"), token: Config.Redacted("MY_TOKEN") }).pipe(
          Layer.provide(ConfigProvider.layer(provider))
        )
      )
      assert.strictEqual((yield* fromConfig).serverInfo.version, codexVersion)

      const missing = yield* refused({ url })
      assert.deepInclude(missing, { reason: "unauthorized", status: 401, isRetryable: false, address: `${url}/` })
      assert.include(missing.message, "missing websocket bearer token")
      assert.include(missing.message, "give the option `token`")

      const wrong = yield* refused({ url, token: Redacted.make("wr0ng-t0ken") })
      assert.deepInclude(wrong, { reason: "unauthorized", status: 401, isRetryable: false })
      assert.include(wrong.message, "invalid websocket bearer token")
      for (const text of [wrong.message, Util.inspect(wrong, { depth: 20, showHidden: true }), JSON.stringify(wrong)]) {
        assert.notInclude(text, "wr0ng")
      }
    }).pipe(Effect.scoped, Effect.provide(home)))
})

describe("the transport", () => {
  const platforms = [
    ["Node's own WebSocket", NodeSocket.layerWebSocketConstructor, { reason: "unreachable" }],
    ["the ws package", NodeWS.layerWebSocketConstructor, { reason: "unauthorized", status: 401 }]
  ] as const
  it.live.each(platforms)("stands on %s, too", ([, platform, refusal]) =>
    Effect.gen(function*() {
      const { url } = yield* onTcp(["--ws-auth", "capability-token", "--ws-token-file", yield* fileWith("t0ken")])
      const connect = (token: string) =>
        AppServerRpc.make().pipe(
          Effect.provide(Transport.layerWebSocket({ url, token: Redacted.make(token) })),
          Effect.provide(platform)
        )
      assert.strictEqual((yield* connect("t0ken")).serverInfo.version, codexVersion)
      const error = yield* Effect.flip(connect("wr0ng"))
      assert.deepInclude(error, { _tag: "AppServerConnectError", ...refusal })
      assert.include(error.message, "token")
      assert.notInclude(Util.inspect(error, { depth: 20, showHidden: true }), "wr0ng")
    }).pipe(Effect.scoped, Effect.provide(home)))
})

describe("a server with signed tokens", () => {
  it.live("lets in who signs as it expects, for as long as the token is good", () =>
    Effect.gen(function*() {
      const secret = Redacted.make("0123456789abcdef0123456789abcdef")
      const { url } = yield* onTcp([
        "--ws-auth",
        "signed-bearer-token",
        "--ws-shared-secret-file",
        yield* fileWith(`${Redacted.value(secret)}\n`),
        "--ws-issuer",
        "me",
        "--ws-audience",
        "you",
        "--ws-max-clock-skew-seconds",
        "0"
      ])
      const good = { secret, issuer: "me", audience: "you" }
      assert.strictEqual(yield* version({ url, token: Transport.signedBearer(good) }), codexVersion)
      const answers = [
        [{ ...good, lifetime: "-10 seconds" }, "expired websocket jwt"],
        [{ ...good, issuer: "you" }, "issuer mismatch"],
        [{ secret, issuer: "me" }, "audience mismatch"],
        [{ ...good, secret: Redacted.make("fedcba9876543210fedcba9876543210") }, "invalid websocket jwt"]
      ] as const
      for (const [options, text] of answers) {
        const error = yield* refused({ url, token: Transport.signedBearer(options) })
        assert.deepInclude(error, { reason: "unauthorized", status: 401 })
        assert.include(error.message, text)
      }
    }).pipe(Effect.scoped, Effect.provide(home)))
})

describe("the real server", () => {
  it.live("forbids an Origin header", () =>
    Effect.gen(function*() {
      const { url } = yield* onTcp()
      const error = yield* refused({ url, headers: { Origin: url.replace("ws:", "http:") } })
      assert.deepInclude(error, { reason: "forbidden", status: 403, isRetryable: false })
      assert.include(error.message, "Origin")
    }).pipe(Effect.scoped, Effect.provide(home)))

  it.live("outlives its clients, whose connection is gone when their scope is", () =>
    Effect.gen(function*() {
      const { pid, url } = yield* onTcp()
      const { close, rpc } = yield* open({ url })
      yield* close
      assert.deepInclude(yield* rpc.ended, { _tag: "TransportError", reason: "closed" })
      assert.isTrue(isRunning(pid))
      assert.strictEqual(yield* version({ url }), codexVersion)
    }).pipe(Effect.scoped, Effect.provide(home)))

  it.live("that is told to end ends the connection", () =>
    Effect.gen(function*() {
      const { pid, url } = yield* onTcp()
      const { rpc } = yield* open({ url })
      process.kill(pid, "SIGTERM")
      const error = yield* rpc.ended
      assert.instanceOf(error, CodexError.TransportError)
      assert.deepInclude(error, { reason: "read", closeCode: 1006 })
      const later = yield* refused({ url })
      assert.deepInclude(later, { reason: "unreachable", isRetryable: true })
      assert.include(later.message, "ECONNREFUSED")
    }).pipe(Effect.scoped, Effect.provide(home)))

  it.live(
    "is not sent what it would end the connection for",
    () =>
      Effect.gen(function*() {
        const { url } = yield* onTcp()
        const { rpc } = yield* open({ url })
        const write = (length: number) =>
          Effect.flip(rpc.request("fs/writeFile", { path: "/nowhere/x", dataBase64: "A".repeat(length) }))
        const error: unknown = yield* write(65 * 1024 * 1024)
        assert.instanceOf(error, CodexError.InvalidArgument)
        assert.match(error.message, /longer than the \d{8} bytes that codex takes on this connection/)
        // Nor what is as long as it takes.
        const [, most] = /longer than the (\d+) bytes/.exec(error.message) ?? []
        assert.strictEqual((yield* write(Number(most) - 200))._tag, "RpcError")
        yield* rpc.request("model/list", {})
      }).pipe(Effect.scoped, Effect.provide(home))
  )

  it.live("cuts off a client that does not read, and the turn goes on", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text([gate, ...Array.from({ length: 60_000 }, () => "x".repeat(300))]))
      const { url } = yield* onTcp()
      const way = yield* proxy(url)
      const slow = yield* open({ url: way.url })
      const quick = yield* open({ url })
      const { thread: { id: threadId } } = yield* slow.rpc.request("thread/start", {})
      yield* slow.rpc.request("turn/start", { threadId, input: [{ type: "text", text: "go", text_elements: [] }] })
      yield* gate.reached
      const completed = yield* quick.rpc.notifications.pipe(
        Stream.filter((notification) => notification._tag === "turn/completed"),
        Stream.take(1),
        Stream.runDrain,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* quick.rpc.request("thread/resume", { threadId })
      way.hold()
      yield* gate.release
      yield* Fiber.join(completed)
      way.release()
      assert.deepInclude(yield* slow.rpc.ended, { _tag: "TransportError", reason: "read", closeCode: 1006 })
    }).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
    ), 180_000)

  it.live("does not cut off a client whose program reads nothing, and loses none of it", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      const parts = Array.from({ length: 60_000 }, (_, i) => `${i} `.padEnd(300, "x"))
      yield* model.enqueue(ScriptedModel.text(["first", gate, ...parts]))
      const { url } = yield* onTcp()
      const { codex } = yield* open({ url })
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      const read = yield* Deferred.make<void>()
      const text: Array<string> = []
      const reading = yield* turn.text.pipe(
        Stream.runForEach((part) => {
          text.push(part)
          return Deferred.await(read)
        }),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* gate.reached
      yield* gate.release
      assert.strictEqual((yield* turn.result).status, "completed")
      assert.deepStrictEqual(text, ["first"])
      yield* Deferred.succeed(read, undefined)
      yield* Fiber.join(reading)
      assert.strictEqual(text.join(""), ["first", ...parts].join(""))
    }).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
    ), 180_000)

  it.live("is found on its default unix socket", () =>
    Effect.gen(function*() {
      const { path } = yield* CodexHome.CodexHome
      yield* onUnix()
      const provider = ConfigProvider.layer(ConfigProvider.fromUnknown({ CODEX_HOME: path }))
      const { serverInfo } = yield* Effect.provide(
        Codex.Codex,
        CodexNode.layerUnixSocket().pipe(Layer.provide(provider))
      )
      assert.deepStrictEqual(serverInfo.version, codexVersion)
    }).pipe(
      Effect.scoped,
      Effect.ensuring(Effect.sync(removeLeftovers)),
      Effect.provide(home)
    ))

  it.live("is waited for by who tries again while the error is retryable", () =>
    Effect.gen(function*() {
      const path = join((yield* CodexHome.CodexHome).path, "later.sock")
      const attempts: Array<string> = []
      const waiting = yield* Effect.provide(
        Codex.Codex,
        Layer.fresh(CodexNode.layerUnixSocketConfig({ path: Config.succeed(path) }))
      ).pipe(
        Effect.tapError(({ _tag }) => Effect.sync(() => attempts.push(_tag))),
        Effect.retry({
          while: (error) => error._tag === "AppServerConnectError" && error.isRetryable,
          schedule: Schedule.spaced("20 millis")
        }),
        Effect.timeout("30 seconds"),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* onUnix(path)
      assert.strictEqual((yield* Fiber.join(waiting)).serverInfo.version, codexVersion)
      assert.include(attempts, "AppServerConnectError")
    }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(removeLeftovers)), Effect.provide(home)))
})

// =============================================================================
// Other servers
// =============================================================================

describe("a bad server", () => {
  it.live("that accepts and never answers is given up in time", () =>
    Effect.gen(function*() {
      const url = yield* httpServer(() => {})
      const error = yield* refused({ url, connectTimeout: "100 millis" })
      assert.deepInclude(error, { reason: "timeout", isRetryable: true })
      assert.include(error.message, "100 ms")
    }).pipe(Effect.scoped))

  it.live("that answers with another status is refused, with what it said", () =>
    Effect.gen(function*() {
      const url = yield* httpServer((socket) => {
        socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot yet.\n")
      })
      const error = yield* refused({ url })
      assert.deepInclude(error, { reason: "refused", status: 503, isRetryable: true })
      assert.include(error.message, "HTTP 503 (not yet.)")
    }).pipe(Effect.scoped))

  it.live("that hangs up on the opening is unreachable", () =>
    Effect.gen(function*() {
      const url = yield* httpServer((socket) => socket.destroy())
      assert.deepInclude(yield* refused({ url }), { reason: "unreachable", isRetryable: true })
    }).pipe(Effect.scoped))

  it.live("that closes with a code ends everything with the code and the reason", () =>
    Effect.gen(function*() {
      const { url } = yield* badServer((ws) => ws.close(1012, "restarting"))
      const { rpc } = yield* open({ url })
      const error = yield* rpc.ended
      assert.deepInclude(error, { _tag: "TransportError", closeCode: 1012, closeReason: "restarting" })
      assert.include(error.message, "code 1012 (restarting)")
      assert.isTrue((yield* Effect.flip(rpc.request("thread/loaded/list", {}))) === error)
    }).pipe(Effect.scoped))

  it.live("that sends garbage and binary frames is counted, and what follows is read", () =>
    Effect.gen(function*() {
      const { url } = yield* badServer((ws) => {
        ws.on("message", (text) => {
          const { id }: { readonly id: number } = JSON.parse(`${text}`)
          ws.send("no JSON")
          ws.send(Buffer.from(JSON.stringify({ id, error: { code: -1, message: "binary" } })))
          ws.send(JSON.stringify({ id, result: { data: [], nextCursor: null } }))
        })
      })
      const { rpc } = yield* open({ url })
      assert.deepInclude(yield* rpc.request("thread/loaded/list", {}), { data: [] })
      assert.deepInclude(yield* rpc.diagnostics, { garbage: 2 })
    }).pipe(Effect.scoped))

  it.live("that sends a frame over the limit ends the connection, and is told with 1009", () =>
    Effect.gen(function*() {
      const { codes, url } = yield* badServer((ws) => ws.send("x".repeat(10_001)))
      const { close, rpc } = yield* open({ url, maxFrameBytes: 10_000 })
      const error = yield* rpc.ended
      assert.deepInclude(error, { _tag: "TransportError", reason: "frameTooLarge" })
      assert.include(error.message, "10000 bytes")
      yield* close
      yield* Effect.sync(() => codes.length).pipe(
        Effect.delay("10 millis"),
        Effect.repeat({ until: (length) => length > 0 }),
        Effect.timeout("10 seconds")
      )
      assert.deepStrictEqual(codes, [1009])
    }).pipe(Effect.scoped))

  it.live("that does not answer the close does not hold up the scope", () =>
    Effect.gen(function*() {
      const { url } = yield* badServer((ws) => ws.pause())
      const { close } = yield* open({ url })
      const [duration] = yield* Effect.timed(close)
      // `ws` alone waits for 30 seconds.
      assert.isBelow(Duration.toSeconds(duration), 10)
    }).pipe(Effect.scoped))
})
