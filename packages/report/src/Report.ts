/**
 * A session of codex as one HTML file.
 *
 * @since 0.1.0
 */
import type { Price } from "@effect-codex/client/Pricing"
import * as ThreadView from "@effect-codex/client/ThreadView"
import * as Option from "effect/Option"
import * as Agents from "./internal/agents.ts"
import * as Charts from "./internal/charts.ts"
import type { Context } from "./internal/context.ts"
import * as Head from "./internal/head.ts"
import { html } from "./internal/html.ts"
import { page } from "./internal/page.ts"
import { Places } from "./internal/places.ts"
import * as Text from "./internal/text.ts"

/**
 * Options of {@link render}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The title of the page. Default: the name of the thread, else the beginning of its first message, else its id. */
  readonly title?: string | undefined
  /** What the calls of the model cost, as of `Pricing.perMillionTokens`. Default: the page shows no cost. */
  readonly price?: Price | undefined
  /** What a cost is in; it is written before the number. Default: `$`. */
  readonly currency?: string | undefined
  /** The longest text of a command or a tool that is shown whole, in characters. Default: 20,000. */
  readonly maxOutput?: number | undefined
}

const noPrice: Price = () => Option.none()

/**
 * What codex calls the preview of a thread, for views that were not told it: those of a new thread, and of a rollout.
 */
const firstMessageOf = ({ turns }: ThreadView.ThreadView): string | undefined => {
  for (const turn of turns) {
    for (const { item } of turn.items) {
      if (item.type === "userMessage") return item.content.find((part) => part.type === "text")?.text
    }
  }
  return undefined
}

const titleOf = (view: ThreadView.ThreadView): string =>
  [
    view.name,
    ...[view.preview, firstMessageOf(view)].map((text) => text?.trim().split("\n")[0]?.slice(0, 120)),
    view.threadId
  ]
    .find((text) => text !== undefined && text !== "") ?? "A thread without events"

/**
 * Renders a thread as one self-contained HTML file: the conversation, commands with their output, diffs, plans,
 * decisions and who took them, subagents where they were started, where the time went, the tokens of each call of the
 * model, and errors with what to do.
 *
 * **When to use**
 *
 * To look at a session afterwards, to send it to somebody, or to keep it with the result of a job.
 *
 * **Details**
 *
 * A page knows what its view knows: only a live view and a cassette have decisions, and only these and a rollout have
 * tokens. The page is readable on a phone, in the dark and on paper. The keys `j` and `k` go to the next and the
 * previous turn, and `o` opens everything that is folded. It sends no request to anywhere.
 *
 * Everything that the model, its tools and the server said is shown as text. None of it becomes markup, a script or a
 * link, except that Markdown of the agent may have links to `http`, `https` and `mailto`. Hidden characters, such as
 * those that change the direction of text, are made visible. In addition the page forbids the browser to run any script
 * but its own.
 *
 * **Gotchas**
 *
 * The page contains what the session contains, so also secrets that a command has printed.
 *
 * **Example** (The page of a stored thread)
 *
 * ```ts
 * import { Codex, ThreadView } from "@effect-codex/client"
 * import { Report } from "@effect-codex/report"
 * import { Effect, FileSystem } from "effect"
 *
 * export const save = Effect.fn("save")(function*(threadId: string, file: string) {
 *   const codex = yield* Codex.Codex
 *   const fs = yield* FileSystem.FileSystem
 *   const thread = yield* codex.readThread(threadId, { includeTurns: true })
 *   const view = ThreadView.apply(ThreadView.empty, { _tag: "StoredThread", thread })
 *   yield* fs.writeFileString(file, Report.render(view))
 * })
 * ```
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (view: ThreadView.ThreadView, options: Options = {}): string => {
  const context: Context = {
    view,
    places: new Places(),
    maxOutput: options.maxOutput ?? 20_000,
    price: options.price ?? noPrice,
    currency: options.currency ?? "$",
    cwd: view.cwd,
    shown: new Set(),
    most: { turns: Infinity, items: Infinity }
  }
  const title = options.title ?? Text.label(titleOf(view))
  const turns = Agents.turns(context, view)
  // Those that no item has started, as far as is known.
  const others = ThreadView.childrenOf(view, view.threadId).filter(({ threadId }) => !context.shown.has(threadId))
  const left = others.map((agent) => Agents.subagent(context, agent))
  const rest = [...view.subagents].filter(({ threadId }) => !context.shown.has(threadId))
  const navigation = html`<a href="#top">Overview</a>${
    [...view.turns].map(({ id }, i) => html`<a href="#${context.places.turn(view.threadId, id)}">Turn ${i + 1}</a>`)
  }`
  return page(
    title,
    navigation,
    html`<header id="top"><h1>${title}</h1>${Head.facts(context)}${Head.urgent(context)}${Charts.timeline(context)}${
      Charts.tokens(context)
    }</header><main>${turns}${left.length + rest.length > 0 && html`<h2>Other subagents</h2>`}${left}${
      rest.map((agent) => Agents.subagent(context, agent))
    }${
      Head.notices(context)
    }</main><footer>Made by effect-codex. <kbd>j</kbd> and <kbd>k</kbd> go from turn to turn, <kbd>o</kbd> opens everything.</footer>`
  )
}
