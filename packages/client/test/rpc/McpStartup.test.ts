/** What is told of MCP servers that do not start: in memory, and on the real codex binary with one that says nothing. */
import { AppServerRpc, Codex, CodexError } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Fake from "../support/fakeServer.ts"

const status = (name: unknown, status: unknown, threadId = Fake.threadId) =>
  Fake.notification("mcpServer/startupStatus/updated", { threadId, name, status, error: null, failureReason: null })

describe("the MCP servers that are starting", () => {
  it.effect("are those that the server said so of last, by thread, until the thread is closed", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* Fake.connect()
      // The reply comes when the notifications before it are handed over.
      const starting = (...frames: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const request = yield* Effect.forkChild(rpc.request("account/logout", undefined))
          const asked = yield* server.expect("account/logout")
          yield* server.send(...frames, Fake.frame({ id: asked.id, result: {} }))
          yield* Fiber.join(request)
          return rpc.startingMcpServers(Fake.threadId)
        })
      assert.deepStrictEqual(yield* starting(), [])
      assert.deepStrictEqual(
        yield* starting(
          ...["docs", "files", "mail", "__proto__"].map((name) => status(name, "starting")),
          status("other", "starting", "another thread"),
          status({}, "starting"),
          status("files", "ready"),
          status("docs", "failed"),
          status("unheard", "ready")
        ),
        ["mail", "__proto__"]
      )
      // It starts again.
      assert.deepStrictEqual(yield* starting(status("docs", "starting"), status("mail", "a newer status")), [
        "__proto__",
        "docs"
      ])
      assert.deepStrictEqual(
        yield* starting(Fake.notification("thread/closed", { threadId: Fake.threadId })),
        []
      )
      assert.deepStrictEqual(rpc.startingMcpServers("another thread"), ["other"])
      // Two environments may have a server of the same name.
      const of = (environmentId: string | null, status: string) =>
        Fake.notification("mcpServer/startupStatus/updated", {
          threadId: Fake.threadId,
          name: "docs",
          status,
          environmentId,
          error: null,
          failureReason: null
        })
      assert.deepStrictEqual(
        yield* starting(of(null, "starting"), of("a", "starting"), of("b", "starting"), of("a", "ready")),
        ["docs", "docs (environment b)"]
      )
      assert.deepStrictEqual(yield* starting(of(null, "ready"), of("b", "failed")), [])
      const many = Array.from({ length: 5_000 }, (_, i) => status(`server ${i}`, "starting"))
      assert.strictEqual((yield* starting(...many)).length, 4_096)
    }))

  it.effect("are named by a turn that stalls", () =>
    Effect.gen(function*() {
      const { server, thread } = yield* Fake.connectThread()
      yield* server.send(status("docs", "starting"), status("files", "starting"), status("files", "ready"))
      const run = yield* Effect.forkScoped(Effect.flip(thread.run("go", { stallTimeout: "1 minute" })))
      const request = yield* server.expect("turn/start")
      yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn("turn-1") } }), Fake.started("turn-1"))
      yield* TestClock.adjust("1 minute")
      yield* Effect.flatMap(server.expect("thread/turns/list"), (asked) => server.refuse(asked, -32600, "no"))
      yield* server.expect("turn/interrupt")
      yield* server.send(Fake.completed("turn-1", "interrupted"))
      const error = yield* Fiber.join(run)
      assert.instanceOf(error, CodexError.TurnStalled)
      assert.deepStrictEqual(error.startingMcpServers, ["docs"])
      assert.include(error.message, "MCP servers still starting: docs.")
    }))
})

describe("the MCP servers that are required", () => {
  const config = {
    mcp_servers: { files: { required: true }, mail: { required: true }, chat: { required: true, enabled: false } }
  }
  const overrides = {
    "mcp_servers.mail.enabled": false,
    "mcp_servers.chat.enabled": true,
    mcp_servers: { docs: { required: true }, optional: {} }
  }

  it.effect("are named by the request for a thread that timed out, as far as they are known", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const calls = {
        "thread/start": codex.startThread({ config: overrides, cwd: "/workspace" }),
        "thread/resume": codex.resumeThread(Fake.threadId, { config: overrides, cwd: "/workspace" }),
        "thread/fork": codex.forkThread(Fake.threadId, { config: overrides, cwd: "/workspace" })
      }
      for (const [method, call] of Object.entries(calls)) {
        for (const answer of [{ config }, undefined]) {
          const failing = yield* Effect.forkScoped(Effect.flip(call))
          if (method === "thread/resume") {
            const { thread } = Fake.threadStarted()
            yield* Effect.flatMap(
              server.expect("thread/read"),
              (request) =>
                server.reply(request, { thread: { ...thread, status: { type: "notLoaded" } }, readState: null })
            )
          }
          yield* server.expect(method)
          yield* TestClock.adjust("60 seconds")
          const asked = yield* server.expect("config/read")
          assert.deepStrictEqual(asked.params, { cwd: "/workspace" })
          if (answer === undefined) yield* TestClock.adjust("2 seconds")
          else yield* server.reply(asked, { ...answer, origins: {}, layers: null })
          const error = yield* Fiber.join(failing)
          const names = answer === undefined ? ["docs"] : ["files", "chat", "docs"]
          assert.deepInclude(error, { _tag: "AppServerTimeout", method, timeout: 60_000, requiredMcpServers: names })
          assert.include(error.message, `It waits for the required MCP servers to start: ${names.join(", ")}.`)
        }
      }
    }))

  it.effect("are not named when there are none, or by another request", () =>
    Effect.gen(function*() {
      const { codex, rpc, server } = yield* Fake.connect()
      const starting = yield* Effect.forkScoped(Effect.flip(codex.startThread()))
      yield* server.expect("thread/start")
      yield* TestClock.adjust("60 seconds")
      yield* Effect.flatMap(
        server.expect("config/read"),
        (asked) => server.reply(asked, { config: { mcp_servers: { files: {} } }, origins: {}, layers: null })
      )
      const other = yield* Effect.forkScoped(Effect.flip(rpc.request("model/list", {})))
      const error = yield* Fiber.join(starting)
      assert.deepInclude(error, { _tag: "AppServerTimeout", requiredMcpServers: [] })
      assert.notInclude(error.message, "MCP")
      yield* server.expect("model/list")
      yield* TestClock.adjust("60 seconds")
      assert.notProperty(yield* Fiber.join(other), "requiredMcpServers")
    }))
})

describe("on the real server an MCP server that never answers", () => {
  const mute = { command: process.execPath, args: ["-e", "process.stdin.resume()"], startup_timeout_sec: 300 }

  it.live("holds the first turn, which names it when it stalls", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue("the answer")
      const thread = yield* codex.startThread({ config: { mcp_servers: { mute } } })
      const error = yield* Effect.flip(thread.run("go", { stallTimeout: "200 millis" }))
      assert.instanceOf(error, CodexError.TurnStalled)
      assert.deepStrictEqual(error.startingMcpServers, ["mute"])
      // codex waits about a second for it and then does without.
      assert.strictEqual((yield* thread.run("again")).status, "completed")
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())), 60_000)

  it.live(
    "holds a thread that requires it and no other, and the error names it",
    () =>
      Effect.gen(function*() {
        const codex = yield* Codex.Codex
        const model = yield* ScriptedModel.ScriptedModel
        yield* model.enqueue("the answer")
        const withoutFiles = { "mcp_servers.files.enabled": false }
        const thread = yield* codex.startThread({ config: withoutFiles })
        yield* thread.run("go")
        // Nothing of it is loaded any more: a loaded thread is resumed as it is.
        yield* codex.archiveThread(thread.id)
        yield* codex.unarchiveThread(thread.id)
        const config = { "mcp_servers.mute": { ...mute, required: true } }
        const calls = [
          codex.startThread({ config }),
          codex.forkThread(thread.id, { config }),
          codex.resumeThread(thread.id, { config })
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(call)
          assert.deepInclude(error, { _tag: "AppServerTimeout", requiredMcpServers: ["files", "mute"] })
        }
        // The starts that go on in the server hold no other.
        yield* codex.startThread({ config: withoutFiles })
      }).pipe(
        Effect.scoped,
        Effect.provide(
          ScriptedCodex.layer({
            home: { config: { mcp_servers: { files: { ...mute, required: true }, off: { ...mute, enabled: false } } } }
          }).pipe(Layer.provide(Layer.succeed(AppServerRpc.DefaultRequestTimeout, "2 seconds")))
        )
      ),
    60_000
  )

  it.live("that codex gives up is named by the server", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const error = yield* Effect.flip(
        codex.startThread({ config: { mcp_servers: { mute: { ...mute, required: true, startup_timeout_sec: 1 } } } })
      )
      assert.strictEqual(kindOf(error), "RpcError: internal")
      assert.include(error.message, "required MCP servers failed to initialize: mute: ")
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())), 60_000)
})
