/** What somebody had to decide, and who did. */
import { withoutShell } from "@effect-codex/client/Approvals"
import type * as ThreadView from "@effect-codex/client/ThreadView"
import type { Context } from "./context.ts"
import { type Html, html } from "./html.ts"
import * as Parts from "./parts.ts"

const questions: Readonly<Record<ThreadView.Ask["kind"], string>> = {
  command: "May it run the command?",
  fileChange: "May it change the files?",
  permissions: "May it have these permissions?",
  mcpTool: "May it call the tool?",
  question: "Questions of the agent",
  elicitation: "A form of an MCP server",
  review: "Reviewed by codex",
  unknown: "A request of codex"
}

const deciders = { client: "the client", reviewer: "codex's reviewer" }

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value ? (value as Record<string, unknown>)[name] : undefined

/** The decision in a word, if the answer has one. */
const decisionOf = ({ answer, state }: ThreadView.Ask): string => {
  if (state === "waiting") return "waiting"
  const result = member(answer, "result") ?? answer
  for (const name of ["decision", "action", "status"]) {
    const value = member(result, name)
    if (typeof value === "string") return value
    if (typeof value === "object" && value !== null) return Object.keys(value)[0] ?? "answered"
  }
  if (member(answer, "error") !== undefined) return "refused"
  return state === "answered" ? "answered" : "closed"
}

export const ask = (context: Context, given: ThreadView.Ask): Html => {
  const { askedAt, by, endedAt, kind, params, state } = given
  const command = member(params, "command")
  const reason = member(params, "reason")
  return html`<div class="ask ${state}">
<span class="label">${questions[kind] ?? questions.unknown}</span> ${Parts.status(decisionOf(given))}
${by !== undefined && html`<span class="quiet">by ${deciders[by]}</span>`}
${state === "waiting" ? "" : html`<span class="quiet">waited</span> ${Parts.taken(askedAt, endedAt)}`}
${typeof command === "string" && html`<pre>${withoutShell(command)}</pre>`}
${typeof reason === "string" && html`<p>${reason}</p>`}
${
    Parts.folded(
      "Request and answer",
      html`${Parts.value(context, "request", params)}${Parts.value(context, "answer", given.answer)}`
    )
  }
</div>`
}
