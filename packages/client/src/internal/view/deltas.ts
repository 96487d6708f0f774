/** Writes what is streamed of an item into it. */
import type * as Received from "../../Received.ts"
import type { ServerNotification } from "../../ServerNotification.ts"

/** A piece of an item. */
export interface Delta {
  readonly turnId: string
  readonly itemId: string
  /** An item without its beginning, for a view that came too late for it. */
  readonly blank: (id: string) => Received.ThreadItem
  /** The same item if the piece does not belong to one of its type. */
  readonly write: (item: Received.ThreadItem, text: string) => Received.ThreadItem
  readonly text: string
}

type ItemOf<T extends Received.ThreadItem["type"]> = Extract<Received.ThreadItem, { readonly type: T }>

export const blankMessage = (id: string): ItemOf<"agentMessage"> => ({
  type: "agentMessage",
  id,
  text: "",
  moderation: null,
  phase: null,
  memoryCitation: null,
  delivery: null,
  questions: null
})

const blankReasoning = (id: string): ItemOf<"reasoning"> => ({ type: "reasoning", id, summary: [], content: [] })

export const blankCommand = (id: string): ItemOf<"commandExecution"> => ({
  type: "commandExecution",
  id,
  pluginId: null,
  scriptPath: null,
  command: "",
  cwd: "",
  processId: null,
  source: "agent",
  status: "inProgress",
  commandActions: [],
  aggregatedOutput: null,
  exitCode: null,
  durationMs: null
})

/** An index beyond the parts begins the next one: memory must not depend on what the server counts. */
const grown = (parts: ReadonlyArray<string>, index: number, text: string): ReadonlyArray<string> => {
  const place = index >= 0 && index < parts.length ? index : parts.length
  const copy = [...parts]
  copy[place] = (parts[place] ?? "") + text
  return copy
}

export const deltaOf = (event: ServerNotification): Delta | undefined => {
  switch (event._tag) {
    case "item/agentMessage/delta": {
      const { delta: text, itemId, turnId } = event.params
      const write: Delta["write"] = (item, more) =>
        item.type === "agentMessage" ? { ...item, text: item.text + more } : item
      return { turnId, itemId, text, blank: blankMessage, write }
    }
    case "item/plan/delta": {
      const { delta: text, itemId, turnId } = event.params
      const write: Delta["write"] = (item, more) => item.type === "plan" ? { ...item, text: item.text + more } : item
      return { turnId, itemId, text, blank: (id) => ({ type: "plan", id, text: "" }), write }
    }
    case "item/reasoning/summaryTextDelta": {
      const { delta: text, itemId, summaryIndex, turnId } = event.params
      const write: Delta["write"] = (item, more) =>
        item.type === "reasoning" ? { ...item, summary: grown(item.summary, summaryIndex, more) } : item
      return { turnId, itemId, text, blank: blankReasoning, write }
    }
    case "item/reasoning/textDelta": {
      const { contentIndex, delta: text, itemId, turnId } = event.params
      const write: Delta["write"] = (item, more) =>
        item.type === "reasoning" ? { ...item, content: grown(item.content, contentIndex, more) } : item
      return { turnId, itemId, text, blank: blankReasoning, write }
    }
    case "item/commandExecution/outputDelta": {
      const { delta: text, itemId, turnId } = event.params
      const write: Delta["write"] = (item, more) =>
        item.type === "commandExecution" ? { ...item, aggregatedOutput: (item.aggregatedOutput ?? "") + more } : item
      return { turnId, itemId, text, blank: blankCommand, write }
    }
    case "item/fileChange/patchUpdated": {
      const { changes, itemId, turnId } = event.params
      const write: Delta["write"] = (item) => item.type === "fileChange" ? { ...item, changes } : item
      const blank: Delta["blank"] = (id) => ({ type: "fileChange", id, changes: [], status: "inProgress" })
      return { turnId, itemId, text: "", blank, write }
    }
    default:
      return undefined
  }
}

/**
 * The new part of a delta. docs/codex-behaviour.md, "A message that begins with its text has it repeated by its
 * deltas". Another server may continue after the initial text.
 *
 * @returns the new part, and what no delta has repeated yet.
 */
export const unrepeated = (left: string, said: string): readonly [text: string, left: string] =>
  left === ""
    ? [said, ""]
    : left.startsWith(said)
    ? ["", left.slice(said.length)]
    : [said.startsWith(left) ? said.slice(left.length) : said, ""]
