/**
 * The client: threads on a `codex app-server`.
 *
 * @since 0.1.0
 */
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ApprovalMode from "./ApprovalMode.ts"
import { AppServerRpc } from "./AppServerRpc.ts"
import type { RequestError } from "./CodexError.ts"
import { defined, permissions } from "./internal/settings.ts"
import * as ThreadRoute from "./internal/threadRoute.ts"
import type { Sandbox } from "./Sandbox.ts"
import type { ServerInfo } from "./ServerInfo.ts"
import type { Thread } from "./Thread.ts"
import * as ThreadModule from "./Thread.ts"

/**
 * What a thread is resumed with. What is left out stays as it was stored. The server ignores all of it for a thread that
 * it has loaded already (measured).
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeThreadOptions {
  readonly model?: string | undefined
  readonly modelProvider?: string | undefined
  /** Overrides of the configuration, by the names of `config.toml`. */
  readonly config?: { readonly [key: string]: Schema.Json } | undefined
  /** The folder that the agent works in. Default: the app-server's working directory. */
  readonly cwd?: string | undefined
  readonly baseInstructions?: string | undefined
  readonly developerInstructions?: string | undefined
  readonly sandbox?: Sandbox | undefined
  readonly approvalMode?: ApprovalMode.ApprovalMode | undefined
  readonly serviceTier?: string | undefined
  readonly personality?: Sent.Personality | undefined
}

/**
 * What a thread is started with. What is left out comes from the server's configuration, except for `approvalMode`.
 *
 * @category options
 * @since 0.1.0
 */
export interface StartThreadOptions extends ResumeThreadOptions {
  /** Default: `ApprovalMode.autoReview`, as in the Python SDK. */
  readonly approvalMode?: ApprovalMode.ApprovalMode | undefined
  /** Keeps nothing of the thread on disk: it cannot be resumed. */
  readonly ephemeral?: boolean | undefined
  readonly serviceName?: string | undefined
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
  /** Starts a thread. Nothing of it is stored before its first turn. */
  readonly startThread: (options?: StartThreadOptions) => Effect.Effect<Thread, RequestError>
  /** Loads a stored thread, also one that another process wrote. Fails with `ThreadNotPersisted` for an unknown id. */
  readonly resumeThread: (threadId: string, options?: ResumeThreadOptions) => Effect.Effect<Thread, RequestError>
}>()("@effect-codex/client/Codex") {}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long the end of a turn is waited for after it was interrupted because its scope closed. Default: 10 seconds; the
   * real server needs some milliseconds.
   */
  readonly stopGrace?: Duration.Input | undefined
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options?: Options
): Effect.fn.Return<Codex["Service"], never, AppServerRpc | Scope.Scope> {
  const rpc = yield* AppServerRpc
  const turns = yield* ThreadRoute.make(rpc, Duration.fromInputUnsafe(options?.stopGrace ?? Duration.seconds(10)))

  const settings = Effect.fnUntraced(function*(options: ResumeThreadOptions) {
    const { approvalPolicy, approvalsReviewer, sandbox } = yield* permissions(options)
    const { baseInstructions, config, cwd, developerInstructions, model, modelProvider, personality, serviceTier } =
      options
    return defined({
      approvalPolicy,
      approvalsReviewer,
      sandbox: sandbox?.mode,
      baseInstructions,
      config,
      cwd,
      developerInstructions,
      model,
      modelProvider,
      personality,
      serviceTier
    })
  })

  return Codex.of({
    serverInfo: rpc.serverInfo,
    startThread: Effect.fn("Codex.startThread")(function*(options) {
      const { ephemeral, serviceName } = options ?? {}
      const given = yield* settings({ approvalMode: ApprovalMode.autoReview, ...defined(options ?? {}) })
      const { thread } = yield* rpc.request("thread/start", { ...given, ...defined({ ephemeral, serviceName }) })
      return ThreadModule.make(rpc, turns, thread.id, options?.sandbox)
    }),
    resumeThread: Effect.fn("Codex.resumeThread")(function*(threadId, options) {
      const given = yield* settings(options ?? {})
      // The history can be large and is read page by page by those who want it.
      const { thread } = yield* rpc.request("thread/resume", { threadId, excludeTurns: true, ...given })
      return ThreadModule.make(rpc, turns, thread.id, options?.sandbox)
    })
  })
})

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
