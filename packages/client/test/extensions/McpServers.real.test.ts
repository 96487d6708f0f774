/** MCP servers, on the real codex binary. */
import { Codex, type CodexError, Elicitation, Extensions, McpServer } from "@effect-codex/client"
import { mcpServer } from "@effect-codex/test-support/files"
import * as HttpMcpServer from "@effect-codex/test-support/httpMcpServer"
import { CodexHome, ScriptedCodex } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import { readFileSync, writeFileSync } from "node:fs"

type Services = Layer.Success<ReturnType<typeof ScriptedCodex.layer>> | Extensions.Extensions

const asker = { command: process.execPath, args: [mcpServer], required: true }
const dead = { command: "/no/such/program", args: [mcpServer] }
const off = { command: "x", enabled: false }

const asked: Array<string> = []
const handlers = Elicitation.layer((request) => {
  asked.push(request._tag)
  return Effect.succeed(Elicitation.decline)
})

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  config: NonNullable<CodexHome.Options["config"]> = { mcp_servers: { asker, dead, off } }
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(
        Extensions.layer,
        ScriptedCodex.layer({ home: { config } }).pipe(Layer.provide(handlers))
      )),
      Effect.provide(Logger.layer([]))
    ))

const services = Effect.all({ codex: Codex.Codex, extensions: Extensions.Extensions, home: CodexHome.CodexHome })

const list = (extensions: Extensions.Extensions["Service"], options?: Extensions.McpServersOptions) =>
  Effect.map(
    extensions.mcpServers(options),
    (servers) => servers.flatMap((server) => server.tools === undefined ? [] : [server])
  )

const errorOf = <A, R>(call: Effect.Effect<A, CodexError.CodexError, R>) =>
  Effect.map(Effect.flip(call), (error) => [
    error._tag,
    "reason" in error ? error.reason : undefined,
    "detail" in error ? error.detail : ""
  ])

describe("MCP servers", () => {
  real(
    "are listed with their tools and their problems, called and read",
    Effect.gen(function*() {
      const { codex, extensions } = yield* services
      const thread = yield* codex.startThread()
      const of = { threadId: thread.id, server: "asker" }

      const servers = yield* list(extensions, { threadId: thread.id })
      assert.deepStrictEqual(
        servers.map(({ name, runtimeStatus, toolsError }) => [name, runtimeStatus, toolsError]),
        [
          ["asker", "connected", null],
          ["dead", "failed", "MCP startup failed: No such file or directory (os error 2)"],
          ["off", "disabled", null]
        ]
      )
      assert.deepStrictEqual(Object.keys(servers[0]?.tools ?? {}).sort(), ["ask", "change", "heard"])
      assert.deepStrictEqual(servers[0]?.resources.map(({ uri }) => uri), ["test://note", "test://bytes"])
      // Without a thread codex starts them for the call.
      const [configured, ...others] = yield* list(extensions, { server: "asker", detail: "toolsAndAuthOnly" })
      assert.deepStrictEqual([configured?.runtimeStatus, configured?.resources, others], [null, [], []])
      assert.strictEqual(configured?.serverInfo?.name, "asker")
      assert.deepStrictEqual(yield* list(extensions, { server: "nobody" }), [])

      const changed = yield* extensions.callTool({ ...of, tool: "change", input: { file: "a.txt" } })
      assert.deepStrictEqual(changed.structuredContent, { called: "change", input: { file: "a.txt" } })
      const failed = yield* extensions.callTool({ ...of, tool: "fail" })
      assert.deepStrictEqual([failed.isError, failed.content], [true, [{ type: "text", text: "it failed" }]])
      const form = { message: "Who?", requestedSchema: { type: "object", properties: {} } }
      const answered = yield* extensions.callTool({ ...of, tool: "ask", input: form })
      assert.deepStrictEqual(answered.structuredContent, { result: { action: "decline" } })
      assert.deepStrictEqual(asked, ["Form"])

      assert.deepStrictEqual(yield* extensions.readResource({ ...of, uri: "test://note" }), [
        { uri: "test://note", mimeType: "text/plain", text: "buy milk" }
      ])
      assert.deepStrictEqual(yield* extensions.readResource({ server: "asker", uri: "test://bytes" }), [
        { uri: "test://bytes", blob: "AP8=" }
      ])
    })
  )

  real(
    "that are unknown, dead or away fail with what the server says",
    Effect.gen(function*() {
      const { codex, extensions } = yield* services
      const { id: threadId } = yield* codex.startThread()
      const away = "01a227de-f4ca-7cb0-8b77-8ad762b7f720"
      const notFound = ["ThreadNotFound", undefined, `thread not found: ${away}`]
      const call = (server: string, thread = threadId) =>
        errorOf(extensions.callTool({ threadId: thread, server, tool: "heard" }))
      assert.deepStrictEqual(yield* call("nobody"), ["RpcError", "internal", "unknown MCP server 'nobody'"])
      assert.deepStrictEqual(yield* call("dead"), [
        "RpcError",
        "internal",
        "failed to get client: MCP startup failed: No such file or directory (os error 2)"
      ])
      assert.deepStrictEqual(yield* call("asker", away), notFound)
      assert.deepStrictEqual(yield* errorOf(extensions.mcpServers({ threadId: away })), notFound)
      const read = (options: Extensions.ResourceRead) => errorOf(extensions.readResource(options))
      assert.deepStrictEqual(yield* read({ server: "asker", uri: "test://none" }), [
        "RpcError",
        "unexpected",
        "no resource test://none"
      ])
      assert.deepStrictEqual(yield* read({ server: "asker", uri: "test://note", threadId: away }), notFound)
      assert.deepStrictEqual(
        yield* errorOf(extensions.callTool({ threadId, server: "asker", tool: "heard", input: "x" as never })),
        ["InvalidArgument", undefined, "expected an object."]
      )
      const late = extensions.callTool({
        threadId,
        server: "asker",
        tool: "ask",
        input: { message: "Who?", requestedSchema: { type: "object", properties: {} } },
        timeout: "1 millis"
      })
      assert.strictEqual((yield* errorOf(late))[0], "AppServerTimeout")
    })
  )

  real(
    "are started again as the configuration says, for threads too",
    Effect.gen(function*() {
      const { codex, extensions, home } = yield* services
      const { id: threadId } = yield* codex.startThread()
      const status = Effect.map(
        list(extensions, { threadId }),
        (all) => all.map(({ name, runtimeStatus }) => `${name} ${runtimeStatus}`)
      )
      assert.deepStrictEqual(yield* status, ["asker connected", "dead failed", "off disabled"])
      const file = `${home.path}/config.toml`
      writeFileSync(file, readFileSync(file, "utf8").replace(dead.command, process.execPath))
      yield* extensions.reloadMcpServers
      // The old connections serve until the next call or turn.
      assert.deepStrictEqual(
        (yield* extensions.callTool({ threadId, server: "dead", tool: "change" })).structuredContent,
        { called: "change", input: {} }
      )
      assert.deepStrictEqual(yield* status, ["asker connected", "dead connected", "off disabled"])
    })
  )

  real(
    "on HTTP are logged in to by a person, who may refuse or take too long",
    Effect.gen(function*() {
      const { codex, extensions } = yield* services
      const web = yield* HttpMcpServer.start()
      const { id: threadId } = yield* codex.startThread({ mcpServers: { web: McpServer.http({ url: web.url }) } })
      const of = { threadId, server: "web" }
      const auth = Effect.map(list(extensions, of), ([server]) => [server?.authStatus, server?.runtimeStatus])
      assert.deepStrictEqual(yield* auth, ["notLoggedIn", "authenticationRequired"])

      const [refused, closed, late] = yield* Effect.all([
        extensions.loginMcpServer(of),
        Effect.scoped(extensions.loginMcpServer({ ...of, timeout: "2 seconds" })),
        extensions.loginMcpServer({ ...of, timeout: "500 millis" })
      ])
      assert.deepStrictEqual((yield* errorOf(closed.wait)).slice(0, 2), ["McpLoginFailed", "closed"])
      yield* HttpMcpServer.confirm(refused.url, { error: "access_denied" })
      assert.deepStrictEqual((yield* errorOf(refused.wait)).slice(0, 2), ["McpLoginFailed", "refused"])
      assert.deepStrictEqual((yield* errorOf(late.wait)).slice(0, 2), ["McpLoginFailed", "timedOut"])
      const wrong = yield* extensions.loginMcpServer(of)
      yield* HttpMcpServer.confirm(wrong.url, { code: "wrong" })
      assert.deepStrictEqual((yield* errorOf(wrong.wait)).slice(0, 2), ["McpLoginFailed", "failed"])

      const login = yield* extensions.loginMcpServer({ ...of, scopes: ["read"] })
      assert.strictEqual(new URL(login.url).searchParams.get("scope"), "read")
      yield* HttpMcpServer.confirm(login.url, { code: "right" })
      yield* login.wait
      yield* login.wait
      const { content } = yield* extensions.callTool({ ...of, tool: "look" })
      assert.deepStrictEqual(content, [{ type: "text", text: "seen" }])
      assert.deepStrictEqual(yield* auth, ["oAuth", "connected"])

      const login2 = (server: string) => errorOf(Effect.scoped(extensions.loginMcpServer({ server })))
      assert.deepStrictEqual(yield* login2("nobody"), [
        "RpcError",
        "invalidRequest",
        "No MCP server named 'nobody' found."
      ])
      assert.deepStrictEqual(yield* login2("asker"), [
        "RpcError",
        "invalidRequest",
        "OAuth login is only supported for streamable HTTP servers."
      ])
    }),
    { mcp_oauth_credentials_store: "file", mcp_servers: { asker } }
  )
})
