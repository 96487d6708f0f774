/** The MCP server of `HostTools`, spoken to over its socket. */
import { CodexError, DynamicTools } from "@effect-codex/client"
import { assert, describe, it, vi } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Option, Queue, Redacted, Schema, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Http from "node:http"
import * as Net from "node:net"
import { inspect } from "node:util"
import { HostTools } from "../src/index.ts"

// =============================================================================
// Support
// =============================================================================

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string
}

interface Answer {
  readonly status: number | undefined
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/** What `mcpServer` gives codex. */
const accessOf = (host: HostTools.HostTools) => {
  const { bearerToken, url } = host.mcpServer()
  return { url: new URL(url), token: Redacted.value(bearerToken!) }
}

/** Sends a request as codex does, apart from what the test changes. The socket closes when it is interrupted. */
const exchange = (host: HostTools.HostTools, sent: Sent) => {
  const { token, url } = accessOf(host)
  return Effect.callback<Answer, Error>((resume) => {
    const request = Http.request({
      host: url.hostname,
      port: url.port,
      path: sent.path ?? url.pathname,
      method: sent.method ?? "POST",
      agent: false,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...sent.headers }
    }, (response) => {
      let text = ""
      response.setEncoding("utf8")
        .on("data", (chunk: string) => text += chunk)
        .on("error", (error) => resume(Effect.fail(error)))
        .on("end", () => resume(Effect.succeed({ status: response.statusCode, headers: response.headers, text })))
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end(sent.body)
    return Effect.sync(() => request.destroy())
  })
}

const rpc = (host: HostTools.HostTools, method: string, params?: object) =>
  Effect.map(
    exchange(host, { body: JSON.stringify({ jsonrpc: "2.0", id: 7, method, params }) }),
    ({ status, text }) => ({ status, ...JSON.parse(text) as { readonly result?: unknown; readonly error?: unknown } })
  )

const call = (host: HostTools.HostTools, name: string, args?: unknown, meta?: object) =>
  Effect.map(rpc(host, "tools/call", { name, arguments: args, ...(meta && { _meta: meta }) }), ({ result }) => result)

const text = (text: string, isError = false) => ({ content: [{ type: "text", text }], isError })

/** What the stream of changes sends, chunk by chunk. It is there when this returns. */
const changes = Effect.fnUntraced(function*(host: HostTools.HostTools) {
  const { token, url } = accessOf(host)
  const chunks: Array<string> = []
  let onChunk = (): void => {}
  const response = yield* Effect.acquireRelease(
    Effect.callback<Http.IncomingMessage, Error>((resume) => {
      Http.get(url, { agent: false, headers: { authorization: `Bearer ${token}` } }, (response) => {
        response.setEncoding("utf8").on("error", () => {}).on("data", (chunk: string) => {
          chunks.push(chunk)
          onChunk()
        })
        resume(Effect.succeed(response))
      }).on("error", (error) => resume(Effect.fail(error)))
    }),
    (response) => Effect.sync(() => response.destroy())
  )
  const next = Effect.callback<string>((resume) => {
    onChunk = () => {
      const chunk = chunks.shift()
      if (chunk !== undefined) resume(Effect.succeed(chunk))
    }
    onChunk()
  })
  return { response, next, chunks }
})

const greet = DynamicTools.tool("greet", {
  description: "Greets.",
  input: Schema.Struct({ name: Schema.String }),
  handler: ({ name }) => name === "nobody" ? Effect.fail(new Error("nobody is here")) : Effect.succeed(`Hello ${name}!`)
})

const named = (name: string, handler: DynamicTools.ToolOptions<Schema.Void, never, unknown, never>["handler"]) =>
  DynamicTools.tool(name, { description: "d", handler })

const serve = (...tools: ReadonlyArray<DynamicTools.Tool | DynamicTools.Namespace>) =>
  Effect.flatMap(DynamicTools.make(tools), (tools) => HostTools.make(tools, { description: "The program's." }))

const isRefused = (url: URL, host = url.hostname) =>
  Effect.callback<boolean>((resume) => {
    const socket = Net.connect({ host, port: Number(url.port) })
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    }).on("error", (error) => resume(Effect.succeed("code" in error && error.code === "ECONNREFUSED")))
  })

// =============================================================================
// Tests
// =============================================================================

describe("the server of the program's tools", () => {
  it.effect("negotiates, lists and calls", () =>
    Effect.gen(function*() {
      const host = yield* serve(greet)
      const { result } = yield* rpc(host, "initialize", { protocolVersion: "2025-06-18", capabilities: {} })
      assert.deepStrictEqual(result, {
        protocolVersion: "2025-06-18",
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: "effect-codex", version: "1" },
        instructions: "The program's."
      })
      const other = yield* rpc(host, "initialize", { protocolVersion: "2024-11-05" })
      assert.deepInclude(other.result, { protocolVersion: "2025-11-25" })
      assert.deepStrictEqual((yield* rpc(host, "ping")).result, {})
      assert.deepStrictEqual((yield* rpc(host, "tools/list")).result, {
        tools: [{
          name: "greet",
          description: "Greets.",
          inputSchema: {
            type: "object",
            properties: { name: { type: "string" } },
            required: ["name"],
            additionalProperties: false
          }
        }]
      })
      assert.deepStrictEqual(yield* call(host, "greet", { name: "Ada" }), text("Hello Ada!"))
      const notified = yield* exchange(host, {
        body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })
      })
      assert.deepStrictEqual([notified.status, notified.text], [202, ""])
    }))

  it.effect("gives ids of sessions, without which codex does not listen for changes", () =>
    Effect.gen(function*() {
      const host = yield* serve(greet)
      const body = (method: string) => JSON.stringify({ jsonrpc: "2.0", id: 1, method })
      const ids = [
        (yield* exchange(host, { body: body("initialize") })).headers["mcp-session-id"],
        (yield* exchange(host, { body: body("initialize") })).headers["mcp-session-id"],
        (yield* exchange(host, { body: body("ping") })).headers["mcp-session-id"]
      ]
      assert.match(String(ids[0]), /^[\da-f-]{36}$/)
      assert.notStrictEqual(ids[0], ids[1])
      assert.isUndefined(ids[2])
      const headers = { "mcp-session-id": String(ids[0]) }
      assert.strictEqual((yield* exchange(host, { method: "DELETE", headers })).status, 204)
    }))

  it.effect("tells the model what went wrong, and nothing of defects", () =>
    Effect.gen(function*() {
      const host = yield* serve(
        greet,
        named("die", () => Effect.die(new Error("a secret of the program"))),
        DynamicTools.tool("misfit", {
          description: "d",
          output: Schema.Struct({ count: Schema.Int }),
          handler: () => Effect.succeed({ count: 0.5 })
        })
      )
      assert.deepStrictEqual(
        yield* call(host, "greet", { name: "nobody" }),
        text("The tool greet failed: nobody is here", true)
      )
      assert.include(JSON.stringify(yield* call(host, "greet", { name: 1 })), "do not fit the tool greet: at name")
      assert.include(JSON.stringify(yield* call(host, "greet")), "do not fit the tool greet")
      assert.deepStrictEqual(yield* call(host, "die"), text("The tool die failed unexpectedly.", true))
      assert.deepStrictEqual(
        yield* call(host, "misfit"),
        text("The tool misfit has run, but its result could not be sent.", true)
      )
      assert.deepStrictEqual(
        yield* call(host, "other"),
        text("There is no tool of this name, or not any more. Nothing was done.", true)
      )
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("gives images and sound in MCP's form", () =>
    Effect.gen(function*() {
      const png = { bytes: new Uint8Array([137, 80]), mediaType: "image/png" }
      const host = yield* serve(named("look", () =>
        Effect.succeed([
          "a door",
          DynamicTools.image(png),
          DynamicTools.audio("data:audio/wav;base64,AAAA"),
          DynamicTools.image("https://example.com/door.png")
        ])))
      assert.deepStrictEqual(yield* call(host, "look"), {
        content: [
          { type: "text", text: "a door" },
          { type: "image", mimeType: "image/png", data: "iVA=" },
          { type: "audio", mimeType: "audio/wav", data: "AAAA" },
          { type: "text", text: "The tool returned an image that is not a data URL. It was left out." }
        ],
        isError: false
      })
    }))

  it.effect("flattens namespaces, and refuses names that are the same then", () =>
    Effect.gen(function*() {
      const tickets = DynamicTools.namespace("tickets", "d", [named("close", () => Effect.succeed("closed"))])
      const host = yield* serve(tickets)
      assert.deepStrictEqual(yield* call(host, "tickets_close"), text("closed"))
      const same = yield* DynamicTools.make(tickets, named("tickets_close", () => Effect.succeed("other")))
      for (
        const error of [
          yield* Effect.flip(HostTools.make(same)),
          yield* Effect.flip(host.set(same))
        ]
      ) {
        assert.instanceOf(error, CodexError.InvalidArgument)
        assert.include(error.message, "tickets_close")
      }
      assert.deepStrictEqual(yield* call(host, "tickets_close"), text("closed"))
      // A program without types may give a tool itself.
      const described = yield* Effect.flip(HostTools.make(yield* DynamicTools.make(), { description: 1 as never }))
      assert.deepInclude(described, { _tag: "InvalidArgument", argument: "description" })
      const wrong = yield* Effect.flip(HostTools.make(greet as never))
      assert.instanceOf(wrong, CodexError.InvalidArgument)
    }))

  it.effect("tells a handler where its call comes from, under the span of that", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const host = yield* serve(named("where", (_, call) => Effect.sync(() => String(seen.push(call))))).pipe(
        Effect.withTracer(tracer)
      )
      const traceId = "290c80c101376516e32abb966f9fb31b"
      yield* call(host, "where", {}, {
        threadId: "t",
        callId: "c",
        "x-codex-turn-metadata": { turn_id: "u" },
        traceparent: `00-${traceId}-2f77dd4779567273-01`
      })
      yield* call(host, "where")
      assert.deepStrictEqual(seen, [
        { threadId: "t", turnId: "u", callId: "c" },
        { threadId: "", turnId: "", callId: "" }
      ])
      const span = spans.find(({ name }) => name === "HostTools.call")!
      assert.strictEqual(span.traceId, traceId)
      assert.deepStrictEqual(Option.map(span.parent, ({ spanId }) => spanId), Option.some("2f77dd4779567273"))
      assert.deepStrictEqual(["codex.thread.id", "codex.tool"].map((key) => span.attributes.get(key)), ["t", "where"])
    }))

  it.effect("refuses whoever lacks the token, and what a page in a browser sends", () =>
    Effect.gen(function*() {
      let calls = 0
      const host = yield* serve(named("count", () => Effect.sync(() => String(++calls))))
      const { token, url } = accessOf(host)
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "count" } })
      const refused: ReadonlyArray<readonly [number, Sent]> = [
        [401, { headers: { authorization: "" } }],
        [401, { headers: { authorization: `Bearer ${"0".repeat(64)}` } }],
        [401, { headers: { authorization: `Bearer ${token.slice(1)}` } }],
        [401, { headers: { authorization: `Basic ${token}` } }],
        [401, { path: `/mcp?token=${token}`, headers: { authorization: "" } }],
        [401, { method: "GET", headers: { authorization: "" } }],
        [403, { headers: { origin: "https://example.com" } }],
        [403, { headers: { origin: `http://${url.host}` } }],
        [403, { headers: { origin: "null" } }],
        [403, { headers: { host: `evil.example:${url.port}` } }],
        [403, { headers: { host: `localhost:${url.port}` } }],
        [403, { headers: { host: "127.0.0.1" } }],
        [404, { path: "/" }],
        [404, { path: "/.well-known/oauth-protected-resource" }],
        [405, { method: "PUT" }],
        [405, { method: "OPTIONS" }],
        [415, { headers: { "content-type": "text/plain" } }],
        [415, { headers: { "content-type": "application/jsonish" } }],
        [400, { headers: { "mcp-protocol-version": "1999-01-01" } }]
      ]
      for (const [status, sent] of refused) {
        const answer = yield* exchange(host, { body, ...sent })
        assert.deepStrictEqual([answer.status, answer.text], [status, ""], inspect(sent))
        assert.strictEqual(answer.headers.connection, "close")
        assert.notProperty(answer.headers, "access-control-allow-origin")
      }
      assert.strictEqual(calls, 0)
      assert.strictEqual((yield* exchange(host, { body })).status, 200)
      assert.strictEqual(calls, 1)
    }))

  it.effect("reads nothing of a request that it refuses", () =>
    Effect.gen(function*() {
      const { url } = accessOf(yield* serve(greet))
      // The body never comes, and the sender would keep the connection.
      const answer = yield* Effect.callback<string, Error>((resume) => {
        let text = ""
        Net.connect({ host: url.hostname, port: Number(url.port) }, function(this: Net.Socket) {
          this.write(`POST /mcp HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: 1000000\r\n\r\n`)
        })
          .setEncoding("utf8")
          .on("data", (chunk: string) => text += chunk)
          .on("error", (error) => resume(Effect.fail(error)))
          .on("close", () => resume(Effect.succeed(text)))
      })
      assert.match(answer, /^HTTP\/1\.1 401 /)
    }))

  it.effect("answers what is no request of its own with an error", () =>
    Effect.gen(function*() {
      const host = yield* serve(greet)
      const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
      const errors: ReadonlyArray<readonly [status: number, code: number, body: string]> = [
        [400, -32700, "{"],
        [400, -32700, ""],
        [400, -32600, JSON.stringify([ping, ping])],
        [400, -32600, "3"],
        [400, -32600, "null"],
        [400, -32600, JSON.stringify({ ...ping, jsonrpc: "1.0" })],
        [400, -32600, JSON.stringify({ ...ping, id: null })],
        [400, -32600, JSON.stringify({ ...ping, id: {} })],
        [400, -32600, JSON.stringify({ ...ping, method: 3 })],
        [200, -32601, JSON.stringify({ ...ping, method: "resources/list" })],
        [200, -32601, JSON.stringify({ ...ping, method: "__proto__" })],
        [200, -32602, JSON.stringify({ ...ping, method: "tools/call" })],
        [200, -32602, JSON.stringify({ ...ping, method: "tools/call", params: { name: 1 } })]
      ]
      for (const [status, code, body] of errors) {
        const answer = yield* exchange(host, { body })
        assert.deepStrictEqual(
          [answer.status, (JSON.parse(answer.text) as { readonly error: { readonly code: number } }).error.code],
          [status, code],
          body
        )
      }
      // A response to a request that the server did not send.
      assert.strictEqual(
        (yield* exchange(host, { body: JSON.stringify({ jsonrpc: "2.0", id: 1, result: {} }) })).status,
        202
      )
      assert.deepStrictEqual(yield* call(host, "greet", { name: "Ada" }), text("Hello Ada!"))
    }))

  it.effect("reads no body without a bound", () =>
    Effect.gen(function*() {
      const host = yield* serve(greet)
      const filled = (length: number) =>
        JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "greet", _: "x".repeat(length) }
        })
      assert.strictEqual((yield* exchange(host, { body: filled(15 * 1024 * 1024) })).status, 200)
      // Depending on how much is on its way, the sender sees the status or that the connection ends.
      const refused = yield* Effect.result(exchange(host, { body: filled(17 * 1024 * 1024) }))
      if (refused._tag === "Success") assert.strictEqual(refused.success.status, 413)
      assert.deepStrictEqual(yield* call(host, "greet", { name: "Ada" }), text("Hello Ada!"))
    }))

  it.effect("passes on large results whole", () =>
    Effect.gen(function*() {
      const large = "ö".repeat(5 * 1024 * 1024)
      const host = yield* serve(named("large", () => Effect.succeed(large)))
      assert.deepStrictEqual(yield* call(host, "large"), text(large))
    }))

  it.effect("tells those who listen that the tools have changed", () =>
    Effect.gen(function*() {
      const host = yield* serve(greet)
      const early = yield* changes(host)
      assert.strictEqual(early.response.headers["content-type"], "text/event-stream")
      const set = yield* Effect.forkScoped(
        Effect.flatMap(DynamicTools.make(named("other", () => Effect.succeed("new"))), host.set),
        { startImmediately: true }
      )
      const told = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n"
      const events = yield* early.next
      assert.isTrue(events.startsWith(told))
      // It returns when the listener has read what was sent before.
      assert.isUndefined(set.pollUnsafe())
      const ping = JSON.parse(events.slice(events.lastIndexOf("data: ") + 6)) as { readonly [key: string]: unknown }
      assert.strictEqual(ping["method"], "ping")
      yield* exchange(host, { body: JSON.stringify({ jsonrpc: "2.0", id: ping["id"], result: {} }) })
      yield* Fiber.join(set)
      // Whoever begins to listen later may have listed before the change.
      assert.strictEqual(yield* (yield* changes(host)).next, told)
      assert.deepStrictEqual(early.chunks, [])
      assert.deepStrictEqual(yield* call(host, "other"), text("new"))
      assert.include(JSON.stringify(yield* call(host, "greet", { name: "Ada" })), "not any more")
      const { result } = yield* rpc(host, "tools/list")
      assert.include(JSON.stringify(result), "other")
      assert.notInclude(JSON.stringify(result), "greet")
    }))

  it.effect("does not wait for ever for those who do not answer, or are gone", () =>
    Effect.gen(function*() {
      const host = yield* serve(greet)
      const tools = yield* DynamicTools.make(greet)
      const gone = yield* changes(host)
      const first = yield* Effect.forkScoped(host.set(tools), { startImmediately: true })
      yield* gone.next
      gone.response.destroy()
      yield* Fiber.join(first)
      const silent = yield* changes(host)
      const second = yield* Effect.forkScoped(host.set(tools), { startImmediately: true })
      yield* silent.next
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(second)
    }))

  it.effect("lets a call go on whose tool is replaced", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<string>()
      const host = yield* serve(
        named("slow", () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate)))
      )
      const running = yield* Effect.forkScoped(call(host, "slow"), { startImmediately: true })
      yield* Deferred.await(started)
      yield* host.set(yield* DynamicTools.make(greet))
      yield* Deferred.succeed(gate, "done")
      assert.deepStrictEqual(yield* Fiber.join(running), text("done"))
    }))

  it.effect("interrupts a handler whose caller is gone", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const host = yield* serve(named("slow", () =>
        Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )))
      const running = yield* Effect.forkScoped(call(host, "slow"), { startImmediately: true })
      yield* Deferred.await(started)
      yield* Fiber.interrupt(running)
      yield* Deferred.await(interrupted)
    }))

  it.effect("interrupts a handler whose call is cancelled, by its id in its session", () =>
    Effect.gen(function*() {
      const started = yield* Queue.unbounded<string>()
      const interrupted = yield* Queue.unbounded<string>()
      const host = yield* serve(DynamicTools.tool("slow", {
        description: "d",
        input: Schema.Struct({ name: Schema.String }),
        handler: ({ name }) =>
          Queue.offer(started, name).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Queue.offer(interrupted, name))
          )
      }))
      const begin = Effect.fnUntraced(function*(session: string, id: number | string, name: string) {
        const params = { name: "slow", arguments: { name } }
        const fiber = yield* Effect.forkScoped(
          Effect.exit(exchange(host, {
            headers: { "mcp-session-id": session },
            body: JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params })
          })),
          { startImmediately: true }
        )
        assert.strictEqual(yield* Queue.take(started), name)
        return fiber
      })
      const cancel = (session: string, requestId: unknown) =>
        exchange(host, {
          headers: { "mcp-session-id": session },
          body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } })
        })
      const first = yield* begin("a", 1, "first")
      yield* begin("b", 1, "other session")
      yield* begin("a", "1", "other id")
      yield* begin("a", 2, "last")
      assert.strictEqual((yield* cancel("a", 3)).status, 202)
      yield* cancel("c", 1)
      yield* cancel("a", 1)
      assert.strictEqual(yield* Queue.take(interrupted), "first")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(first)))
      // Cancelled twice, and after its end.
      assert.strictEqual((yield* cancel("a", 1)).status, 202)
      yield* cancel("a", 2)
      assert.strictEqual(yield* Queue.take(interrupted), "last")
    }))

  it.effect("is gone with its scope, and what was running there", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let isInterrupted = false
      const scope = yield* Scope.make()
      const host = yield* Effect.provideService(
        serve(named("slow", () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => isInterrupted = true))
          ))),
        Scope.Scope,
        scope
      )
      const { url } = accessOf(host)
      const running = yield* Effect.forkScoped(Effect.exit(call(host, "slow")), { startImmediately: true })
      const listening = yield* changes(host)
      yield* Deferred.await(started)
      assert.isFalse(yield* isRefused(url))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(isInterrupted)
      assert.isTrue(yield* isRefused(url))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(running)))
      yield* Effect.callback<void>((resume) => {
        if (listening.response.destroyed) resume(Effect.void)
        else listening.response.once("close", () => resume(Effect.void))
      })
      // Too late, and without effect.
      yield* host.set(yield* DynamicTools.make(greet))
    }))

  it.effect("warns of a proxy that codex would send the calls to", () =>
    Effect.gen(function*() {
      const warned = Effect.fnUntraced(function*(env: { readonly [name: string]: string }) {
        const warnings: Array<string> = []
        for (const name of ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]) {
          for (const spelled of [name, name.toUpperCase()]) vi.stubEnv(spelled, env[spelled])
        }
        yield* Effect.scoped(serve(greet)).pipe(
          Effect.provide(Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))]))
        )
        return warnings.map((warning) => warning.split(" ")[0])
      }, Effect.ensuring(Effect.sync(() => vi.unstubAllEnvs())))
      const proxy = "http://proxy.example:3128"
      assert.deepStrictEqual(yield* warned({}), [])
      assert.deepStrictEqual(yield* warned({ HTTP_PROXY: proxy }), ["HTTP_PROXY"])
      assert.deepStrictEqual(yield* warned({ http_proxy: proxy, NO_PROXY: "localhost,.example" }), ["http_proxy"])
      assert.deepStrictEqual(yield* warned({ HTTP_PROXY: proxy, NO_PROXY: "*" }), ["HTTP_PROXY"])
      assert.deepStrictEqual(yield* warned({ ALL_PROXY: proxy }), ["ALL_PROXY"])
      assert.deepStrictEqual(yield* warned({ HTTPS_PROXY: proxy }), [])
      assert.deepStrictEqual(yield* warned({ HTTP_PROXY: "" }), [])
      for (const exempted of ["127.0.0.1", "localhost, 127.0.0.1", "127.0.0.0/8"]) {
        assert.deepStrictEqual(yield* warned({ HTTP_PROXY: proxy, NO_PROXY: exempted }), [], exempted)
      }
    }))

  it.effect("keeps its token to itself, and listens on loopback alone", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* serve(greet), yield* serve(greet)]
      const { token, url } = accessOf(one)
      assert.match(token, /^[\da-f]{64}$/)
      assert.notStrictEqual(token, accessOf(other).token)
      assert.strictEqual(url.hostname, "127.0.0.1")
      // On Linux the rest of 127.0.0.0/8 is another address of this machine.
      if (process.platform === "linux") assert.isTrue(yield* isRefused(url, "127.0.0.2"))
      const server = one.mcpServer({ approval: "approve", required: false, toolTimeout: "1 minute" })
      assert.deepInclude(server, {
        _tag: "Http",
        approval: "approve",
        required: false,
        toolTimeout: "1 minute",
        parallelToolCalls: true
      })
      const shown = [inspect(one, { depth: 9 }), inspect(server, { depth: 9 }), JSON.stringify(server), String(server)]
      assert.notInclude(shown.join("\n"), token)
    }))
})
