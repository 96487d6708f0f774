/**
 * Bridges `effect/ai` and this client: an `effect/ai` Toolkit as the tools of a thread, and schemas in the form of
 * OpenAI's strict mode.
 *
 * Only this module depends on `effect/ai`, whose types may change in a minor version of Effect; therefore the
 * package's index does not export it. To run programs written against `LanguageModel` and `Chat`, use
 * `@effect-codex/ai`.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type * as JsonSchema from "effect/JsonSchema"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { InvalidArgument } from "./CodexError.ts"
import * as DynamicTools from "./DynamicTools.ts"
import * as Output from "./internal/schemas/output.ts"
import { strictCodec, withAbsentAsNull } from "./internal/schemas/strictJsonSchema.ts"
import { unfenced } from "./internal/text/unfenced.ts"
import type * as Sent from "./Sent.ts"

// =============================================================================
// Toolkits
// =============================================================================

/**
 * A call to one of a toolkit's tools.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCall extends DynamicTools.Call {
  readonly tool: Tool.Any
  /** The arguments as the model wrote them: not yet decoded, and not yet known to fit. */
  readonly params: unknown
}

/**
 * The decision on a call: `true` to run it, or the reason for the denial, which the model is told.
 *
 * @category models
 * @since 0.1.0
 */
export type Approval = true | { readonly denied: string }

/**
 * Options of {@link fromToolkit}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ToolkitOptions<R = never> {
  /**
   * Decides on calls to tools that need an approval (`needsApproval`). The call, and the turn with it, waits for the
   * decision. Default: such calls are denied.
   */
  readonly approve?: ((call: ToolCall) => Effect.Effect<Approval, never, R>) | undefined
  /** The conversation to pass to a `needsApproval` function. Default: no messages. */
  readonly messages?: ReadonlyArray<Prompt.Message> | undefined
  /** Observes each result of a handler, preliminary results included, before the model receives the final one. */
  readonly onResult?:
    | ((call: ToolCall, result: Tool.HandlerResult<Tool.Any>) => Effect.Effect<void, never, R>)
    | undefined
  /**
   * Runs when a handler with `failureMode: "error"` fails, or a handler with another mode dies. The model is told of
   * the failure when this effect ends. Default: the model is told at once.
   */
  readonly onFailure?: ((call: ToolCall, cause: Cause.Cause<unknown>) => Effect.Effect<void, never, R>) | undefined
}

/** The result of a denied call, in the form of `effect/ai`. */
const denied = (reason: string): Tool.HandlerResult<Tool.Any> => {
  const result = { type: "execution-denied" as const, reason }
  return { result, encodedResult: result, isFailure: true, preliminary: false }
}

const needsApproval = (
  { params, tool, callId }: ToolCall,
  messages: ReadonlyArray<Prompt.Message>
): Effect.Effect<boolean> => {
  const { needsApproval } = tool
  if (!Predicate.isFunction(needsApproval)) return Effect.succeed(needsApproval === true)
  return Schema.decodeUnknownEffect(tool.parametersSchema)(params).pipe(
    Effect.map((params) => needsApproval(params, { toolCallId: callId, messages })),
    Effect.flatMap((needed) => Effect.isEffect(needed) ? needed : Effect.succeed(needed)),
    // The toolkit decodes the params again and refuses those that do not fit.
    Effect.orElseSucceed(() => false)
  ) as Effect.Effect<boolean>
}

const contentOf = (part: Prompt.ToolModelOutputPart): DynamicTools.Content => {
  if (part.type === "text") return DynamicTools.text(part.text)
  const { data, mediaType } = part
  const url = data instanceof URL
    ? data.href
    : `data:${mediaType};base64,${Predicate.isString(data) ? data : Base64.encode(data)}`
  return mediaType.startsWith("audio/") ? DynamicTools.audio(url) : DynamicTools.image(url)
}

/** Throws if the result has no JSON: a toolkit's schemas may let anything pass. */
const told = ({ encodedResult, isFailure, modelOutput, result }: Tool.HandlerResult<Tool.Any>) => {
  if (modelOutput !== undefined) return modelOutput.map(contentOf)
  if (isFailure && Predicate.isError(result)) return [DynamicTools.text(result.message)]
  if (encodedResult === undefined) return [DynamicTools.text("Done.")]
  return [DynamicTools.text(Predicate.isString(encodedResult) ? encodedResult : JSON.stringify(encodedResult))]
}

const answered = (
  success: boolean,
  contentItems: ReadonlyArray<DynamicTools.Content>
): Sent.DynamicToolCallResponse => ({
  success,
  contentItems
})

const unsuccessful = (words: string) => answered(false, [DynamicTools.text(words)])

/** Describes a failure to the model. */
const words = (error: unknown): string => {
  if (Predicate.isString(error)) return error
  if (Predicate.hasProperty(error, "message") && Predicate.isString(error.message) && error.message !== "") {
    return error.message
  }
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : "it gave no reason."
}

const anything = { jsonSchema: { type: "object" }, decode: (value: unknown) => ({ ok: true as const, value }) }

/** The schema that the model sees. The toolkit decodes the arguments itself, following the tool's failure mode. */
const inputOf = (tool: Tool.Any): DynamicTools.Input => {
  if (Tool.isDynamic(tool) && tool.jsonSchema !== undefined) return { ...anything, jsonSchema: tool.jsonSchema }
  const { parametersSchema } = tool
  return parametersSchema.ast._tag === "Unknown" ? anything : parametersSchema
}

type Handle<R> = (
  name: string,
  params: unknown,
  callId: string
) => Effect.Effect<Stream.Stream<Tool.HandlerResult<Tool.Any>, unknown, R>, unknown, R>

const resolved = <Tools extends Record<string, Tool.Any>, E, R>(
  toolkit: Toolkit.WithHandler<Tools> | Effect.Effect<Toolkit.WithHandler<Tools>, E, R>
): Effect.Effect<Toolkit.WithHandler<Tools>, E, R> => Effect.isEffect(toolkit) ? toolkit : Effect.succeed(toolkit)

/**
 * Turns an `effect/ai` Toolkit into tools for the `tools` of `startThread`, `resumeThread` and `forkThread`. The
 * handlers, and the services they need, are captured from where this runs. Tools that a provider executes itself are
 * left out.
 *
 * **Details**
 *
 * The model receives a result in the form that its tool defines (`toModelOutput`), or as JSON. It is also told of
 * arguments that do not fit and of a handler's failure, whatever the failure mode, because there is no caller here
 * that could receive the error.
 *
 * Fails with `InvalidArgument` as `DynamicTools.make` does.
 *
 * **Example** (A thread with a toolkit)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import * as EffectAi from "@effect-codex/client/EffectAi"
 * import { Effect, Schema } from "effect"
 * import { Tool, Toolkit } from "effect/ai"
 *
 * const Weather = Tool.make("weather", {
 *   description: "The weather in a city.",
 *   parameters: Schema.Struct({ city: Schema.String }),
 *   success: Schema.String
 * })
 *
 * const Tools = Toolkit.make(Weather)
 *
 * export const ask = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread({ tools: yield* EffectAi.fromToolkit(Tools) })
 *   return yield* thread.run("Do I need an umbrella in Bern?")
 * }).pipe(Effect.provide(Tools.toLayer({ weather: ({ city }) => Effect.succeed(`It rains in ${city}.`) })))
 * ```
 *
 * @see {@link ToolkitOptions}
 * @category constructors
 * @since 0.1.0
 */
export const fromToolkit = <Tools extends Record<string, Tool.Any>, E = never, RT = never, R = never>(
  toolkit: Toolkit.WithHandler<Tools> | Effect.Effect<Toolkit.WithHandler<Tools>, E, RT>,
  options: ToolkitOptions<R> = {}
): Effect.Effect<DynamicTools.DynamicTools, InvalidArgument | E, RT | R | Tool.HandlerServices<Tools[keyof Tools]>> => {
  type Services = R | Tool.HandlerServices<Tools[keyof Tools]>
  const { approve = () => Effect.succeed({ denied: "nobody is there to approve it" }), messages = [] } = options

  const results = (call: ToolCall, handle: Handle<Services>) =>
    Stream.unwrap(Effect.gen(function*() {
      const approval = (yield* needsApproval(call, messages)) ? yield* approve(call) : true
      return approval === true
        ? Stream.unwrap(handle(call.tool.name, call.params, call.callId))
        : Stream.succeed(denied(approval.denied))
    }))

  const failed = Effect.fnUntraced(function*(call: ToolCall, cause: Cause.Cause<unknown>) {
    const { tool: { name }, threadId, turnId } = call
    const error = Cause.findError(cause)
    if (Result.isSuccess(error)) {
      const fits = !AiError.isAiError(error.success) || error.success.reason._tag !== "ToolParameterValidationError"
      if (fits) yield* options.onFailure?.(call, cause) ?? Effect.void
      return unsuccessful(
        `The tool ${name} failed: ${words(error.success)}${
          fits ? "" : " Nothing was done. Call it again with arguments that fit."
        }`
      )
    }
    yield* Effect.logWarning(`the tool ${name} failed unexpectedly in turn ${turnId} of thread ${threadId}`, cause)
    yield* options.onFailure?.(call, cause) ?? Effect.void
    return unsuccessful(`The tool ${name} failed unexpectedly.`)
  })

  // The handler has already done its work; the message must keep the model from calling it again.
  const unsent = Effect.fnUntraced(function*(call: ToolCall, error: unknown) {
    const { tool: { name }, threadId, turnId } = call
    const cause = Cause.die(error)
    yield* Effect.logWarning(
      `the tool ${name} has run in turn ${turnId} of thread ${threadId}, but its result could not be sent`,
      cause
    )
    yield* options.onFailure?.(call, cause) ?? Effect.void
    return unsuccessful(`The tool ${name} has run, but its result could not be sent.`)
  })

  const sent = (call: ToolCall, result: Tool.HandlerResult<Tool.Any>) =>
    Effect.try({ try: () => answered(!result.isFailure, told(result)), catch: (error) => error }).pipe(
      Effect.catch((error) => unsent(call, error))
    )

  const answer = (call: ToolCall, handle: Handle<Services>) =>
    results(call, handle).pipe(
      Stream.tap((result) => options.onResult?.(call, result) ?? Effect.void),
      Stream.filter(({ preliminary }) => !preliminary),
      Stream.runLast,
      Effect.flatMap(Option.match({
        onNone: () => Effect.succeed(unsuccessful(`The tool ${call.tool.name} gave no result.`)),
        onSome: (result) => sent(call, result)
      })),
      Effect.catchCause((cause) => failed(call, cause))
    )

  return Effect.gen(function*() {
    const handlers = yield* resolved(toolkit)
    // The toolkit decodes the arguments itself, so they may be anything.
    const handle = handlers.handle as unknown as Handle<Services>
    const tools: ReadonlyArray<Tool.Any> = Object.values(handlers.tools)
    return yield* DynamicTools.make(
      tools.filter((tool) => !Tool.isProviderDefined(tool)).map((tool): DynamicTools.Tool<Services> => ({
        ...DynamicTools.tool(tool.name, {
          description: Tool.getDescription(tool) ?? "",
          input: inputOf(tool),
          handler: () => Effect.succeed("")
        }),
        answer: (params, at) => answer({ ...at, tool, params }, handle)
      }))
    )
  })
}

// =============================================================================
// Structured output
// =============================================================================

/**
 * Brings a schema into the form of OpenAI's strict mode, for `LanguageModel.make`.
 *
 * **Details**
 *
 * Does what Effect's own `OpenAiStructuredOutput.toCodecOpenAI` does, and also decodes optional tuples and records.
 * Throws an `Error` that says what strict mode cannot express.
 *
 * @see {@link normalizeAnswer}
 * @category structured output
 * @since 0.1.0
 */
export const codecTransformer: LanguageModel.CodecTransformer = <T, E, RD, RE>(
  schema: Schema.ConstraintCodec<T, E, RD, RE>
) =>
  // The strict form needs the same decoding services as the schema, and the result's type says so.
  strictCodec<T>(schema as Schema.ConstraintCodec<T, unknown, never, never>)

/**
 * Normalizes the JSON of an answer so that {@link codecTransformer} can decode it: removes a Markdown fence, and
 * writes null for keys that the model left out. Text that is not JSON is returned unchanged.
 *
 * @category structured output
 * @since 0.1.0
 */
export const normalizeAnswer = (jsonSchema: JsonSchema.JsonSchema, text: string): string => {
  try {
    return JSON.stringify(withAbsentAsNull(jsonSchema as Schema.JsonObject, JSON.parse(unfenced(text))))
  } catch {
    return text
  }
}

/**
 * The prompt that asks the model again after an answer that does not fit. `issue` says what is wrong with the answer.
 *
 * @category structured output
 * @since 0.1.0
 */
export const repairPrompt = (issue: string): string => Output.repairPrompt(issue)
