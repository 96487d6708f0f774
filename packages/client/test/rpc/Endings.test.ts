/**
 * Every call against every way in which it can end, in memory: each ends within its bound and not before, with its documented
 * outcome, leaves no request pending and no fiber, and a connection that is either usable or ended for everybody.
 */
import { AppServerRpc, Auth, Codex, CodexError, Transport, type Turn } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"
import * as Fibers from "../support/fibers.ts"

// =============================================================================
// Calls
// =============================================================================

interface Env extends Effect.Success<ReturnType<typeof Fake.connectThread>> {
  readonly auth: Auth.Auth["Service"]
}

/** A call that is under way. */
interface Running {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** What ends it as it should end, and what makes it fail. */
  readonly succeed: Effect.Effect<void>
  readonly fail: Effect.Effect<void>
}

interface Call {
  readonly kind: Kind
  readonly start: (env: Env) => Effect.Effect<Running, unknown, Scope.Scope>
}

// What is documented, in seconds.
const requestTimeout = 60
const handshakeTimeout = 30
const beginTimeout = 30
const handlerTimeout = 3600
/** How long the server may take to say what it has stored of a turn, and to end one that is interrupted. */
const lookup = 10
const stopGrace = 10
const configLookup = 2
/** That of the turns here, which is not limited by default. */
const stall = 120
const stallTimeout = Duration.seconds(stall)

const running = <A, E>(
  fiber: Fiber.Fiber<A, E>,
  succeed: Effect.Effect<void>,
  fail: Effect.Effect<void>
): Running => ({ fiber, succeed, fail })

/** A call that waits for the reply to one request. */
const requesting = <A, E>(
  method: string,
  result: unknown,
  call: (env: Env) => Effect.Effect<A, E, Scope.Scope>,
  kind: Kind = "request"
): Call => ({
  kind,
  start: Effect.fnUntraced(function*(env) {
    const { server } = env
    const fiber = yield* Effect.forkScoped(call(env))
    const request = yield* server.expect(method)
    return running(fiber, server.reply(request, result), server.refuse(request, -32603, "boom"))
  })
})

/** A call on a turn that has come as far as these frames. */
const onTurn = <A, E>(
  frames: ReadonlyArray<string>,
  call: (env: Env) => Effect.Effect<A, E, Scope.Scope>,
  kind: Kind = "turn"
): Call => ({
  kind,
  start: Effect.fnUntraced(function*(env) {
    const { server } = env
    const fiber = yield* Effect.forkScoped(call(env))
    const request = yield* server.expect("turn/start")
    yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), ...frames)
    return running(
      fiber,
      server.send(Fake.completed("turn-1")),
      server.send(Fake.completed("turn-1", "failed", { error: { message: "boom" } }))
    )
  })
})

const loginReply = { type: "chatgpt", loginId: "login-1", authUrl: "https://example.com/" }

const loginCompleted = (success: boolean) =>
  Fake.notification("account/login/completed", {
    loginId: "login-1",
    success,
    error: success ? null : "boom",
    onboardingEntrypoint: null
  })

const turnStarted = Fake.started("turn-1")

/** A call on the handle of a turn that runs. */
const withTurn = (
  start: (env: Env, turn: Turn.Turn) => Effect.Effect<Running, unknown, Scope.Scope>,
  kind: Kind
): Call => ({
  kind,
  start: Effect.fnUntraced(function*(env) {
    const { server, thread } = env
    const starting = yield* Effect.forkScoped(thread.turn("go", { stallTimeout }))
    const request = yield* server.expect("turn/start")
    yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), turnStarted)
    return yield* start(env, yield* Fiber.join(starting))
  })
})

/** A stream that goes on for as long as the connection, of which one event is awaited. */
const listening = (
  of: (env: Env) => Stream.Stream<object, unknown>,
  event: string
): Call => ({
  kind: "listening",
  start: Effect.fnUntraced(function*(env) {
    const fiber = yield* Effect.forkScoped(Stream.runHead(of(env)), { startImmediately: true })
    const told = env.server.send(event)
    return running(fiber, told, told)
  })
})

const goal = {
  threadId: Fake.threadId,
  objective: "go",
  status: "active",
  tokenBudget: null,
  tokensUsed: 0,
  timeUsedSeconds: 0,
  createdAt: 1795374429,
  updatedAt: 1795374430
}

const goalUpdated = (status: string) =>
  Fake.notification("thread/goal/updated", { threadId: Fake.threadId, turnId: null, goal: { ...goal, status } })

/** A goal that is set. */
const onGoal = (frames: ReadonlyArray<string>, kind: Kind): Call => ({
  kind,
  start: Effect.fnUntraced(function*({ server, thread }) {
    const fiber = yield* Effect.forkScoped(thread.runGoal("go", { stallTimeout }))
    yield* Effect.flatMap(
      server.expect("thread/read"),
      (request) => server.reply(request, { thread: Fake.threadStarted().thread, readState: null })
    )
    yield* Effect.flatMap(server.expect("thread/goal/clear"), (request) => server.reply(request, { cleared: false }))
    yield* Effect.flatMap(server.expect("thread/goal/set"), (request) => server.reply(request, { goal }))
    yield* server.send(goalUpdated("active"), ...frames)
    return running(
      fiber,
      server.send(turnStarted, Fake.completed("turn-1"), goalUpdated("complete")),
      server.send(
        turnStarted,
        Fake.completed("turn-1", "failed", { error: { message: "boom" } }),
        goalUpdated("blocked")
      )
    )
  })
})

const calls: Record<string, Call> = {
  "a request": requesting(
    "thread/loaded/list",
    { data: [], nextCursor: null },
    ({ rpc }) => rpc.request("thread/loaded/list", {})
  ),
  "startThread": requesting(
    "thread/start",
    Fake.threadStarted("t-2"),
    ({ codex }) => codex.startThread(),
    "startThread"
  ),
  "a page of listThreads": requesting(
    "thread/list",
    { data: [], nextCursor: null, backwardsCursor: null },
    ({ codex }) => Stream.runCollect(codex.listThreads())
  ),
  "thread.setName": requesting("thread/name/set", {}, ({ thread }) => thread.setName("name")),
  "auth.account": requesting(
    "account/read",
    { account: null, userId: null, requiresOpenaiAuth: false, workspaceRouting: null },
    ({ auth }) => auth.account()
  ),
  "the start of a login": requesting("account/login/start", loginReply, ({ auth }) => auth.loginChatgpt(), "login"),
  "the start of a login with a code": requesting(
    "account/login/start",
    {
      type: "chatgptDeviceCode",
      loginId: "login-1",
      verificationUrl: "https://example.com/",
      userCode: "ABCD-EFGH"
    },
    ({ auth }) => auth.loginDeviceCode,
    "login"
  ),
  "the wait for a login": {
    kind: "loginWait",
    start: Effect.fnUntraced(function*({ auth, server }) {
      const starting = yield* Effect.forkScoped(auth.loginChatgpt())
      yield* Effect.flatMap(server.expect("account/login/start"), (request) => server.reply(request, loginReply))
      const { wait } = yield* Fiber.join(starting)
      const fiber = yield* Effect.forkScoped(wait)
      return running(fiber, server.send(loginCompleted(true)), server.send(loginCompleted(false)))
    })
  },
  "run before the reply to turn/start": {
    kind: "start",
    start: Effect.fnUntraced(function*({ server, thread }) {
      const fiber = yield* Effect.forkScoped(thread.run("go", { stallTimeout }))
      const request = yield* server.expect("turn/start")
      return running(
        fiber,
        server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), Fake.completed("turn-1")),
        server.refuse(request, -32603, "boom")
      )
    })
  },
  "run before turn/started": onTurn([], ({ thread }) => thread.run("go", { stallTimeout })),
  "run after turn/started": onTurn([turnStarted], ({ thread }) => thread.run("go", { stallTimeout })),
  "run while an item runs": onTurn(
    [turnStarted, Fake.itemStarted("turn-1", Fake.runningCommand)],
    ({ thread }) => thread.run("go", { stallTimeout })
  ),
  "turn.result": onTurn(
    [turnStarted],
    ({ thread }) => Effect.flatMap(thread.turn("go", { stallTimeout }), ({ result }) => result)
  ),
  "turn.events": onTurn(
    [turnStarted],
    ({ thread }) => Effect.flatMap(thread.turn("go", { stallTimeout }), ({ events }) => Stream.runDrain(events)),
    "stream"
  ),
  "run while an approval waits": {
    kind: "approval",
    start: Effect.fnUntraced(function*(env) {
      const { server, thread } = env
      const asked = yield* Deferred.make<void>()
      // The server takes its question back with the turn, also when that ends long after the client has let go of it.
      yield* Effect.addFinalizer(() => server.send(Fake.completed("turn-1", "interrupted")))
      const run = thread.run("go", {
        stallTimeout,
        handlers: {
          "item/commandExecution/requestApproval": () =>
            Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
        }
      })
      const running = yield* onTurn([
        turnStarted,
        Fake.itemStarted("turn-1", Fake.runningCommand),
        Fake.ask("item/commandExecution/requestApproval", 0)
      ], () => run).start(env)
      yield* Deferred.await(asked)
      return running
    })
  },
  "the result of a turn that is interrupted": withTurn(
    Effect.fnUntraced(function*({ server }, turn) {
      const fiber = yield* Effect.forkScoped(turn.result)
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      yield* Effect.flatMap(server.expect("turn/interrupt"), (request) => server.reply(request, {}))
      yield* Fiber.join(interrupting)
      return running(
        fiber,
        server.send(Fake.completed("turn-1", "interrupted")),
        server.send(Fake.completed("turn-1", "failed", { error: { message: "boom" } }))
      )
    }),
    "turn"
  ),
  "turn.steer": withTurn(
    (env, turn) => requesting("turn/steer", { turnId: "turn-1" }, () => turn.steer("more")).start(env),
    "request"
  ),
  "turn.interrupt": withTurn(
    (env, turn) => requesting("turn/interrupt", {}, () => turn.interrupt).start(env),
    "request"
  ),
  "the start of a review": requesting(
    "review/start",
    { turn: Fake.turn("turn-1"), reviewThreadId: Fake.threadId },
    ({ thread }) => thread.review({ type: "uncommittedChanges" }),
    "otherStart"
  ),
  "a compaction that is yet to begin": {
    kind: "beginning",
    start: Effect.fnUntraced(function*({ server, thread }) {
      const fiber = yield* Effect.forkScoped(Effect.flatMap(thread.compact(), ({ result }) => result))
      yield* Effect.flatMap(server.expect("thread/compact/start"), (request) => server.reply(request, {}))
      return running(
        fiber,
        server.send(turnStarted, Fake.completed("turn-1")),
        server.send(turnStarted, Fake.completed("turn-1", "failed", { error: { message: "boom" } }))
      )
    })
  },
  "a goal that is yet to begin": onGoal([], "goalBeginning"),
  "a goal that runs": onGoal([turnStarted], "turn"),
  "rpc.notifications": listening(({ rpc }) => rpc.notifications, Fake.started("turn-1")),
  "thread.events": listening(({ thread }) => thread.events, Fake.started("turn-1")),
  "auth.changes": listening(
    ({ auth }) => auth.changes,
    Fake.notification("account/updated", { authMode: null, planType: null })
  ),
  "auth.rateLimitChanges": listening(
    ({ auth }) => auth.rateLimitChanges,
    Fake.notification("account/rateLimits/updated", {
      rateLimits: {
        limitId: "codex",
        limitName: null,
        normalModelSlug: null,
        primary: { usedPercent: 40, windowDurationMins: 300, resetsAt: 1_800_000_000 },
        secondary: null,
        credits: null,
        individualLimit: null,
        spendControlReached: null,
        planType: null,
        rateLimitReachedType: null
      }
    })
  ),
  "a run that is queued": {
    kind: "queued",
    start: Effect.fnUntraced(function*({ server, thread }) {
      yield* Effect.forkScoped(Effect.exit(thread.run("first")))
      const request = yield* server.expect("turn/start")
      yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), turnStarted)
      const fiber = yield* Effect.forkScoped(thread.run("second", { whenBusy: "queue", stallTimeout }))
      const next = Effect.andThen(
        server.send(Fake.completed("turn-1")),
        server.expect("turn/start")
      )
      return running(
        fiber,
        Effect.flatMap(
          next,
          ({ id }) => server.send(Fake.frame({ id, result: { turn: Fake.turn("turn-2") } }), Fake.completed("turn-2"))
        ),
        Effect.flatMap(next, (request) => server.refuse(request, -32603, "boom"))
      )
    })
  },
  "a handler of the server's request": {
    kind: "handler",
    start: Effect.fnUntraced(function*({ rpc, server }) {
      const asked = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      yield* rpc.handle({
        "currentTime/read": () =>
          Effect.andThen(
            Deferred.succeed(asked, undefined),
            Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          )
      })
      yield* server.send(Fake.ask("currentTime/read", 0))
      yield* Deferred.await(asked)
      const fiber = yield* Effect.forkScoped(Deferred.await(interrupted))
      const resolved = Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 0 })
      yield* Effect.addFinalizer(() => server.send(resolved))
      return running(fiber, server.send(resolved), server.send(resolved))
    })
  }
}

// =============================================================================
// Endings
// =============================================================================

const exited = (signal: string) => new CodexError.AppServerExited({ code: null, signal, stderr: [] })

const broken = new CodexError.TransportError({ reason: "write", detail: "the pipe is broken." })

const garbage = ["not json", "{", "{\"id\":1}x", "[]", "null", "{\"method\":1}", "{\"id\":{},\"result\":{}}"]

interface Ending {
  readonly bring: (running: Running, env: Pick<Env, "server">, client: Scope.Closeable) => Effect.Effect<void>
  /** How it ends a call, unless its kind documents something else. */
  readonly outcome: string
  /** Whether it ends the connection. */
  readonly isEnd: boolean
}

const silent = (...frames: ReadonlyArray<string>): Ending => ({
  bring: (_, { server }) => server.send(...frames),
  outcome: "waiting",
  isEnd: false
})

const ended = (bring: (server: Fake.FakeServer) => Effect.Effect<void>, outcome: string): Ending => ({
  bring: (_, { server }) => bring(server),
  outcome,
  isEnd: true
})

const endings: Record<string, Ending> = {
  "the answer": { bring: ({ succeed }) => succeed, outcome: "Success", isEnd: false },
  "an error": { bring: ({ fail }) => fail, outcome: "Success", isEnd: false },
  "silence": silent(),
  "garbage": silent(...garbage),
  "interruption": {
    bring: ({ fiber }) => Effect.sync(() => fiber.interruptUnsafe()),
    outcome: "interrupted",
    isEnd: false
  },
  "the end of the layer": {
    bring: (_, __, client) => Scope.close(client, Exit.void),
    outcome: "TransportError",
    isEnd: true
  },
  "the end of the input": ended((server) => server.close(), "TransportError"),
  "half a frame": ended(
    (server) => Effect.andThen(server.send("{\"method\":\"turn/comp"), server.close()),
    "TransportError"
  ),
  "SIGKILL": ended((server) => server.close(exited("SIGKILL")), "AppServerExited"),
  "SIGTERM": ended((server) => server.close(exited("SIGTERM")), "AppServerExited"),
  "a broken pipe": ended((server) => server.close(broken), "TransportError")
}

// =============================================================================
// Outcomes
// =============================================================================

interface Documented {
  /** How it ends when the server says that it failed. Default: nothing is said of that. */
  readonly error?: string
  /** How it ends when nothing comes any more, and after how many seconds, which may be fewer. Default: it waits. */
  readonly silence?: readonly [outcome: string, after: number]
  /** How many seconds its interruption takes while the server is silent. Default: none. */
  readonly interruption?: number
  /** For how many seconds something of it may go on when it is over and its scope is closed. Default: {@link stopGrace}. */
  readonly after?: number
  /** How it ends with the connection. Default: with its cause. */
  readonly end?: string
}

const timeout = (after: number) => ["AppServerTimeout", after] as const

const documented = {
  request: { error: "RpcError: internal", silence: timeout(requestTimeout) },
  // The server is asked whether it waits for MCP servers.
  startThread: { error: "RpcError: internal", silence: timeout(requestTimeout + configLookup) },
  // Its reply may have been lost, so the server is asked for a turn with our message.
  start: { error: "RpcError: internal", silence: timeout(requestTimeout + lookup), interruption: stopGrace },
  otherStart: { error: "RpcError: internal", silence: timeout(requestTimeout), interruption: stopGrace },
  beginning: { error: "TurnFailed", silence: timeout(beginTimeout), interruption: stopGrace },
  goalBeginning: { error: "TurnFailed", silence: timeout(beginTimeout + stopGrace), interruption: stopGrace },
  turn: { error: "TurnFailed", silence: ["TurnStalled", stall + lookup + stopGrace], interruption: stopGrace },
  // The result of a handle: its interruption does not stop the turn.
  result: { error: "TurnFailed", silence: ["TurnStalled", stall + lookup + stopGrace] },
  // While the handler runs it is the client that lets the server wait.
  approval: {
    error: "TurnFailed",
    silence: ["TurnStalled", handlerTimeout + stall + lookup + stopGrace],
    interruption: stopGrace
  },
  // The first turn has no limit.
  queued: { error: "RpcError: internal" },
  // One that nobody waits for is cancelled when the server has told which one it is.
  login: { error: "LoginFailed", silence: timeout(requestTimeout), after: requestTimeout },
  // A person may take any time.
  loginWait: { error: "LoginFailed" },
  // A stream of events ends with its turn; the result says how.
  stream: { silence: ["Success", stall + lookup + stopGrace] },
  listening: {},
  // It is interrupted whatever happens, after its time limit at the latest.
  handler: { silence: ["Success", handlerTimeout], end: "Success" },
  handshake: {
    error: "AppServerStartError",
    silence: ["AppServerStartError", handshakeTimeout],
    end: "AppServerStartError"
  }
} satisfies Record<string, Documented>

type Kind = keyof typeof documented

const expected = (kind: Kind, name: string, ending: Ending): string => {
  const { end, error, silence }: Documented = documented[kind]
  if (name === "an error") return error ?? ending.outcome
  if (ending.outcome === "waiting") return silence?.[0] ?? ending.outcome
  return ending.isEnd ? end ?? ending.outcome : ending.outcome
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown> | undefined): string => {
  if (exit === undefined) return "waiting"
  if (Exit.isSuccess(exit)) return "Success"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  return Cause.hasDies(exit.cause) || !CodexError.isCodexError(error)
    ? `a defect: ${Cause.pretty(exit.cause)}`
    : kindOf(error)
}

/** Lets happen all that needs no time. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Lets the time pass in which the call has to end, and looks whether it does, and not before. */
const outcome = Effect.fnUntraced(function*(kind: Kind, { fiber }: Running, name: string, ending: Ending) {
  const { interruption = 0, silence }: Documented = documented[kind]
  if (ending.outcome === "waiting") {
    const [, after] = silence ?? ["waiting", Duration.toSeconds("1 day")]
    yield* TestClock.adjust(Duration.millis(after * 1000 - 1))
    assert.strictEqual(outcomeOf(fiber.pollUnsafe()), "waiting", "before its time")
    yield* TestClock.adjust(Duration.millis(1))
  } else if (name === "interruption") {
    yield* TestClock.adjust(Duration.seconds(interruption))
  }
  const outcome = expected(kind, name, ending)
  if (outcome !== "waiting") yield* Fiber.await(fiber)
  assert.strictEqual(outcomeOf(fiber.pollUnsafe()), outcome)
})

// =============================================================================
// The matrix
// =============================================================================

const connect = Effect.gen(function*() {
  const connected = yield* Fake.connectThread()
  const context = yield* Layer.build(
    Layer.provide(Auth.layer, Layer.succeed(AppServerRpc.AppServerRpc, connected.rpc))
  )
  return { ...connected, auth: Context.get(context, Auth.Auth) }
})

/** The connection works, and an answer to whatever was ever asked on it finds nobody who waits for it. */
const isIdle = Effect.fnUntraced(function*({ rpc, server }: Env) {
  const before = (yield* rpc.diagnostics).unmatchedReplies
  const next = yield* Effect.forkChild(Effect.exit(rpc.request("model/list", {})), { startImmediately: true })
  let request = yield* server.next
  while (request.method !== "model/list") request = yield* server.next
  const earlier = Array.from({ length: Number(request.id) - 1 }, (_, i) => i + 1)
  yield* server.send(...earlier.map((id) => Fake.frame({ id, error: { code: -32603, message: "late" } })))
  yield* server.reply(request, { data: [], nextCursor: null })
  assert.strictEqual(outcomeOf(yield* Fiber.join(next)), "Success")
  assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies - before, earlier.length, "requests are pending")
  yield* settle
})

const check = (call: Call, name: string, ending: Ending) =>
  Fibers.counting(Effect.fnUntraced(function*(fibers) {
    const client = yield* Scope.make()
    const env: Env = yield* Scope.provide(connect, client)
    // As it is looked at afterwards, with the timers of one request.
    yield* TestClock.adjust(Duration.seconds(requestTimeout))
    yield* isIdle(env)
    const idle = fibers()
    const own = yield* Scope.make()
    const running = yield* Scope.provide(call.start(env), own)
    yield* settle
    yield* ending.bring(running, env, client)
    yield* outcome(call.kind, running, name, ending)

    if (ending.isEnd) {
      const next = yield* Effect.exit(env.rpc.request("model/list", {}))
      assert.strictEqual(outcomeOf(next), ending.outcome)
      // Nobody waits for a server that is gone.
      yield* Scope.close(own, Exit.void)
      yield* settle
      assert.isAtMost(fibers(), idle, "fibers of the call are left")
    } else {
      const closing = yield* Effect.forkChild(Scope.close(own, Exit.void), { startImmediately: true })
      const { after = stopGrace }: Documented = documented[call.kind]
      yield* TestClock.adjust(Duration.seconds(after))
      yield* Fiber.join(closing)
      yield* isIdle(env)
      assert.strictEqual(fibers(), idle, "fibers of the call are left")
    }
    yield* Scope.close(client, Exit.void)
    yield* settle
    assert.strictEqual(fibers(), 0, "fibers of the client are left")
  }))

describe.each(Object.entries(calls))("%s", (_, call) => {
  for (const [name, ending] of Object.entries(endings)) {
    it.effect(`ends with ${expected(call.kind, name, ending)} by ${name}`, () => check(call, name, ending))
  }
})

describe("the handshake", () => {
  const kind = "handshake"
  for (const [name, ending] of Object.entries(endings)) {
    it.effect(`ends with ${expected(kind, name, ending)} by ${name}`, () =>
      Fibers.counting(Effect.fnUntraced(function*(fibers) {
        const client = yield* Scope.make()
        const server = yield* Scope.provide(Fake.make, client)
        const layer = Codex.layer().pipe(
          Layer.provideMerge(AppServerRpc.layer()),
          Layer.provide(Layer.succeed(Transport.Transport, server.client))
        )
        const fiber = yield* Effect.forkChild(Layer.buildWithScope(layer, client))
        const request = yield* server.expect("initialize")
        const building = running(
          fiber,
          server.reply(request, Fake.initialized),
          server.refuse(request, -32600, "boom")
        )
        yield* ending.bring(building, { server }, client)
        yield* outcome(kind, building, name, ending)
        yield* Scope.close(client, Exit.void)
        yield* settle
        assert.strictEqual(fibers(), 0, "fibers are left")
      })))
  }
})
