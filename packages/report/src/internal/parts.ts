/** Small pieces that many parts of a page have. */
import type { Context } from "./context.ts"
import { type Html, html, none, type Part } from "./html.ts"
import * as Text from "./text.ts"

export type Tone = "good" | "bad" | "warn" | "quiet"

export const badge = (text: string, tone: Tone): Html => html`<span class="badge ${tone}">${text}</span>`

const tones: Readonly<Record<string, Tone>> = {
  completed: "good",
  idle: "good",
  ready: "good",
  accept: "good",
  failed: "bad",
  systemError: "bad",
  error: "bad",
  declined: "bad",
  interrupted: "warn",
  active: "warn",
  inProgress: "warn",
  running: "warn",
  waiting: "warn"
}

/** A status of codex, which may be one of a newer version. */
export const status = (name: string): Html => badge(Text.label(name), tones[name] ?? "quiet")

export const taken = (startedAt: number | undefined, endedAt: number | undefined): Html =>
  startedAt === undefined || endedAt === undefined || endedAt < startedAt
    ? none
    : html`<span class="time">${Text.duration(endedAt - startedAt)}</span>`

/** A text of a tool, as it was written. */
export const output = ({ maxOutput }: Context, text: string): Html => {
  const plain = Text.plain(text).replace(/\n$/, "")
  return plain === "" ? none : html`<pre>${Text.shortened(plain, maxOutput).text}</pre>`
}

/** Something that a person looks into when it matters. */
export const folded = (summary: Part, body: Part, isOpen = false): Html =>
  isOpen
    ? html`<details open><summary>${summary}</summary>${body}</details>`
    : html`<details><summary>${summary}</summary>${body}</details>`

export const value = (context: Context, name: string, given: unknown): Html => {
  if (given === undefined || given === null) return none
  const text = typeof given === "string" ? given : Text.json(given)
  return text === ""
    ? none
    : html`<div class="value"><span class="label">${Text.label(name)}</span>${output(context, text)}</div>`
}
