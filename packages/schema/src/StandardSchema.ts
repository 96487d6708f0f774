/**
 * Outputs from schemas of any library that implements [Standard Schema](https://standardschema.dev) and Standard JSON
 * Schema.
 *
 * @since 0.1.0
 */
import { decoder, type Result } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * A Standard Schema (version 1) with Standard JSON Schema. Examples are the schemas of zod since 4.2, ArkType since
 * 2.1.28, and `toStandardJsonSchema` of `@valibot/to-json-schema`.
 *
 * **Example** (The library of a schema)
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
 * Creates an output from a Standard Schema. The model writes the schema's input; the program receives its output, after
 * defaults and transformations.
 *
 * **When to use**
 *
 * For code that treats the schemas of several libraries alike, or that creates outputs without depending on the client.
 * `@effect-codex/client` itself accepts such schemas directly, including asynchronous ones.
 *
 * **Details**
 *
 * A schema that the library cannot express in JSON Schema is refused with `InvalidArgument`; the library's own module
 * here may leave more to the decoder. If a schema turns out to be asynchronous, the answer fails with an
 * `OutputInvalid` that says so.
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
