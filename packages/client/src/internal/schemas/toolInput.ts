/**
 * The JSON Schema of a tool's input.
 *
 * The server keeps types, enums, unions, references and descriptions, and drops bounds, lengths, patterns and formats
 * before the model sees them; it turns a tuple into a list of strings (docs/codex-behaviour.md, "The input of a tool
 * reaches the model without bounds, patterns and formats"). So the descriptions repeat what it drops, and tuples are
 * rewritten here.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

type Node = Schema.JsonObject

const isNode = (u: unknown): u is Node => Predicate.isObject(u)

const isList = (u: Schema.Json | undefined): u is Schema.JsonArray => Array.isArray(u)

const nodes = (u: Schema.Json | undefined): Array<Node> => isList(u) ? u.filter(isNode) : []

const distinct = (all: ReadonlyArray<Node>): Array<Node> => [
  ...new Map(all.map((node) => [JSON.stringify(node), node])).values()
]

// The type already says so.
const needless: ReadonlySet<unknown> = new Set(["an integer", "a finite number", "JSON value"])

const described = (node: Node, descriptions: ReadonlyArray<unknown>): Node => {
  const { description: _, ...rest } = node
  const words = descriptions.filter((u) => Predicate.isString(u) && !needless.has(u))
  return words.length === 0 ? rest : { ...rest, description: words.join("; ") }
}

/** Merges `allOf`: Effect puts further checks of a schema, and annotations of a reference, into its members. */
const joined = (node: Node): Node => {
  const { allOf, ...own } = node
  const parts = [own, ...nodes(allOf)]
  return described(Object.assign({}, ...parts), parts.map(({ description }) => description))
}

const isNotFinite = (node: Node): boolean => isList(node.enum) && node.enum.includes("NaN")

/** Reduces a number to what JSON can write: the model has no use for NaN and the infinities. */
const finite = (node: Node): Node => {
  const { anyOf, ...own } = node
  const members = nodes(anyOf)
  const [first = {}, ...others] = members.filter((member) => !isNotFinite(member))
  if (1 + others.length === members.length || !isList(anyOf)) return node
  return others.length === 0 ? { ...first, ...own } : { ...own, anyOf: [first, ...others] }
}

const count = ({ maxItems, minItems }: Node): string =>
  minItems !== undefined && minItems === maxItems
    ? String(minItems)
    : [
      ...(minItems === undefined ? [] : [`at least ${String(minItems)}`]),
      ...(maxItems === undefined ? [] : [`at most ${String(maxItems)}`])
    ].join(" and ")

const list = (node: Node): Node => {
  const { items, prefixItems, ...own } = node
  if (prefixItems === undefined) return node
  const [first = {}, ...others] = distinct([...nodes(prefixItems), ...(isNode(items) ? [items] : [])])
  const words = `number of items: ${count(own)}${others.length === 0 ? "" : ", in this order"}`
  return described(
    { ...own, items: others.length === 0 ? first : { anyOf: [first, ...others] } },
    [own.description, words]
  )
}

const emptyObject: Node = { type: "object", properties: {}, additionalProperties: false }

/** `Schema.Struct({})` means everything but null and undefined. */
const object = (node: Node): Node => {
  const { not, ...own } = node
  return isNode(not) && not.type === "null" ? { ...emptyObject, ...own } : node
}

const visit = (node: Node): Node => {
  const out: Record<string, Schema.Json> = { ...node }
  for (const key of ["items", "additionalProperties"]) {
    const inner = node[key]
    if (isNode(inner)) out[key] = visit(inner)
  }
  for (const key of ["anyOf", "allOf", "prefixItems"]) {
    if (key in node) out[key] = nodes(node[key]).map(visit)
  }
  if (isNode(node.properties)) out.properties = visitValues(node.properties)
  return object(list(finite(joined(out))))
}

const visitValues = (all: Node): Node =>
  Object.fromEntries(Object.entries(all).map(([key, node]) => [key, isNode(node) ? visit(node) : node]))

const refPrefix = "#/$defs/"

const keyOf = (ref: string): string =>
  decodeURIComponent(ref.slice(refPrefix.length)).replaceAll("~1", "/").replaceAll("~0", "~")

/** Throws an `Error` whose message says why the schema cannot be the input of a tool. */
export const toolInput = (schema: Schema.Constraint): Node => {
  const document = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error", generateDescriptions: true })
  const definitions: Node = JSON.parse(JSON.stringify(document.definitions))
  const $defs = visitValues(definitions)
  let root = visit(JSON.parse(JSON.stringify(document.schema)))
  // The model's API requires an object at the root, and no reference to one.
  while (Predicate.isString(root.$ref)) {
    const { $ref: ref, ...own } = root
    const target = $defs[keyOf(String(ref))]
    root = isNode(target) ? { ...target, ...own } : own
  }
  if (root.type !== "object" || root.anyOf !== undefined) {
    throw new Error("its input is not an object: wrap it in an object with one key.")
  }
  return Object.keys($defs).length === 0 ? root : { ...root, $defs }
}
