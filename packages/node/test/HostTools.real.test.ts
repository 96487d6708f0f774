/** Tools that this program serves, called by the agent of the real codex binary with a scripted model. */
import { ApprovalMode, Approvals, AppServer, AppServerRpc, Codex, DynamicTools } from "@effect-codex/client"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Redacted,
  Schedule,
  Schema,
  Scope,
  Stream,
  Tracer
} from "effect"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as Http from "node:http"
import * as Net from "node:net"
import { inspect } from "node:util"
import { CodexNode, HostTools } from "../src/index.ts"

// =============================================================================
// Support
// =============================================================================

const clientOf = (options?: CodexNode.Options) =>
  Effect.gen(function*() {
    const home = yield* CodexHome.CodexHome
    const context = yield* Layer.build(CodexNode.layer({ cwd: home.workspace, env: home.env, ...options }))
    return {
      codex: Context.get(context, Codex.Codex),
      pid: Context.get(context, AppServer.AppServer).pid,
      rpc: Context.get(context, AppServerRpc.AppServerRpc)
    }
  })

interface Given {
  readonly codex: Codex.Codex["Service"]
  readonly pid: number
  readonly rpc: AppServerRpc.AppServerRpc["Service"]
  readonly model: ScriptedModel.ScriptedModel["Service"]
  readonly home: CodexHome.CodexHome["Service"]
}

const real = (
  name: string,
  test: (given: Given) => Effect.Effect<
    void,
    unknown,
    CodexHome.CodexHome | ScriptedModel.ScriptedModel | Scope.Scope
  >,
  options: Pick<ScriptedModel.Options, "answer"> & { readonly codex?: CodexNode.Options } = {}
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const client = yield* clientOf(options.codex)
      yield* test({ ...client, model: yield* ScriptedModel.ScriptedModel, home: yield* CodexHome.CodexHome })
    }).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer({ answer: options.answer }))))
    ))

const callOf = (name: string, args: ScriptedModel.JsonObject = { id: "A" }) =>
  ScriptedModel.functionCall(name, args, { namespace: "mcp__host" })

const input = Schema.Struct({ id: Schema.String })

const says = (name: string, text: string, seen: Array<DynamicTools.Call> = []) =>
  DynamicTools.tool(name, {
    description: `The tool ${name}.`,
    input,
    handler: ({ id }, call) =>
      Effect.sync(() => {
        seen.push(call)
        return `${text} ${id}`
      })
  })

/** A tool whose calls wait, and what became of the first. */
const waits = Effect.gen(function*() {
  const started = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  const tool = DynamicTools.tool("wait", {
    description: "Waits.",
    input,
    handler: () =>
      Deferred.succeed(started, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
      )
  })
  return { tool, started: Deferred.await(started), interrupted: Deferred.await(interrupted) }
})

const serve = (...tools: ReadonlyArray<DynamicTools.Tool>) =>
  Effect.flatMap(DynamicTools.make(tools), (tools) => HostTools.make(tools, { description: "The program's tools." }))

/** The tools of the server that the model was offered, and the outputs that it was given, in its last request. */
const last = (model: Given["model"]) =>
  Effect.map(model.requests, (requests) => {
    const { toolOutputs, tools } = requests.at(-1)!
    const group = tools.find(({ name }) => name === "mcp__host") as
      | { readonly description?: string; readonly tools?: ReadonlyArray<{ readonly name: string }> }
      | undefined
    return {
      description: group?.description,
      offered: group?.tools?.map(({ name }) => name),
      outputs: toolOutputs.map(({ output }) => output)
    }
  })

const trusted = { approval: "approve" } as const

// =============================================================================
// Tests
// =============================================================================

describe("the tools of a server of the program", () => {
  real("are called by the agent, with its thread and turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const seen: Array<DynamicTools.Call> = []
      const bytes = Buffer.from(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "base64"
      )
      const look = DynamicTools.tool("look", {
        description: "Looks.",
        handler: () => Effect.succeed(DynamicTools.image({ bytes, mediaType: "image/png" }))
      })
      const fail = DynamicTools.tool("fail", { description: "Fails.", handler: () => Effect.fail("it is locked") })
      const host = yield* serve(says("find", "found", seen), look, fail)
      const thread = yield* codex.startThread({ mcpServers: { host: host.mcpServer(trusted) } })
      yield* model.enqueue(callOf("find"), callOf("look", {}), callOf("fail", {}), "done")
      const result = yield* thread.run("go")
      const calls = result.items.filter((item) => item.type === "mcpToolCall")
      assert.deepStrictEqual(calls.map(({ status, tool }) => [tool, status]), [
        ["find", "completed"],
        ["look", "completed"],
        ["fail", "failed"]
      ])
      assert.deepStrictEqual(seen, [{ threadId: thread.id, turnId: result.id, callId: calls[0]?.id }])
      const { description, offered, outputs } = yield* last(model)
      assert.strictEqual(description, "The program's tools.")
      assert.sameMembers([...offered ?? []], ["find", "look", "fail"])
      assert.include(outputs[0], "found A")
      assert.include(outputs[1], `data:image/png;base64,${bytes.toString("base64")}`)
      assert.include(outputs[2], "The tool fail failed: it is locked")
    }))

  for (const followToolChanges of [true, false]) {
    const seen: Array<DynamicTools.Call> = []
    real(
      followToolChanges
        ? "are called by its subagents too, and change for them as for the thread"
        : "stay for new subagents of a thread that does not follow changes",
      ({ codex, model }) =>
        Effect.gen(function*() {
          const host = yield* serve(says("find", "found", seen))
          const server = host.mcpServer({ ...trusted, followToolChanges })
          const thread = yield* codex.startThread({ mcpServers: { host: server } })
          assert.strictEqual(Option.getOrThrow((yield* thread.run("go")).finalResponse), "root done")
          assert.lengthOf(seen, 1)
          const [child] = yield* Stream.runCollect(codex.listThreads({ ancestorThreadId: thread.id }))
          assert.deepInclude(child, { id: seen[0]?.threadId })

          yield* host.set(yield* DynamicTools.make(says("search", "new", seen)))
          yield* thread.run("again")
          assert.deepStrictEqual((yield* last(model)).offered, [followToolChanges ? "search" : "find"])
          const output = (yield* model.requests).findLast(({ prompt }) => prompt === "second child")?.toolOutputs[0]
          assert.include(output?.output, followToolChanges ? "new A" : "unsupported call")
          assert.lengthOf(seen, followToolChanges ? 2 : 1)
        }),
      {
        answer: (request) => {
          const { prompt, toolOutputs: { length } } = request
          if (prompt === "first child") return length === 0 ? callOf("find") : "child done"
          if (prompt === "second child") return length === 0 ? callOf("search") : "child done"
          if (length === 0) return ScriptedModel.spawnAgent(prompt === "go" ? "first child" : "second child")
          return length === 1 ? ScriptedModel.waitAgents(request) : "root done"
        }
      }
    )
  }

  real(
    "change for a thread that follows changes, between two turns and within one",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const host = yield* serve(says("find", "found"))
        const thread = yield* codex.startThread({
          mcpServers: { host: host.mcpServer({ ...trusted, followToolChanges: true }) },
          config: { features: { goals: true } }
        })
        yield* model.enqueue(callOf("find"), "done")
        yield* thread.run("go")
        const change = DynamicTools.tool("change", {
          description: "Changes the tools.",
          handler: () =>
            Effect.as(
              Effect.flatMap(DynamicTools.make(says("second", "the second")), host.set),
              "changed"
            )
        })
        yield* host.set(yield* DynamicTools.make(change))
        yield* model.enqueue(callOf("change", {}), callOf("second"), "done")
        yield* thread.run("go on")
        const requests = yield* model.requests
        const offered = requests.map(({ tools }) => JSON.stringify(tools.find(({ name }) => name === "mcp__host")))
        assert.deepStrictEqual(
          offered.map((tools) => ["find", "change", "second"].filter((name) => tools.includes(`"${name}"`))),
          [["find"], ["find"], ["change"], ["second"], ["second"]]
        )
        assert.include((yield* last(model)).outputs.at(-1), "the second A")
        // None at all, and one again.
        yield* host.set(yield* DynamicTools.make())
        yield* model.enqueue("done")
        yield* thread.run("go on")
        assert.notInclude(JSON.stringify((yield* model.requests).at(-1)?.tools), "mcp__host")
        yield* host.set(yield* DynamicTools.make(says("third", "the third")))
        yield* model.enqueue("done")
        yield* thread.run("go on")
        assert.deepStrictEqual((yield* last(model)).offered, ["third"])
      })
  )

  real(
    "stay for a thread that does not, and the model is told which are gone",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const host = yield* serve(says("find", "found"))
        const thread = yield* codex.startThread({ mcpServers: { host: host.mcpServer(trusted) } })
        yield* model.enqueue("done")
        yield* thread.run("go")
        yield* host.set(yield* DynamicTools.make(says("second", "the second")))
        yield* model.enqueue(callOf("find"), "done")
        yield* thread.run("go on")
        const { offered, outputs } = yield* last(model)
        assert.deepStrictEqual(offered, ["find"])
        assert.include(outputs[0], "not any more")
        // A fork lists them itself.
        const fork = yield* thread.fork({ mcpServers: { host: host.mcpServer(trusted) } })
        yield* model.enqueue("done")
        yield* fork.run("go on")
        assert.deepStrictEqual((yield* last(model)).offered, ["second"])
      })
  )

  real("run beside each other, for threads of several clients", ({ codex, model }) =>
    Effect.gen(function*() {
      const both = yield* Deferred.make<void>()
      let running = 0
      const meet = DynamicTools.tool("meet", {
        description: "Waits for another.",
        input,
        handler: ({ id }) =>
          Effect.suspend(() => {
            running++
            return Effect.as(
              running === 4
                ? Effect.andThen(Deferred.succeed(both, undefined), Deferred.await(both))
                : Deferred.await(both),
              `met ${id}`
            )
          })
      })
      const host = yield* serve(meet)
      const mcpServers = { host: host.mcpServer(trusted) }
      const { codex: other } = yield* clientOf()
      const threads = [yield* codex.startThread({ mcpServers }), yield* other.startThread({ mcpServers })]
      yield* model.enqueue(
        ...threads.map(() => ScriptedModel.reply([callOf("meet"), callOf("meet", { id: "B" })])),
        "done",
        "done"
      )
      const results = yield* Effect.forEach(threads, (thread) => thread.run("go"), { concurrency: "unbounded" })
      for (const { items } of results) {
        const calls = items.filter((item) => item.type === "mcpToolCall")
        assert.deepStrictEqual(calls.map(({ status }) => status), ["completed", "completed"])
      }
    }))

  real(
    "are there again when codex starts again",
    ({ codex, model, pid, rpc }) =>
      Effect.gen(function*() {
        const seen: Array<DynamicTools.Call> = []
        const host = yield* serve(says("find", "found", seen))
        const thread = yield* codex.startThread({ mcpServers: { host: host.mcpServer(trusted) } })
        yield* model.enqueue(callOf("find"), "done")
        yield* thread.run("go")
        const restored = yield* Effect.forkScoped(
          Stream.runHead(Stream.filter(rpc.diagnosticEvents, ({ _tag }) => _tag === "ConnectionRestored")),
          { startImmediately: true }
        )
        process.kill(pid, "SIGKILL")
        yield* Fiber.join(restored)
        yield* model.enqueue(callOf("find"), "done")
        yield* thread.run("go on")
        assert.deepStrictEqual(seen.map(({ threadId }) => threadId), [thread.id, thread.id])
      }),
    { codex: { restart: Schedule.recurs(3) } }
  )
})

describe("a call that is not wanted any more", () => {
  real("is interrupted with its turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const { interrupted, started, tool } = yield* waits
      const host = yield* serve(tool)
      const thread = yield* codex.startThread({ mcpServers: { host: host.mcpServer(trusted) } })
      yield* model.enqueue(callOf("wait"))
      const turn = yield* thread.turn("go")
      yield* started
      yield* turn.interrupt
      yield* interrupted
      assert.strictEqual((yield* turn.result).status, "interrupted")
    }))

  real(
    "is interrupted after the server's toolTimeout, and the turn goes on",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const { interrupted, tool } = yield* waits
        const host = yield* serve(tool)
        const thread = yield* codex.startThread({
          mcpServers: { host: host.mcpServer({ ...trusted, toolTimeout: "200 millis" }) }
        })
        yield* model.enqueue(callOf("wait"), "done")
        assert.strictEqual((yield* thread.run("go")).status, "completed")
        yield* interrupted
        assert.include((yield* last(model)).outputs[0], "timed out")
      })
  )

  real("is interrupted with the server, and its turn goes on", ({ codex, model }) =>
    Effect.gen(function*() {
      const { interrupted, started, tool } = yield* waits
      const scope = yield* Scope.make()
      const host = yield* Effect.provideService(serve(tool), Scope.Scope, scope)
      const server = host.mcpServer(trusted)
      const thread = yield* codex.startThread({ mcpServers: { host: server } })
      yield* model.enqueue(callOf("wait"), callOf("wait"), "done")
      const turn = yield* thread.turn("go")
      yield* started
      yield* Scope.close(scope, Exit.void)
      yield* interrupted
      assert.strictEqual((yield* turn.result).status, "completed")
      const { outputs } = yield* last(model)
      assert.lengthOf(outputs, 2)
      for (const output of outputs) assert.include(output, "tool call failed for `host/wait`")
      const code = yield* Effect.callback<unknown>((resume) => {
        const socket = Net.connect({ host: "127.0.0.1", port: Number(new URL(server.url).port) })
        socket.on("connect", () => {
          socket.destroy()
          resume(Effect.succeed("connected"))
        }).on("error", (error) => resume(Effect.succeed("code" in error ? error.code : error)))
      })
      assert.strictEqual(code, "ECONNREFUSED")
    }))
})

describe("the approval of a call", () => {
  real("is asked for unless the program trusts its tools", ({ codex, model }) =>
    Effect.gen(function*() {
      const seen: Array<DynamicTools.Call> = []
      const host = yield* serve(says("find", "found", seen), says("close", "closed", seen))
      const asked: Array<string> = []
      const handlers = yield* Approvals.acceptWhen((request) => {
        asked.push(Approvals.describe(request))
        return Effect.succeed(false)
      })
      const run = Effect.fnUntraced(
        function*(approvalMode: ApprovalMode.ApprovalMode, server: HostTools.McpServerOptions) {
          const thread = yield* codex.startThread({
            mcpServers: { host: host.mcpServer(server) },
            approvalMode,
            handlers
          })
          asked.length = 0
          seen.length = 0
          yield* model.enqueue(callOf("find"), callOf("close"), "done")
          yield* thread.run("go")
          return { asked: asked.length, called: seen.length }
        }
      )
      assert.deepStrictEqual(yield* run(ApprovalMode.ask, {}), { asked: 2, called: 0 })
      assert.deepStrictEqual(yield* run(ApprovalMode.ask, { toolApprovals: { find: "approve" } }), {
        asked: 1,
        called: 1
      })
      assert.deepStrictEqual(yield* run(ApprovalMode.ask, trusted), { asked: 0, called: 2 })
      assert.deepStrictEqual(yield* run(ApprovalMode.denyAll, {}), { asked: 0, called: 0 })
      assert.deepStrictEqual(yield* run(ApprovalMode.denyAll, trusted), { asked: 0, called: 2 })
    }))
})

describe("a proxy of the environment", () => {
  const started = Effect.fnUntraced(function*(variable: string, exempted: string) {
    const asked: Array<string> = []
    const proxy = Http.createServer((request, response) => {
      asked.push(String(request.url))
      response.writeHead(502).end()
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void proxy.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          proxy.close(() => resume(Effect.void))
          proxy.closeAllConnections()
        })
    )
    const home = yield* CodexHome.CodexHome
    const { port } = proxy.address() as Net.AddressInfo
    const env = { ...home.env, [variable]: `http://127.0.0.1:${port}`, NO_PROXY: exempted }
    const { codex } = yield* clientOf({ env })
    const server = (yield* serve(says("find", "found"))).mcpServer()
    const { _tag } = yield* Effect.result(codex.startThread({ mcpServers: { host: server } }))
    return [_tag, asked.includes(server.url)]
  }, Effect.scoped)

  real("gets the requests, unless loopback is exempted", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* started("HTTP_PROXY", ""), ["Failure", true])
      assert.deepStrictEqual(yield* started("ALL_PROXY", ""), ["Failure", true])
      assert.deepStrictEqual(yield* started("HTTP_PROXY", "*"), ["Failure", true])
      for (const exempted of ["127.0.0.1", "127.0.0.0/8"]) {
        assert.deepStrictEqual(yield* started("HTTP_PROXY", exempted), ["Success", false], exempted)
      }
    }))
})

describe("the token", () => {
  const told = { log: [] as Array<string>, spans: [] as Array<Tracer.Span> }
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      told.spans.push(span)
      return span
    }
  })
  const argumentsOfProcesses = () =>
    readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8")]
      } catch {
        return []
      }
    })

  real("appears in no argument, log, span, error or file", ({ codex, home, model }) =>
    Effect.gen(function*() {
      const host = yield* serve(says("find", "found"))
      const server = host.mcpServer({ ...trusted, followToolChanges: true })
      const token = Redacted.value(server.bearerToken!)
      const thread = yield* codex.startThread({ mcpServers: { host: server } })
      yield* model.enqueue(callOf("find"), "done")
      const result = yield* thread.run("go")
      // Its span is in the trace of the turn.
      const [run, call] = ["Thread.run", "HostTools.call"].map((name) => told.spans.find((span) => span.name === name))
      assert.isDefined(run)
      assert.strictEqual(call?.traceId, run.traceId)
      const scope = yield* Scope.make()
      const gone = yield* Effect.provideService(serve(says("find", "found")), Scope.Scope, scope)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(codex.startThread({ mcpServers: { host: gone.mcpServer() } }))
      const shown = [
        inspect([host, server, error, result, told.spans], { depth: 9, maxArrayLength: null }),
        JSON.stringify([server, error, result, yield* model.requests]),
        ...told.log,
        ...argumentsOfProcesses()
      ].join("\n")
      assert.include(shown, "HostTools.call")
      for (const secret of [token, Redacted.value(gone.mcpServer().bearerToken!)]) {
        assert.notInclude(shown, secret)
        assert.throws(() => execFileSync("grep", ["-rl", "-e", secret, home.path], { stdio: "pipe" }), /Command failed/)
      }
    }).pipe(
      Effect.withTracer(tracer),
      Effect.provide(Logger.layer([Logger.make((entry) => void told.log.push(inspect(entry.message, { depth: 9 })))]))
    ))
})
