/**
 * The client: threads on a `codex app-server`.
 *
 * @since 0.1.0
 */
import type { Capabilities, Diagnostic, RawRequestOptions } from "@effect-codex/client/AppServerRpc"
import { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import type { TokensRequest } from "@effect-codex/client/Auth"
import * as Client from "@effect-codex/client/Codex"
import type { ConfigOverrides } from "@effect-codex/client/ConfigOverrides"
import type { ServerInfo } from "@effect-codex/client/ServerInfo"
import type { ServerNotification } from "@effect-codex/client/ServerNotification"
import type { ThreadInfo } from "@effect-codex/client/Thread"
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Auth, ChatgptTokens } from "./Auth.ts"
import type { Handler, Handlers } from "./Handlers.ts"
import * as auth from "./internal/auth.ts"
import { Host } from "./internal/host.ts"
import { layer } from "./internal/layer.ts"
import { readable } from "./internal/readable.ts"
import * as results from "./internal/results.ts"
import * as thread from "./internal/thread.ts"
import type { Awaitable, CallOptions, Time } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"
import type { Page, ThreadSearchEvent } from "./Results.ts"
import type { ForkThreadOptions, ResumeThreadOptions, StartThreadOptions, Thread } from "./Thread.ts"

/**
 * When a lost connection is made again, and the process started again if it is ours.
 *
 * @category options
 * @since 0.1.0
 */
export interface RestartOptions {
  /** The pause before the first attempt; each further one is twice as long. Default: 200 milliseconds. */
  readonly firstPause?: Time | undefined
  /** No pause is longer. Default: 30 seconds. */
  readonly longestPause?: Time | undefined
  /** How many attempts in a row may fail before the client ends. Default: 10. */
  readonly attempts?: number | undefined
}

/**
 * An app-server that runs already and listens on TCP.
 *
 * @category options
 * @since 0.1.0
 */
export interface WebSocketConnection {
  /** Such as `ws://127.0.0.1:4500` or `wss://codex.example.com/`. */
  readonly url: string
  /** Sent as `Authorization: Bearer`. A function is called for each connection, so that a token can be short-lived. */
  readonly token?: string | (() => Awaitable<string>) | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
  /** Whether plain `ws://` may go to another machine. Default: false. */
  readonly allowInsecure?: boolean | undefined
  /** How long the opening may take. Default: 10 seconds. */
  readonly connectTimeout?: Time | undefined
}

/**
 * An app-server that runs already and listens on a unix socket.
 *
 * @category options
 * @since 0.1.0
 */
export interface UnixSocketConnection {
  /** The socket file; `true` stands for that of `codex app-server --listen unix://`. */
  readonly unixSocket: string | true
  /** How long the opening may take. Default: 10 seconds. */
  readonly connectTimeout?: Time | undefined
}

/**
 * Something that is worth a line in a log.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogEntry {
  readonly level: string
  readonly message: string
  readonly date: Date
}

/**
 * Options of the process, the connection and the client, all optional.
 *
 * @category options
 * @since 0.1.0
 */
export interface CodexOptions {
  /** The codex executable. Default: `CODEX_BIN`, else the installed `@openai/codex`, else `codex` on `PATH`. */
  readonly executable?: string | undefined
  /**
   * Whether the folders and files that a call names are looked at before codex is asked. Set it to false for an `executable`
   * that runs codex where it has other files, such as in a container. Default: true.
   */
  readonly checkFiles?: boolean | undefined
  /** Connects to an app-server that runs already, instead of starting one; the options of the process have no effect. */
  readonly connect?: WebSocketConnection | UnixSocketConnection | undefined
  /**
   * Overrides of the configuration: an object as `config.toml` has it, or `key=value` texts in TOML. What codex would take for
   * something else is `AppServerStartError`, before anything is started.
   */
  readonly configOverrides?: ConfigOverrides | undefined
  /**
   * Where logins are kept. With `ephemeral` they are kept in the memory of the process, and a stored login is neither used
   * nor touched. Default: `ephemeral` with `apiKey`, else what the configuration says.
   */
  readonly credentialsStore?: "ephemeral" | "file" | "keyring" | "auto" | undefined
  /** Replaces the whole argument list. */
  readonly args?: ReadonlyArray<string> | undefined
  /** The working directory of the process, and of threads that have none of their own. Default: that of this process. */
  readonly cwd?: string | undefined
  /** Merged over this process' environment; `undefined` removes a variable. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined
  /** How long each step of ending the process may take. Default: 2 seconds. */
  readonly shutdownGrace?: Time | undefined
  /** How many lines of stderr are kept for errors. Default: 400. */
  readonly stderrLines?: number | undefined
  /** The longest frame that is accepted, in bytes. Default: 256 MiB. */
  readonly maxFrameBytes?: number | undefined
  /** Who this client is. Default: `effect_codex`. */
  readonly clientInfo?: { readonly name: string; readonly title?: string; readonly version: string } | undefined
  /** Whether the experimental part of the protocol is used. Default: true. */
  readonly experimentalApi?: boolean | undefined
  /**
   * What else the client says of itself in the handshake, such as the notifications that codex is not to send
   * (`optOutNotificationMethods`). Those that the client needs are refused. Default: nothing.
   */
  readonly capabilities?: Capabilities | undefined
  /** How many requests may be outstanding; more wait. Default: 64. */
  readonly maxInFlight?: number | undefined
  /** How long the handshake may take. Default: 30 seconds. */
  readonly initializeTimeout?: Time | undefined
  /** How long a request waits for its answer. A turn is not limited by it. Default: 60 seconds. */
  readonly requestTimeout?: Time | undefined
  /** How long the end of an interrupted turn is waited for. Default: 10 seconds. */
  readonly stopGrace?: Time | undefined
  /** How long a turn may make no progress. Default: for ever. */
  readonly stallTimeout?: Time | undefined
  /** Whether to warn, once the first thread is there, if nobody is logged in and the provider needs it. Default: true. */
  readonly checkLogin?: boolean | undefined
  /** Makes a lost connection again. Nothing is run twice. Default: its loss is the end, and every call fails with it. */
  readonly restart?: boolean | RestartOptions | undefined
  /** Answer what the server asks. Default: nothing is granted. */
  readonly handlers?: Handlers | undefined
  /** How long a handler or a tool may take. Default: 1 hour. */
  readonly handlerTimeout?: Time | undefined
  /** Logs in with an API key, for as long as the process lives. */
  readonly apiKey?: string | undefined
  /** Logs in with tokens of a ChatGPT account, and is asked for new ones when they are refused. Not with `apiKey`. */
  readonly chatgptTokens?: Handler<TokensRequest, ChatgptTokens> | undefined
  /** Gets what codex and this client warn of. Default: it is written to stderr. */
  readonly onLog?: ((entry: LogEntry) => void) | undefined
}

/**
 * The client.
 *
 * Every call gives a promise that rejects with one of the tagged errors of this package, or with the reason of the signal
 * that ended it, and no rejection that nobody awaits ends the process.
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
  /** Everything the server tells from the moment that it is read, of all threads. */
  readonly notifications: Readable<ServerNotification>
  /** Odd things as they happen, first the last 16 warnings of the server. A slow reader loses the oldest. */
  readonly diagnostics: Readable<Diagnostic>

  /**
   * A client that starts with its first call. A start that fails rejects that call, and the next one tries again. A
   * wrong option is found then, too.
   */
  constructor(options: CodexOptions = {}) {
    this.#host = new Host(layer(options))
    this.auth = auth.make(this.#host)
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
   * Starts the process, or connects to one. Rejects with `CodexExecutableNotFound`, `AppServerStartError` or
   * `AppServerConnectError`, and then leaves nothing behind.
   */
  static start(options?: CodexOptions & CallOptions): Promise<Codex> {
    const codex = new Codex(options)
    const { promise, reject, resolve } = Promise.withResolvers<Codex>()
    // Like that of every other call, the rejection ends nothing when nobody awaits it.
    promise.catch(() => {})
    codex.serverInfo(options).then(() => resolve(codex), (error) => codex.close().then(() => reject(error), reject))
    return promise
  }

  /** What the server said of itself: its version, its home, its platform. */
  serverInfo(options?: CallOptions): Promise<ServerInfo> {
    return this.#call((codex) => Effect.succeed(codex.serverInfo), options)
  }

  /**
   * Starts a thread. Nothing of it is stored before its first turn or its name. Rejects with `InvalidArgument` for options
   * that this client knows to be wrong, such as a tool's name, with `RpcError` for those that the server refuses, and with
   * `SettingsNotApplied` if the server says that it holds something else than was asked for.
   */
  startThread(options?: StartThreadOptions): Promise<Thread> {
    return this.#thread(
      (codex) => Effect.flatMap(thread.settings(options), (given) => codex.startThread(given)),
      options
    )
  }

  /**
   * Loads a stored thread. Rejects with `ThreadNotPersisted` for an unknown id and for a thread without a turn or a name,
   * with `RpcError` for an archived one, with `ThreadInUse` while another process has it, and with `SettingsNotApplied` when
   * an option cannot hold.
   */
  resumeThread(threadId: string, options?: ResumeThreadOptions): Promise<Thread> {
    return this.#thread(
      (codex) => Effect.flatMap(thread.settings(options), (given) => codex.resumeThread(threadId, given)),
      options
    )
  }

  /**
   * Makes a new thread with the history of another, which stays as it is. Rejects with `ThreadNotPersisted` when nothing of
   * the thread is stored, with `RpcError` for an archived one, and with `SettingsNotApplied` when an option cannot hold.
   */
  forkThread(threadId: string, options?: ForkThreadOptions): Promise<Thread> {
    return this.#thread(
      (codex) => Effect.flatMap(thread.settings(options), (given) => codex.forkThread(threadId, given)),
      options
    )
  }

  /** The stored threads of all pages, fetched as they are read. */
  listThreads(options?: Client.ListThreadsOptions): Readable<ThreadInfo | Received.Undecodable<ThreadInfo>> {
    return readable(
      this.#host,
      Stream.unwrap(Effect.map(Client.Codex, (codex) => codex.listThreads(options))),
      { isList: true }
    )
  }

  /** One page of {@link listThreads}, from a `cursor` of another page or from the beginning. */
  listThreadsPage(
    options?: Client.ListThreadsOptions & CallOptions & { readonly cursor?: string | undefined }
  ): Promise<Page<ThreadInfo | Received.Undecodable<ThreadInfo>>> {
    return this.#call(
      (codex) =>
        Effect.flatMap(
          thread.withoutSignal(options),
          (given) => Effect.map(codex.listThreadsPage(given), results.page)
        ),
      options
    )
  }

  /**
   * The stored threads whose title or messages have this text: while the server searches, `Found` with what it has found so
   * far, and at the end `Completed` with the hits in their order. The server tells few before the end, or none, and some may
   * not be among the last. Leaving the loop ends the search on the server. Before codex 0.171 the end alone is told. Rejects
   * with `RpcError` for an empty text and for one of more than 64 KiB.
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

  /** What the server keeps of a thread, which need not be loaded. Rejects with `ThreadNotFound` for an unknown id. */
  readThread(
    threadId: string,
    options?: CallOptions & { readonly includeTurns?: boolean | undefined }
  ): Promise<ThreadInfo> {
    return this.#call((codex) => codex.readThread(threadId, options), options)
  }

  /**
   * Takes a thread out of the ordinary lists and unloads it; a running turn is interrupted. Rejects with
   * `ThreadNotPersisted` for an unknown id and for a thread that is archived already.
   */
  archiveThread(threadId: string, options?: CallOptions): Promise<void> {
    return this.#call((codex) => codex.archiveThread(threadId), options)
  }

  /**
   * Undoes {@link archiveThread}. The handle resumes the thread before its first turn; {@link resumeThread} it to give it
   * settings.
   * Rejects with `ThreadNotPersisted` for a thread that is not archived.
   */
  unarchiveThread(threadId: string, options?: CallOptions): Promise<Thread> {
    return this.#thread((codex) => codex.unarchiveThread(threadId), options)
  }

  /**
   * Deletes a thread for good. Rejects with `ThreadNotPersisted` for an unknown id, and with `RpcError` while the
   * history of a fork refers to it.
   */
  deleteThread(threadId: string, options?: CallOptions): Promise<void> {
    return this.#call((codex) => codex.deleteThread(threadId), options)
  }

  /** The models of all pages. */
  models(
    options?: Client.ModelsOptions & CallOptions
  ): Promise<ReadonlyArray<Received.Model | Received.Undecodable<Received.Model>>> {
    return this.#call(
      (codex) => Effect.flatMap(thread.withoutSignal(options), (given) => codex.models(given)),
      options
    )
  }

  /**
   * Sends any request of the protocol. Rejects with the errors that all calls have: what the server refuses with (`RpcError`, `ThreadNotFound` and
   * so on), `AppServerTimeout`, and the connection's cause. The signal ends the waiting and does not undo the request.
   */
  request<M extends keyof ClientRequests>(
    method: M,
    params: ClientRequests[M]["params"],
    { signal, ...options }: CallOptions & { readonly timeout?: Time | undefined } = {}
  ): Promise<ClientRequests[M]["result"]> {
    return this.#host.run(Effect.flatMap(AppServerRpc, (rpc) => rpc.request(method, params, options)), signal)
  }

  /**
   * Sends a request that this client need not know, such as one of a newer codex, and gives what comes back: neither is
   * checked. `onSent` gets the id of the request right before it is sent; when the signal aborts, or the time is over, before
   * the answer is there, the request that `cancel` names ends its work. Rejects as {@link request} does.
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
   * Interrupts what runs, waits a bounded time for the end of the turns, and ends the process. What was called before
   * and has not ended rejects with a `TransportError` whose reason is `closed`, and so does what is called later.
   */
  close(): Promise<void> {
    return this.#host.close()
  }

  /** {@link close}. */
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
