/** The events of a cassette, with times that count from the beginning of the recording. */
import type { Raw, ServerNotification } from "@effect-codex/client/ServerNotification"
import type { TimedEvent } from "@effect-codex/client/ThreadView"
import type * as Schema from "effect/Schema"
import type { Message } from "./cassetteScript.ts"
import { field, isArray, isObject } from "./json.ts"
import { epoch, isTimeKey } from "./normalizer.ts"

/** When something began and ended. A reply tells it long after. */
const began: ReadonlySet<string> = new Set(["startedAt", "startedAtMs", "completedAt", "completedAtMs"])

/**
 * Replaces the times of the year 2000 that a recording has by the time of the frame. How long a turn or an item took,
 * which a recording has as 0, is not known. Only a sleep must have it.
 */
const timed = (value: Schema.Json, at: number, isReply: boolean): Schema.Json => {
  if (isArray(value)) return value.map((element) => timed(element, at, isReply))
  if (!isObject(value)) return value
  const timeOf = (key: string, member: Schema.Json): Schema.Json => {
    if (key === "durationMs") return member === 0 && value["type"] !== "sleep" ? null : member
    if (!isTimeKey(key) || member !== epoch * 1000 && member !== epoch) return timed(member, at, isReply)
    if (isReply && began.has(key)) return null
    return member === epoch ? at / 1000 : at
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, timeOf(key, member)]))
}

const idOf = (frame: Schema.Json): string | number | undefined => {
  const id = field(frame, "id")
  return typeof id === "string" || typeof id === "number" ? id : undefined
}

type Decode = (raw: Raw) => ServerNotification

/** The thread that a reply tells of, if it is one. */
const threadIn = (frame: Schema.Json): Schema.Json | undefined => {
  const thread = field(field(frame, "result"), "thread")
  return thread !== undefined && field(thread, "id") !== undefined ? thread : undefined
}

/** What a reply tells of a thread: that of a start or a resume has the model beside it. */
const storedThread = (frame: Schema.Json, decode: Decode): TimedEvent["event"] | undefined => {
  const thread = threadIn(frame)
  if (!isObject(thread)) return undefined
  const result = field(frame, "result")
  const whole = { ...thread, model: field(result, "model") ?? thread["model"] ?? null }
  const notification = decode({ _tag: "thread/started", params: { thread: whole } })
  return notification._tag === "thread/started"
    ? { _tag: "StoredThread", thread: notification.params.thread }
    : notification
}

const eventOf = ({ direction, frame }: Message, decode: Decode): TimedEvent["event"] | undefined => {
  const method = field(frame, "method")
  const params = field(frame, "params")
  const id = idOf(frame)
  if (direction === "received") {
    if (typeof method !== "string") return storedThread(frame, decode)
    return id === undefined ? decode({ _tag: method, params }) : { _tag: "ServerRequest", id, method, params }
  }
  if (method !== undefined || id === undefined) return undefined
  const error = field(frame, "error")
  const answer = error === undefined ? { result: field(frame, "result") } : { error }
  return { _tag: "ServerRequestAnswer", id, answer }
}

export const eventsOf = (messages: ReadonlyArray<Message>, decode: Decode): ReadonlyArray<TimedEvent> =>
  messages.flatMap((message) => {
    const { at, frame } = message
    const isReply = field(frame, "method") === undefined
    const event = eventOf(at === undefined ? message : { ...message, frame: timed(frame, at, isReply) }, decode)
    return event === undefined ? [] : [{ event, at }]
  })

export const threadIdsOf = (messages: ReadonlyArray<Message>): ReadonlyArray<string> => [
  ...new Set(
    messages.flatMap(({ direction, frame }) => {
      const thread = direction === "received" ? threadIn(frame) : undefined
      const id = thread === undefined || typeof field(thread, "parentThreadId") === "string"
        ? undefined
        : field(thread, "id")
      return typeof id === "string" ? [id] : []
    })
  )
]
