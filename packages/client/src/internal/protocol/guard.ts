/**
 * Guards over the protocol's schemas: they say whether a value fits and hand the same object on, so nothing that the
 * server added is lost. Each that is used often is compiled, for its schema alone; where code generation is forbidden the
 * interpreter does the same work.
 */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import * as AST from "effect/SchemaAST"
import type { Members } from "./members.ts"
import { fits, repair } from "./repair.ts"

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
  let isFitting = Schema.is(codec)
  let checks = 0
  const guard = (u: unknown): u is A => {
    if (++checks === compileAfter) {
      SchemaJITCompiler.enable(codec.ast)
      isFitting = Schema.is(codec)
    }
    try {
      return isFitting(u)
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
export const issueOf = <A>(schema: Lazy<A>, u: unknown): string => issueWith(schema(), u)

const issueWith = <A>(codec: Schema.Codec<A>, u: unknown): string => {
  try {
    return Result.match(Schema.decodeUnknownResult(codec)(u), {
      onFailure: ({ message }) => message.slice(0, longest).replaceAll(/\s*\n\s*/g, " "),
      onSuccess: () => "no issue"
    })
  } catch {
    return "It is nested too deeply."
  }
}

/**
 * The known keys of an object whose values fit, each looked at by itself, and what does not fit in one of them taken apart.
 * What does not fit is left out.
 */
export const parts = <A extends object>(schema: Lazy<A>, u: Members): Partial<A> => {
  const { ast } = schema()
  const fitting: { [key: PropertyKey]: unknown } = {}
  for (const { name, type } of ast._tag === "Objects" ? ast.propertySignatures : []) {
    if (!Object.hasOwn(u, name)) continue
    const codec = Schema.make<Schema.Codec<unknown>>(type)
    const { value } = repair(type, u[String(name)], issueWith)
    if (Schema.is(codec)(value)) fitting[name] = value
  }
  // Each value was looked at by the schema of its key.
  return fitting as Partial<A>
}

/**
 * What does not fit as a whole, with `Undecodable` for each item and each entry of a list that does not. Undefined if something
 * else does not fit.
 */
export const fitted = <A>(
  schema: Lazy<A>,
  u: unknown
): { readonly value: A; readonly issue: string } | undefined => {
  try {
    const { replaced, value } = repair(schema().ast, u, issueWith)
    const [first] = replaced
    return first !== undefined && guardOf(schema)(value) ? { value, issue: first.issue } : undefined
  } catch {
    return undefined
  }
}

/**
 * An object that does not fit as a whole, without those of the spare keys whose values do not fit; these are `left`. Undefined
 * if another key does not fit.
 */
export const fittingWithout = <A>(
  schema: Lazy<A>,
  u: unknown,
  spare: ReadonlyArray<string>
): { readonly value: Members; readonly left: Members } | undefined => {
  const { ast } = schema()
  if (ast._tag !== "Objects" || !Predicate.isReadonlyObject(u)) return undefined
  const value: { [key: string]: unknown } = { ...u }
  const left: { [key: string]: unknown } = {}
  try {
    for (const { name, type } of ast.propertySignatures) {
      const key = String(name)
      const isFitting = Object.hasOwn(u, key) ? fits(type, u[key]) : AST.isOptional(type)
      if (isFitting) continue
      if (!spare.includes(key)) return undefined
      left[key] = u[key]
      delete value[key]
    }
  } catch {
    // JSON may be nested more deeply than the stack is.
    return undefined
  }
  return { value, left }
}
