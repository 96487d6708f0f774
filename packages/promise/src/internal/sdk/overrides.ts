/** Overrides of the configuration as `--config` takes them: dotted paths with TOML values. */
import type { CodexConfigObject, CodexConfigValue } from "./types.ts"

const isTable = (value: CodexConfigValue): value is CodexConfigObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const keyOf = (key: string): string => {
  if (key === "") throw new Error("Codex config override keys must be non-empty strings")
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key)
}

// What a program without types leaves undefined is left out.
const entriesOf = (table: CodexConfigObject) => Object.entries(table).filter(([, value]) => value !== undefined)

const toml = (value: CodexConfigValue, path: string): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) return String(value)
  if (Array.isArray(value)) return `[${value.map((item, i) => toml(item, `${path}[${i}]`)).join(", ")}]`
  if (!isTable(value)) throw new Error(`Codex config override at ${path} cannot be ${String(value)}`)
  return `{${entriesOf(value).map(([key, child]) => `${keyOf(key)} = ${toml(child, `${path}.${key}`)}`).join(", ")}}`
}

export const flatten = (config: CodexConfigObject, prefix = ""): ReadonlyArray<string> =>
  entriesOf(config).flatMap(([key, value]) => {
    keyOf(key)
    const path = prefix === "" ? key : `${prefix}.${key}`
    return isTable(value) && entriesOf(value).length > 0 ? flatten(value, path) : [`${path}=${toml(value, path)}`]
  })
