/**
 * Reads the frames of deltas, which are nearly all that a server sends, without parsing what they have in
 * common.
 *
 * The frames of one item differ only in the delta's text and in the time. The parts before and after the text
 * are learned from a parsed frame. A frame that is identical there, character by character, can only mean the
 * same with another text, so only the text is read. Every other frame is parsed as usual. This costs half as
 * much as parsing. The events of an item also share their ids, which saves memory and makes comparing them
 * free.
 */
import type { Raw } from "../../ServerNotification.ts"

const opening = "\"delta\":\""

/** Longer frames are rare, and comparing one could cost more than it saves. */
const longest = 4096
const maxThreads = 1024
/** The number of items of a thread that may alternate. */
const maxForms = 4

/** Learning a form costs as much as reading four frames with it saves (measured). */
const price = 4
/** Many items may begin at once, and all are learned before the first pays off. */
const mostSaved = price * 1024
/** With nothing saved, one frame in this many is learned, to find out whether its form comes again. */
const trial = 16

/**
 * Hashes a few characters around the thread's id, where the frames of two threads differ most. Each method has
 * the id at another place, so the characters are spread. A slice as key must be hashed as well, and costs 100
 * ns more.
 */
const keyOf = (frame: string): number => {
  let key = frame.charCodeAt(81)
  key = 31 * key + frame.charCodeAt(85)
  key = 31 * key + frame.charCodeAt(89)
  key = 31 * key + frame.charCodeAt(92)
  key = 31 * key + frame.charCodeAt(93)
  return (31 * key + frame.charCodeAt(97)) | 0
}

/** The longest slice that V8 copies. A longer slice retains its source, here a whole read. */
const longestCopy = 12
const copied = (slice: string): string => JSON.parse(JSON.stringify(slice)) as string

/** Characters that must be parsed as part of a JSON string. */
const isSpecial = /["\\\u0000-\u001f]/

/** A time in milliseconds at the end of the object. Only its last digits change from frame to frame. */
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
  /** Everything before the text. */
  readonly before: string
  /** Everything from the quote that ends the text to the changing digits. */
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

// Slicing and comparing is many times as fast as `startsWith` (V8).
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
  /** The credit: frames read with a form, minus the cost of learning forms. */
  private saved = mostSaved
  private passed = 0

  /** The notification in the frame, if it is a delta of a known form. The result equals that of parsing. */
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

  /** Learns the form of a parsed notification, if it is a delta. */
  learn(frame: string, method: string, params: unknown): void {
    // With an empty delta we could not verify that the cut-out part is the delta.
    if (frame.length > longest || !isDelta(params) || params.delta === "") return
    if (this.saved < price && ++this.passed % trial !== 0) return
    this.saved = Math.max(this.saved - price, 0)
    const form = formOf(frame, method)
    if (form === undefined) return
    const known = this.forms.get(form.key) ?? []
    if (this.forms.size >= maxThreads) this.forms.clear()
    // A form with the same beginning is outdated: the part after the text has changed.
    const others = known.filter(({ before }) => before !== form.before)
    this.forms.set(form.key, [form, ...others].slice(0, maxForms))
    this.last = form
  }
}
