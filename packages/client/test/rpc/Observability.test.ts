/** What an operator sees of the client: spans, metrics and diagnostics, in memory. */
import { AppServerRpc, Metrics, ServerRequests, Transport } from "@effect-codex/client"
import { codexVersion } from "@effect-codex/protocol/Methods"
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  Queue,
  Schedule,
  Stream,
  Tracer
} from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

const countOf = (metric: Metric.Counter<number>, attributes: Record<string, string>) =>
  Effect.map(Metric.value(Metric.withAttributes(metric, attributes)), ({ count }) => count)

/** How much a counter grows while an effect runs: the registry belongs to the whole process. */
const growth = <A, E, R>(
  metric: Metric.Counter<number>,
  attributes: Record<string, string>,
  effect: Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const before = yield* countOf(metric, attributes)
    yield* effect
    return (yield* countOf(metric, attributes)) - before
  })

/** A turn of ours that ends with these frames. */
const turnThatEnds = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
  const { server, thread } = yield* Fake.connectThread()
  const starting = yield* Effect.forkScoped(thread.turn("go"))
  const request = yield* server.expect("turn/start")
  yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), Fake.started("turn-1"))
  const turn = yield* Fiber.join(starting)
  const open = yield* Metric.value(Metrics.openTurns)
  for (const frame of frames) {
    yield* server.send(frame)
    // A request of the server is answered before it goes on.
    if ("id" in JSON.parse(frame)) yield* server.next
  }
  yield* Effect.exit(turn.result)
  return open.value
})

/** A tracer, and the spans that it made. */
const recorder = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  const parentOf = (span: Tracer.Span | undefined) => {
    const parent = span === undefined ? undefined : Option.getOrUndefined(span.parent)
    return parent?._tag === "Span" ? parent : undefined
  }
  return { tracer, spans, named, parentOf }
}

/** A goal of two turns of the server, which ends with these frames. */
const goalThatEnds = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
  const { rpc, server, thread } = yield* Fake.connectThread()
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
  const running = yield* Effect.forkScoped(Effect.exit(thread.runGoal("go")))
  yield* Effect.flatMap(
    server.expect("thread/read"),
    (request) => server.reply(request, { thread: Fake.threadStarted().thread, readState: null })
  )
  yield* Effect.flatMap(server.expect("thread/goal/clear"), (request) => server.reply(request, { cleared: false }))
  yield* Effect.flatMap(server.expect("thread/goal/set"), (request) => server.reply(request, { goal }))
  const told = (status: string) =>
    Fake.notification("thread/goal/updated", { threadId: Fake.threadId, turnId: null, goal: { ...goal, status } })
  yield* server.send(
    told("active"),
    Fake.started("turn-1"),
    Fake.tokenUsage("turn-1", 7, 7),
    Fake.completed("turn-1"),
    Fake.started("turn-2")
  )
  // Its answer comes after them.
  const asking = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
  yield* Effect.flatMap(server.expect("account/logout"), (request) => server.reply(request, {}))
  yield* Fiber.join(asking)
  const open = yield* Metric.value(Metrics.openTurns)
  yield* server.send(...frames, Fake.tokenUsage("turn-2", 5, 12), told("complete"), Fake.completed("turn-2"))
  yield* Fiber.join(running)
  return open.value
})

describe("metrics", () => {
  it.effect("count turns by their outcome, their tokens, and those that are open", () =>
    Effect.gen(function*() {
      const before = yield* Metric.value(Metrics.openTurns)
      let open = 0
      const completed = Effect.map(turnThatEnds(Fake.tokenUsage("turn-1", 7, 7), Fake.completed("turn-1")), (value) => {
        open = value
      })
      assert.strictEqual(yield* growth(Metrics.turns, { outcome: "completed" }, completed), 1)
      assert.strictEqual(open, before.value + 1)
      assert.strictEqual((yield* Metric.value(Metrics.openTurns)).value, before.value)
      assert.strictEqual(
        yield* growth(
          Metrics.tokens,
          { type: "input" },
          turnThatEnds(Fake.tokenUsage("turn-1", 7, 7), Fake.completed("turn-1"))
        ),
        7
      )
      const withSubagent = turnThatEnds(
        Fake.notification("turn/started", {
          threadId: "child",
          turn: Fake.turn("turn-c", "inProgress", { rootTurnId: "turn-1" })
        }),
        Fake.tokenUsage("turn-1", 7, 7),
        Fake.tokenUsage("turn-c", 100, 100, "child"),
        Fake.completed("turn-1")
      )
      assert.strictEqual(yield* growth(Metrics.tokens, { type: "input" }, withSubagent), 107)
      const failed = turnThatEnds(Fake.completed("turn-1", "failed"))
      assert.strictEqual(yield* growth(Metrics.turns, { outcome: "failed" }, failed), 1)
      const odd = turnThatEnds(Fake.completed("turn-1", "vanished"))
      assert.strictEqual(yield* growth(Metrics.turns, { outcome: "unknown" }, odd), 1)
    }))

  it.effect("count the turns of a goal as one", () =>
    Effect.gen(function*() {
      const before = (yield* Metric.value(Metrics.openTurns)).value
      let open = 0
      const goal = Effect.map(goalThatEnds(), (value) => {
        open = value
      })
      assert.strictEqual(yield* growth(Metrics.turns, { outcome: "completed" }, goal), 1)
      assert.strictEqual(open, before + 1)
      assert.strictEqual((yield* Metric.value(Metrics.openTurns)).value, before)
      assert.strictEqual(yield* growth(Metrics.tokens, { type: "input" }, goalThatEnds()), 12)
    }))

  it.effect("count how often the connection was made again", () =>
    Effect.gen(function*() {
      const servers = yield* Queue.unbounded<Fake.FakeServer>()
      const connection = Layer.effect(
        Transport.Transport,
        Effect.map(Effect.tap(Fake.make, (server) => Queue.offer(servers, server)), ({ client }) => client)
      )
      const next = Effect.gen(function*() {
        const server = yield* Queue.take(servers)
        yield* Effect.flatMap(server.expect("initialize"), (request) => server.reply(request, Fake.initialized))
        yield* server.next
        return server
      })
      const building = yield* Effect.forkScoped(
        Layer.build(AppServerRpc.layerSupervised(connection, { restart: Schedule.recurs(5) }))
      )
      const first = yield* next
      const rpc = Context.get(yield* Fiber.join(building), AppServerRpc.AppServerRpc)
      const lose = (server: Fake.FakeServer) =>
        Effect.gen(function*() {
          const restored = yield* Effect.forkChild(
            Stream.runHead(Stream.filter(rpc.diagnosticEvents, ({ _tag }) => _tag === "ConnectionRestored")),
            { startImmediately: true }
          )
          yield* server.close()
          const made = yield* next
          yield* Fiber.join(restored)
          return made
        })
      assert.strictEqual(yield* growth(Metrics.restarts, {}, Effect.flatMap(lose(first), lose)), 2)
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("time requests by method and outcome", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const metric = (outcome: string) =>
        Metric.value(Metric.withAttributes(Metrics.requestDuration, { method: "thread/loaded/list", outcome }))
      const before = yield* metric("ok")
      const request = yield* Effect.forkScoped(rpc.request("thread/loaded/list", {}))
      const asked = yield* server.expect("thread/loaded/list")
      yield* TestClock.adjust("3 seconds")
      yield* server.reply(asked, { data: [], nextCursor: null })
      yield* Fiber.join(request)
      const after = yield* metric("ok")
      assert.strictEqual(after.count, before.count + 1)
      assert.strictEqual(after.sum - before.sum, 3)

      const refused = yield* metric("RpcError")
      const second = yield* Effect.forkScoped(Effect.flip(rpc.request("thread/loaded/list", {})))
      yield* Effect.flatMap(server.expect("thread/loaded/list"), (asked) => server.refuse(asked, -32603, "no"))
      yield* Fiber.join(second)
      assert.strictEqual((yield* metric("RpcError")).count, refused.count + 1)

      // A reply that is not what the protocol says is no success.
      const [fine, odd] = [yield* metric("ok"), yield* metric("DecodeError")]
      const third = yield* Effect.forkScoped(Effect.flip(rpc.request("thread/loaded/list", {})))
      const oddly = yield* server.expect("thread/loaded/list")
      yield* TestClock.adjust("2 seconds")
      yield* server.reply(oddly, { data: 5 })
      assert.strictEqual((yield* Fiber.join(third))._tag, "DecodeError")
      assert.strictEqual((yield* metric("ok")).count, fine.count)
      const after3 = yield* metric("DecodeError")
      assert.deepStrictEqual([after3.count, after3.sum - odd.sum], [odd.count + 1, 2])
    }))

  it.effect("count what the server asks by how it was answered", () =>
    Effect.gen(function*() {
      const method = "item/tool/call"
      type Answer = { readonly success: boolean; readonly contentItems: [] }
      const counted = (
        outcome: string,
        handler: Effect.Effect<Answer, unknown>,
        then: Effect.Effect<void> = Effect.void
      ) =>
        growth(
          Metrics.serverRequests,
          { method, outcome },
          Effect.scoped(Effect.gen(function*() {
            const { server } = yield* Fake.connect({ handlers: { [method]: () => handler } })
            yield* server.send(Fake.ask(method, 0))
            if (outcome === "interrupted") {
              yield* then
              yield* server.send(Fake.notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 0 }))
              yield* Deferred.await(interrupted)
            } else {
              yield* then
              yield* server.next
            }
          }))
        )
      const asked = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const parked = Effect.andThen(
        Deferred.succeed(asked, undefined),
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      )
      const answer = Effect.succeed<Answer>({ success: true, contentItems: [] })
      assert.strictEqual(yield* counted("answered", answer), 1)
      assert.strictEqual(yield* counted("default", Effect.fail("no")), 1)
      assert.strictEqual(yield* counted("default", Effect.never, TestClock.adjust("1 hour")), 1)
      assert.strictEqual(yield* counted("refused", Effect.fail(new ServerRequests.Refusal({ message: "no" }))), 1)
      assert.strictEqual(yield* counted("interrupted", parked, Deferred.await(asked)), 1)
    }))

  it.effect("count what the server asks and no handler was asked for", () =>
    Effect.gen(function*() {
      const rejected = (method: string, frame: string, code: number) =>
        Effect.gen(function*() {
          const { server } = yield* Fake.connect()
          const asking = Effect.andThen(server.send(frame), server.next)
          let answer: Fake.Message | undefined
          const counted = Effect.map(asking, (message) => {
            answer = message
          })
          assert.strictEqual(yield* growth(Metrics.serverRequests, { method, outcome: "rejected" }, counted), 1)
          assert.strictEqual(answer?.error?.code, code)
        })
      yield* rejected("unknown", Fake.frame({ id: 0, method: "thread/dream", params: {} }), -32601)
      yield* rejected("unknown", Fake.frame({ id: 0, method: "constructor", params: {} }), -32601)
      yield* rejected("item/tool/call", Fake.frame({ id: 0, method: "item/tool/call", params: {} }), -32602)
    }))
})

describe("diagnosticEvents", () => {
  it.effect("tell each odd thing as it happens, and count it", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      const events = yield* Effect.forkScoped(Stream.runCollect(Stream.take(rpc.diagnosticEvents, 3)), {
        startImmediately: true
      })
      const counted = growth(
        Metrics.diagnostics,
        { kind: "GarbageLine" },
        Effect.gen(function*() {
          yield* server.send("not json")
          yield* server.send(Fake.frame({ id: 4711, result: {} }))
          yield* server.send(Fake.frame({ id: 0, method: "thread/dream", params: {} }))
          yield* Fiber.join(events)
        })
      )
      assert.strictEqual(yield* counted, 1)
      const told = yield* Fiber.join(events)
      assert.deepStrictEqual(told.map(({ _tag }) => _tag), ["GarbageLine", "UnmatchedReply", "HandlerProblem"])
      assert.deepInclude(told[0], { line: "not json" })
      assert.deepInclude(told[1], { id: 4711 })
    }))
})

describe("diagnosticEvents of what a reader meets", () => {
  it.effect("are what is not known, what does not fit, and that it is too slow", () =>
    Effect.gen(function*() {
      const { rpc, server, thread } = yield* Fake.connectThread()
      const told = yield* Effect.forkScoped(Stream.runCollect(Stream.take(rpc.diagnosticEvents, 4)), {
        startImmediately: true
      })
      // They take what comes first, and then nothing more.
      for (const stream of [rpc.notifications, thread.events]) {
        yield* Effect.forkScoped(
          Stream.runForEach(stream, ({ _tag }) => _tag === "turn/started" ? Effect.never : Effect.void),
          {
            startImmediately: true
          }
        )
      }
      const counted = Effect.all([
        countOf(Metrics.diagnostics, { kind: "UnknownNotification" }),
        countOf(Metrics.diagnostics, { kind: "UndecodableNotification" }),
        countOf(Metrics.diagnostics, { kind: "SlowReader" })
      ])
      const before = yield* counted
      const large = Fake.delta("turn-1", "m", "x".repeat(65 * 1024 * 1024))
      yield* server.send(Fake.notification("thread/dreamt", {}))
      yield* server.send(Fake.notification("account/updated", { authMode: 5 }))
      yield* server.send(Fake.started("turn-1"))
      yield* server.send(large)
      const events = yield* Fiber.join(told)
      assert.deepStrictEqual((yield* counted).map((count, i) => count - before[i]!), [1, 1, 2])
      const slow = events.flatMap((event) => event._tag === "SlowReader" ? [event.unreadBytes] : [])
      assert.isAtLeast(slow.at(-1) ?? 0, large.length)
      assert.strictEqual((yield* Metric.value(Metrics.unreadBytes)).value, slow.at(-1))
      // Each is told when a reader meets it.
      assert.deepStrictEqual(events.map(({ _tag }) => _tag).toSorted(), [
        "SlowReader",
        "SlowReader",
        "UndecodableNotification",
        "UnknownNotification"
      ])
      const messages = events.map(({ message }) => message).join("\n")
      for (const part of ["thread/dreamt", "account/updated", "of notifications", `of events of thread ${thread.id}`]) {
        assert.include(messages, part)
      }
    }))

  it.effect("begin with the server's warnings, which came before anybody could ask", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      yield* server.send(Fake.notification("configWarning", { summary: "Invalid configuration.", details: "line 1" }))
      const first = yield* Effect.forkScoped(Stream.runCollect(Stream.take(rpc.diagnosticEvents, 1)))
      assert.deepInclude((yield* Fiber.join(first))[0], {
        _tag: "ServerWarning",
        message: "codex: Invalid configuration. line 1",
        summary: "Invalid configuration."
      })
    }))
})

describe("the trace that a request carries", () => {
  const traced = (wrap: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      yield* Effect.forkScoped(Effect.withSpan(wrap(rpc.request("thread/loaded/list", {})), "outer"))
      return (yield* server.expect("thread/loaded/list")).trace?.traceparent
    })

  it.effect("is that of the nearest span that is not hidden", () =>
    Effect.gen(function*() {
      assert.match((yield* traced((effect) => effect)) ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      const hidden = yield* traced((effect) => Effect.withTracerEnabled(Effect.withSpan(effect, "hidden"), false))
      assert.match(hidden ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    }))
})

describe("spans", () => {
  it.effect("of a request and of a turn say what and how it ended, and hold neither params nor results", () =>
    Effect.gen(function*() {
      const { named, tracer } = recorder()
      yield* Effect.withTracer(turnThatEnds(Fake.completed("turn-1")), tracer)
      const [request] = named("AppServerRpc.turn/start")
      assert.deepInclude(Object.fromEntries(request?.attributes ?? []), {
        "rpc.system": "jsonrpc",
        "rpc.method": "turn/start"
      })
      const [turn] = named("Turn")
      assert.deepInclude(Object.fromEntries(turn?.attributes ?? []), {
        "codex.turn.id": "turn-1",
        "codex.turn.outcome": "completed"
      })
      for (const span of [request, turn]) {
        assert.strictEqual(span?.status._tag, "Ended")
        if (span?.status._tag === "Ended") assert.deepStrictEqual(span.status.exit, Exit.void)
      }
    }))

  it.effect("of a request whose answer does not fit end with that", () =>
    Effect.gen(function*() {
      const { named, tracer } = recorder()
      yield* Effect.gen(function*() {
        const { rpc, server } = yield* Fake.connect()
        const asking = yield* Effect.forkScoped(Effect.flip(rpc.request("thread/loaded/list", {})))
        yield* Effect.flatMap(server.expect("thread/loaded/list"), (asked) => server.reply(asked, { data: 5 }))
        yield* Fiber.join(asking)
      }).pipe(Effect.withTracer(tracer))
      const [span] = named("AppServerRpc.thread/loaded/list")
      assert.strictEqual(span?.attributes.get("error.type"), "DecodeError")
      if (span?.status._tag !== "Ended") return assert.fail("the span has not ended")
      assert.deepStrictEqual(span.status.exit, Exit.fail("DecodeError"))
    }))

  it.effect("are as many for a turn of many events as for one of few", () =>
    Effect.gen(function*() {
      const spansOf = Effect.fnUntraced(function*(deltas: number) {
        const { spans, tracer } = recorder()
        const frames = Array.from({ length: deltas }, (_, i) => Fake.delta("turn-1", "m", `${i}`))
        yield* Effect.withTracer(turnThatEnds(...frames, Fake.completed("turn-1")), tracer)
        return spans.map(({ name }) => name)
      })
      const few = yield* spansOf(10)
      assert.include(few, "Turn")
      assert.deepStrictEqual(yield* spansOf(20), few)
    }))

  it.effect("of a goal are one turn, below the call that ran it", () =>
    Effect.gen(function*() {
      const { named, parentOf, tracer } = recorder()
      yield* Effect.withTracer(goalThatEnds(), tracer)
      const turns = named("Turn")
      assert.strictEqual(turns.length, 1)
      assert.deepInclude(Object.fromEntries(turns[0]!.attributes), {
        "codex.turn.id": "turn-1",
        "codex.turn.outcome": "completed",
        "codex.tokens.input": 12,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "codex",
        "gen_ai.agent.version": codexVersion,
        "gen_ai.usage.input_tokens": 12
      })
      assert.strictEqual(turns[0]!.status._tag, "Ended")
      assert.strictEqual(parentOf(turns[0])?.name, "Thread.runGoal")
    }))

  it.effect("of what the server asks are below the turn, also for its subagents and for a goal", () =>
    Effect.gen(function*() {
      const { named, parentOf, tracer } = recorder()
      const child = { threadId: "01a204a7-0000-7000-8000-00000000000c", turnId: "turn-c" }
      const asked = [
        Fake.ask("item/tool/call", 0),
        Fake.notification("turn/started", {
          threadId: child.threadId,
          turn: Fake.turn(child.turnId, "inProgress", { rootTurnId: "turn-1" })
        }),
        Fake.ask("item/tool/call", 1, child),
        // Of a turn that is none of ours, and of the thread's turn without its name.
        Fake.ask("item/tool/call", 2, { threadId: "another thread", turnId: "another turn" }),
        Fake.ask("currentTime/read", 3)
      ]
      yield* Effect.withTracer(turnThatEnds(...asked, Fake.completed("turn-1")), tracer)
      const parents = [...named("ServerRequests.item/tool/call"), ...named("ServerRequests.currentTime/read")].map(
        parentOf
      )
      const [turn] = named("Turn")
      assert.deepStrictEqual(parents.map((parent) => parent?.spanId), [
        turn!.spanId,
        turn!.spanId,
        undefined,
        turn!.spanId
      ])

      const goals = recorder()
      yield* Effect.withTracer(goalThatEnds(Fake.ask("item/tool/call", 0, { turnId: "turn-2" })), goals.tracer)
      const [ofGoal] = goals.named("ServerRequests.item/tool/call")
      assert.strictEqual(goals.parentOf(ofGoal)?.spanId, goals.named("Turn")[0]!.spanId)
    }))
})
