/** Describes the issues of a schema to the model. */
import type { StandardSchemaV1 } from "effect/StandardSchema"
import { beginning } from "./visibleText.ts"

const pathText = (path: StandardSchemaV1.Issue["path"]): string =>
  (path ?? []).reduce<string>((text, segment) => {
    const key = typeof segment === "object" ? segment.key : segment
    if (typeof key === "number") return `${text}[${key}]`
    return text === "" ? String(key) : `${text}.${String(key)}`
  }, "")

const shown = 5

/** The first few issues in one line, each with its path. */
export const issueText = (issues: ReadonlyArray<StandardSchemaV1.Issue>): string => {
  const texts = issues.slice(0, shown).map(({ message, path }) => {
    const at = pathText(path)
    return `${at === "" ? "" : `at ${at}: `}${beginning(String(message).replace(/\s+/g, " "), 300)}`
  })
  if (texts.length === 0) return "it was refused without a reason"
  return texts.join("; ") + (issues.length > shown ? `; and ${issues.length - shown} more` : "")
}
