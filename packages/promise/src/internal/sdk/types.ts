/**
 * The types of `@openai/codex-sdk` 0.163.
 *
 * @since 0.1.0
 */

/**
 * A piece of what an MCP tool gave, as its server sent it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ContentBlock {
  readonly type: string
  readonly [key: string]: unknown
}

/**
 * A command that the agent ran. `exit_code` is there once it has ended.
 *
 * @category items
 * @since 0.1.0
 */
export type CommandExecutionItem = {
  id: string
  type: "command_execution"
  command: string
  /** stdout and stderr, as far as they were captured. */
  aggregated_output: string
  exit_code?: number
  status: "in_progress" | "completed" | "failed"
}

/**
 * Changes of files that the agent made together.
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
 * A call of a tool of an MCP server, with its result or its error once it has ended.
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
 * What the agent said: text, or the JSON of a structured answer.
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
 * A search of the web that the agent made.
 *
 * @category items
 * @since 0.1.0
 */
export type WebSearchItem = { id: string; type: "web_search"; query: string }

/**
 * Something that went wrong without ending the turn.
 *
 * @category items
 * @since 0.1.0
 */
export type ErrorItem = { id: string; type: "error"; message: string }

/**
 * The agent's plan, from its first version to the end of the turn.
 *
 * @category items
 * @since 0.1.0
 */
export type TodoListItem = { id: string; type: "todo_list"; items: Array<{ text: string; completed: boolean }> }

/**
 * What the agent does during a turn, told apart by `type`.
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
 * The model was asked.
 *
 * @category events
 * @since 0.1.0
 */
export type TurnStartedEvent = { type: "turn.started" }

/**
 * The tokens that the thread has used, all its turns together.
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
 * The last event of a turn that was completed.
 *
 * @category events
 * @since 0.1.0
 */
export type TurnCompletedEvent = { type: "turn.completed"; usage: Usage }
/**
 * The last event of a turn that failed. `run` rejects then.
 *
 * @category events
 * @since 0.1.0
 */
export type TurnFailedEvent = { type: "turn.failed"; error: ThreadError }
/**
 * An item that has begun.
 *
 * @category events
 * @since 0.1.0
 */
export type ItemStartedEvent = { type: "item.started"; item: ThreadItem }
/**
 * An item that has changed: the plan.
 *
 * @category events
 * @since 0.1.0
 */
export type ItemUpdatedEvent = { type: "item.updated"; item: ThreadItem }
/**
 * An item that has ended, well or not: its `status` says so.
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
 * An error of the connection to the model, also of one that is tried again.
 *
 * @category events
 * @since 0.1.0
 */
export type ThreadErrorEvent = { type: "error"; message: string }

/**
 * What `runStreamed` tells of a turn, told apart by `type`.
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
 * A program of OpenAI's access to cyber security work.
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
  /** A program of OpenAI's access to cyber security work, for this turn. Default: the server decides. */
  cyberAccessProgram?: CyberAccessProgram
  /** The JSON Schema of the answer, an object; anything else rejects. Default: any text. */
  outputSchema?: unknown
  /** Interrupts the turn, which then rejects with an `AbortError`. Default: none. */
  signal?: AbortSignal
}

/**
 * The outcome of `run`: the items that have ended, the last message (empty without one), and the tokens.
 *
 * @category models
 * @since 0.1.0
 */
export type RunResult = { items: Array<ThreadItem>; finalResponse: string; usage: Usage | null }
/**
 * What `runStreamed` gives. The turn starts when the first event is read.
 *
 * @category models
 * @since 0.1.0
 */
export type RunStreamedResult = { events: AsyncGenerator<ThreadEvent> }

/**
 * A piece of an input. All texts are one message, after the images.
 *
 * @category models
 * @since 0.1.0
 */
export type UserInput = { type: "text"; text: string } | { type: "local_image"; path: string }
/**
 * What the agent is told.
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
 * Overrides of the configuration, as the tables of `config.toml`.
 *
 * @category options
 * @since 0.1.0
 */
export type CodexConfigObject = { [key: string]: CodexConfigValue }

/**
 * Options of codex, all optional. An empty string is none.
 *
 * @category options
 * @since 0.1.0
 */
export type CodexOptions = {
  /** The codex executable. Default: as `CodexOptions.executable` of `@effect-codex/promise`. */
  codexPathOverride?: string
  /** The address of OpenAI's API, `openai_base_url` of the configuration. Default: that of the configuration. */
  baseUrl?: string
  /** A key for this program, which is not stored. Default: `CODEX_API_KEY`. */
  apiKey?: string
  /** Overrides of the configuration, as a JSON object. Default: none. */
  config?: CodexConfigObject
  /** `key=value` overrides of the configuration, after those of `config`. Default: none. */
  configOverrides?: Array<string>
  /** The environment of codex, all of it. Default: that of this process. */
  env?: Record<string, string>
}

/**
 * Has no effect: nobody is asked, and what goes beyond the sandbox is refused. `untrusted` rejects each turn.
 *
 * @category options
 * @since 0.1.0
 */
export type ApprovalMode = "never" | "on-request" | "on-failure" | "untrusted"
/**
 * What the agent may do on its own: read, write in its folders, or everything.
 *
 * @category options
 * @since 0.1.0
 */
export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access"
/**
 * How much the model reasons. Which of them a model knows depends on it.
 *
 * @category options
 * @since 0.1.0
 */
export type ModelReasoningEffort = "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | "ultra" | "persistent"
/**
 * Whether the agent may search the web, and whether live or in an index.
 *
 * @category options
 * @since 0.1.0
 */
export type WebSearchMode = "disabled" | "cached" | "live"

/**
 * Options of a thread, all optional: what is left out comes from codex's configuration.
 *
 * @category options
 * @since 0.1.0
 */
export type ThreadOptions = {
  model?: string
  /** What a new thread is classified as. Default: nothing. */
  threadSource?: string
  /** Default: that of the configuration, else `read-only`. */
  sandboxMode?: SandboxMode
  /** The folder that the agent works in. Default: that of this process. */
  workingDirectory?: string
  /** Whether the folder may be outside of a git repository, which rejects otherwise. Default: false. */
  skipGitRepoCheck?: boolean
  modelReasoningEffort?: ModelReasoningEffort
  /** Whether commands may use the network, with `workspace-write`. */
  networkAccessEnabled?: boolean
  webSearchMode?: WebSearchMode
  /** `true` is the mode `live`, `false` is `disabled`. `webSearchMode` wins. */
  webSearchEnabled?: boolean
  approvalPolicy?: ApprovalMode
  /** Folders beside the working directory that may be written, with `workspace-write`. Default: none. */
  additionalDirectories?: Array<string>
}
