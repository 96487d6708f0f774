/** Annotates the span of a call. The attributes follow OpenTelemetry's conventions for generative AI. */
import type { TurnResult } from "@effect-codex/client/TurnResult"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Telemetry from "effect/ai/Telemetry"
import * as Option from "effect/Option"
import type * as Threads from "./threads.ts"
import type { FinishReason } from "./turnEnd.ts"

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

export const annotateEnd = (
  { span }: LanguageModel.ProviderOptions,
  result: TurnResult<unknown>,
  finishReason: FinishReason
): void => {
  const usage = Option.getOrUndefined(result.usage)?.turn
  Telemetry.addGenAIAnnotations(span, {
    response: { id: result.id, model: Option.getOrUndefined(result.model), finishReasons: [finishReason] },
    usage: { inputTokens: usage?.inputTokens, outputTokens: usage?.outputTokens }
  })
}
