/**
 * What of a turn is the answer, as it is written: the text of the agent's messages without its commentary. Each message
 * ends with exactly one newline, however many the model wrote. When the model's stream breaks in the middle of a message and
 * the model writes it again, what is written already is not written twice, as far as the new message has the same words.
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import * as Predicate from "effect/Predicate"
import { isAnswer } from "./progress.ts"

const membersOf = (u: unknown): { readonly [key: string]: unknown } => Predicate.isReadonlyObject(u) ? u : {}

/** The message that an event is about, whether or not the rest of it fits the protocol. */
const messageOf = (event: TurnEvent) => {
  const method = event._tag === "Undecodable" ? event.method : event._tag
  if (method !== "item/started" && method !== "item/completed") return undefined
  const item = membersOf(membersOf("params" in event ? event.params : undefined)["item"])
  const { id, phase, text, type } = item["type"] === "undecodable" ? membersOf(item["raw"]) : item
  return type === "agentMessage" && Predicate.isString(id) && Predicate.isString(text)
    ? { id, text, phase: Predicate.isString(phase) ? phase : null, isCompleted: method === "item/completed" }
    : undefined
}

export class Answer {
  private asides = new Set<string>()
  private completed = new Map<string, string>()
  private current: string | undefined
  /** What has come of the current message. */
  private received = ""
  /** What has come of the message that is written again, while that is no more than what came before. */
  private again: string | undefined
  private midLine = false
  private newlines = ""

  /** What to write because of this event. */
  push(event: TurnEvent): string {
    switch (event._tag) {
      case "item/agentMessage/delta": {
        const { delta, itemId } = event.params
        if (this.asides.has(itemId)) return ""
        if (this.again === undefined) return this.write(itemId, delta)
        if (!this.received.startsWith(delta, this.again.length)) return this.replace(itemId, this.again + delta)
        this.again += delta
        return ""
      }
      case "error":
        // A message that was whole stays, and another follows it.
        if (event.params.willRetry && (this.midLine || this.again !== undefined)) this.again = ""
        return ""
      default:
        return this.message(event)
    }
  }

  private message(event: TurnEvent): string {
    const message = messageOf(event)
    if (message === undefined) return ""
    const { id, isCompleted, text } = message
    if (!isAnswer(message)) this.asides.add(id)
    if (!isCompleted || this.asides.has(id) || this.completed.get(id) === text) return ""
    this.completed.set(id, text)
    if (this.again !== undefined) return this.replace(id, text) + this.end()
    // A provider that does not stream sends the whole text here.
    const rest = this.current === id ? text.slice(this.received.length) : text
    return this.write(id, rest) + this.end()
  }

  /** What to write when nothing follows, also for a message that was never completed. */
  end(): string {
    const end = this.midLine ? "\n" : ""
    this.midLine = false
    this.newlines = ""
    return end
  }

  private replace(itemId: string, text: string): string {
    this.again = undefined
    if (!text.startsWith(this.received)) return this.write(itemId, text)
    this.current = itemId
    return this.write(itemId, text.slice(this.received.length))
  }

  private write(itemId: string, text: string): string {
    // A message that was cut off, because its stream broke, is followed by another one.
    const before = this.current === itemId ? "" : this.end()
    if (this.current !== itemId) {
      this.current = itemId
      this.received = ""
    }
    this.received += text
    const held = this.newlines + text
    const written = held.replace(/[\r\n]+$/, "")
    this.newlines = held.slice(written.length)
    if (written !== "") this.midLine = true
    return before + written
  }
}
