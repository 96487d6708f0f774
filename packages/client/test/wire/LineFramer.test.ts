import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as LineFramer from "../../src/internal/wire/lineFramer.ts"

const encoder = new TextEncoder()

/** Feeds the bytes in chunks of the given sizes, again and again, and collects the lines. */
const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>, max = 2 ** 30): Array<string> => {
  const framer = LineFramer.make(max)
  const lines: Array<string> = []
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    lines.push(...framer.push(bytes.subarray(offset, offset + size)))
    offset += size
  }
  return lines
}

// Characters of one to four bytes, separators that JSON allows inside strings, and a lone carriage return.
const Character = Schema.Literals(["a", "é", "→", "𝕏", "\u2028", "\u2029", "\u0085", "\r", " ", "{", "\"", "\uFEFF"])
const Line = Schema.Array(Character)
const Ending = Schema.Literals(["\n", "\r\n", "\n\n", "\r\n\r\n"])
const Sizes = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))), {
  minLength: 1,
  maxLength: 20
})

describe("lineFramer", () => {
  it.effect.prop(
    "gives the same lines however the bytes are cut",
    [Schema.Array(Schema.Tuple([Line, Ending])), Sizes],
    ([parts, sizes]) =>
      Effect.sync(() => {
        const text = parts.map(([line, ending]) => line.join("") + ending).join("")
        const expected = text.split("\n")
          .map((line) => line.endsWith("\r") ? line.slice(0, -1) : line)
          .filter((line) => line !== "")
        assert.deepStrictEqual(cut(encoder.encode(text), sizes), expected)
      })
  )

  it("cuts at every byte of multi-byte characters", () => {
    const text = "{\"é\":\"→ 𝕏 \u2028\"}\nsecond\r\n"
    const bytes = encoder.encode(text)
    for (let at = 1; at < bytes.length; at++) {
      const framer = LineFramer.make(1000)
      const lines = [...framer.push(bytes.subarray(0, at)), ...framer.push(bytes.subarray(at))]
      assert.deepStrictEqual(lines, ["{\"é\":\"→ 𝕏 \u2028\"}", "second"])
    }
  })

  it("keeps an unfinished line for later and drops none", () => {
    const framer = LineFramer.make(1000)
    assert.deepStrictEqual(framer.push(encoder.encode("one\ntw")), ["one"])
    assert.deepStrictEqual(framer.push(encoder.encode("o")), [])
    assert.deepStrictEqual(framer.push(encoder.encode("\n")), ["two"])
  })

  it("takes a line of 32 MiB in odd chunks", () => {
    const line = `"${"x".repeat(32 * 1024 * 1024)}"`
    const lines = cut(encoder.encode(`${line}\nnext\n`), [65_536, 1, 65_537, 4093])
    assert.strictEqual(lines.length, 2)
    assert.isTrue(lines[0] === line)
    assert.strictEqual(lines[1], "next")
  })

  it("refuses a line that is longer than the limit, and tells how it began", () => {
    const framer = LineFramer.make(100)
    framer.push(encoder.encode("{\"method\":\"x\"" + " ".repeat(50)))
    try {
      framer.push(encoder.encode(" ".repeat(50)))
      assert.fail("accepted")
    } catch (error) {
      assert.instanceOf(error, LineFramer.LineTooLong)
      assert.isTrue((error as LineFramer.LineTooLong).start.startsWith("{\"method\":\"x\""))
    }
  })
})
