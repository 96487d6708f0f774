import { beginning } from "./visibleText.ts"

const shown = (answer: unknown): string => {
  if (typeof answer === "string") return JSON.stringify(answer.length > 100 ? `${beginning(answer, 100)}…` : answer)
  if (answer === undefined) return "nothing"
  return typeof answer === "object" && answer !== null ? "an object" : String(answer)
}

/**
 * The failure of a handler whose answer has the wrong type, as an untyped program can return. It must not count as
 * consent.
 */
export const unfitAnswer = (answer: unknown, expected: string): TypeError =>
  new TypeError(`it gave ${shown(answer)} where ${expected} is expected.`)
