/** What an agent did, item by item. */
import { withoutShell } from "@effect-codex/client/Approvals"
import type * as Received from "@effect-codex/client/Received"
import type * as ThreadView from "@effect-codex/client/ThreadView"
import * as Asks from "./asks.ts"
import type { Context } from "./context.ts"
import { relative } from "./context.ts"
import * as Diff from "./diff.ts"
import { type Html, html, none, type Part } from "./html.ts"
import * as Markdown from "./markdown.ts"
import * as Parts from "./parts.ts"
import * as Text from "./text.ts"

type Item = Received.ThreadItem
type Of<Type extends string> = Extract<Item, { readonly type: Type }>

const input = (context: Context, part: Of<"userMessage">["content"][number]): Html => {
  switch (part.type) {
    case "text":
      return "text" in part && typeof part.text === "string" ? html`<p class="prompt">${part.text}</p>` : none
    case "localImage":
    case "localAudio":
      return html`<p class="quiet">${part.type}: ${
        "path" in part ? Text.label(relative(context, String(part.path))) : ""
      }</p>`
    case "skill":
    case "mention":
      return html`<p class="quiet">${part.type}: ${"name" in part ? Text.label(String(part.name)) : ""}</p>`
    // The data of an image is long, and its address is not to be asked.
    default:
      return html`<p class="quiet">${part.type}</p>`
  }
}

const command = (context: Context, view: ThreadView.ItemView, item: Of<"commandExecution">): Html => {
  const { aggregatedOutput, cwd, exitCode, status } = item
  const failed = exitCode !== null && exitCode !== 0
  const said = Parts.output(context, aggregatedOutput ?? "")
  return html`<div class="command"><pre class="line">$ ${withoutShell(item.command)}</pre>
<p class="facts">${Parts.status(status)}${
    exitCode === null ? "" : Parts.badge(`exit ${exitCode}`, failed ? "bad" : "quiet")
  }${Parts.taken(view.startedAt, view.endedAt)}${
    cwd !== context.cwd && html`<span class="quiet">in ${Text.label(cwd)}</span>`
  }</p>
${view.stdin !== "" && Parts.value(context, "typed", view.stdin)}
${said.markup !== "" && Parts.folded("Output", said, failed)}</div>`
}

const call = (
  context: Context,
  view: ThreadView.ItemView,
  name: string,
  status: string,
  values: ReadonlyArray<readonly [string, unknown]>
): Html =>
  html`<div class="call"><p class="facts"><code>${Text.label(name)}</code> ${Parts.status(status)}${
    Parts.taken(view.startedAt, view.endedAt)
  }</p>${Parts.folded("Arguments and result", values.map(([name, value]) => Parts.value(context, name, value)))}</div>`

const reasoning = ({ content, summary }: Of<"reasoning">): Html => {
  const texts = summary.length > 0 ? summary : content
  return texts.length === 0
    ? html`<p class="quiet">Reasoning, which the provider does not show</p>`
    : Parts.folded("Reasoning", texts.map(Markdown.render))
}

/** An item of a newer codex, or one that does not fit. */
const other = (context: Context, item: Item): Html => {
  const name = "name" in item && typeof item.name === "string" ? item.name : String(item.type)
  return html`<div class="call"><p class="facts"><code>${Text.label(name)}</code></p>${
    Parts.folded("As it came", Parts.value(context, "item", item))
  }</div>`
}

type Kind = readonly [label: string, body: Part]

/** How the item is called, and what it says. */
const kindOf = (context: Context, view: ThreadView.ItemView): Kind => {
  const { item } = view
  switch (item.type) {
    case "userMessage":
      return ["You", item.content.map((part) => input(context, part))]
    case "agentMessage":
      return [item.phase === "commentary" ? "Agent, meanwhile" : "Agent", Markdown.render(item.text)]
    case "reasoning":
      return ["", reasoning(item)]
    case "plan":
      return ["Plan", Markdown.render(item.text)]
    case "commandExecution":
      return ["Command", command(context, view, item)]
    case "fileChange":
      return [
        "Files",
        html`<p class="facts">${Parts.status(item.status)}</p>${view.files.map((file) => Diff.file(context, file))}`
      ]
    case "mcpToolCall":
      return [
        "MCP tool",
        call(context, view, `${item.server}/${item.tool}`, item.status, [
          ["arguments", item.arguments],
          ["result", item.result?.structuredContent ?? item.result?.content],
          ["error", item.error?.message]
        ])
      ]
    case "dynamicToolCall":
      return [
        "Tool",
        call(context, view, item.tool, item.status, [
          ["arguments", item.arguments],
          ["result", item.contentItems]
        ])
      ]
    case "collabAgentToolCall":
      return [
        "Subagents",
        html`<p class="facts"><code>${item.tool}</code> ${Parts.status(item.status)}${
          Parts.taken(view.startedAt, view.endedAt)
        }</p>${item.prompt !== null && html`<p class="prompt">${item.prompt}</p>`}`
      ]
    case "webSearch":
      return ["Web search", html`<p class="prompt">${Text.label(item.query)}</p>`]
    case "imageView":
      return ["Image", html`<code>${Text.label(relative(context, String(item.path)))}</code>`]
    case "contextCompaction":
      return ["", html`<p class="quiet">The history was summarized to make room</p>`]
    case "enteredReviewMode":
      return ["Review begins", Markdown.render("review" in item ? String(item.review) : "")]
    case "exitedReviewMode":
      return ["Review", Markdown.render("review" in item ? String(item.review) : "")]
    default:
      return ["", other(context, item)]
  }
}

export const item = (
  context: Context,
  threadId: string,
  view: ThreadView.ItemView,
  asks: ReadonlyArray<ThreadView.Ask>,
  subagents: Part
): Html => {
  const [label, body] = kindOf(context, view)
  const { startedAt } = view
  return html`<article id="${context.places.item(threadId, view.turnId, view.id)}" class="item ${
    /^[a-zA-Z]+$/.test(String(view.item.type)) && String(view.item.type)
  }">${
    label !== "" &&
    html`<h4>${label}${startedAt !== undefined && html`<time>${Text.clock(startedAt)}</time>`}${
      view.state === "abandoned" && Parts.badge("abandoned", "warn")
    }${view.state === "running" && Parts.badge("running", "warn")}</h4>`
  }${body}${asks.map((given) => Asks.ask(context, given))}${subagents}</article>`
}
