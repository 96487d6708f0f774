import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { prepend } from "../src/internal/childPath.ts"

describe("childPath.prepend", () => {
  it("puts the folder before the parent's PATH", () => {
    assert.deepStrictEqual(prepend("/rg", { A: "1" }, { PATH: "/a:/b", B: "2" }, "linux"), {
      A: "1",
      PATH: "/rg:/a:/b"
    })
  })

  it("drops duplicates and empty entries", () => {
    assert.deepStrictEqual(prepend("/rg", {}, { PATH: ":/a::/rg:/a:" }, "linux"), { PATH: "/rg:/a" })
  })

  it("takes a given PATH for the base, also a removed one", () => {
    assert.deepStrictEqual(prepend("/rg", { PATH: "/mine" }, { PATH: "/a" }, "linux"), { PATH: "/rg:/mine" })
    assert.deepStrictEqual(prepend("/rg", { PATH: undefined }, { PATH: "/a" }, "linux"), { PATH: "/rg" })
    assert.deepStrictEqual(prepend("/rg", {}, {}, "linux"), { PATH: "/rg" })
  })

  it("keeps a redacted PATH redacted", () => {
    const { PATH } = prepend("/rg", { PATH: Redacted.make("/mine") }, {}, "linux")
    assert.isTrue(Redacted.isRedacted(PATH))
    assert.strictEqual(Redacted.isRedacted(PATH) ? Redacted.value(PATH) : undefined, "/rg:/mine")
  })

  it("keeps the spelling of Windows, of which there is one", () => {
    assert.deepStrictEqual(prepend("C:\\rg", {}, { Path: "C:\\a;;C:\\b" }, "win32"), { Path: "C:\\rg;C:\\a;C:\\b" })
    assert.deepStrictEqual(prepend("C:\\rg", { PATH: "C:\\mine" }, { Path: "C:\\a" }, "win32"), {
      Path: "C:\\rg;C:\\mine",
      PATH: undefined
    })
    assert.deepStrictEqual(prepend("C:\\rg", { path: undefined }, {}, "win32"), { path: "C:\\rg" })
  })

  it("leaves other spellings alone elsewhere", () => {
    assert.deepStrictEqual(prepend("/rg", { Path: "x" }, { PATH: "/a" }, "linux"), { Path: "x", PATH: "/rg:/a" })
  })
})
