/**
 * Outputs from schemas of `@effect/schema` 0.75, which belongs to Effect 3.
 *
 * @since 0.1.0
 */
import { formatErrorSync } from "@effect/schema/ArrayFormatter"
import { make } from "@effect/schema/JSONSchema"
import type { Schema } from "@effect/schema/Schema"
import { decodeUnknownEither } from "@effect/schema/Schema"
import { refused } from "./internal/decoded.ts"
import type { Output } from "./Output.ts"

/**
 * Creates an output from a schema of `@effect/schema`. The model writes the encoded side; the program receives the
 * decoded one.
 *
 * **Gotchas**
 *
 * A part without a JSON Schema (`Schema.DateFromSelf`, a `Schema.filter`) is refused with `InvalidArgument`. Annotate
 * it with one: `Schema.filter(isEven, { jsonSchema: {} })` leaves the check to the decoder. Asynchronous
 * transformations cannot be decoded.
 *
 * **Example** (In a module of an Effect 3 application)
 *
 * ```ts
 * import * as EffectSchema3 from "@effect-codex/schema/EffectSchema3"
 * import * as Schema from "@effect/schema/Schema"
 *
 * class Finding extends Schema.Class<Finding>("Finding")({
 *   file: Schema.String,
 *   line: Schema.optional(Schema.Int)
 * }) {}
 *
 * export const findings = EffectSchema3.output(Schema.Array(Finding))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const output = <A, I>(schema: Schema<A, I>): Output<A> => {
  const decode = decodeUnknownEither(schema, { errors: "all" })
  return {
    get jsonSchema() {
      return { ...make(schema) }
    },
    decode: (value) => {
      const result = decode(value)
      return result._tag === "Right" ? { ok: true, value: result.right } : refused(formatErrorSync(result.left))
    }
  }
}
