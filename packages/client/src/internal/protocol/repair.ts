/**
 * Repairs values that do not fit the protocol. One bad item or list entry is no reason to refuse the others, so
 * each is replaced by an `Undecodable` that holds it.
 */
import type { UndecodableValue } from "@effect-codex/protocol/Open"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"

const checks = new WeakMap<AST.AST, (u: unknown) => boolean>()

export const fits = (ast: AST.AST, u: unknown): boolean => {
  let check = checks.get(ast)
  if (check === undefined) checks.set(ast, check = Schema.is(Schema.make<Schema.Codec<unknown>>(ast)))
  return check(u)
}

/** Whether the union allows an `Undecodable`, which is its last member. */
const isPlace = (union: AST.Union): boolean => union.types.at(-1)?.annotations?.["identifier"] === "Undecodable"

// The id of the value, or of the item or thread in it.
const idOf = (raw: unknown): string => {
  if (!Predicate.isObject(raw)) return ""
  for (const key of ["id", "item", "thread"]) {
    const value: unknown = Reflect.get(raw, key)
    if (Predicate.isString(value)) return value
    if (Predicate.hasProperty(value, "id") && Predicate.isString(value.id)) return value.id
  }
  return ""
}

export interface Repaired {
  readonly value: unknown
  readonly replaced: ReadonlyArray<UndecodableValue>
}

/**
 * Replaces parts that do not fit where that is possible. The value may still not fit as a whole. Untouched
 * parts are the same objects.
 */
export const repair = (
  ast: AST.AST,
  value: unknown,
  issueOf: (schema: Schema.Codec<unknown>, u: unknown) => string
): Repaired => {
  const replaced: Array<UndecodableValue> = []

  const within = (ast: AST.AST, value: unknown): unknown => {
    switch (ast._tag) {
      case "Suspend":
        return within(ast.thunk(), value)
      case "Objects": {
        if (!Predicate.isReadonlyObject(value)) return value
        let changed: { [key: PropertyKey]: unknown } | undefined
        for (const { name, type } of ast.propertySignatures) {
          if (!Object.hasOwn(value, name)) continue
          const member = value[String(name)]
          const repaired = within(type, member)
          if (repaired === member) continue
          changed ??= { ...value }
          changed[name] = repaired
        }
        return changed ?? value
      }
      case "Arrays": {
        const [entry] = ast.rest
        if (!Array.isArray(value) || entry === undefined) return value
        const repaired: ReadonlyArray<unknown> = value.map((member) => within(entry, member))
        return repaired.every((member, i) => member === value[i]) ? value : repaired
      }
      case "Union":
        return oneOf(ast, value)
      default:
        return value
    }
  }

  const oneOf = (union: AST.Union, value: unknown): unknown => {
    if (fits(union, value)) return value
    for (const member of union.types) {
      const { length } = replaced
      const repaired = within(member, value)
      if (repaired !== value && fits(member, repaired)) return repaired
      replaced.length = length
    }
    if (!isPlace(union)) return value
    const undecodable = {
      type: "undecodable",
      id: idOf(value),
      raw: value,
      issue: issueOf(Schema.make(union), value)
    } as const
    replaced.push(undecodable)
    return undecodable
  }

  return { value: within(ast, value), replaced }
}
