import type { Elicitation } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import * as Fields from "../src/internal/chat/fields.ts"
import { plain } from "../src/internal/lines.ts"

const any = { name: "size", title: undefined, description: undefined, isRequired: true }
const choices = [{ value: "s", title: "Small" }, { value: "l", title: "Large" }]
const number: Elicitation.Field = {
  ...any,
  _tag: "Number",
  isInteger: true,
  minimum: undefined,
  maximum: undefined,
  default: 3
}
const one: Elicitation.Field = { ...any, _tag: "SingleChoice", choices, default: undefined }
const many: Elicitation.Field = {
  ...any,
  _tag: "MultipleChoice",
  choices,
  minItems: undefined,
  maxItems: undefined,
  default: undefined
}

describe("a field of a form", () => {
  it("takes what is typed", () => {
    const cases = [
      [number, "36", 36],
      [number, "", 3],
      // The check of the form says what is wrong with it.
      [number, "old", "old"],
      [one, "2", "l"],
      [one, "Small", "s"],
      [one, "", undefined],
      [many, "1, 2", ["s", "l"]],
      [{ ...any, _tag: "Boolean", default: undefined }, "Yes", true],
      [{ ...any, _tag: "Unknown", schema: {} }, "{\"a\": 1}", { a: 1 }],
      [{ ...any, _tag: "Unknown", schema: {} }, "{", "{"]
    ] as const satisfies ReadonlyArray<readonly [Elicitation.Field, string, unknown]>
    for (const [field, text, value] of cases) assert.deepStrictEqual(Fields.valueOf(field, text), value, text)
  })

  it("is shown without what a terminal obeys", () => {
    const field: Elicitation.Field = { ...one, title: "Size\u001b[2J", isRequired: false }
    assert.deepStrictEqual(Fields.describe(field).map(plain).map((text) => text.trimEnd()), [
      "  Size\\u{1b}[2J",
      "    1 Small",
      "    2 Large",
      "  Type a number, or nothing; Escape declines."
    ])
    assert.include(Fields.describe(number).map(plain).join("\n"), "or nothing for 3")
  })
})
