/** A thread that runs a turn already, in memory. */
import { AppServerRpc, Budget, Codex, type CodexError, type Thread } from "@effect-codex/client"
import { CodexTest } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

const reply = (request: Fake.Message, turnId: string) =>
  Fake.frame({ id: request.id, result: { turn: Fake.turn(turnId) } })

const userMessage = (turnId: string, clientId: unknown) =>
  Fake.notification("item/started", {
    threadId: Fake.threadId,
    turnId,
    startedAtMs: 1,
    item: { type: "userMessage", id: `message of ${turnId}`, clientId, content: [] }
  })

/** A thread on which a turn of ours is running. */
const running = Effect.gen(function*() {
  const connected = yield* Fake.connectThread()
  const first = yield* Effect.forkScoped(Effect.exit(connected.thread.run("one")))
  const request = yield* connected.server.expect("turn/start")
  yield* connected.server.send(reply(request, "turn-1"), Fake.started("turn-1"))
  return { ...connected, first }
})

describe("whenBusy: queue", () => {
  it.effect("starts the turns one after the other, in the order of the calls", () =>
    Effect.gen(function*() {
      const { first, server, thread } = yield* running
      const queued = yield* Effect.forEach([2, 3], (n) =>
        Effect.tap(Effect.forkScoped(thread.run(`number ${n}`, { whenBusy: "queue" })), Effect.yieldNow))
      assert.deepInclude(yield* Effect.flip(thread.run("not waiting")), { _tag: "ThreadBusy", delivered: false })
      yield* server.send(Fake.completed("turn-1"))
      for (const n of [2, 3]) {
        const request = yield* server.expect("turn/start")
        assert.deepInclude(request.params?.["input"], { type: "text", text: `number ${n}`, text_elements: [] })
        yield* server.send(reply(request, `turn-${n}`), Fake.started(`turn-${n}`), Fake.completed(`turn-${n}`))
      }
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(first)))
      for (const fiber of queued) {
        assert.strictEqual((yield* Fiber.join(fiber)).status, "completed")
      }
    }))

  it.effect("does not start a turn that was interrupted while it waited", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* running
      const queued = yield* Effect.forkScoped(thread.run("two", { whenBusy: "queue" }))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(queued)
      yield* server.send(Fake.completed("turn-1"))
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))

  it.effect("hears of its turn although the thread was unsubscribed while it waited", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* running
      yield* Effect.forkScoped(Effect.exit(thread.run("two", { whenBusy: "queue" })))
      // It waits once a later call has been answered.
      const naming = yield* Effect.forkScoped(thread.setName("a name"))
      yield* Effect.flatMap(server.expect("thread/name/set"), (request) => server.reply(request, {}))
      yield* Fiber.join(naming)
      const leaving = yield* Effect.forkScoped(thread.unsubscribe)
      yield* Effect.flatMap(server.expect("thread/unsubscribe"), (request) =>
        server.reply(request, { status: "unsubscribed" }))
      yield* Fiber.join(leaving)
      yield* server.send(Fake.completed("turn-1"))
      assert.strictEqual((yield* server.next).method, "thread/resume")
      yield* server.close()
    }))

  it.effect("fails with the connection's cause when that ends while it waits", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* running
      const queued = yield* Effect.forkScoped(Effect.flip(thread.run("two", { whenBusy: "queue" })))
      yield* Effect.yieldNow
      yield* server.close()
      assert.strictEqual((yield* Fiber.join(queued))._tag, "TransportError")
    }))
})

describe("whenBusy: steer", () => {
  it.effect("says the input to the running turn and shares it; only its owner stops it", () =>
    Effect.gen(function*() {
      const { first, rpc, server, thread } = yield* running
      const scope = yield* Scope.make()
      const steering = yield* thread.turn("more", { whenBusy: "steer" }).pipe(Scope.provide(scope), Effect.forkScoped)
      const steer = yield* server.expect("turn/steer")
      assert.deepInclude(steer.params, { expectedTurnId: "turn-1" })
      yield* server.reply(steer, { turnId: "turn-1" })
      const turn = yield* Fiber.join(steering)
      assert.strictEqual(turn.id, "turn-1")
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
      yield* server.send(Fake.itemCompleted("turn-1", Fake.agentMessage("m", "both")), Fake.completed("turn-1"))
      assert.deepStrictEqual((yield* yield* Fiber.join(first)).finalResponse, Option.some("both"))
    }))

  it.effect("gives the events from there on, also of a turn that run started", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* running
      const steering = yield* Effect.forkScoped(thread.turn("more", { whenBusy: "steer" }))
      yield* Effect.flatMap(server.expect("turn/steer"), (steer) => server.reply(steer, { turnId: "turn-1" }))
      const turn = yield* Fiber.join(steering)
      yield* server.send(Fake.delta("turn-1", "m", "steered"), Fake.completed("turn-1"))
      assert.deepStrictEqual(yield* Stream.runCollect(turn.text), ["steered"])
    }))

  it.effect("can interrupt a turn whose beginning was not heard", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* running
      const steering = yield* Effect.forkScoped(thread.turn("more", { whenBusy: "steer" }))
      yield* Effect.flatMap(server.expect("turn/steer"), (steer) =>
        server.refuse(steer, -32600, "expected active turn id `turn-1` but found `turn-9`"))
      yield* Effect.flatMap(server.expect("turn/steer"), (steer) =>
        server.reply(steer, { turnId: "turn-9" }))
      const turn = yield* Fiber.join(steering)
      const interrupting = yield* Effect.forkScoped(turn.interrupt)
      yield* Effect.flatMap(server.expect("turn/interrupt"), (interrupt) => server.reply(interrupt, {}))
      yield* Fiber.join(interrupting)
      yield* server.send(Fake.completed("turn-9", "interrupted"), Fake.completed("turn-1"))
    }))

  it.effect("starts a turn when the running one ended on the way", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* running
      const steering = yield* Effect.forkScoped(thread.run("more", { whenBusy: "steer" }))
      const steer = yield* server.expect("turn/steer")
      yield* server.send(Fake.completed("turn-1"))
      yield* server.refuse(steer, -32600, "no active turn to steer")
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request, "turn-2"), Fake.started("turn-2"), Fake.completed("turn-2"))
      assert.strictEqual((yield* Fiber.join(steering)).id, "turn-2")
    }))

  it.effect("steers the turn that the server says is running", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* running
      const steering = yield* Effect.forkScoped(thread.run("more", { whenBusy: "steer" }))
      const steer = yield* server.expect("turn/steer")
      yield* server.refuse(steer, -32600, "expected active turn id `turn-1` but found `turn-9`")
      const again = yield* server.expect("turn/steer")
      assert.deepInclude(again.params, { expectedTurnId: "turn-9" })
      yield* server.reply(again, { turnId: "turn-9" })
      yield* server.send(Fake.completed("turn-9"), Fake.completed("turn-1"))
      assert.strictEqual((yield* Fiber.join(steering)).id, "turn-9")
    }))
})

describe("a turn of another client", () => {
  it.effect("that takes our input under its own id is ThreadBusy, and is not interrupted by us", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const ours = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      const request = yield* server.expect("turn/start")
      // 0.169 answers with the id of the turn that is running.
      const ourId = request.params?.["clientUserMessageId"]
      yield* server.send(reply(request, "theirs"), userMessage("theirs", ourId))
      // Its beginning was not heard, which may have been lost: what it began with tells whose it is.
      const list = yield* server.expect("thread/turns/list")
      const items = ["their id", ourId].map((clientId) => ({
        type: "userMessage",
        id: clientId,
        clientId,
        content: []
      }))
      yield* server.reply(list, { data: [Fake.turn("theirs", "inProgress", { items })], nextCursor: null })
      assert.deepInclude(yield* Fiber.join(ours), { _tag: "ThreadBusy", activeTurnId: "theirs", delivered: true })
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))

  it.effect("is told from our own whose beginning was not told", () =>
    Effect.gen(function*() {
      for (const isStored of [true, false]) {
        const { server, thread } = yield* Fake.connectThread()
        const ours = yield* Effect.forkScoped(thread.run("go"))
        const next = yield* Effect.forkScoped(thread.run("next", { whenBusy: "queue" }))
        const request = yield* server.expect("turn/start")
        const ourId = request.params?.["clientUserMessageId"]
        yield* server.send(reply(request, "ours"), userMessage("ours", ourId))
        const list = yield* server.expect("thread/turns/list")
        const items = [{ type: "userMessage", id: "u", clientId: ourId, content: [] }]
        const data = isStored ? [Fake.turn("ours", "inProgress", { items })] : []
        yield* server.reply(list, { data, nextCursor: null })
        yield* server.send(Fake.itemCompleted("ours", Fake.agentMessage("a", "Done.")), Fake.completed("ours"))
        assert.deepStrictEqual((yield* Fiber.join(ours)).finalResponse, Option.some("Done."))
        const other = yield* server.expect("turn/start")
        yield* server.send(reply(other, "turn-2"), Fake.started("turn-2"), Fake.completed("turn-2"))
        assert.strictEqual((yield* Fiber.join(next)).id, "turn-2")
      }
    }))

  it.effect("that takes our input while the server gives us an id that never begins is ThreadBusy", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const ours = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request, "phantom"), userMessage("theirs", request.params?.["clientUserMessageId"]))
      assert.deepInclude(yield* Fiber.join(ours), { _tag: "ThreadBusy", activeTurnId: "theirs", delivered: true })
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      yield* server.expect("model/list")
    }))
})

describe("what a turn asks before the reply to the request that starts ours", () => {
  const method = "item/commandExecution/requestApproval"

  /** Starts a turn whose handler accepts. */
  const accepting = Effect.gen(function*() {
    const connected = yield* Fake.connectThread()
    const ours = yield* Effect.forkScoped(
      connected.thread.run("go", { handlers: { [method]: () => Effect.succeed({ decision: "accept" }) } })
    )
    const request = yield* connected.server.expect("turn/start")
    return { ...connected, ours, request, ourId: request.params?.["clientUserMessageId"] }
  })

  it.effect("is not answered by our handler if the turn is another client's", () =>
    Effect.gen(function*() {
      const { ours, request, server } = yield* accepting
      yield* server.send(
        Fake.started("other"),
        userMessage("other", "somebody-else"),
        Fake.ask(method, "a", { turnId: "other" })
      )
      assert.deepInclude(yield* server.next, { id: "a", result: { decision: "decline" } })
      yield* server.send(Fake.completed("other"), reply(request, "ours"), Fake.started("ours"), Fake.completed("ours"))
      assert.strictEqual((yield* Fiber.join(ours)).id, "ours")
    }))

  it.effect("is not answered by it either if the reply names that turn, which took in our message", () =>
    Effect.gen(function*() {
      const { ourId, ours, request, server } = yield* accepting
      const failing = yield* Effect.forkScoped(Effect.flip(Fiber.join(ours)))
      yield* server.send(
        Fake.started("other"),
        userMessage("other", "somebody-else"),
        userMessage("other", ourId),
        reply(request, "other"),
        Fake.ask(method, "a", { turnId: "other" })
      )
      assert.deepInclude(yield* server.next, { id: "a", result: { decision: "decline" } })
      assert.deepInclude(yield* Fiber.join(failing), { _tag: "ThreadBusy", activeTurnId: "other", delivered: true })
    }))

  it.effect("is answered by it at once if the turn began with our message, also for a subagent", () =>
    Effect.gen(function*() {
      const { ourId, ours, request, server } = yield* accepting
      const subagent = { threadId: "thread-2", turn: Fake.turn("sub", "inProgress", { rootTurnId: "ours" }) }
      yield* server.send(
        Fake.started("ours"),
        userMessage("ours", ourId),
        Fake.ask(method, "a", { turnId: "ours" }),
        Fake.notification("turn/started", subagent),
        Fake.ask(method, "b", { threadId: "thread-2", turnId: "sub" })
      )
      for (const id of ["a", "b"]) assert.deepInclude(yield* server.next, { id, result: { decision: "accept" } })
      yield* server.send(reply(request, "ours"), Fake.completed("ours"))
      assert.strictEqual((yield* Fiber.join(ours)).id, "ours")
    }))

  const silent: ReadonlyArray<readonly [how: string, turnId: string, decision: string]> = [
    ["by our handler if that is the turn", "ours", "accept"],
    ["by nobody's handler if that is another turn", "other", "decline"]
  ]
  it.effect.each(silent)("waits for the reply where the turn does not say whose it is, and is answered %s", (
    [, turnId, decision]
  ) =>
    Effect.gen(function*() {
      const { ours, request, server, thread } = yield* accepting
      yield* server.send(Fake.started(turnId), Fake.ask(method, "a", { turnId }))
      // This reaches the server first, though the request came before it.
      const naming = yield* Effect.forkScoped(thread.setName("a name"))
      yield* Effect.flatMap(server.expect("thread/name/set"), (request) => server.reply(request, {}))
      yield* Fiber.join(naming)
      yield* server.send(reply(request, "ours"))
      assert.deepInclude(yield* server.next, { id: "a", result: { decision } })
      yield* server.send(Fake.started("ours"), Fake.completed("ours"))
      assert.strictEqual((yield* Fiber.join(ours)).id, "ours")
    }))

  it.effect("is answered by the thread's handler if the turn is our review", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const opening = yield* Effect.forkScoped(
        codex.startThread({ handlers: { [method]: () => Effect.succeed({ decision: "accept" }) } })
      )
      yield* Effect.flatMap(server.expect("thread/start"), (request) =>
        server.reply(request, Fake.threadOpened(request.params)))
      const thread = yield* Fiber.join(opening)
      yield* Effect.forkScoped(Effect.exit(thread.review({ type: "uncommittedChanges" })))
      const request = yield* server.expect("review/start")
      yield* server.send(
        Fake.started("review"),
        userMessage("review", null),
        reply(request, "review"),
        Fake.ask(method, "a", { turnId: "review" })
      )
      assert.deepInclude(yield* server.next, { id: "a", result: { decision: "accept" } })
      yield* server.close()
    }))
})

describe("a turn of another client that is over when the reply comes", () => {
  it.effect("is ThreadBusy at once, and leaves the thread free", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const ours = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      // Keeps the thread's route, and what it knows of the thread, while ours ends.
      const other = yield* Effect.forkScoped(thread.run("next", { whenBusy: "queue" }))
      const request = yield* server.expect("turn/start")
      yield* server.send(userMessage("theirs", request.params?.["clientUserMessageId"]), Fake.completed("theirs"))
      yield* Effect.yieldNow
      yield* server.send(reply(request, "phantom"))
      assert.deepInclude(yield* Fiber.join(ours), { _tag: "ThreadBusy", activeTurnId: "theirs", delivered: true })
      const next = yield* server.expect("turn/start")
      yield* server.send(reply(next, "turn-2"), Fake.started("turn-2"), Fake.completed("turn-2"))
      assert.strictEqual((yield* Fiber.join(other)).id, "turn-2")
    }))
})

describe("a turn that is over", () => {
  it.effect("does not run again because its beginning is told late or once more", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const scope = yield* Scope.make()
      const starting = yield* Effect.forkScoped(Scope.provide(thread.turn("one"), scope))
      const first = yield* server.expect("turn/start")
      yield* server.send(reply(first, "turn-1"), Fake.started("turn-1"), Fake.completed("turn-1"))
      assert.strictEqual((yield* (yield* Fiber.join(starting)).result).status, "completed")
      for (const [n, whenBusy] of (["fail", "queue"] as const).entries()) {
        yield* server.send(Fake.started("turn-1"))
        const again = yield* Effect.forkScoped(thread.run("two", { whenBusy }))
        const request = yield* server.expect("turn/start")
        const id = `turn-${n + 2}`
        yield* server.send(Fake.started("turn-1"), reply(request, id), Fake.started(id), Fake.completed(id))
        assert.strictEqual((yield* Fiber.join(again)).id, id)
      }
      yield* Scope.close(scope, Exit.void)
    }))

  it.effect("leaves the thread free when its end is not told", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const queued = yield* Effect.forkScoped(
        thread.run("waits", { whenBusy: "queue" }).pipe(
          Effect.delay("1 second")
        )
      )
      const running = yield* Effect.forkScoped(Effect.exit(thread.run("one")))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request, "turn-1"), Fake.started("turn-1"))
      yield* TestClock.adjust("1 second")
      const status = { threadId: Fake.threadId, status: { type: "idle" } }
      yield* server.send(Fake.notification("thread/status/changed", status))
      yield* TestClock.adjust("2 seconds")
      const list = yield* server.expect("thread/turns/list")
      yield* server.reply(list, { data: [Fake.turn("turn-1", "completed")], nextCursor: null })
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
      const next = yield* server.expect("turn/start")
      yield* server.send(reply(next, "turn-2"), Fake.started("turn-2"), Fake.completed("turn-2"))
      assert.strictEqual((yield* Fiber.join(queued)).id, "turn-2")
    }))
})

const stored = (clientId: string) => ({ type: "userMessage", id: "u", clientId, content: [] })

const answerList = (server: Fake.FakeServer, data: ReadonlyArray<unknown>) =>
  Effect.flatMap(
    server.expect("thread/turns/list"),
    (asked) => server.reply(asked, { data, nextCursor: null, backwardsCursor: null })
  )

describe("a lost reply to turn/start", () => {
  it.effect("is settled by the turn that has taken our message", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const ours = yield* Effect.forkScoped(thread.run("go"))
      const request = yield* server.expect("turn/start")
      yield* server.send(Fake.started("turn-1"), userMessage("turn-1", request.params?.["clientUserMessageId"]))
      yield* server.send(Fake.itemCompleted("turn-1", Fake.agentMessage("m", "found")), Fake.completed("turn-1"))
      yield* Effect.yieldNow
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual((yield* Fiber.join(ours)).finalResponse, Option.some("found"))
    }))

  it.effect("is settled by what the server has stored, whose beginning was not heard", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const ours = yield* Effect.forkScoped(thread.run("go"))
      const request = yield* server.expect("turn/start")
      yield* TestClock.adjust("60 seconds")
      const stored = Fake.turn("turn-1", "completed", {
        items: [
          {
            type: "userMessage",
            id: "u",
            clientId: request.params?.["clientUserMessageId"],
            content: []
          },
          Fake.agentMessage("m", "stored")
        ]
      })
      yield* Effect.flatMap(server.expect("thread/turns/list"), (asked) =>
        server.reply(asked, {
          data: [Fake.turn("older", "completed"), stored],
          nextCursor: null,
          backwardsCursor: null
        }))
      assert.deepStrictEqual((yield* Fiber.join(ours)).finalResponse, Option.some("stored"))
    }))

  // The turns are told newest first. Before the second start the newest is `one`.
  const older = Fake.turn("one", "completed", { items: [stored("mine"), Fake.agentMessage("m", "old")] })
  const newer = Fake.turn("two", "completed", { items: [stored("mine"), Fake.agentMessage("m", "new")] })
  const found: ReadonlyArray<readonly [name: string, before: unknown, after: ReadonlyArray<unknown>, end: string]> = [
    ["is never settled by an older turn whose message had the same id", older, [older], "AppServerTimeout"],
    ["is settled by the newest turn of the id", older, [newer, older], "new"],
    ["is settled by the turn that ran before the start", { ...older, status: "inProgress" }, [older], "old"],
    ["is settled by a turn of the id if there was none before", undefined, [newer], "new"]
  ]
  for (const [name, before, after, end] of found) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { server, thread } = yield* Fake.connectThread()
        const ours = yield* Effect.forkScoped(
          thread.run("go", { messageId: "mine" }).pipe(
            Effect.map(({ finalResponse }) => Option.getOrNull(finalResponse)),
            Effect.catch(({ _tag }) => Effect.succeed(_tag))
          )
        )
        yield* answerList(server, before === undefined ? [] : [before])
        assert.strictEqual((yield* server.expect("turn/start")).params?.["clientUserMessageId"], "mine")
        yield* TestClock.adjust("60 seconds")
        yield* answerList(server, after)
        assert.strictEqual(yield* Fiber.join(ours), end)
      }))
  }

  it.effect("is AppServerTimeout when no turn has, and frees the thread", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const ours = yield* Effect.forkScoped(Effect.flip(thread.run("go")))
      yield* server.expect("turn/start")
      yield* server.send(Fake.started("another"), userMessage("another", "of somebody else"), Fake.completed("another"))
      yield* Effect.yieldNow
      yield* TestClock.adjust("60 seconds")
      yield* Effect.flatMap(server.expect("thread/turns/list"), (asked) =>
        server.reply(asked, { data: [Fake.turn("another", "completed")], nextCursor: null, backwardsCursor: null }))
      assert.strictEqual((yield* Fiber.join(ours))._tag, "AppServerTimeout")
      yield* Effect.forkScoped(thread.run("again"))
      yield* server.expect("turn/start")
      yield* server.close()
    }))
})

describe("a start whose reply names no turn", () => {
  it.effect("is the turn that begins next", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const compacting = yield* Effect.forkScoped(thread.compact())
      const request = yield* server.expect("thread/compact/start")
      yield* server.reply(request, {})
      yield* server.send(Fake.started("compaction"), Fake.completed("compaction"))
      const turn = yield* Fiber.join(compacting)
      assert.strictEqual(turn.id, "compaction")
      assert.strictEqual((yield* turn.result).status, "completed")
    }))

  it.effect("is not another client's turn that begins before it, though that one compacts, too", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const compacting = yield* Effect.forkScoped(thread.compact())
      const request = yield* server.expect("thread/compact/start")
      const compaction = (turnId: string) =>
        Fake.itemStarted(turnId, { type: "contextCompaction", id: `compaction of ${turnId}` })
      yield* server.send(Fake.started("other"), userMessage("other", "somebody-else"))
      yield* server.reply(request, {})
      yield* server.send(compaction("other"), Fake.completed("other"))
      yield* server.send(Fake.started("mine"), compaction("mine"), Fake.completed("mine"))
      assert.strictEqual((yield* Fiber.join(compacting)).id, "mine")
    }))

  it.effect("is AppServerTimeout when none begins", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const compacting = yield* Effect.forkScoped(Effect.flip(thread.compact()))
      const asked = yield* Deferred.make<void>()
      yield* Effect.flatMap(server.expect("thread/compact/start"), (request) => server.reply(request, {}))
      yield* Deferred.succeed(asked, undefined)
      yield* Effect.yieldNow
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* Fiber.join(compacting), { _tag: "AppServerTimeout", method: "turn/started" })
    }))
})

const goal = {
  threadId: Fake.threadId,
  objective: "Do it.",
  tokenBudget: null,
  tokensUsed: 0,
  timeUsedSeconds: 0,
  createdAt: 1,
  updatedAt: 1
}

const goalTold = (status: string) =>
  Fake.notification("thread/goal/updated", { threadId: Fake.threadId, turnId: null, goal: { ...goal, status } })

/** Takes a goal, and begins its first turn. Runs `meanwhile` once the thread is the goal's. */
const setGoal = Effect.fnUntraced(function*(server: Fake.FakeServer, meanwhile: Effect.Effect<void> = Effect.void) {
  const reading = yield* server.expect("thread/read")
  yield* meanwhile
  yield* server.reply(reading, { thread: Fake.threadStarted().thread })
  yield* Effect.flatMap(server.expect("thread/goal/clear"), (request) => server.reply(request, { cleared: false }))
  yield* Effect.flatMap(
    server.expect("thread/goal/set"),
    (request) => server.reply(request, { goal: { ...goal, status: "active" } })
  )
  yield* server.send(goalTold("active"), Fake.started("turn-1"))
})

/** Ends the goal's first turn, and returns when that was heard: a later call has been answered then. */
const endBetween = Effect.fnUntraced(function*(server: Fake.FakeServer, thread: Thread.Thread) {
  yield* server.send(Fake.completed("turn-1"))
  const naming = yield* Effect.forkScoped(thread.setName("a name"))
  yield* Effect.flatMap(server.next, (request) => server.reply(request, {}))
  yield* Fiber.join(naming)
})

/** The error of a call that sends nothing, or else what it sends. */
const outcomeOf = (server: Fake.FakeServer, call: Effect.Effect<unknown, CodexError.CodexError>) =>
  Effect.raceFirst(Effect.flip(call), server.next)

/** A thread that each call has to subscribe to again. */
const unsubscribed = Effect.gen(function*() {
  const connected = yield* Fake.connectThread()
  const leaving = yield* Effect.forkScoped(connected.thread.unsubscribe)
  yield* Effect.flatMap(
    connected.server.expect("thread/unsubscribe"),
    (request) => connected.server.reply(request, { status: "unsubscribed" })
  )
  yield* Fiber.join(leaving)
  return connected
})

describe("a thread with a goal", () => {
  it.effect("is asked nothing for a goal that cannot be set", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const calls: ReadonlyArray<Effect.Effect<unknown, CodexError.CodexError, Scope.Scope>> = [
        thread.startGoal(" "),
        thread.runGoal("Do it.", { tokenBudget: -1 })
      ]
      for (const call of calls) {
        assert.strictEqual((yield* Effect.flip(call))._tag, "InvalidArgument")
      }
      yield* Effect.forkScoped(rpc.request("model/list", {}))
      assert.strictEqual((yield* server.next).method, "model/list")
    }))

  it.effect("takes no turn, also between two turns of the goal, until the goal is over", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      const scope = yield* Scope.make()
      const starting = yield* thread.startGoal("Do it.").pipe(Scope.provide(scope), Effect.forkScoped)
      yield* setGoal(server)
      const turn = yield* Fiber.join(starting)
      yield* endBetween(server, thread)
      assert.deepInclude(yield* Effect.flip(thread.run("go")), { _tag: "ThreadBusy", activeTurnId: turn.id })
      const queued = yield* Effect.forkScoped(thread.run("go", { whenBusy: "queue" }))
      yield* Effect.yieldNow
      yield* server.send(Fake.started("turn-2"), goalTold("complete"), Fake.completed("turn-2"))
      assert.strictEqual((yield* turn.result).status, "completed")
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request, "turn-3"), Fake.started("turn-3"), Fake.completed("turn-3"))
      assert.strictEqual((yield* Fiber.join(queued)).id, "turn-3")
    }))

  it.effect("takes no turn of another client on the same connection between two turns of the goal", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const layer = Codex.layer().pipe(Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, rpc)))
      const other = yield* Effect.provide(Codex.Codex, yield* Layer.build(layer))
      const resuming = yield* Effect.forkScoped(other.resumeThread(Fake.threadId))
      yield* Effect.flatMap(server.expect("thread/resume"), (request) => server.reply(request, Fake.threadStarted()))
      const same = yield* Fiber.join(resuming)
      const starting = yield* Effect.forkScoped(thread.startGoal("Do it."))
      yield* setGoal(server)
      const turn = yield* Fiber.join(starting)
      yield* endBetween(server, thread)
      const outcome = yield* outcomeOf(server, same.run("go"))
      yield* server.send(goalTold("complete"), Fake.started("turn-2"), Fake.completed("turn-2"))
      yield* turn.result
      assert.deepInclude(outcome, { _tag: "ThreadBusy", activeTurnId: turn.id })
    }))

  it.effect("lets a turn that was asked for before the goal began wait for the goal's end", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* unsubscribed
      const starting = yield* Effect.forkScoped(thread.startGoal("Do it."))
      const ofGoal = yield* server.expect("thread/resume")
      const running = yield* Effect.forkScoped(thread.run("go", { whenBusy: "queue" }))
      const ofTurn = yield* server.expect("thread/resume")
      yield* server.reply(ofGoal, Fake.threadStarted())
      yield* setGoal(server, server.reply(ofTurn, Fake.threadStarted()))
      const turn = yield* Fiber.join(starting)
      yield* endBetween(server, thread)
      yield* Effect.forkScoped(thread.setName("another name"))
      const next = yield* server.next
      yield* server.send(goalTold("complete"), Fake.started("turn-2"), Fake.completed("turn-2"))
      yield* turn.result
      assert.strictEqual(next.method, "thread/name/set")
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request, "turn-3"), Fake.started("turn-3"), Fake.completed("turn-3"))
      assert.strictEqual((yield* Fiber.join(running)).id, "turn-3")
    }))

  it.effect("takes one of two goals that are started at once, and stays that one's", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* unsubscribed
      const starting = yield* Effect.forkScoped(thread.startGoal("Do it."))
      const ofFirst = yield* server.expect("thread/resume")
      const refused = yield* Effect.forkScoped(Effect.flip(thread.startGoal("Do that.")))
      const ofSecond = yield* server.expect("thread/resume")
      yield* server.reply(ofFirst, Fake.threadStarted())
      yield* setGoal(server, server.reply(ofSecond, Fake.threadStarted()))
      const turn = yield* Fiber.join(starting)
      yield* endBetween(server, thread)
      const outcome = yield* outcomeOf(server, thread.run("go"))
      yield* server.send(goalTold("complete"), Fake.started("turn-2"), Fake.completed("turn-2"))
      yield* turn.result
      assert.deepInclude(outcome, { _tag: "ThreadBusy", activeTurnId: turn.id })
      assert.deepInclude(yield* Fiber.join(refused), { _tag: "ThreadBusy" })
    }))
})

describe("a run that waits for its budget on a thread that another client keeps busy", () => {
  it.effect.each(["queue", "steer", "fail"] as const)("ends with its layer: %s", (whenBusy) =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const budget = yield* Budget.make({ modelCalls: 1 })
      const scope = yield* Scope.make()
      const layer = Codex.layer().pipe(Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, rpc)))
      const other = yield* Effect.provide(Codex.Codex, yield* Layer.buildWithScope(layer, scope))
      const id = "b0000000-b198-7230-917e-fb51d9aaf8da"
      const resuming = yield* Effect.forkScoped(other.resumeThread(id))
      yield* Effect.flatMap(server.expect("thread/resume"), (request) => server.reply(request, Fake.threadStarted(id)))
      const second = yield* Fiber.join(resuming)

      const holder = yield* Effect.forkScoped(thread.run("one", { budget }))
      const request = yield* server.expect("turn/start")
      yield* server.send(reply(request, "turn-1"), Fake.started("turn-1"))
      yield* CodexTest.settle
      const waiter = yield* Effect.forkScoped(Effect.flip(second.run("two", { budget, whenBusy })))
      yield* CodexTest.settle
      yield* server.send(Fake.started("of another client", id))
      yield* CodexTest.settle
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forkScoped(Fiber.interrupt(holder))
      yield* CodexTest.settle
      // What waits for the connection ends with it.
      yield* server.close()
      yield* CodexTest.settle
      assert.strictEqual(
        waiter.pollUnsafe() === undefined ? "waits" : (yield* Fiber.join(waiter))._tag,
        "TransportError"
      )
    }))
})
