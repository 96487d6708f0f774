/**
 * The client: threads on a `codex app-server`.
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
import type * as Received from "./Received.ts"
import type { Sandbox } from "./Sandbox.ts"
import type * as Sent from "./Sent.ts"
import type { ServerInfo } from "./ServerInfo.ts"
import type { Overrides } from "./ServerRequests.ts"
import type { Thread, ThreadInfo } from "./Thread.ts"

/**
 * What a thread can be started, resumed and forked with.
 *
 * @category options
 * @since 0.1.0
 */
export interface ThreadSettings {
  readonly model?: string | undefined
  /** A provider of the configuration, by its id. */
  readonly modelProvider?: string | undefined
  /** Overrides of the configuration, by the names of `config.toml`. */
  readonly config?: { readonly [key: string]: Schema.Json } | undefined
  /**
   * The folder that the agent works in. It has to exist (`InvalidArgument` where the server is ours, as with
   * `CodexNode.layer`): codex takes one that does not, and then every command fails. A relative path is resolved from the
   * app-server's working directory. Default of a new thread: the app-server's working directory.
   */
  readonly cwd?: string | undefined
  /**
   * The folders that the sandbox takes for the workspace, as absolute paths (`InvalidArgument`), which have to exist as `cwd`
   * does. Default: `cwd` alone.
   */
  readonly runtimeWorkspaceRoots?: ReadonlyArray<string> | undefined
  /** Replaces the instructions that codex gives the model. */
  readonly baseInstructions?: string | undefined
  /**
   * Comes after the base instructions, as a message of the developer. A thread that has had a turn keeps those that it
   * began with, resumed or forked (measured on codex 0.169); asking for others then is `SettingsNotApplied`.
   */
  readonly developerInstructions?: string | undefined
  /** What the commands of the agent may touch. It goes with each turn of the handle, until another one is given. */
  readonly sandbox?: Sandbox | undefined
  /**
   * The name of a permissions profile: one of the configuration, or a built-in one such as `:workspace`. Not together with
   * `sandbox` or `ApprovalMode.dangerouslyBypass` (`InvalidArgument`). An experimental part of the protocol.
   */
  readonly permissions?: string | undefined
  /** What the agent has to ask for, and who answers. It goes with each turn of the handle, as the sandbox does. */
  readonly approvalMode?: ApprovalMode.ApprovalMode | undefined
  /** A service tier of the model, by its id; `Codex.models` lists them. */
  readonly serviceTier?: string | undefined
  /**
   * Answer what the server asks during the turns of this handle, before the client's handlers do. Default: the client's
   * alone.
   */
  readonly handlers?: Overrides | undefined
  /**
   * Answers the agent's calls of these tools during the turns of this handle; calls of other tools go to
   * `handlers["item/tool/call"]`. The server keeps the tools that a thread was started with, offers them to the agent also
   * when the thread is resumed, in this process or another, and to forks, and sends the calls here (measured on codex
   * 0.169). Without `tools` the agent is told that they are not here, and the log has a warning. What the thread was not
   * started with is not offered.
   */
  readonly tools?: DynamicTools | undefined
  /**
   * How long a turn of this handle may make no progress. Then the turn is looked up on the server and, if it has not ended
   * there, interrupted; it fails with `TurnStalled`. That codex tries again to reach the model is no progress. Time in which a
   * handler of this client runs does not count. A command without output and a subagent at work are silent too: allow for
   * them. Default: the client's.
   */
  readonly stallTimeout?: Duration.Input | undefined
}

/**
 * What a thread is resumed with. What is left out stays as it was stored, except that a `Sandbox.workspaceWrite` is not
 * kept and has to be given again. The server ignores all of it for a thread that it has loaded already (both measured on
 * codex 0.169): the client then changes what can be changed, for everybody who uses the thread, and fails with
 * `SettingsNotApplied` for the rest.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeThreadOptions extends ThreadSettings {
  /** Selects nothing any more on codex 0.169; older servers look at it. */
  readonly personality?: Sent.Personality | undefined
}

/**
 * What a thread is started with. What is left out comes from the server's configuration, except for `approvalMode`.
 *
 * @category options
 * @since 0.1.0
 */
export interface StartThreadOptions extends ThreadSettings {
  /** Default: `ApprovalMode.autoReview`, as in the Python SDK. */
  readonly approvalMode?: ApprovalMode.ApprovalMode | undefined
  /** Selects nothing any more on codex 0.169; older servers look at it. */
  readonly personality?: Sent.Personality | undefined
  /** Lets a provider with a fixed catalog take its default for a model that it does not have. Default: false. */
  readonly allowProviderModelFallback?: boolean | undefined
  /** Keeps nothing of the thread on disk: it cannot be resumed. Default: false. */
  readonly ephemeral?: boolean | undefined
  /** The name of the service that the thread is for, for the server's telemetry. */
  readonly serviceName?: string | undefined
  /** Whether the session starts afresh (`startup`) or after clearing another (`clear`), for hooks. */
  readonly sessionStartSource?: Sent.ThreadStartSource | undefined
  /** What kind of thread it is, for the server's analytics. */
  readonly threadSource?: Sent.ThreadSource | undefined
  /** The project that the thread belongs to. The server refuses an unknown one (`RpcError`). */
  readonly projectId?: string | undefined
  /**
   * The environments that commands run in, the primary first. An empty list gives the agent none. Default: the server's
   * default environment.
   */
  readonly environments?: ReadonlyArray<Sent.TurnEnvironmentParams> | undefined
  /**
   * Offers tools of this client to the agent, for as long as the thread exists, and answers their calls during the turns of
   * this handle; calls of other tools go to `handlers["item/tool/call"]`. They cannot be changed later. Needs the
   * experimental API (`ExperimentalRequired`).
   */
  readonly tools?: DynamicTools | undefined
}

/**
 * What a thread is forked with. What is left out comes from the forked thread as far as its folder, its approvals and a
 * sandbox other than `Sandbox.workspaceWrite` go, and from the configuration as far as that sandbox, the model, its effort
 * and the service tier go (measured on codex 0.169). `Thread.fork` hands on what its handle was asked for.
 *
 * @category options
 * @since 0.1.0
 */
export interface ForkThreadOptions extends ThreadSettings {
  /** Keeps nothing of the fork on disk: it cannot be resumed. Default: false. */
  readonly ephemeral?: boolean | undefined
  /** What kind of thread it is, for the server's analytics. */
  readonly threadSource?: Sent.ThreadSource | undefined
  /** The last turn of the history that the fork has. It must not be running. Default: all of them. */
  readonly lastTurnId?: string | undefined
  /** The first turn that the fork does not have. Not together with `lastTurnId`. */
  readonly beforeTurnId?: string | undefined
  /**
   * Keeps the fork with its source and out of the ordinary lists; `attachedToThreadId` of {@link ListThreadsOptions} lists
   * it. The source cannot be deleted while it exists. Not together with `ephemeral` or `deferGoalContinuation`.
   * Default: false.
   */
  readonly attachToSource?: boolean | undefined
  /** Takes the source's goal along without going on with it before the next turn. Default: false. */
  readonly deferGoalContinuation?: boolean | undefined
}

/**
 * Which threads are listed, and how.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListThreadsOptions {
  /** The archived threads alone. Default: false, the others alone. */
  readonly archived?: boolean | undefined
  /** The threads of this folder, or of these; the paths have to be the same letter by letter. */
  readonly cwd?: string | ReadonlyArray<string> | undefined
  /** The threads of these providers; an empty list stands for all. */
  readonly modelProviders?: ReadonlyArray<string> | undefined
  /**
   * These threads alone, at most 100; an empty list stands for none. Codex before 0.171 reads all of them for it, and a page
   * has what is left of the server's.
   */
  readonly includedThreadIds?: ReadonlyArray<string> | undefined
  /** A part of the title. */
  readonly searchTerm?: string | undefined
  /** Default: `created_at`. */
  readonly sortKey?: Sent.ThreadSortKey | undefined
  /** Default: `desc`, the newest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /** Where the threads come from. Default, and with an empty list: the interactive sources. */
  readonly sourceKinds?: ReadonlyArray<Sent.ThreadSourceKind> | undefined
  /**
   * Takes the server's database as it is and does not look on disk, with each page, for threads that it misses. With
   * thousands of threads that is the faster by ten times: all of 4,000 took 0.7 seconds instead of 7, and with
   * `sortDirection: "asc"` 1.2 seconds instead of more than two minutes, because the server then reads the whole folder
   * again for each page (measured on codex 0.169). What another program put there while no codex ran is not listed.
   * Default: false.
   */
  readonly useStateDbOnly?: boolean | undefined
  /** The threads of this project; `null` stands for those of none. */
  readonly projectId?: string | null | undefined
  /** The subagents that this thread started itself. Not together with `ancestorThreadId`. */
  readonly parentThreadId?: string | undefined
  /** The subagents below this thread, at any depth. */
  readonly ancestorThreadId?: string | undefined
  /** The forks that were attached to this thread. Not together with the two above. */
  readonly attachedToThreadId?: string | undefined
  /**
   * How many the server is asked for at a time; it gives at most 100. Default: 25, the server's choice, and 100 from the
   * second page of {@link Codex.listThreads} on.
   */
  readonly pageSize?: number | undefined
}

/**
 * One page of a list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page<A> {
  readonly data: ReadonlyArray<A>
  /** Where the next page begins; none after the last. */
  readonly nextCursor: Option.Option<string>
  /** Where to begin with the other `sortDirection` to read back from here. */
  readonly backwardsCursor: Option.Option<string>
}

/**
 * Which threads are searched, and how.
 *
 * @category options
 * @since 0.1.0
 */
export interface SearchThreadsOptions {
  /** The archived threads alone. Default: false, the others alone. */
  readonly archived?: boolean | undefined
  /** The threads alone that the current ChatGPT account may see. Default: false. */
  readonly currentAccountOnly?: boolean | undefined
  /** The `nextCursor` of another search for the same. */
  readonly cursor?: string | undefined
  /** Whether the forks come too that were attached to a thread. Default: false. */
  readonly includeAttachedThreads?: boolean | undefined
  /** How many hits `Completed` has at most. Default: the server's choice. */
  readonly pageSize?: number | undefined
  /** Default: `created_at`. */
  readonly sortKey?: Sent.ThreadSearchSortKey | undefined
  /** Default: `desc`, the newest first. */
  readonly sortDirection?: Sent.SortDirection | undefined
  /** Where the threads come from. Default, and with an empty list: the interactive sources. */
  readonly sourceKinds?: ReadonlyArray<Sent.ThreadSourceKind> | undefined
}

/**
 * What {@link Codex.searchThreads} tells: hits so far, and the hits at the end. Each has the thread and the text around the
 * place (`snippet`).
 *
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
    /** Where the next page begins; none after the last. */
    readonly nextCursor: Option.Option<string>
  }

/**
 * Which models are listed.
 *
 * @category options
 * @since 0.1.0
 */
export interface ModelsOptions {
  /** Whether the models that are not offered for choice come too. Default: false. */
  readonly includeHidden?: boolean | undefined
  /** The models of this provider. Default: of the configured one. */
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
 * @category services
 * @since 0.1.0
 */
export class Codex extends Context.Service<Codex, {
  /** What the server said of itself: its version, its home, its platform. */
  readonly serverInfo: ServerInfo
  /**
   * Starts a thread. Nothing of it is stored before its first turn or its name. Fails with `InvalidArgument` for options
   * that are known to be wrong, such as a folder that is not there, with `RpcError` for those that the server refuses, and
   * with `SettingsNotApplied` if the server says that it holds something else than was asked for.
   */
  readonly startThread: (
    options?: StartThreadOptions
  ) => Effect.Effect<Thread, CallError | SettingsNotApplied>
  /**
   * Loads a stored thread, also one that another process wrote. Fails with `ThreadNotPersisted` for an unknown id and for
   * a thread without a turn or a name, with `RpcError` for an archived one, with `ThreadInUse` while another process has it,
   * and with `SettingsNotApplied` when an option cannot hold; the handle of a thread that is loaded already holds them as
   * well.
   */
  readonly resumeThread: (
    threadId: string,
    options?: ResumeThreadOptions
  ) => Effect.Effect<Thread, ResumeError>
  /**
   * Makes a new thread with the history of another, which stays as it is; of a running turn the fork has what there is,
   * as interrupted. Fails with `ThreadNotPersisted` when nothing of the thread is stored, with `RpcError` for an archived
   * one, and with `SettingsNotApplied` when an option cannot hold. Another process may have the thread.
   */
  readonly forkThread: (
    threadId: string,
    options?: ForkThreadOptions
  ) => Effect.Effect<Thread, ThreadCallError | SettingsNotApplied>
  /**
   * The stored threads of all pages, read as the stream is. One that does not fit the protocol is an `Undecodable` with its
   * id, and fails nothing. A server that gives the same cursor twice ends it with `DecodeError`.
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
  /** One page of {@link listThreads}, from a `cursor` of another page or from the beginning. */
  readonly listThreadsPage: (
    options?: ListThreadsOptions & { readonly cursor?: string | undefined }
  ) => Effect.Effect<Page<ThreadInfo | Received.Undecodable<ThreadInfo>>, CallError>
  /**
   * The stored threads whose title or messages have this text: while the server searches, `Found` with what it has found so
   * far, and at the end `Completed` with the hits in their order. The server tells few before the end, or none, and some may
   * not be among the last: show them, and put those of `Completed` in their place. Leaving the stream ends the search on the
   * server. Searching has no timeout. Before codex 0.171 the end alone is told. Fails with `RpcError` for an empty text and
   * for one of more than 64 KiB.
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
  /** `Thread.read` of a thread that need not be loaded. Fails with `ThreadNotFound` for an unknown id. */
  readonly readThread: (
    threadId: string,
    options?: { readonly includeTurns?: boolean | undefined }
  ) => Effect.Effect<ThreadInfo, ThreadCallError>
  /**
   * Takes a thread out of the ordinary lists and unloads it; a running turn is interrupted (measured). Fails with
   * `ThreadNotPersisted` for an unknown id and for a thread that is archived already, and with `ThreadInUse` while another
   * process has it.
   */
  readonly archiveThread: (
    threadId: string
  ) => Effect.Effect<void, Exclude<ThreadCallError, DecodeError> | ThreadInUse>
  /**
   * Undoes {@link archiveThread}. The server does not load the thread (measured); the handle resumes it before its first
   * turn, with what is stored. To give it settings, {@link resumeThread} it. Fails with `ThreadNotPersisted` for a thread
   * that is not archived.
   */
  readonly unarchiveThread: (threadId: string) => Effect.Effect<Thread, ThreadCallError | ThreadInUse>
  /**
   * Deletes a thread for good. Fails with `ThreadNotPersisted` for an unknown id, with `RpcError` while the history of a fork
   * refers to it, and with `ThreadInUse` while another process has it (measured).
   */
  readonly deleteThread: (
    threadId: string
  ) => Effect.Effect<void, Exclude<ThreadCallError, DecodeError> | ThreadInUse>
  /** The models of all pages. They are few and looked through as a whole, so this is no stream. */
  readonly models: (
    options?: ModelsOptions
  ) => Effect.Effect<ReadonlyArray<Received.Model | Received.Undecodable<Received.Model>>, CallError>
}>()("@effect-codex/client/Codex") {}

/**
 * Options of the client. What a thread or a turn says for itself counts first.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long the end of a turn is waited for after it was interrupted because its scope closed. Default: 10 seconds; the
   * real server needs some milliseconds.
   */
  readonly stopGrace?: Duration.Input | undefined
  /** How long a turn may make no progress; `StartThreadOptions.stallTimeout` says more. Default: for ever. */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * Whether to ask, once the first thread is there, if somebody is logged in, and to warn if nobody is and the model provider
   * needs it. It is one request beside the others, which a strict cassette of before does not have. Default: false; true in
   * the layers of `CodexNode` and `FakeAppServer`.
   */
  readonly checkLogin?: boolean | undefined
}

/**
 * Makes the client on a connection. When the scope closes, turns that still run fail with `TransportError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<Codex["Service"], never, AppServerRpc | Scope.Scope> =>
  Effect.flatMap(implementation, ({ codex }) => codex.make(options))

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Codex, never, AppServerRpc> => Layer.effect(Codex, make(options))

/**
 * {@link layer} with options that are read from the `ConfigProvider`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Codex, Config.ConfigError, AppServerRpc> =>
  Layer.effect(Codex, Effect.flatMap(Config.unwrap(options), make))
