/**
 * Guards over the protocol's schemas. They return the same object, so nothing that the server added is lost. A
 * guard that is used often is compiled. Where code generation is forbidden, the interpreter does the same work.
 */
import type { Lazy } from "@effect-codex/protocol/Lazy"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import * as AST from "effect/SchemaAST"
import type { Members } from "./peek.ts"
import { fits, repair } from "./repair.ts"

export type Guard<A> = (u: unknown) => u is A

const guards = new WeakMap<Lazy<unknown>, Guard<unknown>>()

/**
 * Compiling a guard takes 0.5 to 12 ms (measured). That is as long as thousands of checks in a row, or hundreds
 * at the server's pace, where one check takes up to 30 µs. A program's first turn should not pay for it.
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
      // JSON may be nested more deeply than the stack allows.
      return false
    }
  }
  guards.set(schema, guard)
  return guard
}

const longest = 2_000

/** What does not fit, as one line of at most 2,000 characters. */
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
 * The known members of an object that fit, each checked and repaired by itself. Members that do not fit are
 * left out.
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
  // Each value was checked with the schema of its key.
  return fitting as Partial<A>
}

/**
 * The value with each item and list entry that does not fit replaced by an `Undecodable`. Undefined if anything
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
 * The object without those `spare` keys whose values do not fit; `left` holds them. Undefined if another key
 * does not fit.
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
    // JSON may be nested more deeply than the stack allows.
    return undefined
  }
  return { value, left }
}
