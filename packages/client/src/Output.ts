/**
 * Structured output: the answer of a turn as a typed value.
 *
 * An {@link Output} says what the answer has to be. {@link prepare} makes of it the JSON Schema that is sent with the
 * turn, in the form that OpenAI's strict mode demands, and the decoder of the answer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "effect/StandardSchema"
import { InvalidArgument } from "./CodexError.ts"
import * as ForeignSchema from "./internal/schemas/foreignSchema.ts"
import type * as StrictJsonSchema from "./internal/schemas/strictJsonSchema.ts"
import { unfenced } from "./internal/text/unfenced.ts"

/**
 * What the answer of a turn has to be: an Effect Schema without services, a Standard Schema that also gives its JSON
 * Schema, or a JSON Schema with a decoder. The type of the answer is inferred from each.
 *
 * **Details**
 *
 * In strict mode every object is closed and every key required. What that cannot say directly is sent in another form
 * and decoded back:
 *
 * - an optional key is nullable, and `null` is decoded as absent. So a key that is both optional and nullable is absent
 *   where the model says `null`;
 * - a tuple (and a `NonEmptyArray`) is an object with the keys `0`, `1`, …; a record is a list of key and value;
 * - an answer that is no object (a string, a list, a union, an `Option`) is the one key `value` of an object;
 * - checks without an equivalent, such as a minimum length, are left to the decoder.
 *
 * A value of any type (`Schema.Unknown`, `Schema.Json`) and an object without keys cannot be expressed at all.
 *
 * **Example** (An Effect Schema)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 * import { Schema } from "effect"
 *
 * class Finding extends Schema.Class<Finding>("Finding")({
 *   file: Schema.String,
 *   line: Schema.optionalKey(Schema.Int),
 *   severity: Schema.Literals(["low", "high"])
 * }) {}
 *
 * export const findings: Output.Output<ReadonlyArray<Finding>> = Schema.Array(Finding)
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Output<A> = Schema.ConstraintCodec<A, unknown> | StandardOutput<A> | JsonSchemaOutput<A>

/**
 * A Standard Schema that also offers Standard JSON Schema, as those of zod (from 4.2) and ArkType do. Its `validate` may
 * be asynchronous.
 *
 * **Example** (Any such schema)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 *
 * export const prepareAnswer = <A>(schema: Output.StandardOutput<A>) => Output.prepare(schema)
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface StandardOutput<A> {
  readonly "~standard": StandardSchemaV1.Props<unknown, A> & StandardJSONSchemaV1.Props<unknown, A>
}

/**
 * A JSON Schema (draft 2020-12 or draft-07) with a decoder of the JSON values that fit it.
 *
 * **Details**
 *
 * A schema that strict mode accepts is sent as it stands; any other is brought into strict form, and the decoder gets
 * the values of the original one. `decode` is a plain function with a plain result, so that the schemas of any library,
 * and of any version of Effect, reduce to it without depending on this one. It may throw: the message is the issue.
 *
 * **Example** (By hand)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 *
 * export const count: Output.JsonSchemaOutput<number> = {
 *   jsonSchema: { type: "object", properties: { count: { type: "integer" } } },
 *   decode: (value) =>
 *     typeof value === "object" && value !== null && "count" in value && typeof value.count === "number"
 *       ? { ok: true, value: value.count }
 *       : { ok: false, issue: "count is missing" }
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonSchemaOutput<A> {
  readonly jsonSchema: { readonly [key: string]: unknown }
  readonly decode: (value: unknown) => Decoded<A>
}

/**
 * The result of {@link JsonSchemaOutput.decode}. `issue` is written for the model, which may be asked again with it.
 *
 * **Example** (A refusal)
 *
 * ```ts
 * import type { Output } from "@effect-codex/client"
 *
 * export const refused: Output.Decoded<string> = { ok: false, issue: "at summary: longer than 80 characters" }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Decoded<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly issue: string }

/**
 * An output that is ready to be sent: see {@link prepare}.
 *
 * **Example** (What a turn needs of it)
 *
 * ```ts
 * import type { Output } from "@effect-codex/client"
 *
 * export const options = <A>(prepared: Output.Prepared<A>) => ({ outputSchema: prepared.jsonSchema })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Prepared<A> {
  /** In the form of OpenAI's strict mode: an object at the root, every object closed, every key required. */
  readonly jsonSchema: Schema.JsonObject
  /** From the text of the answer. Fails with what is wrong with it, in words; it never dies. */
  readonly decode: (text: string) => Effect.Effect<A, string>
}

const parse = (text: string): Effect.Effect<unknown, string> =>
  Effect.try({
    try: (): unknown => JSON.parse(unfenced(text)),
    catch: (error) => `the answer is not JSON: ${ForeignSchema.words(error)}`
  })

const isEffectSchema = <A>(output: Output<A>): output is Schema.ConstraintCodec<A, unknown> => Schema.isSchema(output)

/** Throws for what cannot be sent. */
const compile = <A>(internal: typeof StrictJsonSchema, output: Output<A>): StrictJsonSchema.Strict<A> => {
  if (isEffectSchema(output)) return internal.fromSchema(output)
  const given: unknown = output
  if (!Predicate.hasProperty(given, "~standard") && !Predicate.hasProperty(given, "decode")) {
    throw new Error(
      "It is no schema. Give an Effect Schema, a Standard Schema, or for a JSON Schema `{ jsonSchema, decode }`: the " +
        "decoder says what the answer becomes. `outputSchema` takes a JSON Schema alone and leaves the answer a text."
    )
  }
  const { jsonSchema, read } = internal.fromJsonSchema(ForeignSchema.jsonSchemaOf(output))
  return { jsonSchema, read: (value) => Effect.flatMap(read(value), (value) => ForeignSchema.decode(output, value)) }
}

/**
 * The JSON Schema to send for an output, and the decoder of the answer. Fails for what strict mode cannot express, and
 * says where it is.
 *
 * **Details**
 *
 * An answer that is no object is wrapped as `{ "value": … }` and unwrapped by `decode`, instead of being refused: the
 * wrapper is the only way to ask for it, so every program would have to write it by hand. The text of the answer shows
 * it. A Markdown fence around the whole answer is taken off, for models that do not know strict mode.
 *
 * **Example** (Decoding an answer)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 * import { Effect, Schema } from "effect"
 *
 * export const program = Effect.gen(function*() {
 *   const { decode } = yield* Output.prepare(Schema.Struct({ files: Schema.Array(Schema.String) }))
 *   const { files } = yield* decode(`{ "files": ["README.md"] }`)
 *   return files
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const prepare = <A>(output: Output<A>): Effect.Effect<Prepared<A>, InvalidArgument> =>
  Effect.flatMap(
    // Loaded when it is first needed: most programs never ask for structured output.
    Effect.promise(() => import("./internal/schemas/strictJsonSchema.ts")),
    (internal) =>
      Effect.try({
        try: () => {
          const { jsonSchema, read } = compile(internal, output)
          return {
            jsonSchema,
            decode: (text: string) =>
              Effect.catchDefect(
                Effect.flatMap(parse(text), (value) => read(internal.withAbsentAsNull(jsonSchema, value))),
                (defect) => Effect.fail(`the decoder of the output broke: ${ForeignSchema.words(defect)}`)
              )
          }
        },
        catch: (error) => new InvalidArgument({ argument: "output", detail: ForeignSchema.words(error) })
      })
  )

/**
 * The text with which the model is asked again after an answer that did not decode.
 *
 * **Example** (Asking again)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 *
 * export const text = Output.repairPrompt("at files[0]: Expected string, got 3")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const repairPrompt = (issue: string): string =>
  `Your last answer does not fit the output schema: ${issue}\n` +
  `Answer again with the whole corrected JSON value and nothing else.`
