/**
 * Outputs from schemas of [valibot](https://valibot.dev), with `@valibot/to-json-schema`.
 *
 * @since 0.1.0
 */
import { toJsonSchema } from "@valibot/to-json-schema"
import type { GenericSchema, InferOutput } from "valibot"
import { decoder } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * Creates an output from a valibot schema. The model writes the schema's input; the program receives its output, after
 * defaults and transformations.
 *
 * **Details**
 *
 * Checks that JSON Schema cannot express (`v.check(…)`) are left to the decoder. Types that it cannot express
 * (`v.date()`) are refused with `InvalidArgument`.
 *
 * **Example** (An answer)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import * as Valibot from "@effect-codex/schema/Valibot"
 * import { Effect } from "effect"
 * import * as v from "valibot"
 *
 * const findings = Valibot.output(v.array(v.object({ file: v.string(), line: v.optional(v.number()) })))
 *
 * export const review = Effect.gen(function*() {
 *   const thread = yield* (yield* Codex.Codex).startThread()
 *   const { output } = yield* thread.run("Look for bugs.", { output: findings })
 *   return output.map(({ file }) => file)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const output = <S extends GenericSchema>(schema: S): Output<InferOutput<S>> => ({
  get jsonSchema() {
    return {
      ...toJsonSchema(schema, {
        target: "draft-2020-12",
        typeMode: "input",
        overrideAction: ({ errors, jsonSchema }) => errors === undefined ? undefined : jsonSchema
      })
    }
  },
  decode: decoder<InferOutput<S>>(schema)
})
