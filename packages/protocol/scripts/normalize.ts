/** Removes intersections: `A & (B | C)` becomes `(A & B) | (A & C)`, and objects are merged. */
import { type Definition, type Definitions, type Field, lookup, type ObjectType, type Type } from "./model.ts"

export const normalize = (definitions: Definitions): Definitions => {
  const alternatives = (type: Type): ReadonlyArray<Type> => {
    switch (type.kind) {
      case "ref":
        return alternatives(lookup(definitions, type.id).type)
      case "union":
        return type.members.flatMap(alternatives)
      case "intersection":
        return type.members.map(alternatives).reduce((left, right) =>
          left.flatMap((a) => right.map((b) => merge(a, b)))
        )
      default:
        return [clean(type)]
    }
  }

  const merge = (left: Type, right: Type): Type => {
    const a = objectOf(left)
    const b = objectOf(right)
    if (a === undefined || b === undefined) {
      return { kind: "opaque", what: `an intersection of a ${left.kind} and a ${right.kind}` }
    }
    const twice = a.fields.find((field) => b.fields.some((other) => other.name === field.name))
    const rest = a.rest ?? b.rest
    if (twice !== undefined || (a.rest !== undefined && b.rest !== undefined)) {
      return { kind: "opaque", what: `an intersection that defines ${twice?.name ?? "the other keys"} twice` }
    }
    const fields = [...a.fields, ...b.fields]
    return rest === undefined ? { kind: "object", fields } : { kind: "object", fields, rest }
  }

  const objectOf = (type: Type): ObjectType | undefined => {
    if (type.kind === "object") return type
    return type.kind === "record" ? { kind: "object", fields: [], rest: type.value } : undefined
  }

  const clean = (type: Type): Type => {
    switch (type.kind) {
      case "array":
        return { kind: "array", item: clean(type.item) }
      case "record":
        return { kind: "record", value: clean(type.value) }
      case "object":
        return { ...type, fields: type.fields.map((field): Field => ({ ...field, type: clean(field.type) })) }
      case "union":
        return { kind: "union", members: type.members.flatMap((member) => flat(clean(member))) }
      case "intersection": {
        const [first, ...others] = alternatives(type)
        if (first === undefined) throw new Error("An empty intersection")
        return others.length === 0 ? first : { kind: "union", members: [first, ...others] }
      }
      default:
        return type
    }
  }

  const flat = (type: Type): ReadonlyArray<Type> => type.kind === "union" ? type.members : [type]

  const cleaned = new Map<string, Definition>()
  for (const [id, definition] of definitions) cleaned.set(id, { ...definition, type: clean(definition.type) })
  return cleaned
}
