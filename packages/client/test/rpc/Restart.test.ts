/** A connection that is made again when it is lost. The server is in memory. */
import {
  ApprovalMode,
  AppServerRpc,
  Auth,
  Codex,
  CodexError,
  Sandbox,
  ServerRequests,
  Transport
} from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Queue,
  Schedule,
  Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"
import { jumping } from "../support/jumpingClock.ts"

const exited = new CodexError.AppServerExited({ code: null, signal: "SIGKILL", stderr: [] })
const refused = new CodexError.AppServerConnectError({
  address: "ws://127.0.0.1:1/",
  reason: "unreachable",
  detail: "no."
})

/** A client whose every connection is one to a server of its own, which the test gets from `servers`. */
const supervised = Effect.fnUntraced(function*(options?: {
  readonly restart?: AppServerRpc.RestartSchedule
  readonly handlers?: ServerRequests.Overrides
  readonly auth?: Layer.Layer<Auth.Auth, unknown, AppServerRpc.AppServerRpc>
  readonly maxInFlight?: number
}) {
  const servers = yield* Queue.unbounded<Fake.FakeServer>()
  const broken = { attempts: 0 }
  const life: Array<string> = []
  const transport = Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      if (broken.attempts > 0) {
        broken.attempts--
        return yield* refused
      }
      life.push("open")
      yield* Effect.addFinalizer(() => Effect.sync(() => life.push("close")))
      const server = yield* Fake.make
      yield* Queue.offer(servers, server)
      return server.client
    })
  )
  const restart = options?.restart ?? Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(3)])
  const rpc = AppServerRpc.layerSupervised(transport, { restart, maxInFlight: options?.maxInFlight }).pipe(
    Layer.provide(ServerRequests.layer(options?.handlers ?? {}))
  )
  const scope = yield* Scope.fork(yield* Effect.scope)
  const building = yield* Effect.forkScoped(
    Layer.buildWithScope(Layer.merge(Codex.layer(), options?.auth ?? Auth.layer).pipe(Layer.provideMerge(rpc)), scope)
  )
  /** The server of the next connection, whose handshake is done. */
  const next = Effect.gen(function*() {
    const server = yield* Queue.take(servers)
    yield* Effect.flatMap(server.expect("initialize"), (request) => server.reply(request, Fake.initialized))
    const greeting = yield* server.next
    assert.strictEqual(greeting.method, "initialized")
    return server
  })
  const server = yield* next
  return { server, servers, next, building, scope, broken, life }
})

const connect = Effect.fnUntraced(function*(options?: Parameters<typeof supervised>[0]) {
  const { building, ...rest } = yield* supervised(options)
  const context = yield* Fiber.join(building)
  return {
    ...rest,
    rpc: Context.get(context, AppServerRpc.AppServerRpc),
    codex: Context.get(context, Codex.Codex),
    auth: Context.get(context, Auth.Auth)
  }
})

const withThread = Effect.fnUntraced(function*(options?: Parameters<typeof supervised>[0]) {
  const connected = yield* connect(options)
  const starting = yield* Effect.forkScoped(connected.codex.startThread())
  yield* Effect.flatMap(
    connected.server.expect("thread/start"),
    (request) => connected.server.reply(request, Fake.threadStarted())
  )
  return { ...connected, thread: yield* Fiber.join(starting) }
})

/** Ends the connection and waits until the client knows. */
const lose = Effect.fnUntraced(function*(rpc: AppServerRpc.AppServerRpc["Service"], server: Fake.FakeServer) {
  const noticed = yield* Effect.forkScoped(
    rpc.diagnosticEvents.pipe(Stream.takeUntil(({ _tag }) => _tag === "ConnectionLost"), Stream.runDrain),
    { startImmediately: true }
  )
  yield* server.close(exited)
  yield* Fiber.join(noticed)
})

/** Answers a request of this method. */
const answer = (server: Fake.FakeServer, method: string, result: unknown) =>
  Effect.flatMap(server.expect(method), (request) => server.reply(request, result))

const models = { data: [], nextCursor: null }

const fails = <A, E>(exit: Exit.Exit<A, E>): E | undefined =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.flatMap((reason) => reason._tag === "Fail" ? [reason.error] : [])[0]
    : undefined

const test = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(name, () => Effect.provide(body, Logger.layer([])))

// =============================================================================
// The connection
// =============================================================================

describe("a lost connection", () => {
  test(
    "keeps what is known of the rate limits, which the next process tells in part",
    Effect.gen(function*() {
      const { auth, next, rpc, server } = yield* connect()
      const nothing = {
        limitId: "codex",
        limitName: null,
        normalModelSlug: null,
        primary: null,
        secondary: null,
        credits: null,
        individualLimit: null,
        spendControlReached: null,
        planType: null,
        rateLimitReachedType: null
      }
      const window = { usedPercent: 40, windowDurationMins: 300, resetsAt: 1_800_000_000 }
      const told = (limit: object) =>
        Fake.notification("account/rateLimits/updated", { rateLimits: { ...nothing, ...limit } })
      yield* server.send(told({ primary: window, planType: "pro" }))
      const seen = yield* Effect.forkScoped(
        auth.rateLimitChanges.pipe(
          Stream.map(({ rateLimits }) => rateLimits),
          Stream.take(2),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      yield* server.close(exited)
      yield* TestClock.adjust("1 second")
      const again = yield* next
      yield* rpc.connected
      yield* again.send(told({ primary: { usedPercent: 41, windowDurationMins: null, resetsAt: null } }))
      assert.deepStrictEqual<unknown>(yield* Fiber.join(seen), [
        { ...nothing, primary: window, planType: "pro" },
        { ...nothing, primary: { ...window, usedPercent: 41 }, planType: "pro" }
      ])
    })
  )

  test(
    "is made again after the pauses of the schedule, whose input says what went wrong",
    Effect.gen(function*() {
      const inputs: Array<string> = []
      const restart = Schedule.identity<CodexError.CodexError>().pipe(
        Schedule.tap(({ input }) => Effect.sync(() => inputs.push(input._tag))),
        Schedule.addDelay(() => Effect.succeed("10 seconds"))
      )
      const { broken, next, rpc, server } = yield* connect({ restart })
      const diagnostics = yield* Effect.forkScoped(
        rpc.diagnosticEvents.pipe(Stream.take(3), Stream.runCollect),
        { startImmediately: true }
      )
      broken.attempts = 1
      yield* server.close(exited)
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(rpc.restarts, 0)
      yield* TestClock.adjust("1 second")
      yield* next
      yield* rpc.connected
      assert.strictEqual(rpc.restarts, 1)
      assert.deepStrictEqual(inputs, ["AppServerExited", "AppServerConnectError"])
      assert.deepStrictEqual((yield* Fiber.join(diagnostics)).map(({ _tag }) => _tag), [
        "ConnectionLost",
        "RestartFailed",
        "ConnectionRestored"
      ])
    })
  )

  test(
    "that is lost for good ends everything with one cause that says why",
    Effect.gen(function*() {
      const { broken, rpc, server } = yield* connect()
      const stream = yield* Effect.forkScoped(Effect.exit(Stream.runDrain(rpc.notifications)), {
        startImmediately: true
      })
      broken.attempts = 100
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(Effect.exit(rpc.request("model/list", {})))
      yield* TestClock.adjust("1 minute")
      const cause = yield* rpc.ended
      assert.deepInclude(cause, { _tag: "TransportError", reason: "restart" })
      assert.include(cause.message, "SIGKILL")
      assert.include(cause.message, "no.")
      assert.strictEqual(fails(yield* Fiber.join(waiting)), cause)
      assert.strictEqual(fails(yield* Fiber.join(stream)), cause)
      assert.strictEqual(yield* Effect.flip(rpc.notify("initialized", undefined)), cause)
      assert.strictEqual(broken.attempts, 97)
    })
  )

  test(
    "that had been held for a minute begins the schedule anew",
    Effect.gen(function*() {
      const { next, rpc, server } = yield* connect({ restart: Schedule.recurs(1) })
      yield* server.close(exited)
      const second = yield* next
      yield* rpc.connected
      yield* TestClock.adjust("1 minute")
      yield* second.close(exited)
      const third = yield* next
      yield* rpc.connected
      assert.strictEqual(rpc.restarts, 2)
      yield* third.close(exited)
      assert.deepInclude(yield* rpc.ended, { reason: "restart" })
    })
  )

  test(
    "that had been held for less does not, whatever the date is set to",
    jumping((jump) =>
      Effect.gen(function*() {
        const { next, rpc, server } = yield* connect({ restart: Schedule.recurs(1) })
        yield* server.close(exited)
        const second = yield* next
        yield* rpc.connected
        yield* jump(3_600_000)
        yield* TestClock.adjust("59 seconds")
        yield* second.close(exited)
        assert.deepInclude(yield* rpc.ended, { reason: "restart" })
      })
    )
  )

  test(
    "is waited for as long as a request would wait, and what has waited in vain is never sent",
    Effect.gen(function*() {
      const { next, rpc, server } = yield* connect({ restart: Schedule.spaced("1 hour") })
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(Effect.flip(rpc.request("model/list", {}, { timeout: "5 seconds" })))
      const unlimited = yield* Effect.forkScoped(Effect.flip(rpc.request("command/exec", { command: ["ls"] })))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(waiting)
      assert.deepInclude(error, { _tag: "TransportError", reason: "unavailable", isRetryable: true })
      assert.include(error.message, "SIGKILL")
      yield* TestClock.adjust("55 seconds")
      assert.deepInclude(yield* Fiber.join(unlimited), { reason: "unavailable" })
      yield* TestClock.adjust("59 minutes")
      const again = yield* next
      const sent = yield* Effect.forkScoped(rpc.request("thread/loaded/list", {}))
      yield* Effect.flatMap(again.expect("thread/loaded/list"), (request) => again.reply(request, { data: [] }))
      yield* Fiber.join(sent)
    })
  )

  test(
    "fails what was under way, once, and sends none of it again",
    Effect.gen(function*() {
      const { next, rpc, server } = yield* connect()
      const asked = yield* Effect.forkScoped(Effect.exit(rpc.request("model/list", {})))
      yield* server.expect("model/list")
      yield* server.close(exited)
      assert.strictEqual(fails(yield* Fiber.join(asked)), exited)
      const later = yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* TestClock.adjust("1 second")
      const again = yield* next
      yield* Effect.flatMap(again.expect("model/list"), (request) => again.reply(request, models))
      yield* Fiber.join(later)
    })
  )

  test(
    "has ended with all that belongs to it before the next is made",
    Effect.gen(function*() {
      const { life, next, rpc, scope, server } = yield* connect()
      yield* lose(rpc, server)
      yield* TestClock.adjust("1 second")
      yield* next
      yield* rpc.connected
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(life, ["open", "close", "open", "close"])
    })
  )

  test(
    "is made again while more requests wait for it than may be outstanding",
    Effect.gen(function*() {
      const { next, rpc, server } = yield* connect({ maxInFlight: 2 })
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(
        Effect.all(Array.from({ length: 5 }, () => rpc.request("model/list", {})), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      const again = yield* next
      for (let i = 0; i < 5; i++) {
        yield* Effect.flatMap(again.expect("model/list"), (request) => again.reply(request, models))
      }
      assert.strictEqual((yield* Fiber.join(waiting)).length, 5)
    })
  )

  test(
    "may be lost again while its handshake is made",
    Effect.gen(function*() {
      const { next, rpc, server, servers } = yield* connect()
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* TestClock.adjust("1 second")
      // The second one is closed instead of being answered.
      const second = yield* Queue.take(servers)
      yield* second.expect("initialize")
      yield* second.close(exited)
      yield* TestClock.adjust("1 second")
      const third = yield* next
      yield* Effect.flatMap(third.expect("model/list"), (request) => third.reply(request, models))
      yield* Fiber.join(waiting)
    })
  )

  test(
    "is not made again when the layer's scope has closed",
    Effect.gen(function*() {
      const { rpc, scope, server } = yield* connect()
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(Effect.flip(rpc.request("model/list", {})))
      yield* TestClock.adjust("500 millis")
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "TransportError", reason: "closed" })
    })
  )

  test(
    "whose schedule dies ends the client, too",
    Effect.gen(function*() {
      const restart = Schedule.recurs(3).pipe(Schedule.tap(() => Effect.die("a bug")))
      const { rpc, server } = yield* connect({ restart })
      yield* server.close(exited)
      const cause = yield* rpc.ended
      assert.deepInclude(cause, { reason: "restart" })
      assert.include(cause.message, "a bug")
    })
  )

  test(
    "interrupts the handlers of what was asked on it of threads that are not followed, and streams go on with the next",
    Effect.gen(function*() {
      const ended = yield* Queue.unbounded<string>()
      const { next, rpc, server } = yield* connect({
        handlers: {
          "item/tool/requestUserInput": () =>
            Effect.never.pipe(Effect.onInterrupt(() => Queue.offer(ended, "interrupted")))
        }
      })
      const tags = yield* Effect.forkScoped(
        rpc.notifications.pipe(Stream.take(2), Stream.map(({ _tag }) => _tag), Stream.runCollect),
        { startImmediately: true }
      )
      yield* server.send(Fake.ask("item/tool/requestUserInput", 7), Fake.started("turn-1"))
      yield* server.close(exited)
      assert.strictEqual(yield* Queue.take(ended), "interrupted")
      yield* TestClock.adjust("1 second")
      const again = yield* next
      yield* rpc.connected
      yield* again.send(Fake.ask("item/tool/requestUserInput", 7), Fake.completed("turn-1"))
      assert.deepStrictEqual(yield* Fiber.join(tags), ["turn/started", "turn/completed"])
    })
  )

  test(
    "of a first connection that fails is the layer's failure",
    Effect.gen(function*() {
      const layer = AppServerRpc.layerSupervised(
        Layer.effect(Transport.Transport, Effect.fail(refused)),
        { restart: Schedule.forever }
      )
      assert.strictEqual(yield* Effect.flip(Layer.build(layer)), refused)
    })
  )

  const loggedIn = Effect.fnUntraced(function*() {
    const { building, next, server } = yield* supervised({
      auth: Auth.layerApiKey(Config.Redacted("KEY")).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ KEY: "sk-config" })))
      )
    })
    yield* answer(server, "account/login/start", { type: "apiKey" })
    const context = yield* Fiber.join(building)
    return {
      auth: Context.get(context, Auth.Auth),
      next,
      rpc: Context.get(context, AppServerRpc.AppServerRpc),
      server
    }
  })

  test(
    "is logged in on before anything else is sent",
    Effect.gen(function*() {
      const { next, rpc, server } = yield* loggedIn()
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* TestClock.adjust("1 second")
      const again = yield* next
      const login = yield* again.expect("account/login/start")
      assert.deepStrictEqual(login.params, { type: "apiKey", apiKey: "sk-config" })
      yield* again.reply(login, { type: "apiKey" })
      yield* answer(again, "model/list", models)
      yield* Fiber.join(waiting)
    })
  )

  test(
    "is used all the same when the login fails, which is told without the key",
    Effect.gen(function*() {
      const { next, rpc, server } = yield* loggedIn()
      const told = yield* Effect.forkScoped(
        rpc.diagnosticEvents.pipe(Stream.filter(({ _tag }) => _tag === "Other"), Stream.take(1), Stream.runCollect),
        { startImmediately: true }
      )
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* TestClock.adjust("1 second")
      const again = yield* next
      yield* Effect.flatMap(
        again.expect("account/login/start"),
        (request) => again.refuse(request, -32600, "sk-config is not wanted")
      )
      yield* answer(again, "model/list", models)
      yield* Fiber.join(waiting)
      const [diagnostic] = yield* Fiber.join(told)
      assert.include(diagnostic?.message, "the login failed")
      assert.notInclude(diagnostic?.message, "sk-config")
    })
  )

  test(
    "is not logged in on again after a logout",
    Effect.gen(function*() {
      const { auth, next, rpc, server } = yield* loggedIn()
      const loggingOut = yield* Effect.forkScoped(auth.logout)
      yield* answer(server, "account/logout", {})
      yield* Fiber.join(loggingOut)
      yield* lose(rpc, server)
      const waiting = yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* TestClock.adjust("1 second")
      yield* answer(yield* next, "model/list", models)
      yield* Fiber.join(waiting)
    })
  )

  test(
    "and had not begun, a compaction, fails with the cause at once",
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* withThread()
      const compacting = yield* Effect.forkScoped(Effect.exit(Effect.scoped(thread.compact())))
      yield* answer(server, "thread/compact/start", {})
      yield* lose(rpc, server)
      assert.strictEqual(fails(yield* Fiber.join(compacting)), exited)
    })
  )
})

// =============================================================================
// What the server asks
// =============================================================================

const approval = "item/commandExecution/requestApproval"
const accepted = { decision: "accept" } as const

/** A command is asked about when the connection is lost. `decided` lets the handler answer. */
const lostQuestion = Effect.fnUntraced(function*() {
  const { next, rpc, server, thread } = yield* withThread()
  const decided = yield* Deferred.make<void>()
  const life = yield* Queue.unbounded<string>()
  const run = yield* Effect.forkScoped(Effect.exit(thread.run("go", {
    handlers: {
      [approval]: () =>
        Queue.offer(life, "asked").pipe(
          Effect.andThen(Deferred.await(decided)),
          Effect.as(accepted),
          Effect.onInterrupt(() => Queue.offer(life, "interrupted"))
        )
    }
  })))
  yield* answer(server, "turn/start", { turn: Fake.turn("turn-1") })
  yield* server.send(Fake.started("turn-1"), Fake.ask(approval, 7))
  assert.strictEqual(yield* Queue.take(life), "asked")
  yield* lose(rpc, server)
  /** The server has gone on: the thread is resumed, and the turn runs. What is `asked` comes with that. */
  const goesOn = Effect.fnUntraced(function*(...asked: ReadonlyArray<string>) {
    yield* TestClock.adjust("1 second")
    const again = yield* next
    yield* answer(again, "thread/read", read("active"))
    yield* answer(again, "thread/resume", Fake.threadStarted())
    yield* again.send(...asked)
    yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1")))
    return again
  })
  /** The turn is completed, so that nothing is left to be stopped. */
  const ends = Effect.fnUntraced(function*(again: Fake.FakeServer) {
    yield* again.send(Fake.completed("turn-1"))
    yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1", "completed", { completedAt: 1 })))
    assert.isTrue(Exit.isSuccess(yield* Fiber.join(run)))
    assert.strictEqual(yield* Queue.size(life), 0)
  })
  return { decided, ends, goesOn, life, next, run }
})

describe("what the server was asking when the connection was lost", () => {
  test(
    "is answered on the next one by the handler that was asked first",
    Effect.gen(function*() {
      const { decided, ends, goesOn } = yield* lostQuestion()
      const again = yield* goesOn(Fake.ask(approval, 7))
      yield* Deferred.succeed(decided, undefined)
      assert.deepInclude(yield* again.next, { id: 7, result: accepted })
      yield* ends(again)
    })
  )

  test(
    "is answered when it is asked again, with what was decided meanwhile, and then no more",
    Effect.gen(function*() {
      const { decided, ends, goesOn } = yield* lostQuestion()
      yield* Deferred.succeed(decided, undefined)
      const again = yield* goesOn(Fake.ask(approval, 7), Fake.ask(approval, 7))
      assert.deepInclude(yield* again.next, { id: 7, result: accepted })
      yield* ends(again)
    })
  )

  test(
    "is given up when it is not asked again, and its answer is not sent",
    Effect.gen(function*() {
      const { ends, goesOn, life } = yield* lostQuestion()
      const again = yield* goesOn()
      assert.strictEqual(yield* Queue.take(life), "interrupted")
      yield* ends(again)
    })
  )

  test(
    "is given up when its turn is over",
    Effect.gen(function*() {
      const { life, next, run } = yield* lostQuestion()
      yield* TestClock.adjust("1 second")
      const again = yield* next
      yield* answer(again, "thread/read", read("notLoaded"))
      yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1", "interrupted")))
      assert.strictEqual(yield* Queue.take(life), "interrupted")
      assert.strictEqual(fails(yield* Fiber.join(run))?._tag, "TurnOutcomeUnknown")
    })
  )

  test(
    "waits for the connection after the next, if that is lost, too",
    Effect.gen(function*() {
      const { decided, ends, goesOn, next } = yield* lostQuestion()
      yield* TestClock.adjust("1 second")
      const second = yield* next
      yield* second.expect("thread/read")
      yield* second.close(exited)
      const third = yield* goesOn(Fake.ask(approval, 7))
      yield* Deferred.succeed(decided, undefined)
      assert.deepInclude(yield* third.next, { id: 7, result: accepted })
      yield* ends(third)
    })
  )

  test(
    "is not taken for what another process asks under its id",
    Effect.gen(function*() {
      const { decided, ends, goesOn, life } = yield* lostQuestion()
      const again = yield* goesOn(Fake.ask(approval, 7, { itemId: "another" }))
      assert.deepStrictEqual(yield* Queue.takeN(life, 2), ["interrupted", "asked"])
      yield* Deferred.succeed(decided, undefined)
      assert.deepInclude(yield* again.next, { id: 7, result: accepted })
      yield* ends(again)
    })
  )
})

// =============================================================================
// Turns
// =============================================================================

const stored = (...turns: ReadonlyArray<object>) => ({ data: turns, nextCursor: null, backwardsCursor: null })

const read = (type: "idle" | "active" | "notLoaded") => {
  const { thread } = Fake.threadStarted()
  return { thread: { ...thread, status: type === "active" ? { type, activeFlags: [] } : { type } } }
}

const message = (text: string) => Fake.agentMessage("msg-1", text)

/** A turn that had begun when the connection was lost, and the server of the next one. */
const lostTurn = Effect.fnUntraced(function*() {
  const { next, server, thread } = yield* withThread()
  const run = yield* Effect.forkScoped(thread.run("go"))
  yield* answer(server, "turn/start", { turn: Fake.turn("turn-1") })
  yield* server.send(Fake.started("turn-1"))
  yield* server.close(exited)
  yield* TestClock.adjust("1 second")
  return { again: yield* next, next, run }
})

describe("a turn that ran when the connection was lost", () => {
  const cases = {
    "is completed if the store says so": {
      turns: [Fake.turn("turn-1", "completed", { items: [message("done")], completedAt: 1 })],
      outcome: "completed"
    },
    "has failed if the store says so": {
      turns: [Fake.turn("turn-1", "failed", { completedAt: 1 })],
      outcome: "TurnFailed"
    },
    "is interrupted if somebody has interrupted it": {
      turns: [Fake.turn("turn-1", "interrupted", { completedAt: 1 })],
      outcome: "TurnInterrupted"
    },
    "has an unknown outcome if it was cut": {
      turns: [Fake.turn("turn-1", "interrupted")],
      outcome: "TurnOutcomeUnknown"
    },
    "has an unknown outcome if it runs as far as the store knows": {
      turns: [Fake.turn("turn-1", "inProgress")],
      outcome: "TurnOutcomeUnknown"
    },
    "has an unknown outcome if it is not stored": { turns: [], outcome: "TurnOutcomeUnknown" }
  }
  for (const point of ["sent", "answered", "started"] as const) {
    for (const [name, { outcome, turns }] of Object.entries(cases)) {
      test(
        `and was ${point} ${name}`,
        Effect.gen(function*() {
          const { next, server, thread } = yield* withThread()
          const run = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
          const request = yield* server.expect("turn/start")
          const clientId = request.params?.["clientUserMessageId"]
          if (point !== "sent") yield* server.reply(request, { turn: Fake.turn("turn-1") })
          if (point === "started") yield* server.send(Fake.started("turn-1"))
          yield* server.close(exited)
          yield* TestClock.adjust("1 second")
          const again = yield* next
          const userMessage = { type: "userMessage", id: "user-1", clientId, content: [] }
          const data = turns.map((turn) => ({ ...turn, items: [userMessage, ...turn.items] }))
          if (point === "sent") yield* answer(again, "thread/turns/list", stored(...data))
          if (point !== "sent" || data.length > 0) {
            yield* answer(again, "thread/read", read("notLoaded"))
            yield* answer(again, "thread/turns/list", stored(...data))
          }
          const exit = yield* Fiber.join(run)
          const expected = point === "sent" && turns.length === 0 ? "AppServerExited" : outcome
          assert.strictEqual(Exit.isSuccess(exit) ? exit.value.status : fails(exit)?._tag, expected)

          // The thread is free, and is resumed once before its next turn; the input was sent once.
          const rerun = yield* Effect.forkScoped(thread.turn("next"))
          yield* answer(again, "thread/resume", Fake.threadStarted())
          yield* answer(again, "turn/start", { turn: Fake.turn("turn-2") })
          yield* Fiber.join(rerun)
          yield* again.send(Fake.started("turn-2"), Fake.completed("turn-2"))
        })
      )
    }
  }

  test(
    "is followed when it goes on, and what was missed comes from the store in its place",
    Effect.gen(function*() {
      const { again, run } = yield* lostTurn()
      yield* answer(again, "thread/read", read("active"))
      yield* answer(again, "thread/resume", Fake.threadStarted())
      yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1")))
      const last = Fake.agentMessage("msg-2", "last")
      yield* again.send(Fake.itemCompleted("turn-1", last), Fake.completed("turn-1"))
      yield* answer(
        again,
        "thread/turns/list",
        stored(Fake.turn("turn-1", "completed", { items: [Fake.agentMessage("msg-1", "first"), last], completedAt: 1 }))
      )
      const { items, status } = yield* Fiber.join(run)
      assert.deepStrictEqual([status, items.map(({ id }) => id)], ["completed", ["msg-1", "msg-2"]])
    })
  )

  test(
    "is followed with what was heard when the store has nothing, such as of an ephemeral thread",
    Effect.gen(function*() {
      const { again, run } = yield* lostTurn()
      yield* answer(again, "thread/read", read("active"))
      yield* answer(again, "thread/resume", Fake.threadStarted())
      yield* Effect.flatMap(again.expect("thread/turns/list"), (request) => again.refuse(request, -32601, "ephemeral"))
      yield* again.send(Fake.itemCompleted("turn-1", message("heard")), Fake.completed("turn-1"))
      yield* Effect.flatMap(again.expect("thread/turns/list"), (request) => again.refuse(request, -32601, "ephemeral"))
      const { items, status } = yield* Fiber.join(run)
      assert.deepStrictEqual([status, items.length], ["completed", 1])
    })
  )

  test(
    "ends as it is stored, if that is a moment after the thread is idle",
    Effect.gen(function*() {
      const { again, run } = yield* lostTurn()
      yield* answer(again, "thread/read", read("idle"))
      yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1")))
      yield* TestClock.adjust("100 millis")
      yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1", "completed", { completedAt: 1 })))
      assert.strictEqual((yield* Fiber.join(run)).status, "completed")
    })
  )

  test(
    "has an unknown outcome if the thread is idle and its end is stored at no time",
    Effect.gen(function*() {
      const { again, run } = yield* lostTurn()
      yield* answer(again, "thread/read", read("idle"))
      const failing = yield* Effect.forkScoped(Effect.flip(Fiber.join(run)))
      for (let i = 0; i <= 20; i++) {
        yield* answer(again, "thread/turns/list", stored(Fake.turn("turn-1", "interrupted")))
        yield* TestClock.adjust("100 millis")
      }
      assert.strictEqual((yield* Fiber.join(failing))._tag, "TurnOutcomeUnknown")
    })
  )

  test(
    "is looked up anew when the connection is lost while it is looked up",
    Effect.gen(function*() {
      const { again: second, next, run } = yield* lostTurn()
      yield* answer(second, "thread/read", read("notLoaded"))
      yield* second.expect("thread/turns/list")
      yield* second.close(exited)
      assert.isUndefined(run.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const third = yield* next
      yield* answer(third, "thread/read", read("notLoaded"))
      yield* answer(third, "thread/turns/list", stored(Fake.turn("turn-1", "completed", { completedAt: 1 })))
      assert.strictEqual((yield* Fiber.join(run)).status, "completed")
    })
  )

  test(
    "keeps the thread busy until it is settled, and the next in the queue then goes on",
    Effect.gen(function*() {
      const { next, rpc, server, thread } = yield* withThread()
      const first = yield* Effect.forkScoped(Effect.exit(thread.run("go")))
      yield* answer(server, "turn/start", { turn: Fake.turn("turn-1") })
      yield* server.send(Fake.started("turn-1"))
      yield* lose(rpc, server)
      const busy = yield* Effect.forkScoped(Effect.flip(thread.run("at once")))
      const queued = yield* Effect.forkScoped(thread.run("later", { whenBusy: "queue" }))
      yield* TestClock.adjust("1 second")
      const again = yield* next
      // Requests of different fibers come in any order.
      let left = 4
      while (left > 0) {
        const request = yield* again.next
        if (request.method === "thread/read") yield* again.reply(request, read("notLoaded"))
        else if (request.method === "thread/turns/list") yield* again.reply(request, stored())
        else yield* again.reply(request, Fake.threadStarted())
        left--
      }
      assert.strictEqual((yield* Fiber.join(busy))._tag, "ThreadBusy")
      assert.strictEqual(fails(yield* Fiber.join(first))?._tag, "TurnOutcomeUnknown")
      yield* answer(again, "turn/start", { turn: Fake.turn("turn-2") })
      yield* again.send(Fake.started("turn-2"), Fake.completed("turn-2"))
      assert.strictEqual((yield* Fiber.join(queued)).status, "completed")
    })
  )
})

describe("while there is no connection", () => {
  test(
    "a turn cannot be interrupted, and that is told in a bounded time",
    Effect.gen(function*() {
      const { rpc, scope, server, thread } = yield* withThread({ restart: Schedule.spaced("1 hour") })
      const starting = yield* Effect.forkScoped(thread.turn("go"))
      yield* answer(server, "turn/start", { turn: Fake.turn("turn-1") })
      const turn = yield* Fiber.join(starting)
      yield* server.send(Fake.started("turn-1"))
      yield* lose(rpc, server)
      const interrupting = yield* Effect.forkScoped(Effect.flip(turn.interrupt))
      yield* TestClock.adjust("2 minutes")
      assert.deepInclude(yield* Fiber.join(interrupting), { _tag: "TransportError", reason: "unavailable" })
      // The end of the turn's scope would wait for an answer, on a clock that stands still.
      yield* Scope.close(scope, Exit.void)
    })
  )

  test(
    "a start waits as long as a request, and is retryable",
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* withThread({ restart: Schedule.spaced("1 hour") })
      yield* lose(rpc, server)
      const starting = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(starting), { reason: "unavailable", isRetryable: true })
    })
  )
})

describe("a thread of a connection that was lost", () => {
  const reviewed = { approvalPolicy: "on-request", approvalsReviewer: "auto_review" }

  for (
    const [last, sent] of [
      [{ permissions: "careful" }, { ...reviewed, permissions: "careful" }],
      [{ sandbox: Sandbox.readOnly }, { ...reviewed, sandbox: "read-only" }],
      [{ approvalMode: ApprovalMode.dangerouslyBypass }, { approvalPolicy: "never", sandbox: "danger-full-access" }]
    ] as const
  ) {
    test(
      `is resumed with what was set last, ${Object.keys(last).join()}`,
      Effect.gen(function*() {
        const { next, rpc, server, thread } = yield* withThread()
        for (const settings of [{ sandbox: Sandbox.workspaceWrite }, { permissions: "p" }, last]) {
          const updating = yield* Effect.forkScoped(thread.updateSettings(settings))
          yield* answer(server, "thread/settings/update", {})
          yield* Fiber.join(updating)
        }
        yield* lose(rpc, server)
        const naming = yield* Effect.forkScoped(thread.setName("x"))
        yield* TestClock.adjust("1 second")
        const again = yield* next
        const resume = yield* again.expect("thread/resume")
        assert.deepStrictEqual(resume.params, { threadId: Fake.threadId, excludeTurns: true, ...sent })
        yield* again.reply(resume, Fake.threadOpened(resume.params))
        yield* answer(again, "thread/name/set", {})
        yield* Fiber.join(naming)
      })
    )
  }

  test(
    "is resumed with what the server does not store, before the call that needs it",
    Effect.gen(function*() {
      const { codex, next, rpc, server } = yield* connect()
      const starting = yield* Effect.forkScoped(codex.startThread({
        model: "another-model",
        config: { model_reasoning_effort: "high", "features.goals": false },
        sandbox: Sandbox.readOnly
      }))
      yield* Effect.flatMap(
        server.expect("thread/start"),
        (request) => server.reply(request, Fake.threadOpened(request.params))
      )
      const thread = yield* Fiber.join(starting)
      const updating = yield* Effect.forkScoped(thread.updateSettings({ sandbox: Sandbox.workspaceWrite }))
      yield* answer(server, "thread/settings/update", {})
      yield* Fiber.join(updating)
      yield* lose(rpc, server)
      const inject = yield* Effect.forkScoped(thread.inject([{ type: "message" }]))
      const reading = yield* Effect.forkScoped(thread.read())
      yield* TestClock.adjust("1 second")
      const again = yield* next
      const seen = new Map<string, unknown>()
      while (seen.size < 3) {
        const request = yield* again.next
        seen.set(request.method ?? "", request.params)
        yield* again.reply(
          request,
          request.method === "thread/read"
            ? read("notLoaded")
            : request.method === "thread/resume"
            ? Fake.threadOpened(request.params)
            : {}
        )
      }
      yield* Fiber.join(inject)
      yield* Fiber.join(reading)
      assert.deepStrictEqual(seen.get("thread/resume"), {
        threadId: Fake.threadId,
        excludeTurns: true,
        ...reviewed,
        sandbox: "workspace-write",
        config: { "features.goals": false }
      })
      // Once is enough.
      const more = yield* Effect.forkScoped(thread.inject([{ type: "message" }]))
      yield* answer(again, "thread/inject_items", {})
      yield* Fiber.join(more)
      assert.isTrue([...seen.keys()].indexOf("thread/resume") < [...seen.keys()].indexOf("thread/inject_items"))
    })
  )
})
