/**
 * Passes the caller's toolkit to the provider with its handlers, which `LanguageModel.make` hides from it, and returns
 * the failures of handlers to the caller.
 */
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Errors from "./errors.ts"
import { invalid } from "./requests.ts"
import * as ToolCalls from "./toolCalls.ts"

type TextOptions = LanguageModel.GenerateTextOptions<Record<string, Tool.Any>>

const call = (method: LanguageModel.LanguageModel["generateText"] | LanguageModel.LanguageModel["generateObject"]) =>
  method as (options: TextOptions) => Effect.Effect<unknown, unknown>

const callStream = (method: LanguageModel.LanguageModel["streamText"]) =>
  method as (options: TextOptions) => Stream.Stream<unknown, unknown>

const handlersOf = (toolkit: NonNullable<TextOptions["toolkit"]>) =>
  (Effect.isEffect(toolkit) ? toolkit : Effect.succeed(toolkit)) as Effect.Effect<
    Toolkit.WithHandler<Record<string, Tool.Any>>
  >

/** Resolves the toolkit and checks the options. */
const received = Effect.fnUntraced(function*(
  method: string,
  options: TextOptions
): Effect.fn.Return<readonly [TextOptions, ToolCalls.Caller], AiError.AiError> {
  if (options.disableToolCallResolution === true) {
    return yield* invalid(
      method,
      "disableToolCallResolution",
      "A codex turn waits for the results of its tools, so their calls cannot be left unresolved. Remove the option."
    )
  }
  const { concurrency = "unbounded", toolkit } = options
  const handlers = toolkit === undefined ? undefined : yield* handlersOf(toolkit)
  return [{ ...options, toolkit: handlers }, { toolkit: handlers, concurrency }]
})

/** The same model with methods that pass the toolkit of each call. */
export const withCallers = (inner: LanguageModel.LanguageModel): LanguageModel.LanguageModel => {
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
}
