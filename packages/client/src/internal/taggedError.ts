/**
 * `Schema.TaggedError` for errors that print, clone and serialize as errors should. Effect shows only the fields of
 * its errors to `console.error`, and `structuredClone` loses a message that is a getter of the class.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { withoutKeys, withoutKeysIn } from "./text/keys.ts"
import { visibleLines } from "./text/visibleText.ts"

const IdentifierKey = "~@effect-codex/error"

/** The identifier of an error's class, even if the class comes from another copy of this library. */
export const identifierOf = (u: unknown): string | undefined =>
  Predicate.hasProperty(u, IdentifierKey) && Predicate.isString(u[IdentifierKey]) ? u[IdentifierKey] : undefined

const safe = (text: string): string => visibleLines(withoutKeys(text))

// A cause can be anything, even a value that JSON or `String` cannot write.
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

/** The fields that quote others and may hold secrets. */
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
    // Effect uses the identifier as the name; a person reads the tag.
    name: constant(tag),
    [IdentifierKey]: constant(identifier),
    // Effect's own hook shows the fields without message and stack. Without a hook the error prints as any other
    // error does.
    [Symbol.for("nodejs.util.inspect.custom")]: constant(undefined),
    toJSON: constant(function(this: Error) {
      return json(this)
    })
  })
  // A bundle, such as the drop-in of the promise package, contains its own copy of the classes, and its user may hold
  // another.
  Object.defineProperty(base, Symbol.hasInstance, constant((u: unknown) => identifierOf(u) === identifier))
  // A proxy instead of a subclass, because a subclass of an unknown class has no type that can be written down.
  return new Proxy(base, {
    construct(target, args, newTarget) {
      const [fields, ...rest] = args
      const error: Error = Reflect.construct(target, [withoutKeysOf(fields), ...rest], newTarget)
      // A message that is a field of the error is already set, and somebody wants it sent unchanged.
      if (!Object.hasOwn(error, "message")) {
        Object.defineProperty(error, "message", constant(safe(error.message)))
      }
      return error
    }
  })
}

/**
 * Defines an error as `Schema.TaggedError` does. `identifier` is in the namespace of its module, so that `Schema.is`
 * of the class accepts no other class with the same tag.
 */
export const TaggedError =
  <Self>(identifier: string) =>
  <const Tag extends string, const Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
    printable(Schema.TaggedError<Self>(identifier)(tag, fields), identifier, tag)
