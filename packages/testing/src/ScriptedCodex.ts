/**
 * The whole client on the real codex binary, with a scripted model and a home of its own: what an integration test of a
 * program that uses effect-codex needs, in one layer.
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
 * The model, the home and the codex. Without any it is the installed codex, in a new home, with a model that answers nothing
 * yet.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model's script. It can be extended later, with `ScriptedModel.enqueue`. */
  readonly model?: ScriptedModel.Options | undefined
  /** What else stands in the home's configuration. */
  readonly home?: CodexHome.Options | undefined
  /** How codex is started. `env` is merged over that of the home, `cwd` is the home's workspace unless given. */
  readonly codex?: CodexNode.Options | undefined
}

/**
 * The client, the model and the home. Nothing of it touches the user's own codex, a key or the network.
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
 * The codex of {@link layer} without the client: to be recorded with `Cassette.layer`, or for a client of one's own.
 *
 * **Example** (A cassette that is recorded with the scripted model)
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
