/** What a fold remembers beside what a view shows, and how views begin. */
import * as HashMap from "effect/HashMap"
import type * as View from "../../ThreadView.ts"
import { List } from "./list.ts"

/** The key of what only the fold reads. JSON leaves it out. */
export const state: unique symbol = Symbol("@effect-codex/client/ThreadView/state")

/** The key of what the fold remembers of the subagents. */
export const subagentsState: unique symbol = Symbol("@effect-codex/client/ThreadView/subagents")

export interface TurnState {
  /** The place of each item. */
  readonly places: HashMap.HashMap<string, number>
  /** For each item that goes on, the part of its first text that no delta has repeated yet. */
  readonly running: HashMap.HashMap<string, string>
  /** Something of an answer has come since the last report of usage. */
  readonly hasItem: boolean
}

export interface AgentState {
  /** The place of each turn. */
  readonly turns: HashMap.HashMap<string, number>
  /** The place of each request. */
  readonly asks: HashMap.HashMap<string | number, number>
  /** For a review, the turn within it, whose end is never told. */
  readonly inner: HashMap.HashMap<string, string>
}

export interface SubagentsState {
  /** The place of each subagent. */
  readonly places: HashMap.HashMap<string, number>
  /** The thread of each request: an answer names none. */
  readonly askers: HashMap.HashMap<string | number, string>
}

const noState: AgentState = { turns: HashMap.empty(), asks: HashMap.empty(), inner: HashMap.empty() }

const emptyAgent = (threadId: string) => ({
  threadId,
  status: undefined,
  name: undefined,
  preview: undefined,
  cwd: undefined,
  model: undefined,
  effort: undefined,
  settings: undefined,
  createdAt: undefined,
  turns: List.empty,
  asks: List.empty,
  waiting: [],
  notices: List.empty,
  goal: undefined,
  mcpServers: [],
  usage: undefined,
  contextLeft: undefined,
  isReverted: false,
  [state]: noState
})

export const emptyThread = (threadId: string): View.ThreadView => ({
  ...emptyAgent(threadId),
  subagents: List.empty,
  [subagentsState]: { places: HashMap.empty(), askers: HashMap.empty() }
})

export const emptySubagent = (threadId: string, parentThreadId: string): View.SubagentView => ({
  ...emptyAgent(threadId),
  parentThreadId,
  nickname: undefined,
  role: undefined,
  path: undefined,
  prompt: undefined,
  agentStatus: undefined,
  agentMessage: undefined
})

export const emptyTurn = (id: string): View.TurnView => ({
  id,
  status: "unknown",
  rootTurnId: undefined,
  startedAt: undefined,
  endedAt: undefined,
  durationMs: undefined,
  items: List.empty,
  plan: undefined,
  diff: undefined,
  model: undefined,
  calls: List.empty,
  usage: undefined,
  errors: List.empty,
  error: undefined,
  [state]: { places: HashMap.empty(), running: HashMap.empty(), hasItem: false }
})
