/**
 * The async context in which a call was made. Fibers go on in that of whatever wakes them, such as a pipe, so that without
 * this an `AsyncLocalStorage` of the program is empty in its handlers.
 */
import type { JsonSchemaOutput, Output, StandardOutput } from "@effect-codex/client/Output"
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { AsyncLocalStorage } from "node:async_hooks"

/** Calls a function in an async context. */
export type Within = <A>(f: () => A) => A

/** Of the call that an Effect does the work of: `Host.run` provides it. */
export const CallerContext = Context.Reference<Within>("@effect-codex/promise/CallerContext", {
  defaultValue: () => (f) => f()
})

/** The async context of here and now. */
export const current = (): Within => AsyncLocalStorage.snapshot()

/** The schema of another library whose code is called in the async context. It may be none: who uses it says so. */
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

/** An Effect Schema stays as it is: its code may ask for services, and has its context from those. */
export const output = <A>(within: Within, given: Output<A>): Output<A> =>
  isSchema(given) || !Predicate.isObjectKeyword(given) ? given : foreign(within, given)
