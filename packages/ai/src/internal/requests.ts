/** Refuses the requests that codex cannot serve. */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Errors from "./errors.ts"

export const invalid = (
  method: string,
  parameter: string,
  description: string
): Effect.Effect<never, AiError.AiError> =>
  Effect.fail(Errors.make(method, new AiError.InvalidRequestError({ parameter, description })))

/** Fails if the request has no prompt, forces a tool, or has a tool of another provider. */
export const checked = (
  method: string,
  { prompt, toolChoice, tools }: LanguageModel.ProviderOptions
): Effect.Effect<void, AiError.AiError> => {
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
