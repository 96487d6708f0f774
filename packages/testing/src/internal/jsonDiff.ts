/** A readable difference between two JSON values. */
import type * as Schema from "effect/Schema"
import { isArray, isObject } from "./json.ts"

/** Sorts the keys, so that equal values become equal texts. */
export const canonical = (value: Schema.Json): Schema.Json => {
  if (isArray(value)) return value.map(canonical)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, member]) => [key, canonical(member)])
  )
}

const linesOf = (value: Schema.Json | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : JSON.stringify(canonical(value), null, 2).split("\n")

// The comparison takes quadratic time. Beyond this many lines that may differ, list them without comparing.
const maxLines = 2_000

/**
 * Returns a unified diff of two values as indented JSON: `-` was expected, `+` came, with `around` lines of context. An
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
  // common[i][j]: the length of the longest common subsequence of a[i…] and b[j…].
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
