/**
 * The async context of a call. A fiber continues in the context of whatever wakes it, such as a pipe, so without this
 * an `AsyncLocalStorage` of the program would be empty in its handlers.
 */
import type { JsonSchemaOutput, Output, StandardOutput } from "@effect-codex/client/Output"
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { AsyncLocalStorage } from "node:async_hooks"

/** Calls a function in an async context. */
export type Within = <A>(f: () => A) => A

/** The async context of the call that the effect runs for. `Host.run` provides it. */
export const CallerContext = Context.Reference<Within>("@effect-codex/promise/CallerContext", {
  defaultValue: () => (f) => f()
})

/** Captures the current async context. */
export const current = (): Within => AsyncLocalStorage.snapshot()

/**
 * Runs the code of another library's schema in the async context. An invalid schema passes unchanged; its user reports
 * it.
 */
export const foreign = <A>(
  within: Within,
  given: StandardOutput<A> | JsonSchemaOutput<A>
): StandardOutput<A> | JsonSchemaOutput<A> => {
  if (Predicate.hasProperty(given, "~standard")) {
    const standard = given["~standard"]
    return { "~standard": { ...standard, validate: (value) => within(() => standard.validate(value)) } }
  }
  return Predicate.isFunction(given.decode)
    ? { ...given, decode: (value) => within(() => given.decode(value)) }
    : given
}

const isSchema = <A>(output: Output<A>): output is Schema.ConstraintCodec<A, unknown> => Schema.isSchema(output)

/** Leaves an Effect Schema unchanged: its code gets its context from services. */
export const output = <A>(within: Within, given: Output<A>): Output<A> =>
  isSchema(given) || !Predicate.isObjectKeyword(given) ? given : foreign(within, given)
