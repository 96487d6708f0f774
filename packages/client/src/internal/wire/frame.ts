/**
 * Writes one message as text that codex can read. codex drops an unreadable message without a reply, so a request
 * would wait forever and an answered turn would never go on (docs/codex-behaviour.md, "Codex drops a message that it
 * cannot read, without an answer").
 */
import * as Result from "effect/Result"
import { words } from "../schemas/foreignSchema.ts"

/** codex reads no deeper JSON (its parser counts to 128). The message itself is the first level. */
const maxDepth = 127

type Message =
  & ({ readonly id: string | number } | { readonly method: string })
  & { readonly params?: unknown; readonly result?: unknown; readonly [key: string]: unknown }

interface Problem {
  readonly path: ReadonlyArray<string | number>
  readonly words: string
}

/** Values that JSON silently writes as something else: `null` in a list, nothing, or an empty object. */
const unwritable = (u: unknown): string | undefined => {
  switch (typeof u) {
    case "number":
      return Number.isFinite(u) ? undefined : `is ${u}, which JSON does not have`
    case "bigint":
      return "is a bigint, which JSON does not have: give a number or a string"
    case "function":
      return "is a function, which JSON does not have"
    case "symbol":
      return "is a symbol, which JSON does not have"
    default:
      return undefined
  }
}

const isPlain = (u: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(u)
  // Accepts plain objects of another realm, such as a test runner's.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** Objects that keep their contents where JSON does not look. */
const closed = (u: object): string | undefined => {
  const { byteLength, size, then } = u as {
    readonly byteLength?: unknown
    readonly size?: unknown
    readonly then?: unknown
  }
  if (typeof byteLength === "number") return "is bytes, which JSON does not have: give a text, such as base64"
  if ("toJSON" in u) return undefined
  if (typeof size === "number" && Symbol.iterator in u) {
    return "is a Map or a Set, which JSON does not have: give an object or a list"
  }
  if (typeof then === "function") return "is a promise: wait for its value"
  return u instanceof RegExp || u instanceof Error || u instanceof WeakMap || u instanceof WeakSet
    ? `is of the class ${u.constructor.name}, which JSON does not have`
    : undefined
}

// Far beyond any real message. A small value that repeats objects again and again can expand to this size.
const maxValues = 50_000_000
const manySteps = 10_000

/**
 * Counts the values that would be written, and visits a repeated object at most once per depth: the number of paths
 * to it may be exponential. Small frames skip this bookkeeping.
 */
class Walk {
  private written = 0
  private steps = 0
  private seen: Map<object, { readonly levels: number; readonly written: number }> | undefined

  problemOf(u: unknown, levels: number): Problem | undefined {
    if (typeof u !== "object" || u === null) {
      const words = unwritable(u)
      return words === undefined ? undefined : { path: [], words }
    }
    if (levels === 0) {
      return { path: [], words: `is nested more than ${maxDepth} levels deep, which codex does not read` }
    }
    const before = this.written++
    if (before > maxValues) return { path: [], words: `is more than the ${maxValues} values that are sent at a time` }
    if (++this.steps > manySteps) {
      const known = (this.seen ??= new Map()).get(u)
      if (known !== undefined && known.levels <= levels) {
        this.written += known.written
        return undefined
      }
    }
    const found = Array.isArray(u) ? this.inArray(u, levels) : this.inObject(u, levels)
    if (found === undefined) this.seen?.set(u, { levels, written: this.written - before })
    return found
  }

  private inArray(list: ReadonlyArray<unknown>, levels: number): Problem | undefined {
    this.written += list.length
    for (let i = 0; i < list.length; i++) {
      const found = list[i] === undefined
        ? { path: [], words: "is undefined, which JSON does not have: leave it out, or give null" }
        : this.problemOf(list[i], levels - 1)
      if (found !== undefined) return { path: [i, ...found.path], words: found.words }
    }
    return undefined
  }

  private inObject(u: object, levels: number): Problem | undefined {
    const words = isPlain(u) ? undefined : closed(u)
    if (words !== undefined) return { path: [], words }
    if ("toJSON" in u && typeof u.toJSON === "function") {
      // The object chooses its own JSON form, which must be JSON, too.
      const said: unknown = u.toJSON("")
      return said === undefined
        ? { path: [], words: "is an object whose `toJSON` gives nothing" }
        : this.problemOf(said === u ? { ...u, toJSON: undefined } : said, levels)
    }
    const members = u as { readonly [key: string]: unknown }
    for (const key in members) {
      const value = members[key]
      // Most values are strings or undefined. Without this shortcut the walk costs more than the writing.
      if (typeof value === "string" || value === undefined) continue
      const found = this.problemOf(value, levels - 1)
      // Inherited members are not written.
      if (found !== undefined && Object.hasOwn(u, key)) return { path: [key, ...found.path], words: found.words }
    }
    return undefined
  }
}

const longestPath = 6

const sentence = ({ path, words: problem }: Problem): string => {
  const shown = path.slice(0, longestPath).join(".").slice(0, 200)
  return path.length === 0 ? `it ${problem}` : `\`${shown}${path.length > longestPath ? "…" : ""}\` ${problem}`
}

/**
 * Replaces lone surrogates, as a text has that was cut inside an emoji. `JSON.stringify` escapes them as `\udxxx`,
 * and nothing else, and codex drops a message that has one. The other escapes are matched too, so that an escaped
 * backslash is not taken for the beginning of such an escape.
 */
const wellFormed = (json: string): string =>
  json.includes("\\ud")
    ? json.replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (escape) => escape.length > 2 ? "\uFFFD" : escape)
    : json

const look = (u: unknown): Problem | undefined => new Walk().problemOf(u, maxDepth - 1)

/** Describes what is wrong with params or a result. Call it before anything else walks through them. */
export const problemOf = (u: unknown): string | undefined => {
  try {
    const problem = look(u)
    return problem === undefined ? undefined : sentence(problem)
  } catch (error) {
    return `it cannot be written as JSON: ${words(error)}`
  }
}

const encoder = new TextEncoder()

/** Whether a text has more than `bytes` bytes. Only long texts need counting. */
export const exceeds = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && encoder.encode(text).length > bytes)

/**
 * Encodes a message. Fails with a description of what is wrong with the params or the result. Lone surrogates become
 * U+FFFD.
 *
 * @param isChecked whether {@link problemOf} has found nothing in the params
 * @param maxBytes a longer frame would end the connection, for everybody
 */
export const encode = (message: Message, maxBytes = Infinity, isChecked = false): Result.Result<string, string> => {
  try {
    const problem = isChecked ? undefined : look(message.params ?? message.result)
    if (problem !== undefined) return Result.fail(sentence(problem))
    const frame = wellFormed(JSON.stringify(message))
    return exceeds(frame, maxBytes)
      ? Result.fail(`it is longer than the ${maxBytes} bytes that codex takes on this connection`)
      : Result.succeed(frame)
  } catch (error) {
    // A getter or `toJSON` threw, or the text exceeds the longest string.
    return Result.fail(`it cannot be written as JSON: ${words(error)}`)
  }
}
