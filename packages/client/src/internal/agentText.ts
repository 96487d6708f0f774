/**
 * What the agent says in a turn, folded from its events: the pieces of its messages, and these as one text.
 *
 * When the model's stream breaks in the middle of a message, codex never completes that message and lets the model write
 * another. A message that was whole when the stream broke stays, and the model goes on after it (both measured).
 */
import type { TurnEvent } from "../ServerNotification.ts"
import type { MessagePiece } from "../Turn.ts"

interface Open {
  readonly itemId: string
  readonly phase: MessagePiece["phase"]
  text: string
}

/** The pieces of the messages, for one reader. */
export class Messages {
  private open: Open | undefined
  private readonly completed = new Map<string, string>()

  step(event: TurnEvent): ReadonlyArray<MessagePiece> {
    switch (event._tag) {
      case "item/started": {
        const { item } = event.params
        return item.type === "agentMessage" ? this.begin({ itemId: item.id, phase: item.phase ?? null, text: "" }) : []
      }
      case "item/agentMessage/delta": {
        const { delta, itemId } = event.params
        // Whoever steers a turn may come in the middle of a message.
        const before = this.open?.itemId === itemId ? [] : this.begin({ itemId, phase: null, text: "" })
        const { open } = this
        if (delta === "" || open === undefined) return before
        open.text += delta
        const piece = { _tag: "Delta", itemId, phase: open.phase, text: delta } as const
        return before.length === 0 ? [piece] : [...before, piece]
      }
      case "item/completed": {
        const { item } = event.params
        if (item.type !== "agentMessage") return []
        if (this.open?.itemId === item.id) this.open = undefined
        else if (this.completed.get(item.id) === item.text) return []
        this.completed.set(item.id, item.text)
        return [{ _tag: "Completed", itemId: item.id, phase: item.phase ?? null, text: item.text }]
      }
      case "error": {
        const { open } = this
        if (!event.params.willRetry || open === undefined) return []
        this.open = undefined
        return [{ _tag: "Abandoned", ...open }]
      }
      default:
        return []
    }
  }

  private begin(open: Open): ReadonlyArray<MessagePiece> {
    this.open = open
    const { itemId, phase } = open
    const text = this.completed.get(itemId)
    if (text === undefined) return []
    // A provider that gives each of its messages the same id.
    this.completed.delete(itemId)
    return [{ _tag: "Abandoned", itemId, phase, text }]
  }
}

const between = "\n\n"

/** The pieces as one text, for one reader. It cannot take back what it has told. */
export class Text {
  private itemId: string | undefined
  /** What was told of the last message. */
  private told = ""
  /** What the message that takes its place has said, as long as that is no more than what was told. */
  private again: string | undefined
  private readonly completed = new Set<string>()

  step(piece: MessagePiece): string {
    const { itemId, text } = piece
    switch (piece._tag) {
      case "Abandoned":
        if (this.again !== undefined || itemId === this.itemId) this.again = ""
        return ""
      case "Delta":
        if (this.again === undefined) return this.add(itemId, text)
        this.again += text
        return this.told.startsWith(this.again) ? "" : this.replace(itemId, this.again)
      case "Completed": {
        const isKnown = this.completed.has(itemId)
        this.completed.add(itemId)
        if (this.again !== undefined) return this.replace(itemId, text)
        if (itemId !== this.itemId) return isKnown ? "" : this.add(itemId, text)
        return text.startsWith(this.told) ? this.add(itemId, text.slice(this.told.length)) : ""
      }
    }
  }

  private add(itemId: string, text: string): string {
    if (text === "") return ""
    const isNew = itemId !== this.itemId
    const isFirst = this.itemId === undefined
    this.itemId = itemId
    this.told = isNew ? text : this.told + text
    return isNew && !isFirst ? between + text : text
  }

  private replace(itemId: string, text: string): string {
    const rest = text.startsWith(this.told) ? text.slice(this.told.length) : text === "" ? "" : between + text
    this.again = undefined
    this.itemId = itemId
    this.told = text
    return rest
  }
}
