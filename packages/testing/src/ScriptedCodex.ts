/**
 * The whole client on the real codex binary, with a scripted model and a private home: one layer for the integration
 * tests of a program that uses effect-codex.
 *
 * @since 0.1.0
 */
import type { AppServer, AppServerRpc, Auth, Codex, CodexError, Transport } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as CodexHome from "./CodexHome.ts"
import * as ScriptedModel from "./ScriptedModel.ts"

/**
 * Options of {@link layer} and {@link layerTransport}. By default they run the installed codex in a new home, with a
 * model that has no answers yet.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model's script. `enqueue` of the `ScriptedModel` service adds answers later. */
  readonly model?: ScriptedModel.Options | undefined
  /** Further configuration of the home. */
  readonly home?: CodexHome.Options | undefined
  /** How codex is started. `env` is merged over the home's environment; `cwd` defaults to the home's workspace. */
  readonly codex?: CodexNode.Options | undefined
}

/**
 * Provides the client, the model and the home. It does not touch the user's own codex, needs no key and uses no
 * network.
 *
 * **When to use**
 *
 * In integration tests. `FakeAppServer.layer` is the same in memory, faster and on the `TestClock`.
 *
 * **Details**
 *
 * Fails with `CodexExecutableNotFound` or `AppServerStartError` when codex cannot be started, with `ServeError` when
 * the model cannot listen, and with `PlatformError` when the home cannot be written.
 *
 * **Example** (A turn of a program under test)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const model = yield* ScriptedModel.ScriptedModel
 *   const codex = yield* Codex.Codex
 *   yield* model.enqueue("Hello!")
 *   const thread = yield* codex.startThread()
 *   return yield* thread.run("Say hello.")
 * }).pipe(Effect.provide(ScriptedCodex.layer()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<
  | Codex.Codex
  | Auth.Auth
  | AppServerRpc.AppServerRpc
  | AppServer.AppServer
  | ScriptedModel.ScriptedModel
  | CodexHome.CodexHome,
  | CodexError.CodexExecutableNotFound
  | CodexError.AppServerStartError
  | HttpServerError.ServeError
  | PlatformError.PlatformError
> => withHome(options, CodexNode.layer)

/**
 * Provides the transport to the codex of {@link layer}, without the client.
 *
 * **When to use**
 *
 * To record a cassette with `Cassette.layer`, or to run a client of your own.
 *
 * **Example** (Recording a cassette with the scripted model)
 *
 * ```ts
 * import { Cassette, ScriptedCodex } from "@effect-codex/testing"
 *
 * export const CodexLive = Cassette.layer("test/cassettes/hello.jsonl", {
 *   server: ScriptedCodex.layerTransport({ model: { answers: ["Hello!"] } })
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTransport = (options?: Options): Layer.Layer<
  Transport.Transport | AppServer.AppServer | ScriptedModel.ScriptedModel | CodexHome.CodexHome,
  | CodexError.CodexExecutableNotFound
  | CodexError.AppServerStartError
  | HttpServerError.ServeError
  | PlatformError.PlatformError
> => withHome(options, CodexNode.layerTransport)

const withHome = <A, E>(
  options: Options | undefined,
  layer: (options: CodexNode.Options) => Layer.Layer<A, E>
) =>
  Layer.unwrap(
    Effect.map(CodexHome.CodexHome, ({ env, workspace }) =>
      layer({ cwd: workspace, ...options?.codex, env: { ...env, ...options?.codex?.env } }))
  ).pipe(
    Layer.provideMerge(CodexHome.layer(options?.home)),
    Layer.provideMerge(ScriptedModel.layer(options?.model))
  )
