/** The page of one thread. It shows the end of the conversation, because it is made again with each change. */
import * as Agents from "../agents.ts"
import type { Context } from "../context.ts"
import * as Head from "../head.ts"
import { html } from "../html.ts"
import { Places } from "../places.ts"
import type { Board, Row } from "./board.ts"
import { offersOf, type Piece, type Settings, stateOf } from "./list.ts"
import { titleOf } from "./titles.ts"

const most = { turns: 10, items: 200 }

/** Draws one thread for one browser. The places stay, so that an element keeps its name while the thread goes on. */
export const make = (board: Board, settings: Settings, row: Row): () => ReadonlyArray<Piece> => {
  const places = new Places()
  return () => {
    const { view } = row
    const context: Context = { ...settings, view, places, cwd: view.cwd, shown: new Set(), most }
    const turns = Agents.lastTurns(context, view)
    return [
      {
        id: "head",
        html: html`<h1>${titleOf(view)}</h1><p class="facts">${
          stateOf(row, board.offersOf(row).length)
        } <a href="report?thread=${row.key}" target="_blank">The whole session as a report</a></p>${
          Head.facts(context)
        }`
      },
      { id: "offers", html: offersOf(board, row) },
      { id: "older", html: html`${Agents.earlier(view.turns.length - turns.length, "turn")}` },
      ...turns.map(({ number, view: turn }): Piece => ({
        id: `part-${context.places.turn(view.threadId, turn.id)}`,
        html: Agents.turn(context, view, turn, number)
      })),
      { id: "notices", html: Head.notices(context) }
    ]
  }
}
