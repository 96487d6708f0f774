/** What an upgrade says that the protocol gained, lost and changed, and what it keeps of the older version. */
import { assert, describe, it } from "@effect/vitest"
import { addOlder, compare, describe as inWords } from "../scripts/compare.ts"
import { type Declared, envelope, withProtocol } from "./generated.ts"

const between = (before: Declared, after: Declared) =>
  withProtocol(before, (older) => withProtocol(after, (newer) => compare(older, newer), "1.1.0"), "1.0.0")

describe("the protocol of two versions", () => {
  it("is the same", () => {
    assert.strictEqual(
      inWords(between({}, {})),
      [
        "The protocol from codex 1.0.0 to 1.1.0",
        "gained: nothing",
        "lost: nothing",
        "changed: nothing",
        "still read, from older servers: nothing"
      ].join("\n\n")
    )
  })

  it("has other methods", () => {
    const { changed, gained, lost, older } = between({
      ServerNotification: envelope("ServerNotification", "{ method: \"old/told\", params: v2.OldTold }"),
      "v2/OldTold": "export type OldTold = { id: string };"
    }, {
      ClientRequest: envelope(
        "ClientRequest",
        "{ method: \"a/b\", params: v2.ABParams }",
        "{ method: \"c/d\", params: v2.CDParams }"
      ),
      ServerRequest: envelope(
        "ServerRequest",
        "{ method: \"x/y\", params: undefined }",
        "{ method: \"x/z\", params: v2.XZParams }"
      ),
      "v2/CDParams": "export type CDParams = { id: string };",
      "v2/CDResponse": "export type CDResponse = { name: string };",
      "v2/XZParams": "export type XZParams = {};",
      "v2/XZResponse": "export type XZResponse = {};"
    })
    assert.deepStrictEqual(gained, [
      "request c/d (CDParams) → CDResponse",
      "server request x/z (XZParams) → XZResponse",
      "notification none/ServerNotification (undefined)"
    ])
    assert.deepStrictEqual(lost, ["notification old/told"])
    assert.deepStrictEqual(changed, [])
    assert.deepStrictEqual(older, [
      { until: "1.0.0", id: "ServerNotification", has: "{ method: \"old/told\"; params: OldTold }" },
      { until: "1.0.0", id: "v2/OldTold", has: "{ id: string }" }
    ])
  })

  it("has other keys, values and members", () => {
    const { changed, gained, lost } = between({
      "v2/ABParams": "export type ABParams = { name: string, mode: v2.Mode };",
      "v2/ABResponse": "export type ABResponse = { gone: number, late: string, shape: v2.Shape, count: string };",
      "v2/Mode": "export type Mode = \"fast\" | \"slow\";",
      "v2/Shape": "export type Shape = { type: \"one\", size: number } | { type: \"two\" };"
    }, {
      "v2/ABParams": "export type ABParams = { name: string, mode: v2.Mode, extra?: boolean };",
      "v2/ABResponse": "export type ABResponse = { late?: string, shape: v2.Shape, count: number };",
      "v2/Mode": "export type Mode = \"fast\" | \"steady\";",
      "v2/Shape": "export type Shape = { type: \"one\", size: number, depth: number } | { type: \"three\" };"
    })
    assert.sameMembers(gained, [
      "sent ABParams.extra?: boolean",
      "sent Mode \"steady\"",
      "received Shape(one).depth: number",
      "received Shape \"three\""
    ])
    assert.sameMembers(lost, ["received ABResponse.gone", "received Shape \"two\"", "sent Mode \"slow\""])
    assert.sameMembers(changed, [
      "received ABResponse.late? is optional now",
      "received ABResponse.count: string → number"
    ])
  })

  it("says what a member of several shapes was and is", () => {
    const shape = (type: string) =>
      `export type ABResponse = { it: { type: "a", one: ${type} } | { type: "a", two: string } | { type: "b" } };`
    const { changed } = between({ "v2/ABResponse": shape("string") }, { "v2/ABResponse": shape("number") })
    assert.lengthOf(changed, 1)
    assert.match(changed[0]!, /^received ABResponse\.it\(a\): .*one: string.* → .*one: number/)
  })

  it("keeps what only the older one sends, in words too", () => {
    const comparison = between({
      "v2/ABResponse": "export type ABResponse = { gone: number };",
      ServerRequest: envelope(
        "ServerRequest",
        "{ method: \"x/y\", params: undefined }",
        "{ method: \"x/old\", params: undefined }"
      ),
      "v2/XOldResponse": "export type XOldResponse = {};"
    }, { "v2/ABResponse": "export type ABResponse = { fresh: string };" })
    assert.deepInclude(comparison.older, { until: "1.0.0", id: "v2/ABResponse", lacks: ["fresh"] })
    assert.deepInclude(comparison.older, { until: "1.0.0", id: "v2/ABResponse", has: "{ gone: number }" })
    const words = inWords(comparison)
    assert.include(words, "\n  the server request x/old, until 1.0.0\n")
    assert.include(words, "\n  ABResponse without fresh, until 1.0.0\n")
    assert.include(words, "\n  ABResponse as { gone: number }, until 1.0.0")
  })

  it("are not compared where one sends what cannot be read", () => {
    assert.throws(
      () => between({}, { "v2/ABParams": "export type ABParams = { pair: [string, number] };" }),
      /The generator cannot read a type that is sent: v2\/ABParams/
    )
  })
})

describe("what is kept of older versions", () => {
  const known = [{ until: "0.9.0", id: "v2/A", lacks: ["a"] }, { until: "1.0.0", id: "v2/B", has: "{ by: \"hand\" }" }]

  it("is added once, and left as people have improved it", () => {
    const found = [
      { until: "1.0.0", id: "v2/A", lacks: ["a"] },
      { until: "1.0.0", id: "v2/B", has: "{ by: string }" },
      { until: "1.0.0", id: "v2/C", lacks: ["c"] }
    ]
    const all = addOlder(known, found)
    assert.deepStrictEqual(all, [...known, found[2]])
    assert.deepStrictEqual(addOlder(all, found), all)
  })
})
