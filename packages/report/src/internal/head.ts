/** What a person wants to know first. */
import * as ThreadView from "@effect-codex/client/ThreadView"
import * as Option from "effect/Option"
import * as Agents from "./agents.ts"
import * as Asks from "./asks.ts"
import type { Context } from "./context.ts"
import { type Html, html, none, type Part } from "./html.ts"
import * as Parts from "./parts.ts"
import * as Text from "./text.ts"

const fact = (name: string, value: Part): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`

/** How many lines were added and removed, and in how many files. */
const changes = (agents: ReadonlyArray<ThreadView.AgentView>) => {
  const files = new Set<string>()
  let added = 0
  let removed = 0
  let commands = 0
  for (const { turns } of agents) {
    for (const { items } of turns) {
      for (const view of items) {
        if (view.item.type === "commandExecution") commands++
        if (view.item.type !== "fileChange" || view.item.status === "failed" || view.item.status === "declined") {
          continue
        }
        for (const file of view.files) {
          files.add(file.path)
          added += file.added
          removed += file.removed
        }
      }
    }
  }
  return { added, commands, files: files.size, removed }
}

export const facts = (context: Context): Html => {
  const { currency, price, view } = context
  const agents = [view, ...view.subagents]
  const { added, commands, files, removed } = changes(agents)
  const tokens = ThreadView.tokens(view)
  const cost = Option.getOrUndefined(ThreadView.cost(view, price))
  const asked = agents.reduce((sum, { asks }) => sum + asks.length, 0)
  return html`<dl class="overview">${fact("Thread", html`<code>${Text.label(view.threadId)}</code>`)}${
    view.status !== undefined && fact("Status", Parts.status(view.status.type))
  }${view.model !== undefined && fact("Model", Text.label(view.model))}${
    view.cwd !== undefined && fact("Folder", html`<code>${Text.label(view.cwd)}</code>`)
  }${view.createdAt !== undefined && fact("Begun", Text.time(view.createdAt))}${
    fact("Turns", Text.number(view.turns.length))
  }${commands > 0 && fact("Commands", Text.number(commands))}${
    files > 0 &&
    fact(
      "Files",
      html`${Text.number(files)} <span class="added">+${added}</span> <span class="removed">−${removed}</span>`
    )
  }${view.subagents.length > 0 && fact("Subagents", Text.number(view.subagents.length))}${
    asked > 0 && fact("Decisions", Text.number(asked))
  }${tokens !== undefined && fact("Tokens", Text.number(tokens.totalTokens))}${
    cost !== undefined && fact("Cost", `${currency}${cost.toFixed(4)}`)
  }${view.contextLeft !== undefined && fact("Context left", Text.number(view.contextLeft))}</dl>`
}

/** What waits for somebody, and what went wrong, before anything else. */
export const urgent = (context: Context): Html => {
  const waiting = ThreadView.waiting(context.view)
  const failed = [...context.view.turns].flatMap(({ error, id }) => error === undefined ? [] : [{ error, id }])
  if (waiting.length === 0 && failed.length === 0) return none
  return html`<section class="urgent">${waiting.length > 0 && html`<h2>Waits for a decision</h2>`}${
    waiting.map((given) => Asks.ask(context, given))
  }${failed.length > 0 && html`<h2>Went wrong</h2>`}${
    failed.map(({ error, id }) =>
      html`${Agents.problem(error)}<p><a href="#${
        context.places.turn(context.view.threadId, id)
      }">Go to the turn</a></p>`
    )
  }</section>`
}

export const notices = ({ view }: Context): Html => {
  const told = [...view.notices].filter(({ kind }) => kind !== "unknown" && kind !== "undecodable")
  const unknown = view.notices.length - told.length
  if (view.notices.length === 0) return none
  return html`<section class="notices">${
    Parts.folded(
      Text.count(view.notices.length, "notice"),
      html`<ul>${
        told.map(({ at, kind, message }) =>
          html`<li>${Parts.badge(kind, kind === "error" ? "bad" : "warn")} ${message}${
            at !== undefined && html` <time>${Text.time(at)}</time>`
          }</li>`
        )
      }</ul>${unknown > 0 && html`<p class="quiet">${Text.count(unknown, "notification")} of a newer codex</p>`}`
    )
  }</section>`
}
