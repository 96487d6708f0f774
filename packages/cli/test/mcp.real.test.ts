/** `effect-codex mcp` as a program, with the MCP client of Effect and with codex as its clients. */
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { McpClient, McpProtocol } from "effect/ai"
import * as ChildProcess from "effect/process/ChildProcess"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import * as Cli from "./support/cli.ts"

const args = [...Cli.entry, "mcp", "--sandbox", "read-only"]

const Answer = Schema.Struct({ threadId: Schema.String, answer: Schema.NullOr(Schema.String) })

/** An MCP client with a server of its own, for as long as the scope is open. */
const connected = (home: string) =>
  Effect.gen(function*() {
    const command = ChildProcess.make(process.execPath, args, { env: Cli.environment({ home }), extendEnv: false })
    const transport = yield* McpClient.stdio({ command, protocol: McpProtocol.v2025_11_25 })
    return yield* McpClient.make({ name: "test", version: "1" }).pipe(
      Effect.provideService(McpClient.Transport, transport)
    )
  })

const called = Effect.fnUntraced(function*(client: McpClient.McpClient, name: string, input: Schema.JsonObject) {
  const tool = (yield* client.listTools()).find((tool) => tool.name === name)!
  return yield* client.callTool({ tool, arguments: input, schema: Answer })
})

const services = Layer.merge(ScriptedModel.layer(), NodeServices.layer)

describe("effect-codex mcp", () => {
  it.live("starts a thread, and goes on with it in another process", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue("One.", "Two.")
      const home = yield* Cli.user(model)
      const ask = (name: string, input: Schema.JsonObject) =>
        Effect.scoped(Effect.flatMap(connected(home), (client) => called(client, name, input)))
      const first = yield* ask("codex", { prompt: "first" })
      assert.strictEqual(first.answer, "One.")
      const second = yield* ask("codex_reply", { threadId: first.threadId, prompt: "second" })
      assert.deepStrictEqual(second, { threadId: first.threadId, answer: "Two." })
      const [, request] = yield* model.requests
      assert.includeMembers([...request!.userTexts], ["first", "second"])
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("serves codex itself", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const home = yield* Cli.user(model)
      yield* model.enqueue(
        ScriptedModel.functionCall("codex", { prompt: "the inner question" }, { namespace: "mcp__inner" }),
        "The inner answer.",
        "The outer answer."
      )
      const inner = {
        command: process.execPath,
        args,
        env: Cli.environment({ home }) as Record<string, string>,
        required: true,
        default_tools_approval_mode: "approve"
      }
      const codex = CodexNode.layer({ env: { CODEX_HOME: join(home, ".codex") } })
      const items = yield* Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread({ config: { mcp_servers: { inner } } })
        return (yield* thread.run("the outer question")).items
      }).pipe(Effect.provide(codex))
      const call = items.find((item) => item.type === "mcpToolCall")
      assert.deepInclude(call?.result?.structuredContent, { answer: "The inner answer." })
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("says nothing but MCP on stdout, and ends with its stdin", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const home = yield* Cli.user(model)
      const child = spawn(process.execPath, args, { env: Cli.environment({ home }) })
      let said = ""
      child.stdout.on("data", (chunk) => void (said += chunk))
      child.stderr.resume()
      const initialize = {
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } }
      }
      child.stdin.write(`${JSON.stringify(initialize)}\n`)
      yield* Effect.promise(() => once(child.stdout, "data"))
      child.stdin.end()
      const [code] = yield* Effect.promise(() => once(child, "exit"))
      assert.strictEqual(code, 0)
      const lines = said.trim().split("\n").map((line) => JSON.parse(line))
      assert.deepInclude(lines[0], { jsonrpc: "2.0", id: 1 })
      assert.strictEqual(lines[0].result.serverInfo.name, "effect-codex")
    }).pipe(Effect.scoped, Effect.provide(services)))
})
