/**
 * Types for values of a newer server that these schemas do not know.
 */

declare const unknownTag: unique symbol

/**
 * A tag that was unknown when the schemas were generated. TypeScript treats this string as different from all known
 * tags, so `switch (item.type)` narrows to the known members, and to {@link UnknownMember} in `default`.
 *
 * @category models
 * @since 0.1.0
 */
// A template literal, because TypeScript narrows by it, but not by `string & Brand`.
export type UnknownTag = `${string & { readonly [unknownTag]: true }}`

/**
 * A member of a tagged union that was unknown when the schemas were generated. `K` is the key of the tag.
 *
 * @category models
 * @since 0.1.0
 */
export type UnknownMember<K extends string> =
  & { readonly [P in K]: UnknownTag }
  & { readonly [key: string]: unknown }

/**
 * An object without any of the known keys `K`, in a union whose variants are strings and objects with one known key.
 *
 * @category models
 * @since 0.1.0
 */
export type UnknownVariant<K extends string> =
  & { readonly [P in K]?: never }
  & { readonly [key: string]: unknown }

/**
 * Stands for an item, or an entry of a list, that does not match the protocol. The values beside it are decoded
 * normally.
 *
 * **Details**
 *
 * Recognize an item by its `type`, and an entry of a list by `"raw" in entry`. The other keys of `A` can be read
 * without a check: they are undefined.
 *
 * @see {@link UndecodableValue} for its own keys
 *
 * @category models
 * @since 0.1.0
 */
export type Undecodable<A = { readonly [key: string]: unknown }> =
  & UndecodableValue
  & (string extends keyof A ? A : { readonly [K in Exclude<keyof A, keyof UndecodableValue>]?: undefined })

/**
 * The known facts about a value that does not match the protocol. {@link Undecodable} adds the keys of the expected
 * type.
 *
 * @category models
 * @since 0.1.0
 */
export interface UndecodableValue {
  readonly type: "undecodable"
  /** The value's id; empty if it has no readable one. */
  readonly id: string
  /** The value as received. */
  readonly raw: unknown
  /** Why the value does not match. */
  readonly issue: string
}
