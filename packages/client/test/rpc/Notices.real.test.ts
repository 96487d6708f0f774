/** What is told without being asked for, on the real codex binary. */
import { ApprovalMode, Approvals, AppServerRpc, Codex, CodexError } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, FakeAppServer, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Option, Queue, References, Stream } from "effect"
import { internalsOf } from "../../src/internal/rpcInternals.ts"

type Server = readonly [
  name: string,
  layer: Layer.Layer<AppServerRpc.AppServerRpc | Codex.Codex | ScriptedModel.ScriptedModel, unknown>
]

type Tag = AppServerRpc.Diagnostic["_tag"]

/** Waits for so many diagnostics of a kind. */
const diagnostics = <T extends Tag>(tag: T, count = 1) =>
  Effect.gen(function*() {
    const rpc = yield* AppServerRpc.AppServerRpc
    const found = yield* rpc.diagnosticEvents.pipe(
      Stream.filter((diagnostic): diagnostic is Extract<AppServerRpc.Diagnostic, { readonly _tag: T }> =>
        diagnostic._tag === tag
      ),
      Stream.take(count),
      Stream.runCollect,
      Effect.forkScoped({ startImmediately: true })
    )
    return Fiber.join(found)
  })

/** Everything that is told until `report` is called. */
const everything = Effect.gen(function*() {
  const rpc = yield* AppServerRpc.AppServerRpc
  const found = yield* rpc.diagnosticEvents.pipe(
    Stream.map(({ _tag }) => _tag),
    Stream.takeUntil((tag) => tag === "Other"),
    Stream.filter((tag) => tag !== "Other" && tag !== "ServerWarning"),
    Stream.runCollect,
    Effect.forkScoped({ startImmediately: true })
  )
  return Effect.suspend(() => {
    internalsOf(rpc).report("that is all")
    return Fiber.join(found)
  })
})

const both: ReadonlyArray<Server> = [
  ["the real codex", ScriptedCodex.layer()],
  ["the fake", FakeAppServer.layer()]
]

const connected = (url: string, home?: CodexHome.Options) =>
  Layer.unwrap(
    Effect.map(CodexHome.CodexHome, ({ env, workspace }) => CodexNode.layer({ cwd: workspace, env }))
  ).pipe(Layer.provideMerge(CodexHome.layerUrl(url, home)))

// Where else there is a sandbox, codex says nothing of this.
if (process.platform === "linux") {
  describe("a machine without a bubblewrap of its own", () => {
    const logged = Effect.runSync(Queue.unbounded<string>())
    const logger = Logger.make<unknown, void>(({ logLevel, message }) =>
      void Queue.offerUnsafe(logged, `${logLevel} ${message}`)
    )

    it.live("is told to who asks, and not in the log, because codex has brought one", () =>
      Effect.gen(function*() {
        const warning = yield* diagnostics("ServerWarning")
        const [told] = yield* warning
        assert.match(told?.summary ?? "", /^Codex could not find bubblewrap on PATH\./)
        const rpc = yield* AppServerRpc.AppServerRpc
        internalsOf(rpc).report("the first line of the log")
        assert.strictEqual(yield* Queue.take(logged), "Warn the first line of the log")
      }).pipe(
        Effect.scoped,
        Effect.provide(
          ScriptedCodex.layer({ codex: { env: { PATH: "/nowhere" } } }).pipe(
            Layer.provide(Logger.layer([logger])),
            Layer.provide(Layer.succeed(References.MinimumLogLevel, "Info"))
          )
        )
      ))
  })
}

describe("a model that refuses connections", () => {
  // codex waits 5, 10, 20 and 40 seconds, then a minute each, between attempts that take some time too.
  it.live(
    "is told within seconds, and stalls a turn that makes no progress",
    () =>
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const retry = yield* diagnostics("ModelRetry")
        const thread = yield* codex.startThread({ stallTimeout: "15 seconds" })
        const turn = yield* thread.turn("go")
        const errors = yield* turn.events.pipe(
          Stream.filter(({ _tag }) => _tag === "error"),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        const [told] = yield* retry
        assert.deepInclude(told, {
          threadId: thread.id,
          turnId: turn.id,
          reason: "Reconnecting... waiting for network"
        })
        const error = yield* Effect.flip(turn.result)
        assert.instanceOf(error, CodexError.TurnStalled)
        assert.strictEqual(error.lastRetry?.message, "Reconnecting... waiting for network")
        assert.include(error.message, "Connection failed: error sending request")
        // The second had begun the time anew, and the third too.
        assert.isAtMost((yield* Fiber.join(errors)).length, 2)
      }).pipe(Effect.scoped, Effect.provide(connected("http://127.0.0.1:1/v1", { streamMaxRetries: 5 })))
  )
})

describe("a stream of the model that breaks", () => {
  const servers: ReadonlyArray<Server> = [
    ["the real codex", ScriptedCodex.layer({ home: { streamMaxRetries: 2 } })],
    ["the fake", FakeAppServer.layer({ streamMaxRetries: 2 })]
  ]
  for (const [name, layer] of servers) {
    it.live(`is told once by ${name}, and the turn goes on`, () =>
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const model = yield* ScriptedModel.ScriptedModel
        yield* model.enqueue(
          ScriptedModel.truncated("end"),
          ScriptedModel.failed("server_error", "boom"),
          "the answer",
          ScriptedModel.truncated("end"),
          ScriptedModel.truncated("end"),
          ScriptedModel.truncated("end")
        )
        const all = yield* everything
        const thread = yield* codex.startThread()
        const turn = yield* thread.turn("go")
        const errors = yield* turn.events.pipe(
          Stream.flatMap((event) =>
            event._tag === "error"
              ? Stream.succeed([event.params.willRetry, event.params.error] as const)
              : Stream.empty
          ),
          Stream.runCollect
        )
        const retry = (message: string, additionalDetails: string) =>
          [
            true,
            {
              message,
              additionalDetails,
              codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: null } },
              misalignment: null
            }
          ] as const
        const broken = "stream disconnected before completion: "
        assert.deepStrictEqual(errors, [
          retry("Reconnecting... 1/2", `${broken}stream closed before response.completed`),
          retry("Reconnecting... 2/2", `${broken}boom`)
        ])
        assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("the answer"))
        assert.instanceOf(yield* Effect.flip(thread.run("again")), CodexError.TurnFailed)
        assert.deepStrictEqual(yield* all, ["ModelRetry", "ModelRetry"])
      }).pipe(Effect.scoped, Effect.provide(layer)))
  }
})

describe("another model than was asked for", () => {
  for (const [name, layer] of both) {
    it.live(`is told by ${name}, and named in the result`, () =>
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const model = yield* ScriptedModel.ScriptedModel
        yield* model.enqueue("one", ScriptedModel.reply(["two"], { model: "another" }), "three", "four")
        const rerouted = yield* diagnostics("ModelRerouted")
        const thread = yield* codex.startThread()
        assert.deepStrictEqual((yield* thread.run("go")).model, Option.some("scripted-model"))
        assert.deepStrictEqual((yield* thread.run("go")).model, Option.some("another"))
        const [told] = yield* rerouted
        assert.deepInclude(told, { from: "scripted-model", to: "another", reason: "highRiskCyberActivity" })
        assert.deepStrictEqual(
          (yield* thread.run("go", { model: "a-model-of-mine" })).model,
          Option.some("a-model-of-mine")
        )
        const resumed = yield* codex.resumeThread(thread.id)
        assert.deepStrictEqual((yield* resumed.run("go")).model, Option.some("a-model-of-mine"))
      }).pipe(Effect.scoped, Effect.provide(layer)))
  }
})

describe("an MCP server", () => {
  const node = (script: string) => ({ command: process.execPath, args: ["-e", script] })
  const dies = node(`
    const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n")
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, method, params } = JSON.parse(line)
      if (method === "initialize") {
        const { protocolVersion } = params
        send({ id, result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "d", version: "1" } } })
      } else if (method === "tools/list") {
        const inputSchema = { type: "object", properties: {} }
        send({ id, result: { tools: [{ name: "die", inputSchema, annotations: { readOnlyHint: true } }] } })
      } else if (method === "tools/call") process.exit(3)
    })
  `)

  it.live(
    "that does not start, or dies in a call, is named once, and its status can be asked for",
    () =>
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const rpc = yield* AppServerRpc.AppServerRpc
        const model = yield* ScriptedModel.ScriptedModel
        const call = ScriptedModel.functionCall("die", {}, { namespace: "mcp__dies" })
        yield* model.enqueue([call], [call], "done")
        const failed = yield* diagnostics("McpServerFailed", 3)
        const thread = yield* codex.startThread({
          config: { mcp_servers: { dies, exits: node("process.exit(1)"), missing: { command: "/nowhere/server" } } }
        })
        assert.strictEqual((yield* thread.run("go")).status, "completed")
        const told = yield* failed
        assert.deepStrictEqual(told.map(({ phase, server }) => `${server} ${phase}`).toSorted(), [
          "dies call",
          "exits start",
          "missing start"
        ])
        for (const { message, reason, server, threadId } of told) {
          assert.strictEqual(threadId, thread.id)
          assert.include(message, `the MCP server ${server} `)
          assert.match(reason, /^MCP client for `\w+` failed to start: .|Transport closed$/)
        }
        const { data } = yield* rpc.request("mcpServerStatus/list", { threadId: thread.id, detail: "toolsAndAuthOnly" })
        assert.deepStrictEqual(data.map(({ name, runtimeStatus }) => [name, runtimeStatus]), [
          ["dies", "failed"],
          ["exits", "failed"],
          ["missing", "failed"]
        ])
      }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer()))
  )

  it.live("that does not start is told by the fake too", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const failed = yield* diagnostics("McpServerFailed")
      yield* codex.startThread()
      const reason = "MCP client for `docs` failed to start: MCP startup failed: no"
      assert.deepInclude((yield* failed)[0], { server: "docs", phase: "start", reason })
    }).pipe(Effect.scoped, Effect.provide(FakeAppServer.layer({ brokenMcpServers: { docs: "no" } }))))
})

describe("what is asked and decided by nobody", () => {
  const escalate = ScriptedModel.exec("true", {
    args: { sandbox_permissions: "require_escalated", justification: "x" }
  })
  const run = Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const model = yield* ScriptedModel.ScriptedModel
    yield* model.enqueue([escalate], [escalate], "done")
    const all = yield* everything
    const thread = yield* codex.startThread({ approvalMode: ApprovalMode.ask })
    yield* thread.run("go")
    return yield* all
  }).pipe(Effect.scoped)

  for (const [name, layer] of both) {
    it.live(`is told once, with ${name}, unless somebody chose to decline`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Effect.provide(run, layer), ["Undecided"])
        assert.deepStrictEqual(yield* Effect.provide(run, Layer.provide(layer, Approvals.layerDeclineAll)), [])
      }))
  }
})

describe("that nobody is logged in", () => {
  const wanting = { model_providers: { scripted: { requires_openai_auth: true } } }
  const run = Effect.gen(function*() {
    const codex = yield* Codex.Codex
    const told = yield* diagnostics("NotLoggedIn")
    yield* codex.startThread()
    const [notice] = yield* told
    return notice?.message ?? ""
  }).pipe(Effect.scoped)

  const howTo =
    /`codex login`.*`Auth\.layerApiKey\(Config\.Redacted\("OPENAI_API_KEY"\)\)`.*neither OPENAI_API_KEY nor CODEX_API_KEY/

  it.live(
    "is told by the real codex where the provider needs it, which reads no key from its environment",
    () =>
      Effect.gen(function*() {
        const env = { OPENAI_API_KEY: "sk-openai", CODEX_API_KEY: "sk-codex" }
        const layer = ScriptedCodex.layer({ home: { config: wanting }, codex: { env } })
        assert.match(yield* Effect.provide(run, layer), howTo)
      })
  )

  it.live("is told by the fake where its model needs it", () =>
    Effect.gen(function*() {
      assert.match(yield* Effect.provide(run, FakeAppServer.layer({ requiresOpenaiAuth: true })), howTo)
    }))
})
