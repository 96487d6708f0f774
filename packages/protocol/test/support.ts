import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"
import { findBinary, withGenerated } from "../scripts/codex.ts"
import * as Methods from "../src/Methods.ts"
import * as Received from "../src/Received.ts"

export interface Frame {
  readonly name: string
  readonly schema: Schema.Codec<unknown>
  readonly value: unknown
}

type Recorded =
  | { readonly kind: "clientRequest"; readonly method: keyof Methods.ClientRequests; readonly result: unknown }
  | { readonly kind: "serverRequest"; readonly method: keyof Methods.ServerRequests; readonly params: unknown }
  | {
    readonly kind: "serverNotification"
    readonly method: keyof Methods.ServerNotifications
    readonly params: unknown
  }

const recorded: ReadonlyArray<Recorded> = JSON.parse(
  fs.readFileSync(path.join(import.meta.dirname, "fixtures", "frames.json"), "utf8")
)

/** What `scripts/record.ts` recorded, with the schema that guards it. */
export const frames: ReadonlyArray<Frame> = recorded.map((frame) => {
  const name = `${frame.kind} ${frame.method}`
  switch (frame.kind) {
    case "clientRequest":
      return { name, schema: Methods.clientRequests[frame.method].result(), value: frame.result }
    case "serverRequest":
      return { name, schema: Methods.serverRequests[frame.method].params(), value: frame.params }
    case "serverNotification":
      return { name, schema: Methods.serverNotifications[frame.method].params(), value: frame.params }
  }
})

export type Path = ReadonlyArray<string>

/** Every value inside a value, itself included. */
export function* inside(value: unknown, at: Path = []): Generator<{ readonly at: Path; readonly value: unknown }> {
  yield { at, value }
  if (typeof value === "object" && value !== null) {
    for (const [key, child] of Object.entries(value)) yield* inside(child, [...at, key])
  }
}

/** A copy with another value at the path; `undefined` removes the key. */
export const replace = (value: unknown, at: Path, by: unknown): unknown => {
  const [key, ...rest] = at
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((item, index) => String(index) === key ? replace(item, rest, by) : item)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, child]) => {
      if (name !== key) return [[name, child]]
      const replaced = replace(child, rest, by)
      return replaced === undefined ? [] : [[name, replaced]]
    })
  )
}

// =============================================================================
// What codex itself says of its protocol
// =============================================================================

const membersOf = (u: unknown): { readonly [key: string]: unknown } => Predicate.isReadonlyObject(u) ? u : {}

const elementsOf = (u: unknown): ReadonlyArray<unknown> => Array.isArray(u) ? u : []

const isNullable = (schema: unknown): boolean => {
  const { anyOf, oneOf, type } = membersOf(schema)
  return type === "null" || elementsOf(type).includes("null") ||
    [...elementsOf(anyOf), ...elementsOf(oneOf)].some(isNullable)
}

/** The schemas of codex' own bundle, by name. */
export const jsonSchemas = (): { readonly [name: string]: unknown } =>
  withGenerated(findBinary(), ({ jsonSchemas }) => {
    const read = (name: string) =>
      membersOf(membersOf(JSON.parse(fs.readFileSync(path.join(jsonSchemas, name), "utf8")))["definitions"])
    return { ...read("codex_app_server_protocol.schemas.json"), ...read("codex_app_server_protocol.v2.schemas.json") }
  })

/** The name of the schema that guards a frame. */
export const nameOf = (frame: Frame): string | undefined =>
  Object.entries(Received).find(([, schema]) => schema() === frame.schema)?.[0]

/** The places in a value, which fits the schema of this name, whose key codex may leave out because null says the same. */
export const nullableKeys = (schemas: { readonly [name: string]: unknown }, name: string, value: unknown) => {
  const found = new Map<string, { readonly at: Path; readonly value: unknown }>()
  const visit = (schema: unknown, value: unknown, at: Path): void => {
    const { $ref, additionalProperties, allOf, anyOf, items, oneOf, properties } = membersOf(schema)
    if (typeof $ref === "string") return visit(schemas[$ref.slice($ref.lastIndexOf("/") + 1)], value, at)
    for (const member of [...elementsOf(allOf), ...elementsOf(anyOf), ...elementsOf(oneOf)]) {
      if (isMeant(member, value)) visit(member, value, at)
    }
    if (Array.isArray(value)) return value.forEach((element, i) => visit(items, element, [...at, String(i)]))
    for (const [key, member] of Object.entries(membersOf(value))) {
      const of = membersOf(properties)[key]
      if (isNullable(of)) found.set([...at, key].join("."), { at: [...at, key], value: member })
      visit(of ?? additionalProperties, member, [...at, key])
    }
  }
  // Of a union of tagged objects it is the one with the tag.
  const isMeant = (schema: unknown, value: unknown): boolean => {
    const { $ref, properties, required } = membersOf(schema)
    if (typeof $ref === "string") return isMeant(schemas[$ref.slice($ref.lastIndexOf("/") + 1)], value)
    const members = membersOf(value)
    return elementsOf(required).every((key) => typeof key === "string" && key in members) &&
      Object.entries(membersOf(properties)).every(([key, of]) => {
        const tags = membersOf(of)["enum"]
        return !(Array.isArray(tags) && tags.length === 1 && key in members) || tags[0] === members[key]
      })
  }
  visit(schemas[name], value, [])
  return [...found.values()]
}
