import { beginning } from "./visibleText.ts"

const shown = (answer: unknown): string => {
  if (typeof answer === "string") return JSON.stringify(answer.length > 100 ? `${beginning(answer, 100)}…` : answer)
  if (answer === undefined) return "nothing"
  return typeof answer === "object" && answer !== null ? "an object" : String(answer)
}

/**
 * What a handler fails with whose answer is of another type than its own, as that of a program without types can be. It must
 * not be taken for consent.
 */
export const unfitAnswer = (answer: unknown, expected: string): TypeError =>
  new TypeError(`it gave ${shown(answer)} where ${expected} is expected.`)
