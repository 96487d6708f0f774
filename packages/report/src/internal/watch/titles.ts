/** A thread in a few words: what it is called, and what it does. */
import { withoutShell } from "@effect-codex/client/Approvals"
import type * as Received from "@effect-codex/client/Received"
import type * as ThreadView from "@effect-codex/client/ThreadView"
import * as Text from "../text.ts"

const firstLine = (text: string): string => text.trim().split("\n")[0] ?? ""

const short = (text: string, most = 120): string => {
  const line = firstLine(text)
  return Text.label(line.length <= most ? line : `${line.slice(0, most)}…`)
}

const promptOf = (item: Received.ThreadItem | undefined): string =>
  item?.type === "userMessage"
    ? item.content.flatMap((part) => part.type === "text" && "text" in part ? String(part.text) : []).join(" ")
    : ""

/** The name of the thread, else the beginning of its first message, else its id. */
export const titleOf = ({ name, preview, threadId, turns }: ThreadView.ThreadView): string =>
  [name, preview, promptOf(turns.at(0)?.items.at(0)?.item), threadId].map((text) => short(text ?? "")).find((text) =>
    text !== ""
  ) ?? "A thread"

const doing = ({ files, item }: ThreadView.ItemView): string => {
  switch (item.type) {
    case "userMessage":
      return `> ${short(promptOf(item))}`
    case "agentMessage":
    case "plan":
      // The end of what it says is the newest.
      return short(item.text.trim().split("\n").at(-1) ?? "")
    case "reasoning":
      return short([...item.summary, ...item.content].at(-1) ?? "") || "thinks"
    case "commandExecution":
      return `$ ${short(withoutShell(item.command))}`
    case "fileChange":
      return `changes ${short(files.map(({ path }) => path.split(/[/\\]/).at(-1)).join(", "))}`
    case "mcpToolCall":
      return `calls ${short(`${item.server}/${item.tool}`)}`
    case "dynamicToolCall":
      return `calls ${short(item.tool)}`
    case "webSearch":
      return `searches ${short(item.query)}`
    default:
      return short(String(item.type))
  }
}

/** What it does, or did last. */
export const activityOf = ({ turns }: ThreadView.ThreadView): string => {
  const turn = turns.at(-1)
  if (turn?.error !== undefined) return short(turn.error.message)
  const item = turn?.items.at(-1)
  return item === undefined ? "" : doing(item)
}
