import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as path from "node:path"

describe("codegen", () => {
  it("makes what is committed", () => {
    const script = path.join(import.meta.dirname, "..", "scripts", "codegen.ts")
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
    // The compiler that parses for it may say that it was cancelled when it is closed, so what it says decides nothing.
    assert.strictEqual(status, 0, stderr)
  }, 60_000)
})
