/** Reads members of unchecked values. */
import * as Predicate from "effect/Predicate"

export type Members = Readonly<Record<string, unknown>>

export const membersOf = (u: unknown): Members => Predicate.isReadonlyObject(u) ? u : {}

/** The value as it came, even if it was replaced by an `Undecodable`. */
export const rawOf = (u: unknown): unknown => {
  const { raw, type } = membersOf(u)
  return type === "undecodable" && raw !== undefined ? raw : u
}
