/** What an operator sees of the client: spans, metrics and diagnostics, in memory. */
import { Metrics } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "./fakeServer.ts"

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
  yield* server.send(...frames)
  yield* Effect.exit(turn.result)
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
      const failed = turnThatEnds(Fake.completed("turn-1", "failed"))
      assert.strictEqual(yield* growth(Metrics.turns, { outcome: "failed" }, failed), 1)
      const odd = turnThatEnds(Fake.completed("turn-1", "vanished"))
      assert.strictEqual(yield* growth(Metrics.turns, { outcome: "unknown" }, odd), 1)
    }))

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

      const refused = yield* metric("InternalServerError")
      const second = yield* Effect.forkScoped(Effect.flip(rpc.request("thread/loaded/list", {})))
      yield* Effect.flatMap(server.expect("thread/loaded/list"), (asked) => server.refuse(asked, -32603, "no"))
      yield* Fiber.join(second)
      assert.strictEqual((yield* metric("InternalServerError")).count, refused.count + 1)
    }))

  it.effect("count what the server asks by how it was answered", () =>
    Effect.gen(function*() {
      const method = "item/tool/call"
      const ask = (handler: Effect.Effect<{ readonly success: boolean; readonly contentItems: [] }, unknown>) =>
        Effect.scoped(Effect.gen(function*() {
          const { server } = yield* Fake.connect({ handlers: { [method]: () => handler } })
          yield* server.send(Fake.ask(method, 0))
          yield* server.next
        }))
      const answered = ask(Effect.succeed({ success: true, contentItems: [] }))
      assert.strictEqual(yield* growth(Metrics.serverRequests, { method, outcome: "answered" }, answered), 1)
      assert.strictEqual(
        yield* growth(Metrics.serverRequests, { method, outcome: "default" }, ask(Effect.fail("no"))),
        1
      )
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

describe("spans", () => {
  it.effect("of a request and of a turn say what and how it ended, and hold neither params nor results", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.withTracer(turnThatEnds(Fake.completed("turn-1")), tracer)
      const named = (name: string) => spans.find((span) => span.name === name)
      const request = named("AppServerRpc.turn/start")
      assert.deepInclude(Object.fromEntries(request?.attributes ?? []), {
        "rpc.system": "jsonrpc",
        "rpc.method": "turn/start"
      })
      const turn = named("Turn")
      assert.deepInclude(Object.fromEntries(turn?.attributes ?? []), {
        "codex.turn.id": "turn-1",
        "codex.turn.outcome": "completed"
      })
      for (const span of [request, turn]) {
        assert.strictEqual(span?.status._tag, "Ended")
        if (span?.status._tag === "Ended") assert.deepStrictEqual(span.status.exit, Exit.void)
      }
    }))
})
