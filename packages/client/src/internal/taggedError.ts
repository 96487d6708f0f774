/**
 * `Schema.TaggedError` for errors that print, clone and serialize as errors should. Effect shows only the fields of its
 * errors to `console.error`, and a message that is a getter of the class gets lost in `structuredClone`.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { withoutKeys, withoutKeysIn } from "./text/keys.ts"
import { visibleLines } from "./text/visibleText.ts"

const IdentifierKey = "~@effect-codex/error"

/** The identifier of an error's class, also of a class of another copy of this library. */
export const identifierOf = (u: unknown): string | undefined =>
  Predicate.hasProperty(u, IdentifierKey) && Predicate.isString(u[IdentifierKey]) ? u[IdentifierKey] : undefined

const safe = (text: string): string => visibleLines(withoutKeys(text))

// A cause can be anything, also what JSON does not take.
const causeText = (cause: unknown): string => {
  try {
    return safe(String(cause))
  } catch {
    return "unknown"
  }
}

const json = (error: Error): unknown => {
  const { cause, ...fields } = { ...error }
  return { ...fields, message: error.message, ...(cause === undefined ? {} : { cause: causeText(cause) }) }
}

/** The fields that hold what others said. */
const quotes = ["detail", "issue", "closeReason", "stderr", "data"]

const withoutKeysOf = (fields: unknown): unknown => {
  if (!Predicate.isObject(fields)) return fields
  const quoted = quotes.filter((name) => Object.hasOwn(fields, name))
  return quoted.length === 0 ? fields : {
    ...fields,
    ...Object.fromEntries(quoted.map((name) => [name, withoutKeysIn(Reflect.get(fields, name))]))
  }
}

const constant = (value: unknown): PropertyDescriptor => ({ value, configurable: true, writable: true })

const printable = <C>(base: C, identifier: string, tag: string): C => {
  if (!Predicate.isFunction(base)) return base
  Object.defineProperties(base.prototype, {
    // Effect names an error by its identifier, which is for schemas; a person reads the tag.
    name: constant(tag),
    [IdentifierKey]: constant(identifier),
    // Effect's own hook shows the fields without message and stack. Without a hook it is printed as any error is.
    [Symbol.for("nodejs.util.inspect.custom")]: constant(undefined),
    toJSON: constant(function(this: Error) {
      return json(this)
    })
  })
  // A bundle, such as the drop-in of the promise package, has classes of its own, and its user another copy of them.
  Object.defineProperty(base, Symbol.hasInstance, constant((u: unknown) => identifierOf(u) === identifier))
  // A proxy and not a subclass, because the type of a subclass of a class that is not known cannot be written down.
  return new Proxy(base, {
    construct(target, args, newTarget) {
      const [fields, ...rest] = args
      const error: Error = Reflect.construct(target, [withoutKeysOf(fields), ...rest], newTarget)
      // One that is a field of the error is there already, and is what somebody wants to send.
      if (!Object.hasOwn(error, "message")) {
        Object.defineProperty(error, "message", constant(safe(error.message)))
      }
      return error
    }
  })
}

/**
 * Defines an error as `Schema.TaggedError` does. `identifier` is in the namespace of its module, so that `Schema.is` of the
 * class accepts no other class with the same tag.
 */
export const TaggedError =
  <Self>(identifier: string) =>
  <const Tag extends string, const Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
    printable(Schema.TaggedError<Self>(identifier)(tag, fields), identifier, tag)
