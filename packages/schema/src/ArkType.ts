/**
 * Outputs from types of [ArkType](https://arktype.io).
 *
 * @since 0.1.0
 */
import type { type } from "arktype"
import { decoder } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * Creates an output from an ArkType type. The model writes the type's input; the program receives its output, after
 * defaults and morphs.
 *
 * **When to use**
 *
 * For types with a custom check (`narrow`), and for ArkType before 2.1.28. `@effect-codex/client` accepts other types
 * directly, but refuses a custom check, for which ArkType has no JSON Schema.
 *
 * **Details**
 *
 * A custom check is left to the decoder. `Date` and `bigint` are refused with `InvalidArgument`.
 *
 * **Example** (An answer)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import * as ArkType from "@effect-codex/schema/ArkType"
 * import { type } from "arktype"
 * import { Effect } from "effect"
 *
 * const findings = ArkType.output(type({ file: "string", "line?": "number.integer" }).array())
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
export const output = <T extends type.Any>(type: T): Output<T["infer"]> => ({
  get jsonSchema() {
    try {
      return { ...type.in.toJsonSchema({ fallback: { predicate: ({ base }) => base } }) }
    } catch (error) {
      // ArkType throws the node that it cannot convert, without a message.
      throw new Error(`ArkType has no JSON Schema for ${String(error)}`, { cause: error })
    }
  },
  decode: decoder<T["infer"]>(type)
})
