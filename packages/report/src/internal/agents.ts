/** The turns of an agent, with its subagents where they were started. */
import * as ThreadView from "@effect-codex/client/ThreadView"
import * as Option from "effect/Option"
import * as Asks from "./asks.ts"
import type { Context } from "./context.ts"
import { type Html, html, none, type Part } from "./html.ts"
import * as Items from "./items.ts"
import * as Parts from "./parts.ts"
import * as Text from "./text.ts"

const steps: Readonly<Record<string, string>> = { completed: "✓", inProgress: "▸", pending: "○" }

const plan = ({ explanation, steps: all }: ThreadView.PlanView): Html =>
  html`<div class="plan"><h4>Plan</h4>${explanation !== null && html`<p>${explanation}</p>`}<ul>${
    all.map(({ status, step }) =>
      html`<li class="${status === "completed" && "done"}">${steps[status] ?? "•"} ${step}</li>`
    )
  }</ul></div>`

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

export const problem = ({ advice, meaning, message, willRetry }: ThreadView.Problem): Html =>
  html`<div class="problem"><strong>${capital(meaning === "" ? "failed" : meaning)}</strong> ${
    willRetry && Parts.badge("codex tries again", "warn")
  }<p>${message}</p>${advice !== "" && html`<p class="advice">${advice}</p>`}</div>`

const facts = (context: Context, turn: ThreadView.TurnView): Html => {
  const tokens = ThreadView.tokens(turn)
  const cost = Option.getOrUndefined(ThreadView.cost(turn, context.price))
  return html`<p class="facts">${Parts.status(turn.status)}${Parts.taken(turn.startedAt, turn.endedAt)}${
    turn.model !== undefined && html`<span>${Text.label(turn.model)}</span>`
  }${tokens !== undefined && html`<span>${Text.count(tokens.totalTokens, "token")}</span>`}${
    cost !== undefined && html`<span>${context.currency}${cost.toFixed(4)}</span>`
  }</p>`
}

/** Those that the item has started and that were not shown before. */
const startedBy = (context: Context, { item }: ThreadView.ItemView): Part => {
  if (item.type !== "collabAgentToolCall") return none
  const ids = new Set(item.receiverThreadIds.map(String))
  return [...context.view.subagents].filter(({ threadId }) => ids.has(threadId)).map((agent) =>
    subagent(context, agent)
  )
}

/** What comes before the last ones that a page shows. */
export const earlier = (count: number, noun: string): Part =>
  count > 0 && html`<p class="quiet">${Text.count(count, `earlier ${noun}`)}: see the report</p>`

/** The last turns of an agent that a page shows, with their numbers. */
export const lastTurns = ({ most }: Context, { turns }: ThreadView.AgentView) => {
  const all = [...turns].map((view, i) => ({ view, number: i + 1 }))
  return all.slice(Math.max(0, all.length - most.turns))
}

export const turn = (
  context: Context,
  agent: ThreadView.AgentView,
  view: ThreadView.TurnView,
  number: number
): Html => {
  const asks = [...agent.asks].filter(({ turnId }) => turnId === view.id)
  const items = [...view.items].slice(Math.max(0, view.items.length - context.most.items))
  const ids = new Set(items.map(({ id }) => id))
  const ofItem = Map.groupBy(asks, ({ itemId }) => itemId !== undefined && ids.has(itemId) ? itemId : "")
  return html`<section class="turn" id="${context.places.turn(agent.threadId, view.id)}">
<h3>Turn ${number}${view.startedAt !== undefined && html`<time>${Text.time(view.startedAt)}</time>`}</h3>${
    facts(context, view)
  }${earlier(view.items.length - items.length, "item")}${
    items.map((item) => Items.item(context, agent.threadId, item, ofItem.get(item.id) ?? [], startedBy(context, item)))
  }${(ofItem.get("") ?? []).map((given) => Asks.ask(context, given))}${view.plan !== undefined && plan(view.plan)}${
    // The last one is told again as what the turn failed with.
    [...view.errors].filter(({ message }) => message !== view.error?.message).map(problem)}${
    view.error !== undefined && problem(view.error)
  }</section>`
}

export const turns = (context: Context, agent: ThreadView.AgentView): Html => {
  const last = lastTurns(context, agent)
  return html`${earlier(agent.turns.length - last.length, "turn")}${
    last.map(({ number, view }) => turn(context, agent, view, number))
  }`
}

/** An agent within the one that started it. */
export const subagent = (context: Context, agent: ThreadView.SubagentView): Html => {
  const { agentStatus, nickname, path, prompt, threadId } = agent
  if (context.shown.has(threadId)) {
    return html`<p class="quiet">See <a href="#${context.places.agent(threadId)}">${
      Text.label(nickname ?? "the subagent")
    }</a></p>`
  }
  context.shown.add(threadId)
  const name = nickname ?? path ?? threadId.slice(-12)
  return html`<div class="subagent" id="${context.places.agent(threadId)}">${
    Parts.folded(
      html`Subagent <strong>${Text.label(name)}</strong> ${
        agentStatus !== undefined && Parts.status(String(agentStatus))
      } <span class="quiet">${Text.count(agent.turns.length, "turn")}</span>`,
      html`${prompt !== undefined && html`<p class="prompt">${prompt}</p>`}${turns(context, agent)}`
    )
  }</div>`
}
