/** Goals, row by row. */
import { type AppServerRpc, CodexError } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { internalsOf, withInternals } from "../../src/internal/rpcInternals.ts"
import * as Fake from "../support/fakeServer.ts"
import { goalsOf, makeTurns, tagOf } from "../support/goals.ts"

const { threadId } = Fake

const goal = (status: string, more: object = {}) => ({
  threadId,
  objective: "Do it.",
  status,
  tokenBudget: null,
  tokensUsed: 0,
  timeUsedSeconds: 0,
  createdAt: 1795374429,
  updatedAt: 1795374430,
  ...more
})

const updated = (status: string, turnId: string | null = null) =>
  Fake.notification("thread/goal/updated", { threadId, turnId, goal: goal(status) })

const cleared = Fake.notification("thread/goal/cleared", { threadId })

const threadRead = (more: object = {}) => ({
  thread: { ...Fake.threadStarted().thread, ...more },
  readState: null
})

/** A client on a fake server, with a count of those who observe the thread. */
const connect = Effect.gen(function*() {
  const { rpc, server } = yield* Fake.connect()
  const observers = { count: 0 }
  const internals = internalsOf(rpc)
  const counted = withInternals({ ...rpc }, {
    ...internals,
    observe: (id, observer) =>
      // The client itself listens to what belongs to no thread.
      id === undefined ? internals.observe(id, observer) : Effect.andThen(
        Effect.acquireRelease(
          Effect.sync(() => observers.count++),
          () => Effect.sync(() => observers.count--)
        ),
        internals.observe(id, observer)
      )
  })
  const turns = yield* makeTurns(counted)
  return { server, rpc: counted, observers, turns, goals: goalsOf(turns, threadId) }
})

const answer = (server: Fake.FakeServer, method: string, result: unknown) =>
  Effect.tap(server.expect(method), (request) => server.reply(request, result))

const upToSet = (server: Fake.FakeServer) =>
  answer(server, "thread/read", threadRead()).pipe(
    Effect.andThen(answer(server, "thread/goal/clear", { cleared: false })),
    Effect.andThen(server.expect("thread/goal/set"))
  )

const setReply = (request: Fake.Message) => Fake.frame({ id: request.id, result: { goal: goal("active") } })

const serveStart = (server: Fake.FakeServer) =>
  Effect.tap(upToSet(server), (request) => server.send(setReply(request), updated("active"), Fake.started("t1")))

/** A goal whose first turn runs, in a scope that the test closes. */
const open = Effect.gen(function*() {
  const connected = yield* connect
  const scope = yield* Scope.make()
  const starting = yield* connected.goals.startGoal("Do it.").pipe(Scope.provide(scope), Effect.forkScoped)
  yield* serveStart(connected.server)
  return { ...connected, turn: yield* Fiber.join(starting), close: Scope.close(scope, Exit.void) }
})

/** The result of a goal for which the server sends these frames after the first turn's start. */
const outcome = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
  const { goals, server } = yield* connect
  const running = yield* Effect.forkScoped(Effect.exit(goals.runGoal("Do it.")))
  yield* serveStart(server)
  yield* server.send(...frames)
  return yield* yield* Fiber.join(running)
})

/** That the client has sent nothing that was not expected, and has heard everything. */
const isQuiet = Effect.fnUntraced(function*(rpc: AppServerRpc.AppServerRpc["Service"], server: Fake.FakeServer) {
  const asking = yield* Effect.forkScoped(Effect.exit(rpc.request("model/list", {})))
  yield* server.refuse(yield* server.expect("model/list"), -32600, "no")
  yield* Fiber.join(asking)
})

const expectPause = (server: Fake.FakeServer) =>
  Effect.tap(
    server.expect("thread/goal/set"),
    (request) => Effect.sync(() => assert.deepStrictEqual(request.params, { threadId, status: "paused" }))
  )

const expectInterrupt = (server: Fake.FakeServer, turnId: string) =>
  Effect.tap(
    server.expect("turn/interrupt"),
    (request) => Effect.sync(() => assert.deepStrictEqual(request.params, { threadId, turnId }))
  )

const pauseAndInterrupt = Effect.fnUntraced(function*(server: Fake.FakeServer, turnId: string) {
  const pause = yield* expectPause(server)
  yield* server.send(Fake.frame({ id: pause.id, result: { goal: goal("paused") } }), updated("paused"))
  const interrupt = yield* expectInterrupt(server, turnId)
  yield* server.send(Fake.frame({ id: interrupt.id, result: {} }))
})

const serverError = { message: "boom", codexErrorInfo: "serverOverloaded", additionalDetails: null, misalignment: null }

describe("the start", () => {
  it.effect("refuses an objective or a budget that the server would refuse, before any request", () =>
    Effect.gen(function*() {
      const { goals, rpc, server } = yield* connect
      const wrong: ReadonlyArray<unknown> = ["", " \n\t ", "x".repeat(4001), 3, undefined, null]
      for (const objective of wrong) {
        const error = yield* Effect.flip(goals.startGoal(objective as string))
        assert.deepInclude(error, { _tag: "InvalidArgument", argument: "objective" })
        assert.strictEqual(yield* tagOf(goals.runGoal(objective as string)), "InvalidArgument")
      }
      for (const tokenBudget of [0, -1, 1.5, NaN, Infinity]) {
        const error = yield* Effect.flip(goals.startGoal("x", { tokenBudget }))
        assert.deepInclude(error, { _tag: "InvalidArgument", argument: "tokenBudget" })
      }
      yield* isQuiet(rpc, server)
    }))

  it.effect("reads the thread, clears its goal and sets the new one, trimmed, of 4000 characters at most", () =>
    Effect.gen(function*() {
      const { goals, server } = yield* connect
      const objective = "\u{1f600}".repeat(4000)
      yield* Effect.forkScoped(goals.startGoal(` ${objective}\n`, { tokenBudget: 1000 }))
      const read = yield* server.expect("thread/read")
      assert.deepStrictEqual(read.params, { threadId, includeTurns: false })
      yield* server.reply(read, threadRead())
      const clear = yield* server.expect("thread/goal/clear")
      assert.deepStrictEqual(clear.params, { threadId })
      yield* server.reply(clear, { cleared: true })
      const set = yield* server.expect("thread/goal/set")
      assert.deepStrictEqual(set.params, { threadId, objective, tokenBudget: 1000, status: "active" })
      yield* server.close()
    }))

  const frames = ["reply", "cleared", "updated", "started", "completed"] as const
  const orders: ReadonlyArray<ReadonlyArray<typeof frames[number]>> = [
    ["reply", "cleared", "updated", "started", "completed"],
    ["cleared", "updated", "started", "reply", "completed"],
    ["updated", "started", "completed", "reply"],
    ["started", "updated", "reply", "completed"]
  ]
  for (const order of orders) {
    for (const reads of ["one read", "several reads"] as const) {
      it.effect(`takes ${order.join(", ")} in ${reads}`, () =>
        Effect.gen(function*() {
          const { goals, server } = yield* connect
          const running = yield* Effect.forkScoped(goals.runGoal("Do it."))
          yield* answer(server, "thread/read", threadRead())
          const clear = yield* server.expect("thread/goal/clear")
          // The turn of somebody else, which began and ended before.
          yield* server.send(updated("active"), Fake.started("t0"), Fake.completed("t0"), updated("complete"))
          yield* server.reply(clear, { cleared: true })
          const set = yield* server.expect("thread/goal/set")
          const text = {
            reply: setReply(set),
            cleared,
            updated: updated("active"),
            started: Fake.started("t1"),
            completed: Fake.completed("t1")
          }
          // Of a turn that was there before and of another thread.
          const noise = [
            Fake.completed("t0"),
            Fake.delta("t0", "m", "old"),
            Fake.completed("t1", "failed", {}, "other")
          ]
          const all = [...noise, ...order.map((step) => text[step]), updated("complete")]
          if (reads === "one read") yield* server.send(...all)
          else yield* Effect.forEach(all, (one) => Effect.andThen(server.send(one), Effect.yieldNow))
          const result = yield* Fiber.join(running)
          assert.strictEqual(result.id, "t1")
          assert.strictEqual(result.status, "completed")
        }))
    }
  }

  it.effect("fails with ThreadBusy and the turn's id when a turn runs", () =>
    Effect.gen(function*() {
      const { goals, rpc, server } = yield* connect
      const starting = yield* Effect.forkScoped(Effect.flip(goals.startGoal("Do it.")))
      yield* answer(server, "thread/read", threadRead({ status: { type: "active", activeFlags: [] } }))
      yield* answer(server, "thread/turns/list", { data: [Fake.turn("t9")], nextCursor: null, backwardsCursor: null })
      assert.deepInclude(yield* Fiber.join(starting), { _tag: "ThreadBusy", activeTurnId: "t9", delivered: false })
      yield* isQuiet(rpc, server)
    }))

  it.effect("fails with ThreadBusy while a goal runs on the thread, and not when it is over", () =>
    Effect.gen(function*() {
      const { goals, observers, rpc, server, turn, turns } = yield* open
      const other = goalsOf(turns, threadId)
      const running = () => turns.threads.goalOn(threadId)
      for (const again of [goals.startGoal("More."), other.startGoal("More."), other.resumeGoal()]) {
        assert.deepInclude(yield* Effect.flip(again), { _tag: "ThreadBusy", activeTurnId: "t1" })
      }
      yield* server.send(Fake.completed("t1"))
      yield* isQuiet(rpc, server)
      assert.strictEqual(running()?.id, "t1")
      const idle = yield* Effect.forkScoped(running()?.awaitEnd ?? Effect.die("no goal runs"))
      yield* server.send(updated("complete"))
      yield* idle.pipe(Fiber.join)
      yield* turn.result
      assert.isUndefined(running())
      const next = yield* Effect.forkScoped(other.startGoal("More."))
      yield* answer(server, "thread/read", threadRead())
      yield* server.expect("thread/goal/clear")
      assert.deepInclude(yield* Effect.flip(goals.startGoal("More.")), { _tag: "ThreadBusy", activeTurnId: "" })
      assert.strictEqual(observers.count, 2)
      yield* Fiber.interrupt(next)
      assert.strictEqual(observers.count, 1)
    }))

  it.effect("takes a thread whose last turn failed", () =>
    Effect.gen(function*() {
      const { goals, server } = yield* connect
      yield* Effect.forkScoped(goals.startGoal("Do it."))
      yield* answer(server, "thread/read", threadRead({ status: { type: "systemError" } }))
      yield* server.expect("thread/goal/clear")
    }))

  it.effect("refuses a thread that is not loaded", () =>
    Effect.gen(function*() {
      const { goals, rpc, server } = yield* connect
      const starting = yield* Effect.forkScoped(Effect.flip(goals.startGoal("Do it.")))
      yield* answer(server, "thread/read", threadRead({ status: { type: "notLoaded" } }))
      assert.strictEqual((yield* Fiber.join(starting))._tag, "ThreadNotFound")
      yield* isQuiet(rpc, server)
    }))

  it.effect("refuses an ephemeral thread", () =>
    Effect.gen(function*() {
      const { goals, observers, rpc, server } = yield* connect
      const starting = yield* Effect.forkScoped(Effect.flip(goals.startGoal("Do it.")))
      yield* answer(server, "thread/read", threadRead({ ephemeral: true }))
      assert.deepInclude(yield* Fiber.join(starting), { _tag: "InvalidArgument", argument: "thread" })
      yield* isQuiet(rpc, server)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("fails with the server's refusal and leaves nothing behind", () =>
    Effect.gen(function*() {
      const { goals, observers, rpc, server } = yield* connect
      const starting = yield* Effect.forkScoped(Effect.flip(goals.startGoal("Do it.")))
      yield* server.refuse(yield* upToSet(server), -32600, "goals feature is disabled")
      const error = yield* Fiber.join(starting)
      assert.strictEqual(kindOf(error), "RpcError: invalidRequest")
      assert.include(error.message, "goals feature is disabled")
      yield* isQuiet(rpc, server)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("waits 30 seconds for a turn to begin, then pauses and interrupts", () =>
    Effect.gen(function*() {
      const { goals, observers, rpc, server } = yield* connect
      const starting = yield* Effect.forkScoped(Effect.flip(goals.startGoal("Do it.")))
      yield* server.send(setReply(yield* upToSet(server)), updated("active"))
      yield* Effect.yieldNow
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(starting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* pauseAndInterrupt(server, "")
      yield* answer(server, "thread/read", threadRead())
      assert.deepInclude(yield* Fiber.join(starting), {
        _tag: "AppServerTimeout",
        method: "turn/started",
        timeout: 30_000
      })
      yield* isQuiet(rpc, server)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("sets the goal active again without another objective when it is resumed", () =>
    Effect.gen(function*() {
      const { goals, server } = yield* connect
      const starting = yield* Effect.forkScoped(goals.resumeGoal())
      yield* answer(server, "thread/read", threadRead())
      const set = yield* server.expect("thread/goal/set")
      assert.deepStrictEqual(set.params, { threadId, status: "active" })
      yield* server.send(
        setReply(set),
        updated("active"),
        Fake.started("t1"),
        Fake.completed("t1"),
        updated("complete")
      )
      const turn = yield* Fiber.join(starting)
      assert.strictEqual((yield* turn.result).status, "completed")
    }))
})

describe("the turns of a goal", () => {
  it.effect("are one turn: one id, one start, one end, all items, all usage, the times from first to last", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open
      yield* server.send(
        Fake.delta("t1", "m1", "one "),
        // Of a turn that is not the goal's.
        Fake.delta("t0", "m0", "late "),
        Fake.completed("t0", "failed"),
        Fake.itemCompleted("t1", Fake.agentMessage("m1", "one ")),
        Fake.tokenUsage("t1", 10, 110),
        updated("active", "t1"),
        Fake.completed("t1")
      )
      const early = yield* Effect.forkScoped(Stream.runCollect(turn.events))
      yield* server.send(
        Fake.notification("turn/started", { threadId, turn: Fake.turn("t2", "inProgress", { startedAt: 1795374500 }) }),
        Fake.delta("t2", "m2", "t"),
        Fake.delta("t2", "m2", "wo"),
        Fake.itemCompleted("t2", Fake.agentMessage("m2", "two")),
        Fake.tokenUsage("t2", 5, 115),
        updated("complete", "t2"),
        Fake.completed("t2", "completed", { startedAt: 1795374500, completedAt: 1795374529, durationMs: 28_500 }),
        Fake.delta("t2", "m3", "late")
      )
      assert.strictEqual(turn.id, "t1")
      assert.strictEqual(turn.threadId, threadId)
      const events = yield* Fiber.join(early)
      assert.deepStrictEqual(events.map((event) => event._tag), [
        "turn/started",
        "item/agentMessage/delta",
        "item/completed",
        "thread/tokenUsage/updated",
        "item/agentMessage/delta",
        "item/agentMessage/delta",
        "item/completed",
        "thread/tokenUsage/updated",
        "turn/completed"
      ])
      const text = JSON.stringify(events)
      assert.notInclude(text, "t2")
      assert.strictEqual(yield* Stream.mkString(turn.text), "one \n\ntwo")
      const result = yield* turn.result
      assert.strictEqual(result.id, "t1")
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.finalResponse, Option.some("two"))
      assert.strictEqual(result.items.length, 2)
      assert.strictEqual(Option.getOrThrow(result.usage).turn.totalTokens, 15)
      assert.strictEqual(Option.getOrThrow(result.startedAt).epochMilliseconds, 1795374429_000)
      assert.strictEqual(Option.getOrThrow(result.completedAt).epochMilliseconds, 1795374529_000)
      assert.deepStrictEqual(Option.map(result.duration, Duration.toSeconds), Option.some(100))
    }))

  it.effect("that are only one keep the server's duration", () =>
    Effect.gen(function*() {
      const result = yield* outcome(updated("complete", "t1"), Fake.completed("t1"))
      assert.deepStrictEqual(Option.map(result.duration, Duration.toMillis), Option.some(1500))
    }))
})

describe("the end", () => {
  for (const status of ["paused", "blocked", "usageLimited", "budgetLimited", "complete"]) {
    it.effect(`comes when a turn completes and the goal is ${status}, or the goal becomes so after the turn`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* outcome(updated(status, "t1"), Fake.completed("t1"))).status, "completed")
        assert.strictEqual((yield* outcome(Fake.completed("t1"), updated(status))).status, "completed")
      }))
  }

  it.effect("comes when a turn completes and the goal is cleared, or is cleared after the turn", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* outcome(cleared, Fake.completed("t1"))).status, "completed")
      assert.strictEqual((yield* outcome(Fake.completed("t1"), cleared)).status, "completed")
    }))

  it.effect.each(["active", "something newer"])(
    "does not come while the goal is %s",
    (status) =>
      Effect.gen(function*() {
        const { rpc, server, turn } = yield* open
        const waiting = yield* Effect.forkScoped(turn.result)
        yield* server.send(updated(status, "t1"), Fake.completed("t1"), updated(status))
        yield* isQuiet(rpc, server)
        assert.isUndefined(waiting.pollUnsafe())
        yield* server.send(Fake.started("t2"), updated("complete"))
        yield* isQuiet(rpc, server)
        assert.isUndefined(waiting.pollUnsafe())
        yield* server.send(Fake.completed("t2"))
        assert.strictEqual((yield* Fiber.join(waiting)).status, "completed")
      })
  )

  it.effect("comes at once with an interrupted turn", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(outcome(Fake.completed("t1", "interrupted")))
      assert.instanceOf(error, CodexError.TurnInterrupted)
      assert.strictEqual(error.turnId, "t1")
    }))

  it.effect("is TurnFailed when a turn failed and the goal is or becomes blocked, or goes on and completes", () =>
    Effect.gen(function*() {
      const failed = Fake.completed("t1", "failed", { error: serverError })
      const endings = [
        [updated("blocked", "t1"), failed],
        [failed, updated("usageLimited")],
        [failed, Fake.started("t2"), updated("complete", "t2"), Fake.completed("t2")]
      ]
      for (const frames of endings) {
        const error = yield* Effect.flip(outcome(...frames))
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.strictEqual(error.info, "serverOverloaded")
        assert.strictEqual(error.detail, "boom")
        assert.strictEqual(error.turnId, "t1")
      }
    }))

  it.effect("waits for the goal's end after a failed turn", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open
      const waiting = yield* Effect.forkScoped(Effect.flip(turn.result))
      yield* server.send(Fake.completed("t1", "failed", { error: serverError }))
      yield* isQuiet(rpc, server)
      assert.isUndefined(waiting.pollUnsafe())
      yield* server.send(cleared)
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "TurnFailed")
    }))

  it.effect("is a failure that says so when the server tells nothing of the goal", () =>
    Effect.gen(function*() {
      const { goals, server } = yield* connect
      const running = yield* Effect.forkScoped(Effect.flip(goals.runGoal("Do it.")))
      yield* server.send(setReply(yield* upToSet(server)), cleared, Fake.started("t1"), Fake.completed("t1"))
      const error = yield* Fiber.join(running)
      assert.strictEqual(error._tag, "TurnFailed")
      assert.include(error.message, "did not activate goal mode")
    }))

  it.effect("survives frames that make no sense", () =>
    Effect.gen(function*() {
      const result = yield* outcome(
        Fake.notification("thread/goal/updated", { threadId, goal: null }),
        Fake.notification("thread/goal/updated", { threadId, goal: { status: 3 } }),
        Fake.notification("thread/goal/danced", { threadId, turnId: "t1" }),
        Fake.notification("turn/started", { threadId, turn: null }),
        Fake.notification("turn/completed", { threadId, turn: { id: 7 } }),
        Fake.started("t1"),
        Fake.completed("t1", "completed", { startedAt: "yesterday", completedAt: {}, durationMs: [] }),
        Fake.started("t1"),
        updated("complete")
      )
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.duration, Option.none())
    }))

  it.effect("of the connection ends everything with its cause, at every stage", () =>
    Effect.gen(function*() {
      const cause = new CodexError.AppServerExited({ code: 1, signal: null, stderr: [] })
      const stages: ReadonlyArray<(server: Fake.FakeServer) => Effect.Effect<unknown>> = [
        (server) => server.expect("thread/read"),
        upToSet,
        (server) => Effect.flatMap(upToSet(server), (set) => server.send(setReply(set), updated("active"))),
        serveStart,
        (server) => Effect.andThen(serveStart(server), server.send(Fake.completed("t1")))
      ]
      for (const stage of stages) {
        const { goals, observers, server } = yield* connect
        const running = yield* Effect.forkScoped(Effect.flip(goals.runGoal("Do it.")))
        yield* stage(server)
        yield* server.close(cause)
        assert.strictEqual((yield* Fiber.join(running))._tag, "AppServerExited")
        assert.strictEqual(observers.count, 0)
      }
      const { server, turn } = yield* open
      yield* server.send(Fake.completed("t1"))
      const steering = yield* Effect.forkScoped(Effect.flip(turn.steer("left")))
      yield* Effect.yieldNow
      yield* server.close(cause)
      assert.strictEqual((yield* Fiber.join(steering))._tag, "AppServerExited")
      assert.strictEqual(yield* tagOf(Stream.runDrain(turn.events)), "AppServerExited")
      assert.strictEqual(yield* tagOf(turn.result), "AppServerExited")
      assert.strictEqual(yield* tagOf(turn.steer("left")), "AppServerExited")
    }))
})

describe("steering", () => {
  const expectSteer = (server: Fake.FakeServer, expectedTurnId: string) =>
    Effect.tap(
      server.expect("turn/steer"),
      ({ params }) => Effect.sync(() => assert.deepInclude(params, { threadId, expectedTurnId }))
    )

  it.effect("goes to the turn that runs", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open
      yield* server.send(Fake.completed("t1"), Fake.started("t2"))
      yield* isQuiet(rpc, server)
      const steering = yield* Effect.forkScoped(turn.steer("left"))
      const request = yield* expectSteer(server, "t2")
      assert.deepStrictEqual(request.params?.["input"], [{ type: "text", text: "left", text_elements: [] }])
      yield* server.reply(request, { turnId: "t2" })
      yield* Fiber.join(steering)
    }))

  it.effect("waits from the end of a turn to the begin of the next, or to the goal's end", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open
      yield* server.send(Fake.completed("t1"))
      yield* isQuiet(rpc, server)
      const first = yield* Effect.forkScoped(turn.steer("left"))
      yield* isQuiet(rpc, server)
      yield* server.send(updated("active"), Fake.started("t2"))
      yield* server.reply(yield* expectSteer(server, "t2"), { turnId: "t2" })
      yield* Fiber.join(first)
      yield* server.send(Fake.completed("t2"))
      yield* isQuiet(rpc, server)
      const second = yield* Effect.forkScoped(Effect.flip(turn.steer("right")))
      yield* isQuiet(rpc, server)
      yield* server.send(updated("complete"))
      assert.strictEqual((yield* Fiber.join(second))._tag, "NoActiveTurn")
      assert.strictEqual(yield* tagOf(turn.steer("right")), "NoActiveTurn")
      yield* isQuiet(rpc, server)
    }))

  it.effect("is tried once more, with the next turn or with the one that the server names", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open
      const first = yield* Effect.forkScoped(turn.steer("left"))
      yield* server.refuse(yield* expectSteer(server, "t1"), -32600, "no active turn to steer")
      yield* isQuiet(rpc, server)
      yield* server.send(Fake.completed("t1"), Fake.started("t2"))
      yield* server.reply(yield* expectSteer(server, "t2"), { turnId: "t2" })
      yield* Fiber.join(first)

      const mismatch = (found: string) => `expected active turn id \`t2\` but found \`${found}\``
      const second = yield* Effect.forkScoped(turn.steer("left"))
      yield* server.refuse(yield* expectSteer(server, "t2"), -32600, mismatch("t3"))
      yield* server.reply(yield* expectSteer(server, "t3"), { turnId: "t3" })
      yield* Fiber.join(second)

      const third = yield* Effect.forkScoped(Effect.flip(turn.steer("left")))
      yield* server.refuse(yield* expectSteer(server, "t2"), -32600, mismatch("t3"))
      yield* server.refuse(yield* expectSteer(server, "t3"), -32600, mismatch("t4"))
      assert.strictEqual((yield* Fiber.join(third))._tag, "TurnMismatch")
    }))
})

describe("interrupting", () => {
  it.effect("pauses the goal and then interrupts the turn that runs, and is idempotent", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open
      yield* server.send(Fake.completed("t1"), Fake.started("t2"))
      yield* isQuiet(rpc, server)
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      yield* pauseAndInterrupt(server, "t2")
      yield* Fiber.join(interrupting)
      yield* server.send(Fake.completed("t2", "interrupted"))
      assert.strictEqual((yield* turn.result).status, "interrupted")
      yield* turn.interrupt
      yield* isQuiet(rpc, server)
    }))

  it.effect("between two turns ends the goal as interrupted when the request is settled and not before", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open
      yield* server.send(Fake.completed("t1"))
      const waiting = yield* Effect.forkScoped(turn.result)
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      const pause = yield* expectPause(server)
      yield* server.send(Fake.frame({ id: pause.id, result: { goal: goal("paused") } }), updated("paused"))
      const request = yield* expectInterrupt(server, "t1")
      yield* isQuiet(rpc, server)
      assert.isUndefined(waiting.pollUnsafe())
      yield* server.refuse(request, -32600, "no active turn to interrupt")
      yield* Fiber.join(interrupting)
      const result = yield* Fiber.join(waiting)
      assert.strictEqual(result.status, "interrupted")
      assert.strictEqual((yield* Stream.runCollect(turn.events)).at(-1)?._tag, "turn/completed")
    }))

  it.effect("follows the server to the turn that runs instead, once", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open
      const first = yield* Effect.forkScoped(turn.interrupt)
      yield* server.reply(yield* expectPause(server), { goal: goal("paused") })
      yield* server.refuse(
        yield* expectInterrupt(server, "t1"),
        -32600,
        "expected active turn id t1 but found t2"
      )
      yield* server.reply(yield* expectInterrupt(server, "t2"), {})
      yield* Fiber.join(first)
      // The next turn had begun when the server refused.
      const second = yield* Effect.forkScoped(turn.interrupt)
      yield* server.reply(yield* expectPause(server), { goal: goal("paused") })
      const request = yield* expectInterrupt(server, "t1")
      yield* server.send(
        Fake.completed("t1"),
        Fake.started("t2"),
        Fake.frame({ id: request.id, error: { code: -32600, message: "no active turn to interrupt" } })
      )
      yield* server.reply(yield* expectInterrupt(server, "t2"), {})
      yield* Fiber.join(second)
      yield* server.send(Fake.completed("t2", "interrupted"))
      assert.strictEqual((yield* turn.result).status, "interrupted")
    }))

  it.effect("interrupts the turn also when the goal is gone or cannot be paused, and tells the latter", () =>
    Effect.gen(function*() {
      for (
        const [code, message, tag] of [
          [-32600, "cannot update goal for thread t: no goal exists", undefined],
          [-32001, "Server overloaded; retry later.", "ServerOverloaded"]
        ] as const
      ) {
        const { server, turn } = yield* open
        const interrupting = yield* Effect.forkScoped(Effect.exit(turn.interrupt))
        yield* server.refuse(yield* expectPause(server), code, message)
        yield* server.reply(yield* expectInterrupt(server, "t1"), {})
        const exit = yield* Fiber.join(interrupting)
        assert.strictEqual(
          Exit.isFailure(exit) ? Option.getOrThrow(Cause.findErrorOption(exit.cause))._tag : undefined,
          tag
        )
        yield* server.send(Fake.completed("t1", "interrupted"))
        assert.strictEqual((yield* turn.result).status, "interrupted")
      }
    }))

  it.effect("that fails does not make a completed goal an interrupted one", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open
      const interrupting = yield* Effect.forkScoped(Effect.flip(turn.interrupt))
      yield* server.reply(yield* expectPause(server), { goal: goal("paused") })
      yield* server.send(Fake.completed("t1"), updated("paused"))
      yield* server.refuse(yield* expectInterrupt(server, "t1"), -32603, "no")
      assert.strictEqual(kindOf(yield* Fiber.join(interrupting)), "RpcError: internal")
      assert.strictEqual((yield* turn.result).status, "completed")
    }))

  it.effect("is over when the turn was interrupted by somebody else meanwhile", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      yield* expectPause(server)
      yield* server.send(Fake.completed("t1", "interrupted"))
      yield* Fiber.join(interrupting)
      assert.strictEqual((yield* turn.result).status, "interrupted")
    }))
})

describe("letting go", () => {
  it.effect("pauses the goal, interrupts the turn and waits for its end when the scope closes", () =>
    Effect.gen(function*() {
      const { close, observers, rpc, server, turn } = yield* open
      const closing = yield* Effect.forkScoped(close)
      yield* pauseAndInterrupt(server, "t1")
      yield* isQuiet(rpc, server)
      assert.isUndefined(closing.pollUnsafe())
      yield* server.send(Fake.completed("t1", "interrupted"))
      yield* Fiber.join(closing)
      assert.strictEqual((yield* turn.result).status, "interrupted")
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("is bounded when the server says nothing", () =>
    Effect.gen(function*() {
      const { close, observers, server, turn, turns } = yield* open
      const closing = yield* Effect.forkScoped(close)
      yield* expectPause(server)
      yield* TestClock.adjust("2.5 seconds")
      yield* expectInterrupt(server, "t1")
      yield* TestClock.adjust("7 seconds")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("0.5 seconds")
      yield* Fiber.join(closing)
      // Who still waits for it does not wait for ever.
      assert.deepInclude(yield* Effect.flip(turn.result), { _tag: "TransportError", reason: "closed" })
      assert.deepInclude(yield* Effect.flip(turn.steer("left")), { _tag: "TransportError", reason: "closed" })
      assert.strictEqual(observers.count, 0)
      assert.isUndefined(turns.threads.goalOn(threadId))
    }))

  it.effect("sends nothing when the goal is over", () =>
    Effect.gen(function*() {
      const { close, observers, rpc, server, turn } = yield* open
      yield* server.send(Fake.completed("t1"), updated("complete"))
      yield* turn.result
      yield* close
      yield* isQuiet(rpc, server)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("of run does the same when its fiber is interrupted", () =>
    Effect.gen(function*() {
      const { goals, observers, server } = yield* connect
      const running = yield* Effect.forkScoped(goals.runGoal("Do it."))
      yield* serveStart(server)
      yield* Effect.yieldNow
      const stopping = yield* Effect.forkScoped(Fiber.interrupt(running))
      yield* pauseAndInterrupt(server, "t1")
      yield* server.send(Fake.completed("t1", "interrupted"))
      yield* Fiber.join(stopping)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("of a start that has not set the goal sends nothing more", () =>
    Effect.gen(function*() {
      for (const stage of ["thread/read", "thread/goal/clear"]) {
        const { goals, observers, rpc, server, turns } = yield* connect
        const starting = yield* Effect.forkScoped(goals.startGoal("Do it."))
        if (stage === "thread/goal/clear") yield* answer(server, "thread/read", threadRead())
        yield* server.expect(stage)
        yield* Fiber.interrupt(starting)
        yield* isQuiet(rpc, server)
        assert.strictEqual(observers.count, 0)
        assert.isUndefined(turns.threads.goalOn(threadId))
      }
    }))

  it.effect("of a start whose request is unanswered waits for the answer and stops what it started", () =>
    Effect.gen(function*() {
      const { goals, observers, rpc, server } = yield* connect
      const starting = yield* Effect.forkScoped(goals.startGoal("Do it."))
      const set = yield* upToSet(server)
      const stopping = yield* Effect.forkScoped(Fiber.interrupt(starting))
      yield* Effect.yieldNow
      yield* server.send(setReply(set), updated("active"))
      yield* pauseAndInterrupt(server, "")
      yield* answer(server, "thread/read", threadRead({ status: { type: "active", activeFlags: [] } }))
      yield* isQuiet(rpc, server)
      assert.isUndefined(stopping.pollUnsafe())
      yield* server.send(Fake.started("t1"), Fake.completed("t1", "interrupted"))
      yield* Fiber.join(stopping)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("of a start whose request is never answered pauses and interrupts all the same", () =>
    Effect.gen(function*() {
      const { goals, observers, server } = yield* connect
      const starting = yield* Effect.forkScoped(goals.startGoal("Do it."))
      yield* upToSet(server)
      const stopping = yield* Effect.forkScoped(Fiber.interrupt(starting))
      yield* Effect.yieldNow
      yield* TestClock.adjust("2.5 seconds")
      yield* pauseAndInterrupt(server, "")
      yield* answer(server, "thread/read", threadRead())
      yield* Fiber.join(stopping)
      assert.strictEqual(observers.count, 0)
    }))

  it.effect("of a start whose turn has not begun does not wait for a turn that never comes", () =>
    Effect.gen(function*() {
      const { goals, observers, server } = yield* connect
      const starting = yield* Effect.forkScoped(goals.startGoal("Do it."))
      yield* server.send(setReply(yield* upToSet(server)), updated("active"))
      yield* Effect.yieldNow
      const stopping = yield* Effect.forkScoped(Fiber.interrupt(starting))
      yield* pauseAndInterrupt(server, "")
      yield* answer(server, "thread/read", threadRead())
      yield* Fiber.join(stopping)
      assert.strictEqual(observers.count, 0)
    }))
})

describe("a goal of which nothing is heard", () => {
  const stored = (...turns: ReadonlyArray<object>) => ({ data: turns, nextCursor: null, backwardsCursor: null })

  /** A goal that is over its time, after these frames, and what the server has stored of its turn then. */
  const silent = Effect.fnUntraced(function*(frames: ReadonlyArray<string>, turn: object) {
    const connected = yield* connect
    const { goals, server } = connected
    const run = yield* Effect.forkScoped(Effect.exit(goals.runGoal("Do it.", { stallTimeout: "1 minute" })))
    yield* serveStart(server)
    yield* server.send(...frames)
    yield* TestClock.adjust("1 minute")
    yield* answer(server, "thread/turns/list", stored(Fake.turn("t1", "completed"), turn))
    return { ...connected, run }
  })

  it.effect("ends as the server has stored it", () =>
    Effect.gen(function*() {
      const text = Fake.agentMessage("m2", "both are done")
      const { run, server } = yield* silent(
        [Fake.completed("t1"), Fake.started("t2"), Fake.itemCompleted("t2", text)],
        Fake.turn("t2", "completed", { items: [text, Fake.agentMessage("m3", "all is done")] })
      )
      yield* answer(server, "thread/goal/get", { goal: goal("complete") })
      const result = yield* yield* Fiber.join(run)
      assert.deepInclude(result, { id: "t1", status: "completed", finalResponse: Option.some("all is done") })
      assert.deepStrictEqual(result.items.map(({ id }) => id), ["m2", "m3"])
    }))

  it.effect("ends when the server has no goal any more, or has stored its last turn as interrupted", () =>
    Effect.gen(function*() {
      const gone = yield* silent([], Fake.turn("t1", "completed"))
      yield* answer(gone.server, "thread/goal/get", { goal: null })
      assert.strictEqual((yield* yield* Fiber.join(gone.run)).status, "completed")
      const interrupted = yield* silent([Fake.completed("t1"), Fake.started("t2")], Fake.turn("t2", "interrupted"))
      yield* answer(interrupted.server, "thread/goal/get", { goal: goal("active") })
      const error = yield* Effect.flip(yield* Fiber.join(interrupted.run))
      assert.strictEqual(error._tag, "TurnInterrupted")
    }))

  it.effect("is paused and interrupted when a turn of it runs, and is TurnStalled with what it did", () =>
    Effect.gen(function*() {
      const { run, server } = yield* silent(
        [Fake.completed("t1"), Fake.started("t2"), Fake.itemStarted("t2", Fake.runningCommand)],
        Fake.turn("t2")
      )
      yield* pauseAndInterrupt(server, "t2")
      yield* server.send(Fake.completed("t2", "interrupted"))
      const error = yield* Effect.flip(yield* Fiber.join(run))
      assert.deepInclude(error, { _tag: "TurnStalled", turnId: "t1", stallTimeout: 60_000 })
    }))

  it.effect("is TurnStalled between two turns too, and when the server does not answer any more", () =>
    Effect.gen(function*() {
      const { run, server } = yield* silent([Fake.completed("t1")], Fake.turn("t0"))
      yield* answer(server, "thread/goal/get", { goal: goal("active") })
      yield* expectPause(server)
      yield* TestClock.adjust("2.5 seconds")
      yield* expectInterrupt(server, "t1")
      yield* TestClock.adjust("7.5 seconds")
      assert.strictEqual((yield* Effect.flip(yield* Fiber.join(run)))._tag, "TurnStalled")
    }))

  it.effect("is not stalled while it speaks, and while a handler of ours lets it wait", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect({ handlers: { "item/tool/call": () => Effect.never } })
      const starting = yield* Effect.forkScoped(codex.startThread({ stallTimeout: "1 minute" }))
      yield* answer(server, "thread/start", Fake.threadStarted())
      const thread = yield* Fiber.join(starting)
      const run = yield* Effect.forkScoped(Effect.exit(thread.runGoal("Do it.")))
      yield* Effect.addFinalizer(() => server.close())
      yield* serveStart(server)
      yield* TestClock.adjust("50 seconds")
      yield* server.send(Fake.completed("t1"), Fake.started("t2"))
      yield* TestClock.adjust("50 seconds")
      yield* server.send(Fake.ask("item/tool/call", 0, { turnId: "t2" }))
      yield* TestClock.adjust("50 minutes")
      assert.isUndefined(run.pollUnsafe())
      yield* server.send(Fake.notification("serverRequest/resolved", { threadId, requestId: 0 }))
      yield* TestClock.adjust("1 minute")
      yield* server.expect("thread/turns/list")
    }))

  it.effect("has a limit that has to be a duration", () =>
    Effect.gen(function*() {
      const { goals } = yield* connect
      const error = yield* Effect.flip(goals.runGoal("Do it.", { stallTimeout: "soon" as Duration.Input }))
      assert.deepInclude(error, { _tag: "InvalidArgument", argument: "stallTimeout" })
    }))
})

describe("the goal of a thread", () => {
  it.effect("is what the server keeps, none, paused, cleared", () =>
    Effect.gen(function*() {
      const { goals, server } = yield* connect
      const some = yield* Effect.forkScoped(goals.goal)
      yield* answer(server, "thread/goal/get", { goal: goal("active", { tokenBudget: 7, timeUsedSeconds: 90 }) })
      const found = Option.getOrThrow(yield* Fiber.join(some))
      assert.deepStrictEqual([found.objective, found.status, found.tokenBudget], ["Do it.", "active", Option.some(7)])
      assert.strictEqual(Duration.toMillis(found.timeUsed), 90_000)
      assert.strictEqual(Option.getOrThrow(found.createdAt).epochMilliseconds, 1795374429_000)
      const none = yield* Effect.forkScoped(goals.goal)
      yield* answer(server, "thread/goal/get", { goal: null })
      assert.deepStrictEqual(yield* Fiber.join(none), Option.none())
      const paused = yield* Effect.forkScoped(goals.pauseGoal)
      yield* server.reply(yield* expectPause(server), { goal: goal("paused") })
      assert.strictEqual((yield* Fiber.join(paused)).status, "paused")
      const clearing = yield* Effect.forkScoped(goals.clearGoal)
      yield* answer(server, "thread/goal/clear", { cleared: true })
      assert.isTrue(yield* Fiber.join(clearing))
    }))
})
