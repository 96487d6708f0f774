import { ServerInfo } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { initialized } from "./fakeServer.ts"

const version = (userAgent: string, clientName: string) =>
  ServerInfo.fromInitialize({ ...initialized, userAgent }, clientName).version

describe("ServerInfo", () => {
  it("reads the version after the client's own name, whatever that holds", () => {
    for (const name of ["probe", "my/app", "my app", "a/1.2.3 b/c", ""]) {
      assert.strictEqual(version(`${name}/0.169.0 (Debian 12.0.0; x86_64) xterm (${name}; 0.0.1)`, name), "0.169.0")
    }
    assert.strictEqual(version("probe/0.170.0-alpha.3 (x)", "probe"), "0.170.0-alpha.3")
  })

  it("has no version when the user agent has none", () => {
    assert.strictEqual(version("something else", "probe"), "")
    assert.strictEqual(version("", "probe"), "")
  })

  it("compares the server with the schemas", () => {
    const compare = (version: string) => ServerInfo.compareToSchemas({ ...initialized, version })
    assert.strictEqual(compare("0.169.0"), "same")
    assert.strictEqual(compare("0.169.7"), "same")
    assert.strictEqual(compare("0.168.9"), "older")
    assert.strictEqual(compare("0.170.0-alpha.1"), "newer")
    assert.strictEqual(compare("1.0.0"), "newer")
    assert.strictEqual(compare(""), "unknown")
  })
})
