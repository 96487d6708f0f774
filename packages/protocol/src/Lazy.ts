/**
 * Schemas that are built the first time they are used, so that importing a thousand of them costs next to nothing.
 */
import type * as Schema from "effect/Schema"

/**
 * A schema that is built by the first call and returned again by the others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lazy<A> {
  (): Schema.Codec<A>
}

/**
 * Makes a {@link Lazy} of what builds the schema.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lazy = <A>(build: () => Schema.Codec<A>): Lazy<A> => {
  let schema: Schema.Codec<A> | undefined
  return () => schema ??= build()
}
