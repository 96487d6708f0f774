/** The input of a tool that is described by a JSON Schema, as an Effect Schema of the same JSON values. */
import type { JsonSchemaOutput, StandardOutput } from "@effect-codex/client/Output"
import * as Effect from "effect/Effect"
import * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"

interface Input<A> {
  readonly schema: Schema.Codec<unknown>
  /** Fails with words for the model. */
  readonly decode: (json: unknown) => Effect.Effect<A, Error>
}

const unfit = (words: string) => new Error(`the arguments do not fit: ${words}`)

const wordsOf = (error: unknown) => error instanceof Error ? error.message : String(error)

const isStandard = <A>(input: StandardOutput<A> | JsonSchemaOutput<A>): input is StandardOutput<A> =>
  Predicate.hasProperty(input, "~standard")

const schemaOf = (jsonSchema: { readonly [key: string]: unknown }): Schema.Codec<unknown> => {
  const isDraft07 = "definitions" in jsonSchema || String(jsonSchema["$schema"]).includes("draft-07")
  const document = isDraft07
    ? JsonSchema.fromSchemaDraft07(jsonSchema)
    : JsonSchema.fromSchemaDraft2020_12(jsonSchema)
  return Schema.make<Schema.Codec<unknown>>(SchemaRepresentation.fromJsonSchemaDocument(document).ast)
}

/** Throws for what cannot be read. */
export const read = <A>(input: StandardOutput<A> | JsonSchemaOutput<A>): Input<A> => {
  if (!isStandard(input)) {
    return {
      schema: schemaOf(input.jsonSchema),
      decode: (json) =>
        Effect.flatMap(
          Effect.try({ try: () => input.decode(json), catch: (error) => unfit(wordsOf(error)) }),
          (result) => result.ok ? Effect.succeed(result.value) : Effect.fail(unfit(result.issue))
        )
    }
  }
  const standard = input["~standard"]
  if (!Predicate.hasProperty(standard, "jsonSchema")) {
    throw new Error("this Standard Schema does not give its JSON Schema: wrap it as { jsonSchema, decode }.")
  }
  return {
    schema: schemaOf(standard.jsonSchema.input({ target: "draft-2020-12" })),
    decode: (json) =>
      Effect.flatMap(
        Effect.tryPromise({ try: async () => standard.validate(json), catch: (error) => unfit(wordsOf(error)) }),
        (result) =>
          result.issues
            ? Effect.fail(unfit(result.issues.map(({ message }) => message).join("; ")))
            : Effect.succeed(result.value)
      )
  }
}
