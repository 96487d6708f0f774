/**
 * What the agent says in a turn, folded from its events: the pieces of its messages, and the pieces joined to
 * one text. Reasoning is folded the same way.
 *
 * docs/codex-behaviour.md, "A message that breaks off is never completed" and "A message that was whole stays
 * when the stream breaks after it".
 */
import * as Predicate from "effect/Predicate"
import type { TurnEvent } from "../../ServerNotification.ts"
import type { MessagePiece } from "../../Turn.ts"
import { itemOf } from "../protocol/items.ts"
import type { Members } from "../protocol/peek.ts"

/** Separates two messages, and two parts of reasoning. */
const between = "\n\n"

interface Open {
  readonly itemId: string
  readonly phase: MessagePiece["phase"]
  text: string
}

/** A message that is being written. */
interface Begun extends Open {
  /** The part of the initial text that no delta has repeated yet. */
  unrepeated: string
}

/** What an event says of a message, or of anything else that the model writes. */
type Said = Open & { readonly _tag: "Begun" | "More" | "Whole" }

const phaseOf = (item: Members): MessagePiece["phase"] => Predicate.isString(item["phase"]) ? item["phase"] : null

const saidOf = (
  event: TurnEvent,
  type: string,
  textOf: (item: Members) => string | undefined
): Said | undefined => {
  const item = itemOf(event)
  if (item === undefined || item.raw["type"] !== type || !Predicate.isString(item.raw["id"])) return undefined
  const text = textOf(item.raw)
  const said = { itemId: item.raw["id"], phase: phaseOf(item.raw), text: text ?? "" }
  if (!item.isCompleted) return { _tag: "Begun", ...said }
  return text === undefined ? undefined : { _tag: "Whole", ...said }
}

const string = (u: unknown): string | undefined => Predicate.isString(u) ? u : undefined

export const messageOf = (event: TurnEvent): Said | undefined =>
  event._tag === "item/agentMessage/delta"
    ? { _tag: "More", itemId: event.params.itemId, phase: null, text: event.params.delta }
    : saidOf(event, "agentMessage", ({ text }) => string(text))

/** A plan that the agent proposes in plan mode. */
export const planOf = (event: TurnEvent): Said | undefined =>
  event._tag === "item/plan/delta"
    ? { _tag: "More", itemId: event.params.itemId, phase: null, text: event.params.delta }
    : saidOf(event, "plan", ({ text }) => string(text))

export const reasoningOf = (event: TurnEvent): Said | undefined => {
  switch (event._tag) {
    case "item/reasoning/summaryTextDelta":
      return { _tag: "More", itemId: event.params.itemId, phase: null, text: event.params.delta }
    case "item/reasoning/summaryPartAdded": {
      const { itemId, summaryIndex } = event.params
      return summaryIndex > 0 ? { _tag: "More", itemId, phase: null, text: between } : undefined
    }
    default:
      return saidOf(
        event,
        "reasoning",
        ({ summary }) => Array.isArray(summary) ? summary.filter(Predicate.isString).join(between) : undefined
      )
  }
}

/** docs/codex-behaviour.md, "Steering ends the model's answer at once". */
const isSteered = (event: TurnEvent): boolean => {
  const item = itemOf(event)
  return item !== undefined && !item.isCompleted && item.raw["type"] === "userMessage"
}

/** The pieces of the text, for one reader. */
export class Pieces {
  /** Messages that are being written. One may begin before another has ended. */
  private readonly begun = new Map<string, Begun>()
  private readonly completed = new Map<string, string>()
  private readonly saidBy: (event: TurnEvent) => Said | undefined

  constructor(saidBy: (event: TurnEvent) => Said | undefined) {
    this.saidBy = saidBy
  }

  step(event: TurnEvent): ReadonlyArray<MessagePiece> {
    if (event._tag === "error") return event.params.willRetry ? this.abandon() : []
    if (isSteered(event)) return this.abandon()
    const said = this.saidBy(event)
    if (said === undefined) return []
    const { itemId, phase, text } = said
    switch (said._tag) {
      case "Begun": {
        if (this.begun.has(itemId)) return []
        const message = this.begin(itemId, phase)
        const pieces = this.add(message, text)
        message.unrepeated = text
        return pieces
      }
      // A client that steers a turn may join in the middle of a message.
      case "More":
        return this.add(this.begun.get(itemId) ?? this.begin(itemId, null), text)
      case "Whole": {
        const again = this.begun.delete(itemId) ? this.again(itemId, text) : []
        if (this.completed.get(itemId) === text) return []
        this.completed.set(itemId, text)
        return [...again, { _tag: "Completed", itemId, phase, text }]
      }
    }
  }

  private abandon(): ReadonlyArray<MessagePiece> {
    const abandoned = [...this.begun.values()]
    this.begun.clear()
    return abandoned.map(({ itemId, phase, text }) => ({ _tag: "Abandoned", itemId, phase, text }))
  }

  private begin(itemId: string, phase: MessagePiece["phase"]): Begun {
    const message = { itemId, phase, text: "", unrepeated: "" }
    this.begun.set(itemId, message)
    return message
  }

  private add(message: Begun, said: string): ReadonlyArray<MessagePiece> {
    const text = message.unrepeated === "" ? said : unrepeated(message, said)
    if (text === "") return []
    const { itemId, phase } = message
    const again = this.again(itemId)
    message.text += text
    const piece = { _tag: "Delta", itemId, phase, text } as const
    return again.length === 0 ? [piece] : [...again, piece]
  }

  /** For a provider that reuses one id for all of its messages. */
  private again(itemId: string, other?: string): ReadonlyArray<MessagePiece> {
    const text = this.completed.get(itemId)
    if (text === undefined || text === other) return []
    this.completed.delete(itemId)
    return [{ _tag: "Abandoned", itemId, phase: null, text }]
  }
}

/**
 * The new part of a delta. docs/codex-behaviour.md, "A message that begins with its text has it repeated by its
 * deltas". Another server may continue after the initial text.
 */
const unrepeated = (message: Begun, said: string): string => {
  const left = message.unrepeated
  if (left.startsWith(said)) {
    message.unrepeated = left.slice(said.length)
    return ""
  }
  message.unrepeated = ""
  return said.startsWith(left) ? said.slice(left.length) : said
}

/**
 * The pieces as one text, for one reader. Emitted text cannot be taken back, so a message that begins while
 * another is being written waits until that one ends.
 */
export class Text {
  /** The message that is being emitted. */
  private speaker: string | undefined
  /** Pieces by message, in the order in which the messages began. */
  private readonly waiting = new Map<string, Array<MessagePiece>>()
  private itemId: string | undefined
  /** What was emitted of the last message. */
  private told = ""
  /** The text of the replacement message while it only repeats what was emitted. */
  private again: string | undefined
  private readonly completed = new Set<string>()

  step(piece: MessagePiece): string {
    if (this.speaker !== undefined && this.speaker !== piece.itemId) {
      const pieces = this.waiting.get(piece.itemId)
      if (pieces === undefined) this.waiting.set(piece.itemId, [piece])
      else pieces.push(piece)
      return ""
    }
    const text = this.tell(piece)
    return this.waiting.size === 0 ? text : text + this.tellWaiting()
  }

  /** The rest when nothing follows, including messages that were never completed. */
  end(): string {
    this.speaker = undefined
    return this.tellWaiting(true)
  }

  private tellWaiting(isEnd = false): string {
    let text = ""
    for (const [itemId, pieces] of this.waiting) {
      if (this.speaker !== undefined && !isEnd) break
      this.waiting.delete(itemId)
      for (const piece of pieces) text += this.tell(piece)
    }
    return text
  }

  private tell(piece: MessagePiece): string {
    const { itemId, text } = piece
    this.speaker = piece._tag === "Delta" ? itemId : undefined
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

/**
 * The pieces of a plan, for one reader. Abandons what was written of a plan that is another one when it completes.
 * docs/codex-behaviour.md, "Two plans in one answer are one item, which completes as the second".
 */
export class PlanPieces {
  private written = ""

  step(piece: MessagePiece): ReadonlyArray<MessagePiece> {
    const { text } = piece
    if (piece._tag === "Delta") {
      this.written += text
      return [piece]
    }
    const written = this.written
    this.written = ""
    return piece._tag === "Completed" && !text.startsWith(written)
      ? [{ ...piece, _tag: "Abandoned", text: written }, piece]
      : [piece]
  }
}
