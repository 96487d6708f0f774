/** Turns whose end is not told: found by the watchdog, or by a thread that is idle. */
import { CodexError, type Thread } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

/** A turn that has begun and has a command running. */
const running = Effect.fnUntraced(function*(
  options: Thread.TurnOptions = { stallTimeout: "1 minute" },
  connection?: Parameters<typeof Fake.connect>[0]
) {
  const connected = yield* Fake.connectThread(connection)
  const { server, thread } = connected
  const run = yield* Effect.forkScoped(Effect.exit(thread.run("go", options)))
  const request = yield* server.expect("turn/start")
  yield* server.send(
    Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }),
    Fake.started("turn-1"),
    Fake.itemStarted("turn-1", Fake.runningCommand)
  )
  // Whatever still runs at the end of a test is not to be interrupted: nobody would answer.
  yield* Effect.addFinalizer(() => server.close())
  return { ...connected, run }
})

const stored = (...turns: ReadonlyArray<object>) => ({ data: turns, nextCursor: null, backwardsCursor: null })

const status = (type: "idle" | "active") =>
  Fake.notification("thread/status/changed", {
    threadId: Fake.threadId,
    status: type === "idle" ? { type } : { type, activeFlags: [] }
  })

const threadRead = (type: "idle" | "active") => {
  const { thread } = Fake.threadStarted()
  return { thread: { ...thread, status: type === "idle" ? { type } : { type, activeFlags: [] } } }
}

const failureOf = <A, E>(exit: Effect.Success<ReturnType<typeof Effect.exit<A, E, never>>>) =>
  exit._tag === "Failure"
    ? exit.cause.reasons.flatMap((reason) => reason._tag === "Fail" ? [reason.error] : [])[0]
    : exit

describe("a silent turn", () => {
  it.effect("ends as the server has stored it", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running()
      yield* TestClock.adjust("50 seconds")
      // A frame begins the time anew.
      yield* server.send(Fake.delta("turn-1", "m1", "wor"))
      yield* TestClock.adjust("50 seconds")
      assert.isUndefined(run.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      const request = yield* server.expect("thread/turns/list")
      yield* server.reply(
        request,
        stored(Fake.turn("turn-1", "completed", { items: [Fake.agentMessage("m1", "works")] }))
      )
      const exit = yield* Fiber.join(run)
      assert.isTrue(exit._tag === "Success")
      if (exit._tag === "Success") assert.deepStrictEqual(exit.value.finalResponse, Option.some("works"))
    }))

  it.effect("is interrupted when it has not ended there, and is TurnStalled with what it did", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running()
      yield* TestClock.adjust("1 minute")
      yield* Effect.flatMap(
        server.expect("thread/turns/list"),
        (request) => server.reply(request, stored(Fake.turn("turn-1")))
      )
      const interrupt = yield* server.expect("turn/interrupt")
      yield* server.reply(interrupt, {})
      yield* server.send(Fake.completed("turn-1", "interrupted"))
      const error = failureOf(yield* Fiber.join(run))
      assert.instanceOf(error, CodexError.TurnStalled)
      assert.deepInclude(error, { stallTimeout: 60_000, lastEvent: "item/started", turnId: "turn-1" })
      assert.deepStrictEqual(error.runningItems.map(({ id }) => id), ["call-1"])
      assert.include(error.message, "running: commandExecution")
    }))

  it.effect("is TurnStalled too when the server does not answer any more", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running()
      yield* TestClock.adjust("1 minute")
      yield* server.expect("thread/turns/list")
      yield* TestClock.adjust("10 seconds")
      yield* server.expect("turn/interrupt")
      yield* TestClock.adjust("10 seconds")
      assert.instanceOf(failureOf(yield* Fiber.join(run)), CodexError.TurnStalled)
    }))

  it.effect("that is completed while it is interrupted is a success", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running()
      yield* TestClock.adjust("1 minute")
      yield* Effect.flatMap(server.expect("thread/turns/list"), (request) => server.reply(request, stored()))
      yield* server.expect("turn/interrupt")
      yield* server.send(Fake.completed("turn-1"))
      assert.strictEqual((yield* Fiber.join(run))._tag, "Success")
    }))

  it.effect("that speaks again while it is looked up goes on", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running()
      yield* TestClock.adjust("1 minute")
      const request = yield* server.expect("thread/turns/list")
      yield* server.send(Fake.delta("turn-1", "m1", "wor"))
      yield* server.reply(request, stored(Fake.turn("turn-1")))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(run.pollUnsafe())
      yield* server.send(Fake.completed("turn-1"))
      assert.strictEqual((yield* Fiber.join(run))._tag, "Success")
    }))

  it.effect("is not stalled while a handler of ours lets the server wait", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({
        stallTimeout: "1 minute",
        handlers: { "item/tool/call": () => Effect.never }
      })
      yield* server.send(Fake.ask("item/tool/call", 0))
      yield* TestClock.adjust("50 minutes")
      assert.isUndefined(run.pollUnsafe())
      yield* server.send(Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 0 }))
      yield* TestClock.adjust("1 minute")
      yield* server.expect("thread/turns/list")
    }))

  for (
    const [whose, origin] of [["its own", {}], ["of a subagent", { threadId: "child", turnId: "turn-c" }]] as const
  ) {
    it.effect(`has all of its time again when a handler has answered, ${whose}`, () =>
      Effect.gen(function*() {
        const { rpc, run, server } = yield* running({
          stallTimeout: "1 minute",
          handlers: {
            "item/tool/call": () => Effect.delay(Effect.succeed({ success: true, contentItems: [] }), "80 seconds")
          }
        })
        const child = Fake.turn("turn-c", "inProgress", { rootTurnId: "turn-1" })
        yield* server.send(
          Fake.notification("turn/started", { threadId: "child", turn: child }),
          Fake.ask("item/tool/call", 0, origin)
        )
        yield* TestClock.adjust("80 seconds")
        assert.deepInclude(yield* server.next, { id: 0 })
        // Shows that the answer was read, and is no progress of the turn.
        yield* server.send(
          Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 0, ...origin })
        )
        yield* TestClock.adjust("59 seconds")
        // Nothing was looked up yet.
        yield* Effect.forkScoped(rpc.request("model/list", {}))
        yield* server.expect("model/list")
        yield* TestClock.adjust("1 second")
        yield* server.expect("thread/turns/list")
        assert.isUndefined(run.pollUnsafe())
      }))
  }

  it.effect("is not stalled while a handler of ours lets one of its subagents wait", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({
        stallTimeout: "1 minute",
        handlers: { "item/tool/call": () => Effect.never }
      })
      const child = { threadId: "01a204a7-0000-7000-8000-00000000000c", turnId: "turn-c" }
      yield* server.send(
        Fake.notification("turn/started", {
          threadId: child.threadId,
          turn: Fake.turn(child.turnId, "inProgress", { rootTurnId: "turn-1" })
        }),
        Fake.ask("item/tool/call", 0, child)
      )
      yield* TestClock.adjust("50 minutes")
      assert.isUndefined(run.pollUnsafe())
      yield* server.send(Fake.notification("serverRequest/resolved", { threadId: child.threadId, requestId: 0 }))
      yield* TestClock.adjust("1 minute")
      yield* server.expect("thread/turns/list")
    }))

  it.effect("is not stalled while a handler of ours lets a review wait, which asks under another id", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const starting = yield* Effect.forkScoped(codex.startThread({
        stallTimeout: "1 minute",
        handlers: { "item/tool/call": () => Effect.never }
      }))
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, Fake.threadStarted()))
      const thread = yield* Fiber.join(starting)
      const review = yield* Effect.forkScoped(thread.review({ type: "uncommittedChanges" }))
      const request = yield* server.expect("review/start")
      yield* server.send(
        Fake.frame({ id: request.id, result: { turn: Fake.turn("review-1"), reviewThreadId: Fake.threadId } }),
        Fake.notification("turn/started", {
          threadId: Fake.threadId,
          turn: Fake.turn("running-1", "inProgress", { rootTurnId: "review-1" })
        }),
        Fake.ask("item/tool/call", 0, { turnId: "running-1" })
      )
      const turn = yield* Fiber.join(review)
      const result = yield* Effect.forkScoped(Effect.exit(turn.result))
      yield* Effect.addFinalizer(() => server.close())
      yield* TestClock.adjust("50 minutes")
      assert.isUndefined(result.pollUnsafe())
    }))

  it.effect("may be silent for ever unless that is limited: for the turn, else the thread, else the client", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({})
      yield* TestClock.adjust("1 day")
      assert.isUndefined(run.pollUnsafe())
      yield* server.send(Fake.completed("turn-1"))
      yield* Fiber.join(run)
    }))

  it.effect("has a limit that has to be a duration", () =>
    Effect.gen(function*() {
      const { thread } = yield* Fake.connectThread()
      const error = yield* Effect.flip(thread.run("go", { stallTimeout: "soon" as Duration.Input }))
      assert.deepInclude(error, { _tag: "InvalidArgument", argument: "stallTimeout" })
    }))
})

describe("a turn whose thread is idle", () => {
  it.effect("ends as the server has stored it, although nothing told its end", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({})
      yield* server.send(status("idle"))
      yield* TestClock.adjust("2 seconds")
      const request = yield* server.expect("thread/turns/list")
      yield* server.reply(request, stored(Fake.turn("turn-1", "failed")))
      assert.instanceOf(failureOf(yield* Fiber.join(run)), CodexError.TurnFailed)
    }))

  it.effect("is TurnOutcomeUnknown when the server has stored nothing of it", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({})
      yield* server.send(Fake.notification("thread/closed", { threadId: Fake.threadId }))
      yield* TestClock.adjust("2 seconds")
      yield* Effect.flatMap(server.expect("thread/turns/list"), (request) => server.refuse(request, -32600, "no"))
      yield* Effect.flatMap(server.expect("thread/read"), (request) => server.reply(request, threadRead("idle")))
      const error = failureOf(yield* Fiber.join(run))
      assert.instanceOf(error, CodexError.TurnOutcomeUnknown)
      assert.include(error.message, "the thread is idle")
    }))

  it.effect("goes on when the thread is active after all, or its end is told in time", () =>
    Effect.gen(function*() {
      const { rpc, run, server } = yield* running({})
      yield* server.send(status("idle"))
      yield* TestClock.adjust("2 seconds")
      yield* Effect.flatMap(server.expect("thread/turns/list"), (request) => server.reply(request, stored()))
      yield* Effect.flatMap(server.expect("thread/read"), (request) => server.reply(request, threadRead("active")))
      yield* server.send(status("active"))
      yield* TestClock.adjust("1 minute")
      yield* server.send(status("idle"))
      yield* TestClock.adjust("1 second")
      yield* server.send(Fake.completed("turn-1"))
      assert.strictEqual((yield* Fiber.join(run))._tag, "Success")
      yield* TestClock.adjust("1 minute")
      // The server was asked nothing more.
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))
})

describe("a turn of which nothing is heard", () => {
  it.effect("is looked for after two minutes, and goes on unless its thread is known to be idle", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({})
      for (const type of ["active", "waitingOnApproval"]) {
        yield* TestClock.adjust("2 minutes")
        const read = yield* server.expect("thread/read")
        yield* server.reply(read, { thread: { ...Fake.threadStarted().thread, status: { type, activeFlags: [] } } })
      }
      yield* TestClock.adjust("2 minutes")
      yield* Effect.flatMap(server.expect("thread/read"), (request) => server.reply(request, threadRead("idle")))
      yield* TestClock.adjust("2 seconds")
      yield* Effect.flatMap(
        server.expect("thread/turns/list"),
        (request) => server.reply(request, stored(Fake.turn("turn-1", "completed")))
      )
      assert.strictEqual((yield* Fiber.join(run))._tag, "Success")
    }))

  it.effect("goes on while it is stored with a status that is not known", () =>
    Effect.gen(function*() {
      const { run, server } = yield* running({})
      const other = { threadId: Fake.threadId, status: { type: "idle" } }
      yield* server.send(Fake.notification("thread/status/changed", other))
      yield* TestClock.adjust("2 seconds")
      yield* Effect.flatMap(
        server.expect("thread/turns/list"),
        (request) => server.reply(request, stored(Fake.turn("turn-1", "waitingOnApproval")))
      )
      yield* Effect.flatMap(server.expect("thread/read"), (request) => server.reply(request, threadRead("active")))
      yield* server.send(
        Fake.notification("thread/status/changed", { ...other, status: { type: "waitingOnApproval" } })
      )
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(run.pollUnsafe())
      yield* server.send(Fake.completed("turn-1"))
      assert.strictEqual((yield* Fiber.join(run))._tag, "Success")
    }))
})
