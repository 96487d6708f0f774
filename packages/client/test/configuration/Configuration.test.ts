/** The configuration on the fake, and what only a strange server does. */
import { AppServerRpc, CodexError, Configuration } from "@effect-codex/client"
import { CodexTest, FakeAppServer } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"

const Fake = Layer.provideMerge(Configuration.layer, FakeAppServer.layer())

describe("the configuration", () => {
  it.effect("of the fake is read and written in memory, and never over another's change", () =>
    Effect.gen(function*() {
      const configuration = yield* Configuration.Configuration
      const { version } = yield* configuration.read()
      const expectedVersion = Option.getOrThrow(version)
      yield* configuration.write("model_verbosity", "high", { expectedVersion })
      const after = yield* configuration.read()
      assert.strictEqual(after.config.model_verbosity, "high")
      assert.strictEqual(after.origins["model_verbosity"]?.name.type, "user")
      assert.isTrue(Option.isNone(yield* configuration.requirements))
      const stale = yield* Effect.flip(configuration.write("model_verbosity", "low", { expectedVersion }))
      assert.deepInclude(stale, { _tag: "ConfigurationError", reason: "conflict" })
      assert.lengthOf(yield* configuration.permissionProfiles(), 3)
      assert.strictEqual((yield* configuration.providers).defaultId, "scripted")
      const missing = yield* Effect.flip(configuration.features())
      assert.include(missing.message, "FakeAppServer does not do experimentalFeature/list")
    }).pipe(Effect.provide(Fake)))

  const refusing = (data: unknown) =>
    Configuration.layer.pipe(Layer.provide(
      Layer.mock(AppServerRpc.AppServerRpc)({
        serverInfo: { version: "", userAgent: "", codexHome: "", platformFamily: "unix", platformOs: "linux" },
        restarts: 0,
        request: ((method: string) =>
          Effect.fail(new CodexError.RpcError({ method, code: -32600, detail: "No.", data }))) as never,
        notifications: Stream.never
      })
    ))

  it.effect("that a newer server refuses to write for a new reason keeps the server's code", () =>
    Effect.gen(function*() {
      const write = Effect.flip(Effect.flatMap(Configuration.Configuration, (it) => it.write("a", 1)))
      const newer = yield* Effect.provide(write, refusing({ config_write_error_code: "configOnHoliday" }))
      assert.deepInclude(newer, { _tag: "ConfigurationError", reason: "other", code: "configOnHoliday" })
      for (const data of [undefined, null, [], { config_write_error_code: 1 }]) {
        assert.strictEqual((yield* Effect.provide(write, refusing(data)))._tag, "RpcError")
      }
    }))

  it.effect("of the fake has keys of any name", () =>
    Effect.gen(function*() {
      const configuration = yield* Configuration.Configuration
      const names = ["a.b", "q\"uote", "back\\slash", "new\nline", "nul\0", "ü", "__proto__"]
      for (const name of names) yield* configuration.write(["desktop", name], "x")
      assert.sameMembers(Object.keys((yield* configuration.read()).config["desktop"] as object), names)
      const loop: { readonly [key: string]: unknown } = {
        get loop() {
          return loop
        }
      }
      for (const value of [JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`), loop]) {
        const error = yield* Effect.flip(configuration.write("desktop", value as never))
        assert.deepInclude(error, { _tag: "InvalidArgument", argument: "value" })
      }
    }).pipe(Effect.provide(Fake)))

  it.effect("is not written with an edit that is none", () =>
    Effect.gen(function*() {
      const configuration = yield* Configuration.Configuration
      for (const edit of [null, undefined, 5, []]) {
        const error = yield* Effect.flip(configuration.writeAll([{ key: "a", value: 1 }, edit as never]))
        assert.deepInclude(error, { _tag: "InvalidArgument", argument: "edits[1]" })
      }
    }).pipe(Effect.provide(Fake)))

  it.effect("is mocked member by member", () =>
    Effect.gen(function*() {
      const configuration = yield* Configuration.Configuration
      assert.isTrue(Option.isNone(yield* configuration.requirements))
      const died = yield* Effect.exit(configuration.read())
      assert.include(String(died), "Configuration.read")
    }).pipe(Effect.provide(CodexTest.mockConfiguration({ requirements: Effect.succeedNone }))))
})
