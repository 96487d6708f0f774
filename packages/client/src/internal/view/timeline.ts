/** Where the time of a thread went: the model, commands, tools, waiting for a decision, the start of MCP servers. */
import type * as Received from "../../Received.ts"
import type { AgentView, ItemView, ThreadView, TimeSpan, TurnView } from "../../ThreadView.ts"

type Item = Received.ThreadItem

/** What an item is in the picture; undefined for what the model writes or takes no time. */
const kindOf = (item: Item): Exclude<TimeSpan["kind"], "model" | "mcpStart" | "waiting" | "turn"> | undefined => {
  switch (item.type) {
    case "commandExecution":
      return "command"
    case "fileChange":
      return "fileChange"
    case "mcpToolCall":
    case "dynamicToolCall":
    case "webSearch":
    case "imageGeneration":
    case "sleep":
      return "tool"
    case "collabAgentToolCall":
      return "subagent"
    default:
      return undefined
  }
}

const labelOf = (item: Item): string => {
  switch (item.type) {
    case "commandExecution":
      return item.command
    case "fileChange":
      return item.changes.map(({ path }) => path).join(", ")
    case "mcpToolCall":
      return `${item.server}/${item.tool}`
    case "dynamicToolCall":
    case "collabAgentToolCall":
      return item.tool
    case "webSearch":
      return item.query
    default:
      return String(item.type)
  }
}

const ofItem = (threadId: string, { endedAt, id, item, startedAt, turnId }: ItemView): ReadonlyArray<TimeSpan> => {
  const kind = kindOf(item)
  return kind === undefined || startedAt === undefined
    ? []
    : [{ kind, threadId, turnId, itemId: id, label: labelOf(item), startedAt, endedAt }]
}

/** What is left of a turn is the time of the model, and of codex itself. */
const ofModel = (threadId: string, turn: TurnView, busy: ReadonlyArray<TimeSpan>): ReadonlyArray<TimeSpan> => {
  if (turn.startedAt === undefined) return []
  const span = { kind: "model", threadId, turnId: turn.id, itemId: undefined, label: turn.model ?? "" } as const
  const spans: Array<TimeSpan> = []
  let from = turn.startedAt
  for (const { endedAt, startedAt } of [...busy].sort((a, b) => a.startedAt - b.startedAt)) {
    if (startedAt > from) spans.push({ ...span, startedAt: from, endedAt: startedAt })
    // Something still runs, so the model waits.
    if (endedAt === undefined) return spans
    from = Math.max(from, endedAt)
  }
  const { endedAt } = turn
  return endedAt === undefined || endedAt > from ? [...spans, { ...span, startedAt: from, endedAt }] : spans
}

const ofTurn = (threadId: string, turn: TurnView): ReadonlyArray<TimeSpan> => {
  const { endedAt, id, startedAt, status } = turn
  const items = [...turn.items].flatMap((item) => ofItem(threadId, item))
  return [
    ...startedAt === undefined
      ? []
      : [{ kind: "turn", threadId, turnId: id, itemId: undefined, label: status, startedAt, endedAt } as const],
    ...items,
    ...ofModel(threadId, turn, items)
  ]
}

const ofAgent = (agent: AgentView): ReadonlyArray<TimeSpan> => {
  const { threadId } = agent
  return [
    ...agent.mcpServers.flatMap(({ endedAt, name, startedAt }) =>
      startedAt === undefined
        ? []
        : [
          { kind: "mcpStart", threadId, turnId: undefined, itemId: undefined, label: name, startedAt, endedAt } as const
        ]
    ),
    ...[...agent.turns].flatMap((turn) => ofTurn(threadId, turn)),
    ...[...agent.asks].flatMap(({ askedAt: startedAt, endedAt, itemId, kind, turnId }) =>
      startedAt === undefined
        ? []
        : [{ kind: "waiting", threadId, turnId, itemId, label: kind, startedAt, endedAt } as const]
    )
  ]
}

export const timeline = (view: ThreadView): ReadonlyArray<TimeSpan> =>
  [...ofAgent(view), ...[...view.subagents].flatMap(ofAgent)].sort((a, b) => a.startedAt - b.startedAt)
