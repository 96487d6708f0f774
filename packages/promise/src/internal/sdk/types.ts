/** The types of `@openai/codex-sdk` 0.163. */

/** A piece of what an MCP tool gave, as its server sent it. */
export interface ContentBlock {
  readonly type: string
  readonly [key: string]: unknown
}

export type CommandExecutionItem = {
  id: string
  type: "command_execution"
  command: string
  /** stdout and stderr, as far as they were captured. */
  aggregated_output: string
  exit_code?: number
  status: "in_progress" | "completed" | "failed"
}

export type FileChangeItem = {
  id: string
  type: "file_change"
  changes: Array<{ path: string; kind: "add" | "delete" | "update" }>
  status: "completed" | "failed"
}

export type McpToolCallItem = {
  id: string
  type: "mcp_tool_call"
  server: string
  tool: string
  arguments: unknown
  result?: {
    content: Array<ContentBlock>
    _meta?: unknown
    structured_content: unknown
  }
  error?: { message: string }
  status: "in_progress" | "completed" | "failed"
}

export type AgentMessageItem = { id: string; type: "agent_message"; text: string }

/** A summary of the model's reasoning. */
export type ReasoningItem = { id: string; type: "reasoning"; text: string }

export type WebSearchItem = { id: string; type: "web_search"; query: string }

/** Something that went wrong without ending the turn. */
export type ErrorItem = { id: string; type: "error"; message: string }

/** The agent's plan. */
export type TodoListItem = { id: string; type: "todo_list"; items: Array<{ text: string; completed: boolean }> }

export type ThreadItem =
  | AgentMessageItem
  | ReasoningItem
  | CommandExecutionItem
  | FileChangeItem
  | McpToolCallItem
  | WebSearchItem
  | TodoListItem
  | ErrorItem

/** The first event of every turn. */
export type ThreadStartedEvent = { type: "thread.started"; thread_id: string }
export type TurnStartedEvent = { type: "turn.started" }

/** The tokens that the thread has used. */
export type Usage = {
  input_tokens: number
  cached_input_tokens: number
  cache_write_input_tokens: number
  output_tokens: number
  reasoning_output_tokens: number
}

export type TurnCompletedEvent = { type: "turn.completed"; usage: Usage }
export type TurnFailedEvent = { type: "turn.failed"; error: ThreadError }
export type ItemStartedEvent = { type: "item.started"; item: ThreadItem }
export type ItemUpdatedEvent = { type: "item.updated"; item: ThreadItem }
export type ItemCompletedEvent = { type: "item.completed"; item: ThreadItem }
export type ThreadError = { message: string }
export type ThreadErrorEvent = { type: "error"; message: string }

export type ThreadEvent =
  | ThreadStartedEvent
  | TurnStartedEvent
  | TurnCompletedEvent
  | TurnFailedEvent
  | ItemStartedEvent
  | ItemUpdatedEvent
  | ItemCompletedEvent
  | ThreadErrorEvent

export type CyberAccessProgram = "standard" | "daybreak_blue" | "daybreak_red"

export type TurnOptions = {
  /** A program of OpenAI's access to cyber security work, for this turn. Default: the server decides. */
  cyberAccessProgram?: CyberAccessProgram
  /** The JSON Schema of the answer. */
  outputSchema?: unknown
  /** Interrupts the turn. */
  signal?: AbortSignal
}

export type RunResult = { items: Array<ThreadItem>; finalResponse: string; usage: Usage | null }
export type RunStreamedResult = { events: AsyncGenerator<ThreadEvent> }

export type UserInput = { type: "text"; text: string } | { type: "local_image"; path: string }
export type Input = string | Array<UserInput>

export type CodexConfigValue = string | number | boolean | Array<CodexConfigValue> | CodexConfigObject
export type CodexConfigObject = { [key: string]: CodexConfigValue }

export type CodexOptions = {
  /** The codex executable. Default: as `CodexOptions.executable` of `@effect-codex/promise`. */
  codexPathOverride?: string
  baseUrl?: string
  /** A key for this program, which is not stored. Default: `CODEX_API_KEY`. */
  apiKey?: string
  /** Overrides of the configuration, as a JSON object. */
  config?: CodexConfigObject
  /** `key=value` overrides of the configuration, after those of `config`. */
  configOverrides?: Array<string>
  /** The environment of codex, instead of this process'. */
  env?: Record<string, string>
}

export type ApprovalMode = "never" | "on-request" | "on-failure" | "untrusted"
export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access"
export type ModelReasoningEffort = "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | "ultra" | "persistent"
export type WebSearchMode = "disabled" | "cached" | "live"

export type ThreadOptions = {
  model?: string
  threadSource?: string
  sandboxMode?: SandboxMode
  workingDirectory?: string
  /** Whether the folder may be outside of a git repository. */
  skipGitRepoCheck?: boolean
  modelReasoningEffort?: ModelReasoningEffort
  networkAccessEnabled?: boolean
  webSearchMode?: WebSearchMode
  webSearchEnabled?: boolean
  approvalPolicy?: ApprovalMode
  additionalDirectories?: Array<string>
}
