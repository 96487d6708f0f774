/**
 * What of a turn is the answer, as it is written: the text of the agent's messages without its commentary. Each message
 * ends with exactly one newline, however many the model wrote.
 */
import type { TurnEvent } from "@effect-codex/client/ServerNotification"
import { isAnswer } from "./progress.ts"

export class Answer {
  private asides = new Set<string>()
  private current: string | undefined
  /** How much of the current message has come. */
  private received = 0
  private midLine = false
  private newlines = ""

  /** What to write because of this event. */
  push(event: TurnEvent): string {
    switch (event._tag) {
      case "item/started": {
        const { item } = event.params
        if (item.type !== "agentMessage") return ""
        if (!isAnswer(item)) this.asides.add(item.id)
        return ""
      }
      case "item/agentMessage/delta": {
        const { delta, itemId } = event.params
        return this.asides.has(itemId) ? "" : this.write(itemId, delta)
      }
      case "item/completed": {
        const { item } = event.params
        if (item.type !== "agentMessage" || this.asides.has(item.id) || !isAnswer(item)) return ""
        // A provider that does not stream sends the whole text here.
        const rest = this.current === item.id ? item.text.slice(this.received) : item.text
        return this.write(item.id, rest) + this.end()
      }
      default:
        return ""
    }
  }

  /** What to write when nothing follows, also for a message that was never completed. */
  end(): string {
    const end = this.midLine ? "\n" : ""
    this.midLine = false
    this.newlines = ""
    return end
  }

  private write(itemId: string, text: string): string {
    // A message that was cut off, because its stream broke, is followed by another one.
    const before = this.current === itemId ? "" : this.end()
    if (this.current !== itemId) {
      this.current = itemId
      this.received = 0
    }
    this.received += text.length
    const held = this.newlines + text
    const written = held.replace(/[\r\n]+$/, "")
    this.newlines = held.slice(written.length)
    if (written !== "") this.midLine = true
    return before + written
  }
}
