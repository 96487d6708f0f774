/**
 * codex as the language model of a program written with `effect/ai`.
 *
 * Each call runs one turn of a thread. A `Chat` continues its thread automatically, even after an export and an import
 * in another process. If it continues from an earlier message, the thread is forked there. The handlers of a toolkit
 * run during the turn. Interrupting a call, or leaving its stream, stops the agent.
 *
 * **Example** (A program for any provider, run on codex)
 *
 * ```ts
 * import { CodexLanguageModel } from "@effect-codex/ai"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect } from "effect"
 * import { LanguageModel } from "effect/ai"
 *
 * const program = Effect.gen(function*() {
 *   const { text } = yield* LanguageModel.generateText({ prompt: "What is in this folder?" })
 *   return text
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(CodexLanguageModel.model("gpt-5.4")),
 *   Effect.provide(CodexNode.layer())
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Codex from "@effect-codex/client/Codex"
import * as EffectAi from "@effect-codex/client/EffectAi"
import type * as Sent from "@effect-codex/client/Sent"
import type { Effort } from "@effect-codex/client/Thread"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import * as EffectConfig from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { withCallers } from "./internal/callers.ts"
import * as Errors from "./internal/errors.ts"
import { generateText } from "./internal/generateText.ts"
import type { Provider } from "./internal/prepare.ts"
import { streamText } from "./internal/streamText.ts"
import { Injected } from "./internal/threads.ts"

// =============================================================================
// Configuration
// =============================================================================

/**
 * How the model starts its threads, and how a call continues the thread of its conversation.
 *
 * @category options
 * @since 0.1.0
 */
export interface Settings extends Omit<Codex.StartThreadOptions, "tools"> {
  /** The model's reasoning effort. Default: the one in codex's configuration, else the model's own. */
  readonly effort?: Effort | undefined
  /** How the model summarizes its reasoning; the summary arrives as reasoning parts. Default: codex's configuration. */
  readonly summary?: Sent.ReasoningSummary | undefined
  /**
   * Whether a conversation keeps its thread. With `thread`, it continues its thread. With `stateless`, each call starts
   * a new thread that is not stored and receives the whole prompt, as other providers do; `ephemeral` has the same
   * effect. Default: `thread`.
   */
  readonly history?: "thread" | "stateless" | undefined
  /**
   * What to do when a conversation needs a tool that its thread was not started with: codex fixes the tools of a
   * thread. With `newThread`, the conversation continues in a new thread, which receives the whole prompt; output of
   * codex's own commands is included only if the toolkit had `CodexTool.shell`. With `fail`, the call fails with
   * `ToolConfigurationError`. Default: `newThread`.
   */
  readonly onToolsChanged?: "newThread" | "fail" | undefined
  /** How often to ask the model again when an object does not match its schema. Default: 0. */
  readonly repair?: number | undefined
  /**
   * Approves a call of a tool that needs approval with `true`, or denies it with `{ denied: "why" }`, which the model
   * reads. A codex turn cannot end with an approval request, so the call waits for this effect. Default: such calls are
   * denied, and the model is told so.
   */
  readonly approveTool?: ((call: EffectAi.ToolCall) => Effect.Effect<EffectAi.Approval>) | undefined
}

/**
 * Settings for the calls that see this service. They override the settings that the model was made with.
 *
 * @see {@link withConfigOverride} to set some of them for one effect
 * @category services
 * @since 0.1.0
 */
export class Config extends Context.Service<Config, Settings>()("@effect-codex/ai/CodexLanguageModel/Config") {}

/**
 * Overrides settings for the model calls of an effect. For a stream, provide {@link Config} with
 * `Stream.provideService`.
 *
 * **Example** (A second opinion that costs more)
 *
 * ```ts
 * import { CodexLanguageModel } from "@effect-codex/ai"
 * import { LanguageModel } from "effect/ai"
 *
 * export const review = LanguageModel.generateText({ prompt: "Review the last commit." }).pipe(
 *   CodexLanguageModel.withConfigOverride({ effort: "high" })
 * )
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const withConfigOverride: {
  (overrides: Settings): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Config>>
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Settings): Effect.Effect<A, E, Exclude<R, Config>>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Settings): Effect.Effect<A, E, Exclude<R, Config>> =>
    Effect.flatMap(
      Effect.serviceOption(Config),
      (config) => Effect.provideService(self, Config, { ...Option.getOrUndefined(config), ...overrides })
    )
)

// =============================================================================
// Constructors
// =============================================================================

/**
 * Options of {@link make} and {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The name of the model. Default: the one in codex's configuration. */
  readonly model?: string | undefined
  /** The settings of all calls; {@link Config} overrides them. Default: none. */
  readonly config?: Omit<Settings, "model"> | undefined
}

/**
 * Makes the language model. It uses the `Codex` client from the context.
 *
 * @see {@link layer} and {@link model} to provide it
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<LanguageModel.LanguageModel, never, Codex.Codex> {
  const given: Settings = { ...options.config, model: options.model }
  const provider: Provider = {
    codex: yield* Codex.Codex,
    injected: new Injected(),
    settings: Effect.map(Effect.serviceOption(Config), (config) => ({ ...given, ...Option.getOrUndefined(config) }))
  }
  const inner = yield* LanguageModel.make({
    generateText: (request) => Effect.mapError(generateText(provider, request), Errors.withinProvider),
    streamText: (request) => Stream.mapError(streamText(provider, request), Errors.withinProvider),
    codecTransformer: EffectAi.codecTransformer,
    supportsSystemMessagesInHistory: Effect.succeed(true)
  })
  return withCallers(inner)
})

// =============================================================================
// Layers
// =============================================================================

/**
 * A layer that provides the language model of {@link make}.
 *
 * @see {@link layerConfig} for settings from the environment
 * @see {@link model} for a model by name
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<LanguageModel.LanguageModel, never, Codex.Codex> =>
  Layer.effect(LanguageModel.LanguageModel, make(options))

/**
 * A {@link layer} that reads its settings from the `ConfigProvider`. Fails with `ConfigError` if one cannot be read.
 *
 * **Example** (A model that operators choose)
 *
 * ```ts
 * import { CodexLanguageModel } from "@effect-codex/ai"
 * import { Config } from "effect"
 *
 * export const Model = CodexLanguageModel.layerConfig({
 *   model: Config.String("CODEX_MODEL"),
 *   effort: Config.withDefault(Config.String("CODEX_EFFORT"), "medium")
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (options: {
  readonly model?: EffectConfig.Config<string> | undefined
  readonly modelProvider?: EffectConfig.Config<string> | undefined
  readonly effort?: EffectConfig.Config<Effort> | undefined
  readonly cwd?: EffectConfig.Config<string> | undefined
}): Layer.Layer<LanguageModel.LanguageModel, EffectConfig.ConfigError, Codex.Codex> => {
  const read = <A>(config: EffectConfig.Config<A> | undefined): EffectConfig.Config<A | undefined> =>
    config ?? EffectConfig.succeed(undefined)
  const { cwd, effort, model, modelProvider } = options
  return Layer.effect(
    LanguageModel.LanguageModel,
    Effect.flatMap(
      EffectConfig.all({
        model: read(model),
        config: EffectConfig.all({ modelProvider: read(modelProvider), effort: read(effort), cwd: read(cwd) })
      }),
      make
    )
  )
}

/**
 * A codex model by name. Use it as a layer, or as a step of an `ExecutionPlan`.
 *
 * **Example** (Another provider when codex cannot)
 *
 * ```ts
 * import { CodexLanguageModel } from "@effect-codex/ai"
 * import { Effect, ExecutionPlan, type Layer } from "effect"
 * import { LanguageModel } from "effect/ai"
 *
 * export const ask = (prompt: string, other: Layer.Layer<LanguageModel.LanguageModel>) =>
 *   LanguageModel.generateText({ prompt }).pipe(
 *     Effect.withExecutionPlan(ExecutionPlan.make(
 *       { provide: CodexLanguageModel.model("gpt-5.4"), attempts: 2, while: ({ isRetryable }) => isRetryable },
 *       { provide: other }
 *     ))
 *   )
 * ```
 *
 * @see {@link layer} for the default model of codex's configuration
 * @category constructors
 * @since 0.1.0
 */
export const model = <const Name extends string>(
  name: Name,
  config?: Omit<Settings, "model">
): Model.Model<"codex", LanguageModel.LanguageModel, Codex.Codex> =>
  Model.make("codex", name, layer({ model: name, config }))
