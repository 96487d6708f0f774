import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

export const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject => Predicate.isObject(value)

export const isArray = (value: Schema.Json | undefined): value is ReadonlyArray<Schema.Json> => Array.isArray(value)

/** The value of a key, of an object that has it. */
export const field = (value: Schema.Json | undefined, key: string): Schema.Json | undefined =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

const isJson = Schema.is(Schema.Json)

/** What is JSON already, with the type of it. */
export const orUndefined = (u: unknown): Schema.Json | undefined => isJson(u) ? u : undefined
