/**
 * The client. It starts, resumes, lists and deletes threads on a `codex app-server`.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as ApprovalMode from "./ApprovalMode.ts"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type { Budget } from "./Budget.ts"
import type {
  CallError,
  DecodeError,
  ResumeError,
  SettingsNotApplied,
  ThreadCallError,
  ThreadInUse
} from "./CodexError.ts"
import type { DynamicTools } from "./DynamicTools.ts"
import { implementation } from "./internal/load.ts"
import type { McpServers } from "./McpServer.ts"
import type * as Received from "./Received.ts"
import type { Sandbox } from "./Sandbox.ts"
import type * as Sent from "./Sent.ts"
import type { ServerInfo } from "./ServerInfo.ts"
import type { Overrides } from "./ServerRequests.ts"
import type { Thread, ThreadInfo } from "./Thread.ts"

/**
 * Settings that a thread can be started, resumed and forked with.
 *
 * @see {@link StartThreadOptions}
 * @see {@link ResumeThreadOptions}
 * @see {@link ForkThreadOptions}
 * @category options
 * @since 0.1.0
 */
export interface ThreadSettings {
  /** The model, by its id; `Codex.models` lists them. */
  readonly model?: string | undefined
  /** A provider of the configuration, by its id. */
  readonly modelProvider?: string | undefined
  /** Overrides of the configuration, by the names of `config.toml`. */
  readonly config?: { readonly [key: string]: Schema.Json } | undefined
  /**
   * MCP servers of the thread, beside those of the configuration: `McpServer.stdio` and `McpServer.http`. A loaded
   * thread keeps the servers that it was loaded with (`SettingsNotApplied`, as for `config`). codex does not store
   * them: pass them again to resume or fork the thread in another process.
   */
  readonly mcpServers?: McpServers | undefined
  /**
   * The agent's working directory. A relative path is resolved from the app-server's working directory. The folder
   * must exist: if this program started the server, as with `CodexNode.layer`, a missing folder fails with
   * `InvalidArgument`. codex itself would accept it, and every command would fail. Default of a new thread: the
   * app-server's working directory.
   */
  readonly cwd?: string | undefined
  /**
   * The folders that the sandbox treats as the workspace, as absolute paths (`InvalidArgument`). They must exist, as
   * `cwd` must. Default: `cwd` alone.
   */
  readonly runtimeWorkspaceRoots?: ReadonlyArray<string> | undefined
  /** Replaces codex's instructions for the model. */
  readonly baseInstructions?: string | undefined
  /**
   * Instructions that follow the base instructions, as a developer message. A thread keeps its instructions after its
   * first turn, also when it is resumed or forked; asking for different ones then fails with `SettingsNotApplied`.
   */
  readonly developerInstructions?: string | undefined
  /** What the agent's commands may access. The handle sends it with each of its turns, until it gets another one. */
  readonly sandbox?: Sandbox | undefined
  /**
   * The name of a permissions profile: one of the configuration, or a built-in one such as `:workspace`. Cannot be
   * combined with `sandbox` or `ApprovalMode.dangerouslyBypass` (`InvalidArgument`). An experimental part of the
   * protocol.
   */
  readonly permissions?: string | undefined
  /** When the agent must ask, and who answers. The handle sends it with each of its turns, as it sends the sandbox. */
  readonly approvalMode?: ApprovalMode.ApprovalMode | undefined
  /** A service tier of the model, by its id; `Codex.models` lists them. */
  readonly serviceTier?: string | undefined
  /**
   * Answers the server's requests during the turns of this handle, before the client's handlers. Default: the
   * client's handlers only.
   */
  readonly handlers?: Overrides | undefined
  /**
   * Answers the agent's calls of these tools during the turns of this handle. Calls of other tools go to
   * `handlers["item/tool/call"]`.
   *
   * The server stores the tools that a thread was started with. It offers them to the agent again when this or
   * another process resumes the thread, and in forks, and sends the calls to the handle's client. Pass the same
   * `tools` again there. Otherwise the agent learns that they are not available, and the log has a warning. Tools
   * that the thread was not started with are not offered.
   */
  readonly tools?: DynamicTools | undefined
  /**
   * How long a turn of this handle may make no progress. The client then looks the turn up on the server; if it has
   * not ended there, the client interrupts it and it fails with `TurnStalled`. codex's retries to reach the model do
   * not count as progress. Time during which a handler of this client runs does not count. A command without output
   * and a working subagent are also silent: allow for them. Default: the client's `stallTimeout`.
   */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * Limits what the turns and goals of this handle may spend together. It limits them beside the client's budget and
   * the turn's own. A fork by `Thread.fork` shares it unless it is given another one. Default: no limit.
   */
  readonly budget?: Budget | undefined
}

/**
 * Options of `Codex.resumeThread`.
 *
 * **Details**
 *
 * An omitted setting keeps its stored value. The exception is `Sandbox.workspaceWrite`, which codex does not store:
 * pass it again.
 *
 * The server ignores these settings for a thread that is already loaded. The client then changes what it can, for
 * every user of the thread, and fails with `SettingsNotApplied` for the rest.
 *
 * @see {@link StartThreadOptions}
 * @category options
 * @since 0.1.0
 */
export interface ResumeThreadOptions extends ThreadSettings {
  /** Has no effect on codex 0.169 and later; older servers use it. */
  readonly personality?: Sent.Personality | undefined
}

/**
 * Options of `Codex.startThread`. An omitted setting takes its value from the server's configuration, except
 * `approvalMode`.
 *
 * @see {@link ResumeThreadOptions}
 * @see {@link ForkThreadOptions}
 * @category options
 * @since 0.1.0
 */
export interface StartThreadOptions extends ThreadSettings {
  /** Default: `ApprovalMode.autoReview`, as in the Python SDK. */
  readonly approvalMode?: ApprovalMode.ApprovalMode | undefined
  /** Has no effect on codex 0.169 and later; older servers use it. */
  readonly personality?: Sent.Personality | undefined
  /** Lets a provider with a fixed catalog use its default for a model that the catalog lacks. Default: false. */
  readonly allowProviderModelFallback?: boolean | undefined
  /** Stores nothing of the thread on disk; it cannot be resumed. Default: false. */
  readonly ephemeral?: boolean | undefined
  /** The name of the service that uses the thread, for the server's telemetry. */
  readonly serviceName?: string | undefined
  /** Whether the session is new (`startup`) or follows a cleared one (`clear`), for hooks. */
  readonly sessionStartSource?: Sent.ThreadStartSource | undefined
  /** The kind of thread, for the server's analytics. */
  readonly threadSource?: Sent.ThreadSource | undefined
  /** The project that the thread belongs to. The server refuses an unknown project (`RpcError`). */
  readonly projectId?: string | undefined
  /**
   * The environments that commands run in, the primary one first. An empty list leaves the agent without any.
   * Default: the server's default environment.
   */
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
  /**
   * Offers tools of this client to the agent for the whole life of the thread, and answers their calls during the
   * turns of this handle. Calls of other tools go to `handlers["item/tool/call"]`. The set of tools cannot change
   * later. Needs the experimental API (`ExperimentalRequired`).
   */
  readonly tools?: DynamicTools | undefined
}

/**
 * Options of `Codex.forkThread`.
 *
 * **Details**
 *
 * An omitted folder, approval mode or sandbox is copied from the source thread. The source's
 * `Sandbox.workspaceWrite`, model, effort and service tier are not copied: these come from the configuration.
 * `Thread.fork` also passes on the settings that its handle was given.
 *
 * @see {@link StartThreadOptions}
 * @category options
 * @since 0.1.0
 */
export interface ForkThreadOptions extends ThreadSettings {
  /** Stores nothing of the fork on disk; it cannot be resumed. Default: false. */
  readonly ephemeral?: boolean | undefined
  /** The kind of thread, for the server's analytics. */
  readonly threadSource?: Sent.ThreadSource | undefined
  /** The last turn that the fork includes. It must not be running. Default: all turns. */
  readonly lastTurnId?: string | undefined
  /** The first turn that the fork excludes. Cannot be combined with `lastTurnId`. */
  readonly beforeTurnId?: string | undefined
  /**
   * Attaches the fork to its source and hides it from default listings; `attachedToThreadId` of
   * {@link ListThreadsOptions} lists it. The source cannot be deleted while the fork exists. Cannot be combined with
   * `ephemeral` or `deferGoalContinuation`. Default: false.
   */
  readonly attachToSource?: boolean | undefined
  /** Copies the source's goal, and does not continue it before the next turn. Default: false. */
  readonly deferGoalContinuation?: boolean | undefined
}

/**
 * Filters and sorts threads. Options of `Codex.listThreads` and `Codex.listThreadsPage`.
 *
 * @see {@link Page}
 * @category options
 * @since 0.1.0
 */
export interface ListThreadsOptions {
  /** Lists only archived threads. Default: false, only threads that are not archived. */
  readonly archived?: boolean | undefined
  /** Only threads of this folder, or of these folders. Paths must match exactly. */
  readonly cwd?: string | ReadonlyArray<string> | undefined
  /** Only threads of these providers. An empty list means all providers. */
  readonly modelProviders?: ReadonlyArray<string> | undefined
  /**
   * Only these threads, at most 100. An empty list selects no thread. Servers before codex 0.171 ignore it and return
   * every thread; the client then filters each page, which may leave few or none.
   */
  readonly includedThreadIds?: ReadonlyArray<string> | undefined
  /** Only threads whose title contains this text. */
  readonly searchTerm?: string | undefined
  /** Default: `created_at`. */
  readonly sortKey?: Sent.ThreadSortKey | undefined
  /** Default: `desc`, the newest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /** Only threads that come from these sources. Default, and for an empty list: the interactive sources. */
  readonly sourceKinds?: ReadonlyArray<Sent.ThreadSourceKind> | undefined
  /**
   * Reads only the server's database. Otherwise the server looks on disk, for each page, for threads that its
   * database lacks. With thousands of threads this option is about ten times as fast: on codex 0.169, listing 4,000
   * threads took 0.7 seconds instead of 7. With `sortDirection: "asc"` it took 1.2 seconds instead of more than two
   * minutes, because the server reads the whole folder again for each page. The list then lacks threads that another
   * program stored while no codex was running. Default: false.
   */
  readonly useStateDbOnly?: boolean | undefined
  /** Only threads of this project; `null` selects threads without a project. */
  readonly projectId?: string | null | undefined
  /** Only threads of this section; `null` selects threads without a section. */
  readonly sectionId?: string | null | undefined
  /** Only subagents that this thread started itself. Cannot be combined with `ancestorThreadId`. */
  readonly parentThreadId?: string | undefined
  /** Only subagents below this thread, at any depth. */
  readonly ancestorThreadId?: string | undefined
  /** Only forks that are attached to this thread. Cannot be combined with `parentThreadId` or `ancestorThreadId`. */
  readonly attachedToThreadId?: string | undefined
  /**
   * How many threads each request asks for; the server returns at most 100. Default: the server's 25, and 100 from
   * the second page of {@link Codex.listThreads} on.
   */
  readonly pageSize?: number | undefined
}

/**
 * One page of a list.
 *
 * @see {@link ListThreadsOptions}
 * @category models
 * @since 0.1.0
 */
export interface Page<A> {
  /** The entries of this page. */
  readonly data: ReadonlyArray<A>
  /** The start of the next page. None on the last page. */
  readonly nextCursor: Option.Option<string>
  /** The start of a page that reads back from here, with the other `sortDirection`. */
  readonly backwardsCursor: Option.Option<string>
}

/**
 * Filters and sorts the hits of `Codex.searchThreads`.
 *
 * @see {@link ThreadSearchEvent}
 * @category options
 * @since 0.1.0
 */
export interface SearchThreadsOptions {
  /** Searches only archived threads. Default: false, only threads that are not archived. */
  readonly archived?: boolean | undefined
  /** Searches only threads that the current ChatGPT account may see. Default: false. */
  readonly currentAccountOnly?: boolean | undefined
  /** The `nextCursor` of an earlier search for the same text. */
  readonly cursor?: string | undefined
  /** Also searches forks that are attached to a thread. Default: false. */
  readonly includeAttachedThreads?: boolean | undefined
  /** The maximum number of hits in `Completed`. Default: the server's choice. */
  readonly pageSize?: number | undefined
  /** Default: `created_at`. */
  readonly sortKey?: Sent.ThreadSearchSortKey | undefined
  /** Default: `desc`, the newest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /** Searches only threads that come from these sources. Default, and for an empty list: the interactive sources. */
  readonly sourceKinds?: ReadonlyArray<Sent.ThreadSourceKind> | undefined
}

/**
 * An event of {@link Codex.searchThreads}: `Found` with the hits so far, or `Completed` with the final hits. Each hit
 * has the thread and the text around the match (`snippet`).
 *
 * @see {@link SearchThreadsOptions}
 * @category models
 * @since 0.1.0
 */
export type ThreadSearchEvent =
  | {
    readonly _tag: "Found"
    readonly hits: ReadonlyArray<Received.ThreadSearchResult | Received.Undecodable<Received.ThreadSearchResult>>
  }
  | {
    readonly _tag: "Completed"
    readonly hits: ReadonlyArray<Received.ThreadSearchResult | Received.Undecodable<Received.ThreadSearchResult>>
    /** The start of the next page. None on the last page. */
    readonly nextCursor: Option.Option<string>
  }

/**
 * Options of `Codex.models`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ModelsOptions {
  /** Includes models that are not offered for choice. Default: false. */
  readonly includeHidden?: boolean | undefined
  /** Lists the models of this provider. Default: the configured provider. */
  readonly modelProvider?: string | undefined
}

/**
 * The client.
 *
 * **Example** (Asking once)
 *
 * ```ts
 * import { Codex, Sandbox } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const ask = Effect.fn("ask")(function*(question: string) {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
 *   const result = yield* thread.run(question)
 *   return result.finalResponse
 * })
 * ```
 *
 * @see {@link layer}
 * @category services
 * @since 0.1.0
 */
export class Codex extends Context.Service<Codex, {
  /** Server metadata from the handshake: version, home, platform. */
  readonly serverInfo: ServerInfo
  /**
   * Starts a thread. The server stores it with its first turn or its name. Fails with `InvalidArgument` for options
   * that are known to be wrong, such as a missing folder, with `RpcError` for options that the server refuses, and
   * with `SettingsNotApplied` when the server reports other settings than were requested.
   */
  readonly startThread: (
    options?: StartThreadOptions
  ) => Effect.Effect<Thread, CallError | SettingsNotApplied>
  /**
   * Loads a stored thread, including one that another process wrote. Fails with `ThreadNotPersisted` for an unknown
   * id and for a thread without a turn or a name, with `RpcError` for an archived thread, with `ThreadInUse` while
   * another process has the thread, and with `SettingsNotApplied` when an option cannot be applied. The options are
   * also applied to a thread that is already loaded.
   */
  readonly resumeThread: (
    threadId: string,
    options?: ResumeThreadOptions
  ) => Effect.Effect<Thread, ResumeError>
  /**
   * Creates a new thread with the history of another thread, which stays unchanged. A running turn is copied as far
   * as it is, as interrupted. Another process may have the source. Fails with `ThreadNotPersisted` when nothing of
   * the source is stored, with `RpcError` for an archived source, and with `SettingsNotApplied` when an option cannot
   * be applied.
   */
  readonly forkThread: (
    threadId: string,
    options?: ForkThreadOptions
  ) => Effect.Effect<Thread, ThreadCallError | SettingsNotApplied>
  /**
   * The stored threads of all pages. The stream reads pages on demand. A thread that does not fit the protocol
   * becomes an `Undecodable` with its id, and the stream continues. A repeated cursor ends the stream with
   * `DecodeError`.
   *
   * **Example** (The last ten threads of a folder)
   *
   * ```ts
   * import { Codex } from "@effect-codex/client"
   * import { Effect, Stream } from "effect"
   *
   * export const recent = Effect.fn("recent")(function*(cwd: string) {
   *   const codex = yield* Codex.Codex
   *   return yield* codex.listThreads({ cwd, sortKey: "updated_at" }).pipe(Stream.take(10), Stream.runCollect)
   * })
   * ```
   */
  readonly listThreads: (
    options?: ListThreadsOptions
  ) => Stream.Stream<ThreadInfo | Received.Undecodable<ThreadInfo>, CallError>
  /** Reads one page of {@link listThreads}, from the `cursor` of another page or from the beginning. */
  readonly listThreadsPage: (
    options?: ListThreadsOptions & { readonly cursor?: string | undefined }
  ) => Effect.Effect<Page<ThreadInfo | Received.Undecodable<ThreadInfo>>, CallError>
  /**
   * Searches the titles and messages of stored threads for a text. Emits `Found` with the hits so far while the
   * server searches, and `Completed` with the sorted hits at the end.
   *
   * The server sends few hits, or none, before the end, and some of these may be missing from the final hits: replace
   * them by those of `Completed`. Leaving the stream ends the search on the server. A search has no timeout. Before
   * codex 0.171 only `Completed` is emitted. Fails with `RpcError` for an empty text and for a text of more than 64
   * KiB.
   *
   * **Example** (The threads about a word)
   *
   * ```ts
   * import { Codex } from "@effect-codex/client"
   * import { Console, Effect, Stream } from "effect"
   *
   * export const about = Effect.fn("about")(function*(word: string) {
   *   const codex = yield* Codex.Codex
   *   yield* codex.searchThreads(word).pipe(
   *     Stream.runForEach(({ _tag, hits }) => Console.log(_tag, hits.map(({ snippet }) => snippet)))
   *   )
   * })
   * ```
   */
  readonly searchThreads: (query: string, options?: SearchThreadsOptions) => Stream.Stream<ThreadSearchEvent, CallError>
  /**
   * Reads a thread as `Thread.read` does. The thread need not be loaded. Fails with `ThreadNotFound` for an unknown
   * id.
   */
  readonly readThread: (
    threadId: string,
    options?: { readonly includeTurns?: boolean | undefined }
  ) => Effect.Effect<ThreadInfo, ThreadCallError>
  /**
   * Archives the thread: hides it from default listings and unloads it. This interrupts a running turn. Fails with
   * `ThreadNotPersisted` for an unknown id and for a thread that is already archived, and with `ThreadInUse` while
   * another process has the thread.
   */
  readonly archiveThread: (
    threadId: string
  ) => Effect.Effect<void, Exclude<ThreadCallError, DecodeError> | ThreadInUse>
  /**
   * Undoes {@link archiveThread}. The server does not load the thread; the handle resumes it before its first turn,
   * with the stored settings. To change them, call {@link resumeThread}. Fails with `ThreadNotPersisted` for a thread
   * that is not archived.
   */
  readonly unarchiveThread: (threadId: string) => Effect.Effect<Thread, ThreadCallError | ThreadInUse>
  /**
   * Deletes a thread permanently. Fails with `ThreadNotPersisted` for an unknown id, with `RpcError` while the
   * history of a fork refers to the thread, and with `ThreadInUse` while another process has the thread.
   */
  readonly deleteThread: (
    threadId: string
  ) => Effect.Effect<void, Exclude<ThreadCallError, DecodeError> | ThreadInUse>
  /** The sections into which codex's apps sort threads. codex makes one, `Pinned`; `Thread.moveToSection` uses them. */
  readonly threadSections: Effect.Effect<
    ReadonlyArray<Received.ThreadSection | Received.Undecodable<Received.ThreadSection>>,
    CallError
  >
  /**
   * The ids of the threads that the server has in memory, of all its clients. `readThread` has the status of each.
   */
  readonly loadedThreads: Effect.Effect<ReadonlyArray<string>, CallError>
  /** Reads the models of all pages. The list is short and usually needed as a whole, so this is not a stream. */
  readonly models: (
    options?: ModelsOptions
  ) => Effect.Effect<ReadonlyArray<Received.Model | Received.Undecodable<Received.Model>>, CallError>
}>()("@effect-codex/client/Codex") {}

/**
 * Options of the client. Options of a thread or a turn take precedence.
 *
 * @see {@link layer}
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long to wait for the end of a turn that was interrupted because its scope closed. codex needs a few
   * milliseconds. Default: 10 seconds.
   */
  readonly stopGrace?: Duration.Input | undefined
  /** How long a turn may make no progress; see `StartThreadOptions.stallTimeout`. Default: no limit. */
  readonly stallTimeout?: Duration.Input | undefined
  /** Limits what all turns and goals of the client may spend together. Default: no limit. */
  readonly budget?: Budget | undefined
  /**
   * How many threads the server should have loaded for this connection. Each uses memory and file descriptors of the
   * server's process, and a handle that is not used any more keeps its thread loaded. Before another one is loaded, the
   * client lets go of idle threads beyond this number (`thread/unsubscribe`), the least recently used first. Such a
   * thread comes back by itself before the next call of its handle, with its settings; that takes some 30 ms.
   *
   * Default: no limit. A thread that was unloaded has lost what codex keeps only in its memory: its MCP servers start
   * again, and approvals that were given for the session (`acceptForSession`) are asked for again. So only you can say
   * that threads may go. The diagnostic `DescriptorsLow` says when it is time.
   *
   * **Details**
   *
   * A thread stays while it runs anything or would lose anything: during calls, turns (also those that wait) and goals,
   * while someone reads its `events`, a handler answers one of its requests, or a subagent works for it; with a goal
   * that is not complete, messages in its queue, background terminals, or a plan mode that no turn has ended; and as
   * long as it is ephemeral, or has neither a turn nor a name, because codex stores no such thread. If all threads must
   * stay, there are more than the limit.
   *
   * `Thread.status` and `Thread.read` load nothing: they report `notLoaded`.
   *
   * The layers of `CodexNode` that start codex then also set its `thread_unload_delay_secs` to 0, unless
   * `configOverrides` has one. A server that runs already unloads a thread as late as its configuration says, by
   * default a minute after the client has let go of it.
   *
   * Needs the experimental API. Threads that are loaded by requests of your own (`AppServerRpc.request`) do not count,
   * and such a request does not bring a thread back. Clients on one connection share its threads and the smallest
   * limit.
   */
  readonly maxLoadedThreads?: number | undefined
  /**
   * Whether to check, after the first thread has started, if anyone is logged in, and to log a warning if nobody is
   * and the model provider needs a login. The check is one additional request, which an older strict cassette lacks.
   * Default: false; true in the layers of `CodexNode` and `FakeAppServer`.
   */
  readonly checkLogin?: boolean | undefined
}

/**
 * Creates the client on a connection. When the scope closes, turns that are still running fail with `TransportError`.
 *
 * @see {@link layer}
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<Codex["Service"], never, AppServerRpc | Scope.Scope> =>
  Effect.flatMap(implementation, ({ codex }) => codex.make(options))

/**
 * {@link make} as a layer.
 *
 * @see {@link layerConfig}
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Codex, never, AppServerRpc> => Layer.effect(Codex, make(options))

/**
 * {@link layer} with options from the `ConfigProvider`. Fails with `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Codex, Config.ConfigError, AppServerRpc> =>
  Layer.effect(Codex, Effect.flatMap(Config.unwrap(options), make))
