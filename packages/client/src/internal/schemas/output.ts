/** Turns an `Output` into the JSON Schema that a turn sends and the decoder of its answer. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../../CodexError.ts"
import type { Output } from "../../Output.ts"
import { unfenced } from "../text/unfenced.ts"
import * as ForeignSchema from "./foreignSchema.ts"
import type * as StrictJsonSchema from "./strictJsonSchema.ts"

/** An output that is ready to send. */
export interface Prepared<A> {
  /** In the form of OpenAI's strict mode: an object at the root, every object closed, every key required. */
  readonly jsonSchema: Schema.JsonObject
  /** Decodes the text of the answer. Fails with a description of what is wrong with it; never dies. */
  readonly decode: (text: string) => Effect.Effect<A, string>
}

const parse = (text: string): Effect.Effect<unknown, string> =>
  Effect.try({
    try: (): unknown => JSON.parse(unfenced(text)),
    catch: (error) => `the answer is not JSON: ${ForeignSchema.words(error)}`
  })

const isEffectSchema = <A>(output: Output<A>): output is Schema.ConstraintCodec<A, unknown> => Schema.isSchema(output)

/** Throws for an output that cannot be sent. */
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
 * Returns the JSON Schema to send for an output, and the decoder of the answer. Fails for what strict mode cannot
 * express, and says where.
 *
 * An answer that is not an object is wrapped as `{ "value": … }`, and `decode` unwraps it. Strict mode offers no
 * other way to ask for such an answer, so refusing it would make every program write the wrapper by hand. The text of
 * the answer shows the wrapper. A Markdown fence around the whole answer is removed, for models that do not support
 * strict mode.
 */
export const prepare = <A>(output: Output<A>): Effect.Effect<Prepared<A>, InvalidArgument> =>
  Effect.flatMap(
    // Loaded on first use: most programs never ask for structured output.
    Effect.promise(() => import("./strictJsonSchema.ts")),
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

/** The prompt that asks the model again after an answer that did not decode. */
export const repairPrompt = (issue: string): string =>
  `Your last answer does not fit the output schema: ${issue}\n` +
  `Answer again with the whole corrected JSON value and nothing else.`
