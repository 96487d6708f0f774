/**
 * JSON Schemas that OpenAI's strict mode accepts, and the way back from what the model writes. Loaded when the first
 * output is prepared, because its imports cost a sixth of `effect/Schema`.
 */
import * as OpenAiStructuredOutput from "effect/ai/OpenAiStructuredOutput"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as JsonSchema from "effect/JsonSchema"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { issueText } from "../text/issueText.ts"

export interface Strict<A> {
  readonly jsonSchema: Schema.JsonObject
  readonly read: (value: unknown) => Effect.Effect<A, string>
}

const isJsonObject = Schema.is(Schema.JsonObject)
const isNode = (u: unknown): u is Schema.JsonObject => Predicate.isObject(u)

const copy = (u: unknown): Schema.JsonObject => {
  const json: unknown = isNode(u) ? JSON.parse(JSON.stringify(u)) : u
  if (!isJsonObject(json)) throw new Error("a JSON Schema must be an object.")
  return json
}

// =============================================================================
// Issues
// =============================================================================

// Effect's conversion removes the messages of these two checks, so that they do not show up as descriptions. Issues
// restore them.
const numberChecks: Record<string, string> = {
  "effect/schema/isInt": "Expected an integer",
  "effect/schema/isFinite": "Expected a finite number"
}

const standardIssues = SchemaIssue.makeFormatterStandardSchemaV1({
  checkHook: (issue) =>
    SchemaIssue.defaultCheckHook(issue) ?? numberChecks[issue.filter.annotations?.representation?.id ?? ""]
})

// =============================================================================
// What strict mode accepts
// =============================================================================

const keywords = new Set(
  ("$ref $defs type title description enum anyOf properties required additionalProperties items pattern format " +
    "multipleOf minimum exclusiveMinimum maximum exclusiveMaximum minItems maxItems").split(" ")
)
const refPrefix = "#/$defs/"
const formats = new Set("date-time time date duration email hostname ipv4 ipv6 uuid".split(" "))

// OpenAI's matcher has no lookaround. The decoder still checks the pattern that is left out.
const lookaround = /\(\?<?[=!]/

/** Describes the first thing that strict mode would refuse; undefined when there is none. */
const problem = (u: unknown, path: string, isRoot: boolean): string | undefined => {
  const at = path === "" ? "the schema" : `\`${path}\``
  if (!isNode(u)) return `${at} is not described by a JSON Schema of its own.`
  const unknown = Object.keys(u).find((key) => !keywords.has(key) || (key === "$defs" && !isRoot))
  if (unknown !== undefined) return `${at} uses the keyword \`${unknown}\`.`
  if (typeof u.pattern === "string" && lookaround.test(u.pattern)) return `${at} has a pattern with a lookaround.`
  if (u.format !== undefined && !formats.has(String(u.format))) return `${at} has the format \`${String(u.format)}\`.`
  if (isRoot && u.type !== "object") return `${at} does not describe an object.`
  if (u.$ref !== undefined) {
    if (u.$ref !== "#" && !String(u.$ref).startsWith(refPrefix)) return `${at} refers to something outside.`
    return Object.keys(u).length > 1 ? `${at} has other keywords beside its \`$ref\`.` : undefined
  }
  if (u.type === undefined && u.anyOf === undefined && u.enum === undefined) {
    return `${at} may be anything: give it a type of its own, with at least one field if it is an object.`
  }
  const inner: Array<readonly [node: unknown, path: string]> = []
  const types: ReadonlyArray<unknown> = Array.isArray(u.type) ? u.type : [u.type]
  if (types.includes("object")) {
    const properties = u.properties
    if (!isNode(properties) || u.additionalProperties !== false) return `${at} is an object with open keys.`
    const required: ReadonlyArray<unknown> = Array.isArray(u.required) ? u.required : []
    const optional = Object.keys(properties).find((key) => !required.includes(key))
    if (optional !== undefined) return `${at} does not require its key \`${optional}\`.`
    for (const [key, node] of Object.entries(properties)) inner.push([node, path === "" ? key : `${path}.${key}`])
  }
  if (types.includes("array")) inner.push([u.items, `${path}[]`])
  if (u.anyOf !== undefined) {
    if (isRoot || !Array.isArray(u.anyOf)) return `${at} is a union, which is not allowed there.`
    for (const node of u.anyOf) inner.push([node, path])
  }
  if (u.$defs !== undefined) {
    if (!isNode(u.$defs)) return "`$defs` is not an object."
    for (const [key, node] of Object.entries(u.$defs)) inner.push([node, `$defs.${key}`])
  }
  for (const [node, path] of inner) {
    const found = problem(node, path, false)
    if (found !== undefined) return found
  }
  return undefined
}

// =============================================================================
// From a Schema
// =============================================================================

/**
 * Finishes Effect's own conversion. OpenAI refuses a `$ref` with anything beside it and patterns with a lookaround.
 * Definitions that are only another name, or that nothing refers to, cost the model's attention.
 */
const tidy = (root: Schema.JsonObject): Schema.JsonObject => {
  const definitions = isNode(root.$defs) ? root.$defs : {}
  const names = new Map<string, string>()
  for (const key of Object.keys(definitions)) {
    const name = key.replace(/[^\w-]/g, "_")
    names.set(key, [...names.values()].includes(name) ? `${name}_${names.size}` : name)
  }
  const used = new Set<string>()
  const target = (ref: string, seen: ReadonlyArray<string> = []): string => {
    const key = decodeURIComponent(ref.slice(refPrefix.length)).replaceAll("~1", "/").replaceAll("~0", "~")
    const definition = definitions[key]
    if (isNode(definition) && typeof definition.$ref === "string" && !seen.includes(key)) {
      if (Object.keys(definition).length === 1) return target(definition.$ref, [...seen, key])
    }
    used.add(key)
    return refPrefix + (names.get(key) ?? key)
  }
  const visit = (node: Schema.JsonObject): Schema.JsonObject => {
    const { $ref, anyOf, items, properties, ...rest } = node
    const out: Record<string, Schema.Json> = rest
    if (typeof out.pattern === "string" && lookaround.test(out.pattern)) delete out.pattern
    if (isNode(properties)) out.properties = visitValues(properties)
    if (items !== undefined) out.items = isNode(items) ? visit(items) : items
    if (Array.isArray(anyOf)) {
      const members: ReadonlyArray<Schema.Json> = anyOf
      const distinct = new Map(members.map((member) => [JSON.stringify(member), member]))
      out.anyOf = [...distinct.values()].map((member) => isNode(member) ? visit(member) : member)
    }
    if (typeof $ref !== "string") return out
    const ref = { $ref: target($ref) }
    return Object.keys(out).length === 0 ? ref : { ...out, anyOf: [ref] }
  }
  const visitValues = (nodes: Schema.JsonObject): Schema.JsonObject =>
    Object.fromEntries(Object.entries(nodes).map(([key, node]) => [key, isNode(node) ? visit(node) : node]))

  const { $defs: _, ...schema } = root
  const out = visit(schema)
  const $defs: Record<string, Schema.Json> = {}
  // The set grows during the loop until every needed definition was visited.
  for (const key of used) {
    const definition = definitions[key]
    if (isNode(definition)) $defs[names.get(key) ?? key] = visit(definition)
  }
  return Object.keys($defs).length === 0 ? out : { ...out, $defs }
}

/**
 * Rewrites the schema on its JSON values, with a nullable key in place of each optional one.
 *
 * Effect's conversion does that too, but in 4.1 it applies the conversion of an optional key's value twice, so an
 * optional tuple or record, or a struct that holds one, never decodes. Without optional keys that bug cannot occur.
 */
const withoutOptionalKeys = <A>(schema: Schema.ConstraintCodec<A, unknown>): Schema.ConstraintCodec<A, unknown> => {
  const visited = new Map<SchemaAST.AST, SchemaAST.AST>()
  const visit = (ast: SchemaAST.AST): SchemaAST.AST => {
    const before = visited.get(ast)
    if (before !== undefined) return before
    const after = rebuild(ast)
    visited.set(ast, after)
    return after
  }
  const property = ({ name, type }: SchemaAST.PropertySignature): SchemaAST.PropertySignature => {
    const inner = visit(type)
    if (!SchemaAST.isOptional(type)) return new SchemaAST.PropertySignature(name, inner)
    const optional = Schema.optionalKey(Schema.make<Schema.Codec<unknown>>(SchemaAST.toType(inner))).ast
    const nullable = new SchemaAST.Union([inner, SchemaAST.null])
    return new SchemaAST.PropertySignature(name, SchemaAST.decodeTo(nullable, optional, nullAsAbsent))
  }
  const rebuild = (ast: SchemaAST.AST): SchemaAST.AST => {
    switch (ast._tag) {
      case "Objects": {
        const indexes = ast.indexSignatures.map((index) =>
          new SchemaAST.IndexSignature(index.parameter, visit(index.type))
        )
        const properties = ast.propertySignatures.map(property)
        return new SchemaAST.Objects(properties, indexes, ast.annotations, ast.checks, undefined, ast.context)
      }
      case "Arrays": {
        if (ast.elements.some((element) => SchemaAST.isOptional(element) && structured.has(element._tag))) {
          throw new Error("an optional element of a tuple must be a plain value, not a list or an object.")
        }
        const [elements, rest] = [ast.elements.map(visit), ast.rest.map(visit)]
        return new SchemaAST.Arrays(
          ast.isMutable,
          elements,
          rest,
          ast.annotations,
          ast.checks,
          undefined,
          ast.context
        )
      }
      case "Union":
        return new SchemaAST.Union(
          ast.types.map(visit),
          ast.options,
          ast.annotations,
          ast.checks,
          undefined,
          ast.context
        )
      case "Suspend":
        return new SchemaAST.Suspend(() => visit(ast.thunk()), ast.annotations, undefined, undefined, ast.context)
      default:
        return ast
    }
  }
  const json = Schema.toCodecJson(schema)
  return Schema.make<Schema.ConstraintCodec<A, unknown>>(
    SchemaAST.decodeTo(visit(SchemaAST.toEncoded(json.ast)), json.ast, SchemaTransformation.passthrough())
  )
}

// As tuple elements these hit the same bug, and an element cannot be made nullable: `null` would stay in the tuple.
const structured: ReadonlySet<string> = new Set(["Arrays", "Objects", "Suspend"])

const nullAsAbsent = SchemaTransformation.transformOptional<unknown, unknown>({
  decode: Option.filter(Predicate.isNotNull),
  encode: Option.orElseSome(() => null)
})

const unwrap = <A>(schema: Schema.ConstraintCodec<A, unknown>): Schema.ConstraintCodec<A, unknown> =>
  Schema.Struct({ value: schema }).pipe(
    Schema.decodeTo(Schema.make<Schema.Codec<A>>(SchemaAST.toType(schema.ast)), {
      decode: SchemaGetter.transform((wrapper: { readonly value: A }) => wrapper.value),
      encode: SchemaGetter.transform((value: A) => ({ value }))
    })
  )

const convert = <A>(schema: Schema.ConstraintCodec<A, unknown>) => {
  const bare = withoutOptionalKeys(schema)
  try {
    return OpenAiStructuredOutput.toCodecOpenAI(bare)
  } catch {
    // The conversion refuses a root that is not an object. Whatever it refuses for another reason, it refuses again
    // here.
    return OpenAiStructuredOutput.toCodecOpenAI(withoutOptionalKeys(unwrap(schema)))
  }
}

/** Throws an `Error` whose message says what strict mode cannot express. */
export const strictCodec = <A>(schema: Schema.ConstraintCodec<A, unknown>) => {
  const { codec, jsonSchema } = convert(schema)
  const tidied = tidy(copy(jsonSchema))
  const found = problem(tidied, "", true)
  if (found !== undefined) throw new Error(`OpenAI's strict mode cannot express the schema: ${found}`)
  return { codec, jsonSchema: tidied }
}

/** Throws as {@link strictCodec} does. */
export const fromSchema = <A>(schema: Schema.ConstraintCodec<A, unknown>): Strict<A> => {
  const { codec, jsonSchema } = strictCodec(schema)
  const decode = SchemaParser.decodeUnknownEffect(codec, { errors: "all" })
  return {
    jsonSchema,
    read: (value) => Effect.mapError(decode(value), (issue) => issueText(standardIssues(issue).issues))
  }
}

// =============================================================================
// From a JSON Schema
// =============================================================================

const rootKey = "__root"

const isObjectLike = (u: unknown): boolean => isNode(u) && (u.properties !== undefined || u.$ref !== undefined)

/** Closes objects that say nothing about further keys, and names the root when the schema refers to itself. */
const onEnter = (node: JsonSchema.JsonSchema): JsonSchema.JsonSchema => {
  const members = (key: string): number => {
    const list = node[key]
    return Array.isArray(list) ? list.filter(isObjectLike).length : 0
  }
  const own = isObjectLike(node) ? 1 : 0
  if (own + members("allOf") > 1 || (own === 1 && members("anyOf") + members("oneOf") > 0)) {
    throw new Error("the schema joins several objects to one. Write one object.")
  }
  if (node.$ref === "#") return { ...node, $ref: refPrefix + rootKey }
  return Predicate.isObject(node.properties) && node.additionalProperties === undefined
    ? { ...node, additionalProperties: false }
    : node
}

// Some generators (`@effect/schema`) write draft-07 with the newer `$defs`.
const withDefinitions = ({ $defs, ...schema }: Schema.JsonObject): Schema.JsonObject =>
  $defs === undefined
    ? schema
    : copy(JSON.parse(JSON.stringify({ ...schema, definitions: $defs }).replaceAll(`"${refPrefix}`, `"#/definitions/`)))

/**
 * Returns an Effect Schema of the same JSON values. Throws an `Error` whose message says what it cannot represent.
 *
 * @param prepare is called with each schema in it before that is read
 */
export const schemaOf = (
  jsonSchema: unknown,
  prepare: (node: JsonSchema.JsonSchema) => JsonSchema.JsonSchema = identity
): Schema.Codec<unknown> => {
  const { $schema, ...given } = copy(jsonSchema)
  const isDraft07 = given.definitions !== undefined || (typeof $schema === "string" && $schema.includes("draft-07"))
  const { definitions, dialect, schema } = isDraft07
    ? JsonSchema.fromSchemaDraft07(withDefinitions(given))
    : JsonSchema.fromSchemaDraft2020_12(given)
  const document = JSON.stringify(schema).includes(`"$ref":"#"`)
    ? { dialect, schema: { $ref: refPrefix + rootKey }, definitions: { ...definitions, [rootKey]: schema } }
    : { dialect, schema, definitions }
  const imported = SchemaRepresentation.fromJsonSchemaDocument(document, {
    patterns: "apply",
    onEnter: (node) => onEnter(prepare(node))
  })
  return Schema.make<Schema.Codec<unknown>>(imported.ast)
}

// Effect has no equivalent of these. The model never sees them either (docs/codex-behaviour.md, "The input of a tool
// reaches the model without bounds, patterns and formats").
const inexpressible = [
  "if",
  "then",
  "else",
  "$dynamicRef",
  "contains",
  "minContains",
  "maxContains",
  "dependentRequired",
  "dependentSchemas",
  "not",
  "unevaluatedItems",
  "unevaluatedProperties"
]

const withoutInexpressible = (node: JsonSchema.JsonSchema): JsonSchema.JsonSchema => {
  const isNever = Predicate.isObject(node.not) && Object.keys(node.not).length === 0
  return isNever || !inexpressible.some((key) => key in node)
    ? node
    : Object.fromEntries(Object.entries(node).filter(([key]) => !inexpressible.includes(key)))
}

const annotations: ReadonlySet<string> = new Set(["$schema", "$id", "$comment", "title", "description", "default"])

/** Generators write a schema without fields as anything, as anything but null (Effect's empty struct), or as null. */
const hasNoParameters = (node: Schema.JsonObject): boolean =>
  Object.entries(node).every(([key, value]) =>
    annotations.has(key) || (key === "type" && value === "null") ||
    (key === "not" && isNode(value) && value.type === "null")
  )

/**
 * Returns an Effect Schema of a tool's input. It ignores keywords that neither Effect nor codex can express, and
 * leaves them to the tool's own decoder.
 */
export const toolSchemaOf = (jsonSchema: unknown): Schema.Codec<unknown> =>
  hasNoParameters(copy(jsonSchema)) ? Schema.Struct({}) : schemaOf(jsonSchema, withoutInexpressible)

/**
 * A strict schema is sent unchanged. Any other schema is read as an Effect Schema of the same JSON values, so that
 * its optional keys, tuples and records get the same strict form, and the same way back, as those of an Effect
 * Schema.
 */
export const fromJsonSchema = (jsonSchema: unknown): Strict<unknown> => {
  const { $schema: _, ...given } = copy(jsonSchema)
  if (problem(given, "", true) === undefined) return { jsonSchema: given, read: Effect.succeed }
  return fromSchema(schemaOf(jsonSchema))
}

const definitionOf = (root: Schema.JsonObject, node: unknown): unknown =>
  isNode(node) && typeof node.$ref === "string" && node.$ref.startsWith(refPrefix) && isNode(root.$defs)
    ? root.$defs[node.$ref.slice(refPrefix.length)]
    : node

const takesNull = (node: unknown): boolean =>
  isNode(node) &&
  (node.type === "null" || (Array.isArray(node.type) && node.type.includes("null")) ||
    (Array.isArray(node.anyOf) && node.anyOf.some(takesNull)))

/**
 * A model in strict mode writes null for an absent value; another model leaves the key out. This adds the missing
 * nulls. Where several objects are possible and the choice is unclear, the value stays unchanged.
 */
export const withAbsentAsNull = (root: Schema.JsonObject, value: unknown): unknown => {
  const visit = (at: unknown, value: unknown): unknown => {
    const node = definitionOf(root, at)
    if (!isNode(node) || !Predicate.isObjectKeyword(value)) return value
    if (Array.isArray(node.anyOf)) {
      const kind = Array.isArray(value) ? "array" : "object"
      const [only, ...others] = node.anyOf.filter((part) => {
        const alternative = definitionOf(root, part)
        return isNode(alternative) && alternative.type === kind
      })
      return others.length === 0 ? visit(only, value) : value
    }
    if (Array.isArray(value)) return value.map((item) => visit(node.items, item))
    if (!isNode(node.properties)) return value
    const whole: Record<string, unknown> = { ...value }
    for (const [key, property] of Object.entries(node.properties)) {
      if (Object.hasOwn(whole, key)) whole[key] = visit(property, whole[key])
      else if (takesNull(property)) whole[key] = null
    }
    return whole
  }
  return visit(root, value)
}
