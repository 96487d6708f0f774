/**
 * Schemas of [zod](https://zod.dev) 4, of `zod` and of `zod/mini`.
 *
 * @since 0.1.0
 */
import type { $ZodType, output as TypeOf } from "zod/v4/core"
import { toJSONSchema } from "zod/v4/core"
import { decoder } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * The model is asked for what the schema takes, and the program gets what it gives: after defaults and transformations.
 *
 * **Details**
 *
 * `@effect-codex/client` takes the schemas of `zod` from 4.2 on as they are, asynchronous ones too. This is for
 * `zod/mini` and for 4.0 and 4.1, which do not offer Standard JSON Schema, and for schemas that are synchronous. What zod
 * cannot say in JSON Schema (`z.date()`, `z.bigint()`) is refused with `InvalidArgument`.
 *
 * **Example** (An answer)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import * as Zod from "@effect-codex/schema/Zod"
 * import { Effect } from "effect"
 * import * as z from "zod/mini"
 *
 * const findings = Zod.output(z.array(z.object({ file: z.string(), line: z.optional(z.int()) })))
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
export const output = <S extends $ZodType>(schema: S): Output<TypeOf<S>> => ({
  get jsonSchema() {
    return { ...toJSONSchema(schema, { io: "input" }) }
  },
  decode: decoder<TypeOf<S>>(schema)
})
