/** The state that outlives a connection: threads and the login, which the real server keeps in the `CODEX_HOME`. */
import { codexVersion } from "@effect-codex/protocol/Methods"
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import type * as Schema from "effect/Schema"
import type { Context } from "./carried.ts"

export interface Settings {
  readonly model: string
  readonly modelProvider: string
  readonly serviceTier: string | null
  readonly approvalPolicy: Received.AskForApproval
  readonly approvalsReviewer: Received.ApprovalsReviewer
  readonly sandbox: Received.SandboxPolicy
  /** The permissions profile of the sandbox mode; null once a request sets another sandbox. */
  readonly profile: Received.ActivePermissionProfile | null
  readonly cwd: string
  /** The folders of the workspace. */
  readonly roots: ReadonlyArray<string>
  readonly effort: Received.ReasoningEffort | null
  /** The mode that a request set last, with what the model is told of it. */
  readonly mode: { readonly kind: Sent.ModeKind; readonly instructions: string } | undefined
  readonly summary: Received.ReasoningSummary | null
  readonly personality: Received.Personality | null
  readonly baseInstructions: string
}

/** The features that a thread's `config` can enable. */
export interface Features {
  /** `features.default_mode_request_user_input`: the model may ask the user. */
  readonly requestUserInput: boolean
  /** `features.request_permissions_tool`: the model may ask for permissions. */
  readonly requestPermissions: boolean
  /** `features.step_model_switching`: the model of a running turn may change. */
  readonly stepModelSwitching: boolean
}

export interface StoredTurn {
  readonly id: string
  /** The turn that it works for, if it is a subagent's. */
  readonly rootTurnId?: string | undefined
  status: Received.TurnStatus
  error: Received.TurnError | null
  readonly items: Array<Received.ThreadItem>
  readonly startedAtMs: number
  completedAtMs: number | null
  /** The length of the thread's `history` when the turn began. */
  readonly historyStart: number
}

/** What a subagent's thread says of it. */
interface Agent {
  readonly parentThreadId: string
  readonly depth: number
  readonly nickname: string
  readonly role: string | null
}

export interface StoredThread {
  readonly id: string
  /** Undefined: the thread is no subagent's. */
  readonly agent?: Agent | undefined
  /** `agents.max_depth`: how deep subagents may start others. Default: 1. */
  maxAgentDepth?: number | undefined
  readonly forkedFromId: string | null
  readonly inheritedTurns: number
  readonly ephemeral: boolean
  readonly createdAtMs: number
  readonly threadSource: string | null
  readonly dynamicTools: ReadonlyArray<Sent.DynamicToolSpec>
  developerInstructions: string | null
  features: Features
  /** `thread_unload_delay_secs`: how long the thread stays loaded without a subscriber. In seconds. */
  unloadDelaySecs: number
  readonly turns: Array<StoredTurn>
  /** The input of the model: items of the Responses API. It only grows. */
  readonly history: Array<Schema.JsonObject>
  /** The instructions of the mode that the model was told last. */
  toldMode: string | undefined
  readonly approvedCommands: Set<string>
  settings: Settings
  /** What the last turn carried beside its message. */
  context: Context
  updatedAtMs: number
  /** Orders threads by their last use, even if no time has passed between two uses. */
  usedAs: number
  gitInfo: Received.GitInfo | null
  name: string | null
  preview: string
  archived: boolean
  /** Whether the thread has a file. A new thread gets one with its first message or its name. */
  isStored: boolean
  /** Whether the turns of a fresh thread were requested. The server refuses that, and changes later refusals. */
  isTouched: boolean
  usage: Received.TokenUsageBreakdown
  lastUsage: Received.TokenUsageBreakdown
  firstUnread: string | null
  revision: string | undefined
}

export const noTokens: Received.TokenUsageBreakdown = {
  totalTokens: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0
}

export type Login =
  | { readonly type: "apiKey"; readonly key: string }
  | { readonly type: "chatgpt"; readonly email: string; readonly planType: Received.PlanType }

export interface Home {
  readonly path: string
  readonly cwd: string
  readonly model: string
  readonly requiresOpenaiAuth: boolean
  readonly threads: Map<string, StoredThread>
  /** The connection (a process of the real server) that has each thread loaded. No other connection can write it. */
  readonly writers: Map<string, object>
  readonly allowedPrefixes: Array<ReadonlyArray<string>>
  login: Login | undefined
  /** Returns unique ids. They are the same in every run. */
  readonly nextId: () => string
  readonly nextChunk: () => number
  readonly nextUse: () => number
}

export const make = (
  options: { readonly cwd: string; readonly model: string; readonly requiresOpenaiAuth: boolean }
): Home => {
  let ids = 0
  let chunks = 0
  let uses = 0
  return {
    ...options,
    path: "/fake/codex",
    threads: new Map(),
    writers: new Map(),
    allowedPrefixes: [],
    login: undefined,
    nextId: () => `01a20000-0000-7000-8000-${(++ids).toString(16).padStart(12, "0")}`,
    nextChunk: () => ++chunks,
    nextUse: () => ++uses
  }
}

const seconds = (ms: number): number => Math.floor(ms / 1000)

export const turnOf = (turn: StoredTurn, itemsView: Received.TurnItemsView): Received.Turn => ({
  id: turn.id,
  rootTurnId: turn.rootTurnId ?? turn.id,
  items: itemsView === "notLoaded" ? [] : itemsView === "full" ? turn.items : summaryOf(turn),
  itemsView,
  status: turn.status,
  error: turn.error,
  startedAt: seconds(turn.startedAtMs),
  completedAt: turn.completedAtMs === null ? null : seconds(turn.completedAtMs),
  durationMs: turn.completedAtMs === null ? null : turn.completedAtMs - turn.startedAtMs
})

const summaryOf = ({ items }: StoredTurn): ReadonlyArray<Received.ThreadItem> => {
  const first = items.find((item) => item.type === "userMessage")
  const last = items.findLast((item) => item.type === "agentMessage")
  return [first, last].filter((item) => item !== undefined)
}

export const environments = (
  { cwd, roots }: Pick<Settings, "cwd" | "roots">
): ReadonlyArray<Received.ThreadEnvironment> => [
  { environmentId: "local", cwd, runtimeWorkspaceRoots: roots }
]

const sourceOf = ({ agent }: StoredThread): Received.SessionSource =>
  agent === undefined ? "vscode" : {
    subAgent: {
      thread_spawn: {
        parent_thread_id: agent.parentThreadId,
        depth: agent.depth,
        agent_path: null,
        agent_nickname: agent.nickname,
        agent_role: agent.role
      }
    }
  }

export const threadOf = (
  home: Home,
  thread: StoredThread,
  status: Received.ThreadStatus,
  originator: string,
  turns: ReadonlyArray<Received.Turn> = []
): Received.Thread => ({
  id: thread.id,
  environments: status.type === "notLoaded" ? null : environments(thread.settings),
  extra: null,
  sessionId: thread.id,
  forkedFromId: thread.forkedFromId,
  attachedToThreadId: null,
  parentThreadId: thread.agent?.parentThreadId ?? null,
  preview: thread.preview,
  ephemeral: thread.ephemeral,
  section: null,
  sectionEnteredAt: null,
  projectId: null,
  historyMode: "paginated",
  modelProvider: thread.settings.modelProvider,
  model: thread.settings.model,
  reasoningEffort: thread.settings.effort,
  createdAt: seconds(thread.createdAtMs),
  updatedAt: seconds(thread.updatedAtMs),
  recencyAt: seconds(thread.updatedAtMs),
  status,
  path: thread.ephemeral
    ? null
    : `${home.path}/${thread.archived ? "archived_sessions" : "sessions"}/rollout-${thread.id}.jsonl`,
  cwd: thread.settings.cwd,
  cliVersion: codexVersion,
  originator,
  source: sourceOf(thread),
  canAcceptDirectInput: status.type === "notLoaded" ? null : true,
  threadSource: thread.threadSource,
  agentNickname: thread.agent?.nickname ?? null,
  agentRole: thread.agent?.role ?? null,
  gitInfo: thread.gitInfo,
  name: thread.name,
  daybreakEnabled: null,
  turns
})

export const readStateOf = (thread: StoredThread): Received.ThreadReadState | null =>
  thread.isStored
    ? {
      firstUnread: thread.firstUnread === null ? null : { type: "turn", turnId: thread.firstUnread },
      revision: thread.revision ?? `initial:${thread.id}`
    }
    : null

const noFeatures: Features = { requestUserInput: false, requestPermissions: false, stepModelSwitching: false }

export const defaultUnloadDelaySecs = 60

/** A thread that nothing has happened on. */
export const newThread = (
  { home, now }: { readonly home: Home; readonly now: () => number },
  settings: Settings
): StoredThread => ({
  id: home.nextId(),
  forkedFromId: null,
  inheritedTurns: 0,
  ephemeral: false,
  createdAtMs: now(),
  threadSource: null,
  dynamicTools: [],
  developerInstructions: null,
  features: noFeatures,
  unloadDelaySecs: defaultUnloadDelaySecs,
  turns: [],
  history: [],
  toldMode: undefined,
  approvedCommands: new Set(),
  settings,
  context: {},
  updatedAtMs: now(),
  usedAs: home.nextUse(),
  gitInfo: null,
  name: null,
  preview: "",
  archived: false,
  isStored: false,
  isTouched: false,
  usage: noTokens,
  lastUsage: noTokens,
  firstUnread: null,
  revision: undefined
})
