/** What the versions of codex do differently, on the real binary of whichever version the tests run on. */
import { AppServerRpc } from "@effect-codex/client"
import { Methods } from "@effect-codex/protocol"
import { codexVersion, isAtLeast } from "@effect-codex/test-support/codexVersion"
import { CodexHome, ScriptedCodex } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("the real codex", () => {
  it.live("makes and lists projects, with a position before 0.171", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const { workspace } = yield* CodexHome.CodexHome
      const { project } = yield* rpc.request("project/create", {
        name: "one",
        roots: [{ path: workspace }],
        idempotencyKey: "one"
      })
      const { data } = yield* rpc.request("project/list", {})
      assert.deepStrictEqual(data.map(({ id, name }) => [id, name]), [[project.id, "one"]])
      assert.strictEqual(project.position === undefined, isAtLeast("0.171.0"))
    }).pipe(Effect.provide(ScriptedCodex.layer())))

  it.live("sets the default model provider since 0.171", () =>
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const set = rpc.request("modelProvider/default/set", { providerId: "scripted" })
      if (isAtLeast("0.171.0")) {
        assert.strictEqual((yield* set).status, "ok")
      } else {
        assert.deepInclude(yield* Effect.flip(set), { _tag: "RpcError", code: -32600 })
      }
    }).pipe(Effect.provide(ScriptedCodex.layer())))

  it.live(
    "is the one that the schemas were generated from, unless another one is under test",
    () =>
      Effect.gen(function*() {
        const { serverInfo } = yield* AppServerRpc.AppServerRpc
        assert.strictEqual(serverInfo.version, codexVersion)
        if (process.env["TEST_CODEX_VERSION"] === undefined) assert.strictEqual(codexVersion, Methods.codexVersion)
      }).pipe(Effect.provide(ScriptedCodex.layer()))
  )
})
