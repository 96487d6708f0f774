/** Overrides of the configuration as `--config` takes them, dotted paths with TOML values, with the SDK's words for wrong ones. */
import type { CodexConfigObject, CodexConfigValue } from "./types.ts"

const isTable = (value: unknown): value is CodexConfigObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

// What a program without types leaves undefined is left out.
const entriesOf = (table: CodexConfigObject) =>
  Object.entries(table).filter(([key, value]) => {
    if (key === "") throw new Error("Codex config override keys must be non-empty strings")
    return value !== undefined
  })

const keyOf = (key: string): string => /^[\w-]+$/.test(key) ? key : JSON.stringify(key)

const toml = (value: CodexConfigValue, path: string): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "boolean") return String(value)
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Error(`Codex config override at ${path} must be a finite number`)
    return String(value)
  }
  if (Array.isArray(value)) return `[${value.map((item, i) => toml(item, `${path}[${i}]`)).join(", ")}]`
  if (isTable(value)) {
    return `{${entriesOf(value).map(([key, child]) => `${keyOf(key)} = ${toml(child, `${path}.${key}`)}`).join(", ")}}`
  }
  throw new Error(
    value === null
      ? `Codex config override at ${path} cannot be null`
      : `Unsupported Codex config override value at ${path}: ${typeof value}`
  )
}

const flattened = (config: CodexConfigObject, prefix: string): ReadonlyArray<string> =>
  entriesOf(config).flatMap(([key, value]) => {
    const path = `${prefix}${key}`
    return isTable(value) && Object.keys(value).length > 0
      ? flattened(value, `${path}.`)
      : [`${path}=${toml(value, path)}`]
  })

export const flatten = (config: CodexConfigObject): ReadonlyArray<string> => {
  if (!isTable(config)) throw new Error("Codex config overrides must be a plain object")
  return flattened(config, "")
}
