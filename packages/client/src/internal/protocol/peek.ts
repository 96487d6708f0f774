/** Looks into unchecked frames: reads members by name, and the ids that route a frame. */
import * as Predicate from "effect/Predicate"

export type Members = Readonly<Record<string, unknown>>

/** The members of an object; none of anything else. */
export const membersOf = (u: unknown): Members => Predicate.isReadonlyObject(u) ? u : {}

/** A member of what may be anything. */
export const at = (u: unknown, key: string): unknown => Predicate.hasProperty(u, key) ? u[key] : undefined

export const textAt = (u: unknown, key: string): string | undefined => {
  const value = at(u, key)
  return Predicate.isString(value) ? value : undefined
}

// The next two run for every frame: destructuring costs a fraction of what `at` does.

/** The thread of a notification or a request. */
export const threadIdOf = (params: unknown): string | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const { threadId } = params as { readonly threadId?: unknown }
  if (typeof threadId === "string") return threadId
  const { thread } = params as { readonly thread?: unknown }
  if (typeof thread !== "object" || thread === null) return undefined
  const { id } = thread as { readonly id?: unknown }
  return typeof id === "string" ? id : undefined
}

/** The turn that a notification belongs to. */
export const turnIdOf = (params: unknown): string | undefined => {
  if (typeof params !== "object" || params === null) return undefined
  const { turnId } = params as { readonly turnId?: unknown }
  if (typeof turnId === "string") return turnId
  const { turn } = params as { readonly turn?: unknown }
  if (typeof turn !== "object" || turn === null) return undefined
  const { id } = turn as { readonly id?: unknown }
  return typeof id === "string" ? id : undefined
}

/** The turn that the turn of `turn/started` works for. A turn that works for nobody names itself. */
export const rootOf = (params: unknown): string | undefined => textAt(at(params, "turn"), "rootTurnId")

/** The value as it came, even if it was replaced by an `Undecodable`. */
export const rawOf = (u: unknown): unknown => {
  const { raw, type } = membersOf(u)
  return type === "undecodable" && raw !== undefined ? raw : u
}
