import { AppServerRpc, CodexError, type ServerNotification, ServerRequests, Transport } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, Queue, References, Schedule, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { internalsOf } from "../../src/internal/rpcInternals.ts"
import * as Fake from "../support/fakeServer.ts"

const tagOf = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string =>
  Exit.isSuccess(exit)
    ? "success"
    : exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error._tag : reason._tag).join()

const approval = (id: string | number, turnId = "turn-1") =>
  Fake.frame({
    method: "item/commandExecution/requestApproval",
    id,
    params: {
      kind: "command",
      threadId: Fake.threadId,
      turnId,
      itemId: "call-1",
      startedAtMs: 1795374504263,
      environmentId: "local",
      command: "/bin/bash -lc ls",
      cwd: "/workspace",
      commandActions: [{ type: "unknown", command: "ls" }],
      proposedExecpolicyAmendment: ["ls"],
      availableDecisions: ["accept", "cancel"]
    }
  })

describe("requests", () => {
  it.effect("matches replies to requests in any order", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const first = yield* Effect.forkScoped(rpc.request("account/read", { refreshToken: false }))
      const second = yield* Effect.forkScoped(rpc.request("thread/loaded/list", {}))
      const one = yield* server.expect("account/read")
      const two = yield* server.expect("thread/loaded/list")
      assert.notStrictEqual(one.id, two.id)
      yield* server.reply(two, { data: [], nextCursor: null })
      yield* server.reply(one, { account: null, userId: null, requiresOpenaiAuth: false, workspaceRouting: null })
      assert.deepStrictEqual(yield* Fiber.join(second), { data: [], nextCursor: null })
      assert.isNull((yield* Fiber.join(first)).account)
    }))

  it.effect("takes a reply whose id has become a text, once", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const asking = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      const { id } = yield* server.expect("account/logout")
      yield* server.send(...["", "x", `${id}`, `${id}`].map((id) => Fake.frame({ id, result: {} })))
      assert.deepStrictEqual(yield* Fiber.join(asking), {})
      assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies, 3)
    }))

  it.effect("checks params before anything is sent", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      // A program without types.
      const wrong = { threadId: 1 } as unknown as { threadId: string }
      const error = yield* Effect.flip(rpc.request("thread/read", { ...wrong, includeTurns: false }))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(error.message, "threadId")
      yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* server.expect("account/logout")
    }))

  it.effect("leaves params out for methods that have none", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      assert.notProperty(yield* server.expect("account/logout"), "params")
    }))

  it.effect("gives a result that does not fit as DecodeError with what came", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const fiber = yield* Effect.forkScoped(Effect.flip(rpc.request("thread/loaded/list", {})))
      yield* Effect.flatMap(server.expect("thread/loaded/list"), (request) => server.reply(request, { data: "no" }))
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, CodexError.DecodeError)
      assert.deepStrictEqual(error.raw, { data: "no" })
    }))

  it.effect("keeps what a newer server adds", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const fiber = yield* Effect.forkScoped(rpc.request("thread/loaded/list", {}))
      const answer = { data: ["a"], nextCursor: null, brandNew: { deep: [1] } }
      yield* Effect.flatMap(server.expect("thread/loaded/list"), (request) => server.reply(request, answer))
      assert.deepStrictEqual(yield* Fiber.join(fiber), answer)
    }))

  it.effect("times out when the connection takes nothing, and gives the sending up", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      let sending = 0
      const stuck = Transport.Transport.of({
        ...server.client,
        send: (frame) =>
          frame.includes("model/list")
            ? Effect.andThen(
              Effect.sync(() => sending++),
              Effect.onInterrupt(Effect.never, () => Effect.sync(() => sending--))
            )
            : server.client.send(frame)
      })
      const connecting = yield* Effect.forkScoped(
        Effect.provideService(AppServerRpc.make(), Transport.Transport, stuck)
      )
      yield* Effect.flatMap(server.expect("initialize"), (request) => server.reply(request, Fake.initialized))
      const rpc = yield* Fiber.join(connecting)
      const tag = yield* Deferred.make<string>()
      const request = Effect.catch(rpc.request("model/list", {}), (error) => Deferred.succeed(tag, error._tag))
      // A fiber that ends ends its children; this one goes on.
      yield* Effect.forkScoped(Effect.andThen(request, Effect.never))
      yield* Effect.yieldNow
      assert.strictEqual(sending, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Deferred.await(tag), "AppServerTimeout")
      assert.strictEqual(sending, 0)
    }))

  it.effect("times out after 60 seconds, or after its own timeout, and ignores the late reply", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const usual = yield* Effect.forkScoped(Effect.flip(rpc.request("account/logout", undefined)))
      const short = yield* Effect.forkScoped(Effect.flip(rpc.request("model/list", {}, { timeout: "5 seconds" })))
      const late = yield* server.next
      yield* server.next
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Fiber.join(short), { _tag: "AppServerTimeout", method: "model/list", timeout: 5000 })
      assert.isUndefined(usual.pollUnsafe())
      yield* TestClock.adjust("55 seconds")
      assert.deepInclude(yield* Fiber.join(usual), {
        _tag: "AppServerTimeout",
        method: "account/logout",
        timeout: 60_000
      })
      yield* server.reply(late, {})
      const next = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* Effect.flatMap(server.next, (request) => server.reply(request, {}))
      yield* Fiber.join(next)
      assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies, 1)
    }))

  it.effect("waits without a limit for what legitimately takes long", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const fiber = yield* Effect.forkScoped(rpc.request("command/exec", { command: ["sleep", "9"] }))
      const request = yield* server.expect("command/exec")
      yield* TestClock.adjust("1 day")
      yield* server.reply(request, { exitCode: 0, stdout: "", stderr: "" })
      assert.strictEqual((yield* Fiber.join(fiber)).exitCode, 0)
    }))

  it.effect("that is interrupted asks for the end of its work, and waits for that no longer than two seconds", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const search = { query: "a", roots: ["/"], cancellationToken: null }
      const searching = yield* Effect.forkChild(rpc.request("fuzzyFileSearch", search))
      const { id, params } = yield* server.expect("fuzzyFileSearch")
      const token = params?.["cancellationToken"]
      assert.isString(token)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(searching))
      const cancel = yield* server.expect("fuzzyFileSearch")
      assert.deepStrictEqual(cancel.params, { query: "", roots: [], cancellationToken: token })
      yield* server.reply(cancel, { files: [] })
      // It did not hear of it, and is asked again.
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual((yield* server.expect("fuzzyFileSearch")).params, cancel.params)
      assert.isUndefined(interrupting.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(interrupting)
      yield* server.send(Fake.frame({ id, result: { files: [] } }))
    }))

  it.effect("that is interrupted names what its reply names, when that comes", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const login = yield* Effect.forkChild(rpc.request("account/login/start", { type: "chatgpt" }))
      const request = yield* server.expect("account/login/start")
      yield* Fiber.interrupt(login)
      yield* server.reply(request, { type: "chatgpt", loginId: "login-1", authUrl: "https://example.com" })
      assert.deepStrictEqual((yield* server.expect("account/login/cancel")).params, { loginId: "login-1" })
    }))

  it.effect("has no more than maxInFlight requests outstanding, but lets an interrupt through", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect({ rpc: { maxInFlight: 2 } })
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkScoped(rpc.request("account/logout", undefined)))
      const one = yield* server.expect("account/logout")
      yield* server.expect("account/logout")
      yield* Effect.forkScoped(rpc.request("turn/interrupt", { threadId: Fake.threadId, turnId: "t" }))
      yield* server.expect("turn/interrupt")
      yield* server.reply(one, {})
      yield* server.expect("account/logout")
      yield* Fiber.join(fibers[0]!)
      assert.isUndefined(fibers[2]!.pollUnsafe())
    }))

  it.effect("frees its place when it is interrupted", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect({ rpc: { maxInFlight: 1 } })
      const first = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* server.expect("account/logout")
      yield* Fiber.interrupt(first)
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))

  it.effect("sends the current span as W3C trace context", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      yield* rpc.request("account/logout", undefined).pipe(
        Effect.withSpan("caller"),
        Effect.forkScoped
      )
      const { trace } = yield* server.expect("account/logout")
      assert.match(trace?.traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      assert.notProperty(yield* server.expect("model/list"), "trace")
    }))
})

describe("the end of the connection", () => {
  const cause = new CodexError.AppServerExited({ code: null, signal: "SIGKILL", stderr: ["last words"] })

  it.effect("fails every pending and every later call with the one cause", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect({ rpc: { maxInFlight: 1 } })
      const sent = yield* Effect.forkScoped(Effect.exit(rpc.request("account/logout", undefined)))
      const queued = yield* Effect.forkScoped(Effect.exit(rpc.request("account/logout", undefined)))
      yield* server.expect("account/logout")
      yield* server.close(cause)
      for (const fiber of [sent, queued]) assert.strictEqual(tagOf(yield* Fiber.join(fiber)), "AppServerExited")
      assert.strictEqual(tagOf(yield* Effect.exit(rpc.request("account/logout", undefined))), "AppServerExited")
      assert.strictEqual(tagOf(yield* Effect.exit(rpc.notify("initialized", undefined))), "AppServerExited")
      assert.strictEqual(tagOf(yield* Effect.exit(Stream.runDrain(rpc.notifications))), "AppServerExited")
      assert.strictEqual(yield* rpc.ended, cause)
      assert.include(cause.message, "SIGKILL")
      assert.include(cause.message, "last words")
    }))

  it.effect("delivers what arrived before it", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const seen: Array<string> = []
      const listening = yield* Deferred.make<void>()
      const reader = yield* rpc.notifications.pipe(
        Stream.tap(() => Deferred.succeed(listening, undefined)),
        Stream.runForEach((event) => Effect.sync(() => seen.push(event._tag))),
        Effect.exit,
        Effect.forkScoped
      )
      const request = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      const asked = yield* server.expect("account/logout")
      yield* server.send(Fake.notification("skills/changed", {}))
      yield* Deferred.await(listening)
      yield* server.send(Fake.frame({ id: asked.id, result: {} }), Fake.started("turn-1"))
      yield* server.close(cause)
      assert.strictEqual(tagOf(yield* Fiber.join(reader)), "AppServerExited")
      assert.deepStrictEqual(seen, ["skills/changed", "turn/started"])
      assert.deepStrictEqual(yield* Fiber.join(request), {})
    }))

  it.effect("is a closed connection for those who outlive the layer", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { rpc, server } = yield* Scope.provide(Fake.connect(), scope)
      const pending = yield* Effect.forkScoped(Effect.flip(rpc.request("account/logout", undefined)))
      yield* server.expect("account/logout")
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* Fiber.join(pending), { _tag: "TransportError", reason: "closed" })
      assert.deepInclude(yield* Effect.flip(rpc.request("account/logout", undefined)), { reason: "closed" })
    }))
})

describe("the handshake", () => {
  const start = Effect.fnUntraced(function*(options?: AppServerRpc.Options) {
    const server = yield* Fake.make
    const rpc = yield* Effect.forkScoped(Effect.exit(
      AppServerRpc.make(options).pipe(Effect.provideService(Transport.Transport, server.client))
    ))
    return { server, rpc, request: yield* server.expect("initialize") }
  })

  it.effect("introduces the client and asks for the experimental protocol", () =>
    Effect.gen(function*() {
      const { request } = yield* start({ clientInfo: { name: "my/app v2", version: "1.2.3" } })
      assert.deepStrictEqual(request.params, {
        clientInfo: { name: "my/app v2", title: "effect-codex", version: "1.2.3" },
        capabilities: { experimentalApi: true, requestAttestation: false }
      })
    }))

  it.effect("tells the version of the package", () =>
    Effect.gen(function*() {
      const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8"))
      const { request } = yield* start()
      assert.deepStrictEqual(
        request.params,
        {
          clientInfo: { name: "effect_codex", title: "effect-codex", version },
          capabilities: { experimentalApi: true, requestAttestation: false }
        },
        "run npm run release:version, or node packages/client/scripts/version.ts"
      )
    }))

  it.effect("is a typed error when the server is silent, refuses, answers nonsense, or goes", () =>
    Effect.gen(function*() {
      const silent = yield* start({ initializeTimeout: "2 seconds" })
      yield* TestClock.adjust("2 seconds")
      const refusing = yield* start()
      yield* refusing.server.refuse(refusing.request, -32600, "Invalid request")
      const nonsense = yield* start()
      yield* nonsense.server.reply(nonsense.request, { hello: "world" })
      const going = yield* start()
      yield* going.server.close(new CodexError.AppServerExited({ code: 1, signal: null, stderr: ["no such option"] }))
      for (
        const [{ rpc }, text] of [
          [silent, "2000 ms"],
          [refusing, "Invalid request"],
          [nonsense, "userAgent"],
          [going, "no such option"]
        ] as const
      ) {
        const exit = yield* Fiber.join(rpc)
        assert.strictEqual(tagOf(exit), "AppServerStartError")
        assert.include(Exit.isFailure(exit) ? String(exit.cause) : "", text)
      }
    }))

  type Connection = Layer.Layer<Transport.Transport>
  it.effect.each(
    [
      ["layer", (connection: Connection) => Layer.provide(AppServerRpc.layer(), connection)],
      [
        "layerSupervised",
        (connection: Connection) => AppServerRpc.layerSupervised(connection, { restart: Schedule.recurs(5) })
      ]
    ] as const
  )("of %s is not waited for when the scope has ended before it", ([, layer]) =>
    Effect.gen(function*() {
      const { client } = yield* Fake.make
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      const building = Layer.buildWithScope(layer(Layer.succeed(Transport.Transport, client)), scope)
      const error = yield* Effect.flip(building)
      assert.strictEqual(error._tag, "AppServerStartError")
      assert.include(error.message, "the layer's scope has ended")
    }))
})

describe("notifications", () => {
  const collect = Effect.fnUntraced(function*(rpc: AppServerRpc.AppServerRpc["Service"], n: number) {
    const events: Array<ServerNotification.ServerNotification> = []
    const ready = yield* Deferred.make<void>()
    const fiber = yield* rpc.notifications.pipe(
      Stream.take(n + 1),
      Stream.runForEach((event) =>
        Effect.andThen(Effect.sync(() => events.push(event)), Deferred.succeed(ready, undefined))
      ),
      Effect.forkScoped
    )
    return { events, fiber, ready: Deferred.await(ready) }
  })

  it.effect("come tagged by method; unknown and malformed ones are told apart and end nothing", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const { events, fiber, ready } = yield* collect(rpc, 3)
      yield* Effect.yieldNow
      yield* server.send(Fake.notification("skills/changed", {}))
      yield* ready
      yield* server.send(
        Fake.notification("thread/dreamt", { of: "sheep" }),
        Fake.notification("thread/archived", { threadId: 7 }),
        Fake.notification("constructor", {})
      )
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(events[1], { _tag: "Unknown", method: "thread/dreamt", params: { of: "sheep" } })
      assert.deepInclude(events[2], { _tag: "Undecodable", method: "thread/archived", params: { threadId: 7 } })
      assert.include((events[2] as ServerNotification.Undecodable).issue, "threadId")
      assert.deepInclude(events[3], { _tag: "Unknown", method: "constructor" })
      assert.deepInclude(yield* rpc.diagnostics, { unknown: 2, undecodable: 1 })
    }))

  it.effect("about the configuration, which come before anybody can listen, are logged", () =>
    Effect.gen(function*() {
      const logged = yield* Deferred.make<string>()
      const logger = Logger.make<unknown, void>(({ message }) =>
        Deferred.doneUnsafe(logged, Exit.succeed(String(message)))
      )
      const { server } = yield* Effect.provide(Fake.connect(), Logger.layer([logger]))
      yield* server.send(Fake.notification("configWarning", { summary: "Invalid configuration; using defaults." }))
      assert.include(yield* Deferred.await(logged), "Invalid configuration")
    }))

  it.effect("about a sandbox that cannot be made are warnings, and about one that codex has brought are not", () =>
    Effect.gen(function*() {
      const logged = yield* Queue.unbounded<string>()
      const logger = Logger.make<unknown, void>(({ logLevel, message }) =>
        void Queue.offerUnsafe(logged, `${logLevel} ${message}`)
      )
      const { server } = yield* Fake.connect().pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      const summaries = [
        "Codex could not find bubblewrap on PATH. Install bubblewrap with your OS package manager. See the sandbox " +
        "prerequisites: https://example.com. Codex will use the bundled bubblewrap in the meantime.",
        "Codex could not find bubblewrap on PATH. Commands run without a sandbox.",
        "Codex's Linux sandbox uses bubblewrap and needs access to create user namespaces."
      ]
      for (const summary of summaries) yield* server.send(Fake.notification("configWarning", { summary }))
      const levels = ["Debug", "Warn", "Warn"]
      assert.deepStrictEqual(
        yield* Queue.takeN(logged, 3),
        summaries.map((summary, i) => `${levels[i]} codex: ${summary}`)
      )
    }))

  it.effect("that nobody reads in time are reported as a warning", () =>
    Effect.gen(function*() {
      const logged = yield* Deferred.make<string>()
      const logger = Logger.make<unknown, void>(({ message }) =>
        Deferred.doneUnsafe(logged, Exit.succeed(String(message)))
      )
      const { rpc } = yield* Effect.provide(Fake.connect(), Logger.layer([logger]))
      internalsOf(rpc).report("a reader is too slow", 70_000_000)
      assert.strictEqual(yield* Deferred.await(logged), "a reader is too slow")
    }))

  it.effect("survive lines that are no messages, which are counted", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const garbage = ["not json", "42", "null", "[1]", "{\"foo\":1}", "{\"id\":true,\"method\":\"x\"}"]
      yield* server.send(...garbage)
      const request = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* Effect.flatMap(server.expect("account/logout"), (asked) => server.reply(asked, {}))
      yield* Fiber.join(request)
      assert.strictEqual((yield* rpc.diagnostics).garbage, garbage.length)
    }))
})

describe("a reader that fails", () => {
  it.effect("ends the connection with a cause, so that nothing waits for it", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      let notifications = 0
      yield* internalsOf(rpc).observe(undefined, {
        onNotification: () => {
          if (++notifications === 2) throw new Error("boom")
        },
        onReadEnd: () => {
          throw new Error("and again")
        },
        onEnd: () => {}
      })
      const pending = yield* Effect.forkScoped(Effect.flip(rpc.request("thread/loaded/list", {})))
      yield* server.expect("thread/loaded/list")
      const updated = Fake.notification("account/updated", { authMode: null, planType: null })
      yield* server.send(updated, updated)
      const error = yield* Fiber.join(pending)
      assert.deepInclude(error, { _tag: "TransportError", reason: "read" })
      assert.include(error.message, "boom")
      assert.strictEqual(yield* Effect.flip(rpc.request("thread/loaded/list", {})), error)
    }))
})

describe("reads that follow at once", () => {
  /** A connection whose reads the test makes, and what the observers of two threads are told. */
  const connect = Effect.gen(function*() {
    const receiving = yield* Deferred.make<(frames: ReadonlyArray<string>, more?: boolean) => void>()
    const end = yield* Deferred.make<never, CodexError.TransportError>()
    const sent = yield* Queue.unbounded<Fake.Message>()
    const transport = Transport.Transport.of({
      description: "reads of the test",
      log: Effect.succeed([]),
      send: (frame) => Effect.asVoid(Queue.offer(sent, JSON.parse(frame))),
      receive: (onFrames) => Effect.andThen(Deferred.succeed(receiving, onFrames), Deferred.await(end))
    })
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const connecting = yield* AppServerRpc.make().pipe(
      Effect.provideService(Transport.Transport, transport),
      Scope.provide(scope),
      Effect.forkScoped
    )
    const read = yield* Deferred.await(receiving)
    read([Fake.frame({ id: (yield* Queue.take(sent)).id, result: Fake.initialized })])
    const rpc = yield* Fiber.join(connecting)
    yield* Queue.take(sent)
    const told: Array<string> = []
    for (const thread of ["a", "b"]) {
      yield* internalsOf(rpc).observe(thread, {
        onNotification: ({ params }) => told.push(`${thread} ${(params as { readonly delta: string }).delta}`),
        onReadEnd: () => told.push(`${thread} read`),
        onEnd: () => told.push(`${thread} end`)
      })
    }
    return { end, read, rpc, scope, sent, told }
  })
  const delta = (thread: string, text: string) => Fake.delta("turn-1", "item-1", text, thread)

  it.effect("wake their readers once, when the last of them is there", () =>
    Effect.gen(function*() {
      const { read, told } = yield* connect
      read([delta("a", "1"), delta("b", "2")], true)
      read([], true)
      read([delta("a", "3")], true)
      assert.deepStrictEqual(told.splice(0), ["a 1", "b 2", "a 3"])
      read([])
      assert.deepStrictEqual(told.splice(0), ["a read", "b read"])
      read([])
      assert.deepStrictEqual(told, [])
    }))

  it.effect("wake them before that when there is enough for each", () =>
    Effect.gen(function*() {
      const { read, told } = yield* connect
      read([delta("a", "first"), ...Array.from({ length: 30 }, () => delta("b", "next"))], true)
      assert.notInclude(told.splice(0), "b read")
      read([delta("b", "last")], true)
      assert.deepStrictEqual(told.splice(0), ["b last", "a read", "b read"])
    }))

  it.effect("wake them before that when there is much for all, be it little for each", () =>
    Effect.gen(function*() {
      const { read, rpc, told } = yield* connect
      const threads = Array.from({ length: 200 }, (_, n) => `thread-${n}`)
      for (const thread of threads) {
        yield* internalsOf(rpc).observe(thread, {
          onNotification: () => {},
          onReadEnd: () => told.push(thread),
          onEnd: () => {}
        })
      }
      const round = threads.map((thread) => delta(thread, "text"))
      for (let n = 0; n < 10; n++) read(round, true)
      read(round.slice(0, 47), true)
      assert.deepStrictEqual(told, [])
      read(round.slice(0, 1), true)
      assert.deepStrictEqual(told, threads)
    }))

  it.effect("hold no answer up, and who gets it has what came before it", () =>
    Effect.gen(function*() {
      const { read, rpc, sent, told } = yield* connect
      const request = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      const { id } = yield* Queue.take(sent)
      read([delta("a", "1")], true)
      read([Fake.frame({ id, result: {} })], true)
      assert.deepStrictEqual(told, ["a 1", "a read"])
      assert.deepStrictEqual(yield* Fiber.join(request), {})
    }))

  it.effect("reach their readers when the layer is closed instead", () =>
    Effect.gen(function*() {
      const { read, scope, told } = yield* connect
      read([delta("a", "1")], true)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(told, ["a 1", "a read", "a end", "b end"])
    }))

  it.effect("reach their readers when the connection ends instead", () =>
    Effect.gen(function*() {
      const { end, read, rpc, told } = yield* connect
      read([delta("a", "1")], true)
      yield* Deferred.fail(end, new CodexError.TransportError({ reason: "read", detail: "gone." }))
      yield* rpc.ended
      assert.deepStrictEqual(told, ["a 1", "a read", "a end", "b end"])
    }))
})

describe("raw requests", () => {
  it.effect("send any method with any params, and give whatever comes back", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const exchanges: ReadonlyArray<readonly [method: string, params: unknown, result: unknown]> = [
        ["thread/dream", { depth: 3 }, "a text"],
        ["thread/dream", undefined, null],
        ["thread/dream", [1], undefined],
        // Known, with params and a result that do not fit.
        ["thread/read", { threadId: 1 }, { thread: "gone" }],
        ["toString", null, [1]]
      ]
      for (const [method, params, result] of exchanges) {
        const asking = yield* Effect.forkScoped(rpc.requestRaw(method, params))
        const request = yield* server.expect(method)
        assert.deepStrictEqual(request.params, params)
        yield* server.reply(request, result)
        assert.deepStrictEqual(yield* Fiber.join(asking), result)
      }
    }))

  it.effect("are refused here only when codex could not read them", () =>
    Effect.gen(function*() {
      const { rpc } = yield* Fake.connect()
      const nan = yield* Effect.flip(rpc.requestRaw("thread/dream", { depth: NaN }))
      assert.strictEqual(nan._tag, "InvalidArgument")
      assert.include(nan.message, "`depth` is NaN, which JSON does not have")
      // A program without types.
      const wrong = 1 as unknown as string
      const nameless = yield* Effect.flip(rpc.requestRaw(wrong))
      assert.include(nameless.message, "it is not a string")
    }))

  it.effect("fail as others do: refused, timed out, with the connection", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect({ rpc: { maxInFlight: 1 } })
      const refused = yield* Effect.forkScoped(Effect.flip(rpc.requestRaw("thread/dream")))
      yield* Effect.flatMap(server.expect("thread/dream"), (request) => server.refuse(request, -32600, "no dreams"))
      const error = yield* Fiber.join(refused)
      assert.instanceOf(error, CodexError.RpcError)
      assert.include(error.message, "codex app-server refused thread/dream (-32600): no dreams.")

      const slow = yield* Effect.forkScoped(Effect.exit(rpc.requestRaw("thread/dream", {}, { timeout: "1 second" })))
      yield* server.expect("thread/dream")
      // It has the only place.
      const next = yield* Effect.forkScoped(Effect.exit(rpc.requestRaw("thread/wake")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(tagOf(yield* Fiber.join(slow)), "AppServerTimeout")
      yield* server.expect("thread/wake")
      yield* server.close(new CodexError.AppServerExited({ code: 1, signal: null, stderr: [] }))
      assert.strictEqual(tagOf(yield* Fiber.join(next)), "AppServerExited")
    }))

  it.effect("tell their id before they are sent, and that is what ends their work", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const ids: Array<number> = []
      const asking = yield* Effect.forkChild(rpc.requestRaw("thread/dream", {}, {
        onSent: (id) => void ids.push(id),
        cancel: (requestId) => ({ method: "thread/wake", params: { requestId } })
      }))
      const { id } = yield* server.expect("thread/dream")
      assert.deepStrictEqual(ids, [id])
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(asking))
      const cancel = yield* server.expect("thread/wake")
      assert.deepStrictEqual(cancel.params, { requestId: id })
      yield* server.reply(cancel, {})
      yield* server.send(Fake.frame({ id, error: { code: -32603, message: "cancelled" } }))
      yield* Fiber.join(interrupting)
    }))

  it.effect("of a known method end its work as the checked ones do, if its params are those of the protocol", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const watching = yield* Effect.forkChild(rpc.requestRaw("fs/watch", { watchId: "w", path: "/" }))
      const { id } = yield* server.expect("fs/watch")
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(watching))
      assert.deepStrictEqual((yield* server.expect("fs/unwatch")).params, { watchId: "w" })
      yield* server.send(Fake.frame({ id, result: {} }))
      yield* Fiber.join(interrupting)

      const odd = yield* Effect.forkChild(rpc.requestRaw("command/exec"))
      yield* server.expect("command/exec")
      yield* Fiber.interrupt(odd)
    }))
})

describe("requests of the server", () => {
  it.effect("get the safe default when nobody handles them", () =>
    Effect.gen(function*() {
      const { server } = yield* Fake.connect()
      yield* server.send(approval(0))
      assert.deepStrictEqual(yield* server.next, { id: 0, result: { decision: "decline" } } as Fake.Message)
      yield* server.send(Fake.frame({ id: "x", method: "thread/dream", params: {} }))
      assert.deepInclude((yield* server.next).error, { code: -32601 })
      yield* server.send(
        Fake.frame({ id: 2, method: "item/commandExecution/requestApproval", params: { threadId: 1 } })
      )
      assert.deepInclude((yield* server.next).error, { code: -32602 })
      yield* server.send(Fake.frame({ id: 3, method: "attestation/generate", params: {} }))
      assert.deepInclude((yield* server.next).error, { message: "This client does not attest." })
    }))

  it.effect("are answered by handlers that the reader does not wait for and that may use the client", () =>
    Effect.gen(function*() {
      let ask: Effect.Effect<unknown, CodexError.CodexError> = Effect.void
      const { rpc, server } = yield* Fake.connect({
        handlers: {
          "item/commandExecution/requestApproval": () =>
            ask.pipe(Effect.orDie, Effect.as({ decision: "accept" as const }))
        }
      })
      ask = rpc.request("thread/loaded/list", {})
      yield* server.send(approval(0))
      const asked = yield* server.expect("thread/loaded/list")
      const other = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* Effect.flatMap(server.expect("account/logout"), (request) => server.reply(request, {}))
      yield* Fiber.join(other)
      yield* server.reply(asked, { data: [], nextCursor: null })
      assert.deepStrictEqual(yield* server.next, { id: 0, result: { decision: "accept" } } as Fake.Message)
    }))

  it.effect("are not run twice for one id, and not answered once they are resolved or their turn ended", () =>
    Effect.gen(function*() {
      const runs: Array<string | number> = []
      const interrupted: Array<string | number> = []
      const { server, rpc } = yield* Fake.connect({
        handlers: {
          "item/commandExecution/requestApproval": ({ id }) =>
            Effect.andThen(
              Effect.sync(() => runs.push(id)),
              Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push(id)))
            )
        }
      })
      yield* server.send(approval(0), approval(0), approval(1, "turn-2"), approval(2, "turn-2"))
      yield* server.send(Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 0 }))
      yield* server.send(Fake.completed("turn-2"))
      // Whatever the handlers would have answered would be here before this request.
      const request = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
      yield* Effect.flatMap(server.expect("account/logout"), (asked) => server.reply(asked, {}))
      yield* Fiber.join(request)
      assert.deepStrictEqual(runs, [0, 1, 2])
      assert.deepStrictEqual(interrupted, [0, 1, 2])
    }))

  it.effect("that belong to no thread are forgotten with their answer, as nothing resolves them", () =>
    Effect.gen(function*() {
      const { server } = yield* Fake.connect()
      for (let round = 0; round < 2; round++) {
        yield* server.send(Fake.frame({ id: 7, method: "attestation/generate", params: {} }))
        assert.deepInclude(yield* server.next, { id: 7 })
      }
    }))

  it.effect("get the default when the handler dies or answers nonsense, and an error when it refuses", () =>
    Effect.gen(function*() {
      const { server } = yield* Fake.connect({
        handlers: {
          "item/commandExecution/requestApproval": () => Effect.die(new Error("boom")),
          "item/fileChange/requestApproval": () =>
            Effect.succeed({ decision: "perhaps" } as unknown as { decision: "accept" }),
          "currentTime/read": () => Effect.fail(new ServerRequests.Refusal({ message: "no clock here" }))
        }
      })
      yield* server.send(approval(0))
      assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
      yield* server.send(Fake.frame({
        id: 1,
        method: "item/fileChange/requestApproval",
        params: { threadId: Fake.threadId, turnId: "t", itemId: "i", startedAtMs: 1, reason: null, grantRoot: null }
      }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
      yield* server.send(Fake.frame({ id: 2, method: "currentTime/read", params: { threadId: Fake.threadId } }))
      assert.deepInclude((yield* server.next).error, { message: "no clock here" })
    }))
})
