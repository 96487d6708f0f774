/**
 * Lines to show, as data: what their parts say and how they look. Only {@link render} makes text for a terminal, and it
 * makes every part safe, so that nothing from the model, its tools or the server reaches a terminal as a command.
 */
import { safe } from "./text.ts"

export type Style = "bold" | "dim" | "italic" | "underline" | "strike" | "red" | "green" | "yellow" | "cyan"

export interface Span {
  readonly text: string
  readonly styles?: ReadonlyArray<Style> | undefined
}

export interface Line {
  readonly spans: ReadonlyArray<Span>
  /** The indentation of the rows that follow when the line is wrapped. */
  readonly hang?: number | undefined
  /** Whether to leave the line to the terminal, so that it can be copied: code. */
  readonly isRigid?: boolean | undefined
}

/** A line in which a person types. */
export interface Row {
  readonly line: Line
  /** The column of the cursor, from 0. */
  readonly column: number
}

export const span = (text: string, ...styles: ReadonlyArray<Style>): Span => ({ text, styles })

/** A line of these parts. Further rows are indented by two columns. */
export const line = (...parts: ReadonlyArray<string | Span>): Line => ({
  spans: parts.map((part) => typeof part === "string" ? { text: part } : part),
  hang: 2
})

/** What a line says, without its looks. */
export const plain = ({ spans }: Line): string => spans.map(({ text }) => text).join("")

// =============================================================================
// Columns
// =============================================================================

const zero = /\p{Mn}|\p{Me}|[\u200b-\u200d]/u
const wide =
  /[\u1100-\u115f\u231a\u231b\u23e9-\u23ec\u2614\u2615\u26a1\u2705\u274c\u2728\u2753-\u2757\u2b50\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}]/u

/** The columns that a character takes. */
export const widthOfCharacter = (character: string): number =>
  character.codePointAt(0)! < 0x300 ? 1 : zero.test(character) ? 0 : wide.test(character) ? 2 : 1

/** The columns that a safe text takes. */
export const widthOf = (text: string): number => {
  let width = 0
  for (const character of text) width += widthOfCharacter(character)
  return width
}

/** The beginning of a safe text that fits, with an ellipsis if something is left out. */
export const cut = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  let used = 1
  let kept = ""
  for (const character of text) {
    used += widthOfCharacter(character)
    if (used > columns) break
    kept += character
  }
  return columns < 1 ? "" : `${kept.trimEnd()}…`
}

// =============================================================================
// Rendering
// =============================================================================

const codes: { readonly [S in Style]: number } = {
  bold: 1,
  dim: 2,
  italic: 3,
  underline: 4,
  strike: 9,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36
}

const paint = (text: string, styles: ReadonlyArray<Style>): string =>
  styles.length === 0 || text === "" ? text : `\u001b[${styles.map((style) => codes[style]).join(";")}m${text}\u001b[0m`

export interface Look {
  readonly colors: boolean
  /** Undefined where lines are not wrapped: in a file, or a pipe. */
  readonly columns: number | undefined
}

interface Piece {
  readonly text: string
  readonly styles: ReadonlyArray<Style>
}

// More than anybody reads of one line, and less than what makes a terminal stutter.
const maxLength = 20_000

const piecesOf = ({ spans }: Line): ReadonlyArray<Piece> => {
  let room = maxLength
  const pieces: Array<Piece> = []
  for (const { styles = [], text } of spans) {
    if (room <= 0) break
    const isCut = text.length > room
    // A tab has no width of its own, and a part of a line is no line.
    const kept = safe(isCut ? text.slice(0, room) : text).replace(/\t/g, "  ").replace(/\n/g, " ")
    pieces.push({ text: isCut ? `${kept}…` : kept, styles })
    room -= text.length
  }
  return pieces
}

/** The rows of a line, as texts for a terminal or a file. */
export const render = (line: Line, look: Look): ReadonlyArray<string> => {
  const pieces = piecesOf(line)
  const text = (row: ReadonlyArray<Piece>) =>
    joined(row).map(({ styles, text }) => look.colors ? paint(text, styles) : text).join("")
  if (look.columns === undefined || line.isRigid === true) return [text(pieces)]
  return wrap(pieces, look.columns, line.hang ?? 0).map(text)
}

/** A row in as few pieces as it has looks, without the spaces at its end. */
const joined = (row: ReadonlyArray<Piece>): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  for (const piece of row) {
    const last = pieces.at(-1)
    if (last !== undefined && last.styles === piece.styles) {
      pieces[pieces.length - 1] = { ...last, text: last.text + piece.text }
    } else pieces.push(piece)
  }
  const last = pieces.at(-1)
  if (last !== undefined) pieces[pieces.length - 1] = { ...last, text: last.text.trimEnd() }
  return pieces
}

/** Breaks a line between words, and within words that are longer than a row. */
const wrap = (pieces: ReadonlyArray<Piece>, columns: number, hang: number): ReadonlyArray<ReadonlyArray<Piece>> => {
  // Room for some words in every row, even on the narrowest terminal.
  const indent = Math.max(0, Math.min(hang, columns - 10))
  const rows: Array<Array<Piece>> = []
  let row: Array<Piece> = []
  let used = 0
  const next = () => {
    rows.push(row)
    row = indent === 0 ? [] : [{ text: " ".repeat(indent), styles: [] }]
    used = indent
  }
  for (const { styles, text } of pieces) {
    for (const word of text.match(/\s+|\S+/gu) ?? []) {
      const width = widthOf(word)
      if (used + width <= columns) {
        row.push({ text: word, styles })
        used += width
        continue
      }
      const isSpace = word.trim() === ""
      if (isSpace) {
        next()
        continue
      }
      // A word that joins the one before it, such as a full stop after a name, moves down alone at worst.
      if (used > indent) next()
      let part = ""
      for (const character of word) {
        const width = widthOfCharacter(character)
        if (used + width > columns && part !== "") {
          row.push({ text: part, styles })
          part = ""
          next()
        }
        part += character
        used += width
      }
      row.push({ text: part, styles })
    }
  }
  rows.push(row)
  return rows
}
