/** Reads the fields of an elicitation's form, and checks content against them. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Choice, Content, Field } from "../../Elicitation.ts"
import { at } from "../protocol/peek.ts"

interface Member {
  (u: unknown, key: string): unknown
  <A>(u: unknown, key: string, is: (u: unknown) => u is A): A | undefined
}

export const member: Member = <A>(u: unknown, key: string, is?: (u: unknown) => u is A) => {
  const value = at(u, key)
  return is === undefined || is(value) ? value : undefined
}

const isStrings = (u: unknown): u is ReadonlyArray<string> => Array.isArray(u) && u.every(Predicate.isString)

const isArray = (u: unknown): u is ReadonlyArray<unknown> => Array.isArray(u)

const choicesOf = (schema: unknown): ReadonlyArray<Choice> | undefined => {
  const values = member(schema, "enum", isStrings)
  if (values !== undefined) {
    const names = member(schema, "enumNames", isStrings)
    return values.map((value, i) => ({ value, title: names?.[i] ?? value }))
  }
  const titled = member(schema, "oneOf", isArray) ?? member(schema, "anyOf", isArray)
  return titled?.flatMap((choice) => {
    const value = member(choice, "const", Predicate.isString)
    return value === undefined ? [] : [{ value, title: member(choice, "title", Predicate.isString) ?? value }]
  })
}

// The protocol's guard accepts a schema that fits any of the kinds, so this relies only on `type`.
const fieldOf = (name: string, schema: unknown, isRequired: boolean): Field => {
  const number = (key: string) => member(schema, key, Predicate.isNumber)
  const field = {
    name,
    title: member(schema, "title", Predicate.isString),
    description: member(schema, "description", Predicate.isString),
    isRequired
  }
  const type = member(schema, "type")
  switch (type) {
    case "string": {
      const initial = member(schema, "default", Predicate.isString)
      const choices = choicesOf(schema)
      return choices !== undefined ? { _tag: "SingleChoice", ...field, choices, default: initial } : {
        _tag: "Text",
        ...field,
        format: member(schema, "format", Predicate.isString),
        minLength: number("minLength"),
        maxLength: number("maxLength"),
        default: initial
      }
    }
    case "number":
    case "integer":
      return {
        _tag: "Number",
        ...field,
        isInteger: type === "integer",
        minimum: number("minimum"),
        maximum: number("maximum"),
        default: number("default")
      }
    case "boolean":
      return { _tag: "Boolean", ...field, default: member(schema, "default", Predicate.isBoolean) }
    case "array": {
      const choices = choicesOf(member(schema, "items"))
      if (choices === undefined) break
      return {
        _tag: "MultipleChoice",
        ...field,
        choices,
        minItems: number("minItems"),
        maxItems: number("maxItems"),
        default: member(schema, "default", isStrings)
      }
    }
  }
  return { _tag: "Unknown", ...field, schema }
}

export const fieldsOf = ({ properties, required }: Received.McpElicitationSchema): ReadonlyArray<Field> =>
  Object.entries(properties).map(([name, schema]) => fieldOf(name, schema, required?.includes(name) === true))

const emailAddress = /^[^\s@]+@[^\s@]+$/
const fullDate = /^\d{4}-\d{2}-\d{2}$/
const dateTime =
  /^(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

const isDay = (text: string): boolean => {
  const day = new Date(`${text}T00:00:00Z`)
  return fullDate.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

const hasFormat = (format: string | undefined, text: string): boolean => {
  switch (format) {
    case "email":
      return emailAddress.test(text)
    case "uri":
      return URL.canParse(text)
    case "date":
      return isDay(text)
    case "date-time":
      return isDay(dateTime.exec(text)?.[1] ?? "")
    default:
      return true
  }
}

const within = (value: number, low: number | undefined, high: number | undefined): boolean =>
  value >= (low ?? -Infinity) && value <= (high ?? Infinity)

const range = (low: number | undefined, high: number | undefined, unit = ""): string => {
  if (low !== undefined) return high === undefined ? ` of at least ${low}${unit}` : ` of ${low} to ${high}${unit}`
  return high === undefined ? "" : ` of at most ${high}${unit}`
}

const shownChoices = 20

const listed = (choices: ReadonlyArray<Choice>): string =>
  choices.slice(0, shownChoices).map(({ value }) => JSON.stringify(value)).join(", ") +
  (choices.length > shownChoices ? ` and ${choices.length - shownChoices} more` : "")

/** Describes the expected value if the given one does not fit. */
const expectedOf = (field: Field, value: unknown): string | undefined => {
  switch (field._tag) {
    case "Text": {
      const { format, maxLength, minLength } = field
      const fits = typeof value === "string" && within([...value].length, minLength, maxLength) &&
        hasFormat(format, value)
      return fits ? undefined : `text${range(minLength, maxLength, " characters")}` +
        (format === undefined ? "" : ` in the format ${format}`)
    }
    case "Number": {
      const { isInteger, maximum, minimum } = field
      const fits = typeof value === "number" && within(value, minimum, maximum) &&
        (isInteger ? Number.isInteger(value) : Number.isFinite(value))
      return fits ? undefined : `${isInteger ? "an integer" : "a number"}${range(minimum, maximum)}`
    }
    case "Boolean":
      return typeof value === "boolean" ? undefined : "true or false"
    case "SingleChoice":
      return field.choices.some((choice) => choice.value === value) ? undefined : `one of ${listed(field.choices)}`
    case "MultipleChoice": {
      const { choices, maxItems, minItems } = field
      const fits = isArray(value) && within(value.length, minItems, maxItems) &&
        value.every((one) => choices.some((choice) => choice.value === one))
      return fits ? undefined : `an array${range(minItems, maxItems, " values")}, each one of ${listed(choices)}`
    }
    case "Unknown":
      return undefined
  }
}

const entries = (content: Content) =>
  Object.entries(content).flatMap(([name, value]) => value === undefined ? [] : [[name, value] as const])

/** The content without undefined fields. */
export const given = (content: Content): { readonly [name: string]: Schema.Json } =>
  Object.fromEntries(entries(content))

export const issues = (fields: ReadonlyArray<Field>, content: Content) => {
  const given = new Map(entries(content))
  const ofFields = fields.flatMap((field) => {
    if (!given.has(field.name)) return field.isRequired ? [{ field: field.name, expected: "an answer" }] : []
    const expected = expectedOf(field, given.get(field.name))
    return expected === undefined ? [] : [{ field: field.name, expected }]
  })
  const names = new Set(fields.map(({ name }) => name))
  const others = [...given.keys()].filter((name) => !names.has(name))
  return [...ofFields, ...others.map((field) => ({ field, expected: "nothing, because it was not asked for" }))]
}
