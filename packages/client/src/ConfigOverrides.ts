/**
 * Overrides of codex's configuration, for `--config key=value`.
 *
 * codex reads each value as TOML, and silently reads a value that is not TOML as a string: a list with a badly
 * escaped path becomes a string. This module encodes overrides that are given as an object. Of overrides that are
 * given as strings, it refuses values that look like TOML but are not valid.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"

/**
 * A value of the configuration. Undefined values are omitted.
 *
 * @see {@link Table}
 * @category models
 * @since 0.1.0
 */
export type Value = string | number | boolean | ReadonlyArray<Value> | Table

/**
 * A table of the configuration.
 *
 * @see {@link Value}
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly [key: string]: Value | undefined
}

/**
 * Overrides: an object in the form of `config.toml`, `key=value` strings, or a list of both, in which later entries
 * win.
 *
 * **Details**
 *
 * In an object, a dot in a top-level key separates tables, as in `--config`. A dot in a key below the top level does
 * not, so such a key can be a path or a name. In a `key=value` string, a value that does not begin with `"`, `'`, `[`
 * or `{` needs no quotes, as in `model=gpt-5.4`.
 *
 * **Example** (A path, and a key with a dot)
 *
 * ```ts
 * import type { ConfigOverrides } from "@effect-codex/client"
 *
 * export const overrides: ConfigOverrides.ConfigOverrides = {
 *   model: "gpt-5.4",
 *   "sandbox_workspace_write.writable_roots": ["C:\\cache"],
 *   projects: { "/home/me/my.project": { trust_level: "trusted" } }
 * }
 * ```
 *
 * @see {@link encode}
 * @category models
 * @since 0.1.0
 */
export type ConfigOverrides = Table | ReadonlyArray<string | Table>

/**
 * What is wrong with an override.
 *
 * @see {@link encode}
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  /** The position in the list, from 0. Undefined when the overrides are a single object. */
  readonly index: number | undefined
  /** The key, from the top level. */
  readonly path: string
  /** The kind of problem. */
  readonly reason: "emptyKey" | "badKey" | "notFinite" | "null" | "unsupported" | "noEquals" | "notToml"
  /** The problem as a sentence, without the value, which may be a secret. */
  readonly detail: string
}

// =============================================================================
// Encoding
// =============================================================================

const isTable = (u: unknown): u is Table =>
  Predicate.isObject(u) && !Array.isArray(u) &&
  (Object.getPrototypeOf(u) === Object.prototype || Object.getPrototypeOf(u) === null)

const entriesOf = (table: Table) => Object.entries(table).filter(([, value]) => value !== undefined)

// A JSON string is a TOML basic string, except for DEL and lone surrogates.
const encodeString = (text: string): string => JSON.stringify(text.toWellFormed()).replaceAll("\u007f", "\\u007f")

// TOML integers end at 64 bits: write a larger number as a float.
const encodeNumber = (value: number): string =>
  Number.isSafeInteger(value) || !Number.isInteger(value) ? String(value) : value.toExponential()

const encodeKey = (key: string): string => /^[\w-]+$/.test(key) ? key : encodeString(key)

type Report = (problem: Omit<Problem, "index">) => void

// No real configuration is this deep, but a value that contains itself would recurse forever.
const maxDepth = 64

const encodeValue = (value: unknown, path: string, report: Report, depth = 0): string => {
  if (depth > maxDepth) {
    report({
      path: `${path.slice(0, 100)}…`,
      reason: "unsupported",
      detail: `it is nested more than ${maxDepth} levels deep.`
    })
    return "\"\""
  }
  if (typeof value === "string") return encodeString(value)
  if (typeof value === "boolean") return String(value)
  if (typeof value === "number") {
    if (!Number.isFinite(value)) report({ path, reason: "notFinite", detail: "the number is not finite." })
    return encodeNumber(value)
  }
  if (Array.isArray(value)) {
    // `Array.from` and not `map`, which would skip the holes of a sparse list.
    return `[${
      Array.from(value, (item, index) => encodeValue(item, `${path}[${index}]`, report, depth + 1)).join(", ")
    }]`
  }
  if (isTable(value)) {
    const entries = entriesOf(value).map(([key, child]) =>
      `${checkedKey(key, path, report)} = ${encodeValue(child, `${path}.${key}`, report, depth + 1)}`
    )
    return `{${entries.join(", ")}}`
  }
  report(
    value === null
      ? { path, reason: "null", detail: "TOML has no null: omit the key." }
      : { path, reason: "unsupported", detail: `${typeof value} values cannot be written as TOML.` }
  )
  return "\"\""
}

const checkedKey = (key: string, path: string, report: Report): string => {
  if (key === "") report({ path, reason: "emptyKey", detail: "a key is empty." })
  return encodeKey(key)
}

// docs/codex-behaviour.md, "An override of the configuration is TOML, and a text where it is none": codex splits the
// path at each dot and the override at the first equals sign, and does not understand quotes in the path.
const isPlainKey = (key: string): boolean => key !== "" && key === key.trim() && !/[.="'\0]/.test(key)

const isPlainPath = (path: string): boolean => path.split(".").every(isPlainKey)

const encodeTable = (table: Table, prefix: string, report: Report, depth = 0): ReadonlyArray<string> =>
  entriesOf(table).flatMap(([key, value]) => {
    const path = `${prefix}${key}`
    if (key === "") report({ path: prefix.replace(/\.$/, ""), reason: "emptyKey", detail: "a key is empty." })
    else if (!isPlainPath(path)) {
      report({ path, reason: "badKey", detail: "codex allows neither quotes nor an equals sign in the first key." })
    }
    const entries = isTable(value) ? entriesOf(value) : []
    // Separate overrides where possible: an override of a whole table would replace earlier overrides below it.
    return isTable(value) && depth < maxDepth && entries.length > 0 && entries.every(([key]) => isPlainKey(key))
      ? encodeTable(value, `${path}.`, report, depth + 1)
      : [`${path}=${encodeValue(value, path, report, depth)}`]
  })

// =============================================================================
// Texts
// =============================================================================

const basic =
  `"(?:[^"\\\\\\u0000-\\u0008\\n-\\u001F\\u007F]|\\\\(?:[btnfre"\\\\]|x[\\da-fA-F]{2}|u[\\da-fA-F]{4}|U[\\da-fA-F]{8}))*"`
const literal = `'[^'\\u0000-\\u0008\\n-\\u001F\\u007F]*'`
const string = new RegExp(
  `"""(?:[^\\\\]|\\\\[^])*?"{3,5}|'''[^]*?'{3,5}|${basic}|${literal}`,
  "y"
)
const key = new RegExp(`(?:${basic}|${literal}|[\\w-]+)(?:[ \\t]*\\.[ \\t]*(?:${basic}|${literal}|[\\w-]+))*`, "y")
const time = "\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d+)?)?"
const date = `\\d{4}-\\d\\d-\\d\\d(?:[Tt ]${time}(?:[Zz]|[+-]\\d\\d:\\d\\d)?)?`
const number = "0x[\\da-fA-F_]+|0o[0-7_]+|0b[01_]+|[+-]?(?:inf|nan|\\d[\\d_]*(?:\\.[\\d_]+)?(?:[eE][+-]?[\\d_]+)?)"
const scalar = new RegExp(`(?:true|false|${date}|${time}|${number})(?![\\w.:+-])`, "y")
const blank = /(?:\s|#[^\n]*\n)*/y

/** Returns the end of the TOML value that begins at `at`, or -1. */
const endOfValue = (text: string, at: number, depth = 0): number => {
  const match = (pattern: RegExp, from: number): number => {
    pattern.lastIndex = from
    return pattern.test(text) ? pattern.lastIndex : -1
  }
  const skip = (from: number): number => match(blank, from)
  const first = text[at]
  if (first !== "[" && first !== "{") return match(first === "\"" || first === "'" ? string : scalar, at)
  if (depth > 100) return -1
  const close = first === "[" ? "]" : "}"
  let position = skip(at + 1)
  while (text[position] !== close) {
    if (first === "{") {
      const afterKey = match(key, position)
      const equals = afterKey === -1 ? -1 : skip(afterKey)
      if (text[equals] !== "=") return -1
      position = skip(equals + 1)
    }
    const end = endOfValue(text, position, depth + 1)
    if (end === -1) return -1
    position = skip(end)
    if (text[position] === ",") position = skip(position + 1)
    else if (text[position] !== close) return -1
  }
  return position + 1
}

const isToml = (value: string): boolean => {
  const end = endOfValue(value, 0)
  return end !== -1 && /^\s*(?:#[^\n]*)?$/.test(value.slice(end))
}

// The checks recurse inside the regular-expression engine, and a command line cannot take more anyway.
const maxText = 100_000

const checkText = (text: string, report: Report): void => {
  if (text.length > maxText || text.includes("\0")) {
    const detail = text.includes("\0") ? "it contains NUL." : `it is longer than ${maxText} characters.`
    return report({ path: "", reason: "unsupported", detail })
  }
  const equals = text.indexOf("=")
  if (equals === -1) return report({ path: "", reason: "noEquals", detail: "it is not of the form key=value." })
  const path = text.slice(0, equals).trim()
  const value = text.slice(equals + 1).trim()
  if (path === "") return report({ path, reason: "emptyKey", detail: "it has no key before the equals sign." })
  if (!isPlainPath(path)) {
    return report({
      path,
      reason: "badKey",
      detail:
        "codex splits the key at each dot and allows no quotes in it: pass an object, whose keys can be any string."
    })
  }
  // codex reads an unquoted value as a string.
  if (!/^["'[{]/.test(value) || isToml(value)) return
  report({
    path,
    reason: "notToml",
    detail:
      "the value is not valid TOML, and codex would read it as a string: pass an object, or double each backslash."
  })
}

// =============================================================================
// Both
// =============================================================================

/**
 * Encodes overrides as `key=value` strings, and lists what is wrong with them. A problem never contains a value,
 * because values may be secrets.
 *
 * @see {@link Problem}
 * @category encoding
 * @since 0.1.0
 */
export const encode = (
  overrides: ConfigOverrides
): { readonly texts: ReadonlyArray<string>; readonly problems: ReadonlyArray<Problem> } => {
  const problems: Array<Problem> = []
  const isList = (overrides: ConfigOverrides): overrides is ReadonlyArray<string | Table> => Array.isArray(overrides)
  const one = (override: unknown, index: number | undefined): ReadonlyArray<string> => {
    const report: Report = (problem) => problems.push({ ...problem, index })
    if (typeof override === "string") {
      checkText(override, report)
      return [override]
    }
    if (isTable(override)) return encodeTable(override, "", report)
    report({ path: "", reason: "unsupported", detail: "expected an object, or key=value texts." })
    return []
  }
  return { texts: isList(overrides) ? overrides.flatMap(one) : one(overrides, undefined), problems }
}
