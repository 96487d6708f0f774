/**
 * Reads the frames of deltas, which are nearly all that a server sends, without parsing what they have in common.
 *
 * The frames of one item differ in the text of the delta and in the time. What is before and after the text is learned
 * from a frame that was parsed. A frame that is the same there, character by character, can only mean the same with another
 * text, so that text is all that is read. Every other frame is parsed as ever. It costs half of what parsing does, and the
 * events of an item share their ids, which costs less memory and makes comparing them free.
 */
import type { Raw } from "../../ServerNotification.ts"

const opening = "\"delta\":\""

/** A longer frame is none of many, and comparing it could cost more than it saves. */
const longest = 4096
const maxThreads = 1024
/** The items of a thread that may take turns in writing. */
const maxForms = 4

/** To learn a form costs what four frames save that are read with it (measured). */
const price = 4
/** Many items may begin at once, and all are learned before the first pays. */
const mostSaved = price * 1024
/** With nothing saved, one frame in so many is learned: if its form comes again, that is found out. */
const trial = 16

/**
 * A number of some characters of the place where the thread's id is, in which the frames of two threads differ most. With
 * each method that is another place, so they are spread. A slice as key, which has to be hashed, costs 100 ns more.
 */
const keyOf = (frame: string): number => {
  let key = frame.charCodeAt(81)
  key = 31 * key + frame.charCodeAt(85)
  key = 31 * key + frame.charCodeAt(89)
  key = 31 * key + frame.charCodeAt(92)
  key = 31 * key + frame.charCodeAt(93)
  return (31 * key + frame.charCodeAt(97)) | 0
}

/** The most characters of which V8 makes a copy. A longer slice keeps what it is a slice of, here a whole read. */
const longestCopy = 12
const copied = (slice: string): string => JSON.parse(JSON.stringify(slice)) as string

/** What has to be parsed as part of a JSON string. */
const isSpecial = /["\\\u0000-\u001f]/

/** A time in milliseconds that ends the object. Its last digits are what changes from frame to frame. */
const timeAtEnd = /:\d{4,}\}$/
const changing = 4

const closingBrace = 125

const isDigit = (code: number): boolean => code >= 48 && code <= 57

interface Params {
  readonly delta: string
  readonly [key: string]: unknown
}

/** What the frames of one item have in common. */
interface Form {
  readonly key: number
  readonly method: string
  /** All up to the text. */
  readonly before: string
  /** All from the quote that ends the text up to what changes. */
  readonly after: string
  /** How many characters change at the end. */
  readonly changing: number
  readonly params: Params
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isObject = (u: unknown): u is { readonly [key: string]: unknown } => typeof u === "object" && u !== null

const isDelta = (u: unknown): u is Params => isObject(u) && typeof u["delta"] === "string"

// A slice and a comparison are many times as fast as `startsWith` (V8).
const begins = (frame: string, { before }: Form): boolean => frame.slice(0, before.length) === before

const formOf = (frame: string, method: string): Form | undefined => {
  const start = frame.indexOf(opening) + opening.length
  const open = timeAtEnd.test(frame) ? changing : 0
  let end = start
  while (end < frame.length && frame[end] !== "\"") end += frame[end] === "\\" ? 2 : 1
  const before = copied(frame.slice(0, start))
  const after = copied(frame.slice(end, frame.length - open))
  const emptied = parse(`${before}${after}${open === 0 ? "" : "000}"}`)
  if (!isObject(emptied) || !isDelta(emptied["params"]) || emptied["params"].delta !== "") return undefined
  return { key: keyOf(frame), method, before, after, changing: open, params: emptied["params"] }
}

export class DeltaFrames {
  private readonly forms = new Map<number, ReadonlyArray<Form>>()
  private last: Form | undefined
  /** How many frames more were read than learning has cost. */
  private saved = mostSaved
  private passed = 0

  /** What the frame says, if it is a delta in a form that is known: the same as parsing it would say. */
  read(frame: string): Raw | undefined {
    if (this.last === undefined || frame.length > longest) return undefined
    const key = keyOf(frame)
    const form = key === this.last.key && begins(frame, this.last) ? this.last : this.find(frame, key)
    if (form === undefined) return undefined
    this.last = form
    const start = form.before.length
    const stop = frame.length - form.changing
    const end = stop - form.after.length
    if (end < start || frame.slice(end, stop) !== form.after) return undefined
    for (let i = stop; i < frame.length - 1; i++) {
      if (!isDigit(frame.charCodeAt(i))) return undefined
    }
    if (form.changing > 0 && frame.charCodeAt(frame.length - 1) !== closingBrace) return undefined
    let delta: unknown = end - start > longestCopy ? undefined : frame.slice(start, end)
    if (typeof delta !== "string" || isSpecial.test(delta)) delta = parse(frame.slice(start - 1, end + 1))
    if (typeof delta !== "string") return undefined
    if (this.saved < mostSaved) this.saved++
    return { _tag: form.method, params: { ...form.params, delta } }
  }

  private find(frame: string, key: number): Form | undefined {
    const forms = this.forms.get(key)
    if (forms === undefined) return undefined
    for (const form of forms) {
      if (begins(frame, form)) return form
    }
    return undefined
  }

  /** Learns the form of a notification that was parsed, if it is a delta. */
  learn(frame: string, method: string, params: unknown): void {
    // From an empty text it could not be seen that this is the text that `formOf` has emptied.
    if (frame.length > longest || !isDelta(params) || params.delta === "") return
    if (this.saved < price && ++this.passed % trial !== 0) return
    this.saved = Math.max(this.saved - price, 0)
    const form = formOf(frame, method)
    if (form === undefined) return
    const known = this.forms.get(form.key) ?? []
    if (this.forms.size >= maxThreads) this.forms.clear()
    // Of one that is known already it is what follows the text that has changed.
    const others = known.filter(({ before }) => before !== form.before)
    this.forms.set(form.key, [form, ...others].slice(0, maxForms))
    this.last = form
  }
}
