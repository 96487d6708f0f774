/** Recognizes serde's unions: enums, tagged objects, and variants that are strings or objects with one key. */
import { type Definitions, type Literal, lookup, type ObjectType, type Type } from "./model.ts"

export type Union =
  | { readonly kind: "enum"; readonly values: ReadonlyArray<Literal> }
  | { readonly kind: "tagged"; readonly tag: string; readonly tags: ReadonlyArray<string> }
  | {
    readonly kind: "variants"
    readonly values: ReadonlyArray<Literal>
    readonly keys: ReadonlyArray<string>
    readonly objects: ReadonlyArray<ObjectType>
  }
  | { readonly kind: "plain" }

const isObject = (type: Type): type is ObjectType => type.kind === "object"

const values = (members: ReadonlyArray<Type>): ReadonlyArray<Literal> =>
  members.flatMap((member) => member.kind === "literal" ? [member.value] : [])

/** codex itself keeps a few unions open with `string` and `{ [key: string]: unknown }`. */
const isOpening = (type: Type): boolean =>
  type.kind === "string" || (type.kind === "record" && type.value.kind === "unknown")

/** Classifies the members of a union without null. */
export const classify = (union: ReadonlyArray<Type>): Union => {
  const literals = values(union)
  const members = literals.length === 0 ? union : union.filter((member) => !isOpening(member))
  if (literals.length === members.length) return { kind: "enum", values: literals }
  const objects = members.filter(isObject)
  if (objects.length > 1 && objects.length === members.length) {
    for (const { name } of objects[0]?.fields ?? []) {
      const tags = objects.map((object) => object.fields.find((field) => field.name === name && !field.optional)?.type)
        .flatMap((type) => type?.kind === "literal" && typeof type.value === "string" ? [type.value] : [])
      if (tags.length === objects.length) return { kind: "tagged", tag: name, tags: [...new Set(tags)] }
    }
    return { kind: "plain" }
  }
  const keys = objects.flatMap((object) => object.fields.length === 1 ? object.fields.map((field) => field.name) : [])
  if (literals.length > 0 && literals.length + keys.length === members.length) {
    return { kind: "variants", values: literals, keys, objects }
  }
  return { kind: "plain" }
}

/** Whether JSON null is a value of the type. */
export const isNullable = (definitions: Definitions, type: Type): boolean => {
  switch (type.kind) {
    case "null":
    case "unknown":
    case "opaque":
      return true
    case "ref":
      return isNullable(definitions, lookup(definitions, type.id).type)
    case "union":
      return type.members.some((member) => isNullable(definitions, member))
    default:
      return false
  }
}
