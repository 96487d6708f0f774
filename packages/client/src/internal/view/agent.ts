/** Takes the events of one thread into the view of it, whether it is the thread itself or a subagent's. */
import type * as Received from "../../Received.ts"
import type { ServerNotification } from "../../ServerNotification.ts"
import type { AgentView, McpServerView, StoredItem, StoredThread, StoredTurn } from "../../ThreadView.ts"
import * as Asks from "./asks.ts"
import { deltaOf } from "./deltas.ts"
import * as Items from "./items.ts"
import { noticed, problemOf, unfit } from "./problems.ts"
import * as Turns from "./turns.ts"
import * as Usage from "./usage.ts"

const isStarting = (status: string): boolean => status === "starting"

const withMcpServer = (
  servers: ReadonlyArray<McpServerView>,
  params: Received.McpServerStatusUpdatedNotification,
  at: number | undefined
): ReadonlyArray<McpServerView> => {
  const { environmentId = null, error = null, name, status } = params
  const place = servers.findIndex((server) => server.name === name && server.environmentId === environmentId)
  const before = servers[place]
  if (before?.status === status) return servers
  const startedAt = isStarting(status) ? at : before?.startedAt
  const server = { name, environmentId, status, error, startedAt, endedAt: isStarting(status) ? undefined : at }
  return before === undefined ? [...servers, server] : servers.map((other, i) => i === place ? server : other)
}

/** An event of the thread's own. */
export const notified = <A extends AgentView>(agent: A, event: ServerNotification, at: number | undefined): A => {
  const now = noticed(agent, event, at)
  switch (event._tag) {
    case "turn/started":
      return Turns.inTurn(
        Turns.within(now, event.params.turn),
        event.params.turn.id,
        (turn) => Turns.begin(turn, event.params.turn, now.model, at)
      )
    case "turn/completed": {
      const { turn } = event.params
      const ended = Turns.endInner(Turns.inTurn(now, turn.id, (before) => Turns.end(before, turn, at)), turn.id)
      return Asks.closeOf(ended, turn.id, at)
    }
    case "item/started": {
      const { item, startedAtMs, turnId } = event.params
      return Turns.inTurn(now, turnId, (turn) => Items.begin(turn, item, startedAtMs ?? at))
    }
    case "item/completed": {
      const { completedAtMs, item, turnId } = event.params
      return Turns.inTurn(
        now,
        turnId,
        (turn) => Items.complete(turn, item, { ...Turns.timesOf(item), endedAt: completedAtMs ?? at })
      )
    }
    case "item/agentMessage/delta":
    case "item/plan/delta":
    case "item/reasoning/summaryTextDelta":
    case "item/reasoning/textDelta":
    case "item/commandExecution/outputDelta":
    case "item/fileChange/patchUpdated": {
      const delta = deltaOf(event)
      return delta === undefined ? now : Turns.inTurn(now, delta.turnId, (turn) => Items.write(turn, delta, at))
    }
    case "item/commandExecution/terminalInteraction": {
      const { itemId, stdin, turnId } = event.params
      return Turns.inTurn(now, turnId, (turn) => Items.note(turn, itemId, (item) => ({ stdin: item.stdin + stdin })))
    }
    case "item/mcpToolCall/progress": {
      const { itemId, message, turnId } = event.params
      return Turns.inTurn(now, turnId, (turn) => Items.note(turn, itemId, () => ({ progress: message })))
    }
    case "item/autoApprovalReview/started":
    case "item/autoApprovalReview/completed":
      return Asks.review(now, event, at)
    case "serverRequest/resolved":
      return Asks.close(now, event.params.requestId, at)
    case "turn/plan/updated": {
      const { explanation, plan: steps, turnId } = event.params
      return Turns.inTurn(now, turnId, (turn) => ({ ...turn, plan: { explanation: explanation ?? null, steps } }))
    }
    case "turn/diff/updated": {
      const { diff, turnId } = event.params
      return Turns.inTurn(now, turnId, (turn) => turn.diff === diff ? turn : { ...turn, diff })
    }
    case "error": {
      const { error, turnId, willRetry } = event.params
      return Turns.inTurn(now, turnId, (turn) => {
        const next = { ...turn, errors: turn.errors.append(problemOf(error, willRetry, at)) }
        // docs/codex-behaviour.md, "A message that breaks off is never completed".
        return willRetry ? Items.abandon(next, "written", at) : next
      })
    }
    case "model/rerouted": {
      const { toModel, turnId } = event.params
      return Turns.inTurn(now, turnId, (turn) => ({ ...turn, model: toModel }))
    }
    case "thread/tokenUsage/updated": {
      const { tokenUsage, turnId } = event.params
      const counted = Turns.inTurn(
        now,
        turnId,
        (turn) => Usage.addCall(turn, tokenUsage, now.usage, turn.model ?? now.model, at)
      )
      return { ...counted, ...Usage.usageOf(tokenUsage) }
    }
    case "thread/status/changed":
      return { ...now, status: event.params.status }
    case "thread/closed":
      return { ...now, status: { type: "notLoaded" } }
    case "thread/name/updated":
      return { ...now, name: event.params.threadName ?? undefined }
    case "thread/settings/updated": {
      const { threadSettings: settings } = event.params
      const { cwd, effort, model } = settings
      return { ...now, settings, cwd, model, effort: effort ?? undefined }
    }
    case "thread/started":
      return about(now, event.params.thread)
    case "thread/goal/updated":
      return { ...now, goal: event.params.goal }
    case "thread/goal/cleared":
      return now.goal === undefined ? now : { ...now, goal: undefined }
    case "thread/reverted":
      return { ...now, isReverted: true }
    case "mcpServer/startupStatus/updated": {
      const mcpServers = withMcpServer(now.mcpServers, event.params, at)
      return mcpServers === now.mcpServers ? now : { ...now, mcpServers }
    }
    default:
      return now
  }
}

/** What a thread says of itself. */
export const about = <A extends AgentView>(agent: A, thread: Received.Thread): A => ({
  ...agent,
  status: thread.status ?? agent.status,
  name: thread.name ?? undefined,
  preview: thread.preview === "" ? agent.preview : thread.preview,
  cwd: thread.cwd ?? agent.cwd,
  model: thread.model ?? agent.model,
  effort: thread.reasoningEffort ?? agent.effort,
  createdAt: typeof thread.createdAt === "number" ? thread.createdAt * 1000 : agent.createdAt
})

export const storedTurn = <A extends AgentView>(agent: A, turn: StoredTurn["turn"]): A =>
  "raw" in turn ? unfit(agent, "turn", turn) : Turns.inTurn(agent, turn.id, (before) => Turns.stored(before, turn))

export const storedThread = <A extends AgentView>(agent: A, { thread }: StoredThread): A => {
  const turns = thread.turns ?? []
  const next = turns.reduce((now, turn) => storedTurn(now, turn), about(agent, thread))
  return next.isReverted && turns.length > 0 ? Turns.only(next, turns.map(({ id = "" }) => id)) : next
}

export const storedItem = <A extends AgentView>(agent: A, entry: StoredItem["entry"]): A =>
  "raw" in entry
    ? unfit(agent, "item", entry)
    : Turns.inTurn(agent, entry.turnId, (turn) =>
      Items.store(turn, entry.item, { ...Turns.timesOf(entry.item), ...Turns.timesOf(entry) }))
