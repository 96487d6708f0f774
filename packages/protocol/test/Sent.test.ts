import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Sent from "../src/Sent.ts"

const issue = (schema: Schema.Codec<unknown>, input: unknown): string => {
  const exit = Schema.decodeUnknownExit(schema, { onExcessProperty: "error" })(input)
  return exit._tag === "Success" ? "" : String(exit.cause)
}

describe("closed forms", () => {
  it("accept what the server understands", () => {
    const input: Sent.UserInput = { type: "text", text: "hi", text_elements: [] }
    assert.strictEqual(issue(Sent.TurnStartParams(), { threadId: "1", input: [input] }), "")
    assert.strictEqual(issue(Sent.ThreadStartParams(), {}), "")
    assert.strictEqual(issue(Sent.ThreadStartParams(), { sandbox: "read-only", model: null }), "")
    assert.strictEqual(issue(Sent.ThreadStartParams(), { config: { a: [1, { b: null }] } }), "")
  })

  it("name what is wrong and where", () => {
    assert.include(issue(Sent.TurnStartParams(), { input: [] }), `["threadId"]`)
    assert.include(issue(Sent.ThreadStartParams(), { sandbox: "none" }), `["sandbox"]`)
    assert.include(issue(Sent.ThreadStartParams(), { model: 1 }), `["model"]`)
    assert.include(issue(Sent.ThreadStartParams(), { model: undefined }), `["model"]`)
    assert.include(issue(Sent.ThreadStartParams(), { modle: "x" }), `["modle"]`)
    assert.include(issue(Sent.TurnStartParams(), { threadId: "1", input: [{ type: "smell" }] }), `["input"][0]`)
    assert.include(issue(Sent.ServerDiagnosticsParams(), { a: 1 }), `["a"]`)
    assert.include(issue(Sent.ThreadStartParams(), { config: { a: undefined } }), `["config"]["a"]`)
  })

  it("accept every definition's schema being built", () => {
    for (const [name, schema] of Object.entries(Sent)) {
      assert.strictEqual(schema(), schema(), name)
      assert.isTrue(Schema.isSchema(schema()), name)
    }
  })
})
