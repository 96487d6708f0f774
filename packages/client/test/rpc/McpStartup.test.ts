/** What is told of MCP servers that do not start. */
import { CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { internalsOf } from "../../src/internal/rpcInternals.ts"
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
          return internalsOf(rpc).startingMcpServers(Fake.threadId)
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
      assert.deepStrictEqual(internalsOf(rpc).startingMcpServers("another thread"), ["other"])
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
