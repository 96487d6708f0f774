import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as path from "node:path"

describe("codegen", () => {
  it("makes what is committed", () => {
    const script = path.join(import.meta.dirname, "..", "scripts", "codegen.ts")
    const { status, stderr, stdout } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
    assert.deepStrictEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "" })
  }, 60_000)
})
