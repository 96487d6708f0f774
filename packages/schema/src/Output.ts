/**
 * The output type that every module of this package creates from a schema.
 *
 * @since 0.1.0
 */

/**
 * A schema in the form that effect-codex accepts from any library, for the `output` of a turn and the `input` of a
 * tool. It is the `Output.JsonSchemaOutput` of `@effect-codex/client`.
 *
 * **Details**
 *
 * It consists of plain data and a plain function, so it can be created with Effect 3 and used with Effect 4. Reading
 * `jsonSchema` throws if the schema has none; the client reports that as `InvalidArgument`.
 *
 * **Example** (Checking an answer)
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
  /** The JSON Schema of the values that `decode` accepts. */
  readonly jsonSchema: { readonly [key: string]: unknown }
  /**
   * Decodes a value. `issue` tells the model in one line what is wrong and where: `at files[0].name: Expected string`.
   */
  readonly decode: (value: unknown) =>
    | { readonly ok: true; readonly value: A }
    | { readonly ok: false; readonly issue: string }
}
