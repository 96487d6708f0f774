import { expect, it } from "vitest"
import { firstSentence, parseComment } from "../src/comment.ts"

it("a comment has its text and its tags, and leaves the tags of an example alone", () => {
  const comment = parseComment(
    "/**\n * One.\n *\n * ```ts\n * @since never\n * ```\n *\n * @category a b\n * @since 1\n * @see x\n * @see y\n */"
  )
  expect(comment).toMatchObject({
    text: "One.\n\n```ts\n@since never\n```",
    category: "a b",
    since: "1",
    see: ["x", "y"]
  })
})

it.each([
  ["One. Two.", "One."],
  ["Uses `a. b` only. Two.", "Uses `a. b` only."],
  ["Of 0.171\nat least: x\n\nTwo.", "Of 0.171 at least: x"]
])("the first sentence of %j is %j", (text, sentence) => {
  expect(firstSentence(text)).toBe(sentence)
})
