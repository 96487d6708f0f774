import type { TomlTable, TomlValue } from "../CodexHome.ts"

const isTable = (value: TomlValue | undefined): value is TomlTable => typeof value === "object" && !Array.isArray(value)

/** Merges tables key by key. Any other value of the second replaces that of the first. */
export const merge = (self: TomlTable, that: TomlTable): TomlTable => {
  const merged: Record<string, TomlValue> = { ...self }
  for (const [key, value] of Object.entries(that)) {
    const old = merged[key]
    merged[key] = isTable(old) && isTable(value) ? merge(old, value) : value
  }
  return merged
}

// A JSON string is a valid TOML basic string, except for DEL, which TOML requires to be escaped.
const encodeString = (text: string): string => JSON.stringify(text).replaceAll("\u007f", "\\u007f")

const encodeNumber = (value: number): string =>
  Number.isFinite(value)
    ? String(value).replace(/^(-?\d+)e/, "$1.0e")
    : String(value).replace("Infinity", "inf").replace("NaN", "nan")

const encodeValue = (value: TomlValue): string => {
  if (typeof value === "string") return encodeString(value)
  if (typeof value === "number") return encodeNumber(value)
  if (typeof value === "boolean") return String(value)
  if (isTable(value)) return `{ ${encodeEntries(value).join(", ")} }`
  return `[${value.map(encodeValue).join(", ")}]`
}

const encodeEntries = (table: TomlTable): ReadonlyArray<string> =>
  Object.entries(table).map(([key, value]) => `${encodeString(key)} = ${encodeValue(value)}`)

/** Writes one line for each key of the root. Nested tables become inline tables. */
export const encode = (table: TomlTable): string => encodeEntries(table).map((line) => `${line}\n`).join("")
