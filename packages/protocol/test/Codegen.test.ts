import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { emit } from "../scripts/emit.ts"
import { findMethods } from "../scripts/methods.ts"
import { type Older, withOlder } from "../scripts/older.ts"
import { findSides } from "../scripts/reach.ts"
import { type Declared, envelope, withProtocol } from "./generated.ts"

/** What a codex of this protocol would make the modules of. */
const generate = (declared: Declared, older: ReadonlyArray<Older> = []) =>
  withProtocol(declared, ({ definitions, stable, version }, folder) => {
    const received = withOlder(definitions, older, path.join(folder, "older"))
    const methods = findMethods(received, stable)
    const sides = findSides(received, methods)
    const modules = emit(version, { sent: definitions, received }, methods, sides)
    return { modules, opaque: [...sides.opaque], text: (name: string) => modules.get(name)?.replace(/\s+/g, " ") ?? "" }
  })

describe("codegen", () => {
  it("makes what is committed", () => {
    const script = path.join(import.meta.dirname, "..", "scripts", "codegen.ts")
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
    // The compiler that parses for it may say that it was cancelled when it is closed, so what it says decides nothing.
    assert.strictEqual(status, 0, stderr)
  }, 60_000)

  it("takes literals of any kind", () => {
    const { opaque, text } = generate({
      "v2/ABParams": "export type ABParams = { version: 1, strict: true };",
      "v2/ABResponse": "export type ABResponse = { version: 1 | 2, off: false, mixed: \"a\" | -1 };"
    })
    assert.deepStrictEqual(opaque, [])
    assert.include(text("Sent.ts"), "readonly version: 1 readonly strict: true")
    assert.include(text("Sent.ts"), "version: Schema.Literal(1), strict: Schema.Literal(true)")
    assert.include(text("Received.ts"), "version: 1 | 2 | (number & {}) readonly off: false | boolean")
    assert.include(text("Received.ts"), "mixed: \"a\" | -1 | (string & {}) | (number & {})")
    assert.include(text("Received.ts"), "version: Schema.Number, off: Schema.Boolean")
    assert.include(text("Received.ts"), "mixed: Schema.Union([Schema.String, Schema.Number])")
  })

  it("reads as unknown what it cannot read, and says so", () => {
    const { opaque, text } = generate({
      ClientRequest: envelope(
        "ClientRequest",
        "{ method: \"a/b\", params: v2.ABParams }",
        "{ method: \"c/d\", params: undefined }"
      ),
      "v2/ABResponse": "export type ABResponse = { pair: [string, number], name: string };"
    })
    assert.lengthOf(opaque, 2)
    assert.match(opaque.join("\n"), /^the result of c\/d \(name it in scripts\/methods\.ts\)$/m)
    assert.match(opaque.join("\n"), /^v2\/ABResponse: an unknown construct \(TupleType\): \[string, number\]$/m)
    assert.include(text("Received.ts"), "pair: mayMiss(Schema.Unknown), name: Schema.String")
    assert.include(text("Methods.ts"), "readonly params: undefined readonly result: unknown")
  })

  it("refuses to guess what is sent", () => {
    const tuple = "{ pair: [string, number] }"
    assert.throws(
      () => generate({ "v2/ABParams": `export type ABParams = ${tuple};` }),
      /The generator cannot read a type that is sent: v2\/ABParams: an unknown construct \(TupleType\)/
    )
    assert.throws(
      () => generate({ ServerRequest: envelope("ServerRequest", "{ method: \"q/r\", params: undefined }") }),
      /The generator cannot read a type that is sent: the result of q\/r/
    )
  })

  it("suffixes a name of the first protocol that means something else in v2", () => {
    const { text } = generate({ Same: "export type Same = string;", "v2/Same": "export type Same = number;" })
    assert.include(text("Received.ts"), "export type Same = number")
    assert.include(text("Received.ts"), "export type SameCore = string")
  })

  it("keeps the keys, the shapes and the methods of older servers", () => {
    const { text } = generate({
      "v2/ABResponse": "export type ABResponse = { key: string, shape: v2.Shape };",
      "v2/Shape": "export type Shape = { kind: \"one\" } | { kind: \"two\" };"
    }, [
      { until: "1.0.0", id: "v2/ABResponse", lacks: ["key"] },
      { until: "1.1.0", id: "v2/ABResponse", has: "{ gone: number }" },
      { until: "1.1.0", id: "v2/Shape", has: "{ flat: string }" },
      { until: "1.1.0", id: "ServerNotification", has: "{ method: \"old/told\", params: OldTold }" },
      { until: "1.1.0", id: "v2/OldTold", has: "{ shape: Shape }" }
    ])
    assert.include(text("Received.ts"), "key: optional(Schema.String), shape: Shape(), gone: optional(Schema.Number)")
    assert.include(text("Received.ts"), "/** * Only codex 1.1.0 and older. */ readonly gone?: number | null")
    assert.include(
      text("Received.ts"),
      "unknownMember(\"kind\", [\"one\", \"two\"]) ]), Schema.Struct({ flat: Schema.String })"
    )
    assert.include(text("Methods.ts"), "readonly \"old/told\": Received.OldTold")
  })
})
