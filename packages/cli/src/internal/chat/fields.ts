/** Fills in the form of an MCP server, field by field. */
import * as Elicitation from "@effect-codex/client/Elicitation"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type Line, line, span } from "../lines.ts"
import { visible } from "../text.ts"
import type { Ask } from "./questions.ts"

/** The content of a form that fits it. Undefined if the person does not want to fill it in. */
export const fill = Effect.fnUntraced(function*(ask: Ask, form: Elicitation.Form) {
  while (true) {
    const content: Record<string, Schema.Json> = {}
    for (const field of form.fields) {
      yield* ask.say(describe(field))
      const text = yield* ask.line("answer")
      if (text === undefined) return undefined
      const value = valueOf(field, text.trim())
      if (value !== undefined) content[field.name] = value
    }
    const checked = yield* Effect.result(Elicitation.check(form, content))
    if (Result.isSuccess(checked)) return content
    yield* ask.say([
      ...checked.failure.issues.map(({ expected, field }) =>
        line(span(`  ${visible(field, 100)}: expected ${visible(expected, 300)}`, "yellow"))
      ),
      line(span("  Once more; Escape declines.", "dim"))
    ])
  }
})

const choicesOf = (field: Elicitation.Field): ReadonlyArray<Elicitation.Choice> =>
  field._tag === "SingleChoice" || field._tag === "MultipleChoice" ? field.choices : []

/** Exported for its test. */
export const describe = (field: Elicitation.Field): ReadonlyArray<Line> => [
  line(
    span(`  ${visible(field.title ?? field.name, 200)}`, "bold"),
    span(field.description === undefined ? "" : ` ${visible(field.description, 500)}`, "dim")
  ),
  ...choicesOf(field).map(({ title }, i) => line(span(`    ${i + 1} `, "cyan"), visible(title, 200))),
  line(span(`  ${howTo(field)}; Escape declines.`, "dim"))
]

const howTo = (field: Elicitation.Field): string => {
  const kind = {
    Text: "Type the answer",
    Number: "Type a number",
    Boolean: "Type yes or no",
    SingleChoice: "Type a number",
    MultipleChoice: "Type numbers, such as 1 3",
    Unknown: "Type the answer as JSON"
  }[field._tag]
  const shown = defaultOf(field)
  return kind + (shown !== undefined
    ? `, or nothing for ${visible(JSON.stringify(shown), 100)}`
    : field.isRequired
    ? ""
    : ", or nothing")
}

const defaultOf = (field: Elicitation.Field): Schema.Json | undefined =>
  field._tag === "Unknown" ? undefined : field.default

/** What was typed as a value. What does not fit stays a text, which the check of the form then names. */
export const valueOf = (field: Elicitation.Field, text: string): Schema.Json | undefined => {
  if (text === "") return defaultOf(field)
  switch (field._tag) {
    case "Text":
      return text
    case "Number":
      return Number.isFinite(Number(text)) ? Number(text) : text
    case "Boolean":
      return /^(?:y|yes|true)$/i.test(text) ? true : /^(?:n|no|false)$/i.test(text) ? false : text
    case "SingleChoice":
      return chosen(field.choices, text)
    case "MultipleChoice":
      return text.split(/[\s,]+/).filter((part) => part !== "").map((part) => chosen(field.choices, part))
    case "Unknown":
      return jsonOf(text)
  }
}

const chosen = (choices: ReadonlyArray<Elicitation.Choice>, text: string): string =>
  choices[Number(text) - 1]?.value ?? choices.find(({ title }) => title === text)?.value ?? text

const jsonOf = (text: string): Schema.Json => {
  try {
    const value: Schema.Json = JSON.parse(text)
    return value
  } catch {
    return text
  }
}
