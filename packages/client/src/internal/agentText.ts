/**
 * What the agent says in a turn, folded from its events: the pieces of its messages, and these as one text. Its reasoning
 * goes the same way.
 *
 * When the model's stream breaks in the middle of a message, codex never completes that message and lets the model write
 * another. A message that was whole when the stream broke stays, and the model goes on after it (both measured).
 */
import type { TurnEvent } from "../ServerNotification.ts"
import type { MessagePiece } from "../Turn.ts"

/** What stands between two messages, and between two parts of reasoning. */
const between = "\n\n"

interface Open {
  readonly itemId: string
  readonly phase: MessagePiece["phase"]
  text: string
}

/** What an event says of a message, or of whatever else the model writes. */
type Said = Open & { readonly _tag: "Begun" | "More" | "Whole" }

export const messageOf = (event: TurnEvent): Said | undefined => {
  switch (event._tag) {
    case "item/agentMessage/delta":
      return { _tag: "More", itemId: event.params.itemId, phase: null, text: event.params.delta }
    case "item/started":
    case "item/completed": {
      const { item } = event.params
      if (item.type !== "agentMessage") return undefined
      const isWhole = event._tag === "item/completed"
      return { _tag: isWhole ? "Whole" : "Begun", itemId: item.id, phase: item.phase ?? null, text: item.text }
    }
    default:
      return undefined
  }
}

export const reasoningOf = (event: TurnEvent): Said | undefined => {
  switch (event._tag) {
    case "item/reasoning/summaryTextDelta":
      return { _tag: "More", itemId: event.params.itemId, phase: null, text: event.params.delta }
    case "item/reasoning/summaryPartAdded": {
      const { itemId, summaryIndex } = event.params
      return summaryIndex > 0 ? { _tag: "More", itemId, phase: null, text: between } : undefined
    }
    case "item/started":
    case "item/completed": {
      const { item } = event.params
      if (item.type !== "reasoning") return undefined
      const isWhole = event._tag === "item/completed"
      return { _tag: isWhole ? "Whole" : "Begun", itemId: item.id, phase: null, text: item.summary.join(between) }
    }
    default:
      return undefined
  }
}

/** The pieces of what is said, for one reader. */
export class Pieces {
  private open: Open | undefined
  private readonly completed = new Map<string, string>()
  private readonly saidBy: (event: TurnEvent) => Said | undefined

  constructor(saidBy: (event: TurnEvent) => Said | undefined) {
    this.saidBy = saidBy
  }

  step(event: TurnEvent): ReadonlyArray<MessagePiece> {
    if (event._tag === "error") return event.params.willRetry ? this.abandon() : []
    const said = this.saidBy(event)
    if (said === undefined) return []
    const { itemId, phase, text } = said
    switch (said._tag) {
      case "Begun":
        return this.begin(itemId, phase)
      case "More": {
        // Whoever steers a turn may come in the middle of a message.
        const before = this.open?.itemId === itemId ? [] : this.begin(itemId, null)
        const { open } = this
        if (text === "" || open === undefined) return before
        open.text += text
        const piece = { _tag: "Delta", itemId, phase: open.phase, text } as const
        return before.length === 0 ? [piece] : [...before, piece]
      }
      case "Whole":
        if (this.open?.itemId === itemId) this.open = undefined
        else if (this.completed.get(itemId) === text) return []
        this.completed.set(itemId, text)
        return [{ _tag: "Completed", itemId, phase, text }]
    }
  }

  private abandon(): ReadonlyArray<MessagePiece> {
    const { open } = this
    this.open = undefined
    return open === undefined ? [] : [{ _tag: "Abandoned", ...open }]
  }

  private begin(itemId: string, phase: MessagePiece["phase"]): ReadonlyArray<MessagePiece> {
    this.open = { itemId, phase, text: "" }
    const text = this.completed.get(itemId)
    if (text === undefined) return []
    // A provider that gives each of its messages the same id.
    this.completed.delete(itemId)
    return [{ _tag: "Abandoned", itemId, phase, text }]
  }
}

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
        if (!this.told.startsWith(text, this.again.length)) return this.replace(itemId, this.again + text)
        this.again += text
        return ""
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
