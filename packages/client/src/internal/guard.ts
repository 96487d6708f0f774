/**
 * Guards over the protocol's schemas: they say whether a value fits and hand the same object on, so nothing that the
 * server added is lost. Each is compiled on first use, for its schema alone; where code generation is forbidden the
 * interpreter does the same work.
 */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"

export type Guard<A> = (u: unknown) => u is A

const guards = new WeakMap<Lazy<unknown>, Guard<unknown>>()

export const guardOf = <A>(schema: Lazy<A>): Guard<A> => {
  const known = guards.get(schema)
  if (known !== undefined) return known as Guard<A>
  const codec = schema()
  SchemaJITCompiler.enable(codec.ast)
  const guard = Schema.is(codec)
  guards.set(schema, guard)
  return guard
}

/** What does not fit, in one line of text. */
export const issueOf = <A>(schema: Lazy<A>, u: unknown): string =>
  Result.match(Schema.decodeUnknownResult(schema())(u), {
    onFailure: (error) => error.message.replaceAll(/\s*\n\s*/g, " "),
    onSuccess: () => "no issue"
  })
