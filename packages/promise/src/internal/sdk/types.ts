/**
 * The types of `@openai/codex-sdk` 0.163.
 *
 * @since 0.1.0
 */

/**
 * A content block of an MCP tool's result, as the MCP server sent it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ContentBlock {
  readonly type: string
  readonly [key: string]: unknown
}

/**
 * A command that the agent ran. `exit_code` is set once it has ended.
 *
 * @category items
 * @since 0.1.0
 */
export type CommandExecutionItem = {
  id: string
  type: "command_execution"
  command: string
  /** The captured stdout and stderr. */
  aggregated_output: string
  exit_code?: number
  status: "in_progress" | "completed" | "failed"
}

/**
 * A set of file changes that the agent made together.
 *
 * @category items
 * @since 0.1.0
 */
export type FileChangeItem = {
  id: string
  type: "file_change"
  changes: Array<{ path: string; kind: "add" | "delete" | "update" }>
  status: "completed" | "failed"
}

/**
 * A tool call to an MCP server, with its result or error once it has ended.
 *
 * @category items
 * @since 0.1.0
 */
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

/**
 * A message of the agent: text, or the JSON of a structured answer.
 *
 * @category items
 * @since 0.1.0
 */
export type AgentMessageItem = { id: string; type: "agent_message"; text: string }

/**
 * A summary of the model's reasoning.
 *
 * @category items
 * @since 0.1.0
 */
export type ReasoningItem = { id: string; type: "reasoning"; text: string }

/**
 * A web search of the agent.
 *
 * @category items
 * @since 0.1.0
 */
export type WebSearchItem = { id: string; type: "web_search"; query: string }

/**
 * An error that did not end the turn.
 *
 * @category items
 * @since 0.1.0
 */
export type ErrorItem = { id: string; type: "error"; message: string }

/**
 * The agent's checklist, from its first version to the end of the turn.
 *
 * @category items
 * @since 0.1.0
 */
export type TodoListItem = { id: string; type: "todo_list"; items: Array<{ text: string; completed: boolean }> }

/**
 * An action or message of the agent during a turn, discriminated by `type`.
 *
 * @category items
 * @since 0.1.0
 */
export type ThreadItem =
  | AgentMessageItem
  | ReasoningItem
  | CommandExecutionItem
  | FileChangeItem
  | McpToolCallItem
  | WebSearchItem
  | TodoListItem
  | ErrorItem

/**
 * The first event of every turn, with the id for `resumeThread`.
 *
 * @category events
 * @since 0.1.0
 */
export type ThreadStartedEvent = { type: "thread.started"; thread_id: string }
/**
 * The turn has started.
 *
 * @category events
 * @since 0.1.0
 */
export type TurnStartedEvent = { type: "turn.started" }

/**
 * The tokens that the thread has used in all its turns.
 *
 * @category models
 * @since 0.1.0
 */
export type Usage = {
  input_tokens: number
  cached_input_tokens: number
  cache_write_input_tokens: number
  output_tokens: number
  reasoning_output_tokens: number
}

/**
 * The last event of a completed turn.
 *
 * @category events
 * @since 0.1.0
 */
export type TurnCompletedEvent = { type: "turn.completed"; usage: Usage }
/**
 * The last event of a failed turn. `run` then rejects.
 *
 * @category events
 * @since 0.1.0
 */
export type TurnFailedEvent = { type: "turn.failed"; error: ThreadError }
/**
 * An item has begun.
 *
 * @category events
 * @since 0.1.0
 */
export type ItemStartedEvent = { type: "item.started"; item: ThreadItem }
/**
 * An item has changed, such as the checklist.
 *
 * @category events
 * @since 0.1.0
 */
export type ItemUpdatedEvent = { type: "item.updated"; item: ThreadItem }
/**
 * An item has ended; its `status` says whether it succeeded.
 *
 * @category events
 * @since 0.1.0
 */
export type ItemCompletedEvent = { type: "item.completed"; item: ThreadItem }
/**
 * Why a turn failed.
 *
 * @category models
 * @since 0.1.0
 */
export type ThreadError = { message: string }
/**
 * An error of the connection to the model, including one that codex retries.
 *
 * @category events
 * @since 0.1.0
 */
export type ThreadErrorEvent = { type: "error"; message: string }

/**
 * An event of `runStreamed`, discriminated by `type`.
 *
 * @category events
 * @since 0.1.0
 */
export type ThreadEvent =
  | ThreadStartedEvent
  | TurnStartedEvent
  | TurnCompletedEvent
  | TurnFailedEvent
  | ItemStartedEvent
  | ItemUpdatedEvent
  | ItemCompletedEvent
  | ThreadErrorEvent

/**
 * One of OpenAI's access programs for cyber security work.
 *
 * @category options
 * @since 0.1.0
 */
export type CyberAccessProgram = "standard" | "daybreak_blue" | "daybreak_red"

/**
 * Options of one turn, all optional.
 *
 * @category options
 * @since 0.1.0
 */
export type TurnOptions = {
  /** The access program for cyber security work of this turn. Default: the server decides. */
  cyberAccessProgram?: CyberAccessProgram
  /** The JSON Schema of the answer, a plain object; any other value rejects. Default: free text. */
  outputSchema?: unknown
  /** Interrupts the turn; the call then rejects with an `AbortError`. Default: none. */
  signal?: AbortSignal
}

/**
 * The outcome of `run`: the completed items, the last message (empty if there is none), and the token usage.
 *
 * @category models
 * @since 0.1.0
 */
export type RunResult = { items: Array<ThreadItem>; finalResponse: string; usage: Usage | null }
/**
 * The result of `runStreamed`. The turn starts when the first event is read.
 *
 * @category models
 * @since 0.1.0
 */
export type RunStreamedResult = { events: AsyncGenerator<ThreadEvent> }

/**
 * A part of an input. All texts are joined into one message, after the images.
 *
 * @category models
 * @since 0.1.0
 */
export type UserInput = { type: "text"; text: string } | { type: "local_image"; path: string }
/**
 * The input of a turn: text, or a list of texts and local images.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = string | Array<UserInput>

/**
 * A value of {@link CodexConfigObject}.
 *
 * @category options
 * @since 0.1.0
 */
export type CodexConfigValue = string | number | boolean | Array<CodexConfigValue> | CodexConfigObject
/**
 * Configuration overrides, with the structure of `config.toml`.
 *
 * @category options
 * @since 0.1.0
 */
export type CodexConfigObject = { [key: string]: CodexConfigValue }

/**
 * Options of codex. All are optional; an empty string counts as unset.
 *
 * @category options
 * @since 0.1.0
 */
export type CodexOptions = {
  /** The codex executable. Default: as `CodexOptions.executable` of `@effect-codex/promise`. */
  codexPathOverride?: string
  /** The base URL of OpenAI's API: overrides the setting `openai_base_url`. Default: codex's configuration. */
  baseUrl?: string
  /** An API key for this program; it is not stored. Default: `CODEX_API_KEY`. */
  apiKey?: string
  /** Configuration overrides as a JSON object. Default: none. */
  config?: CodexConfigObject
  /** Configuration overrides as `key=value` strings, applied after `config`. Default: none. */
  configOverrides?: Array<string>
  /** The complete environment of codex. Default: that of this process. */
  env?: Record<string, string>
}

/**
 * Has no effect: actions beyond the sandbox are refused without asking. `untrusted` rejects each turn.
 *
 * @category options
 * @since 0.1.0
 */
export type ApprovalMode = "never" | "on-request" | "on-failure" | "untrusted"
/**
 * What the agent may do without approval: read, write in its folders, or everything.
 *
 * @category options
 * @since 0.1.0
 */
export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access"
/**
 * The model's reasoning effort. Each model supports some of the values.
 *
 * @category options
 * @since 0.1.0
 */
export type ModelReasoningEffort = "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | "ultra" | "persistent"
/**
 * Whether the agent may search the web: not at all, in a cached index, or live.
 *
 * @category options
 * @since 0.1.0
 */
export type WebSearchMode = "disabled" | "cached" | "live"

/**
 * Options of a thread. All are optional; the defaults come from codex's configuration.
 *
 * @category options
 * @since 0.1.0
 */
export type ThreadOptions = {
  /** The name of the model. Default: codex's configuration. */
  model?: string
  /** The source label stored with a new thread. Default: none. */
  threadSource?: string
  /** What the agent may do without approval. Default: codex's configuration, else `read-only`. */
  sandboxMode?: SandboxMode
  /** The folder that the agent works in. Default: the working directory of this process. */
  workingDirectory?: string
  /** Whether the folder may be outside a git repository; otherwise a turn there rejects. Default: false. */
  skipGitRepoCheck?: boolean
  /** The model's reasoning effort. Default: codex's configuration. */
  modelReasoningEffort?: ModelReasoningEffort
  /** Whether commands may use the network; only with `workspace-write`. Default: codex's configuration. */
  networkAccessEnabled?: boolean
  /** Whether the agent may search the web. Default: codex's configuration. */
  webSearchMode?: WebSearchMode
  /** `true` is the mode `live`, `false` is `disabled`. `webSearchMode` takes precedence. */
  webSearchEnabled?: boolean
  /** Has no effect, except that `untrusted` rejects each turn. */
  approvalPolicy?: ApprovalMode
  /** Further writable folders beside the working directory; only with `workspace-write`. Default: none. */
  additionalDirectories?: Array<string>
}
