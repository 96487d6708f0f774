/**
 * Structured output: the final answer of a turn as a typed value.
 *
 * An {@link Output} describes the answer, for `thread.run(input, { output })`. From it the client derives the JSON
 * Schema that it sends with the turn, in the form that OpenAI's strict mode demands, and the decoder of the answer.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "effect/StandardSchema"
import type { InvalidArgument } from "./CodexError.ts"
import * as Internal from "./internal/schemas/output.ts"

/**
 * The schema of a turn's final answer: an Effect Schema without services, a Standard Schema that also offers its JSON
 * Schema, or a JSON Schema with a decoder. The type of the answer is inferred from each.
 *
 * **Details**
 *
 * In strict mode every object is closed and every key is required. What strict mode cannot express directly is sent
 * in another form and decoded back:
 *
 * - An optional key becomes nullable, and `null` is decoded as absent. So a key that is both optional and nullable is
 *   absent when the model writes `null`.
 * - A tuple (and a `NonEmptyArray`) becomes an object with the keys `0`, `1`, …; a record becomes a list of keys and
 *   values.
 * - An answer that is not an object (a string, a list, a union, an `Option`) becomes the single key `value` of an
 *   object.
 * - Checks without an equivalent, such as a minimum length, are left to the decoder.
 *
 * **Gotchas**
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
 * A Standard Schema that also offers Standard JSON Schema, as the schemas of zod (from 4.2) and ArkType do. Its
 * `validate` may be asynchronous.
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
 * @see {@link Output}
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
 * A schema that strict mode accepts is sent unchanged. Any other schema is brought into strict form, and the decoder
 * receives values of the original schema. `decode` is a plain function with a plain result, so a schema of any
 * library, and of any version of Effect, can be adapted without a dependency on this package. It may throw: the
 * message becomes the issue.
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
 * @see {@link Output}
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

/**
 * An output that is ready to send: the JSON Schema for `TurnOptions.outputSchema`, in strict form, and the decoder of
 * the answer's text. `decode` fails with a description of what is wrong with the answer.
 *
 * @see {@link prepare}
 * @category models
 * @since 0.1.0
 */
export interface Prepared<out A> {
  readonly jsonSchema: Schema.JsonObject
  readonly decode: (text: string) => Effect.Effect<A, string>
}

/**
 * Prepares an output. Fails with `InvalidArgument` for what strict mode cannot express.
 *
 * **When to use**
 *
 * When `thread.run(input, { output })` cannot be called: another process runs the turn, or `Thread.findTurn` has found
 * one that ran before.
 *
 * **Example** (The typed answer of a turn that ran before a crash)
 *
 * ```ts
 * import { Output, type Thread } from "@effect-codex/client"
 * import { Effect, Option, Schema } from "effect"
 *
 * const Verdict = Schema.Struct({ isSafe: Schema.Boolean })
 *
 * export const verdict = Effect.fn("verdict")(function*(thread: Thread.Thread, messageId: string) {
 *   const { decode } = yield* Output.prepare(Verdict)
 *   const answer = Option.flatMap(yield* thread.findTurn(messageId), (turn) => turn.finalResponse)
 *   return yield* Effect.transposeOption(Option.map(answer, decode))
 * })
 * ```
 *
 * @see {@link Output}
 * @category constructors
 * @since 0.1.0
 */
export const prepare: <A>(output: Output<A>) => Effect.Effect<Prepared<A>, InvalidArgument> = Internal.prepare
