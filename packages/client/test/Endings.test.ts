/**
 * Every call against every way in which it can end, in memory: each ends within its bound, with its documented outcome, and
 * leaves a connection that is either usable or ended for everybody.
 */
import { AppServerRpc, Auth, CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, type Duration, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "./fakeServer.ts"

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

type Kind = "request" | "start" | "turn" | "login" | "loginWait" | "handler" | "stream" | "queued"

interface Call {
  readonly kind: Kind
  readonly start: (env: Env) => Effect.Effect<Running, unknown, Scope.Scope>
}

const stallTimeout = "2 minutes"

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

const calls: Record<string, Call> = {
  "a request": requesting(
    "thread/loaded/list",
    { data: [], nextCursor: null },
    ({ rpc }) => rpc.request("thread/loaded/list", {})
  ),
  "startThread": requesting("thread/start", Fake.threadStarted("t-2"), ({ codex }) => codex.startThread()),
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
  readonly bring: (running: Running, env: Env, client: Scope.Closeable) => Effect.Effect<void>
  /** How much time may pass. */
  readonly within: Duration.Input
  /** Whether it ends the connection. */
  readonly isEnd: boolean
}

const endings: Record<string, Ending> = {
  "the answer": { bring: ({ succeed }) => succeed, within: 0, isEnd: false },
  "an error": { bring: ({ fail }) => fail, within: 0, isEnd: false },
  "silence": { bring: () => Effect.void, within: "2 hours", isEnd: false },
  "garbage": { bring: (_, { server }) => server.send(...garbage), within: "2 hours", isEnd: false },
  "interruption": {
    bring: ({ fiber }) => Effect.sync(() => fiber.interruptUnsafe()),
    within: "1 minute",
    isEnd: false
  },
  "the end of the layer": { bring: (_, __, client) => Scope.close(client, Exit.void), within: 0, isEnd: true },
  "the end of the input": { bring: (_, { server }) => server.close(), within: 0, isEnd: true },
  "half a frame": {
    bring: (_, { server }) => Effect.andThen(server.send("{\"method\":\"turn/comp"), server.close()),
    within: 0,
    isEnd: true
  },
  "SIGKILL": { bring: (_, { server }) => server.close(exited("SIGKILL")), within: 0, isEnd: true },
  "SIGTERM": { bring: (_, { server }) => server.close(exited("SIGTERM")), within: 0, isEnd: true },
  "a broken pipe": { bring: (_, { server }) => server.close(broken), within: 0, isEnd: true }
}

// =============================================================================
// Outcomes
// =============================================================================

/** What each kind of call documents, beyond `whatEnds`. */
const documented: Record<Kind, Partial<Record<keyof typeof endings, string>>> = {
  request: { "an error": "InternalServerError", "silence": "RequestTimeout", "garbage": "RequestTimeout" },
  start: { "an error": "InternalServerError", "silence": "RequestTimeout", "garbage": "RequestTimeout" },
  turn: { "an error": "TurnFailed", "silence": "TurnStalled", "garbage": "TurnStalled" },
  // The first turn has no limit.
  queued: { "an error": "InternalServerError", "silence": "waiting", "garbage": "waiting" },
  login: { "an error": "LoginFailed", "silence": "RequestTimeout", "garbage": "RequestTimeout" },
  // A person may take any time.
  loginWait: { "an error": "LoginFailed", "silence": "waiting", "garbage": "waiting" },
  // A stream of events ends with its turn; the result says how.
  stream: { "an error": "Success", "silence": "Success", "garbage": "Success" },
  // It is interrupted whatever happens, after its time limit at the latest.
  handler: Object.fromEntries(Object.keys(endings).map((name) => [name, "Success"]))
}

const whatEnds: Record<string, string> = {
  "the answer": "Success",
  "interruption": "interrupted",
  "the end of the layer": "TransportError",
  "the end of the input": "TransportError",
  "half a frame": "TransportError",
  "SIGKILL": "AppServerExited",
  "SIGTERM": "AppServerExited",
  "a broken pipe": "TransportError"
}

const outcomeOf = (exit: Exit.Exit<unknown, unknown> | undefined): string => {
  if (exit === undefined) return "waiting"
  if (Exit.isSuccess(exit)) return "Success"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  return Cause.hasDies(exit.cause) || !CodexError.isCodexError(error)
    ? `a defect: ${Cause.pretty(exit.cause)}`
    : error._tag
}

const connect = Effect.gen(function*() {
  const connected = yield* Fake.connectThread()
  const context = yield* Layer.build(
    Layer.provide(Auth.layer, Layer.succeed(AppServerRpc.AppServerRpc, connected.rpc))
  )
  return { ...connected, auth: Context.get(context, Auth.Auth) }
})

const check = Effect.fnUntraced(function*(call: Call, name: string, ending: Ending) {
  const client = yield* Scope.make()
  const env: Env = yield* Scope.provide(connect, client)
  const { rpc, server } = env
  const running = yield* call.start(env)
  yield* ending.bring(running, env, client)
  yield* TestClock.adjust(ending.within)
  const expected = documented[call.kind][name] ?? whatEnds[name]
  if (expected === "waiting") yield* Effect.yieldNow
  else yield* Fiber.await(running.fiber)
  const exit = running.fiber.pollUnsafe()
  assert.strictEqual(outcomeOf(exit), call.kind === "handler" && name === "interruption" ? "interrupted" : expected)

  // The connection is as usable as before, or ended for everybody at once.
  const next = yield* Effect.forkScoped(Effect.exit(rpc.request("model/list", {})))
  if (ending.isEnd) {
    assert.strictEqual(outcomeOf(yield* Fiber.join(next)), whatEnds[name])
  } else {
    for (;;) {
      const request = yield* server.next
      if (request.method !== "model/list") continue
      yield* server.reply(request, { data: [], nextCursor: null })
      break
    }
    assert.strictEqual(outcomeOf(yield* Fiber.join(next)), "Success")
  }
  yield* Scope.close(client, Exit.void)
})

describe.each(Object.entries(calls))("%s", (_, call) => {
  for (const [name, ending] of Object.entries(endings)) {
    const outcome = documented[call.kind][name] ?? whatEnds[name]
    it.effect(`ends with ${outcome} by ${name}`, () => check(call, name, ending))
  }
})

it("covers every call with every ending", () =>
  assert.isAtLeast(Object.keys(calls).length * Object.keys(endings).length, 150))
