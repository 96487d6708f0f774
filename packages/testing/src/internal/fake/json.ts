import * as Schema from "effect/Schema"

const isJson = Schema.is(Schema.Json)

/** What is JSON already, with the type of it. */
export const orUndefined = (u: unknown): Schema.Json | undefined => isJson(u) ? u : undefined
