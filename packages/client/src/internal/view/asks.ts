/** What the server asks, and who decided. */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { ServerNotification } from "../../ServerNotification.ts"
import type { AgentView, Ask, ServerRequest } from "../../ThreadView.ts"
import { isMcpToolApproval } from "../protocol/mcpToolApproval.ts"
import { at, membersOf, textAt, turnIdOf } from "../protocol/peek.ts"
import { state } from "./state.ts"

/** Requests that nobody is asked about: the program answers them, and a tool's call is an item. */
const silent: ReadonlySet<string> = new Set([
  "account/chatgptAuthTokens/refresh",
  "attestation/generate",
  "currentTime/read",
  "item/tool/call"
])

const kinds = new Map<string, Ask["kind"]>([
  ["item/commandExecution/requestApproval", "command"],
  ["execCommandApproval", "command"],
  ["item/fileChange/requestApproval", "fileChange"],
  ["applyPatchApproval", "fileChange"],
  ["item/permissions/requestApproval", "permissions"],
  ["item/tool/requestUserInput", "question"],
  ["mcpServer/elicitation/request", "elicitation"]
])

const kindOf = ({ method, params }: ServerRequest): Ask["kind"] => {
  const kind = kinds.get(method) ?? "unknown"
  return kind === "elicitation" && isMcpToolApproval(params) ? "mcpTool" : kind
}

export const isAsked = ({ method }: ServerRequest): boolean => !silent.has(method)

/** The thread of a request; older servers have another name for it. */
export const threadOf = ({ params }: ServerRequest): string | undefined =>
  textAt(params, "threadId") ?? textAt(params, "conversationId")

const askOf = (agent: AgentView, id: Ask["id"]): readonly [place: number, ask: Ask] | undefined => {
  const place = Option.getOrUndefined(HashMap.get(agent[state].asks, id))
  const ask = place === undefined ? undefined : agent.asks.at(place)
  return place === undefined || ask === undefined ? undefined : [place, ask]
}

const added = <A extends AgentView>(agent: A, ask: Ask): A => ({
  ...agent,
  asks: agent.asks.append(ask),
  waiting: ask.state === "waiting" ? [...agent.waiting, ask] : agent.waiting,
  [state]: { ...agent[state], asks: HashMap.set(agent[state].asks, ask.id, agent.asks.length) }
})

const changed = <A extends AgentView>(agent: A, id: Ask["id"], change: (ask: Ask) => Ask): A => {
  const found = askOf(agent, id)
  if (found === undefined) return agent
  const [place, before] = found
  const ask = change(before)
  return {
    ...agent,
    asks: agent.asks.set(place, ask),
    waiting: before.state === "waiting" && ask.state !== "waiting"
      ? agent.waiting.filter((other) => other !== before)
      : agent.waiting
  }
}

const startOf = (params: unknown): number | undefined => {
  const startedAt = at(params, "startedAtMs")
  return typeof startedAt === "number" ? startedAt : undefined
}

export const ask = <A extends AgentView>(agent: A, request: ServerRequest, when: number | undefined): A => {
  const { id, method, params } = request
  const before = askOf(agent, id)?.[1]
  // A request that waits comes again, under its id, to whoever resumes the thread.
  if (before?.state === "waiting" && before.method === method) return agent
  return added(agent, {
    id,
    threadId: agent.threadId,
    turnId: turnIdOf(params),
    itemId: textAt(params, "itemId") ?? textAt(params, "callId"),
    kind: kindOf(request),
    method,
    params,
    askedAt: startOf(params) ?? when,
    endedAt: undefined,
    state: "waiting",
    by: undefined,
    answer: undefined
  })
}

/** The ids of the questions whose answers are secret. */
const secretsOf = (params: unknown): ReadonlySet<string> => {
  const questions = at(params, "questions")
  return new Set(
    (Array.isArray(questions) ? questions : []).flatMap((question: unknown) =>
      at(question, "isSecret") === true ? textAt(question, "id") ?? [] : []
    )
  )
}

/** Answers to questions, without those that are secret: a view is there to be shown. */
const withoutSecrets = (given: unknown, secrets: ReadonlySet<string>): unknown => {
  const result = membersOf(at(given, "result"))
  const answers = Object.entries(membersOf(result["answers"])).map(([id, answer]) => [
    id,
    secrets.has(id) ? { answers: ["<redacted>"] } : answer
  ])
  return { result: { ...result, answers: Object.fromEntries(answers) } }
}

/** What may be shown of an answer. What was filled into a form may be anything, so only whether it was accepted. */
const shownOf = ({ kind, params }: Ask, given: unknown): unknown => {
  const error = at(given, "error")
  if (error !== undefined) return { error }
  switch (kind) {
    case "question":
      return withoutSecrets(given, secretsOf(params))
    case "elicitation":
    case "mcpTool":
      return { result: { action: textAt(at(given, "result"), "action") } }
    case "unknown":
      return undefined
    default:
      return given
  }
}

/** The first answer counts. */
export const answer = <A extends AgentView>(agent: A, id: Ask["id"], given: unknown, when: number | undefined): A =>
  askOf(agent, id)?.[1].state === "waiting"
    ? changed(
      agent,
      id,
      (ask) => ({ ...ask, state: "answered", by: "client", answer: shownOf(ask, given), endedAt: when })
    )
    : agent

/** The server no longer waits for it. */
export const close = <A extends AgentView>(agent: A, id: Ask["id"], when: number | undefined): A =>
  askOf(agent, id)?.[1].state === "waiting"
    ? changed(agent, id, (ask) => ({ ...ask, state: "closed", endedAt: when }))
    : agent

/** Nothing waits for a turn that has ended. */
export const closeOf = <A extends AgentView>(agent: A, turnId: string, when: number | undefined): A =>
  agent.waiting.reduce((now, ask) => ask.turnId === turnId ? close(now, ask.id, when) : now, agent)

type Review = Extract<
  ServerNotification,
  { readonly _tag: "item/autoApprovalReview/started" | "item/autoApprovalReview/completed" }
>

/** A review by the server's own reviewer. */
export const review = <A extends AgentView>(agent: A, event: Review, when: number | undefined): A => {
  const { reviewId, startedAtMs, targetItemId, turnId } = event.params
  const id = `review:${reviewId}`
  const now = askOf(agent, id) !== undefined ? agent : added(agent, {
    id,
    threadId: agent.threadId,
    turnId,
    itemId: targetItemId ?? undefined,
    kind: "review",
    method: event._tag,
    params: event.params,
    askedAt: startedAtMs ?? when,
    endedAt: undefined,
    state: "waiting",
    by: undefined,
    answer: undefined
  })
  if (event._tag === "item/autoApprovalReview/started") return now
  const endedAt = event.params.completedAtMs ?? when
  return changed(
    now,
    id,
    (ask) => ({ ...ask, state: "answered", by: "reviewer", answer: event.params.review, endedAt })
  )
}
