/**
 * What every module of this package makes of a schema.
 *
 * @since 0.1.0
 */

/**
 * A schema as effect-codex takes it from any library, for the `output` of a turn and the `input` of a tool: that is
 * `Output.JsonSchemaOutput` of `@effect-codex/client`.
 *
 * **Details**
 *
 * It is plain data and a plain function, so it can be made beside Effect 3 and be used beside Effect 4. Reading
 * `jsonSchema` throws for a schema that has none; where the client reads it, that is an `InvalidArgument`.
 *
 * **Example** (One that is ready)
 *
 * ```ts
 * import type { Output } from "@effect-codex/schema/Output"
 *
 * export const fits = <A>(output: Output<A>, answer: unknown): boolean => output.decode(answer).ok
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Output<A> {
  /** Of the JSON values that `decode` takes. */
  readonly jsonSchema: { readonly [key: string]: unknown }
  /** `issue` says where and what, in one line that the model can read: `at files[0].name: Expected string`. */
  readonly decode: (value: unknown) =>
    | { readonly ok: true; readonly value: A }
    | { readonly ok: false; readonly issue: string }
}
