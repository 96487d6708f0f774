/**
 * What a newer server may send that these schemas do not know: the types it has here, and the schemas that accept it.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

declare const unknownTag: unique symbol

/**
 * A tag that was not known when the schemas were generated. It is a string of which TypeScript knows that it is none of
 * the known tags, so that `switch (item.type)` narrows to the known members, and to {@link UnknownMember} in `default`.
 */
// A template literal, because TypeScript narrows by those and not by `string & Brand`.
export type UnknownTag = `${string & { readonly [unknownTag]: true }}`

/**
 * A member of a tagged union that was not known when the schemas were generated. `K` is the key of the tag.
 */
export type UnknownMember<K extends string> =
  & { readonly [P in K]: UnknownTag }
  & { readonly [key: string]: unknown }

/**
 * An object with none of the known keys `K`, in a union whose variants are strings and objects of one known key.
 */
export type UnknownVariant<K extends string> =
  & { readonly [P in K]?: never }
  & { readonly [key: string]: unknown }

/**
 * Accepts the objects whose `tag` is a string other than the known ones, so that a malformed known member is refused.
 */
export const unknownMember = <const K extends string>(
  tag: K,
  known: ReadonlyArray<string>
): Schema.Codec<UnknownMember<K>> => {
  const tags = new Set(known)
  return Schema.declare((input): input is UnknownMember<K> => {
    if (!Predicate.isObject(input) || !Predicate.hasProperty(input, tag)) return false
    const value = input[tag]
    return typeof value === "string" && !tags.has(value)
  }, { expected: `an object whose ${JSON.stringify(tag)} is an unknown string` })
}

/**
 * Accepts the objects that have none of the known keys, so that a malformed known variant is refused.
 */
export const unknownVariant = <const K extends string>(known: ReadonlyArray<K>): Schema.Codec<UnknownVariant<K>> =>
  Schema.declare(
    (input): input is UnknownVariant<K> => Predicate.isObject(input) && !known.some((key) => Object.hasOwn(input, key)),
    { expected: "an object with an unknown key" }
  )

/**
 * A key that the server always sends today and that another version may leave out. The type stays that of a key that
 * is there.
 */
export const mayMiss = <A>(schema: Schema.Codec<A>): Schema.Codec<A> =>
  Schema.make<Schema.Codec<A>>(Schema.optionalKey(schema).ast)

/**
 * Known keys, and any number of others with values of one type.
 */
export const structWithRest = <A, B>(
  known: Schema.Codec<A>,
  keys: ReadonlyArray<string>,
  rest: Schema.Codec<B>
): Schema.Codec<A & { readonly [key in string]?: B }> => {
  const isKnown = Schema.is(known)
  const isRest = Schema.is(rest)
  return Schema.declare(
    (input): input is A & { readonly [key in string]?: B } =>
      isKnown(input) && Predicate.isObject(input) &&
      Object.entries(input).every(([key, value]) => keys.includes(key) || isRest(value)),
    { expected: "an object with known and other keys" }
  )
}

/**
 * Any value that JSON can hold. The reader made it with `JSON.parse`, so there is nothing left to check.
 */
export const json: Schema.Codec<Schema.Json> = Schema.make<Schema.Codec<Schema.Json>>(Schema.Unknown.ast)
