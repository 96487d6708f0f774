/** Reads a cassette, and plays it: which message is expected next, and which ones the server then sends. */
import { AppServerExited, type ConnectionError, TransportError } from "@effect-codex/client/CodexError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { field, isArray, isObject } from "./json.ts"
import * as JsonDiff from "./jsonDiff.ts"
import { redacted } from "./secrets.ts"

export const version = 1

/** The key under which a frame that is not JSON is kept. */
export const raw = "<not JSON>"

/** The key of an entry that is not a frame: how the server ended the connection. */
const ended = "<connection ended>"

export type Direction = "sent" | "received"

export interface Message {
  readonly direction: Direction
  /** In milliseconds since the recording began. Cassettes of older versions have no times. */
  readonly at?: number
  readonly frame: Schema.Json
}

interface Line extends Message {
  /** From 1. */
  readonly line: number
}

export interface Script {
  readonly codex: string | null
  readonly messages: ReadonlyArray<Line>
}

const decodeJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Json))
const decodeHeader = Schema.decodeUnknownResult(
  Schema.Struct({ cassette: Schema.Literal(version), codex: Schema.NullOr(Schema.String) })
)
const decodeEntry = Schema.decodeUnknownResult(
  Schema.Struct({
    direction: Schema.Literals(["sent", "received"]),
    at: Schema.optionalKey(Schema.Finite),
    frame: Schema.Json
  })
)

export const decode = (text: string): Result.Result<Script, { readonly line: number; readonly detail: string }> =>
  Result.gen(function*() {
    const lines = text.split("\n")
    if (lines.at(-1) === "") lines.pop()
    const at = <A>(line: number, result: Result.Result<A, { readonly message: string }>) =>
      Result.mapError(result, ({ message }) => ({ line, detail: `${message.replace(/\s+/g, " ").slice(0, 500)}.` }))
    const { codex } = yield* at(1, Result.flatMap(decodeJson(lines[0] ?? ""), decodeHeader))
    const messages: Array<Line> = []
    for (const [i, text] of lines.entries()) {
      if (i === 0) continue
      const line = i + 1
      messages.push({ line, ...yield* at(line, Result.flatMap(decodeJson(text), decodeEntry)) })
    }
    return { codex, messages }
  })

/** The text of a recorded frame. */
export const frameOf = (message: Schema.Json): string => {
  const text = field(message, raw)
  return typeof text === "string" ? text : JSON.stringify(message)
}

/** The entry for the end of a connection. The server's stderr is not kept. */
export const endOf = (cause: ConnectionError): Schema.Json => ({
  [ended]: cause._tag === "AppServerExited"
    ? { code: cause.code, signal: cause.signal }
    : { reason: cause.reason, detail: cause.detail }
})

/** The cause of the connection's end; undefined for an entry that is a message. */
export const causeOf = (message: Schema.Json): ConnectionError | undefined => {
  const end = field(message, ended)
  if (end === undefined) return undefined
  const { code, detail, signal } = isObject(end) ? end : {}
  return typeof detail === "string"
    ? new TransportError({ reason: field(end, "reason") === "frameTooLarge" ? "frameTooLarge" : "read", detail })
    : new AppServerExited({
      code: typeof code === "number" ? code : null,
      signal: typeof signal === "string" ? signal : null,
      stderr: []
    })
}

/** The server's version, from the handshake. */
export const codexVersion = (messages: ReadonlyArray<Schema.Json>): string | null => {
  for (const message of messages) {
    const userAgent = field(field(message, "result"), "userAgent")
    if (typeof userAgent === "string") return /\/(\d\S*)/.exec(userAgent)?.[1] ?? null
  }
  return null
}

// =============================================================================
// Playing
// =============================================================================

/** A message of the client, and what the server sent between it and the client's next message. */
interface Sent extends Line {
  readonly next: ReadonlyArray<Line>
}

export type Step =
  | { readonly _tag: "Matched"; readonly deliver: ReadonlyArray<Schema.Json> }
  | {
    readonly _tag: "Mismatch"
    readonly line: number
    readonly expected: Schema.Json | undefined
    readonly received: Schema.Json
  }

export interface Player {
  /** What the server sends before the client's first message. */
  readonly begin: () => ReadonlyArray<Schema.Json>
  /** Takes a message of the client: normalized, and as it was sent. */
  readonly send: (message: Schema.Json, live: Schema.Json) => Step
  /** The first message that the client has not sent yet. */
  readonly next: () => Line | undefined
}

const isRequest = (message: Schema.Json): boolean =>
  field(message, "method") !== undefined && field(message, "id") !== undefined

// A client may choose other ids for its requests. The id of an answer counts: it says which request is answered.
const comparable = (message: Schema.Json): Schema.Json => {
  if (!isRequest(message) || !isObject(message)) return message
  const { id: _, ...rest } = message
  return rest
}

const distance = (a: Schema.Json, b: Schema.Json): number =>
  JsonDiff.diff(comparable(a), comparable(b)).split("\n").filter((line) => !line.startsWith("  ")).length

// The cassette does not have the secret, so any text matches, even one that is not known to be a secret yet.
const isSameText = (recorded: string, sent: string): boolean => {
  if (!recorded.includes(redacted)) return recorded === sent
  const parts = recorded.split(redacted)
  let at = parts[0]!.length
  if (!sent.startsWith(parts[0]!)) return false
  for (const part of parts.slice(1, -1)) {
    at = sent.indexOf(part, at)
    if (at < 0) return false
    at += part.length
  }
  return sent.length - at >= parts.at(-1)!.length && sent.endsWith(parts.at(-1)!)
}

/** Whether the message is the recorded one. A `<redacted>` matches any text. */
const isSame = (recorded: Schema.Json, sent: Schema.Json | undefined): boolean => {
  if (typeof recorded === "string") return typeof sent === "string" && isSameText(recorded, sent)
  if (isArray(recorded)) {
    return isArray(sent) && recorded.length === sent.length && recorded.every((element, i) => isSame(element, sent[i]))
  }
  if (!isObject(recorded)) return recorded === sent
  return isObject(sent) && Object.keys(recorded).length === Object.keys(sent).length &&
    Object.entries(recorded).every(([key, member]) => isSame(member, field(sent, key)))
}

// Names are numbered in the order in which they occur, and that may differ in a lenient replay.
const numbered = /<(message|client-id|folder)-\d+>|\b(thread)-\d+\b/g

const unnumbered = (text: string): string => text.replace(numbered, "<$1$2>")

type Names = ReadonlyArray<readonly [recorded: string, now: string]>

/**
 * Matches leniently: everything recorded must be in the message, except for the numbers of names. Returns which names
 * correspond; undefined if the message does not match. A recorded null matches a missing key.
 */
const within = (recorded: Schema.Json, sent: Schema.Json | undefined): Names | undefined => {
  if (typeof recorded === "string") {
    if (typeof sent !== "string" || !isSameText(unnumbered(recorded), unnumbered(sent))) return undefined
    const now = sent.match(numbered) ?? []
    return (recorded.match(numbered) ?? []).map((name, i) => [name, now[i] ?? name] as const)
  }
  if (recorded === null) return sent === null || sent === undefined ? [] : undefined
  const members = isArray(recorded)
    ? isArray(sent) && sent.length === recorded.length
      ? recorded.map((element, i) => within(element, sent[i]))
      : undefined
    : isObject(recorded)
    ? isObject(sent) ? Object.entries(recorded).map(([key, member]) => within(member, field(sent, key))) : undefined
    : recorded === sent
    ? []
    : undefined
  return members?.every((names) => names !== undefined) === true ? members.flat() : undefined
}

export const player = (script: Script, matching: "strict" | "lenient"): Player => {
  const first: Array<Line> = []
  const sent: Array<Sent & { readonly next: Array<Line> }> = []
  for (const message of script.messages) {
    if (message.direction === "sent") sent.push({ ...message, next: [] })
    else (sent.at(-1)?.next ?? first).push(message)
  }
  return matching === "strict" ? strict(first, sent) : lenient(first, sent)
}

const withIds = () => {
  const live = new Map<Schema.Json, Schema.Json>()
  return {
    note: (recorded: Schema.Json, message: Schema.Json): void => {
      const id = field(recorded, "id")
      const now = field(message, "id")
      if (isRequest(recorded) && id !== undefined && now !== undefined) live.set(id, now)
    },
    /** Gives a reply the id that the client used for its request. */
    apply: ({ frame }: Line): Schema.Json => {
      const id = field(frame, "id")
      if (id === undefined || field(frame, "method") !== undefined || !isObject(frame)) return frame
      return { ...frame, id: live.get(id) ?? id }
    }
  }
}

const strict = (first: ReadonlyArray<Line>, sent: ReadonlyArray<Sent>): Player => {
  const ids = withIds()
  let position = 0
  return {
    begin: () => first.map(ids.apply),
    next: () => sent[position],
    send: (message, live) => {
      const expected = sent[position]
      if (expected === undefined) {
        const line = sent.at(-1)?.line ?? 1
        return { _tag: "Mismatch", line, expected: undefined, received: comparable(message) }
      }
      if (!isSame(comparable(expected.frame), comparable(message))) {
        return {
          _tag: "Mismatch",
          line: expected.line,
          expected: comparable(expected.frame),
          received: comparable(message)
        }
      }
      position++
      ids.note(expected.frame, live)
      return { _tag: "Matched", deliver: expected.next.map(ids.apply) }
    }
  }
}

const lenient = (first: ReadonlyArray<Line>, sent: ReadonlyArray<Sent>): Player => {
  const ids = withIds()
  const after = ownersOf(sent)
  const left = new Set(sent)
  const now = new Map<string, string>()
  const recorded = new Map<string, string>()

  const isConsistent = (names: Names): boolean =>
    names.every(([name, other]) => (now.get(name) ?? other) === other && (recorded.get(other) ?? name) === name)

  const rename = (value: Schema.Json): Schema.Json => {
    if (typeof value === "string") return value.replace(numbered, (name) => now.get(name) ?? name)
    if (isArray(value)) return value.map(rename)
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rename(member)]))
  }

  return {
    begin: () => first.map(ids.apply),
    next: () => sent.find((message) => left.has(message)),
    send: (message, live) => {
      const open = [...left]
      const found = open.flatMap((candidate) => {
        const names = within(comparable(candidate.frame), comparable(message))
        return names !== undefined && isConsistent(names) ? [{ candidate, names }] : []
      })
      // Among equal candidates, prefer one whose names already agree.
      const match = found.find(({ names }) => names.every(([name, other]) => name === other)) ?? found[0]
      if (match === undefined) {
        const [nearest] = open.filter(({ frame }) =>
          field(frame, "method") === field(message, "method") &&
          (isRequest(frame) || field(frame, "id") === field(message, "id"))
        ).sort((a, b) => distance(a.frame, message) - distance(b.frame, message))
        return {
          _tag: "Mismatch",
          line: (nearest ?? sent.at(-1))?.line ?? 1,
          expected: nearest && comparable(nearest.frame),
          received: comparable(message)
        }
      }
      for (const [name, other] of match.names) {
        now.set(name, other)
        recorded.set(other, name)
      }
      left.delete(match.candidate)
      ids.note(match.candidate.frame, live)
      return { _tag: "Matched", deliver: (after.get(match.candidate) ?? []).map((line) => rename(ids.apply(line))) }
    }
  }
}

/**
 * Assigns each message of the server to the client's message that caused it, so that independent messages may come in
 * another order. A reply belongs to its request, a message about a thread to the client's last message about that
 * thread, and any other message to the client's last message.
 */
const ownersOf = (sent: ReadonlyArray<Sent>): ReadonlyMap<Sent, ReadonlyArray<Line>> => {
  const owned = new Map<Sent, Array<Line>>(sent.map((message) => [message, []]))
  const requests = new Map<Schema.Json, Sent>()
  const asked = new Map<Schema.Json, Schema.Json>()
  const lastOfThread = new Map<Schema.Json, Sent>()
  for (const message of sent) {
    const id = field(message.frame, "id")
    const threadId = field(field(message.frame, "params"), "threadId") ??
      (id !== undefined && !isRequest(message.frame) ? asked.get(id) : undefined)
    if (threadId !== undefined) lastOfThread.set(threadId, message)
    if (id !== undefined && isRequest(message.frame)) requests.set(id, message)
    for (const line of message.next) {
      const { frame } = line
      const replied = field(frame, "method") === undefined ? requests.get(field(frame, "id") ?? null) : undefined
      const started = field(field(field(frame, "result"), "thread"), "id")
      if (replied !== undefined && started !== undefined) lastOfThread.set(started, replied)
      const params = field(frame, "params")
      const thread = field(params, "threadId") ?? field(field(params, "thread"), "id")
      if (isRequest(frame) && thread !== undefined) asked.set(field(frame, "id") ?? null, thread)
      const owner = replied ?? (thread === undefined ? undefined : lastOfThread.get(thread)) ?? message
      owned.get(owner)?.push(line)
    }
  }
  return owned
}
