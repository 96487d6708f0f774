/**
 * The types of what a newer server may send and these schemas do not know.
 */

declare const unknownTag: unique symbol

/**
 * A tag that was not known when the schemas were generated. It is a string of which TypeScript knows that it is none of
 * the known tags, so that `switch (item.type)` narrows to the known members, and to {@link UnknownMember} in `default`.
 *
 * @category models
 * @since 0.1.0
 */
// A template literal, because TypeScript narrows by those and not by `string & Brand`.
export type UnknownTag = `${string & { readonly [unknownTag]: true }}`

/**
 * A member of a tagged union that was not known when the schemas were generated. `K` is the key of the tag.
 *
 * @category models
 * @since 0.1.0
 */
export type UnknownMember<K extends string> =
  & { readonly [P in K]: UnknownTag }
  & { readonly [key: string]: unknown }

/**
 * An object with none of the known keys `K`, in a union whose variants are strings and objects of one known key.
 *
 * @category models
 * @since 0.1.0
 */
export type UnknownVariant<K extends string> =
  & { readonly [P in K]?: never }
  & { readonly [key: string]: unknown }

/**
 * A value from the server that does not fit the protocol, in place of an item or of an entry of a list. What stands beside
 * it is not touched by it.
 *
 * An item is told apart by its `type`, an entry of a list by `"raw" in entry`. The other keys of `A` can be read without
 * looking first: they are undefined.
 *
 * @category models
 * @since 0.1.0
 */
export type Undecodable<A = { readonly [key: string]: unknown }> =
  & UndecodableValue
  & (string extends keyof A ? A : { readonly [K in Exclude<keyof A, keyof UndecodableValue>]?: undefined })

/**
 * What is known of a value that does not fit the protocol. {@link Undecodable} adds the keys of what it would be.
 *
 * @category models
 * @since 0.1.0
 */
export interface UndecodableValue {
  readonly type: "undecodable"
  /** The id of what it would be. Empty if none could be read. */
  readonly id: string
  /** As it came. */
  readonly raw: unknown
  /** What does not fit. */
  readonly issue: string
}
