/**
 * The client: threads on a `codex app-server`.
 *
 * @since 0.1.0
 */
import type { Capabilities, Diagnostic, RawRequestOptions } from "@effect-codex/client/AppServerRpc"
import { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import type { TokensRequest } from "@effect-codex/client/Auth"
import type { Options as CheckpointsOptions } from "@effect-codex/client/Checkpoints"
import * as Client from "@effect-codex/client/Codex"
import type { ConfigOverrides } from "@effect-codex/client/ConfigOverrides"
import type { PerMillion } from "@effect-codex/client/Pricing"
import type { ServerInfo } from "@effect-codex/client/ServerInfo"
import type { ServerNotification } from "@effect-codex/client/ServerNotification"
import type { ThreadInfo } from "@effect-codex/client/Thread"
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Auth, ChatgptTokens } from "./Auth.ts"
import type { Budget } from "./Budget.ts"
import type { Checkpoints } from "./Checkpoints.ts"
import type { Configuration } from "./Configuration.ts"
import type { Extensions } from "./Extensions.ts"
import type { Handler, Handlers } from "./Handlers.ts"
import type { Hooks } from "./Hooks.ts"
import type { HostTools, HostToolsOptions } from "./HostTools.ts"
import * as auth from "./internal/auth.ts"
import * as checkpoints from "./internal/checkpoints.ts"
import * as configuration from "./internal/configuration.ts"
import * as extensions from "./internal/extensions.ts"
import { Host } from "./internal/host.ts"
import { hostTools } from "./internal/hostTools.ts"
import { layer } from "./internal/layer.ts"
import * as pool from "./internal/pool.ts"
import { readable } from "./internal/readable.ts"
import * as results from "./internal/results.ts"
import * as thread from "./internal/thread.ts"
import { withoutSignal } from "./internal/withoutSignal.ts"
import * as workspace from "./internal/workspace.ts"
import type { Awaitable, CallOptions, Time } from "./Options.ts"
import type { PoolOptions, PoolStats } from "./Pool.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { Page, ThreadSearchEvent } from "./Results.ts"
import type { ForkThreadOptions, ResumeThreadOptions, StartThreadOptions, Thread } from "./Thread.ts"
import type { Tool, ToolNamespace } from "./Tools.ts"
import type { Workspace } from "./Workspace.ts"

/**
 * How to reconnect after a lost connection, and restart the process if this client started it.
 *
 * @see `CodexOptions.restart`
 * @category options
 * @since 0.1.0
 */
export interface RestartOptions {
  /** The pause before the first attempt; it doubles with each further attempt. Default: 200 milliseconds. */
  readonly firstPause?: Time | undefined
  /** The longest pause. Default: 30 seconds. */
  readonly longestPause?: Time | undefined
  /** How many attempts in a row may fail before the client ends. Default: 10. */
  readonly attempts?: number | undefined
}

/**
 * The address of a running app-server that listens on TCP.
 *
 * @category options
 * @since 0.1.0
 */
export interface WebSocketConnection {
  /** For example `ws://127.0.0.1:4500` or `wss://codex.example.com/`. */
  readonly url: string
  /** Sent as `Authorization: Bearer`. A function is called for each connection, which allows short-lived tokens. */
  readonly token?: string | (() => Awaitable<string>) | undefined
  /** Further HTTP headers of the handshake. Default: none. */
  readonly headers?: { readonly [name: string]: string } | undefined
  /** Whether to allow plain `ws://` to another machine. Default: false. */
  readonly allowInsecure?: boolean | undefined
  /** The longest time for opening the connection. Default: 10 seconds. */
  readonly connectTimeout?: Time | undefined
}

/**
 * The address of a running app-server that listens on a unix socket.
 *
 * @category options
 * @since 0.1.0
 */
export interface UnixSocketConnection {
  /** The socket file; `true` is the default one of `codex app-server --listen unix://`. */
  readonly unixSocket: string | true
  /** The longest time for opening the connection. Default: 10 seconds. */
  readonly connectTimeout?: Time | undefined
}

/**
 * A log entry of codex or of this client.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogEntry {
  /** The severity: a log level of Effect, such as `Warn`. */
  readonly level: string
  readonly message: string
  readonly date: Date
}

/**
 * Prices by model, each for a million tokens; or a function that returns the price of a call, or undefined if it does
 * not know the model. The unit is yours. The library has no price list, because it would soon be out of date.
 *
 * **Details**
 *
 * The counts of a call contain each other: `inputTokens` includes `cachedInputTokens` and `cacheWriteInputTokens`, and
 * `outputTokens` includes `reasoningOutputTokens`.
 *
 * @category options
 * @since 0.1.0
 */
export type Prices =
  | { readonly [model: string]: PerMillion }
  | ((model: string, usage: Received.TokenUsageBreakdown) => number | undefined)

/**
 * Options of the process, the connection and the client. All are optional.
 *
 * @category options
 * @since 0.1.0
 */
export interface CodexOptions {
  /** The codex executable. Default: `CODEX_BIN`, else the installed `@openai/codex`, else `codex` on `PATH`. */
  readonly executable?: string | undefined
  /**
   * Whether to check that the folders and files named in a call exist before sending it. Set it to false if
   * `executable` runs codex on another file system, such as in a container. Default: true.
   */
  readonly checkFiles?: boolean | undefined
  /** Connects to a running app-server instead of starting one; the options of the process then have no effect. */
  readonly connect?: WebSocketConnection | UnixSocketConnection | undefined
  /**
   * Configuration overrides: an object with the structure of `config.toml`, or `key=value` strings in TOML. An override
   * that codex would misread causes an `AppServerStartError` before anything starts. Default: none.
   */
  readonly configOverrides?: ConfigOverrides | undefined
  /**
   * Where logins are stored. `ephemeral` keeps them in the memory of the process and neither uses nor changes a stored
   * login. Default: `ephemeral` with `apiKey`, else codex's configuration.
   */
  readonly credentialsStore?: "ephemeral" | "file" | "keyring" | "auto" | undefined
  /** Replaces all arguments of the process. Default: those that start the app-server. */
  readonly args?: ReadonlyArray<string> | undefined
  /** The working directory of the process, and of threads without their own. Default: that of this process. */
  readonly cwd?: string | undefined
  /** Environment variables, merged over those of this process; `undefined` removes one. Default: none. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined
  /** The longest time for each step of ending the process. Default: 2 seconds. */
  readonly shutdownGrace?: Time | undefined
  /** The number of stderr lines to keep for errors. Default: 400. */
  readonly stderrLines?: number | undefined
  /** The longest accepted frame, in bytes. Default: 256 MiB. */
  readonly maxFrameBytes?: number | undefined
  /** How the client identifies itself to the server. Default: the name `effect_codex`. */
  readonly clientInfo?: { readonly name: string; readonly title?: string; readonly version: string } | undefined
  /** Whether to use the experimental part of the protocol. Default: true. */
  readonly experimentalApi?: boolean | undefined
  /**
   * Further capabilities for the handshake, such as `optOutNotificationMethods`, the notifications that codex should
   * not send. Opting out of a notification that the client needs is refused. Default: none.
   */
  readonly capabilities?: Capabilities | undefined
  /** The number of requests in flight; further ones wait. Default: 64. */
  readonly maxInFlight?: number | undefined
  /** The longest time for the handshake. Default: 30 seconds. */
  readonly initializeTimeout?: Time | undefined
  /** The longest time for the response to a request. It does not limit turns. Default: 60 seconds. */
  readonly requestTimeout?: Time | undefined
  /** The longest time to wait for the end of an interrupted turn. Default: 10 seconds. */
  readonly stopGrace?: Time | undefined
  /** The longest time that a turn may make no progress. Default: no limit. */
  readonly stallTimeout?: Time | undefined
  /** Limits what all turns and goals of the client may spend together. Default: no limit. */
  readonly budget?: Budget | undefined
  /** What the model's calls cost, for `cost` of results and for budgets that limit it. Default: no price is known. */
  readonly pricing?: Prices | undefined
  /**
   * How many threads codex should have loaded. Idle threads beyond this number are let go of, the least recently used
   * first, and come back by themselves with their next call. Each loaded thread uses memory and file descriptors of
   * codex; one that was let go of has lost its MCP servers' state and the approvals for its session. Default: no limit.
   */
  readonly maxLoadedThreads?: number | undefined
  /**
   * Whether to warn after the first thread starts if the provider requires a login and there is none. Default: true.
   */
  readonly checkLogin?: boolean | undefined
  /**
   * Reconnects after a lost connection; nothing runs twice. `true` uses the defaults of {@link RestartOptions}.
   * Default: false, and a lost connection ends the client: every call rejects with the cause.
   */
  readonly restart?: boolean | RestartOptions | undefined
  /**
   * Starts several processes instead of one. Each is restarted for ever, unless `restart` says otherwise. Cannot be
   * combined with `connect`. Default: one process.
   */
  readonly pool?: PoolOptions | undefined
  /** Answer requests of the server. Default: nothing is granted. */
  readonly handlers?: Handlers | undefined
  /** See and veto what the agent is about to do. Default: none. */
  readonly hooks?: Hooks | undefined
  /** The longest time for a handler or a tool. Default: 1 hour. */
  readonly handlerTimeout?: Time | undefined
  /** Logs in with an API key for the lifetime of the process. Default: the stored login. */
  readonly apiKey?: string | undefined
  /**
   * Logs in with tokens of a ChatGPT account. Called for the first tokens, and for new ones when they are refused.
   * Cannot be combined with `apiKey`. Default: the stored login.
   */
  readonly chatgptTokens?: Handler<TokensRequest, ChatgptTokens> | undefined
  /** Receives the log entries of codex and of this client. Default: they are written to stderr. */
  readonly onLog?: ((entry: LogEntry) => void) | undefined
}

/**
 * The client.
 *
 * Every call returns a promise that rejects with one of the tagged errors of this package, or with the reason of the
 * signal that aborted it. A rejection that nobody awaits never ends the process.
 *
 * **Example** (A turn, streamed)
 *
 * ```ts
 * import { Codex } from "@effect-codex/promise"
 *
 * await using codex = await Codex.start()
 * const thread = await codex.startThread()
 * await using turn = await thread.turn("What is in this folder?")
 * for await (const piece of turn.text) process.stdout.write(piece)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export class Codex implements AsyncDisposable {
  readonly #host: Host
  /** Accounts and logins. */
  readonly auth: Auth
  /** What the server is configured with, and changes of the user's `config.toml`. */
  readonly configuration: Configuration
  /** Files and commands on the machine of the app-server. */
  readonly workspace: Workspace
  /** Skills, MCP servers, apps, plugins and hooks of the app-server. */
  readonly extensions: Extensions
  /** All notifications of the server, of all threads, from the start of the reading. */
  readonly notifications: Readable<ServerNotification>
  /** Anomalies as they happen, preceded by the last 16 warnings of the server. A slow reader loses the oldest. */
  readonly diagnostics: Readable<Diagnostic>

  /**
   * Creates a client that starts with its first call. If the start fails, that call rejects and the next one tries
   * again. A wrong option also rejects the first call.
   */
  constructor(options: CodexOptions = {}) {
    this.#host = new Host(layer(options))
    this.auth = auth.make(this.#host)
    this.configuration = configuration.make(this.#host)
    this.workspace = workspace.make(this.#host)
    this.extensions = extensions.make(this.#host)
    this.notifications = readable(
      this.#host,
      Stream.unwrap(Effect.map(AppServerRpc, (rpc) => rpc.notifications))
    )
    this.diagnostics = readable(
      this.#host,
      Stream.unwrap(Effect.map(AppServerRpc, (rpc) => rpc.diagnosticEvents))
    )
  }

  /**
   * Starts the process, or connects to a running one. Rejects with `CodexExecutableNotFound`, `AppServerStartError` or
   * `AppServerConnectError`, after cleaning up.
   */
  static start(options?: CodexOptions & CallOptions): Promise<Codex> {
    const codex = new Codex(options)
    const { promise, reject, resolve } = Promise.withResolvers<Codex>()
    // As in every other call, an unawaited rejection must not end the process.
    promise.catch(() => {})
    codex.serverInfo(options).then(() => resolve(codex), (error) => codex.close().then(() => reject(error), reject))
    return promise
  }

  /** Server metadata from the handshake: version, home, platform. */
  serverInfo(options?: CallOptions): Promise<ServerInfo> {
    return this.#call((codex) => Effect.succeed(codex.serverInfo), options)
  }

  /**
   * Starts a thread. The server stores it once it has a turn or a name. Rejects with `InvalidArgument` for an invalid
   * option, such as the name of a tool, with `RpcError` for one that the server refuses, and with `SettingsNotApplied`
   * if the server reports other settings than requested.
   */
  startThread(options?: StartThreadOptions): Promise<Thread> {
    return this.#thread(
      (codex) => Effect.flatMap(thread.settings(options), (given) => codex.startThread(given)),
      options
    )
  }

  /**
   * Serves tools to codex on loopback, as an MCP server for `mcpServers`, until they are closed. Unlike the `tools` of
   * `startThread` they are called by subagents too, and can change while a thread lives. codex must run on this
   * machine. Rejects with `InvalidArgument` for invalid tools, such as two of one name, and with `ServeError` if it
   * cannot listen.
   */
  hostTools(tools: ReadonlyArray<Tool | ToolNamespace>, options?: HostToolsOptions): Promise<HostTools> {
    return hostTools(this.#host, tools, options)
  }

  /**
   * Loads a stored thread. Rejects with `ThreadNotPersisted` for an unknown id and for a thread without a turn or a
   * name, with `RpcError` for an archived thread, with `ThreadInUse` while another process has loaded it, and with
   * `SettingsNotApplied` if the server does not apply an option.
   */
  resumeThread(threadId: string, options?: ResumeThreadOptions): Promise<Thread> {
    return this.#thread(
      (codex) => Effect.flatMap(thread.settings(options), (given) => codex.resumeThread(threadId, given)),
      options
    )
  }

  /**
   * Creates a new thread with the history of another, which stays unchanged. Rejects with `ThreadNotPersisted` if the
   * thread is not stored, with `RpcError` for an archived thread, and with `SettingsNotApplied` if the server does not
   * apply an option.
   */
  forkThread(threadId: string, options?: ForkThreadOptions): Promise<Thread> {
    return this.#thread(
      (codex) => Effect.flatMap(thread.settings(options), (given) => codex.forkThread(threadId, given)),
      options
    )
  }

  /** The stored threads of all pages. Pages are fetched as they are read. */
  listThreads(options?: Client.ListThreadsOptions): Readable<ThreadInfo | Received.Undecodable<ThreadInfo>> {
    return readable(
      this.#host,
      Stream.unwrap(Effect.map(Client.Codex, (codex) => codex.listThreads(options))),
      { isList: true }
    )
  }

  /** One page of {@link listThreads}: the first, or the one at the `cursor` of another page. */
  listThreadsPage(
    options?: Client.ListThreadsOptions & CallOptions & { readonly cursor?: string | undefined }
  ): Promise<Page<ThreadInfo | Received.Undecodable<ThreadInfo>>> {
    return this.#call(
      (codex) =>
        Effect.flatMap(
          withoutSignal(options),
          (given) => Effect.map(codex.listThreadsPage(given), results.page)
        ),
      options
    )
  }

  /**
   * Searches the titles and messages of the stored threads. Yields `Found` with hits during the search, and finally
   * `Completed` with the hits in order. Few hits arrive before the end, or none, and the final list may lack some of
   * them; before codex 0.171 there is only `Completed`. Leaving the loop ends the search on the server. Throws
   * `RpcError` for an empty query and for one of more than 64 KiB.
   */
  searchThreads(query: string, options?: Client.SearchThreadsOptions): Readable<ThreadSearchEvent> {
    return readable(
      this.#host,
      Stream.unwrap(Effect.map(Client.Codex, (codex) => codex.searchThreads(query, options))).pipe(
        Stream.map(results.searchEvent)
      ),
      { isList: true }
    )
  }

  /** Reads a thread without loading it. Rejects with `ThreadNotFound` for an unknown id. */
  readThread(
    threadId: string,
    options?: CallOptions & { readonly includeTurns?: boolean | undefined }
  ): Promise<ThreadInfo> {
    return this.#call((codex) => codex.readThread(threadId, options), options)
  }

  /**
   * Archives a thread: hides it from default listings and unloads it; a running turn is interrupted. Rejects with
   * `ThreadNotPersisted` for an unknown id and for a thread that is already archived.
   */
  archiveThread(threadId: string, options?: CallOptions): Promise<void> {
    return this.#call((codex) => codex.archiveThread(threadId), options)
  }

  /**
   * Undoes {@link archiveThread}. The handle resumes the thread before its first turn; use {@link resumeThread} to
   * change its settings. Rejects with `ThreadNotPersisted` for a thread that is not archived.
   */
  unarchiveThread(threadId: string, options?: CallOptions): Promise<Thread> {
    return this.#thread((codex) => codex.unarchiveThread(threadId), options)
  }

  /**
   * Deletes a thread permanently. Rejects with `ThreadNotPersisted` for an unknown id, and with `RpcError` while the
   * history of a fork refers to it.
   */
  deleteThread(threadId: string, options?: CallOptions): Promise<void> {
    return this.#call((codex) => codex.deleteThread(threadId), options)
  }

  /** The sections into which codex's apps sort threads, such as `Pinned`. */
  threadSections(
    options?: CallOptions
  ): Promise<ReadonlyArray<Received.ThreadSection | Received.Undecodable<Received.ThreadSection>>> {
    return this.#call((codex) => codex.threadSections, options)
  }

  /**
   * Opens or creates the checkpoints of a folder: snapshots around turns, what a turn changed, and the way back. They
   * need git 2.29 or later, and the folder of the agent on the machine of this program. Rejects with `InvalidArgument`,
   * and with `CheckpointError` of the reasons `gitMissing`, `folder` and `git`.
   */
  checkpoints(options: CheckpointsOptions & CallOptions): Promise<Checkpoints> {
    return checkpoints.open(this.#host, options)
  }

  /** The ids of the threads that the server has in memory, of all its clients. */
  loadedThreads(options?: CallOptions): Promise<ReadonlyArray<string>> {
    return this.#call((codex) => codex.loadedThreads, options)
  }

  /** What the processes of the pool do and use. Rejects with `InvalidArgument` if the client has no `pool`. */
  poolStats(options?: CallOptions): Promise<PoolStats> {
    return this.#host.run(pool.stats, options?.signal)
  }

  /**
   * Replaces all processes of the pool, one after the other, each once nothing runs in it, for example after an update
   * of codex. Waits for that as long as it takes. Rejects with `InvalidArgument` if the client has no `pool`.
   */
  recyclePool(options?: CallOptions): Promise<void> {
    return this.#host.run(pool.recycle, options?.signal)
  }

  /** The available models, from all pages. */
  models(
    options?: Client.ModelsOptions & CallOptions
  ): Promise<ReadonlyArray<Received.Model | Received.Undecodable<Received.Model>>> {
    return this.#call(
      (codex) => Effect.flatMap(withoutSignal(options), (given) => codex.models(given)),
      options
    )
  }

  /**
   * Sends any request of the protocol. Rejects with the server's refusal (`RpcError`, `ThreadNotFound` and so on), with
   * `AppServerTimeout`, or with the error that ended the connection. The signal ends the waiting; it does not undo the
   * request.
   */
  request<M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    { signal, ...options }: CallOptions & { readonly timeout?: Time | undefined } = {}
  ): Promise<ClientRequests[M]["result"]> {
    return this.#host.run(Effect.flatMap(AppServerRpc, (rpc) => rpc.request(method, params, options)), signal)
  }

  /**
   * Sends a request that the protocol types need not contain, such as one of a newer codex, and returns the result;
   * neither is checked. `onSent` receives the id of the request right before it is sent. If the signal aborts or the
   * timeout expires before the response, the request that `cancel` returns is sent to stop the work. Rejects as
   * {@link request} does.
   *
   * **Example** (A method of a newer codex)
   *
   * ```ts
   * import { Codex } from "@effect-codex/promise"
   *
   * export const search = (codex: Codex, searchTerm: string, signal: AbortSignal) =>
   *   codex.requestRaw("thread/search/stream", { searchTerm }, {
   *     signal,
   *     cancel: (requestId) => ({ method: "thread/search/stream/cancel", params: { requestId } })
   *   })
   * ```
   */
  requestRaw(
    method: string,
    params?: unknown,
    { signal, ...options }: CallOptions & Omit<RawRequestOptions, "timeout"> & {
      readonly timeout?: Time | undefined
    } = {}
  ): Promise<unknown> {
    return this.#host.run(Effect.flatMap(AppServerRpc, (rpc) => rpc.requestRaw(method, params, options)), signal)
  }

  /**
   * Interrupts running turns, waits a bounded time for their end, and ends the process. Pending and later calls reject
   * with a `TransportError` whose reason is `closed`.
   */
  close(): Promise<void> {
    return this.#host.close()
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #call<A>(
    effect: (codex: Client.Codex["Service"]) => Effect.Effect<A, unknown>,
    options: CallOptions | undefined
  ): Promise<A> {
    return this.#host.run(Effect.flatMap(Client.Codex, effect), options?.signal)
  }

  #thread(
    effect: (codex: Client.Codex["Service"]) => Effect.Effect<Parameters<typeof thread.make>[1], unknown>,
    options: CallOptions | undefined
  ): Promise<Thread> {
    return this.#call((codex) => Effect.map(effect(codex), (started) => thread.make(this.#host, started)), options)
  }
}
