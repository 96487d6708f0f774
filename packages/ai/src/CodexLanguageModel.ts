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
import type { ThreadBusy, TurnFailed } from "@effect-codex/client/CodexError"
import * as EffectAi from "@effect-codex/client/EffectAi"
import type { Input } from "@effect-codex/client/Input"
import type * as Sent from "@effect-codex/client/Sent"
import type { Effort, Thread, TurnOptions } from "@effect-codex/client/Thread"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import type * as Response from "effect/ai/Response"
import * as Telemetry from "effect/ai/Telemetry"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as EffectConfig from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "./internal/conversation.ts"
import * as Errors from "./internal/errors.ts"
import type { Marker } from "./internal/marker.ts"
import * as Parts from "./internal/parts.ts"
import * as Threads from "./internal/threads.ts"
import * as ToolCalls from "./internal/toolCalls.ts"

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
   * Approves or denies calls of tools that need approval. A codex turn cannot end with an approval request, so the call
   * waits for this effect. Default: such calls are denied, and the model is told so.
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
// Unsupported requests
// =============================================================================

const invalid = (method: string, parameter: string, description: string) =>
  Effect.fail(Errors.make(method, new AiError.InvalidRequestError({ parameter, description })))

const checked = (method: string, { prompt, toolChoice, tools }: LanguageModel.ProviderOptions) => {
  if (prompt.content.length === 0) return invalid(method, "prompt", "The prompt is empty.")
  const isForced = toolChoice === "required" ||
    (Predicate.isObject(toolChoice) && ("tool" in toolChoice || toolChoice.mode === "required"))
  if (isForced) {
    return invalid(method, "toolChoice", `codex cannot be forced to call a tool. Use "auto", "none" or \`oneOf\`.`)
  }
  const foreign = tools.find((tool) => Tool.isProviderDefined(tool) && !tool.id.startsWith("codex."))
  return foreign === undefined ? Effect.void : Effect.fail(Errors.make(
    method,
    new AiError.ToolConfigurationError({
      toolName: foreign.name,
      description: "Another provider executes this tool. Remove it; codex executes only the tools of `CodexTool`."
    })
  ))
}

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

type TextOptions = LanguageModel.GenerateTextOptions<Record<string, Tool.Any>>

const methodOf = ({ responseFormat }: LanguageModel.ProviderOptions): string =>
  responseFormat.type === "json" ? "generateObject" : "generateText"

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
  const codex = yield* Codex.Codex
  const injected = new Threads.Injected()
  const given: Settings = { ...options.config, model: options.model }
  const current = Effect.map(Effect.serviceOption(Config), (config): Settings => ({
    ...given,
    ...Option.getOrUndefined(config)
  }))

  /** Prepares everything that a call needs before its turn. */
  const prepare = Effect.fnUntraced(function*(
    method: string,
    request: LanguageModel.ProviderOptions,
    tell: (part: Parts.Part) => Effect.Effect<void>
  ) {
    const {
      approveTool = () => Effect.succeed({ denied: "nobody is there to approve it" }),
      effort,
      history = "thread",
      onToolsChanged,
      repair = 0,
      summary,
      ...settings
    } = yield* current
    const isStateless = history === "stateless" || settings.ephemeral === true
    const calls = yield* ToolCalls.make(request, approveTool, tell)
    const conversation = Conversation.read(
      request.prompt,
      `${settings.baseInstructions ?? ""}\n${settings.developerInstructions ?? ""}`
    )
    const input = yield* Conversation.inputOf(conversation.input)
    const turnOptions: TurnOptions = { model: settings.model, effort, summary, handlers: calls.handlers }

    const find = Effect.gen(function*() {
      const { marker } = conversation
      if (!isStateless && marker !== undefined) {
        const missing = Threads.missingTools(calls.digests, marker.tools)
        if (missing.length === 0) {
          const found = yield* Threads.goOn(codex, settings, conversation, marker, calls, injected)
          if (Option.isSome(found)) return found.value
        } else if (onToolsChanged === "fail") {
          return yield* Errors.make(
            method,
            new AiError.ToolConfigurationError({
              toolName: missing[0]!,
              description: `The thread of this conversation was started without the tools ${missing.join(", ")}.`
            })
          )
        }
      }
      return yield* Threads.start(codex, { ...settings, ...(isStateless && { ephemeral: true }) }, conversation, calls)
    })

    /** If two calls continue from the same answer at once, the second gets a fork. */
    const fork = (
      found: Threads.Found,
      busy: ThreadBusy
    ): Effect.Effect<Threads.Found, Threads.Failure | ThreadBusy> =>
      conversation.marker === undefined || found.how !== "continued" || busy.delivered
        ? Effect.fail(busy)
        : Threads.fork(codex, settings, conversation, conversation.marker, calls)

    const answerOf = (
      turn: { readonly id: string; readonly threadId: string },
      tools: Marker["tools"]
    ): Parts.Answer => ({
      marker: { threadId: turn.threadId, turnId: turn.id, before: conversation.digest, tools },
      has: (name) => request.tools.some((tool) => tool.name === name),
      ofCall: calls.ofCall
    })
    return { answerOf, calls, find, fork, input, repair, settings, turnOptions }
  })

  const annotate = (
    { span }: LanguageModel.ProviderOptions,
    { how, thread }: Threads.Found,
    settings: Threads.Settings
  ) => {
    Telemetry.addGenAIAnnotations(span, {
      provider: { name: settings.modelProvider ?? "openai" },
      operation: { name: "invoke_agent" },
      request: { model: settings.model }
    })
    span.attribute("gen_ai.agent.name", "codex")
    span.attribute("gen_ai.conversation.id", thread.id)
    span.attribute("codex.thread.how", how)
  }

  const annotateEnd = (
    { span }: LanguageModel.ProviderOptions,
    result: TurnResult<unknown>,
    finishReason: "stop" | "length"
  ) => {
    const usage = Option.getOrUndefined(result.usage)?.turn
    Telemetry.addGenAIAnnotations(span, {
      response: { id: result.id, model: Option.getOrUndefined(result.model), finishReasons: [finishReason] },
      usage: { inputTokens: usage?.inputTokens, outputTokens: usage?.outputTokens }
    })
  }

  /** Treats the model's output limit as an end of the turn, not as a failure. */
  const ended = <E extends { readonly _tag: string }>(result: Effect.Effect<TurnResult, E | TurnFailed>) =>
    result.pipe(
      Effect.map((result) => ({ result, reason: "stop" as const })),
      Effect.catch((error) =>
        isTooLong(error) ? Effect.succeed({ result: error.result, reason: "length" as const }) : Effect.fail(error)
      )
    )

  const generateText = Effect.fnUntraced(function*(request: LanguageModel.ProviderOptions) {
    const method = methodOf(request)
    yield* checked(method, request)
    const { answerOf, calls, fork, find, input, repair, settings, turnOptions } = yield* prepare(
      method,
      request,
      () => Effect.void
    )
    const { responseFormat } = request
    const output = responseFormat.type === "json" ? yield* outputOf(method, responseFormat.schema) : undefined
    const options = { ...turnOptions, ...(output !== undefined && { outputSchema: output.jsonSchema }) }
    const found = yield* find
    annotate(request, found, settings)

    let turns = 0
    // The result of a repair turn does not say what the turns before it did.
    const mayHaveWorked = () => turns > 1 || calls.hasCalled()

    const answered = Effect.fnUntraced(function*(
      tools: Marker["tools"],
      thread: Thread,
      said: Input,
      left: number
    ): Effect.fn.Return<Array<Response.PartEncoded>, Errors.ClientError | AiError.AiError> {
      turns += 1
      const { reason, result } = yield* ended(thread.run(said, options))
      annotateEnd(request, result, reason)
      const answer = answerOf(result, tools)
      if (output === undefined) return Parts.ofResult(result, answer, reason)
      const text = EffectAi.normalizeAnswer(output.jsonSchema, Option.getOrElse(result.finalResponse, () => ""))
      const issue = yield* output.issueOf(text)
      if (issue === undefined) return Parts.ofResult(result, answer, reason, text)
      if (left === 0) return yield* Errors.unfit(method, result, text, issue, mayHaveWorked())
      return yield* answered(tools, thread, EffectAi.repairPrompt(issue), left - 1)
    })
    const onFork = (error: ThreadBusy) => {
      if (turns > 1) return Effect.fail(error)
      turns = 0
      return Effect.flatMap(fork(found, error), (forked) => answered(forked.tools, forked.thread, input, repair))
    }
    return yield* answered(found.tools, found.thread, input, repair).pipe(
      Effect.catchTag("ThreadBusy", onFork),
      Effect.raceFirst(calls.failure),
      Effect.mapError(Errors.ofAny(method, mayHaveWorked))
    )
  }, (effect, request) => Effect.mapError(effect, Errors.ofAny(methodOf(request), () => false)))

  const streamText = (request: LanguageModel.ProviderOptions) =>
    Stream.unwrap(Effect.gen(function*() {
      yield* checked("streamText", request)
      // Bounded, so that a handler that reports faster than the reader reads has to wait.
      const told = yield* Queue.bounded<Parts.Part, Cause.Done>(16)
      const { answerOf, calls, find, fork, input, settings, turnOptions } = yield* prepare(
        "streamText",
        request,
        (part) => Queue.offer(told, part)
      )
      const found = yield* find
      annotate(request, found, settings)
      const turn = yield* Effect.catchTag(
        found.thread.turn(input, turnOptions),
        "ThreadBusy",
        (error) => Effect.flatMap(fork(found, error), ({ thread }) => thread.turn(input, turnOptions))
      )
      const answer = answerOf(turn, found.tools)
      // The parts of a tool call come from its handler as soon as they exist, not from the item.
      const fold = new Parts.Fold({ ...answer, ofCall: () => [] })
      const events = turn.events.pipe(
        Stream.map((event) => fold.step(event)),
        Stream.filter(Arr.isReadonlyArrayNonEmpty),
        Stream.flattenArray,
        Stream.concat(Stream.fromEffectDrain(Queue.end(told)))
      )
      const end = Effect.gen(function*() {
        const { reason, result } = yield* ended(turn.result)
        if (result.status === "interrupted") yield* Errors.interrupted(result)
        annotateEnd(request, result, reason)
        return Stream.fromIterable([...fold.end(), Parts.finish(result, answer.marker, reason)])
      })
      return Stream.succeed<Response.StreamPartEncoded>(Parts.begin({ id: turn.id, model: settings.model })).pipe(
        Stream.concat(Stream.merge(events, Stream.fromQueue(told))),
        Stream.concat(Stream.unwrap(end)),
        Stream.merge(Stream.fromEffect(calls.failure), { haltStrategy: "left" }),
        Stream.mapError(Errors.ofAny("streamText", calls.hasCalled))
      )
    })).pipe(Stream.mapError(Errors.ofAny("streamText", () => false)))

  const inner = yield* LanguageModel.make({
    generateText: (request) => Effect.mapError(generateText(request), Errors.withinProvider),
    streamText: (request) => Stream.mapError(streamText(request), Errors.withinProvider),
    codecTransformer: EffectAi.codecTransformer,
    supportsSystemMessagesInHistory: Effect.succeed(true)
  })

  /**
   * Resolves the toolkit with its handlers, which `LanguageModel.make` hides from the provider, and checks the options.
   */
  const received = (method: string, options: TextOptions) =>
    Effect.gen(function*() {
      if (options.disableToolCallResolution === true) {
        return yield* invalid(
          method,
          "disableToolCallResolution",
          "A codex turn waits for the results of its tools, so their calls cannot be left unresolved. Remove the option."
        )
      }
      const { concurrency = "unbounded", toolkit } = options
      const handlers = toolkit === undefined ? undefined : yield* handlersOf(toolkit)
      return [{ ...options, toolkit: handlers }, { toolkit: handlers, concurrency }] as const
    })

  const effectOf = (method: "generateText" | "generateObject") => (options: TextOptions) =>
    Effect.flatMap(
      received(method, options),
      ([options, caller]) => Effect.provideService(call(inner[method])(options), ToolCalls.Caller, caller)
    ).pipe(
      Effect.catchIf(Errors.isHandlerFailure, ({ cause }) => Effect.failCause(cause)),
      Effect.mapError(Errors.settled)
    )

  const streamOf = (options: TextOptions) =>
    Stream.unwrap(
      Effect.map(received("streamText", options), ([options, caller]) =>
        Stream.provideService(callStream(inner.streamText)(options), ToolCalls.Caller, caller))
    ).pipe(
      Stream.catchIf(Errors.isHandlerFailure, ({ cause }) =>
        Stream.failCause(cause)),
      Stream.mapError(Errors.settled)
    )

  // The types of these methods depend on the toolkit and schema of each call. No implementation can express that;
  // `LanguageModel.make` casts too.
  return LanguageModel.LanguageModel.of({
    ...inner,
    generateText: effectOf("generateText") as LanguageModel.LanguageModel["generateText"],
    generateObject: effectOf("generateObject") as LanguageModel.LanguageModel["generateObject"],
    streamText: streamOf as LanguageModel.LanguageModel["streamText"]
  })
})

const isTooLong = (error: { readonly _tag: string }): error is TurnFailed =>
  error._tag === "TurnFailed" && "reason" in error && error.reason === "outputLimit"

const call = (method: LanguageModel.LanguageModel["generateText"] | LanguageModel.LanguageModel["generateObject"]) =>
  method as (options: TextOptions) => Effect.Effect<unknown, unknown>

const callStream = (method: LanguageModel.LanguageModel["streamText"]) =>
  method as (options: TextOptions) => Stream.Stream<unknown, unknown>

const handlersOf = (toolkit: NonNullable<TextOptions["toolkit"]>) =>
  (Effect.isEffect(toolkit) ? toolkit : Effect.succeed(toolkit)) as Effect.Effect<
    Toolkit.WithHandler<Record<string, Tool.Any>>
  >

/** The JSON Schema to request an object with, and a check of the answer. */
const outputOf = Effect.fnUntraced(function*(method: string, schema: Schema.Top) {
  const { codec, jsonSchema } = yield* Effect.try({
    try: () => EffectAi.codecTransformer(schema),
    catch: (error) =>
      Errors.make(
        method,
        new AiError.UnsupportedSchemaError({ description: Predicate.isError(error) ? error.message : String(error) })
      )
  })
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(codec), { errors: "all" })
  return {
    jsonSchema: jsonSchema as Schema.JsonObject,
    // The context of the call provides the schema's decoding services: `effect/ai` decodes with them again.
    issueOf: (text: string) =>
      Effect.match(decode(text), { onFailure: ({ message }) => message, onSuccess: () => undefined }) as Effect.Effect<
        string | undefined
      >
  }
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
