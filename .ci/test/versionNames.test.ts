import { assert, it } from "@effect/vitest"
import { compareVersions, isVersion, notInstalled } from "../versionNames.ts"

it("a version is whole, and names one folder", () => {
  for (const version of ["0.171.0", "0.162.1", "1.0.0", "0.172.0-alpha.3"]) assert.isTrue(isVersion(version), version)
  for (const text of ["", "0.171", "latest", "^0.171.0", "..", "0.1.0/..", "0.1.0 0.2.0", "0.171.0-linux-x64"]) {
    assert.isFalse(isVersion(text), text)
  }
  assert.isBelow(compareVersions("0.99.0", "0.162.1"), 0)
})

it("a version that cannot be installed is told from one that does not exist", () => {
  const missing = "npm error code ETARGET\nnpm error notarget No matching version found for @openai/codex@0.170.0."
  assert.strictEqual(
    notInstalled("0.170.0", missing),
    "codex 0.170.0 is not published. `npm view @openai/codex versions` lists the published ones."
  )
  assert.include(
    notInstalled("0.171.0", "npm error code ENOTFOUND\n"),
    "cannot be installed:\nnpm error code ENOTFOUND"
  )
  assert.include(notInstalled("0.1.0", undefined), `no executable for ${process.platform}-${process.arch}`)
})
