/** Each library's output and tool input, on the real codex binary with a scripted model. */
import * as ArkType from "@effect-codex/schema/ArkType"
import * as EffectSchema3 from "@effect-codex/schema/EffectSchema3"
import type { Output } from "@effect-codex/schema/Output"
import * as StandardSchema from "@effect-codex/schema/StandardSchema"
import * as Valibot from "@effect-codex/schema/Valibot"
import * as Zod from "@effect-codex/schema/Zod"
import { openCodex } from "@effect-codex/test-support/promises"
import * as Schema from "@effect/schema/Schema"
import { toStandardJsonSchema } from "@valibot/to-json-schema"
import { type } from "arktype"
import * as v from "valibot"
import { afterAll, assert, describe, it } from "vitest"
import * as z from "zod"
import { finding } from "./support/finding.ts"

const codex = openCodex()
afterAll(() => codex.close())

const whole = { file: "a.ts", line: 3, severity: "high", links: [{ url: "https://example.com/a" }] }
const bare = { file: "b.ts", links: [] }
const expected = [
  { ...whole, links: [{ url: new URL("https://example.com/a") }] },
  { ...bare, severity: "low" }
]
const wrong = { ...whole, links: [...whole.links, { url: 1 }] }

const named: ReadonlyArray<readonly [name: string, output: Output<object>]> = Object.entries(finding)

describe.each(named)("%s", (_, output) => {
  it("gives an output: the model is asked strictly, and its answer is decoded", async () => {
    const { asked, ...turn } = await codex.answered(output, JSON.stringify(whole))
    assert.deepStrictEqual(turn, { output: expected[0] })
    assert.deepInclude(asked, { type: "object", additionalProperties: false })
    assert.sameMembers(Object(asked).required, Object.keys(whole))
    const { severity } = Object(asked).properties
    assert.sameMembers((severity.anyOf?.[0] ?? severity).enum, ["low", "high"])
    // A model in strict mode says null where it leaves out.
    const { output: second } = Object(
      await codex.answered(output, JSON.stringify({ ...bare, line: null, severity: null }))
    )
    assert.deepStrictEqual(second, expected[1])
  })

  it("says where an answer does not fit", async () => {
    const answers = [
      [wrong, "links[1].url"],
      [{ ...whole, file: "" }, "file"],
      [{ ...whole, file: "a.test.ts" }, "file"]
    ] as const
    for (const [answer, path] of answers) {
      const { error } = Object(await codex.answered(output, JSON.stringify(answer)))
      assert.deepInclude(error, { _tag: "OutputInvalid", text: JSON.stringify(answer) })
      assert.match(error.issue, new RegExp(`^at ${path.replace(/[[\].]/g, "\\$&")}: \\S`))
    }
  })

  it("is the input of a tool", async () => {
    const { given, offered, read } = await codex.called(output, [whole, wrong, bare])
    assert.deepStrictEqual(given, expected)
    assert.strictEqual(read[0], "noted")
    assert.match(String(read[1]), /^The arguments do not fit the tool note: at links\[1\]\.url: \S/)
    assert.strictEqual(read[2], "noted")
    assert.sameMembers(Object(offered).parameters.required, ["file", "links"])
  })
})

const unsayable: Record<string, Output<unknown>> = {
  EffectSchema3: EffectSchema3.output(Schema.Struct({ at: Schema.DateFromSelf })),
  Zod: Zod.output(z.object({ at: z.date() })),
  Valibot: Valibot.output(v.object({ at: v.date() })),
  ArkType: ArkType.output(type({ at: "Date" })),
  "StandardSchema of zod": StandardSchema.output(z.object({ at: z.date() })),
  "StandardSchema of valibot": StandardSchema.output(toStandardJsonSchema(v.object({ at: v.date() })))
}

it.each(Object.entries(unsayable))(
  "what %s cannot say in JSON Schema is refused, and nothing is sent",
  async (_, output) => {
    const { asked, error } = Object(await codex.answered(output, "{}"))
    assert.deepInclude(error, { _tag: "InvalidArgument", argument: "output" })
    assert.match(error.detail, /date/i)
    assert.isUndefined(asked)
  }
)

it("names five issues and counts the others", () => {
  const { issue } = Object(Zod.output(z.array(z.string())).decode([1, 2, 3, 4, 5, 6, 7]))
  assert.match(issue, /^at \[0\]: .*; at \[4\]: [^;]+; and 2 more$/)
})

it("an issue of the whole has no path", () =>
  assert.deepStrictEqual(Zod.output(z.string("No text")).decode(1), { ok: false, issue: "No text" }))

it("an asynchronous schema says what to do", () =>
  assert.throws(() => Zod.output(z.string().refine(() => Promise.resolve(true))).decode("a"), /asynchronous: pass it/))
