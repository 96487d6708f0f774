/** The row in which a person types: as much of the text as fits around the cursor. Pure. */
import { type Row, type Span, span, widthOf } from "../lines.ts"
import { safe } from "../text.ts"
import { characters, type Editor } from "./editor.ts"

interface Cell {
  readonly shown: string
  readonly width: number
}

// A message has one row: what is wrapped could not be erased when the terminal changes its width.
const shownOf = (character: string): string =>
  character === "\n" ? "⏎" : character === "\t" ? " " : safe(character).replace(/\n/g, "⏎")

/** What is looked at on each side of the cursor. More than the widest terminal shows. */
const near = 2000

const cellsOf = (text: string): ReadonlyArray<Cell> =>
  characters(text).map((character) => {
    const shown = shownOf(character)
    return { shown, width: widthOf(shown) }
  })

const sum = (cells: ReadonlyArray<Cell>): number => cells.reduce((sum, { width }) => sum + width, 0)

/**
 * The row of an editor. The last column stays free, because some terminals wrap when it is written.
 *
 * @param isSecret whether to hide what is typed
 */
export const rowOf = (
  editor: Pick<Editor, "text" | "cursor">,
  label: Span,
  columns: number,
  isSecret = false
): Row => {
  const { cursor, text } = editor
  const hide = (cells: ReadonlyArray<Cell>) => isSecret ? cells.map(() => ({ shown: "*", width: 1 })) : cells
  const left = [...hide(cellsOf(text.slice(Math.max(0, cursor - near), cursor)))]
  const right = hide(cellsOf(text.slice(cursor, cursor + near)))
  const prefix = safe(label.text)
  const room = Math.max(4, columns - 1 - widthOf(prefix))
  // The cursor needs a column of its own, also behind the text.
  let isCut = cursor > near
  while (left.length > 0 && sum(left) + (isCut ? 1 : 0) > room - 1) {
    left.shift()
    isCut = true
  }
  const shownLeft = (isCut ? "…" : "") + left.map(({ shown }) => shown).join("")
  let free = room - widthOf(shownLeft)
  let shownRight = ""
  for (const [i, { shown, width }] of right.entries()) {
    const isLast = i === right.length - 1 && cursor + near >= text.length
    if (width > free - (isLast ? 0 : 1)) {
      if (free > 0) shownRight += "…"
      break
    }
    shownRight += shown
    free -= width
  }
  return {
    line: { spans: [{ ...label, text: prefix }, span(shownLeft + shownRight)], isRigid: true },
    column: widthOf(prefix) + widthOf(shownLeft)
  }
}
