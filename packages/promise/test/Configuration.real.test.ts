/** The server's configuration, on the real codex. */
import { ConfigurationError, RpcError } from "@effect-codex/promise"
import { isAtLeast } from "@effect-codex/test-support/codexVersion"
import { assert, describe } from "@effect/vitest"
import { real, rejection } from "./support/real.ts"

describe("the configuration", () => {
  real("is read and written, never over another's change", async ({ codex: { configuration } }) => {
    const signal = new AbortController().signal
    const { version } = await configuration.read({ signal })
    assert.isString(version)
    const written = await configuration.write("model_verbosity", "high", { expectedVersion: version, signal })
    assert.isUndefined(written.overridden)
    assert.strictEqual((await configuration.read()).config.model_verbosity, "high")
    const stale = await rejection(configuration.write("model_verbosity", "low", { expectedVersion: version }))
    assert.instanceOf(stale, ConfigurationError)
    assert.strictEqual(stale.reason, "conflict")
    assert.isUndefined(await configuration.requirements())
    assert.deepStrictEqual((await configuration.setFeatures({ memories: true, none: true })).ignored, ["none"])
    assert.isAtLeast((await configuration.permissionProfiles()).length, 3)
    assert.strictEqual((await configuration.providers()).defaultId, "scripted")
  })

  real("has providers, one of which is the default", async ({ codex: { configuration } }) => {
    if (!isAtLeast("0.171")) {
      const refused = await rejection(configuration.setDefaultProvider("scripted"))
      assert.instanceOf(refused, RpcError)
      assert.strictEqual(refused.reason, "methodNotFound")
      return
    }
    const gate = { type: "customGateway", name: "Gate", baseUrl: "http://127.0.0.1:9/v1", envKey: "KEY" } as const
    assert.strictEqual((await configuration.writeProvider(gate)).id, "gate")
    await configuration.setDefaultProvider("gate")
    assert.strictEqual((await configuration.providers()).defaultId, "gate")
    const unknown = await rejection(configuration.setDefaultProvider("none"))
    assert.instanceOf(unknown, ConfigurationError)
    assert.strictEqual(unknown.reason, "invalid")
  })
})
