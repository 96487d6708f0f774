/** Looks into what was not checked. */
import * as Predicate from "effect/Predicate"

export type Members = Readonly<Record<string, unknown>>

export const membersOf = (u: unknown): Members => Predicate.isReadonlyObject(u) ? u : {}

/** As it came, of what may have been found not to fit. */
export const rawOf = (u: unknown): unknown => {
  const { raw, type } = membersOf(u)
  return type === "undecodable" && raw !== undefined ? raw : u
}
