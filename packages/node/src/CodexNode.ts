/**
 * The whole client for Node.js in one layer.
 *
 * @since 0.1.0
 */
import * as AppServer from "@effect-codex/client/AppServer"
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type {
  AppServerConnectError,
  AppServerStartError,
  CodexError,
  CodexExecutableNotFound
} from "@effect-codex/client/CodexError"
import { Spawn } from "@effect-codex/client/internal/wire/spawn"
import * as Transport from "@effect-codex/client/Transport"
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Os from "node:os"
import * as CodexExecutable from "./CodexExecutable.ts"
import * as ChildPath from "./internal/childPath.ts"
import * as DirectPipes from "./internal/directPipes.ts"
import * as LockedDatabase from "./internal/lockedDatabase.ts"
import type * as NodeWebSocket from "./internal/nodeWebSocket.ts"
import * as LocalFiles from "./internal/serverFiles.ts"

/**
 * The options of the connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectionOptions extends AppServerRpc.Options {
  /**
   * Makes the connection again when it is lost, and starts the process again if it is ours. Its pauses are those of the
   * schedule, whose end is that of the client. `AppServerRpc.layerSupervised` says what becomes of calls, turns and
   * threads. Default: the loss is the end.
   */
  readonly restart?: AppServerRpc.RestartSchedule | undefined
}

/**
 * The options of the process, its pipes, the connection and the client, all optional.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options
  extends Omit<AppServer.Options, "executable">, Transport.StdioOptions, ConnectionOptions, Codex.Options
{
  /**
   * The codex executable: a path, or a name that is looked up on `PATH`. Default: `CODEX_BIN`, else the installed package
   * `@openai/codex`, else `codex` on `PATH`; see `CodexExecutable.find`.
   */
  readonly executable?: string | undefined
  /**
   * Whether the folders and files that a call names are looked at before codex is asked: a missing folder, or an image that
   * is none, is then `InvalidArgument`, where codex takes both without a word. Set it to false for an `executable` that runs
   * codex where it has other files, such as in a container. Default: true.
   */
  readonly checkFiles?: boolean | undefined
}

/**
 * The whole client: finds the codex executable, starts `codex app-server`, connects to it, and ends it with the layer's
 * scope. Nothing else has to be provided.
 *
 * **Details**
 *
 * Each call makes a client with a process of its own; the layer that one call returned is one client wherever it is
 * provided in the same runtime. When the executable belongs to an installed npm package, the programs that the package
 * brings along (ripgrep) come first on the `PATH` of the process.
 *
 * Fails with `CodexExecutableNotFound` when there is no executable, and with `AppServerStartError` when what was found
 * does not start or does not complete the handshake. A codex that ends because another program keeps a database in its
 * `CODEX_HOME` locked is started up to three times, which is logged as a warning; starts do not wait for each other,
 * because one that hangs would hold up all.
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
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc | AppServer.AppServer,
  CodexExecutableNotFound | AppServerStartError
> =>
  (options?.restart === undefined ? once(options ?? {}) : supervised(options, options.restart)).pipe(
    Layer.provide(NodeLive)
  )

/**
 * The process and its pipes without the client: for a client of one's own, or for what stands between the two, such as the
 * recorder of `@effect-codex/testing`.
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
    Layer.provideMerge(processOf(options ?? {}, DirectPipes.spawn)),
    Layer.provide(NodeLive)
  )

/**
 * {@link layer} with options that are read from the `ConfigProvider`, each alone or all at once. Fails with `ConfigError`
 * too.
 *
 * **Example** (The executable from a variable of one's own)
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
 * The client of an app-server that runs already and listens on TCP (`codex app-server --listen ws://IP:PORT`). There is no
 * `AppServer`: the process is somebody else's, is not ended with the scope, and may serve other clients, too.
 *
 * **Details**
 *
 * Fails with `AppServerConnectError`, whose `reason` tells a refused token from an address where nobody is, and with
 * `AppServerStartError` when what answers does not complete the handshake.
 *
 * `maxFrameBytes` bounds what is read into memory, and the rest of a longer frame is not read. A frame that codex would not
 * take whole is sent in fragments: 0.169 takes 16 MiB in one piece and 64 MiB in all.
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
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocket = (options: WebSocketOptions): Layer.Layer<
  Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc,
  AppServerConnectError | AppServerStartError
> => clientOver(Transport.layerWebSocket(options).pipe(Layer.provide(webSocket(options.maxFrameBytes))), options)

/**
 * {@link layerWebSocket} with options that are read from the `ConfigProvider`.
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
   * The socket file. Default: that of `codex app-server --listen unix://` and of `codex app-server daemon start`, which is
   * `app-server-control/app-server-control.sock` in the `CODEX_HOME`, else in `~/.codex`.
   */
  readonly path?: string | undefined
}

/**
 * The client of an app-server that runs already on this machine and listens on a unix socket
 * (`codex app-server --listen unix://PATH`). As {@link layerWebSocket}: there is no `AppServer`.
 *
 * **Details**
 *
 * The socket carries a WebSocket. Its file can be used by its owner alone; codex asks nobody on it for a token, whatever
 * its `--ws-auth` says (measured on 0.169). The server does not tell when it listens: until then the layer fails with an
 * `AppServerConnectError` that is retryable.
 *
 * **Gotchas**
 *
 * No layer starts `codex app-server daemon`, because a library should not (measured on 0.169): it copies 400 MB of itself
 * into the `CODEX_HOME`, asks for updates over the network in a second process that goes on after `daemon stop`, and has
 * analytics on by default. A daemon that the user started is reached by this layer without a `path`.
 *
 * **Example** (The daemon of the user, as soon as it is there)
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
      // The system takes about 100 characters. codex puts the socket under a short path and links to it from a longer one.
      const socketPath = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
      const url = "ws://localhost/"
      return Transport.layerWebSocket({ ...options, url, description: `unix:${path}` }).pipe(
        Layer.provide(webSocket(options.maxFrameBytes, socketPath))
      )
    }))
    return clientOver(transport, options)
  })).pipe(Layer.provide(NodeLive))

/**
 * {@link layerUnixSocket} with options that are read from the `ConfigProvider`.
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

const services = (options: Codex.Options) =>
  Layer.merge(Codex.layer({ ...options, checkLogin: options.checkLogin ?? true }), Auth.layer)

const clientOver = <E extends CodexError, R>(
  transport: Layer.Layer<Transport.Transport, E, R>,
  options: ConnectionOptions & Codex.Options
): Layer.Layer<Codex.Codex | Auth.Auth | AppServerRpc.AppServerRpc, E | AppServerStartError, R> => {
  const { restart } = options
  const rpc = restart === undefined
    ? Layer.provide(AppServerRpc.layer(options), transport)
    : AppServerRpc.layerSupervised(transport, { ...options, restart })
  return Layer.provideMerge(services(options), rpc)
}

// Loaded when it is wanted: it takes as long to load as much of the client.
const webSocket = (maxFrameBytes = 256 * 1024 * 1024, socketPath?: string) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(async () => {
        const loaded: typeof NodeWebSocket | undefined = await import("./internal/nodeWebSocket.ts")
        // As in `load.ts` of the client.
        if (loaded !== undefined) return loaded
        throw new Error(
          "The bundler has put the WebSocket behind the top-level `await` of the program, where it is never reached: let it " +
            "split the code, or start the program without a top-level `await`."
        )
      }),
      ({ layer }) => layer({ maxFrameBytes, socketPath })
    )
  )

const controlSocket = Effect.gen(function*() {
  const { join } = yield* Path.Path
  const home = yield* Effect.orElseSucceed(Config.String("CODEX_HOME"), () => "")
  return join(home === "" ? join(Os.homedir(), ".codex") : home, "app-server-control", "app-server-control.sock")
})

const NodeLive = NodeChildProcessSpawner.layer.pipe(
  Layer.provideMerge(Layer.merge(NodeFileSystem.layer, NodePath.layer))
)

/** An early process was told what a client says that has none of these options. */
const spawnOf = ({ capabilities, clientInfo, experimentalApi }: AppServerRpc.Options) =>
  capabilities === undefined && clientInfo === undefined && experimentalApi === undefined
    ? DirectPipes.spawnOrAdopt
    : DirectPipes.spawn

const processOf = (
  options: Omit<AppServer.Options, "executable"> & Pick<Options, "executable">,
  spawn: typeof Spawn.Service
) =>
  Layer.unwrap(Effect.gen(function*() {
    const { executable, pathFolder } = yield* CodexExecutable.find({ executable: options.executable })
    const env = pathFolder === undefined
      ? options.env
      : ChildPath.prepend(pathFolder, options.env ?? {}, process.env, process.platform)
    return Layer.provide(
      AppServer.layer({ ...options, executable, env }),
      Layer.succeed(Spawn, spawn)
    )
  }))

const servicesOfOurs = (options: Options) => Layer.provide(services(options), LocalFiles.layer(options))

const once = (options: Options) =>
  servicesOfOurs(options).pipe(
    Layer.provideMerge(LockedDatabase.retried(
      AppServerRpc.layer(options).pipe(
        Layer.provide(Transport.layerStdio(options)),
        Layer.provideMerge(processOf(options, spawnOf(options)))
      )
    ))
  )

const supervised = (options: Options, restart: AppServerRpc.RestartSchedule) =>
  Layer.unwrap(Effect.sync(() => {
    let running: AppServer.AppServer["Service"]
    const noted = Layer.effect(
      AppServer.AppServer,
      Effect.map(AppServer.AppServer, (server) => {
        running = server
        return server
      })
    ).pipe(Layer.provide(processOf(options, spawnOf(options))))
    const rpc = LockedDatabase.retried(
      AppServerRpc.layerSupervised(Layer.provide(Transport.layerStdio(options), noted), { ...options, restart })
    )
    // The process that runs now, or ran last.
    const latest = Layer.effect(
      AppServer.AppServer,
      Effect.as(AppServerRpc.AppServerRpc, {
        get executable() {
          return running.executable
        },
        get pid() {
          return running.pid
        },
        receive: (onChunk) => Effect.suspend(() => running.receive(onChunk)),
        send: (text) => Effect.suspend(() => running.send(text)),
        stderr: Effect.suspend(() => running.stderr),
        exit: Effect.suspend(() => running.exit)
      })
    )
    return Layer.merge(servicesOfOurs(options), latest).pipe(Layer.provideMerge(rpc))
  }))
