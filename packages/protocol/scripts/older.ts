/**
 * What older servers send that the current types lack, and what they omit that the current types require. `older.json`
 * has an entry for each such definition; `npm run upgrade-codex` adds what a new version removed.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { envelopes } from "./methods.ts"
import type { Definition, Definitions, Field, Type } from "./model.ts"
import { parse } from "./parse.ts"

export interface Older {
  /** The last version known to differ. */
  readonly until: string
  readonly id: string
  /** Current keys that these servers omit. */
  readonly lacks?: ReadonlyArray<string>
  /** A TypeScript type: messages of an envelope, keys of an object, another shape, or a removed definition. */
  readonly has?: string
}

const file = path.join(import.meta.dirname, "older.json")

export const readOlder = (): ReadonlyArray<Older> => JSON.parse(fs.readFileSync(file, "utf8"))

export const writeOlder = (entries: ReadonlyArray<Older>): void =>
  fs.writeFileSync(file, `[\n${entries.map((entry) => `  ${JSON.stringify(entry)}`).join(",\n")}\n]\n`)

/** Parses the types of the entries, which refer to definitions by name. */
const parseTypes = (
  definitions: Definitions,
  entries: ReadonlyArray<Older>,
  folder: string
): ReadonlyMap<Older, Type> => {
  const ids = new Map([...definitions.values()].map(({ id, name }) => [name, id]))
  for (const { id } of entries) ids.set(path.posix.basename(id), id)
  const typed = entries.filter((entry) => entry.has !== undefined)
  typed.forEach((entry, index) => {
    const names = [...new Set(entry.has?.match(/\w+/g))].flatMap((name) => ids.has(name) ? [[name, ids.get(name)]] : [])
    const imports = names.map(([name, id]) => `import type { ${name} } from "./${id}"\n`)
    fs.writeFileSync(path.join(folder, `older${index}.ts`), `${imports.join("")}export type Older = ${entry.has}\n`)
  })
  const parsed = parse(folder)
  return new Map(typed.map((entry, index) => {
    const type = parsed.get(`older${index}`)?.type
    if (type === undefined) throw new Error(`${entry.id} has no type in older.json`)
    return [entry, type]
  }))
}

/** Adds what older servers send to the current definitions. */
export const withOlder = (definitions: Definitions, entries: ReadonlyArray<Older>, folder: string): Definitions => {
  fs.mkdirSync(folder)
  const types = parseTypes(definitions, entries, folder)
  const all = new Map<string, Definition>(definitions)
  for (const entry of entries) {
    const doc = `/**\n * Only codex ${entry.until} and older.\n */`
    const definition = all.get(entry.id)
    const type = types.get(entry)
    if (definition === undefined) {
      if (type !== undefined) all.set(entry.id, { id: entry.id, name: path.posix.basename(entry.id), type, doc })
      continue
    }
    const lacking = lack(definition.type, entry.lacks ?? [])
    const merged = type === undefined ? lacking : unite(entry.id, lacking, type, doc)
    all.set(entry.id, { ...definition, type: merged })
  }
  return all
}

const lack = (type: Type, names: ReadonlyArray<string>): Type => {
  switch (type.kind) {
    case "object":
      return {
        ...type,
        fields: type.fields.map((field) => names.includes(field.name) ? { ...field, optional: true } : field)
      }
    case "union":
      return { ...type, members: type.members.map((member) => lack(member, names)) }
    default:
      return type
  }
}

const membersOf = (type: Type): ReadonlyArray<Type> => type.kind === "union" ? type.members : [type]

const methodOf = (type: Type): Type | undefined =>
  type.kind === "object" ? type.fields.find(({ name }) => name === "method")?.type : undefined

const text = (type: Type | undefined): string => JSON.stringify(type ?? null).replaceAll("\"integer\"", "\"number\"")

const isSame = (a: Type | undefined, b: Type | undefined): boolean => text(a) === text(b)

/** Merges an older type into the current one. Anything that the current version has again stays as it is. */
const unite = (id: string, today: Type, older: Type, doc: string): Type => {
  const members = membersOf(today)
  if (envelopes.includes(id)) {
    const isGone = (message: Type) => !members.some((member) => isSame(methodOf(member), methodOf(message)))
    return { kind: "union", members: [...members, ...membersOf(older).filter(isGone)] }
  }
  if (isSame(today, older) || members.some((member) => isSame(member, older))) return today
  // Nest the union instead of flattening it, so that its unknown members are still recognized by their tag.
  if (today.kind !== "object" || older.kind !== "object") return { kind: "union", members: [today, older] }
  const named = new Map(older.fields.map((field) => [field.name, field]))
  const both = today.fields.map((field): Field => {
    const other = named.get(field.name)
    return other === undefined ? field : { ...field, type: unite(field.name, field.type, other.type, doc) }
  })
  const gone = older.fields.filter(({ name }) => !today.fields.some((field) => field.name === name))
  return { ...today, fields: [...both, ...gone.map((field): Field => ({ ...field, optional: true, doc }))] }
}
