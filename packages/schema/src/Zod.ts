/**
 * Outputs from schemas of [zod](https://zod.dev) 4: `zod` and `zod/mini`.
 *
 * @since 0.1.0
 */
import type { $ZodType, output as TypeOf } from "zod/v4/core"
import { toJSONSchema } from "zod/v4/core"
import { decoder } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * Creates an output from a synchronous zod schema. The model writes the schema's input; the program receives its
 * output, after defaults and transformations.
 *
 * **When to use**
 *
 * For `zod/mini`, and for zod 4.0 and 4.1, which do not implement Standard JSON Schema. `@effect-codex/client` accepts
 * the schemas of `zod` since 4.2 directly, including asynchronous ones.
 *
 * **Details**
 *
 * Types that zod cannot express in JSON Schema (`z.date()`, `z.bigint()`) are refused with `InvalidArgument`.
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
