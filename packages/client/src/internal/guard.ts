/**
 * Guards over the protocol's schemas: they say whether a value fits and hand the same object on, so nothing that the
 * server added is lost. Each that is used often is compiled, for its schema alone; where code generation is forbidden the
 * interpreter does the same work.
 */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"

export type Guard<A> = (u: unknown) => u is A

const guards = new WeakMap<Lazy<unknown>, Guard<unknown>>()

/**
 * Compiling a guard takes 0.5 to 12 ms (measured), as long as thousands of checks in a row and as hundreds at the pace of
 * the server, where a check takes up to 30 µs. The first turn of a program does without.
 */
const compileAfter = 200

export const guardOf = <A>(schema: Lazy<A>): Guard<A> => {
  const known = guards.get(schema)
  if (known !== undefined) return known as Guard<A>
  const codec = schema()
  let fits = Schema.is(codec)
  let checks = 0
  const guard = (u: unknown): u is A => {
    if (++checks === compileAfter) {
      SchemaJITCompiler.enable(codec.ast)
      fits = Schema.is(codec)
    }
    try {
      return fits(u)
    } catch {
      // JSON may be nested more deeply than the stack is.
      return false
    }
  }
  guards.set(schema, guard)
  return guard
}

const longest = 2_000

/** What does not fit, in one line of text of at most 2,000 characters. */
export const issueOf = <A>(schema: Lazy<A>, u: unknown): string => {
  try {
    return Result.match(Schema.decodeUnknownResult(schema())(u), {
      onFailure: ({ message }) => message.slice(0, longest).replaceAll(/\s*\n\s*/g, " "),
      onSuccess: () => "no issue"
    })
  } catch {
    return "It is nested too deeply."
  }
}
