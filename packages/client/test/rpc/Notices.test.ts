/** What is told once without being asked for: in the log, as a diagnostic and as a metric. */
import { AppServerRpc, Codex, CodexError, Metrics, type ServerRequests, Transport } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Metric, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { internalsOf } from "../../src/internal/rpcInternals.ts"
import * as Fake from "../support/fakeServer.ts"

/** A client with a thread, and everything that it tells. */
const told = Effect.fnUntraced(function*(handlers: ServerRequests.Overrides = {}) {
  const log: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => void log.push(String(message)))
  const connected = yield* Fake.connectThread({ handlers }).pipe(Effect.provide(Logger.layer([logger])))
  const diagnostics: Array<AppServerRpc.Diagnostic> = []
  yield* connected.rpc.diagnosticEvents.pipe(
    Stream.filter(({ _tag }) => _tag !== "Other"),
    Stream.runForEach((diagnostic) => Effect.sync(() => void diagnostics.push(diagnostic))),
    Effect.forkScoped({ startImmediately: true })
  )
  /** Waits until what was told is in the log, which a fiber writes. */
  const settled = Effect.gen(function*() {
    internalsOf(connected.rpc).report("settled")
    yield* Effect.repeat(Effect.yieldNow, { until: () => log.at(-1) === "settled" })
    log.pop()
  })
  /** Sends frames, and waits until they are read and told. */
  const send = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
    const asking = yield* Effect.forkScoped(connected.rpc.request("account/logout", undefined))
    const { id } = yield* connected.server.expect("account/logout")
    yield* connected.server.send(...frames, Fake.frame({ id, result: {} }))
    yield* Fiber.join(asking)
    yield* settled
  })
  const counted = (kind: AppServerRpc.Diagnostic["_tag"]) =>
    Effect.map(Metric.value(Metric.withAttributes(Metrics.diagnostics, { kind })), ({ count }) => count)
  return { ...connected, log, diagnostics, send, settled, counted }
})

const retry = (turnId: string, message: unknown = "Reconnecting... waiting for network", more: object = {}) =>
  Fake.notification("error", {
    threadId: Fake.threadId,
    turnId,
    willRetry: true,
    error: {
      message,
      codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: null } },
      additionalDetails: "Connection failed: error sending request",
      misalignment: null
    },
    ...more
  })

const rerouted = (turnId: string, toModel: string) =>
  Fake.notification("model/rerouted", {
    threadId: Fake.threadId,
    turnId,
    fromModel: "mock-model",
    toModel,
    reason: "highRiskCyberActivity"
  })

const mcp = (name: string, status: string, error: string | null, more: object = {}) =>
  Fake.notification("mcpServer/startupStatus/updated", {
    threadId: Fake.threadId,
    name,
    status,
    error,
    failureReason: null,
    ...more
  })

describe("a model that is not reached", () => {
  it.effect("is told once for each turn, with how long it lasts, why, and what to do", () =>
    Effect.gen(function*() {
      const { counted, diagnostics, log, send } = yield* told()
      const before = yield* counted("ModelRetry")
      yield* send(Fake.started("turn-1"))
      yield* TestClock.adjust("4 seconds")
      yield* send(retry("turn-1"), retry("turn-1"))
      yield* TestClock.adjust("10 minutes")
      yield* send(retry("turn-1"))
      assert.deepStrictEqual(log, [
        "codex could not get an answer from the model for turn turn-1 and retries, 4 s after the turn began: " +
        "Reconnecting... waiting for network (Connection failed: error sending request). This is reported once per turn. If it " +
        "persists, check the network, the proxy and the login; without `stallTimeout` codex may retry without end."
      ])
      assert.deepInclude(diagnostics[0], {
        _tag: "ModelRetry",
        threadId: Fake.threadId,
        turnId: "turn-1",
        reason: "Reconnecting... waiting for network",
        details: "Connection failed: error sending request"
      })
      yield* send(Fake.completed("turn-1"), Fake.started("turn-2"), retry("turn-2"))
      assert.strictEqual(log.length, 2)
      assert.strictEqual((yield* counted("ModelRetry")) - before, 2)
    }))

  it.effect("is not told of an error that ends the turn, and by whatever a server sends nothing breaks", () =>
    Effect.gen(function*() {
      const { log, send } = yield* told()
      yield* send(retry("turn-1", "no", { willRetry: false }))
      assert.deepStrictEqual(log, [])
      yield* send(
        retry("turn-1", "\u001b[31mred\nhttps://me:secret@example.com/v1?key=secret is down.", { error: null }),
        retry("turn-2", 5, { error: 5 }),
        Fake.notification("error", { threadId: Fake.threadId, willRetry: true }),
        retry("turn-3", "\u001b[31mred\nhttps://me:secret@example.com/v1?key=secret is down.")
      )
      assert.strictEqual(log.length, 3)
      assert.include(log[2], ": \\u{1b}[31mred https://…@example.com/v1?… is down (Connection failed")
      assert.notInclude(log.join(), "secret")
    }))

  it.effect("is no progress of its turn, which stalls and says what codex was doing", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* told()
      yield* Effect.addFinalizer(() => server.close())
      const run = yield* Effect.forkScoped(Effect.flip(thread.run("go", { stallTimeout: "90 seconds" })))
      const { id } = yield* server.expect("turn/start")
      yield* server.send(Fake.frame({ id, result: { turn: Fake.turn("turn-1") } }), Fake.started("turn-1"))
      for (const pause of [4, 10, 20, 40]) {
        yield* TestClock.adjust(`${pause} seconds`)
        yield* server.send(
          retry("turn-1"),
          Fake.notification("modelProvider/authRecoveryStarted", {
            threadId: Fake.threadId,
            turnId: "turn-1",
            providerId: "openai",
            attemptId: "a"
          })
        )
      }
      yield* TestClock.adjust("15999 millis")
      assert.isUndefined(run.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const asked = yield* server.expect("thread/turns/list")
      // Nor while it is looked up.
      yield* server.send(retry("turn-1"))
      yield* server.refuse(asked, -32600, "no")
      yield* Effect.flatMap(server.expect("turn/interrupt"), (request) => server.reply(request, {}))
      yield* server.send(Fake.completed("turn-1", "interrupted"))
      const error = yield* Fiber.join(run)
      assert.instanceOf(error, CodexError.TurnStalled)
      assert.strictEqual(error.lastRetry?.message, "Reconnecting... waiting for network")
      assert.strictEqual(
        error.message,
        "Turn turn-1 made no progress for 90000 ms and was interrupted: codex was trying again to reach the model: " +
          "Reconnecting... waiting for network (Connection failed: error sending request); no item was running. Check the " +
          "network, the proxy and the login, then start a new turn."
      )
    }))

  it.effect("is forgotten once the turn has gone on", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* told()
      yield* Effect.addFinalizer(() => server.close())
      const run = yield* Effect.forkScoped(Effect.flip(thread.run("go", { stallTimeout: "90 seconds" })))
      const { id } = yield* server.expect("turn/start")
      yield* server.send(Fake.frame({ id, result: { turn: Fake.turn("turn-1") } }), Fake.started("turn-1"))
      yield* TestClock.adjust("60 seconds")
      yield* server.send(retry("turn-1"), Fake.delta("turn-1", "m1", "wor"))
      yield* TestClock.adjust("89999 millis")
      assert.isUndefined(run.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Effect.flatMap(server.expect("thread/turns/list"), (asked) => server.refuse(asked, -32600, "no"))
      yield* Effect.flatMap(server.expect("turn/interrupt"), (request) => server.reply(request, {}))
      yield* server.send(Fake.completed("turn-1", "interrupted"))
      assert.deepInclude(yield* Fiber.join(run), { _tag: "TurnStalled", lastRetry: null })
    }))
})

describe("the model that answers", () => {
  it.effect("is the one of the thread, of its settings when the turn began, or the one it was rerouted to", () =>
    Effect.gen(function*() {
      const { log, server, thread } = yield* told()
      const settings = (model: string) =>
        Fake.notification("thread/settings/updated", { threadId: Fake.threadId, threadSettings: { model } })
      const modelOf = Effect.fnUntraced(function*(turnId: string, ...frames: ReadonlyArray<string>) {
        const run = yield* Effect.forkScoped(thread.run("go"))
        const { id } = yield* server.expect("turn/start")
        yield* server.send(
          Fake.frame({ id, result: { turn: Fake.turn(turnId) } }),
          ...frames,
          Fake.completed(turnId)
        )
        return (yield* Fiber.join(run)).model
      })
      assert.deepStrictEqual(yield* modelOf("t1", Fake.started("t1")), Option.some("mock-model"))
      assert.deepStrictEqual(
        yield* modelOf("t2", settings("new"), Fake.started("t2"), settings("next")),
        Option.some("new")
      )
      assert.deepStrictEqual(
        yield* modelOf("t3", Fake.started("t3"), rerouted("t3", "weaker"), rerouted("t3", "weaker")),
        Option.some("weaker")
      )
      assert.deepStrictEqual(yield* modelOf("t4", Fake.started("t4")), Option.some("next"))
      assert.deepStrictEqual(log, [
        "the model weaker answers turn t3 instead of mock-model (reason: highRiskCyberActivity). The result's `model` " +
        "names the one that answered."
      ])
    }))

  it.effect("of a thread that was started with another one is told", () =>
    Effect.gen(function*() {
      const { codex, diagnostics, send, server } = yield* told()
      const starting = yield* Effect.forkScoped(
        codex.startThread({ model: "another-model", allowProviderModelFallback: true })
      )
      yield* Effect.flatMap(server.expect("thread/start"), (asked) => server.reply(asked, Fake.threadStarted()))
      yield* Fiber.join(starting)
      yield* send()
      assert.deepInclude(diagnostics[0], {
        _tag: "ModelRerouted",
        turnId: undefined,
        from: "another-model",
        to: "mock-model",
        reason: "fallback"
      })
    }))
})

describe("an MCP server that is not there", () => {
  const failed = (text: string) =>
    Fake.itemCompleted("turn-1", {
      type: "mcpToolCall",
      id: "call-1",
      server: "docs",
      tool: "search",
      status: "failed",
      error: { message: text }
    })

  it.effect("is told once for each thread, named, with why and what to do", () =>
    Effect.gen(function*() {
      const { diagnostics, log, send } = yield* told()
      const gone = "MCP client for `docs` failed to start: MCP startup failed: No such file or directory (os error 2)"
      yield* send(
        mcp("docs", "starting", null),
        mcp("docs", "failed", gone),
        mcp("docs", "failed", gone),
        mcp("mail", "ready", null),
        mcp("mail", "failed", null, { failureReason: "reauthenticationRequired", threadId: null })
      )
      assert.strictEqual(log.length, 2)
      assert.include(
        log[0],
        `the MCP server docs did not start, and thread ${Fake.threadId} continues without its tools: ${gone}`
      )
      assert.include(
        log[1],
        "codex continues without its tools: it gave no reason. Log in to it again: codex mcp login mail."
      )
      assert.deepInclude(diagnostics[0], { _tag: "McpServerFailed", server: "docs", phase: "start", reason: gone })
      yield* send(Fake.notification("thread/closed", { threadId: Fake.threadId }), mcp("docs", "failed", gone))
      assert.strictEqual(log.length, 3)
      // It was started again.
      yield* send(mcp("docs", "ready", null), mcp("docs", "failed", gone))
      assert.strictEqual(log.length, 4)
    }))

  it.effect("is told for each environment that has one of its name", () =>
    Effect.gen(function*() {
      const { diagnostics, log, send } = yield* told()
      const failed = (environmentId: string | null) => mcp("docs", "failed", "gone", { environmentId })
      yield* send(failed("staging"), failed("live"), failed(null), failed("staging"))
      assert.strictEqual(log.length, 3)
      assert.include(log[0], "the MCP server docs of the environment staging did not start")
      assert.include(log[1], "the MCP server docs of the environment live did not start")
      assert.include(log[2], "the MCP server docs did not start")
      assert.deepStrictEqual(
        diagnostics.map((one) => one._tag === "McpServerFailed" ? one.environmentId : one._tag),
        ["staging", "live", undefined]
      )
      yield* send(mcp("docs", "ready", null, { environmentId: "live" }), failed("staging"), failed("live"))
      assert.strictEqual(log.length, 4)
    }))

  it.effect("because it has ended in a call is told too, and a call that failed for another reason is not", () =>
    Effect.gen(function*() {
      const { diagnostics, log, send } = yield* told()
      yield* send(failed("tool call error: no such document"))
      assert.deepStrictEqual(log, [])
      const text = "tool call error: tool call failed for `docs/search`\n\nCaused by:\n    Transport closed\n\nStack " +
        "backtrace:\n   0: <unknown>"
      yield* send(failed(text), failed(text))
      assert.strictEqual(log.length, 1)
      assert.include(log[0], "the MCP server docs of thread")
      assert.include(
        log[0],
        "ended during a call of search, and further calls will fail: tool call error: tool call failed for "
      )
      assert.notInclude(log[0], "backtrace")
      assert.deepInclude(diagnostics[0], { _tag: "McpServerFailed", server: "docs", phase: "call" })
    }))
})

describe("a question that no handler decides", () => {
  it.effect("is told once for each method, with what was answered and what to do", () =>
    Effect.gen(function*() {
      const { diagnostics, log, server, settled } = yield* told()
      const ask = Effect.fnUntraced(function*(method: ServerRequests.Method, id: number) {
        yield* server.send(Fake.ask(method, id))
        yield* server.next
        yield* settled
      })
      yield* ask("item/commandExecution/requestApproval", 0)
      yield* ask("item/commandExecution/requestApproval", 1)
      yield* ask("item/tool/requestUserInput", 2)
      yield* ask("mcpServer/elicitation/request", 3)
      yield* ask("currentTime/read", 4)
      assert.strictEqual(log.length, 3)
      assert.strictEqual(
        log[0],
        "codex sent item/commandExecution/requestApproval; no handler decides it, so it was declined. Provide one with " +
          "`Approvals.layer` or the option `handlers`, or choose an `ApprovalMode` that does not ask. This is reported once."
      )
      assert.include(log[1], "so it was given no answers. Provide one with `Questions.layer`")
      assert.deepStrictEqual(diagnostics.map(({ _tag }) => _tag), ["Undecided", "Undecided", "Undecided"])
    }))

  it.effect("is not told where somebody chose to decline", () =>
    Effect.gen(function*() {
      const { log, server, settled } = yield* told({
        "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "decline" })
      })
      yield* server.send(Fake.ask("item/commandExecution/requestApproval", 0))
      yield* server.next
      yield* settled
      assert.deepStrictEqual(log, [])
    }))
})

describe("that nobody is logged in", () => {
  const warnings = Effect.fnUntraced(function*(account: object, checkLogin = false) {
    const server = yield* Fake.make
    const layer = Codex.layer({ checkLogin }).pipe(
      Layer.provideMerge(AppServerRpc.layer()),
      Layer.provide(Layer.succeed(Transport.Transport, server.client))
    )
    const building = yield* Effect.forkScoped(Layer.build(layer))
    yield* Effect.flatMap(server.expect("initialize"), (request) => server.reply(request, Fake.initialized))
    const context = yield* Fiber.join(building)
    yield* server.next
    const codex = yield* Effect.provide(Codex.Codex, context)
    const rpc = yield* Effect.provide(AppServerRpc.AppServerRpc, context)
    const read = yield* Effect.forkScoped(
      rpc.diagnosticEvents.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "Other"),
        Stream.map(({ _tag }) => _tag),
        Stream.runCollect
      ),
      { startImmediately: true }
    )
    for (let threads = 0; threads < 2; threads++) {
      const starting = yield* Effect.forkScoped(codex.startThread())
      yield* Effect.flatMap(server.expect("thread/start"), (request) => server.reply(request, Fake.threadStarted()))
      yield* Fiber.join(starting)
      if (checkLogin && threads === 0) {
        yield* Effect.flatMap(
          server.expect("account/read"),
          (request) =>
            server.reply(request, {
              account: null,
              userId: null,
              requiresOpenaiAuth: true,
              workspaceRouting: null,
              ...account
            })
        )
      }
    }
    const asking = yield* Effect.forkScoped(rpc.request("account/logout", undefined))
    yield* Effect.flatMap(server.expect("account/logout"), (request) => server.reply(request, {}))
    yield* Fiber.join(asking)
    internalsOf(rpc).report("done")
    return yield* Fiber.join(read)
  })

  it.effect("is told once, when the first thread is there and its provider needs it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* warnings({}, true), ["NotLoggedIn", "Other"])
      assert.deepStrictEqual(yield* warnings({ requiresOpenaiAuth: false }, true), ["Other"])
      assert.deepStrictEqual(yield* warnings({ account: { type: "apiKey" } }, true), ["Other"])
      assert.deepStrictEqual(yield* warnings({}), ["Other"])
    }))
})
