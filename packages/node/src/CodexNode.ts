/**
 * Layers that provide the whole client on Node.js.
 *
 * @since 0.1.0
 */
import type * as AppServer from "@effect-codex/client/AppServer"
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import type * as Auth from "@effect-codex/client/Auth"
import type * as Codex from "@effect-codex/client/Codex"
import type {
  AppServerConnectError,
  AppServerStartError,
  CodexError,
  CodexExecutableNotFound
} from "@effect-codex/client/CodexError"
import * as Transport from "@effect-codex/client/Transport"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Os from "node:os"
import * as DirectPipes from "./internal/directPipes.ts"
import * as HooksOfProcess from "./internal/hooksOfProcess.ts"
import * as NodeClient from "./internal/nodeClient.ts"
import * as OnDemand from "./internal/onDemand.ts"

/**
 * The options of the connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectionOptions extends AppServerRpc.Options {
  /**
   * Reconnects after a lost connection, and restarts the process if this layer started it. The schedule sets the
   * pauses; the client ends when the schedule does. `AppServerRpc.layerSupervised` documents what happens to calls,
   * turns and threads. Default: a lost connection ends the client.
   */
  readonly restart?: AppServerRpc.RestartSchedule | undefined
}

/**
 * The options of the process, its pipes, the connection and the client. All are optional.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options
  extends Omit<AppServer.Options, "executable">, Transport.StdioOptions, ConnectionOptions, Codex.Options
{
  /**
   * The codex executable: a path, or a name to look up on `PATH`. Default: `CODEX_BIN`, else the installed package
   * `@openai/codex`, else `codex` on `PATH`; see `CodexExecutable.find`.
   */
  readonly executable?: string | undefined
  /**
   * Whether to check the folders and files named in a call before sending it. A missing folder or an invalid image then
   * fails with `InvalidArgument`; codex itself silently accepts both. Set it to false if `executable` runs codex on
   * another file system, such as in a container. Default: true.
   */
  readonly checkFiles?: boolean | undefined
}

/**
 * A layer with the whole client: it finds the codex executable, starts `codex app-server`, connects to it, and ends the
 * process with its scope. It requires nothing.
 *
 * **Details**
 *
 * Each call creates a client with its own process. One layer value is one client, wherever it is provided in the same
 * runtime. If the executable belongs to an installed npm package, the programs bundled with the package (ripgrep) come
 * first on the `PATH` of the process.
 *
 * Fails with `CodexExecutableNotFound` if there is no executable, and with `AppServerStartError` if the executable does
 * not start or does not complete the handshake. If codex exits because another program keeps a database in its
 * `CODEX_HOME` locked, the layer logs a warning and starts it again, up to three times in all. Concurrent starts do not
 * wait for each other, so that one that hangs does not block the others.
 *
 * **Example** (Asking once)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   const result = yield* thread.run("Say hello in one sentence.")
 *   yield* Console.log(result.finalResponse)
 * })
 *
 * program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
 * ```
 *
 * @see {@link layerConfig} for options from the environment
 * @see {@link layerWebSocket} and {@link layerUnixSocket} for a running app-server
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | AppServer.AppServer,
  CodexExecutableNotFound | AppServerStartError
> =>
  (options?.restart === undefined
    ? NodeClient.once(options ?? {})
    : NodeClient.supervised(options, options.restart, NodeClient.processOf(options, NodeClient.spawnOf(options)))).pipe(
      Layer.provide(NodeClient.NodeLive)
    )

/**
 * A layer with the process and its pipes, without the client.
 *
 * **When to use**
 *
 * For a client of your own, or for code between client and process, such as the recorder of `@effect-codex/testing`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTransport = (
  options?: Omit<AppServer.Options, "executable"> & Transport.StdioOptions & Pick<Options, "executable">
): Layer.Layer<
  Transport.Transport | AppServer.AppServer,
  CodexExecutableNotFound | AppServerStartError
> =>
  Transport.layerStdio(options).pipe(
    Layer.provideMerge(NodeClient.processOf(options ?? {}, DirectPipes.spawn)),
    Layer.provide(NodeClient.NodeLive)
  )

/**
 * A {@link layer} that reads its options from the `ConfigProvider`, one by one or all at once. Also fails with
 * `ConfigError`.
 *
 * **Example** (The executable from a custom variable)
 *
 * ```ts
 * import { CodexNode } from "@effect-codex/node"
 * import { Config } from "effect"
 *
 * export const CodexLive = CodexNode.layerConfig({
 *   executable: Config.String("MY_CODEX"),
 *   initializeTimeout: Config.Duration("MY_CODEX_TIMEOUT").pipe(Config.withDefault("10 seconds"))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (config: Config.Wrap<Options>): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | AppServer.AppServer,
  CodexExecutableNotFound | AppServerStartError | Config.ConfigError
> => Layer.unwrap(Effect.map(Config.unwrap(config), layer))

/**
 * The address of a running app-server and the options of the client.
 *
 * @category options
 * @since 0.1.0
 */
export interface WebSocketOptions extends Transport.WebSocketOptions, ConnectionOptions, Codex.Options {}

/**
 * A layer with the client of a running app-server that listens on TCP (`codex app-server --listen ws://IP:PORT`). It
 * does not provide `AppServer`: the process belongs to someone else, outlives the scope, and may serve other clients.
 *
 * **Details**
 *
 * Fails with `AppServerConnectError`, whose `reason` distinguishes, for example, a refused token from an unreachable
 * address, and with `AppServerStartError` if the peer does not complete the handshake.
 *
 * `maxFrameBytes` bounds memory: the rest of a longer frame is not read. Long messages are sent in fragments, because
 * codex accepts at most 16 MiB in one frame and 64 MiB in one message.
 *
 * **Example** (A server with a capability token)
 *
 * ```ts
 * import { CodexNode } from "@effect-codex/node"
 * import { Config } from "effect"
 *
 * // codex app-server --listen ws://127.0.0.1:4500 --ws-auth capability-token --ws-token-file /run/codex.token
 * export const CodexLive = CodexNode.layerWebSocketConfig({
 *   url: Config.succeed("ws://127.0.0.1:4500"),
 *   token: Config.Redacted("CODEX_TOKEN")
 * })
 * ```
 *
 * @see {@link layerWebSocketConfig} for options from the environment
 * @see {@link layerUnixSocket} for a server on the same machine
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocket = (options: WebSocketOptions): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc,
  AppServerConnectError | AppServerStartError
> => clientOver(Transport.layerWebSocket(options).pipe(Layer.provide(webSocket(options.maxFrameBytes))), options)

/**
 * A {@link layerWebSocket} that reads its options from the `ConfigProvider`. Also fails with `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocketConfig = (config: Config.Wrap<WebSocketOptions>): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc,
  AppServerConnectError | AppServerStartError | Config.ConfigError
> => Layer.unwrap(Effect.map(Config.unwrap(config), layerWebSocket))

/**
 * The unix socket of a running app-server and the options of the client.
 *
 * @category options
 * @since 0.1.0
 */
export interface UnixSocketOptions
  extends Pick<Transport.WebSocketOptions, "connectTimeout" | "maxFrameBytes">, ConnectionOptions, Codex.Options
{
  /**
   * The socket file. Default: the one of `codex app-server --listen unix://` and `codex app-server daemon start`, which
   * is `app-server-control/app-server-control.sock` in `CODEX_HOME`, else in `~/.codex`.
   */
  readonly path?: string | undefined
}

/**
 * A layer with the client of a running app-server on this machine that listens on a unix socket
 * (`codex app-server --listen unix://PATH`). Like {@link layerWebSocket}, it does not provide `AppServer`.
 *
 * **Details**
 *
 * The socket carries a WebSocket. Only the owner of its file can use it; codex requires no token there, even with
 * `--ws-auth`. The server does not announce when it listens; before that, the layer fails with a retryable
 * `AppServerConnectError`.
 *
 * **Gotchas**
 *
 * No layer starts `codex app-server daemon`, because a library should not: the daemon copies 400 MB of itself into
 * `CODEX_HOME`, checks for updates over the network in a second process that survives `daemon stop`, and has analytics
 * on by default (codex 0.169). To connect to a daemon that the user has started, use this layer without a `path`.
 *
 * **Example** (The user's daemon, as soon as it listens)
 *
 * ```ts
 * import { Codex, type CodexError } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Schedule } from "effect"
 *
 * const models = Effect.flatMap(Codex.Codex, (codex) => codex.models()).pipe(
 *   Effect.provide(CodexNode.layerUnixSocket())
 * )
 *
 * export const program = Effect.retry(models, {
 *   while: (error: CodexError.CodexError) => error._tag === "AppServerConnectError" && error.isRetryable,
 *   schedule: Schedule.spaced("100 millis"),
 *   times: 50
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUnixSocket = (options: UnixSocketOptions = {}): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc,
  AppServerConnectError | AppServerStartError
> =>
  Layer.unwrap(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = options.path ?? (yield* controlSocket)
    const transport = Layer.unwrap(Effect.gen(function*() {
      // Systems allow about 100 characters: docs/codex-behaviour.md, "A unix socket takes a path that is longer than
      // the system allows".
      const socketPath = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
      const url = "ws://localhost/"
      return Transport.layerWebSocket({ ...options, url, description: `unix:${path}` }).pipe(
        Layer.provide(webSocket(options.maxFrameBytes, socketPath))
      )
    }))
    return clientOver(transport, options)
  })).pipe(Layer.provide(NodeClient.NodeLive))

/**
 * A {@link layerUnixSocket} that reads its options from the `ConfigProvider`. Also fails with `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUnixSocketConfig = (config: Config.Wrap<UnixSocketOptions>): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc,
  AppServerConnectError | AppServerStartError | Config.ConfigError
> => Layer.unwrap(Effect.map(Config.unwrap(config), layerUnixSocket))

// =============================================================================
// Internal
// =============================================================================

const clientOver = <E extends CodexError, R>(
  transport: Layer.Layer<Transport.Transport, E, R>,
  options: ConnectionOptions & Codex.Options
): Layer.Layer<Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc, E | AppServerStartError, R> => {
  const { restart } = options
  const rpc = restart === undefined
    ? Layer.provide(AppServerRpc.layer(options), transport)
    : AppServerRpc.layerSupervised(transport, { ...options, restart })
  return Layer.provideMerge(NodeClient.services(options), rpc).pipe(Layer.provide(HooksOfProcess.layerRefused))
}

const webSocket = (maxFrameBytes = 256 * 1024 * 1024, socketPath?: string) =>
  Layer.unwrap(
    Effect.map(
      OnDemand.load("the WebSocket", () => import("./internal/nodeWebSocket.ts")),
      ({ layer }) => layer({ maxFrameBytes, socketPath })
    )
  )

const controlSocket = Effect.gen(function*() {
  const { join } = yield* Path.Path
  const home = yield* Effect.orElseSucceed(Config.String("CODEX_HOME"), () => "")
  return join(home === "" ? join(Os.homedir(), ".codex") : home, "app-server-control", "app-server-control.sock")
})
