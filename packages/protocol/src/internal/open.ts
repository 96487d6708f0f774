/** The building blocks of the open schemas. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type Lazy, lazy } from "../Lazy.ts"
import type { Undecodable, UnknownMember, UnknownVariant } from "../Open.ts"

/** Accepts the placeholder that the client puts in place of a value that does not match. */
export const undecodable: Schema.Codec<Undecodable> = Schema.declare(
  (input): input is Undecodable =>
    Predicate.isObject(input) && Reflect.get(input, "type") === "undecodable" &&
    typeof Reflect.get(input, "id") === "string" && Object.hasOwn(input, "raw") &&
    typeof Reflect.get(input, "issue") === "string",
  { identifier: "Undecodable" }
)

/** An entry of a list. An entry that does not match does not fail the others. */
export const entry = <A extends object>(schema: Schema.Codec<A>): Schema.Codec<A | Undecodable<A>> =>
  Schema.make<Schema.Codec<A | Undecodable<A>>>(Schema.Union([schema, undecodable]).ast)

/** Accepts objects whose `tag` is a string other than the known ones, so that a malformed known member is refused. */
export const unknownMember = <const K extends string>(
  tag: K,
  known: ReadonlyArray<string>
): Schema.Codec<UnknownMember<K>> => {
  const tags = new Set(known).add("undecodable")
  return Schema.declare((input): input is UnknownMember<K> => {
    if (!Predicate.isObject(input) || !Predicate.hasProperty(input, tag)) return false
    const value = input[tag]
    return typeof value === "string" && !tags.has(value)
  }, { expected: `an object whose ${JSON.stringify(tag)} is an unknown string` })
}

/** Accepts objects without any of the known keys, so that a malformed known variant is refused. */
export const unknownVariant = <const K extends string>(known: ReadonlyArray<K>): Schema.Codec<UnknownVariant<K>> =>
  Schema.declare(
    (input): input is UnknownVariant<K> => Predicate.isObject(input) && !known.some((key) => Object.hasOwn(input, key)),
    { expected: "an object with an unknown key" }
  )

/** Any string: only the types list the known values of an enum. */
export const string: Lazy<string> = lazy(() => Schema.String)

/** Any object: a newer server may add fields to one that has none today. */
export const object: Lazy<{ readonly [key: string]: unknown }> = lazy(() =>
  Schema.Record(Schema.String, Schema.Unknown)
)

/** A key that the current server always sends, but other versions may omit. Its type stays that of a required key. */
export const mayMiss = <A>(schema: Schema.Codec<A>): Schema.Codec<A> =>
  Schema.make<Schema.Codec<A>>(Schema.optionalKey(schema).ast)

/** A key that may be null or missing. */
export const nullable = <A>(schema: Schema.Codec<A>): Schema.Codec<A | null> => mayMiss(Schema.NullOr(schema))

/** An optional key, which may also be null. */
export const optional = <A>(schema: Schema.Codec<A>): Schema.optionalKey<Schema.NullOr<Schema.Codec<A>>> =>
  Schema.optionalKey(Schema.NullOr(schema))

/** An object with known keys, and any number of other keys with values of one type. */
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

/** Any JSON value. The reader creates it with `JSON.parse`, so there is nothing left to check. */
export const json: Lazy<Schema.Json> = lazy(() => Schema.make<Schema.Codec<Schema.Json>>(Schema.Unknown.ast))
