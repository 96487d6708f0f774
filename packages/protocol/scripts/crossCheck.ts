/**
 * Compares the definitions with the JSON Schemas that codex generates from the same Rust types: the methods, the values
 * of enums, and the names of fields, whether they are required, and whether they accept null.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { classify, isNullable } from "./classify.ts"
import { envelopes, type Methods } from "./methods.ts"
import type { Definitions, ObjectType, Type } from "./model.ts"
import { isInBoth } from "./names.ts"

interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | ReadonlyArray<string>
  readonly enum?: ReadonlyArray<unknown>
  readonly properties?: { readonly [key: string]: JsonSchema | boolean }
  readonly required?: ReadonlyArray<string>
  readonly oneOf?: ReadonlyArray<JsonSchema>
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly allOf?: ReadonlyArray<JsonSchema>
}

interface Bundle {
  readonly definitions: { readonly [name: string]: JsonSchema } & {
    readonly v2: { readonly [name: string]: JsonSchema }
  }
}

const sorted = (names: Iterable<string>): string => [...names].sort().join(" ")

const alternatives = (schema: JsonSchema): ReadonlyArray<JsonSchema> => schema.oneOf ?? schema.anyOf ?? []

/** The value of a constant field. */
const constant = (schema: JsonSchema | boolean | undefined): unknown =>
  typeof schema === "object" && schema.enum?.length === 1 ? schema.enum[0] : undefined

/**
 * The JSON Schemas spell the fields of some variants in snake case, where the server and the types use camel case; see
 * the recorded `thread/timeline/list`.
 */
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const propertyOf = (schema: JsonSchema, name: string): readonly [string, JsonSchema | boolean] | undefined => {
  for (const spelled of [name, snakeCase(name)]) {
    const property = schema.properties?.[spelled]
    if (property !== undefined) return [spelled, property]
  }
  return undefined
}

/**
 * Fails if the two differ. Definitions that only the TypeScript types have do not count: the JSON Schemas omit
 * deprecated methods and inline some types.
 */
export const crossCheck = (definitions: Definitions, methods: Methods, folder: string): void => {
  const differences = findDifferences(definitions, methods, folder)
  if (differences.length > 0) {
    throw new Error(`The TypeScript types and the JSON Schemas of codex differ:
  ${differences.join("\n  ")}
Check what the server sends, and teach scripts/crossCheck.ts which of the two is right.`)
  }
}

const findDifferences = (definitions: Definitions, methods: Methods, folder: string): ReadonlyArray<string> => {
  const file = path.join(folder, "codex_app_server_protocol.schemas.json")
  const bundle: Bundle = JSON.parse(fs.readFileSync(file, "utf8"))
  const differences: Array<string> = []

  const find = (id: string): JsonSchema | undefined => {
    const name = path.posix.basename(id)
    const { [name]: inner } = bundle.definitions.v2
    const { [name]: outer } = bundle.definitions
    if (isInBoth(definitions, id)) return id.startsWith("v2/") ? inner : outer
    return inner ?? outer
  }

  const resolve = (schema: JsonSchema): JsonSchema => {
    const [only, ...others] = schema.allOf ?? []
    if (only !== undefined && others.length === 0) return resolve(only)
    if (schema.$ref === undefined) return schema
    const target = find(schema.$ref.replace("#/definitions/", ""))
    if (target === undefined) throw new Error(`The JSON Schemas have no ${schema.$ref}`)
    return resolve(target)
  }

  const acceptsNull = (input: JsonSchema | boolean): boolean => {
    if (typeof input === "boolean") return input
    const schema = resolve(input)
    const { allOf, anyOf, enum: values, oneOf, properties, type } = schema
    if ([allOf, anyOf, oneOf, values, properties, type].every((part) => part === undefined)) return true
    return type === "null" || (Array.isArray(type) && type.includes("null")) || (values?.includes(null) ?? false) ||
      alternatives(schema).some(acceptsNull)
  }

  /** Every shape that an object of the schema may have. */
  const shapes = (input: JsonSchema): ReadonlyArray<JsonSchema> => {
    const schema = resolve(input)
    const own = schema.properties === undefined ? [] : [schema]
    if (alternatives(schema).length === 0) return own
    return alternatives(schema).flatMap(shapes).map((shape): JsonSchema => ({
      properties: { ...schema.properties, ...shape.properties },
      required: [...schema.required ?? [], ...shape.required ?? []]
    }))
  }

  const compareFields = (where: string, object: ObjectType, schema: JsonSchema): void => {
    for (const name of Object.keys(schema.properties ?? {})) {
      if (!object.fields.some((field) => field.name === name || snakeCase(field.name) === name)) {
        differences.push(`${where}.${name}: only in JSON Schema`)
      }
    }
    for (const field of object.fields) {
      const at = `${where}.${field.name}`
      const found = propertyOf(schema, field.name)
      if (found === undefined) {
        differences.push(`${at}: only in TypeScript`)
        continue
      }
      const [spelled, property] = found
      const nullable = isNullable(definitions, field.type)
      const required = schema.required?.includes(spelled) ?? false
      if (nullable && !acceptsNull(property)) differences.push(`${at}: nullable only in TypeScript`)
      // TypeScript declares some nullable keys as only optional; the open form accepts null for every optional key.
      if (!nullable && !field.optional && acceptsNull(property)) differences.push(`${at}: nullable only in JSON Schema`)
      if (required && field.optional) differences.push(`${at}: required only in JSON Schema`)
      // The converse does not count: codex always writes keys that have a default when they are read.
      if (typeof property !== "boolean") compare(at, field.type, property)
    }
  }

  const compare = (where: string, type: Type, schema: JsonSchema): void => {
    const types = type.kind === "union" ? type.members.filter((member) => member.kind !== "null") : [type]
    const union = classify(types)
    if (union.kind === "enum" || union.kind === "variants") {
      const strings = [schema, ...alternatives(schema)].flatMap((part) => part.enum ?? [])
        .map(String)
      if (strings.length > 0 && sorted(strings) !== sorted(union.values.map(String))) {
        differences.push(`${where}: other values`)
      }
    }
    const objects = types.filter((member): member is ObjectType => member.kind === "object" && member.fields.length > 0)
    // References are compared at their definition.
    if (objects.length === 0 || schema.$ref !== undefined) return
    const candidates = shapes(schema)
    for (const object of objects) {
      const matching = candidates.filter(({ properties }) =>
        object.fields.every(({ name, type }) => type.kind !== "literal" || constant(properties?.[name]) === type.value)
      )
      const names = sorted(object.fields.map((field) => field.name))
      const same = matching.find((shape) =>
        Object.keys(shape.properties ?? {}).length === object.fields.length &&
        object.fields.every((field) => propertyOf(shape, field.name) !== undefined)
      )
      const shape = same ?? (matching.length === 1 ? matching[0] : undefined)
      if (shape === undefined) differences.push(`${where}: no object with the fields ${names}`)
      else compareFields(where, object, shape)
    }
    if (objects.length !== candidates.length) {
      differences.push(`${where}: ${objects.length} objects, ${candidates.length} in JSON Schema`)
    }
  }

  const compareMethods = (envelope: string, list: Methods[keyof Methods]): void => {
    const schemas = shapes(find(envelope) ?? {})
    const names = new Set(schemas.map((schema) => constant(schema.properties?.["method"])))
    for (const { name } of list) names.delete(name)
    for (const name of names) differences.push(`${envelope} ${String(name)}: only in JSON Schema`)
  }

  compareMethods("ClientNotification", methods.clientNotifications)
  compareMethods("ClientRequest", methods.clientRequests)
  compareMethods("ServerNotification", methods.serverNotifications)
  compareMethods("ServerRequest", methods.serverRequests)
  for (const { id, type } of definitions.values()) {
    if (envelopes.includes(id)) continue
    const schema = find(id)
    if (schema !== undefined) compare(id, type, schema)
  }
  return differences
}
