/** Which handler answers a request of the server, and what happens when it does not, in memory. */
import { type AppServerRpc, ServerRequests } from "@effect-codex/client"
import { serverRequests } from "@effect-codex/protocol/Methods"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Schema, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

const methods = Object.keys(Fake.asked) as ReadonlyArray<ServerRequests.Method>

const decide = (decision: "accept" | "decline" | "cancel" | "acceptForSession"): ServerRequests.Overrides => ({
  "item/commandExecution/requestApproval": () => Effect.succeed({ decision })
})

const ask = (id: number, changed: object = {}) => Fake.ask("item/commandExecution/requestApproval", id, changed)

/** A thread with a running turn of ours. */
const running = Effect.fnUntraced(function*(options?: {
  readonly client?: ServerRequests.Overrides
  readonly thread?: ServerRequests.Overrides
  readonly turn?: ServerRequests.Overrides
}) {
  const connected = yield* Fake.connect({ handlers: options?.client ?? {} })
  const { codex, server } = connected
  const starting = yield* Effect.forkScoped(codex.startThread({ handlers: options?.thread }))
  yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, Fake.threadStarted()))
  const thread = yield* Fiber.join(starting)
  const run = yield* Effect.forkScoped(thread.run("go", { handlers: options?.turn }))
  const request = yield* server.expect("turn/start")
  yield* server.send(
    Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }),
    Fake.started("turn-1")
  )
  // Otherwise the turns that still run would be interrupted, and nobody answers here.
  yield* Effect.addFinalizer(() => server.close())
  return { ...connected, thread, run }
})

/** The log of an effect. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    yield* Effect.provide(effect, Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))]))
    return lines.join("\n")
  })

/** Answers of handlers are sent before this returns. */
const roundTrip = (rpc: AppServerRpc.AppServerRpc["Service"], server: Fake.FakeServer) =>
  Effect.gen(function*() {
    const request = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
    const next = yield* server.next
    if (next.method === "account/logout") yield* server.reply(next, {})
    else yield* Effect.die(new Error(`the client sent ${JSON.stringify(next)}`))
    yield* Fiber.join(request)
  })

describe("without handlers", () => {
  it.effect.each(methods)(
    "%s gets exactly one answer, which fits the protocol or is an error",
    (method) =>
      Effect.gen(function*() {
        const { rpc, server } = yield* Fake.connect()
        yield* server.send(Fake.ask(method, 0))
        const { error, id, result } = yield* server.next
        assert.strictEqual(id, 0)
        if (error === undefined) {
          assert.isTrue(Schema.is(serverRequests[method].result())(result), JSON.stringify(result))
        } else assert.include(["account/chatgptAuthTokens/refresh", "attestation/generate"], method)
        yield* roundTrip(rpc, server)
      })
  )
})

describe("the nearest handler wins", () => {
  it.effect("of the turn, then of the thread, then of the client", () =>
    Effect.gen(function*() {
      const { server } = yield* running({
        client: { ...decide("cancel"), "currentTime/read": () => Effect.succeed({ currentTimeAt: 1 }) },
        thread: {
          ...decide("decline"),
          "item/tool/requestUserInput": () => Effect.succeed({ answers: { q1: { answers: ["thread"] } } })
        },
        turn: decide("accept")
      })
      yield* server.send(ask(0))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
      yield* server.send(Fake.ask("item/tool/requestUserInput", 1))
      assert.deepStrictEqual((yield* server.next).result, { answers: { q1: { answers: ["thread"] } } })
      // It names no turn: the thread's running one is meant.
      yield* server.send(Fake.ask("currentTime/read", 2))
      assert.deepStrictEqual((yield* server.next).result, { currentTimeAt: 1 })
    }))

  it.effect("and a turn's are gone with it", () =>
    Effect.gen(function*() {
      const { run, server, thread } = yield* running({ thread: decide("decline"), turn: decide("accept") })
      yield* server.send(Fake.completed("turn-1"))
      yield* Fiber.join(run)
      yield* Effect.forkScoped(thread.run("again"))
      const request = yield* server.expect("turn/start")
      yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-2") } }), Fake.started("turn-2"))
      yield* server.send(ask(0, { turnId: "turn-2" }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
      yield* server.close()
    }))

  it.effect("and those of a turn are not asked for another client's turn of the thread", () =>
    Effect.gen(function*() {
      const { server } = yield* running({ turn: decide("accept") })
      yield* server.send(ask(0, { turnId: "turn-of-another" }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
    }))

  it.effect("also for what the turn's subagents ask, until they are done", () =>
    Effect.gen(function*() {
      const { server } = yield* running({ turn: decide("accept") })
      const childThread = "01a204a7-0000-7000-8000-00000000000c"
      const started = (id: string, rootTurnId: string) =>
        Fake.notification("turn/started", { threadId: childThread, turn: Fake.turn(id, "inProgress", { rootTurnId }) })
      yield* server.send(started("turn-c", "turn-1"), started("turn-d", "turn-unknown"))
      yield* server.send(ask(0, { threadId: childThread, turnId: "turn-c" }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
      yield* server.send(ask(1, { threadId: childThread, turnId: "turn-d" }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
    }))

  it.effect("and one that is installed on the connection goes before the client's until its scope closes", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect({ handlers: decide("cancel") })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* rpc.handle(decide("accept"))
        yield* rpc.handle({ "currentTime/read": () => Effect.succeed({ currentTimeAt: 1 }) })
        yield* server.send(ask(0))
        assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
      }))
      yield* server.send(ask(1))
      assert.deepStrictEqual((yield* server.next).result, { decision: "cancel" })
    }))
})

class Policy extends Context.Service<Policy, { readonly decision: "accept" | "cancel" }>()("test/Policy") {}

const byPolicy = {
  "item/commandExecution/requestApproval": () => Effect.map(Policy, ({ decision }) => ({ decision }))
} satisfies ServerRequests.Overrides<Policy>

describe("layers", () => {
  it.effect("that replace different handlers can be merged, and the one provided last goes first", () =>
    Effect.gen(function*() {
      const both = Layer.mergeAll(
        ServerRequests.layer(decide("accept")),
        ServerRequests.layer({ "currentTime/read": () => Effect.succeed({ currentTimeAt: 1 }) })
      )
      const handlers = yield* Effect.provide(ServerRequests.current, both)
      const request = { id: 0, item: undefined }
      assert.deepStrictEqual(
        yield* handlers["currentTime/read"]({ ...request, method: "currentTime/read", params: { threadId: "t" } }),
        { currentTimeAt: 1 }
      )
      const over = yield* ServerRequests.current.pipe(
        Effect.provide(ServerRequests.layer(decide("cancel"))),
        Effect.provide(both)
      )
      assert.notStrictEqual(
        over["item/commandExecution/requestApproval"],
        handlers["item/commandExecution/requestApproval"]
      )
      assert.strictEqual(over["attestation/generate"], ServerRequests.defaults["attestation/generate"])
    }))

  it.effect("and handlers of a turn get the services that they require", () =>
    Effect.gen(function*() {
      const handlers = yield* Effect.provideService(ServerRequests.make(byPolicy), Policy, { decision: "accept" })
      const { server } = yield* running({ turn: handlers })
      yield* server.send(ask(0))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
    }))
})

describe("spans", () => {
  it.effect("of handlers belong to the request that they answer, not to where they were made", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function*() {
        const handlers = yield* ServerRequests.make({
          "item/commandExecution/requestApproval": () =>
            Effect.withSpan(Effect.succeed({ decision: "accept" as const }), "deciding")
        }).pipe(Effect.withSpan("making"))
        const { server } = yield* running({ turn: handlers })
        yield* server.send(ask(0))
        yield* server.next
      }).pipe(Effect.withTracer(tracer))
      const parent = spans.find(({ name }) => name === "deciding")?.parent
      assert.strictEqual(
        parent?._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : undefined,
        "ServerRequests.item/commandExecution/requestApproval"
      )
    }))
})

describe("params that do not fit", () => {
  /** What a handler can do without: it grants nothing, and identifies nothing. */
  const spare: { readonly [M in ServerRequests.Method]?: ReadonlyArray<string> } = {
    "item/commandExecution/requestApproval": [
      "startedAtMs",
      "commandActions",
      "proposedExecpolicyAmendment",
      "availableDecisions"
    ],
    "item/fileChange/requestApproval": ["startedAtMs", "reason"],
    "item/permissions/requestApproval": ["startedAtMs", "reason"],
    "item/tool/requestUserInput": ["isBlocking", "autoResolutionMs"],
    applyPatchApproval: ["reason"],
    execCommandApproval: ["reason", "parsedCmd"]
  }

  const isAnyJson = (key: string) => key === "arguments" || key === "_meta"

  /** A value of another kind. */
  const other = (value: unknown): unknown => typeof value === "object" && value !== null ? 7 : { somethingNew: [1] }

  it.effect.each(methods)(
    "%s reaches its handler without what it can do without, and is refused where anything else is meant",
    (method) =>
      Effect.gen(function*() {
        const seen: Array<ServerRequests.Request<ServerRequests.Method>> = []
        const handler = (request: ServerRequests.Request<ServerRequests.Method>) =>
          Effect.suspend(() => {
            seen.push(request)
            return Effect.fail(new ServerRequests.Refusal({ message: "seen", code: -32099 }))
          })
        const { rpc, server } = yield* Fake.connect({ handlers: { [method]: handler } })
        const told = yield* Effect.forkScoped(
          Stream.runCollect(Stream.filter(rpc.diagnosticEvents, ({ _tag }) => _tag === "UndecodableServerRequest")),
          { startImmediately: true }
        )
        const params: { readonly [key: string]: unknown } = Fake.asked[method]
        const keys = Object.keys(params).filter((key) => !isAnyJson(key))
        for (const key of keys) {
          const changed = other(params[key])
          yield* server.send(Fake.ask(method, key, { [key]: changed }))
          const { error } = yield* server.next
          const isSpare = spare[method]?.includes(key) === true
          assert.strictEqual(error?.code, isSpare ? -32099 : -32602, key)
          if (!isSpare) continue
          const { [key]: _, ...others } = params
          const request = seen.pop()
          assert.deepStrictEqual(request?.params, others as never)
          assert.deepStrictEqual(request?.undecodable, { [key]: changed })
        }
        assert.lengthOf(seen, 0)
        assert.strictEqual((yield* rpc.diagnostics).undecodable, keys.length)
        yield* server.close()
        assert.deepStrictEqual(
          (yield* Fiber.join(told)).map((event) => "method" in event ? event.method : ""),
          keys.map(() => method)
        )
      })
  )

  it.effect("of a newer kind beside those that fit are handed over as ever", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const { server } = yield* Fake.connect({
        handlers: {
          "item/commandExecution/requestApproval": (request) => {
            seen.push(request)
            return Effect.succeed({ decision: "accept" })
          }
        }
      })
      const commandActions = [{ type: "somethingNew", of: [1] }]
      yield* server.send(ask(0, { commandActions, somethingNew: 1 }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
      const params = { ...Fake.asked["item/commandExecution/requestApproval"], commandActions, somethingNew: 1 }
      assert.deepStrictEqual(seen, [
        { id: 0, method: "item/commandExecution/requestApproval", params, item: undefined }
      ])
    }))

  it.effect("approve nothing where nobody has given a handler", () =>
    Effect.gen(function*() {
      const { server } = yield* Fake.connect()
      yield* server.send(ask(0, { commandActions: 7, startedAtMs: undefined }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
    }))

  it.effect("are logged once, with the method and what does not fit", () =>
    Effect.gen(function*() {
      const log = yield* logged(Effect.gen(function*() {
        const { rpc, server } = yield* Fake.connect()
        for (const [id, changed] of [{ reason: 7 }, { additionalPermissions: 7 }].entries()) {
          yield* server.send(ask(id, changed))
          yield* server.next
          yield* roundTrip(rpc, server)
        }
      }))
      const lines = log.split("\n").filter((line) => line.includes("do not fit"))
      assert.lengthOf(lines, 2)
      assert.match(
        lines[0]!,
        /^params of the server's request item\/commandExecution\/requestApproval .*Its handler gets the rest: .*\["reason"\]/
      )
      assert.match(lines[1]!, /It is refused: .*\["additionalPermissions"\]/)
    }))
})

describe("raw handlers", () => {
  const dream = (id: string | number, params: unknown = {}) => Fake.frame({ id, method: "thread/dream", params })

  it.effect("answer what the protocol does not have with any JSON", () =>
    Effect.gen(function*() {
      const answers: Array<unknown> = [{ depth: 3 }, "a text", [], null, false, undefined]
      const asked: Array<ServerRequests.RawRequest> = []
      const { server } = yield* Fake.connect({
        handlers: {
          raw: {
            "thread/dream": (request) => {
              asked.push(request)
              return Effect.sync(() => answers[asked.length - 1])
            }
          }
        }
      })
      for (const [index, answer] of answers.entries()) {
        yield* server.send(dream(`d${index}`, [index]))
        assert.deepStrictEqual(yield* server.next, { id: `d${index}`, result: answer ?? null } as Fake.Message)
      }
      assert.deepStrictEqual(asked[1], { id: "d1", method: "thread/dream", params: [1], item: undefined })
    }))

  it.effect("refuse with a code of their own, and what goes wrong in one is reported and refused", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        Effect.fail(new ServerRequests.Refusal({ message: "not now", code: -32001 })),
        Effect.fail(new ServerRequests.Refusal({ message: "not now" })),
        Effect.die(new Error("boom")),
        Effect.succeed({ depth: Infinity }),
        Effect.succeed(() => 1)
      ]
      const log = yield* logged(Effect.gen(function*() {
        const { server } = yield* Fake.connect({
          handlers: { raw: { "thread/dream": ({ id }) => ends[Number(id)]! } }
        })
        const errors: Array<unknown> = []
        for (const id of ends.keys()) {
          yield* server.send(dream(id))
          errors.push((yield* server.next).error)
        }
        const failed = { code: -32603, message: "The client cannot answer this request." }
        assert.deepStrictEqual(errors, [
          { code: -32001, message: "not now" },
          { code: -32603, message: "not now" },
          failed,
          failed,
          failed
        ])
      }))
      assert.include(log, "the handler of thread/dream failed; the request is refused.\nError: boom")
      assert.include(log, "returned an answer that cannot be sent: `depth` is Infinity")
      assert.include(log, "returned an answer that does not fit the protocol: it is not JSON; the request is refused.")
    }))

  it.effect("of the nearest place answer, and go before the checked handler beside them", () =>
    Effect.gen(function*() {
      const raw = (answer: string): ServerRequests.Overrides => ({
        raw: {
          "thread/dream": () => Effect.succeed(answer),
          "item/commandExecution/requestApproval": () => Effect.succeed({ decision: answer })
        }
      })
      const { server } = yield* running({
        client: { ...decide("cancel"), ...raw("of the client") },
        turn: decide("accept")
      })
      // Its params do not fit, and a checked handler would not be asked.
      yield* server.send(ask(0, { turnId: "turn-2", command: 7 }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "of the client" })
      yield* server.send(ask(1))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
      yield* server.send(dream(2, { threadId: Fake.threadId, turnId: "turn-1" }))
      assert.strictEqual((yield* server.next).result, "of the client")
    }))

  it.effect("are interrupted with the turn that asks, as others are", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const { server } = yield* running({
        turn: {
          raw: {
            "thread/dream": () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          }
        }
      })
      yield* server.send(dream(0, { threadId: Fake.threadId, turnId: "turn-1" }), Fake.completed("turn-1"))
      yield* Deferred.await(interrupted)
    }))

  it.effect("of layers for different methods are merged in any order, with the services that they require", () =>
    Effect.gen(function*() {
      const layers = [
        ServerRequests.layer({ raw: { "thread/dream": () => Effect.map(Policy, ({ decision }) => decision) } }),
        ServerRequests.layer({ raw: { "thread/wake": () => Effect.succeed("awake") } })
      ] as const
      for (const merged of [Layer.merge(...layers), Layer.merge(layers[1], layers[0])]) {
        const { raw } = yield* ServerRequests.current.pipe(
          Effect.provide(merged),
          Effect.provideService(Policy, { decision: "accept" })
        )
        const answers = yield* Effect.forEach(
          ["thread/dream", "thread/wake"],
          (method) => raw?.[method]?.({ id: 1, method, params: {}, item: undefined }) ?? Effect.die(method)
        )
        assert.deepStrictEqual(answers, ["accept", "awake"])
      }
    }))
})

describe("a handler", () => {
  it.effect("that fails with anything is reported, and the default answers", () =>
    Effect.gen(function*() {
      const log = yield* logged(Effect.gen(function*() {
        const { server } = yield* Fake.connect({
          handlers: {
            "item/commandExecution/requestApproval": () => Effect.fail(new Error("the database is away")),
            "attestation/generate": () => Effect.interrupt
          }
        })
        yield* server.send(ask(0))
        assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
        yield* server.send(Fake.ask("attestation/generate", 1))
        assert.deepInclude((yield* server.next).error, { code: -32603, message: "This client does not attest." })
      }))
      assert.include(
        log,
        "item/commandExecution/requestApproval failed; the default answers instead.\nError: the database is away"
      )
    }))

  it.effect("of a tool that fails tells the model so, and not that there is no tool", () =>
    Effect.gen(function*() {
      const { server } = yield* Fake.connect({ handlers: { "item/tool/call": () => Effect.fail("away") } })
      yield* server.send(Fake.ask("item/tool/call", 0))
      assert.include(JSON.stringify((yield* server.next).result), "failed unexpectedly")
    }))

  it.effect("that takes too long is interrupted and reported, and the default answers", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const log = yield* logged(
        Effect.gen(function*() {
          const { server } = yield* Fake.connect({
            handlers: {
              "item/commandExecution/requestApproval": () =>
                Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            }
          })
          yield* server.send(ask(0))
          yield* TestClock.adjust("29 seconds")
          assert.isFalse(yield* Deferred.isDone(interrupted))
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual((yield* server.next).result, { decision: "decline" })
          yield* Deferred.await(interrupted)
        }).pipe(Effect.provideService(ServerRequests.HandlerTimeout, "30 seconds"))
      )
      assert.include(log, "did not answer within 30s")
    }))

  it.effect("is interrupted when the connection ends", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const { rpc, server } = yield* Fake.connect({
        handlers: {
          "attestation/generate": () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
        }
      })
      yield* server.send(Fake.ask("attestation/generate", 0))
      yield* server.close()
      yield* rpc.ended
      yield* Deferred.await(interrupted)
    }))

  it.effect("of an older server's request is interrupted when a turn of its thread ends", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const { server } = yield* Fake.connect({
        handlers: {
          execCommandApproval: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
        }
      })
      yield* server.send(Fake.ask("execCommandApproval", 0), Fake.completed("turn-1"))
      yield* Deferred.await(interrupted)
    }))

  it.effect("is told the item that the request is about, while it runs", () =>
    Effect.gen(function*() {
      const items: Array<unknown> = []
      const { server } = yield* Fake.connect({
        handlers: {
          "item/fileChange/requestApproval": ({ item }) =>
            Effect.sync(() => {
              items.push(item)
              return { decision: "accept" as const }
            })
        }
      })
      const item = { type: "fileChange", id: "call-1", changes: [], status: "inProgress" }
      const event = (method: string, params: object) =>
        Fake.notification(method, { threadId: Fake.threadId, turnId: "turn-1", item, ...params })
      const started = event("item/started", { startedAtMs: 1 })
      const completed = event("item/completed", { completedAtMs: 1, contentTokenCount: null })
      yield* server.send(started, Fake.ask("item/fileChange/requestApproval", 0))
      yield* server.next
      yield* server.send(completed, Fake.ask("item/fileChange/requestApproval", 1))
      yield* server.next
      yield* server.send(started, Fake.completed("turn-1"))
      yield* server.send(Fake.ask("item/fileChange/requestApproval", 2))
      yield* server.next
      yield* server.send(event("item/started", { item: { ...item, changes: "a newer shape" } }))
      yield* server.send(Fake.ask("item/fileChange/requestApproval", 3))
      yield* server.next
      assert.deepStrictEqual(items, [item, undefined, undefined, undefined])
    }))
})

describe("a goal", () => {
  it.effect("answers with the thread's handlers, whichever of its turns asks", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const starting = yield* Effect.forkScoped(codex.startThread({ handlers: decide("accept") }))
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, Fake.threadStarted()))
      const thread = yield* Fiber.join(starting)
      const goal = yield* Effect.forkScoped(Effect.exit(thread.runGoal("make it pass")))
      for (;;) {
        const request = yield* server.next
        if (request.method === "thread/goal/set") break
        yield* server.reply(
          request,
          request.method === "thread/read" ? { thread: Fake.threadStarted().thread } : { cleared: false }
        )
      }
      yield* server.send(Fake.started("turn-1"))
      yield* server.send(ask(0))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
      yield* server.close()
      assert.isTrue(Exit.isFailure(yield* Fiber.join(goal)))
    }))
})

// What has to hold at compile time.
const _layers: Layer.Layer<never> = ServerRequests.layer(decide("accept"))
const _needsPolicy: Layer.Layer<never, never, Policy> = ServerRequests.layer(byPolicy)
const _wrong = ServerRequests.layer({
  // @ts-expect-error the decision is none of the protocol's
  "item/fileChange/requestApproval": () => Effect.succeed({ decision: "perhaps" })
})
void [_layers, _needsPolicy, _wrong]
