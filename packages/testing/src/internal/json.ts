import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

export const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject => Predicate.isObject(value)

export const isArray = (value: Schema.Json | undefined): value is ReadonlyArray<Schema.Json> => Array.isArray(value)

/** The value of an object's own key; undefined for anything else. */
export const field = (value: Schema.Json | undefined, key: string): Schema.Json | undefined =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

const isJson = Schema.is(Schema.Json)

/** Narrows a value to JSON; undefined if it is not JSON. */
export const orUndefined = (u: unknown): Schema.Json | undefined => isJson(u) ? u : undefined
