/**
 * Structured output: the answer of a turn as a typed value.
 *
 * An {@link Output} says what the answer has to be, for `thread.run(input, { output })`. The client makes of it the JSON
 * Schema that is sent with the turn, in the form that OpenAI's strict mode demands, and the decoder of the answer.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "effect/StandardSchema"

/**
 * What the answer of a turn has to be: an Effect Schema without services, a Standard Schema that also gives its JSON
 * Schema, or a JSON Schema with a decoder. The type of the answer is inferred from each.
 *
 * **Details**
 *
 * In strict mode every object is closed and every key required. What that cannot say directly is sent in another form
 * and decoded back:
 *
 * - an optional key is nullable, and `null` is decoded as absent. So a key that is both optional and nullable is absent
 *   where the model says `null`;
 * - a tuple (and a `NonEmptyArray`) is an object with the keys `0`, `1`, …; a record is a list of key and value;
 * - an answer that is no object (a string, a list, a union, an `Option`) is the one key `value` of an object;
 * - checks without an equivalent, such as a minimum length, are left to the decoder.
 *
 * A value of any type (`Schema.Unknown`, `Schema.Json`) and an object without keys cannot be expressed at all.
 *
 * **Example** (An Effect Schema)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 * import { Schema } from "effect"
 *
 * class Finding extends Schema.Class<Finding>("Finding")({
 *   file: Schema.String,
 *   line: Schema.optionalKey(Schema.Int),
 *   severity: Schema.Literals(["low", "high"])
 * }) {}
 *
 * export const findings: Output.Output<ReadonlyArray<Finding>> = Schema.Array(Finding)
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Output<A> = Schema.ConstraintCodec<A, unknown> | StandardOutput<A> | JsonSchemaOutput<A>

/**
 * A Standard Schema that also offers Standard JSON Schema, as those of zod (from 4.2) and ArkType do. Its `validate` may
 * be asynchronous.
 *
 * **Example** (Any such schema)
 *
 * ```ts
 * import type { Output, Thread } from "@effect-codex/client"
 *
 * export const ask = <A>(thread: Thread.Thread, question: string, output: Output.StandardOutput<A>) =>
 *   thread.run(question, { output })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface StandardOutput<A> {
  readonly "~standard": StandardSchemaV1.Props<unknown, A> & StandardJSONSchemaV1.Props<unknown, A>
}

/**
 * A JSON Schema (draft 2020-12 or draft-07) with a decoder of the JSON values that fit it.
 *
 * **Details**
 *
 * A schema that strict mode accepts is sent as it stands; any other is brought into strict form, and the decoder gets
 * the values of the original one. `decode` is a plain function with a plain result, so that the schemas of any library,
 * and of any version of Effect, reduce to it without depending on this one. It may throw: the message is the issue.
 *
 * **Example** (By hand)
 *
 * ```ts
 * import { Output } from "@effect-codex/client"
 *
 * export const count: Output.JsonSchemaOutput<number> = {
 *   jsonSchema: { type: "object", properties: { count: { type: "integer" } } },
 *   decode: (value) =>
 *     typeof value === "object" && value !== null && "count" in value && typeof value.count === "number"
 *       ? { ok: true, value: value.count }
 *       : { ok: false, issue: "count is missing" }
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonSchemaOutput<A> {
  readonly jsonSchema: { readonly [key: string]: unknown }
  readonly decode: (value: unknown) => Decoded<A>
}

/**
 * The result of {@link JsonSchemaOutput.decode}. `issue` is written for the model, which may be asked again with it.
 *
 * **Example** (A refusal)
 *
 * ```ts
 * import type { Output } from "@effect-codex/client"
 *
 * export const refused: Output.Decoded<string> = { ok: false, issue: "at summary: longer than 80 characters" }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Decoded<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly issue: string }
