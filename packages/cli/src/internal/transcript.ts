/** A stored thread as a person reads it, turn by turn. Pure. */
import type { ThreadInfo } from "@effect-codex/client/Thread"
import { isAnswer, type Item, type ItemOf, linesOf, seconds } from "./itemLines.ts"
import { type Line, line, type Look, span } from "./lines.ts"
import { Markdown } from "./markdown.ts"
import { visible } from "./text.ts"
import { isDecoded } from "./threadIds.ts"
import { folderOf, titleOf } from "./threadLines.ts"

type Turn = ThreadInfo["turns"][number]

const blank: Line = { spans: [] }

/** What a thread is, above its turns. */
export const headLines = (thread: ThreadInfo): ReadonlyArray<Line> => {
  const begun = new Date(thread.createdAt * 1000)
  const facts = [
    folderOf(thread.cwd),
    ...thread.model === null ? [] : [visible(thread.model, 100)],
    ...Number.isNaN(begun.getTime()) ? [] : [`begun ${begun.toISOString().slice(0, 16).replace("T", " ")} UTC`]
  ]
  return [
    line(span(titleOf(thread), "bold")),
    { spans: [span(`thread ${thread.id}`, "dim")], isRigid: true },
    line(span(facts.join(" · "), "dim")),
    ...thread.forkedFromId === null ? [] : [line(span(`a copy of ${thread.forkedFromId}`, "dim"))]
  ]
}

/** @param rich how Markdown is shown; undefined if it stays as it is. */
export const turnLines = (turn: Turn, cwd: string, rich: Look | undefined): ReadonlyArray<Line> =>
  isDecoded(turn)
    ? [...turn.items.flatMap((item) => itemLines(item, cwd, rich)), ...endOf(turn)]
    : [blank, line(span("a turn that this version does not understand", "yellow"))]

const itemLines = (item: Item, cwd: string, rich: Look | undefined): ReadonlyArray<Line> => {
  switch (item.type) {
    case "userMessage":
      return [blank, ...promptLines(item)]
    case "agentMessage":
      return isAnswer(item) ? [blank, ...textLines(item.text, rich)] : linesOf(item, cwd)
    case "plan":
      return [blank, ...textLines(item.text, rich)]
    default:
      return linesOf(item, cwd)
  }
}

const promptLines = ({ content }: ItemOf<"userMessage">): ReadonlyArray<Line> =>
  content.flatMap((input): ReadonlyArray<Line> => {
    switch (input.type) {
      case "text":
        return input.text.trimEnd().split("\n").map((text) => ({
          spans: [span("> ", "cyan"), span(text, "bold")],
          hang: 2
        }))
      case "localImage":
        return [line(span("> ", "cyan"), `[image ${visible(input.path, 300)}]`)]
      default:
        return [line(span("> ", "cyan"), `[${visible(input.type, 40)}]`)]
    }
  })

const textLines = (text: string, rich: Look | undefined): ReadonlyArray<Line> => {
  if (rich === undefined) return text.trimEnd().split("\n").map((text): Line => ({ spans: [span(text)], hang: 0 }))
  const markdown = new Markdown(rich.columns)
  return [...markdown.push(text.trimEnd()), ...markdown.end()]
}

const endOf = (turn: Extract<Turn, { readonly status: string }>): ReadonlyArray<Line> => {
  const time = turn.durationMs === null ? "" : ` after ${seconds(turn.durationMs)}`
  if (turn.status === "failed") {
    const why = turn.error === null ? "" : `: ${visible(turn.error.message, 500)}`
    return [blank, line(span(`failed${time}${why}`, "red"))]
  }
  return turn.status === "interrupted" ? [blank, line(span(`interrupted${time}`, "yellow"))] : []
}
