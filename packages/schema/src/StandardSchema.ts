/**
 * Schemas of any library that follows [Standard Schema](https://standardschema.dev) and offers its JSON Schema.
 *
 * @since 0.1.0
 */
import { decoder, type Result } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * A Standard Schema (version 1) with Standard JSON Schema, as those of zod from 4.2, ArkType from 2.1.28 and
 * `toStandardJsonSchema` of `@valibot/to-json-schema` are.
 *
 * **Example** (Of any library)
 *
 * ```ts
 * import type { StandardSchema } from "@effect-codex/schema/StandardSchema"
 *
 * export const vendorOf = (schema: StandardSchema<unknown>): string => schema["~standard"].vendor
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface StandardSchema<A> {
  readonly "~standard": {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Result<A> | Promise<Result<A>>
    readonly jsonSchema: {
      readonly input: (options: { readonly target: "draft-2020-12" }) => { readonly [key: string]: unknown }
    }
  }
}

/**
 * The model is asked for what the schema takes, and the program gets what it gives: after defaults and transformations.
 *
 * **Details**
 *
 * `@effect-codex/client` takes such schemas as they are, asynchronous ones too. This is for what handles the schemas of
 * several libraries alike, or makes outputs in a package that does not have the client: it gives the same plain
 * `{ jsonSchema, decode }` as the other modules. What the library cannot say in JSON Schema is refused with
 * `InvalidArgument`; its own module may leave more to the decoder. A schema that turns out to be asynchronous makes the
 * answer an `OutputInvalid` that says so.
 *
 * **Example** (An answer)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import * as StandardSchema from "@effect-codex/schema/StandardSchema"
 * import { type } from "arktype"
 * import { Effect } from "effect"
 *
 * const findings = StandardSchema.output(type({ file: "string", "line?": "number.integer" }).array())
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
export const output = <A>(schema: StandardSchema<A>): Output<A> => ({
  get jsonSchema() {
    return schema["~standard"].jsonSchema.input({ target: "draft-2020-12" })
  },
  decode: decoder(schema)
})
