/** The typed MCP servers of a thread: what is sent, and what is refused before that. */
import { McpServer } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Schema } from "effect"
import { inConfig } from "../../src/internal/settings/mcpServers.ts"

const secret = Redacted.make("hunter2")
const wiped = Redacted.make("hunter2")
Redacted.wipeUnsafe(wiped)
/** What only a program without types can give. */
const wrong = (value: unknown): never => value as never

describe("MCP servers", () => {
  it.effect("are tables of the configuration, with the names of config.toml", () =>
    Effect.gen(function*() {
      const given = {
        model: "m",
        config: { model_verbosity: "low", mcp_servers: { a: { command: "old" }, b: { command: "kept" } } },
        mcpServers: {
          a: McpServer.stdio({
            command: "new",
            args: ["x"],
            cwd: "/w",
            env: { KEY: secret, PLAIN: "p", NONE: undefined },
            envVars: ["HOME"],
            required: true,
            enabled: true,
            startupTimeout: "1 minute",
            toolTimeout: 1500,
            enabledTools: ["t"],
            disabledTools: ["u"],
            approval: "writes",
            toolApprovals: { t: "approve", u: undefined },
            parallelToolCalls: true
          }),
          "c.d": McpServer.http({
            url: "https://h/mcp",
            bearerToken: secret,
            headers: { "X-Key": secret, Accept: "x" },
            headersFromEnv: { "X-Env": "VARIABLE", "X-None": undefined },
            scopes: ["read"],
            oauthClientId: "id",
            oauthResource: "https://h"
          }),
          e: McpServer.http({ url: "http://h", bearerTokenEnvVar: "TOKEN" }),
          none: undefined
        }
      }
      assert.deepStrictEqual<unknown>(yield* inConfig(given), {
        model: "m",
        config: {
          model_verbosity: "low",
          mcp_servers: {
            a: {
              command: "new",
              args: ["x"],
              cwd: "/w",
              env: { KEY: "hunter2", PLAIN: "p" },
              env_vars: ["HOME"],
              required: true,
              enabled: true,
              startup_timeout_sec: 60,
              tool_timeout_sec: 1.5,
              enabled_tools: ["t"],
              disabled_tools: ["u"],
              default_tools_approval_mode: "writes",
              tools: { t: { approval_mode: "approve" } },
              supports_parallel_tool_calls: true
            },
            b: { command: "kept" },
            "c.d": {
              url: "https://h/mcp",
              http_headers: { "X-Key": "hunter2", Accept: "x", Authorization: "Bearer hunter2" },
              env_http_headers: { "X-Env": "VARIABLE" },
              scopes: ["read"],
              oauth: { client_id: "id" },
              oauth_resource: "https://h"
            },
            e: { url: "http://h", bearer_token_env_var: "TOKEN" }
          }
        }
      })
      assert.deepStrictEqual(yield* inConfig({ model: "m", mcpServers: {} }), { model: "m" })
    }))

  it.effect("switch codex's feature on to follow changes of the tools, unless the configuration says otherwise", () =>
    Effect.gen(function*() {
      const mcpServers = {
        a: McpServer.stdio({ command: "x" }),
        b: McpServer.http({ url: "http://h", followToolChanges: true })
      }
      const mcp_servers = { a: { command: "x" }, b: { url: "http://h" } }
      const feature = "mcp_tool_list_changed"
      const key = `features.${feature}`
      const configs: ReadonlyArray<readonly [given: Schema.JsonObject | undefined, sent: Schema.JsonObject]> = [
        [undefined, { [key]: true }],
        [{ "features.goals": true }, { "features.goals": true, [key]: true }],
        [{ features: { goals: true } }, { features: { goals: true, [feature]: true } }],
        [{ features: { [feature]: false } }, { features: { [feature]: false } }],
        [{ [key]: false }, { [key]: false }]
      ]
      for (const [config, sent] of configs) {
        assert.deepStrictEqual<unknown>(yield* inConfig({ config, mcpServers }), { config: { ...sent, mcp_servers } })
      }
      const off = { b: McpServer.http({ url: "http://h", followToolChanges: false }) }
      assert.deepStrictEqual<unknown>(yield* inConfig({ mcpServers: off }), {
        config: { mcp_servers: { b: mcp_servers.b } }
      })
    }))

  it.effect("that codex would misread are refused, without their values", () =>
    Effect.gen(function*() {
      const stdio = (options: object) => McpServer.stdio({ command: "x", ...options })
      const http = (options: object) => McpServer.http({ url: "http://h", ...options })
      const refusals: ReadonlyArray<readonly [argument: string, servers: McpServer.McpServers]> = [
        ["mcpServers", wrong([])],
        ["mcpServers[\"a b\"]", { "a b": stdio({}) }],
        ["mcpServers[\"\"]", { "": stdio({}) }],
        ["mcpServers[\"a\"]", { a: wrong({ command: "hunter2" }) }],
        ["mcpServers[\"a\"].command", { a: stdio({ command: "" }) }],
        ["mcpServers[\"a\"].command", { a: stdio({ command: undefined }) }],
        ["mcpServers[\"a\"].args", { a: stdio({ args: "hunter2" }) }],
        ["mcpServers[\"a\"].env", { a: stdio({ env: { "A=B": "hunter2" } }) }],
        ["mcpServers[\"a\"].env", { a: stdio({ env: { A: "hunter2\0" } }) }],
        ["mcpServers[\"a\"].env", { a: stdio({ env: { A: { hunter2: 1 } } }) }],
        ...["hunter2", ["KEY=hunter2"], new Map([["KEY", "hunter2"]]), Redacted.make({ KEY: "hunter2" }), null, 5]
          .flatMap((
            values
          ) =>
            [["mcpServers[\"a\"].env", { a: stdio({ env: values }) }], [
              "mcpServers[\"a\"].headers",
              { a: http({ headers: values }) }
            ]] as const
          ),
        ["mcpServers[\"a\"].env", { a: stdio({ env: { A: wiped } }) }],
        ["mcpServers[\"a\"].bearerToken", { a: http({ bearerToken: wiped }) }],
        ["mcpServers[\"a\"].bearerToken", { a: http({ bearerToken: secret, headers: { authorization: "hunter2" } }) }],
        ["mcpServers[\"a\"].bearerToken", { a: http({ bearerToken: secret, headersFromEnv: { AUTHORIZATION: "X" } }) }],
        ["mcpServers[\"a\"].command", { a: McpServer.stdio(wrong(undefined)) }],
        ["mcpServers[\"a\"].url", { a: McpServer.http(wrong(null)) }],
        ["mcpServers[\"a\"].toolTimeout", { a: stdio({ toolTimeout: 0 }) }],
        ["mcpServers[\"a\"].startupTimeout", { a: stdio({ startupTimeout: Infinity }) }],
        ["mcpServers[\"a\"].approval", { a: stdio({ approval: "never" }) }],
        ["mcpServers[\"a\"].toolApprovals", { a: stdio({ toolApprovals: { t: "never" } }) }],
        ["mcpServers[\"a\"].followToolChanges", { a: stdio({ followToolChanges: "hunter2" }) }],
        ["mcpServers[\"a\"].url", { a: http({ url: "hunter2" }) }],
        ["mcpServers[\"a\"].url", { a: http({ url: "file:///hunter2" }) }],
        ["mcpServers[\"a\"].bearerToken", { a: http({ bearerToken: "hunter2" }) }],
        ["mcpServers[\"a\"].bearerToken", { a: http({ bearerToken: Redacted.make("hunter2\n") }) }],
        ["mcpServers[\"a\"].bearerToken", { a: http({ bearerToken: secret, bearerTokenEnvVar: "TOKEN" }) }],
        ["mcpServers[\"a\"].headers", { a: http({ headers: { "X Key": "hunter2" } }) }],
        ["mcpServers[\"a\"].headers", { a: http({ headers: { X: "hunter2\r\nY: 1" } }) }],
        ["mcpServers[\"a\"].headersFromEnv", { a: http({ headersFromEnv: { X: "" } }) }]
      ]
      const plain: unknown = { _tag: "Stdio", command: "x" }
      assert.deepStrictEqual<unknown>(yield* inConfig({ mcpServers: { a: wrong(plain) } }), {
        config: { mcp_servers: { a: { command: "x" } } }
      })
      for (const [argument, mcpServers] of refusals) {
        const error = yield* Effect.flip(inConfig({ mcpServers }))
        assert.deepInclude(error, { _tag: "InvalidArgument", argument })
        assert.notInclude(JSON.stringify(error), "hunter2")
      }
    }))
})
