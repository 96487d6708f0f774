/**
 * A drop-in replacement for `@openai/codex-sdk` 0.163: the same public API, so changing the import is enough. All
 * threads share one app-server. `docs/from-codex-sdk.md` lists the differences.
 *
 * @since 0.1.0
 */
import { start } from "./internal/sdk/early.ts"
import type * as Turns from "./internal/sdk/run.ts"
import type {
  ApprovalMode,
  CodexOptions,
  CyberAccessProgram,
  Input,
  ModelReasoningEffort,
  RunResult,
  RunStreamedResult,
  SandboxMode,
  ThreadEvent,
  ThreadItem,
  ThreadOptions,
  TurnOptions,
  Usage,
  UserInput,
  WebSearchMode
} from "./internal/sdk/types.ts"

export type {
  AgentMessageItem,
  CommandExecutionItem,
  ErrorItem,
  FileChangeItem,
  ItemCompletedEvent,
  ItemStartedEvent,
  ItemUpdatedEvent,
  McpToolCallItem,
  ReasoningItem,
  ThreadError,
  ThreadErrorEvent,
  ThreadStartedEvent,
  TodoListItem,
  TurnCompletedEvent,
  TurnFailedEvent,
  TurnStartedEvent,
  WebSearchItem
} from "./internal/sdk/types.ts"
export type {
  ApprovalMode,
  CodexOptions,
  CyberAccessProgram,
  Input,
  ModelReasoningEffort,
  RunResult,
  RunStreamedResult,
  SandboxMode,
  ThreadEvent,
  ThreadItem,
  ThreadOptions,
  TurnOptions,
  Usage,
  UserInput,
  WebSearchMode
}

let loading: Promise<typeof Turns> | undefined

const load = async (): Promise<typeof Turns> => {
  const loaded: typeof Turns | undefined = await import("./internal/sdk/run.ts")
  // Some bundlers resolve the import to undefined: see `load.ts` of the client.
  if (loaded !== undefined) return loaded
  throw new Error(
    "The bundler has put the client behind the top-level `await` of the program, where it is never reached: let it split " +
      "the code, or start the program without a top-level `await`."
  )
}

/**
 * Starts and resumes threads. Instances with the same options share one app-server. It starts with their first turn,
 * and ends a quarter of a second after their last, or at once when the program has nothing else to do.
 *
 * **Example** (A program for `@openai/codex-sdk`)
 *
 * ```ts
 * import { Codex } from "@effect-codex/promise/codex-sdk"
 *
 * const codex = new Codex()
 * const thread = codex.startThread()
 * const turn = await thread.run("Diagnose the test failure and propose a fix")
 * console.log(turn.finalResponse)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export class Codex {
  readonly #options: CodexOptions

  constructor(options: CodexOptions = {}) {
    this.#options = options
  }

  /** Starts a new conversation with the agent. The server creates it with its first turn. */
  startThread(options: ThreadOptions = {}): Thread {
    return new Thread(this.#options, options, null)
  }

  /** Resumes a stored conversation. The server loads it with its next turn. */
  resumeThread(id: string, options: ThreadOptions = {}): Thread {
    return new Thread(this.#options, options, id)
  }
}

/**
 * A conversation with the agent, created by {@link Codex}.
 *
 * @category models
 * @since 0.1.0
 */
export class Thread {
  readonly #codexOptions: CodexOptions
  readonly #options: ThreadOptions
  #id: string | null

  /** @internal */
  constructor(codexOptions: CodexOptions, options: ThreadOptions, id: string | null) {
    this.#codexOptions = codexOptions
    this.#options = options
    this.#id = id
  }

  /** The id of the thread; null until its first turn starts. */
  get id(): string | null {
    return this.#id
  }

  /** Streams the events of a turn. The turn starts when the first event is read; leaving the loop interrupts it. */
  async runStreamed(input: Input, turnOptions: TurnOptions = {}): Promise<RunStreamedResult> {
    return { events: this.#events(input, turnOptions) }
  }

  /** Runs a turn to its end. Rejects if it fails. */
  async run(input: Input, turnOptions: TurnOptions = {}): Promise<RunResult> {
    const items: Array<ThreadItem> = []
    let finalResponse = ""
    let usage: Usage | null = null
    for await (const event of this.#events(input, turnOptions)) {
      if (event.type === "item.completed") {
        if (event.item.type === "agent_message") finalResponse = event.item.text
        items.push(event.item)
      } else if (event.type === "turn.completed") {
        usage = event.usage
      } else if (event.type === "turn.failed") {
        throw new Error(event.error.message)
      }
    }
    return { items, finalResponse, usage }
  }

  async *#events(input: Input, turnOptions: TurnOptions): AsyncGenerator<ThreadEvent> {
    const given = {
      codexOptions: this.#codexOptions,
      threadOptions: this.#options,
      turnOptions,
      input,
      threadId: this.#id
    }
    // Loading the client takes most of the time before the first turn, so codex starts meanwhile.
    const endUnused = loading === undefined ? start(given) : () => {}
    try {
      const { run } = await (loading ??= load())
      for await (const event of run(given)) {
        endUnused()
        if (event.type === "thread.started") this.#id = event.thread_id
        yield event
      }
    } finally {
      endUnused()
    }
  }
}
