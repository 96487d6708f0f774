/** Schemas of other libraries: a Standard Schema with Standard JSON Schema, or a JSON Schema with a decoder. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { JsonSchemaOutput, StandardOutput } from "../../Output.ts"
import { issueText } from "../text/issueText.ts"

type ForeignSchema<A> = StandardOutput<A> | JsonSchemaOutput<A>

/** Describes a thrown value in one line. */
export const words = (error: unknown): string =>
  (error instanceof Error && error.message !== "" ? error.message : typeof error === "string" ? error : "it threw")
    .replace(/\s+/g, " ").slice(0, 1000)

export const isStandard = <A>(schema: ForeignSchema<A>): schema is StandardOutput<A> =>
  Predicate.hasProperty(schema, "~standard")

/**
 * The JSON Schema of the values that {@link decode} accepts. Throws an `Error` whose message says why there is none.
 */
export const jsonSchemaOf = <A>(schema: ForeignSchema<A>): unknown => {
  if (isStandard(schema)) {
    const standard = schema["~standard"]
    if (Predicate.hasProperty(standard, "jsonSchema")) return standard.jsonSchema.input({ target: "draft-2020-12" })
    throw new Error("this Standard Schema does not offer its JSON Schema: wrap it as { jsonSchema, decode }.")
  }
  if (Predicate.hasProperty(schema, "jsonSchema") && typeof schema.decode === "function") return schema.jsonSchema
  throw new Error("expected an Effect Schema, a Standard Schema with Standard JSON Schema, or { jsonSchema, decode }.")
}

/** Decodes a value. Fails with a description of what is wrong with it. */
export const decode = <A>(schema: ForeignSchema<A>, value: unknown): Effect.Effect<A, string> =>
  isStandard(schema)
    ? Effect.flatten(Effect.tryPromise({
      try: async () => {
        const result = await schema["~standard"].validate(value)
        return result.issues ? Effect.fail(issueText(result.issues)) : Effect.succeed(result.value)
      },
      catch: words
    }))
    : Effect.flatMap(
      Effect.try({ try: () => schema.decode(value), catch: words }),
      (result) => result.ok ? Effect.succeed(result.value) : Effect.fail(words(result.issue))
    )
