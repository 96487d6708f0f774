/** Prints definitions as TypeScript types and Effect schemas, in closed or open form. */
import { classify, isNullable } from "./classify.ts"
import {
  type Definition,
  type Definitions,
  type Field,
  jsonValueId,
  type Literal,
  lookup,
  type ObjectType,
  type Type
} from "./model.ts"

export type Form = "closed" | "open"

const quote = (value: Literal): string => JSON.stringify(value)

/** The open form accepts any value of a literal's type. */
const openTypes = { string: "(string & {})", number: "(number & {})", boolean: "boolean" }
const openSchemas = { string: "Schema.String", number: "Schema.Number", boolean: "Schema.Boolean" }

const open = (table: typeof openTypes, values: ReadonlyArray<Literal>): ReadonlyArray<string> => [
  ...new Set(values.map((value) => table[typeof value as keyof typeof openTypes]))
]

const key = (name: string): string => /^[A-Za-z_$][\w$]*$/.test(name) && name !== "__proto__" ? name : quote(name)

const indent = (text: string, depth: number): string => text.replaceAll("\n", `\n${"  ".repeat(depth)}`)

const printDoc = (doc: string | undefined): string => doc === undefined ? "" : `${doc.replace(/\n\s*\*/g, "\n *")}\n`

const afterColon = (type: string): string => type.startsWith("\n") ? type : ` ${type}`

/** `[a, b]` on one line if it fits, else one item per line. */
const list = (items: ReadonlyArray<string>, open: string, close: string): string => {
  const line = `${open}${items.join(", ")}${close}`
  return line.length <= 80 && !line.includes("\n")
    ? line
    : `${open}\n  ${items.map((item) => indent(item, 1)).join(",\n  ")}\n${close}`
}

/** `a | b` on one line if it fits, else one member per line. */
const alternatives = (types: ReadonlyArray<string>): string => {
  const line = types.join(" | ")
  return line.length <= 80 && !line.includes("\n") ? line : types.map((type) => `\n  | ${indent(type, 1)}`).join("")
}

/** The unions whose values may be undecodable on their own. So may the entries of some lists: see `isListOfEntries`. */
const readOneByOne = new Set(["v2/ThreadItem"])

const isListOfEntries = (name: string): boolean => name === "data" || name === "turns"

export const makePrinter = (definitions: Definitions, form: Form) => {
  const isOpen = form === "open"

  // codex writes null for some keys that its types declare as optional, for example those of SkillInterface.
  const withNull = (field: Field): Type =>
    isOpen && field.optional && !isNullable(definitions, field.type)
      ? {
        kind: "union",
        members: [...field.type.kind === "union" ? field.type.members : [field.type], { kind: "null" }]
      }
      : field.type

  const printType = (type: Type): string => {
    switch (type.kind) {
      case "integer":
        return "number"
      case "literal":
        return isOpen ? printMemberTypes([type]).join(" | ") : quote(type.value)
      case "ref":
        return lookup(definitions, type.id).name
      case "array":
        return `ReadonlyArray<${printType(type.item)}>`
      case "record":
        return `{ readonly [key in string]?:${afterColon(printType(type.value))} }`
      case "object":
        return printObjectType(type, undefined)
      case "union": {
        const members = type.members.filter((member) => member.kind !== "null")
        const parts = printMemberTypes(members)
        return alternatives(members.length === type.members.length ? parts : [...parts, "null"])
      }
      case "intersection":
        throw new Error("normalize.ts left an intersection")
      case "opaque":
        return "unknown"
      default:
        return type.kind
    }
  }

  /** The type of the entries, if the field is a list whose entries are decoded one by one. */
  const entriesOf = (field: Field): string | undefined => {
    if (!isOpen || !isListOfEntries(field.name) || field.type.kind !== "array") return undefined
    const { item } = field.type
    return item.kind === "ref" ? lookup(definitions, item.id).name : undefined
  }

  const printMemberTypes = (members: ReadonlyArray<Type>): ReadonlyArray<string> => {
    const union = classify(members)
    const literal = (member: Type): string => member.kind === "literal" ? quote(member.value) : printType(member)
    if (!isOpen) return members.map(literal)
    switch (union.kind) {
      case "enum":
        return [...union.values.map(quote), ...open(openTypes, union.values)]
      case "tagged":
        return [
          ...members.map((member) => member.kind === "object" ? printObjectType(member, union.tag) : printType(member)),
          `UnknownMember<${quote(union.tag)}>`
        ]
      case "variants":
        return [
          ...union.values.map(quote),
          ...union.objects.map(printType),
          ...open(openTypes, union.values),
          `UnknownVariant<${alternatives(union.keys.map(quote))}>`
        ]
      case "plain":
        return members.flatMap((member) =>
          member.kind === "union" ? printMemberTypes(member.members) : [literal(member)]
        )
    }
  }

  const printObjectType = (object: ObjectType, tag: string | undefined): string => {
    if (object.fields.length === 0 && object.rest === undefined) {
      return `{ readonly [key: string]: ${isOpen ? "unknown" : "never"} }`
    }
    const fields = object.fields.map((field) => {
      const isTag = field.name === tag && field.type.kind === "literal"
      const entry = entriesOf(field)
      const type = isTag
        ? quote(field.type.value)
        : entry === undefined
        ? printType(withNull(field))
        : `ReadonlyArray<${entry} | Undecodable<${entry}>>`
      return `${printDoc(field.doc)}readonly ${key(field.name)}${field.optional ? "?" : ""}:${afterColon(type)}`
    })
    const rest = object.rest === undefined ? "" : ` & ${printType({ kind: "record", value: object.rest })}`
    return `{\n  ${fields.map((field) => indent(field, 1)).join("\n  ")}\n}${rest}`
  }

  const printSchema = (type: Type): string => {
    switch (type.kind) {
      case "string":
        return "Schema.String"
      case "boolean":
        return "Schema.Boolean"
      case "number":
        return isOpen ? "Schema.Number" : "Schema.Finite"
      case "integer":
        return isOpen ? "Schema.Number" : "Schema.Int"
      case "null":
        return "Schema.Null"
      case "undefined":
        return "Schema.Undefined"
      case "unknown":
      case "opaque":
        return "Schema.Unknown"
      case "literal":
        return isOpen ? open(openSchemas, [type.value]).join() : `Schema.Literal(${quote(type.value)})`
      case "ref":
        return `${lookup(definitions, type.id).name}()`
      case "array":
        return `Schema.Array(${printSchema(type.item)})`
      case "record":
        return `Schema.Record(Schema.String, ${printSchema(type.value)})`
      case "object":
        return printObjectSchema(type, undefined)
      case "union": {
        const members = type.members.filter((member) => member.kind !== "null")
        const schema = printMemberSchemas(members)
        return members.length === type.members.length ? schema : `Schema.NullOr(${schema})`
      }
      case "intersection":
        throw new Error("normalize.ts left an intersection")
    }
  }

  const printMemberSchemas = (members: ReadonlyArray<Type>): string => {
    const [first, ...others] = members
    if (first === undefined) throw new Error("A union of nothing")
    if (others.length === 0) return printSchema(first)
    const union = classify(members)
    const literals = members.flatMap((member) => member.kind === "literal" ? [quote(member.value)] : [])
    const rest = members.filter((member) => member.kind !== "literal")
    if (union.kind === "enum") {
      if (!isOpen) return list(literals, "Schema.Literals([", "])")
      const schemas = open(openSchemas, union.values)
      return schemas.length === 1 ? schemas.join() : list(schemas, "Schema.Union([", "])")
    }
    if (isOpen && union.kind === "tagged") {
      const objects = rest.map((member) => member.kind === "object" ? printObjectSchema(member, union.tag) : "")
      const tags = list(union.tags.map(quote), "[", "]")
      return list([...objects, `unknownMember(${quote(union.tag)}, ${tags})`], "Schema.Union([", "])")
    }
    if (isOpen && union.kind === "variants") {
      const unknown = `unknownVariant(${list(union.keys.map(quote), "[", "]")})`
      return list(
        [...open(openSchemas, union.values), ...union.objects.map(printSchema), unknown],
        "Schema.Union([",
        "])"
      )
    }
    const strings = literals.length === 0 ? [] : [list(literals, "Schema.Literals([", "])")]
    return list([...strings, ...rest.map(printSchema)], "Schema.Union([", "])")
  }

  const printObjectSchema = (object: ObjectType, tag: string | undefined): string => {
    if (object.fields.length === 0 && object.rest === undefined) {
      return `Schema.Record(Schema.String, ${isOpen ? "Schema.Unknown" : "Schema.Never"})`
    }
    const fields = object.fields.map((field) => `${key(field.name)}: ${printField(field, tag)}`)
    const struct = `Schema.Struct({\n  ${fields.map((field) => indent(field, 1)).join(",\n  ")}\n})`
    if (object.rest === undefined) return struct
    if (!isOpen) throw new Error("A sent object has known and other keys; print.ts has no closed form for that yet")
    const keys = list(object.fields.map((field) => quote(field.name)), "[", "]")
    return list([struct, keys, printSchema(object.rest)], "structWithRest(", ")")
  }

  const printField = (field: Field, tag: string | undefined): string => {
    if (field.name === tag && field.type.kind === "literal") return `Schema.Literal(${quote(field.type.value)})`
    if (!isOpen) return field.optional ? `Schema.optionalKey(${printSchema(field.type)})` : printSchema(field.type)
    const entry = entriesOf(field)
    if (entry !== undefined) return `Schema.Array(entry(${entry}()))`
    const value = withoutNull(field.type)
    if (field.optional) return `optional(${printSchema(value)})`
    if (value !== field.type) return `nullable(${printSchema(value)})`
    return isNullable(definitions, field.type) ? `mayMiss(${printSchema(field.type)})` : printSchema(field.type)
  }

  const withoutNull = (type: Type): Type => {
    if (type.kind !== "union") return type
    const members = type.members.filter((member) => member.kind !== "null")
    const [only, ...others] = members
    if (members.length === type.members.length || only === undefined) return type
    return others.length === 0 ? only : { kind: "union", members }
  }

  const printDefinition = (definition: Definition): string => {
    const doc = printDoc(definition.doc)
    const { name } = definition
    if (definition.id === jsonValueId) {
      const object = "{ readonly [key in string]?: JsonValue }"
      return `${doc}export type JsonValue = number | string | boolean | ReadonlyArray<JsonValue> | ${object} | null

export const JsonValue: Lazy<JsonValue> = ${isOpen ? "json" : "lazy(() => Schema.Json)"}\n`
    }
    if (isOpen && readOneByOne.has(definition.id)) {
      return `${doc}export type ${name} =${printType(definition.type)}
  | Undecodable

export const ${name}: Lazy<${name}> = lazy(() =>
  ${indent(printSchema(definition.type).replace(/\n\]\)$/, ",\n  undecodable\n])"), 1)}
)\n`
    }
    return `${doc}export type ${name} =${afterColon(printType(definition.type))}

export const ${name}: Lazy<${name}> = ${printLazy(definition.type)}\n`
  }

  /** Many received definitions are plain strings or empty objects, so these share one schema. */
  const printLazy = (type: Type): string => {
    const schema = printSchema(type)
    if (isOpen && schema === "Schema.String") return "string"
    if (isOpen && schema === "Schema.Record(Schema.String, Schema.Unknown)") return "object"
    return `lazy(() =>\n  ${indent(schema, 1)}\n)`
  }

  return { printType, printSchema, printDefinition }
}
