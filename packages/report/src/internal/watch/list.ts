/** The page of all threads: what waits, and what each thread does, waits for and costs. */
import type { Price } from "@effect-codex/client/Pricing"
import * as ThreadView from "@effect-codex/client/ThreadView"
import * as Option from "effect/Option"
import { type Html, html, none, type Part } from "../html.ts"
import * as Parts from "../parts.ts"
import * as Text from "../text.ts"
import type { Board, Row } from "./board.ts"
import { isActive } from "./board.ts"
import { card } from "./offerCard.ts"
import { activityOf, titleOf } from "./titles.ts"

export interface Settings {
  readonly price: Price
  readonly currency: string
  readonly maxOutput: number
}

/** A part of a page that changes as a whole. */
export interface Piece {
  readonly id: string
  readonly html: Html
}

const waitsFor: Readonly<Record<string, string>> = {
  waitingOnApproval: "waits for a decision",
  waitingOnUserInput: "waits for an answer"
}

/** What it waits for, as far as it is known: also what cannot be decided here. */
export const waits = ({ status }: ThreadView.ThreadView): ReadonlyArray<string> =>
  status?.type === "active" && "activeFlags" in status && Array.isArray(status.activeFlags)
    ? status.activeFlags.map((flag) => waitsFor[String(flag)] ?? Text.label(String(flag)))
    : []

export const stateOf = (row: Row, decides: number): Html => {
  const { view } = row
  const all = decides > 0 ? ["waits for you"] : waits(view)
  if (all.length > 0) return html`${all.map((one) => Parts.badge(one, "warn"))}`
  const failed = !isActive(row) && view.turns.at(-1)?.status === "failed"
  return failed ? Parts.badge("failed", "bad") : Parts.status(view.status?.type ?? "notLoaded")
}

const fact = (name: string, value: Part): Part =>
  value !== undefined && html`<span><span class="label">${name}</span> ${value}</span>`

// The sums go through all turns, and most rows are as they were.
const drawn = new WeakMap<ThreadView.ThreadView, { readonly decides: number; readonly html: Html }>()

const rowOf = ({ currency, price }: Settings, row: Row, decides: number): Html => {
  const { key, view } = row
  const known = drawn.get(view)
  if (known?.decides === decides) return known.html
  const tokens = ThreadView.tokens(view)
  const cost = Option.getOrUndefined(ThreadView.cost(view, price))
  const begun = view.createdAt ?? view.turns.at(0)?.startedAt
  const made = html`<li id="thread-${key}"><h3><a href="?thread=${key}">${titleOf(view)}</a> ${
    stateOf(row, decides)
  }</h3><p class="doing">${activityOf(view)}</p><p class="facts">${fact("turns", Text.number(view.turns.length))}${
    view.subagents.length > 0 && fact("subagents", Text.number(view.subagents.length))
  }${fact("tokens", tokens === undefined ? undefined : Text.number(tokens.totalTokens))}${
    fact("cost", cost === undefined ? undefined : `${currency}${cost.toFixed(4)}`)
  }${fact("context left", view.contextLeft === undefined ? undefined : Text.number(view.contextLeft))}${
    fact("begun", begun === undefined ? undefined : Text.time(begun))
  }</p></li>`
  drawn.set(view, { decides, html: made })
  return made
}

/** Those that somebody has to look at first. */
const rank = (row: Row, decides: number): number => decides > 0 ? 0 : isActive(row) ? 1 : 2

export const offersOf = (board: Board, row?: Row): Html => {
  const offers = row === undefined ? board.offers.list() : board.offersOf(row)
  return offers.length === 0
    ? none
    : html`<h2>Waits for you</h2>${
      offers.map((offer) => card(offer, row === undefined ? board.rowOf(offer.open.request.threadId) : undefined))
    }`
}

export const parts = (board: Board, settings: Settings): ReadonlyArray<Piece> => {
  const rows = board.list().map((row) => ({ row, decides: board.offersOf(row).length }))
  const sorted = rows.toSorted((a, b) => rank(a.row, a.decides) - rank(b.row, b.decides))
  const working = rows.filter(({ row }) => isActive(row)).length
  return [
    { id: "summary", html: html`<h1>${Text.count(rows.length, "thread")}, ${working} at work</h1>` },
    { id: "offers", html: offersOf(board) },
    {
      id: "threads",
      html: rows.length === 0
        ? html`<p class="quiet">No thread yet. One appears here as soon as the client has it.</p>`
        : html`<ul class="threads">${sorted.map(({ decides, row }) => rowOf(settings, row, decides))}</ul>`
    }
  ]
}
