/** The page of the requests that have a call, `docs/protocol.md`. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as path from "node:path"

it("docs/protocol.md says which call of the client sends each request, and is current", () => {
  const script = path.join(import.meta.dirname, "../../../.ci/coverage.ts")
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
  assert.strictEqual(stderr, "")
  assert.strictEqual(status, 0)
})
