/** Objects of values by their names. */
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"

/** Not so a list, a Map, or a secret, of whose values nothing would be left. */
export const isNames = (u: unknown): u is { readonly [name: string]: unknown } =>
  Predicate.isObject(u) && !(Symbol.iterator in u) && !Redacted.isRedacted(u)
