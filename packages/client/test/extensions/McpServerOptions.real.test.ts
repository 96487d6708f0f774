/** The typed MCP servers of a thread, on the real codex binary. */
import { AppServer, Codex, CodexError, Extensions, McpServer } from "@effect-codex/client"
import { mcpServer } from "@effect-codex/test-support/files"
import * as HttpMcpServer from "@effect-codex/test-support/httpMcpServer"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Redacted, Schedule, type Scope, Stream, Tracer } from "effect"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { inspect } from "node:util"

const secrets = ["environment-secret", "bearer-secret", "header-secret"]
const [inEnv = "", bearer = "", inHeader = ""] = secrets

const stdio = (options: Partial<McpServer.StdioOptions> = {}) =>
  McpServer.stdio({ command: process.execPath, args: [mcpServer], required: true, ...options })

interface Told {
  readonly log: Array<string>
  readonly spans: Array<unknown>
}

const services = Effect.all({
  codex: Codex.Codex,
  process: AppServer.AppServer,
  extensions: Extensions.Extensions,
  home: CodexHome.CodexHome,
  model: ScriptedModel.ScriptedModel
})

const real = (
  name: string,
  test: (given: Effect.Success<typeof services>, told: Told) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.live(name, () => {
    const told: Told = { log: [], spans: [] }
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        told.spans.push(span)
        return span
      }
    })
    return Effect.flatMap(services, (given) => test(given, told)).pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(
        Extensions.layer,
        ScriptedCodex.layer({
          codex: { restart: Schedule.recurs(3) },
          home: { config: { mcp_servers: { mine: { command: process.execPath, args: [mcpServer] } } } }
        })
      )),
      Effect.withTracer(tracer),
      Effect.provide(Logger.layer([Logger.make((entry) => void told.log.push(inspect(entry.message, { depth: 9 })))]))
    )
  })

const statuses = (extensions: Extensions.Extensions["Service"], threadId: string) =>
  Effect.map(
    extensions.mcpServers({ threadId }),
    (servers) => servers.map(({ name, runtimeStatus }) => `${name} ${runtimeStatus}`).sort()
  )

const argumentsOfProcesses = () =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, "utf8")]
    } catch {
      return []
    }
  })

describe("the MCP servers of a thread", () => {
  real(
    "are started with their options, beside those of the configuration, also for forks and later processes",
    ({ codex, extensions, home, model, process: { pid } }) =>
      Effect.gen(function*() {
        const odd = "a.b:c@d/e_1"
        const mcpServers = {
          [odd]: stdio({
            args: [mcpServer, "--flag", "a \"b\" ö"],
            cwd: home.workspace,
            env: { SECRET: Redacted.make(inEnv), PLAIN: "x" },
            enabledTools: ["heard", "change", "process"],
            disabledTools: ["change"],
            startupTimeout: "20 seconds",
            toolTimeout: 2500,
            approval: "approve",
            toolApprovals: { heard: "prompt" },
            parallelToolCalls: true
          }),
          mine: McpServer.stdio({ command: process.execPath, enabled: false }),
          none: undefined
        }
        const thread = yield* codex.startThread({
          mcpServers,
          config: { mcp_servers: { other: { command: process.execPath, args: [mcpServer], required: true } } }
        })
        assert.deepStrictEqual(yield* statuses(extensions, thread.id), [
          `${odd} connected`,
          "mine disabled",
          "other connected"
        ])
        const { structuredContent } = yield* extensions.callTool({ threadId: thread.id, server: odd, tool: "process" })
        assert.deepNestedInclude(structuredContent, {
          argv: ["--flag", "a \"b\" ö"],
          cwd: home.workspace,
          "env.SECRET": inEnv,
          "env.PLAIN": "x"
        })
        const [server] = yield* extensions.mcpServers({ threadId: thread.id, server: odd })
        assert.deepStrictEqual(Object.keys(server?.tools ?? {}), ["heard"])

        yield* model.enqueue("done")
        yield* thread.run("go")
        const fork = yield* thread.fork({ mcpServers: { forked: stdio() } })
        assert.include(yield* statuses(extensions, fork.id), "forked connected")
        // The thread is loaded with other servers.
        const refused = yield* Effect.flip(codex.resumeThread(thread.id, { mcpServers: { late: stdio() } }))
        assert.instanceOf(refused, CodexError.SettingsNotApplied)
        assert.notInclude(refused.message, process.execPath)
        yield* codex.resumeThread(thread.id, {
          mcpServers,
          config: { mcp_servers: { other: { command: process.execPath, args: [mcpServer], required: true } } }
        })

        // The next process gets them from the client.
        const restored = yield* Effect.forkScoped(Stream.runHead(extensions.skillChanges), { startImmediately: true })
        process.kill(pid, "SIGKILL")
        yield* Fiber.join(restored)
        yield* model.enqueue("done")
        yield* thread.run("go")
        assert.include(yield* statuses(extensions, thread.id), `${odd} connected`)
      })
  )

  real(
    "get secrets that appear in no argument, log, span, error or file",
    ({ codex, extensions, home, model }, { log, spans }) =>
      Effect.gen(function*() {
        const web = yield* HttpMcpServer.start([bearer])
        const mcpServers = {
          env: stdio({ env: { SECRET: inEnv } }),
          web: McpServer.http({
            url: web.url,
            bearerToken: Redacted.make(bearer),
            headers: { "X-Key": Redacted.make(inHeader) },
            required: true
          })
        }
        const thread = yield* codex.startThread({ mcpServers })
        yield* model.enqueue("done")
        yield* thread.run("go")
        const answer = yield* extensions.callTool({ threadId: thread.id, server: "web", tool: "look" })
        assert.deepStrictEqual(answer.content, [{ type: "text", text: "seen" }])
        assert.strictEqual(web.requests.at(-1)?.["x-key"], inHeader)

        // Errors of the server, of the client, and of a thread that has other servers.
        const dead = stdio({ command: "/no/such/program", env: { SECRET: inEnv } })
        const errors = [
          yield* Effect.flip(codex.startThread({ mcpServers: { ...mcpServers, dead } })),
          yield* Effect.flip(codex.startThread({ mcpServers: { mine: mcpServers.web } })),
          yield* Effect.flip(codex.startThread({
            mcpServers: { web: McpServer.http({ url: web.url, headers: { "X-Key": `${inHeader}\r\n` } }) }
          })),
          yield* Effect.flip(codex.resumeThread(thread.id, {
            mcpServers: { web: McpServer.http({ url: web.url, bearerToken: Redacted.make("bearer-secret-2") }) }
          }))
        ]
        assert.deepStrictEqual(errors.map(({ _tag }) => _tag), [
          "RpcError",
          "RpcError",
          "InvalidArgument",
          "SettingsNotApplied"
        ])
        assert.include(errors[0]?.message, "dead: No such file or directory")
        const shown = [
          inspect(errors, { depth: 9 }),
          JSON.stringify(errors),
          inspect(mcpServers, { depth: 9 }),
          JSON.stringify(mcpServers),
          inspect(spans, { depth: 9, maxArrayLength: null }),
          ...log,
          ...argumentsOfProcesses()
        ].join("\n")
        assert.isAbove(spans.length, 3)
        for (const secret of secrets) assert.notInclude(shown, secret)
        const pattern = ["-rl", ...secrets.flatMap((secret) => ["-e", secret]), home.path]
        assert.throws(() => execFileSync("grep", pattern, { stdio: "pipe" }), /Command failed/)
      })
  )
})
