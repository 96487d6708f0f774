/** What is far larger, slower or odder than usual, on the real codex binary with a scripted model. */
import { AppServerRpc, Codex, DynamicTools } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { mcpServer } from "@effect-codex/test-support/files"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Schema, type Scope, Stream } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { globSync, rmSync, statSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { createServer } from "node:http"
import { join } from "node:path"

/** Runs on a codex process of its own. */
const inProcess = <A, E, R>(
  effect: Effect.Effect<A, E, R | Codex.Codex | AppServerRpc.AppServerRpc>,
  more?: Record<string, string>
) =>
  Effect.gen(function*() {
    const { env, workspace } = yield* CodexHome.CodexHome
    const options = { cwd: workspace, env: { ...env, ...more } }
    return yield* Effect.scoped(Effect.provide(effect, Layer.fresh(CodexNode.layer(options))))
  })

const live = (
  name: string,
  test: Effect.Effect<void, unknown, Scope.Scope | CodexHome.CodexHome | ScriptedModel.ScriptedModel>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
    ), 120_000)

const png =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

describe("a thread", () => {
  live(
    "with a history of 150 MB, of answers of tools of 30 MiB, goes on in another process",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { path } = yield* CodexHome.CodexHome
      const large = "x".repeat(30 * 1024 * 1024)
      const tools = yield* DynamicTools.make(DynamicTools.tool("large", {
        description: "Gives a lot.",
        input: Schema.Struct({ n: Schema.Int }),
        handler: ({ n }) => Effect.succeed([DynamicTools.text(`${n}${large}`), DynamicTools.image(png)])
      }))
      const id = yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread({ tools })
        for (const n of [1, 2, 3]) {
          yield* model.enqueue(ScriptedModel.functionCall("large", { n }), `done ${n}`)
          const { finalResponse } = yield* thread.run(`go ${n}`)
          assert.deepStrictEqual(finalResponse, Option.some(`done ${n}`))
        }
        return thread.id
      }))
      const files = globSync("sessions/**/*.jsonl", { cwd: path })
      assert.isAbove(files.reduce((sum, file) => sum + statSync(join(path, file)).size, 0), 150e6)
      yield* model.enqueue("still here")
      yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).resumeThread(id, { tools })
        const items = yield* Stream.runCollect(thread.items())
        const said = items.flatMap(({ item }) => item?.type === "agentMessage" && "text" in item ? [item.text] : [])
        assert.deepStrictEqual(said, ["done 1", "done 2", "done 3"])
        assert.deepStrictEqual((yield* thread.run("go on")).finalResponse, Option.some("still here"))
      }))
    })
  )

  live(
    "whose folder is gone can be resumed and read",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { workspace } = yield* CodexHome.CodexHome
      const cwd = join(workspace, "gone")
      yield* Effect.promise(() => mkdir(cwd))
      yield* model.enqueue("one")
      const id = yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).startThread({ cwd })
        yield* thread.run("go")
        return thread.id
      }))
      rmSync(cwd, { recursive: true })
      yield* inProcess(Effect.gen(function*() {
        const thread = yield* (yield* Codex.Codex).resumeThread(id)
        assert.strictEqual((yield* thread.read()).cwd, cwd)
        assert.strictEqual((yield* Stream.runCollect(thread.turns())).length, 1)
      }))
    })
  )
})

describe("a client", () => {
  live(
    "with 25 MCP servers offers the tools of all",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const names = Array.from({ length: 25 }, (_, index) => `server${index}`)
      const server = { command: process.execPath, args: [mcpServer] }
      yield* model.enqueue("done")
      yield* inProcess(Effect.gen(function*() {
        const rpc = yield* AppServerRpc.AppServerRpc
        const config = { mcp_servers: Object.fromEntries(names.map((name) => [name, server])) }
        const thread = yield* (yield* Codex.Codex).startThread({ config })
        const { data } = yield* rpc.request("mcpServerStatus/list", { threadId: thread.id, limit: 100 })
        assert.sameMembers(data.map(({ name }) => name), names)
        for (const { name, tools } of data) {
          assert.sameMembers(Object.keys(tools ?? {}), ["ask", "heard", "change"], name)
        }
        assert.strictEqual((yield* thread.run("go")).status, "completed")
      }))
    })
  )

  live(
    "that runs inside of a command of codex is not confused by its variables",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(ScriptedModel.exec("echo it runs"), "done")
      const outer = {
        CODEX_SANDBOX: "seatbelt",
        CODEX_SANDBOX_NETWORK_DISABLED: "1",
        CODEX_THREAD_ID: "019b0000-0000-7000-8000-000000000000",
        CODEX_CI: "1"
      }
      yield* inProcess(
        Effect.gen(function*() {
          const thread = yield* (yield* Codex.Codex).startThread()
          assert.notStrictEqual(thread.id, outer.CODEX_THREAD_ID)
          const { items } = yield* thread.run("go")
          const command = items.find((item) => item.type === "commandExecution")
          assert.deepInclude(command, { status: "completed", aggregatedOutput: "it runs\n" })
        }),
        outer
      )
    })
  )

  live(
    "behind an HTTP server stops the agent when the caller leaves",
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["One, two, ", gate]))
      const ended = yield* Deferred.make<string>()
      yield* inProcess(
        Effect.gen(function*() {
          const thread = yield* (yield* Codex.Codex).startThread()
          const count = Effect.as(thread.run("Count."), HttpServerResponse.text("counted")).pipe(
            Effect.onExit((exit) => Deferred.succeed(ended, exit._tag))
          )
          yield* Layer.build(HttpRouter.serve(HttpRouter.add("GET", "/", count), { disableLogger: true }))
          const address = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
          const caller = new AbortController()
          const response = fetch(address, { signal: caller.signal }).then(
            () => "answered",
            () => "left"
          )
          yield* gate.reached
          caller.abort()
          assert.strictEqual(
            yield* Effect.promise(() => response),
            "left"
          )
          assert.strictEqual(yield* Deferred.await(ended), "Failure")
          const [last] = yield* Stream.runCollect(thread.turns())
          assert.strictEqual(last?.status, "interrupted")
        }).pipe(Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
      )
    })
  )
})
