/**
 * The whole client for Node.js in one layer.
 *
 * @since 0.1.0
 */
import * as AppServer from "@effect-codex/client/AppServer"
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import type { AppServerStartError, CodexExecutableNotFound } from "@effect-codex/client/CodexError"
import * as Transport from "@effect-codex/client/Transport"
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CodexExecutable from "./CodexExecutable.ts"
import * as ChildPath from "./internal/childPath.ts"

/**
 * The options of the process, its pipes, the connection and the client, all optional.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options
  extends Omit<AppServer.Options, "executable">, Transport.StdioOptions, AppServerRpc.Options, Codex.Options
{
  /**
   * The codex executable: a path, or a name that is looked up on `PATH`. Default: `CODEX_BIN`, else the installed package
   * `@openai/codex`, else `codex` on `PATH`; see `CodexExecutable.find`.
   */
  readonly executable?: string | undefined
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
 * does not start or does not complete the handshake.
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
> => Layer.unwrap(make(options ?? {})).pipe(Layer.provide(NodeLive))

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

// =============================================================================
// Internal
// =============================================================================

const NodeLive = NodeChildProcessSpawner.layer.pipe(
  Layer.provideMerge(Layer.merge(NodeFileSystem.layer, NodePath.layer))
)

const make = Effect.fnUntraced(function*(options: Options) {
  const { executable, pathFolder } = yield* CodexExecutable.find({ executable: options.executable })
  const env = pathFolder === undefined
    ? options.env
    : ChildPath.prepend(pathFolder, options.env ?? {}, process.env, process.platform)
  return Layer.merge(Codex.layer(options), Auth.layer).pipe(
    Layer.provideMerge(AppServerRpc.layer(options)),
    Layer.provide(Transport.layerStdio(options)),
    Layer.provideMerge(AppServer.layer({ ...options, executable, env }))
  )
})
