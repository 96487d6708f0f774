/** Annotates the span of a call. The attributes follow OpenTelemetry's conventions for generative AI. */
import type { TurnResult } from "@effect-codex/client/TurnResult"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Telemetry from "effect/ai/Telemetry"
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import type * as Threads from "./threads.ts"
import type { FinishReason } from "./turnEnd.ts"
import { tokensOf } from "./usage.ts"

export const annotateStart = (
  { responseFormat, span }: LanguageModel.ProviderOptions,
  { how, thread }: Threads.Found,
  settings: Threads.Settings
): void => {
  Telemetry.addGenAIAnnotations(span, {
    provider: { name: settings.modelProvider ?? "openai" },
    operation: { name: "invoke_agent" },
    request: { model: settings.model },
    output: { type: responseFormat.type }
  })
  span.attribute("gen_ai.agent.name", "codex")
  span.attribute("gen_ai.conversation.id", thread.id)
  span.attribute("codex.thread.how", how)
}

/** @param results those of all turns of the call until now */
export const annotateEnd = (
  { span }: LanguageModel.ProviderOptions,
  results: Arr.NonEmptyReadonlyArray<TurnResult<unknown>>,
  finishReason: FinishReason
): void => {
  const tokens = tokensOf(results)
  const { id, model } = Arr.lastNonEmpty(results)
  Telemetry.addGenAIAnnotations(span, {
    response: { id, model: Option.getOrUndefined(model), finishReasons: [finishReason] },
    usage: { inputTokens: tokens?.inputTokens, outputTokens: tokens?.outputTokens }
  })
}
