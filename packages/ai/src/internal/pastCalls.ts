/** The tool calls of a history, as items of the Responses API. */
import type * as Prompt from "effect/ai/Prompt"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { dataUrl, isImage } from "./dataUrl.ts"

/** A part of what a tool told the model. Files that are no images have no form in a history. */
const contentOf = (part: Prompt.ToolModelOutputPart): ReadonlyArray<Schema.JsonObject> => {
  if (part.type === "text") return [{ type: "input_text", text: part.text }]
  const url = dataUrl(part)
  return isImage(url) ? [{ type: "input_image", image_url: url }] : []
}

const outputOf = ({ modelOutput = [], result }: Prompt.ToolResultPart): Schema.Json => {
  const told = modelOutput.flatMap(contentOf)
  if (told.length === 0) return Predicate.isString(result) ? result : JSON.stringify(result) ?? ""
  return told.every(({ text }) => text !== undefined) ? told.map(({ text }) => text).join("\n") : told
}

const call = ({ id, name }: { readonly id: string; readonly name: string }, params: unknown): Schema.Json => ({
  type: "function_call",
  call_id: id,
  name,
  arguments: JSON.stringify(params ?? {})
})

const output = (id: string, output: Schema.Json): Schema.Json => ({ type: "function_call_output", call_id: id, output })

/**
 * Keeps calls and results in pairs, wherever a program has cut its history: the model's API refuses a call without a
 * result, and codex drops a result without a call. Other providers may use the same id again for a later call.
 */
export class PastCalls {
  /** How many results are still to come, by the id of their call. */
  private readonly results = new Map<string, number>()
  private readonly known = new Set<string>()
  private readonly open = new Set<string>()

  constructor(messages: ReadonlyArray<Prompt.Message>) {
    for (const message of messages) {
      if (message.role !== "assistant" && message.role !== "tool") continue
      for (const part of message.content) {
        if (part.type === "tool-result") this.results.set(part.id, (this.results.get(part.id) ?? 0) + 1)
      }
    }
  }

  call(part: Prompt.ToolCallPart): Array<Schema.Json> {
    const { id } = part
    if (this.open.has(id)) return []
    this.known.add(id)
    if ((this.results.get(id) ?? 0) === 0) return [call(part, part.params), output(id, "It was not run.")]
    this.open.add(id)
    return [call(part, part.params)]
  }

  result(part: Prompt.ToolResultPart): Array<Schema.Json> {
    const { id } = part
    this.results.set(id, (this.results.get(id) ?? 0) - 1)
    const answer = output(id, outputOf(part))
    if (this.open.delete(id)) return [answer]
    if (this.known.has(id)) return []
    this.known.add(id)
    return [call(part, {}), answer]
  }
}
