/**
 * Schemas that are built on first use, so that importing a thousand of them costs next to nothing.
 */
import type * as Schema from "effect/Schema"

/**
 * A function that builds a schema on the first call, and returns the same schema on later calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lazy<A> {
  (): Schema.Codec<A>
}

/**
 * Creates a {@link Lazy} from a function that builds the schema.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lazy = <A>(build: () => Schema.Codec<A>): Lazy<A> => {
  let schema: Schema.Codec<A> | undefined
  return () => schema ??= build()
}
