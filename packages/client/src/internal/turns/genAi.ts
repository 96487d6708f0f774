/**
 * The attributes that OpenTelemetry defines for agents. All of them are still in development, so their names
 * stand only here: https://github.com/open-telemetry/semantic-conventions-genai
 */
import type * as Received from "../../Received.ts"

type Attributes = ReadonlyArray<readonly [name: string, value: string | number]>

/** What is known of a turn when it begins. */
export interface Begun {
  readonly threadId: string
  /** The version of codex. */
  readonly version: string
  /** The id of the provider in codex's configuration; undefined if codex did not name it. */
  readonly provider: string | undefined
  /** What the final answer was asked to be; undefined if this client did not start the turn. */
  readonly output: "text" | "json" | undefined
}

export const begun = ({ output, provider = "openai", threadId, version }: Begun): Attributes => [
  ["gen_ai.operation.name", "invoke_agent"],
  ["gen_ai.provider.name", provider],
  ["gen_ai.agent.name", "codex"],
  ["gen_ai.agent.version", version],
  ["gen_ai.conversation.id", threadId],
  ...(output === undefined ? [] : [["gen_ai.output.type", output] as const])
]

/** @param outcome `completed`, `interrupted`, or the name of another end */
export const ended = (
  outcome: string,
  model: string | undefined,
  tokens: Received.TokenUsageBreakdown | undefined
): Attributes => [
  ...(model === undefined ? [] : [["gen_ai.request.model", model] as const]),
  ...(outcome === "completed" || outcome === "interrupted" ? [] : [["error.type", outcome] as const]),
  ...(tokens === undefined ? [] : [
    ["gen_ai.usage.input_tokens", tokens.inputTokens],
    ["gen_ai.usage.output_tokens", tokens.outputTokens],
    ["gen_ai.usage.cache_read.input_tokens", tokens.cachedInputTokens],
    ["gen_ai.usage.cache_creation.input_tokens", tokens.cacheWriteInputTokens]
  ] as const)
]
