/** `effect-codex mcp` as a program, with the MCP client of Effect and with codex as its clients. */
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { ScriptedModel } from "@effect-codex/testing"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Schema } from "effect"
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

/** A thread of a codex that has `effect-codex mcp` as its MCP server, with a codex of its own on the same home. */
const outer = Effect.fnUntraced(function*(model: ScriptedModel.ScriptedModel["Service"]) {
  const home = yield* Cli.user(model)
  const inner = {
    command: process.execPath,
    args,
    env: Cli.environment({ home }) as Record<string, string>,
    required: true,
    default_tools_approval_mode: "approve"
  }
  const context = yield* Layer.build(CodexNode.layer({ env: { CODEX_HOME: join(home, ".codex") } }))
  const codex = Context.get(context, Codex.Codex)
  return { thread: yield* codex.startThread({ config: { mcp_servers: { inner } } }) }
})

interface Message {
  readonly jsonrpc: string
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly message?: string; readonly progress?: number; readonly progressToken?: string }
  readonly result?: {
    readonly content?: unknown
    readonly serverInfo?: { readonly name: string }
    readonly structuredContent?: unknown
  }
}

/** A server that was initialized, and the lines that it has said. */
const started = Effect.fnUntraced(function*(home: string) {
  const child = spawn(process.execPath, args, { env: Cli.environment({ home }) })
  const exited = once(child, "exit")
  const end = Effect.promise(async () => {
    child.stdin.end()
    const [code] = await exited
    return code
  })
  // Its codex must have ended, too, before the home is removed.
  yield* Effect.addFinalizer(() => end)
  let text = ""
  child.stderr.resume()
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk))
  const said = (): ReadonlyArray<Message> => text.split("\n").slice(0, -1).map((line) => JSON.parse(line))
  const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
  const until = (isIt: (message: Message) => boolean): Effect.Effect<Message> =>
    Effect.suspend(() => {
      const found = said().find(isIt)
      return found === undefined
        ? Effect.andThen(Effect.promise(() => once(child.stdout, "data")), until(isIt))
        : Effect.succeed(found)
    })
  send({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } }
  })
  yield* until(({ id }) => id === 1)
  send({ method: "notifications/initialized" })
  return {
    said,
    until,
    call: (params: object) => send({ id: 2, method: "tools/call", params }),
    /** Ends its stdin, and gives its exit code. */
    end
  }
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

  it.live("stops the agent when its client cancels, and goes on to serve", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["One ", gate]), "Two.")
      const client = yield* connected(yield* Cli.user(model))
      const call = yield* Effect.forkChild(called(client, "codex", { prompt: "first" }))
      yield* gate.reached
      yield* Fiber.interrupt(call)
      const [request] = yield* model.requests
      assert.strictEqual(yield* request!.outcome, "abandoned")
      assert.strictEqual((yield* called(client, "codex", { prompt: "second" })).answer, "Two.")
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("serves codex itself: a thread, and a reply to it in the shape of a schema", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { thread } = yield* outer(model)
      yield* model.enqueue(
        ScriptedModel.functionCall("codex", { prompt: "the inner question" }, { namespace: "mcp__inner" }),
        "The inner answer.",
        "The outer answer."
      )
      const call = (yield* thread.run("the outer question")).items.find((item) => item.type === "mcpToolCall")
      const answer = Schema.decodeUnknownSync(Answer)(call?.result?.structuredContent)
      assert.strictEqual(answer.answer, "The inner answer.")
      const outputSchema = {
        type: "object",
        properties: { n: { type: "integer" } },
        required: ["n"],
        additionalProperties: false
      }
      const reply = { threadId: answer.threadId, prompt: "and now?", outputSchema }
      yield* model.enqueue(
        ScriptedModel.functionCall("codex_reply", reply, { namespace: "mcp__inner" }),
        `{"n":3}`,
        "Three."
      )
      const { items } = yield* thread.run("again")
      const replied = items.findLast((item) => item.type === "mcpToolCall")
      assert.deepInclude(replied?.result?.structuredContent, { threadId: answer.threadId, output: { n: 3 } })
      const inner = (yield* model.requests).find(({ outputSchema }) => Option.isSome(outputSchema))
      assert.includeMembers([...inner!.userTexts], ["the inner question", "and now?"])
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("stops the inner agent when the turn of the outer one is interrupted", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { thread } = yield* outer(model)
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(
        ScriptedModel.functionCall("codex", { prompt: "the inner question" }, { namespace: "mcp__inner" }),
        ScriptedModel.text(["The inner ", gate])
      )
      const running = yield* Effect.forkChild(thread.run("the outer question"))
      yield* gate.reached
      yield* Fiber.interrupt(running)
      const inner = (yield* model.requests).find(({ userTexts }) => userTexts.includes("the inner question"))
      assert.strictEqual(yield* inner!.outcome, "abandoned")
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("tells how a call goes", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(
        [ScriptedModel.text("I look.", { phase: "commentary" }), ScriptedModel.exec("echo hi")],
        "One."
      )
      const server = yield* started(yield* Cli.user(model))
      server.call({ name: "codex", arguments: { prompt: "first" }, _meta: { progressToken: "p" } })
      const answer = yield* server.until(({ id }) => id === 2)
      assert.deepInclude(answer.result?.structuredContent, { answer: "One." })
      const progress = server.said().filter(({ method }) => method === "notifications/progress")
        .map(({ params = {} }) => params)
      assert.deepStrictEqual(progress.map(({ progress, progressToken }) => [progressToken, progress]), [["p", 1], [
        "p",
        2
      ]])
      assert.strictEqual(progress[0]?.message, "I look.")
      assert.match(progress[1]?.message ?? "", /^\$ .*echo hi/)
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("stops the agent and ends when its stdin ends in the middle of a call", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["One ", gate]))
      const server = yield* started(yield* Cli.user(model))
      server.call({ name: "codex", arguments: { prompt: "first" } })
      yield* gate.reached
      assert.strictEqual(yield* server.end, 0)
      const [request] = yield* model.requests
      assert.strictEqual(yield* request!.outcome, "abandoned")
      const answer = server.said().find(({ id }) => id === 2)
      assert.include(JSON.stringify(answer?.result?.content), "ClientGone")
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("says nothing but MCP on stdout, and ends with its stdin", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const server = yield* started(yield* Cli.user(model))
      assert.strictEqual(yield* server.end, 0)
      const [first] = server.said()
      assert.deepInclude(first, { jsonrpc: "2.0", id: 1 })
      assert.strictEqual(first?.result?.serverInfo?.name, "effect-codex")
    }).pipe(Effect.scoped, Effect.provide(services)))
})
