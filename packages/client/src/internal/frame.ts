/**
 * What leaves this process: one message, as text that codex can read. What it cannot read it drops without an answer, so
 * that the request is never replied to, and the turn whose request was answered never goes on (measured on 0.169).
 */
import * as Result from "effect/Result"
import { words } from "./foreignSchema.ts"

/** codex reads no JSON that is nested more deeply (its parser counts to 128). The message itself is the first level. */
const maxDepth = 127

type Message =
  & ({ readonly id: string | number } | { readonly method: string })
  & { readonly params?: unknown; readonly result?: unknown; readonly [key: string]: unknown }

interface Problem {
  readonly path: ReadonlyArray<string | number>
  readonly words: string
}

const problemOf = (u: unknown, levels: number): Problem | undefined => {
  if (typeof u === "number" && !Number.isFinite(u)) return { path: [], words: `is ${u}, which JSON does not have` }
  if (typeof u === "bigint") {
    return { path: [], words: "is a bigint, which JSON does not have: give a number or a string" }
  }
  if (typeof u !== "object" || u === null) return undefined
  if (levels === 0) return { path: [], words: `is nested more than ${maxDepth} levels deep, which codex does not read` }
  if (Array.isArray(u)) {
    for (let i = 0; i < u.length; i++) {
      const found: Problem | undefined = u[i] === undefined
        ? { path: [], words: "is undefined, which JSON does not have: leave it out, or give null" }
        : problemOf(u[i], levels - 1)
      if (found !== undefined) return { path: [i, ...found.path], words: found.words }
    }
    return undefined
  }
  // Such an object says itself what it is in JSON.
  if ("toJSON" in u) return undefined
  const members = u as { readonly [key: string]: unknown }
  for (const key in members) {
    const value = members[key]
    // Nearly all are. Without this the walk costs more than the writing.
    if (typeof value === "string") continue
    const found = problemOf(value, levels - 1)
    if (found !== undefined) return { path: [key, ...found.path], words: found.words }
  }
  return undefined
}

const longestPath = 6

const sentence = ({ path, words: problem }: Problem): string => {
  const shown = path.slice(0, longestPath).join(".").slice(0, 200)
  return path.length === 0 ? `it ${problem}` : `\`${shown}${path.length > longestPath ? "…" : ""}\` ${problem}`
}

/**
 * `JSON.stringify` escapes the half of a character, as a text has that was cut in an emoji, and nothing else as `\udxxx`.
 * codex drops what has one. The other escapes are matched too, so that an escaped backslash is not taken for the first
 * of one.
 */
const wellFormed = (json: string): string =>
  json.includes("\\ud")
    ? json.replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (escape) => escape.length > 2 ? "\uFFFD" : escape)
    : json

const encoder = new TextEncoder()

/** Whether a text has more bytes than this. Few are so long that they have to be counted. */
export const exceeds = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && encoder.encode(text).length > bytes)

/**
 * Fails with what is wrong with the params or the result, in words. Lone surrogates become U+FFFD.
 *
 * @param maxBytes a longer frame would end the connection, for everybody
 */
export const encode = (message: Message, maxBytes = Infinity): Result.Result<string, string> => {
  try {
    const problem = problemOf(message.params ?? message.result, maxDepth - 1)
    if (problem !== undefined) return Result.fail(sentence(problem))
    const frame = wellFormed(JSON.stringify(message))
    return exceeds(frame, maxBytes)
      ? Result.fail(`it is longer than the ${maxBytes} bytes that codex takes on this connection`)
      : Result.succeed(frame)
  } catch (error) {
    // A getter or a `toJSON` throws, or the text is longer than a string can be.
    return Result.fail(`it cannot be written as JSON: ${words(error)}`)
  }
}
