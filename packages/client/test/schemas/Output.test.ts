import type { CodexError } from "@effect-codex/client"
import type * as Output from "@effect-codex/client/Output"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Equal, Schema, SchemaGetter } from "effect"
import { prepare, repairPrompt } from "../../src/internal/schemas/output.ts"
import { strictCodec } from "../../src/internal/schemas/strictJsonSchema.ts"

class Person extends Schema.Class<Person>("test/Person")({
  name: Schema.String.annotate({ description: "the full name" }),
  age: Schema.Int,
  nick: Schema.optionalKey(Schema.String)
}) {}

interface Tree {
  readonly value: string
  readonly children: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({
  value: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree).annotate({ description: "the branches" }))
}).annotate({ identifier: "test/Tree" })

const Id = Schema.String.annotate({ identifier: "Id" })
const Shape = Schema.TaggedUnion({
  Circle: { radius: Schema.Finite },
  Box: { width: Schema.Finite, note: Schema.optionalKey(Schema.String) }
})

const schemas = {
  "a class": Person,
  "a class in another, optional": Schema.Struct({ one: Person, other: Schema.optionalKey(Person) }),
  "a recursive struct": Tree,
  "optional and nullable fields": Schema.Struct({
    optional: Schema.optionalKey(Schema.Finite),
    orUndefined: Schema.UndefinedOr(Schema.String),
    nullable: Schema.NullOr(Schema.Boolean)
  }),
  "options": Schema.Struct({
    tagged: Schema.Option(Schema.String),
    fromKey: Schema.OptionFromOptionalKey(Schema.String),
    fromNull: Schema.OptionFromNullOr(Person)
  }),
  "numbers": Schema.Struct({
    any: Schema.Number,
    finite: Schema.Finite,
    small: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })),
    big: Schema.BigInt
  }),
  "a date": Schema.Struct({ at: Schema.Date }),
  "literals and enums": Schema.Struct({
    literal: Schema.Literal("yes"),
    mixed: Schema.Literals(["a", 1, true]),
    choice: Schema.Enum({ A: "a", B: 2 }),
    nothing: Schema.Null
  }),
  "a record": Schema.Struct({ counts: Schema.Record(Schema.String, Schema.Finite) }),
  "a record with known keys": Schema.StructWithRest(Schema.Struct({ a: Schema.String }), [
    Schema.Record(Schema.String, Schema.String)
  ]),
  "optional tuples and records": Schema.Struct({
    pair: Schema.optionalKey(Schema.Tuple([Schema.String, Schema.Date])),
    counts: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
    inner: Schema.optionalKey(Schema.Struct({ list: Schema.NonEmptyArray(Schema.String) }))
  }),
  "a tuple": Schema.Tuple([Schema.String, Schema.Finite]),
  "a tuple with an optional element": Schema.Tuple([Schema.String, Schema.optionalKey(Schema.Finite)]),
  "a list that is not empty": Schema.Struct({ list: Schema.NonEmptyArray(Schema.String) }),
  "brands and checks": Schema.Struct({
    id: Id.pipe(Schema.brand("Id")),
    short: Schema.String.check(Schema.isMaxLength(8)),
    few: Schema.Array(Schema.String).check(Schema.isMaxLength(2))
  }),
  "described references": Schema.Struct({ a: Id.annotateKey({ description: "the first" }), b: Id }),
  "a union inside": Schema.Struct({ shape: Shape }),
  "a union at the root": Shape,
  "a list at the root": Schema.Array(Person),
  "a record at the root": Schema.Record(Schema.String, Schema.Finite),
  "an option at the root": Schema.Option(Person),
  "a string at the root": Schema.String,
  "a number at the root": Schema.Finite
}

// =============================================================================
// What strict mode accepts, written down a second time and in the other direction: whatever is not listed is refused
// =============================================================================

const record = (u: unknown, at: string): Record<string, unknown> => {
  assert.isTrue(typeof u === "object" && u !== null && !Array.isArray(u), `${at} is no object`)
  return { ...(typeof u === "object" ? u : {}) }
}

const assertStrict = (schema: unknown): void => {
  const { $defs = {}, ...root } = record(schema, "the root")
  const definitions = record($defs, "$defs")
  const visit = (u: unknown, at: string): void => {
    const { description, title, ...node } = record(u, at)
    for (const text of [description, title]) assert.include(["string", "undefined"], typeof text, at)
    if ("$ref" in node) {
      assert.deepStrictEqual(Object.keys(record(u, at)), ["$ref"], at)
      assert.match(String(node.$ref), /^#\/\$defs\/[\w-]+$/, at)
      return assert.isTrue(Object.hasOwn(definitions, String(node.$ref).slice("#/$defs/".length)), at)
    }
    if ("anyOf" in node) {
      assert.deepStrictEqual(Object.keys(node), ["anyOf"], at)
      assert.isTrue(Array.isArray(node.anyOf) && node.anyOf.length > 0, at)
      return (Array.isArray(node.anyOf) ? node.anyOf : []).forEach((member, i) => visit(member, `${at}|${i}`))
    }
    const allowed: Record<string, ReadonlyArray<string>> = {
      object: ["properties", "required", "additionalProperties"],
      array: ["items", "minItems", "maxItems"],
      string: ["enum", "pattern", "format"],
      number: ["enum", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
      integer: ["enum", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
      boolean: ["enum"],
      null: []
    }
    const { type, ...rest } = node
    const keywords = allowed[String(type)]
    assert.isDefined(keywords, `${at} has the type ${String(type)}`)
    for (const key of Object.keys(rest)) assert.include(keywords, key, at)
    if (type === "object") {
      const properties = record(rest.properties, at)
      assert.isFalse(rest.additionalProperties, at)
      assert.sameMembers(Object.keys(properties), Array.isArray(rest.required) ? rest.required : [], at)
      for (const [key, property] of Object.entries(properties)) visit(property, `${at}.${key}`)
    }
    if (type === "array") visit(rest.items, `${at}[]`)
  }
  assert.strictEqual(root.type, "object")
  visit(root, "$")
  for (const [key, definition] of Object.entries(definitions)) visit(definition, key)
}

/** Whether a JSON value fits a strict schema, as far as shape and literals go: what strict mode makes the model write. */
const fits = (schema: unknown, value: unknown, root: unknown = schema): boolean => {
  const node = record(schema, "node")
  if (typeof node.$ref === "string") {
    return fits(record(record(root, "root").$defs, "$defs")[node.$ref.slice("#/$defs/".length)], value, root)
  }
  if (Array.isArray(node.anyOf)) return node.anyOf.some((member) => fits(member, value, root))
  if (Array.isArray(node.enum) && !node.enum.includes(value)) return false
  switch (node.type) {
    case "object": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return false
      const properties = Object.entries(record(node.properties, "properties"))
      const values = record(value, "value")
      return properties.length === Object.keys(value).length &&
        properties.every(([key, property]) => Object.hasOwn(value, key) && fits(property, values[key], root))
    }
    case "array":
      return Array.isArray(value) && value.every((element) => fits(node.items, element, root))
    case "null":
      return value === null
    case "integer":
      return Number.isInteger(value)
    default:
      return typeof value === node.type
  }
}

const issueOf = <A>(output: Output.Output<A>, text: string) =>
  Effect.flatMap(prepare(output), ({ decode }) => Effect.flip(decode(text)))

const refusal = <A>(output: Output.Output<A>): Effect.Effect<string, unknown> =>
  Effect.map(Effect.flip(prepare(output)), (error: CodexError.InvalidArgument) => {
    assert.strictEqual(error.argument, "output")
    return error.detail
  })

const ok = (value: unknown) => ({ ok: true, value } as const)

const hostile = (message?: string): never => {
  throw new Error(message ?? "hostile")
}

describe("an output that is no schema", () => {
  it.effect("says what to give instead", () =>
    Effect.gen(function*() {
      for (const wrong of [{ type: "object" }, "object", null, 3]) {
        // @ts-expect-error a JSON Schema without a decoder, and less
        const error = yield* Effect.flip(prepare(wrong))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, "Invalid output: It is no schema. Give an Effect Schema")
        assert.include(error.message, "`{ jsonSchema, decode }`")
      }
    }))
})

describe("Output", () => {
  describe("an Effect Schema", () => {
    for (const [name, schema] of Object.entries(schemas)) {
      // Each schema has a type of its own; the property needs only that it is a codec.
      const codec: Schema.Codec<unknown, unknown> = schema
      it.effect.prop(
        `${name}: what is written by the strict schema is decoded to the value`,
        [codec],
        Effect.fnUntraced(function*([value]) {
          const { decode, jsonSchema } = yield* prepare(codec)
          assertStrict(jsonSchema)
          const answer = yield* Schema.encodeEffect(strictCodec(codec).codec)(value)
          assert.isTrue(fits(jsonSchema, answer), JSON.stringify({ answer, jsonSchema }))
          const decoded = yield* decode(JSON.stringify(answer))
          assert.isTrue(Equal.equals(decoded, value), JSON.stringify(answer))
        }),
        { arbitrary: { runs: 50 } }
      )
    }
  })

  describe("the decoder", () => {
    const Findings = Schema.Struct({
      items: Schema.Array(Schema.Struct({ file: Schema.String, line: Schema.optional(Schema.Int) }))
    })

    it.effect("reads null as an absent key", () =>
      Effect.gen(function*() {
        const { decode } = yield* prepare(Findings)
        const value = yield* decode(`{"items":[{"file":"a","line":null},{"file":"b","line":2}]}`)
        assert.deepStrictEqual(value, { items: [{ file: "a" }, { file: "b", line: 2 }] })
      }))

    it.effect("makes instances of classes", () =>
      Effect.gen(function*() {
        const { decode } = yield* prepare(Schema.Array(Person))
        const [person] = yield* decode(`{"value":[{"name":"Ada","age":36,"nick":null}]}`)
        assert.instanceOf(person, Person)
      }))

    it.effect("names path and problem of each issue, the first five", () =>
      Effect.gen(function*() {
        const issue = yield* issueOf(Findings, `{"items":[{"file":1,"line":null},{"file":"b","line":2.5},{"line":1}]}`)
        assert.strictEqual(
          issue,
          "at items[0].file: Expected string; at items[1].line: Expected an integer; at items[2].file: Missing key"
        )
        const many = yield* issueOf(Schema.Array(Schema.String), `{"value":[1,2,3,4,5,6,7]}`)
        assert.match(many, /^at value\[0\]: Expected string;.*; and 2 more$/)
        assert.strictEqual(yield* issueOf(Findings, "[]"), "Expected object")
      }))

    it.effect("says that a text is no JSON, and takes off a fence around the whole", () =>
      Effect.gen(function*() {
        for (const text of ["", "Sure! Here it is:", "{", "undefined", "```json\n{}"]) {
          assert.match(yield* issueOf(Findings, text), /^the answer is not JSON: .+/)
        }
        const { decode } = yield* prepare(Findings)
        for (const text of ["```json\n{\"items\":[]}\n```", "\n```\n{\"items\":\n[]}```\n"]) {
          assert.deepStrictEqual(yield* decode(text), { items: [] })
        }
      }))

    it.effect("looks for a fence in a time that grows as the answer's length does", () =>
      Effect.gen(function*() {
        for (const text of ["```" + "\n".repeat(1_000_000) + "x", "```json\n{" + "\n".repeat(1_000_000) + "x"]) {
          assert.match(yield* issueOf(Findings, text), /^the answer is not JSON: /)
        }
      }), 30_000)

    it.effect("fails, and does not die, for what is nested too deeply and for a transformation that throws", () =>
      Effect.gen(function*() {
        const depth = 20_000
        yield* issueOf(Tree, `{"value":"","children":[`.repeat(depth) + "]}".repeat(depth))
        const throwing = Schema.Struct({
          a: Schema.String.pipe(Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.transform((): string => {
              throw new Error("no")
            }),
            encode: SchemaGetter.passthrough()
          }))
        })
        assert.strictEqual(yield* issueOf(throwing, `{"a":"b"}`), "the decoder of the output broke: no")
      }))
  })

  it.effect("refuses what strict mode cannot express, and says where it is", () =>
    Effect.gen(function*() {
      assert.include(yield* refusal(Schema.Struct({ a: Schema.Array(Schema.Unknown) })), "`a[]` may be anything")
      assert.include(yield* refusal(Schema.Struct({ a: Schema.Struct({ b: Schema.Json }) })), "`a.b` may be anything")
      assert.include(yield* refusal(Schema.Struct({})), "at least one field")
      assert.include(yield* refusal(Schema.Struct({ a: Schema.instanceOf(Map) })), "`a`")
      const pair = Schema.Tuple([Schema.String, Schema.optionalKey(Schema.Array(Schema.String))])
      assert.include(yield* refusal(pair), "an optional element of a tuple")
      const open = { type: "object", properties: { a: { type: "object", additionalProperties: true } } }
      assert.include(yield* refusal({ jsonSchema: open, decode: ok }), "`a")
      const joined = { allOf: [{ type: "object", properties: { a: {} } }, { type: "object", properties: { b: {} } }] }
      assert.include(yield* refusal({ jsonSchema: joined, decode: ok }), "joins several objects")
      assert.include(yield* refusal({ jsonSchema: { $ref: "elsewhere.json" }, decode: ok }), "elsewhere.json")
    }))

  it.effect("sends no pattern that OpenAI's matcher does not know, but checks it", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ a: Schema.String.check(Schema.isPattern(/^(?!b)/)) })
      const { jsonSchema } = yield* prepare(schema)
      assertStrict(jsonSchema)
      assert.notInclude(JSON.stringify(jsonSchema), `"pattern"`)
      assert.match(yield* issueOf(schema, `{"a":"b"}`), /^at a: /)
    }))

  describe("a JSON Schema with a decoder", () => {
    it.effect("is sent as it is when it is strict", () =>
      Effect.gen(function*() {
        const jsonSchema = {
          type: "object",
          properties: { a: { type: ["string", "null"] }, b: { type: "array", items: { $ref: "#/$defs/B" } } },
          required: ["a", "b"],
          additionalProperties: false,
          $defs: { B: { type: "string", enum: ["x"] } }
        }
        const prepared = yield* prepare({ jsonSchema, decode: ok })
        assert.deepStrictEqual(prepared.jsonSchema, jsonSchema)
        assert.deepStrictEqual(yield* prepared.decode(`{"a":null,"b":["x"]}`), { a: null, b: ["x"] })
      }))

    it.effect("is converted when one keyword of it is not strict", () =>
      Effect.gen(function*() {
        const strict = (a: Schema.JsonObject) => ({
          type: "object",
          properties: { a },
          required: ["a"],
          additionalProperties: false
        })
        for (const a of [{ type: "string", format: "uri" }, { const: "a" }, { type: "string", pattern: "^(?!b)" }]) {
          const prepared = yield* prepare({ jsonSchema: strict(a), decode: ok })
          assertStrict(prepared.jsonSchema)
          assert.notDeepEqual(prepared.jsonSchema, strict(a))
          assert.deepStrictEqual(yield* prepared.decode(`{"a":"a"}`), { a: "a" })
        }
        assert.include(yield* refusal({ jsonSchema: strict({ $ref: "elsewhere.json" }), decode: ok }), "elsewhere.json")
      }))

    for (
      const [dialect, jsonSchema] of [
        ["draft 2020-12", {
          $schema: "https://json-schema.org/draft/2020-12/schema",
          $ref: "#/$defs/Node",
          $defs: {
            Node: {
              type: "object",
              properties: {
                kind: { const: "node" },
                pair: {
                  type: "array",
                  prefixItems: [{ type: "string" }, { type: "number" }],
                  items: false,
                  minItems: 2
                },
                next: { $ref: "#/$defs/Node" },
                counts: { type: "object", additionalProperties: { type: "number" } }
              },
              required: ["kind", "pair"]
            }
          }
        }],
        ["draft-07, with the $defs of a later one", {
          $schema: "http://json-schema.org/draft-07/schema#",
          $ref: "#/$defs/Node",
          $defs: {
            Node: {
              type: "object",
              properties: {
                kind: { enum: ["node"] },
                pair: {
                  type: "array",
                  items: [{ type: "string" }, { type: "number" }],
                  additionalItems: false,
                  minItems: 2
                },
                next: { $ref: "#/$defs/Node" },
                counts: { type: "object", additionalProperties: { type: "number" } }
              },
              required: ["kind", "pair"]
            }
          }
        }],
        ["one that refers to its root", {
          type: "object",
          properties: {
            kind: { const: "node" },
            pair: { type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false, minItems: 2 },
            next: { $ref: "#" },
            counts: { type: "object", additionalProperties: { type: "number" } }
          },
          required: ["kind", "pair"]
        }]
      ] as const
    ) {
      it.effect(`${dialect}: is brought into strict form, and its decoder gets values of its own form`, () =>
        Effect.gen(function*() {
          const prepared = yield* prepare({ jsonSchema, decode: ok })
          assertStrict(prepared.jsonSchema)
          const leaf = { kind: "node", pair: { "0": "a", "1": 1 }, next: null, counts: null }
          const answer = { ...leaf, next: leaf, counts: [{ "0": "k", "1": 2 }] }
          assert.isTrue(fits(prepared.jsonSchema, answer))
          assert.deepStrictEqual(yield* prepared.decode(JSON.stringify(answer)), {
            kind: "node",
            pair: ["a", 1],
            next: { kind: "node", pair: ["a", 1] },
            counts: { k: 2 }
          })
        }))
    }

    it.effect("fails with the issue that its decoder gives or throws", () =>
      Effect.gen(function*() {
        const jsonSchema = { type: "string" }
        assert.strictEqual(
          yield* issueOf({ jsonSchema, decode: () => ({ ok: false, issue: "too short" }) }, `{"value":"a"}`),
          "too short"
        )
        const throws = { jsonSchema, decode: () => hostile("thrown") }
        assert.strictEqual(yield* issueOf(throws, `{"value":"a"}`), "thrown")
      }))
  })

  describe("a Standard Schema", () => {
    const jsonSchema = { type: "object", properties: { a: { type: "string" }, b: { type: "string" } }, required: ["a"] }
    const standard = <A>(validate: Output.StandardOutput<A>["~standard"]["validate"]): Output.StandardOutput<A> => ({
      "~standard": {
        version: 1,
        vendor: "test",
        validate,
        jsonSchema: { input: () => ({ ...jsonSchema }), output: () => hostile("never asked") }
      }
    })

    it.effect("validates the value, at once or later", () =>
      Effect.gen(function*() {
        for (const result of [{ value: 1 }, Promise.resolve({ value: 1 })]) {
          const seen: Array<unknown> = []
          const prepared = yield* prepare(standard((value) => (seen.push(value), result)))
          assertStrict(prepared.jsonSchema)
          assert.strictEqual(yield* prepared.decode(`{"a":"x","b":null}`), 1)
          assert.deepStrictEqual(seen, [{ a: "x" }])
        }
      }))

    it.effect("fails with its issues, whatever it does", () =>
      Effect.gen(function*() {
        const text = `{"a":"x","b":null}`
        const issues = [{ message: "too short", path: ["a", { key: 0 }, Symbol("s")] }, { message: "no\n good" }]
        assert.strictEqual(
          yield* issueOf(standard(() => ({ issues })), text),
          "at a[0].Symbol(s): too short; no good"
        )
        assert.strictEqual(yield* issueOf(standard(() => hostile("thrown")), text), "thrown")
        assert.strictEqual(yield* issueOf(standard(() => Promise.reject("rejected")), text), "rejected")
        for (
          const error of [undefined, null, Object.create(null), new Error(""), { toString: () => hostile("again") }]
        ) {
          assert.strictEqual(yield* issueOf(standard(() => Promise.reject(error)), text), "it threw")
        }
        yield* issueOf(standard(() => ({ issues: [] })), text)
        yield* issueOf(
          standard(() => Promise.reject(Object.defineProperty(new Error(), "message", { get: hostile }))),
          text
        )
        yield* issueOf(
          standard(() => ({
            issues: [{
              get message() {
                return hostile("getter")
              }
            }]
          })),
          text
        )
      }))

    it.effect("is refused when it throws for its JSON Schema", () =>
      Effect.gen(function*() {
        const schema = standard(() => ({ value: 1 }))
        const input = () => hostile("Dates cannot be represented")
        const broken = { "~standard": { ...schema["~standard"], jsonSchema: { input, output: input } } }
        assert.strictEqual(yield* refusal(broken), "Dates cannot be represented")
      }))
  })

  it.effect("takes an optional key that is left out as one that is null, however deep", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({
        people: Schema.Array(Person),
        shape: Shape,
        more: Schema.optionalKey(Schema.Struct({ one: Person, other: Schema.optionalKey(Person) }))
      })
      const { decode } = yield* prepare(schema)
      const person = { name: "Ada", age: 36 }
      const answer = yield* decode(JSON.stringify({
        people: [person, { ...person, nick: null }, { ...person, nick: "A" }],
        shape: { _tag: "Circle", radius: 1 },
        more: { one: person }
      }))
      assert.deepStrictEqual(answer.people.map(({ nick }) => nick), [undefined, undefined, "A"])
      assert.isFalse("nick" in answer.people[0]!)
      assert.deepStrictEqual(Object.keys(answer.more ?? {}), ["one"])
      // What is not optional has to be there.
      assert.include(
        yield* Effect.flip(decode(`{"people":[{"name":"Ada"}],"shape":{"_tag":"Circle","radius":1}}`)),
        "age"
      )
    }))

  it("asks again with the issue", () => {
    assert.include(repairPrompt("at a: Expected string"), "at a: Expected string")
  })
})
