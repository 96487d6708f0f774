/** The server's configuration, on the real codex. */
import { ConfigurationError } from "@effect-codex/promise"
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
})
