/** The difference between two JSON values, for people. */
import type * as Schema from "effect/Schema"
import { isArray, isObject } from "./json.ts"

/** With the keys in order, so that two values that are the same are the same text. */
export const canonical = (value: Schema.Json): Schema.Json => {
  if (isArray(value)) return value.map(canonical)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, member]) => [key, canonical(member)])
  )
}

const linesOf = (value: Schema.Json | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : JSON.stringify(canonical(value), null, 2).split("\n")

/** Beyond this many lines in common a comparison of all with all would take long. */
const maxLines = 2_000

/**
 * A unified diff of the two as indented JSON: `-` what was expected, `+` what came, and `around` lines around each change. An
 * undefined value has no lines.
 */
export const diff = (expected: Schema.Json | undefined, actual: Schema.Json | undefined, around = 3): string => {
  const a = linesOf(expected)
  const b = linesOf(actual)
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const middle = changes(a.slice(start, a.length - end), b.slice(start, b.length - end))
  const lines = [
    ...a.slice(0, start).map((line) => `  ${line}`),
    ...middle,
    ...a.slice(a.length - end).map((line) => `  ${line}`)
  ]
  const isNear = lines.map((_, i) =>
    lines.slice(Math.max(0, i - around), i + around + 1).some((line) => !line.startsWith("  "))
  )
  return lines.flatMap((line, i) => isNear[i] === true ? [line] : i === 0 || isNear[i - 1] === true ? ["  …"] : [])
    .join("\n")
}

const changes = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (a.length > maxLines || b.length > maxLines) {
    return [
      ...a.map((line) => `- ${line}`),
      ...b.map((line) => `+ ${line}`)
    ]
  }
  // common[i][j]: how many lines a[i…] and b[j…] have in common, in order.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i]![j] = a[i] === b[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const lines: Array<string> = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(`  ${a[i]}`)
      i++
      j++
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!)) lines.push(`- ${a[i++]}`)
    else lines.push(`+ ${b[j++]}`)
  }
  return lines
}
