/** The change of a file, line by line. */
import type * as ThreadView from "@effect-codex/client/ThreadView"
import parseDiff from "parse-diff"
import type { Context } from "./context.ts"
import { relative } from "./context.ts"
import { type Html, html } from "./html.ts"
import * as Parts from "./parts.ts"
import * as Text from "./text.ts"

interface Line {
  readonly kind: "add" | "del" | "same" | "hunk"
  readonly before: number | undefined
  readonly after: number | undefined
  readonly text: string
}

/** The lines of a file that comes or goes, of which codex gives the text. */
const wholeFile = ({ diff, kind }: ThreadView.FileView): ReadonlyArray<Line> =>
  diff.replace(/\n$/, "").split("\n").map((text, i) =>
    kind === "add"
      ? { kind: "add", before: undefined, after: i + 1, text }
      : { kind: "del", before: i + 1, after: undefined, text }
  )

/** codex leaves out the names of the files, without which a parser sees no file. */
const withNames = (diff: string): string => /^--- /m.test(diff) ? diff : `--- a/file\n+++ b/file\n${diff}`

const linesOf = (file: ThreadView.FileView): ReadonlyArray<Line> => {
  if (file.kind === "add" || file.kind === "delete") return wholeFile(file)
  return parseDiff(withNames(file.diff)).flatMap(({ chunks }) =>
    chunks.flatMap(({ changes, content }): ReadonlyArray<Line> => [
      { kind: "hunk", before: undefined, after: undefined, text: content },
      ...changes.map((change): Line => {
        const text = change.content.slice(1)
        switch (change.type) {
          case "add":
            return { kind: "add", before: undefined, after: change.ln, text }
          case "del":
            return { kind: "del", before: change.ln, after: undefined, text }
          case "normal":
            return { kind: "same", before: change.ln1, after: change.ln2, text }
        }
      })
    ])
  )
}

const signs = { add: "+", del: "−", same: " ", hunk: "" }

const rowOf = ({ after, before, kind, text }: Line): Html =>
  html`<tr class="${kind}"><td>${before}</td><td>${after}</td><td>${signs[kind]}</td><td>${text}</td></tr>`

/** More would make the page slow, and nobody reads them. */
const mostLines = 2000

export const file = (context: Context, change: ThreadView.FileView): Html => {
  const { added, kind, movedTo, path, removed } = change
  const moved = movedTo === undefined || movedTo === null ? "" : ` → ${Text.label(relative(context, movedTo))}`
  const title = html`<code>${relative(context, path)}${moved}</code> ${Parts.badge(kind, "quiet")} `
  const counts = html`<span class="added">+${added}</span> <span class="removed">−${removed}</span>`
  const lines = linesOf(change)
  // What no parser reads is shown as it came.
  const body = lines.length === 0
    ? Parts.output(context, change.diff)
    : html`<div class="diff"><table>${lines.slice(0, mostLines).map(rowOf)}</table></div>${
      lines.length > mostLines && html`<p class="quiet">${Text.count(lines.length - mostLines, "line")} left out</p>`
    }`
  return Parts.folded(html`${title}${counts}`, body, lines.length <= 30)
}
