/** Requests an object by its JSON Schema, and checks the answer against the schema. */
import * as EffectAi from "@effect-codex/client/EffectAi"
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Errors from "./errors.ts"

export interface Output {
  readonly jsonSchema: Schema.JsonObject
  /** Why an answer does not match the schema; `undefined` if it does. */
  readonly issueOf: (text: string) => Effect.Effect<string | undefined>
}

/** Fails with `UnsupportedSchemaError` if the schema has no JSON Schema. */
export const make = Effect.fnUntraced(function*(
  method: string,
  schema: Schema.Top
): Effect.fn.Return<Output, AiError.AiError> {
  const { codec, jsonSchema } = yield* Effect.try({
    try: () => EffectAi.codecTransformer(schema),
    catch: (error) =>
      Errors.make(
        method,
        new AiError.UnsupportedSchemaError({ description: Predicate.isError(error) ? error.message : String(error) })
      )
  })
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(codec), { errors: "all" })
  return {
    jsonSchema: jsonSchema as Schema.JsonObject,
    // The context of the call provides the schema's decoding services: `effect/ai` decodes with them again.
    issueOf: (text: string) =>
      Effect.match(decode(text), { onFailure: ({ message }) => message, onSuccess: () => undefined }) as Effect.Effect<
        string | undefined
      >
  }
})
