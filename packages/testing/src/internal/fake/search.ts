/** What a search through the threads finds in one, and shows of it. */
import type * as Received from "@effect-codex/protocol/Received"
import type { StoredThread } from "./home.ts"

/** How many characters around a hit are shown. */
const before = 49
const after = 96

/** Reasoning, commands and what they write are not searched. */
const textOf = (item: Received.ThreadItem): string => {
  switch (item.type) {
    case "userMessage":
      return item.content.map((part) => part.type === "text" ? part.text : "").join("\n")
    case "agentMessage":
      return item.text
    default:
      return ""
  }
}

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)

const around = (text: string, start: number, end: number): string => {
  const head = Array.from(text.slice(0, start))
  const tail = Array.from(text.slice(end))
  const shown = [...head.slice(-before), text.slice(start, end), ...tail.slice(0, after)].join("")
  return [
    ...head.length > before ? ["..."] : [],
    shown.trim().replaceAll(/\s+/g, " "),
    ...tail.length > after ? ["..."] : []
  ].join(" ")
}

/** Of the first message that has the term, in any case. A fork has not said what it has inherited. */
export const snippetOf = ({ inheritedTurns, turns }: StoredThread, term: string): string | undefined => {
  const pattern = new RegExp(escaped(term), "iu")
  for (const { items } of turns.slice(inheritedTurns)) {
    for (const item of items) {
      const text = textOf(item)
      const found = pattern.exec(text)
      if (found !== null) return around(text, found.index, found.index + found[0].length)
    }
  }
  return undefined
}

/** Each place in the messages that has the term, in any case. Unlike codex it shows the whole message. */
export const occurrencesOf = ({ turns }: StoredThread, term: string): ReadonlyArray<Received.ThreadSearchOccurrence> =>
  turns.flatMap(({ id, items }) =>
    items.flatMap((item) => {
      const snippet = textOf(item)
      return [...snippet.matchAll(new RegExp(escaped(term), "giu"))].map(({ 0: found, index }) => ({
        turnId: id,
        itemId: String(item["id"]),
        snippet,
        snippetMatchRange: { start: index, end: index + found.length },
        turnCursor: id
      }))
    })
  )
