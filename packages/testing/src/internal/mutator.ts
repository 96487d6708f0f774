/**
 * Mutates what a server sends, by a seed. It imports only types, because it also runs in a process of its own, which
 * must start as fast as codex does.
 *
 * A mutation depends on the seed, on the kind of the frame and on how many of that kind came before, not on time. So a
 * seed makes the same mutations in every run, although the frames of two threads interleave differently each time.
 */
import type { Mutation, Options } from "../Mutation.ts"

export const harmless = [
  "unknownField",
  "unknownNotification",
  "unknownItem",
  "unknownRequest",
  "duplicate",
  "noise",
  "blankLine",
  "chunks",
  "slowReply"
] as const

export const harmful = [
  "unknownMethod",
  "enumValue",
  "dropKey",
  "nullKey",
  "retypeKey",
  "late",
  "lateDuplicate",
  "reorder"
] as const

export type Kind = typeof harmless[number] | typeof harmful[number]

export interface Host {
  /** Delivers frames in this order. If `odd`, it may cut them into pieces anywhere. */
  readonly deliver: (frames: ReadonlyArray<string>, odd: boolean) => void
  /** Runs a function after this many milliseconds. */
  readonly later: (millis: number, run: () => void) => void
  readonly onMutation?: (mutation: Mutation) => void
}

// =============================================================================
// Chance
// =============================================================================

type Random = () => number

/** A generator that is seeded with a text: FNV-1a, then mulberry32. */
const randomOf = (text: string): Random => {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const pick = <A>(random: Random, all: ReadonlyArray<A>): A | undefined => all[Math.floor(random() * all.length)]

const between = (random: Random, low: number, high: number): number => Math.floor(low + random() * (high - low))

/** Cuts bytes anywhere, even within a character. */
export const pieces = (bytes: Uint8Array, seed: number): ReadonlyArray<Uint8Array> => {
  const random = randomOf(`${seed} ${bytes.length}`)
  const cut: Array<Uint8Array> = []
  for (let start = 0; start < bytes.length;) {
    const end = start + between(random, 1, Math.max(2, bytes.length / 3))
    cut.push(bytes.subarray(start, end))
    start = end
  }
  return cut
}

// =============================================================================
// Frames
// =============================================================================

type Json = { [key: string]: unknown }

const isObject = (u: unknown): u is Json => typeof u === "object" && u !== null && !Array.isArray(u)

export const parse = (text: string): Json | undefined => {
  try {
    const message: unknown = JSON.parse(text)
    return isObject(message) ? message : undefined
  } catch {
    return undefined
  }
}

const stringOf = (u: unknown, key: string): string | undefined => {
  const value = isObject(u) ? u[key] : undefined
  return typeof value === "string" ? value : undefined
}

interface Frame {
  readonly text: string
  readonly message: Json
  readonly kind: "request" | "reply" | "notification"
  /** Its method, or the method of the request that a reply answers. */
  readonly method: string
  readonly root: "params" | "result" | "error"
}

/** A key of an object in a frame. */
interface Slot {
  readonly path: string
  readonly object: Json
  readonly key: string
}

/** The values of these keys come from a user, a model or a tool, and are no part of the protocol. */
const foreign: ReadonlySet<string> = new Set([
  "_meta",
  "answers",
  "arguments",
  "config",
  "env",
  "fileChanges",
  "inputSchema",
  "layers",
  "origins",
  "outputSchema",
  "readStates",
  "requestedSchema",
  "structuredContent"
])

/** The values of these keys are enums of the protocol. */
const enums: ReadonlySet<string> = new Set([
  "approvalPolicy",
  "approvalsReviewer",
  "authMode",
  "codexErrorInfo",
  "historyMode",
  "itemsView",
  "kind",
  "mode",
  "multiAgentMode",
  "phase",
  "planType",
  "platformFamily",
  "platformOs",
  "reasoningEffort",
  "source",
  "status",
  "type"
])

function* objectsIn(u: unknown, path: string): Generator<{ readonly path: string; readonly object: Json }> {
  if (Array.isArray(u)) {
    for (const [index, element] of u.entries()) yield* objectsIn(element, `${path}.${index}`)
    return
  }
  if (!isObject(u)) return
  yield { path, object: u }
  for (const [key, value] of Object.entries(u)) {
    if (!foreign.has(key)) yield* objectsIn(value, `${path}.${key}`)
  }
}

function* slotsIn(frame: Frame): Generator<Slot> {
  for (const { object, path } of objectsIn(frame.message[frame.root], frame.root)) {
    for (const key of Object.keys(object)) yield { path: `${path}.${key}`, object, key }
  }
}

// codex encodes a variant with fields as an object with one key, and would never add another key to it.
const isVariant = (object: Json): boolean => {
  const values = Object.values(object)
  return values.length === 1 && isObject(values[0])
}

const retyped = (u: unknown): unknown => {
  if (typeof u === "string") return 7
  if (typeof u === "number") return "7"
  if (typeof u === "boolean") return "yes"
  if (Array.isArray(u)) return { items: u }
  return isObject(u) ? "an object" : { value: u }
}

const typeOf = (u: unknown): string => u === null ? "null" : Array.isArray(u) ? "array" : typeof u

const word = "notYetKnown"

const noises: ReadonlyArray<string> = [
  "null",
  "[]",
  "{}",
  "0",
  "\"text\"",
  "not JSON at all",
  "{\"id\":",
  "{\"method\":7}",
  "{\"id\":{},\"method\":\"x\"}",
  "[1,2",
  "\u0000\u0001",
  "2026-01-01T00:00:00Z WARN something: a line of a log",
  "{\"jsonrpc\":\"2.0\"}",
  "{\"id\":987654321,\"result\":{}}"
]

// =============================================================================
// Mutations
// =============================================================================

/** What the client gets in place of a frame. */
interface Outcome {
  readonly before?: ReadonlyArray<string>
  /** Undefined: the frame does not come now. */
  readonly now: string | undefined
  readonly after?: ReadonlyArray<string>
  /** Comes after this time, without holding back other frames. */
  readonly later?: { readonly text: string; readonly millis: number }
  /** Comes after the next frame. */
  readonly held?: string
  readonly odd?: boolean
  readonly path?: string
  readonly change: string
}

interface Ids {
  readonly next: () => string
}

type Mutate = (frame: Frame, random: Random, ids: Ids) => Outcome | undefined

const isNotification = ({ kind }: Frame): boolean => kind === "notification"

// A delta has no identity: a client cannot tell a duplicate from a second delta with the same text.
const isDelta = ({ method }: Frame): boolean => /delta/i.test(method)

/** The frame after `change` has mutated the slot. `change` returns its description. */
const changed = (frame: Frame, slot: Slot | undefined, change: (slot: Slot) => string): Outcome | undefined => {
  if (slot === undefined) return undefined
  const text = change(slot)
  return { now: JSON.stringify(frame.message), path: slot.path, change: text }
}

const ofTurn = (frame: Frame): { readonly threadId: string; readonly turnId: string } | undefined => {
  const { params } = frame.message
  const threadId = stringOf(params, "threadId")
  const turnId = stringOf(params, "turnId")
  return isNotification(frame) && threadId !== undefined && turnId !== undefined ? { threadId, turnId } : undefined
}

const mutates: { readonly [K in Kind]: Mutate } = {
  unknownField: (frame, random) => {
    const objects = [...objectsIn(frame.message[frame.root], frame.root)].filter(({ object, path }) =>
      path === frame.root || !isVariant(object)
    )
    const found = pick(random, objects)
    if (found === undefined) return undefined
    found.object[word] = pick(random, [null, 1, "text", [], { deep: [{ a: 1 }] }])
    return { now: JSON.stringify(frame.message), path: `${found.path}.${word}`, change: "was added" }
  },
  unknownNotification: (frame, random) => {
    const ids = ofTurn(frame)
    const params = pick(random, [{}, null, [], { ...ids }, { ...ids, item: { type: word, id: word } }])
    const text = JSON.stringify({ method: `thread/${word}`, params })
    return { before: [text], now: frame.text, change: `thread/${word} came before it` }
  },
  unknownItem: (frame, random) => {
    const ids = ofTurn(frame)
    // Before another frame the item could come after the end of its turn.
    if (ids === undefined || !frame.method.startsWith("item/")) return undefined
    const item = { type: word, id: `${word}-${between(random, 0, 1e6)}`, text: "not the answer", status: "inProgress" }
    const started = JSON.stringify({ method: "item/started", params: { ...ids, item, startedAtMs: 1 } })
    const completed = JSON.stringify({
      method: "item/completed",
      params: { ...ids, item: { ...item, status: "completed" }, completedAtMs: 2 }
    })
    return { before: [started, completed], now: frame.text, change: "an item of an unknown type came before it" }
  },
  unknownRequest: (frame, _random, ids) => {
    const text = JSON.stringify({ id: ids.next(), method: `thread/${word}/request`, params: { ...ofTurn(frame) } })
    return { before: [text], now: frame.text, change: `thread/${word}/request was asked before it` }
  },
  duplicate: (frame) =>
    frame.kind === "reply" || isDelta(frame)
      ? undefined
      : { now: frame.text, after: [frame.text], change: "came twice" },
  noise: (frame, random) => {
    const noise = pick(random, noises) ?? ""
    return { before: [noise], now: frame.text, change: `${JSON.stringify(noise)} came before it` }
  },
  blankLine: (frame, random) => ({
    before: [pick(random, ["", " ", "\t", "\r"]) ?? ""],
    now: frame.text,
    change: "a blank line came before it"
  }),
  chunks: (frame) => ({ now: frame.text, odd: true, change: "came in odd pieces" }),
  slowReply: (frame, random) => {
    if (frame.kind !== "reply") return undefined
    const millis = between(random, 50, 400)
    return { now: undefined, later: { text: frame.text, millis }, change: `came ${millis} ms late` }
  },
  unknownMethod: (frame) => {
    if (!isNotification(frame)) return undefined
    const method = `${frame.method}/${word}`
    return { now: JSON.stringify({ ...frame.message, method }), change: `was called ${method}` }
  },
  enumValue: (frame, random) =>
    changed(
      frame,
      pick(random, [...slotsIn(frame)].filter(({ key, object }) => enums.has(key) && typeof object[key] === "string")),
      ({ key, object }) => {
        const before = object[key]
        object[key] = word
        return `${JSON.stringify(before)} became ${JSON.stringify(word)}`
      }
    ),
  dropKey: (frame, random) =>
    changed(frame, pick(random, [...slotsIn(frame)]), ({ key, object }) => {
      delete object[key]
      return "was dropped"
    }),
  nullKey: (frame, random) =>
    changed(frame, pick(random, [...slotsIn(frame)].filter(({ key, object }) => object[key] !== null)), (slot) => {
      slot.object[slot.key] = null
      return "became null"
    }),
  retypeKey: (frame, random) =>
    changed(frame, pick(random, [...slotsIn(frame)]), ({ key, object }) => {
      const before = typeOf(object[key])
      object[key] = retyped(object[key])
      return `${before} became ${typeOf(object[key])}`
    }),
  late: (frame, random) => {
    if (!isNotification(frame)) return undefined
    const millis = between(random, 50, 800)
    return { now: undefined, later: { text: frame.text, millis }, change: `came ${millis} ms late` }
  },
  lateDuplicate: (frame, random) => {
    if (frame.kind === "reply" || isDelta(frame)) return undefined
    const millis = between(random, 50, 800)
    return { now: frame.text, later: { text: frame.text, millis }, change: `came again ${millis} ms later` }
  },
  reorder: (frame) =>
    isNotification(frame) ? { now: undefined, held: frame.text, change: "came after the next one" } : undefined
}

// In milliseconds. If no next frame comes within this time, a held frame comes without it.
const longestHold = 200

const nothing = { before: [], after: [] }

export class Mutator {
  readonly made: Array<Mutation> = []
  private readonly settings: Options
  private readonly host: Host
  private readonly asked = new Map<unknown, string>()
  private readonly counts = new Map<string, number>()
  private readonly ours = new Set<string>()
  private held: Array<string> = []

  constructor(settings: Options, host: Host) {
    this.settings = settings
    this.host = host
  }

  /** Whether to pass a frame on to the server, which must not get answers to the requests that we invented. */
  fromClient(text: string): boolean {
    const { id, method } = parse(text) ?? {}
    if (typeof method === "string") {
      if (id !== undefined) this.asked.set(id, method)
      return true
    }
    return typeof id !== "string" || !this.ours.delete(id)
  }

  fromServer(texts: ReadonlyArray<string>): void {
    let ready: Array<string> = []
    for (const text of texts) {
      const outcome = this.outcomeOf(text)
      const { after, before } = { ...nothing, ...outcome }
      if (outcome.odd === true && outcome.now !== undefined) {
        if (ready.length > 0) this.host.deliver(ready, false)
        ready = []
        this.host.deliver([outcome.now], true)
        ready.push(...this.takeHeld())
      } else {
        ready.push(...before)
        if (outcome.now !== undefined) ready.push(outcome.now, ...after, ...this.takeHeld())
      }
      const { held, later } = outcome
      if (later !== undefined) this.host.later(later.millis, () => this.host.deliver([later.text], false))
      if (held !== undefined) {
        this.held.push(held)
        this.host.later(longestHold, () => this.release())
      }
    }
    if (ready.length > 0) this.host.deliver(ready, false)
  }

  /** Delivers the frames that are still waiting for a next one. */
  release(): void {
    const held = this.takeHeld()
    if (held.length > 0) this.host.deliver(held, false)
  }

  private takeHeld(): ReadonlyArray<string> {
    const { held } = this
    this.held = []
    return held
  }

  private frameOf(text: string): Frame | undefined {
    const message = parse(text)
    if (message === undefined) return undefined
    const { id, method } = message
    if (typeof method === "string") {
      const kind = id === undefined || id === null ? "notification" : "request"
      return { text, message, kind, method, root: "params" }
    }
    const asked = this.asked.get(id)
    this.asked.delete(id)
    return asked === undefined
      ? undefined
      : { text, message, kind: "reply", method: asked, root: "error" in message ? "error" : "result" }
  }

  private outcomeOf(text: string): Outcome {
    const as = { now: text, change: "" }
    const frame = this.frameOf(text)
    if (frame === undefined) return as
    const { kinds = [...harmless, ...harmful], limit = Infinity, methods, rate = 0.1, seed } = this.settings
    const name = frame.kind === "reply" ? `reply to ${frame.method}` : `${frame.kind} ${frame.method}`
    const index = this.counts.get(name) ?? 0
    this.counts.set(name, index + 1)
    if (methods !== undefined && !methods.includes(frame.method)) return as
    const random = randomOf(`${seed} ${name} ${index}`)
    if (random() >= rate || this.made.length >= limit) return as
    const left = [...kinds]
    while (left.length > 0) {
      const [kind] = left.splice(Math.floor(random() * left.length), 1)
      const outcome = kind === undefined ? undefined : mutates[kind](frame, random, { next: () => this.nextId() })
      if (kind === undefined || outcome === undefined) continue
      const mutation: Mutation = { kind, frame: name, index, path: outcome.path, change: outcome.change }
      this.made.push(mutation)
      this.host.onMutation?.(mutation)
      return outcome
    }
    return as
  }

  private nextId(): string {
    const id = `${word}-${this.made.length}`
    this.ours.add(id)
    return id
  }
}
