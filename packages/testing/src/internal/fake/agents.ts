/** The tools with which an agent starts subagents, waits for them, and sends them input: those of `multi_agent_v1`. */
import type * as Received from "@effect-codex/protocol/Received"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Connection, LoadedThread } from "./connection.ts"
import type { StoredThread } from "./home.ts"
import { newThread } from "./home.ts"
import { completed, type Engine, messageOf, started, steer, type Told } from "./running.ts"

export const namespace = "multi_agent_v1"

type Tool = (engine: Engine, told: Told, callId: string, args: Schema.Json) => Effect.Effect<string>

const nicknames = ["Ada", "Bell", "Curie", "Darwin", "Euler", "Fermi"]

const textOf = (args: Schema.Json, key: string): string | undefined =>
  Predicate.hasProperty(args, key) && Predicate.isString(args[key]) ? args[key] : undefined

/** The state of an agent as items have it, and as the model is told. */
interface State {
  readonly item: Received.CollabAgentState
  readonly told: Schema.Json
  /** Whether there is something to wait for. */
  readonly mayEnd: boolean
}

const stateOf = ({ loaded }: Connection, threadId: string): State => {
  const thread = loaded.get(threadId)
  const turn = thread?.stored.turns.at(-1)
  const plain = (status: string, told: string, mayEnd: boolean): State => ({
    item: { status, message: null },
    told,
    mayEnd
  })
  if (turn === undefined) return plain("notFound", "not_found", false)
  // An interrupted agent may be sent more input.
  if (turn.status === "interrupted") return plain("interrupted", "interrupted", true)
  if (turn.status === "inProgress") return plain("running", "running", true)
  const message = turn.status === "failed"
    ? turn.error?.message ?? ""
    : turn.items.findLast((item) => item.type === "agentMessage")?.text ?? null
  return turn.status === "failed"
    ? { item: { status: "errored", message }, told: { errored: message }, mayEnd: false }
    : { item: { status: "completed", message }, told: { completed: message }, mayEnd: false }
}

const itemOf = (told: Told, callId: string, tool: Received.CollabAgentTool, more: {
  readonly receivers: ReadonlyArray<string>
  readonly prompt?: string
}) =>
  ({
    type: "collabAgentToolCall",
    id: callId,
    tool,
    status: "inProgress",
    senderThreadId: told.thread.stored.id,
    receiverThreadIds: more.receivers,
    prompt: more.prompt ?? null,
    model: null,
    reasoningEffort: null,
    agentsStates: {}
  }) satisfies Received.ThreadItem

const inherited = ({ connection, thread: { stored } }: Told, role: string | null): StoredThread => ({
  ...newThread(connection, stored.settings),
  ephemeral: stored.ephemeral,
  threadSource: "subagent",
  // docs/codex-behaviour.md, "Subagents do not get the tools of the thread".
  dynamicTools: [],
  developerInstructions: stored.developerInstructions,
  features: stored.features,
  unloadDelaySecs: stored.unloadDelaySecs,
  maxAgentDepth: stored.maxAgentDepth,
  agent: {
    parentThreadId: stored.id,
    depth: (stored.agent?.depth ?? 0) + 1,
    nickname: nicknames[
      [...connection.home.threads.values()].filter(({ agent }) => agent !== undefined).length %
      nicknames.length
    ]!,
    role
  }
})

const rootOf = ({ turn: { stored } }: Told): string => stored.rootTurnId ?? stored.id

const textMessage = (text: string) => messageOf([{ type: "text", text, text_elements: [] }], null)

const noMessage = "Provide one of: message or items"

const spawnAgent: Tool = Effect.fnUntraced(function*(engine, told, callId, args) {
  const { connection, thread } = told
  const prompt = textOf(args, "message")
  if (prompt === undefined) return noMessage
  const reasoningEffort = told.turn.settings.effort ?? "medium"
  const item = { ...itemOf(told, callId, "spawnAgent", { receivers: [], prompt }), model: "", reasoningEffort }
  const startedAtMs = started(told, item)
  const stored = inherited(told, textOf(args, "agent_type") ?? null)
  const child: LoadedThread = {
    stored,
    status: { type: "idle" },
    running: undefined,
    isSubscribed: thread.isSubscribed
  }
  connection.home.threads.set(stored.id, stored)
  connection.loaded.set(stored.id, child)
  connection.home.writers.set(stored.id, connection)
  connection.setStatus(child, { type: "idle" })
  completed(told, {
    ...item,
    status: "completed",
    receiverThreadIds: [stored.id],
    model: told.turn.settings.model,
    agentsStates: { [stored.id]: { status: "pendingInit", message: null } }
  }, startedAtMs)
  yield* engine.startTurn(child, textMessage(prompt), rootOf(told))
  return JSON.stringify({ agent_id: stored.id, nickname: stored.agent?.nickname })
})

const waitAgent: Tool = Effect.fnUntraced(function*(_engine, told, callId, args) {
  const { connection } = told
  const given: unknown = Predicate.hasProperty(args, "targets") ? args["targets"] : undefined
  const targets = Array.isArray(given) ? given.filter(Predicate.isString) : []
  if (targets.length === 0) return "agent ids must be non-empty"
  const timeout: unknown = Predicate.hasProperty(args, "timeout_ms") ? args["timeout_ms"] : undefined
  const item = itemOf(told, callId, "wait", { receivers: targets })
  const startedAtMs = started(told, item)
  const over = () => targets.filter((id) => !stateOf(connection, id).mayEnd)
  const wait: Effect.Effect<void> = Effect.suspend(() => {
    if (over().length > 0) return Effect.void
    const fibers = targets.flatMap((id) => connection.loaded.get(id)?.running?.fiber ?? [])
    if (fibers.length === 0) return Effect.never
    return Effect.andThen(Effect.raceAll(fibers.map((fiber) => Fiber.await(fiber))), wait)
  })
  yield* Effect.timeoutOption(wait, Predicate.isNumber(timeout) ? timeout : 30_000)
  const ended = over()
  const states = ended.map((id) => [id, stateOf(connection, id)] as const)
  completed(told, {
    ...item,
    status: states.some(([, { item: { status } }]) => status !== "completed") ? "failed" : "completed",
    receiverThreadIds: ended,
    agentsStates: Object.fromEntries(states.map(([id, { item }]) => [id, item]))
  }, startedAtMs)
  return JSON.stringify({
    status: Object.fromEntries(states.map(([id, { told }]) => [id, told])),
    timed_out: ended.length === 0
  })
})

const sendInput: Tool = Effect.fnUntraced(function*(engine, told, callId, args) {
  const { connection } = told
  const target = textOf(args, "target") ?? ""
  const prompt = textOf(args, "message")
  if (prompt === undefined) return noMessage
  const item = itemOf(told, callId, "sendInput", { receivers: [target], prompt })
  const startedAtMs = started(told, item)
  const child = connection.loaded.get(target)
  const state = stateOf(connection, target)
  completed(told, {
    ...item,
    status: child === undefined ? "failed" : "completed",
    agentsStates: { [target]: state.item }
  }, startedAtMs)
  if (child === undefined) return `agent with id ${target} not found`
  if (child.running === undefined) yield* engine.startTurn(child, textMessage(prompt), rootOf(told))
  else steer(child.running, textMessage(prompt))
  return JSON.stringify({ submission_id: connection.home.nextId() })
})

/** Whether the agent has these tools: the deepest ones are not offered any. */
export const areOffered = ({ agent, maxAgentDepth = 1 }: StoredThread): boolean => (agent?.depth ?? 0) < maxAgentDepth

/** The tool of this name; undefined if the fake does not have it. */
export const toolOf = (name: string): Tool | undefined => Object.hasOwn(tools, name) ? tools[name] : undefined

const tools: { readonly [name: string]: Tool } = {
  spawn_agent: spawnAgent,
  wait_agent: waitAgent,
  send_input: sendInput
}

/** `agents.max_depth` of a thread's configuration. */
export const maxDepthOf = (config: unknown): number | undefined => {
  if (!Predicate.isObject(config)) return undefined
  const agents: unknown = Reflect.get(config, "agents")
  const depth: unknown = Reflect.get(config, "agents.max_depth") ??
    (Predicate.isObject(agents) ? Reflect.get(agents, "max_depth") : undefined)
  return Predicate.isNumber(depth) ? depth : undefined
}
