/** What is told of MCP servers that do not start, on the real codex binary with one that says nothing. */
import { AppServerRpc, Codex, CodexError } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"

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
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))

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
      )
  )

  it.live("that codex gives up is named by the server", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const error = yield* Effect.flip(
        codex.startThread({ config: { mcp_servers: { mute: { ...mute, required: true, startup_timeout_sec: 1 } } } })
      )
      assert.strictEqual(kindOf(error), "RpcError: internal")
      assert.include(error.message, "required MCP servers failed to initialize: mute: ")
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))
})
