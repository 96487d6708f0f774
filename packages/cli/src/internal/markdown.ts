/**
 * Shows the Markdown of an answer on a terminal, line by line as the model writes it: what is shown is never changed
 * afterwards. It knows what models write: headings, emphasis, code, lists, quotes, tables, links. Everything else stays
 * as it is. A link always shows its address, so that its text cannot pretend another one.
 */
import { type Line, type Span, span, type Style, widthOf } from "./lines.ts"
import { safe } from "./text.ts"

/** A line that is longer is shown without emphasis: finding it could take long, and the model controls the text. */
const maxInline = 4000

/** A line that does not end. */
const maxPending = 1 << 16

/** A table with more rows is shown in parts. */
const maxRows = 200

const inlineToken = new RegExp(
  [
    String.raw`\\(?<escaped>[\\${"`"}*_{}[\]()#+\-.!~|<>])`,
    String.raw`(?<ticks>${"`"}+)(?<code>[^${"`"}]+)\k<ticks>(?!${"`"})`,
    String.raw`!?\[(?<label>[^\][]*)\]\((?<address>[^()\s]*)\)`,
    String.raw`<(?<auto>https?:[^\s<>]*)>`,
    String.raw`\*\*(?=\S)(?<strong>[^*]+)\*\*`,
    String.raw`(?<![\p{L}\p{N}_])__(?=\S)(?<strong2>[^_]+)__(?![\p{L}\p{N}_])`,
    String.raw`(?<![\p{L}\p{N}*])\*(?=\S)(?<em>[^*]+)\*`,
    String.raw`(?<![\p{L}\p{N}_])_(?=\S)(?<em2>[^_]+)_(?![\p{L}\p{N}_])`,
    String.raw`~~(?=\S)(?<strike>[^~]+)~~`
  ].join("|"),
  "gu"
)

/** The parts of a line of text. */
export const inline = (text: string, styles: ReadonlyArray<Style> = []): ReadonlyArray<Span> => {
  if (text.length > maxInline) return [{ text, styles }]
  const spans: Array<Span> = []
  let end = 0
  for (const match of text.matchAll(inlineToken)) {
    if (match.index > end) spans.push({ text: text.slice(end, match.index), styles })
    end = match.index + match[0].length
    const { address, auto, code, em, em2, escaped, label, strike, strong, strong2 } = match.groups ?? {}
    const emphasized = strong ?? strong2
    const slanted = em ?? em2
    if (escaped !== undefined) spans.push({ text: escaped, styles })
    else if (code !== undefined) spans.push({ text: code, styles: [...styles, "cyan"] })
    else if (auto !== undefined) spans.push({ text: auto, styles: [...styles, "underline"] })
    else if (emphasized !== undefined) spans.push(...inline(emphasized, [...styles, "bold"]))
    else if (slanted !== undefined) spans.push(...inline(slanted, [...styles, "italic"]))
    else if (strike !== undefined) spans.push(...inline(strike, [...styles, "strike"]))
    else if (address !== undefined) {
      if (label !== undefined && label !== "" && label !== address) {
        spans.push({ text: label, styles: [...styles, "underline"] }, {
          text: ` (${address})`,
          styles: [...styles, "dim"]
        })
      } else spans.push({ text: address, styles: [...styles, "underline"] })
    }
  }
  if (end < text.length) spans.push({ text: text.slice(end), styles })
  return spans
}

const blank: Line = { spans: [] }

export class Markdown {
  private readonly columns: number | undefined
  private pending = ""
  private fence: { readonly mark: string; readonly language: string } | undefined
  private table: Array<string> = []

  constructor(columns: number | undefined) {
    this.columns = columns
  }

  /** Takes in a part of the text, and returns the lines that are complete. */
  push(text: string): ReadonlyArray<Line> {
    const lines = (this.pending + text).split("\n")
    this.pending = lines.pop() ?? ""
    const shown = lines.flatMap((line) => this.line(line.replace(/\r$/, "")))
    if (this.pending.length <= maxPending) return shown
    const rest = this.pending
    this.pending = ""
    return [...shown, ...this.line(rest)]
  }

  /** Returns what is left. */
  end(): ReadonlyArray<Line> {
    const rest = this.pending === "" ? [] : this.line(this.pending)
    this.pending = ""
    this.fence = undefined
    return [...rest, ...this.endTable()]
  }

  private line(text: string): ReadonlyArray<Line> {
    if (this.fence !== undefined) return this.code(text, this.fence)
    if (/^\s*\|.*\|\s*$/.test(text) && text.length <= maxInline) {
      this.table.push(text)
      return this.table.length < maxRows ? [] : this.endTable()
    }
    const before = this.endTable()
    const fence = /^ {0,3}(?<mark>`{3,}|~{3,})\s*(?<language>[\w+-]*)/.exec(text)?.groups
    if (fence !== undefined) {
      this.fence = { mark: fence["mark"]!, language: fence["language"]! }
      return before
    }
    return [...before, textLine(text)]
  }

  private code(text: string, { language, mark }: { readonly mark: string; readonly language: string }) {
    const end = text.trim()
    if (end.length >= mark.length && end === mark[0]!.repeat(end.length)) {
      this.fence = undefined
      return []
    }
    const style: Style = language !== "diff" || !/^[+-]/.test(text) ? "cyan" : text.startsWith("+") ? "green" : "red"
    return [{ spans: [span("  "), span(text, style)], isRigid: true }]
  }

  private endTable(): ReadonlyArray<Line> {
    const rows = this.table
    this.table = []
    if (rows.length === 0) return []
    const isTable = rows.length > 1 && /^[\s|:-]+$/.test(rows[1]!) && rows[1]!.includes("-")
    return isTable ? tableLines([rows[0]!, ...rows.slice(2)].map(cellsOf), this.columns) : rows.map(textLine)
  }
}

// =============================================================================
// Lines
// =============================================================================

const textLine = (text: string): Line => {
  if (text.trim() === "") return blank
  const heading = /^ {0,3}#{1,6}\s+(?<title>.*?)(?:\s+#+)?\s*$/.exec(text.slice(0, maxInline))?.groups
  if (heading !== undefined) return { spans: inline(heading["title"]!, ["bold"]) }
  if (/^ {0,3}(?:-(?:\s*-){2,}|\*(?:\s*\*){2,}|_(?:\s*_){2,})\s*$/.test(text.slice(0, 200))) {
    return { spans: [span("────────", "dim")] }
  }
  const item = /^(?<indent>\s*)(?<mark>[-*+]|\d{1,9}[.)])\s+(?<rest>.*)$/.exec(text)?.groups
  if (item !== undefined) {
    const mark = /^\d/.test(item["mark"]!) ? item["mark"]! : "•"
    const indent = item["indent"]!.replace(/\t/g, "    ")
    return { spans: [span(`${indent}${mark} `), ...inline(item["rest"]!)], hang: indent.length + mark.length + 1 }
  }
  const quote = /^ {0,3}>\s?(?<rest>.*)$/.exec(text)?.groups
  if (quote !== undefined) return { spans: [span("│ ", "dim"), ...inline(quote["rest"]!, ["dim"])], hang: 2 }
  return { spans: inline(text), hang: /^ */.exec(text)![0].length }
}

const cellsOf = (row: string): ReadonlyArray<string> =>
  row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"))

const shownWidth = (cell: string): number => widthOf(safe(inline(cell).map(({ text }) => text).join("")))

const tableLines = (rows: ReadonlyArray<ReadonlyArray<string>>, columns: number | undefined): ReadonlyArray<Line> => {
  const [head = [], ...body] = rows
  const widths = head.map((_, i) => Math.max(...rows.map((row) => shownWidth(row[i] ?? ""))))
  const total = widths.reduce((sum, width) => sum + width + 2, 0) - 2
  if (columns !== undefined && total > columns) return body.flatMap((row) => recordLines(head, row))
  const rowLine = (row: ReadonlyArray<string>, styles: ReadonlyArray<Style>): Line => ({
    isRigid: true,
    spans: widths.flatMap((width, i) => {
      const cell = row[i] ?? ""
      return [...inline(cell, styles), span(" ".repeat(width - shownWidth(cell) + 2))]
    })
  })
  const rule = { spans: [span(widths.map((width) => "─".repeat(width)).join("  "), "dim")], isRigid: true }
  return [rowLine(head, ["bold"]), rule, ...body.map((row) => rowLine(row, []))]
}

// A row that is too wide becomes a list of its cells.
const recordLines = (head: ReadonlyArray<string>, row: ReadonlyArray<string>): ReadonlyArray<Line> => [
  ...head.map((name, i): Line => ({
    spans: [...inline(name, ["bold"]), span(": "), ...inline(row[i] ?? "")],
    hang: 2
  })),
  blank
]
