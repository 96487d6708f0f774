/**
 * Streams the answer of a turn: the text of the agent's messages without commentary, and its plan in plan mode. Each
 * message ends with exactly one newline, however many the model wrote. If the model's stream breaks within a message
 * and the model repeats it, text that is already written is not written again, as long as the new message starts with
 * the same words.
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import * as Predicate from "effect/Predicate"
import { isAnswer } from "./itemLines.ts"

const membersOf = (u: unknown): { readonly [key: string]: unknown } => Predicate.isReadonlyObject(u) ? u : {}

/** The message of an event, or a plan, even if the rest of the event does not match the protocol. */
const messageOf = (event: TurnEvent) => {
  const method = event._tag === "Undecodable" ? event.method : event._tag
  if (method !== "item/started" && method !== "item/completed") return undefined
  const item = membersOf(membersOf("params" in event ? event.params : undefined)["item"])
  const { id, phase, text, type } = item["type"] === "undecodable" ? membersOf(item["raw"]) : item
  return (type === "agentMessage" || type === "plan") && Predicate.isString(id) && Predicate.isString(text)
    ? {
      id,
      text,
      phase: Predicate.isString(phase) ? phase : null,
      isPlan: type === "plan",
      isCompleted: method === "item/completed"
    }
    : undefined
}

export class Answer {
  private asides = new Set<string>()
  private completed = new Map<string, string>()
  private current: string | undefined
  /** The text received of the current message. */
  private received = ""
  /** The text received of a repeated message, while it is a prefix of `received`. */
  private again: string | undefined
  private plan = ""
  private midLine = false
  private newlines = ""

  /** Returns the text to write for this event. */
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
        // A complete message stays, and another one follows it.
        if (event.params.willRetry && (this.midLine || this.again !== undefined)) this.again = ""
        return ""
      default:
        return this.message(event)
    }
  }

  private message(event: TurnEvent): string {
    const message = messageOf(event)
    if (message === undefined) return ""
    const { id, isCompleted, isPlan, text } = message
    // It stands within a message, which is told again when it is complete.
    if (isPlan) {
      if (isCompleted) this.plan = text
      return ""
    }
    if (!isAnswer(message)) this.asides.add(id)
    if (!isCompleted || this.asides.has(id) || this.completed.get(id) === text) return ""
    this.completed.set(id, text)
    if (this.again !== undefined) return this.replace(id, text) + this.endLine()
    // A provider without streaming sends the whole text here.
    const rest = this.current === id ? text.slice(this.received.length) : text
    return this.write(id, rest) + this.endLine()
  }

  /** Returns the text that ends the answer, even if its last message was never completed. A plan comes last. */
  end(): string {
    const plan = this.plan.trim()
    this.plan = ""
    return this.endLine() + (plan === "" ? "" : `${plan}\n`)
  }

  private endLine(): string {
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
    // A new message follows one that was cut off when its stream broke.
    const before = this.current === itemId ? "" : this.endLine()
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
