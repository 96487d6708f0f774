import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ModelRequest } from "../ScriptedModel.ts"

const Body = Schema.Struct({
  model: Schema.String,
  instructions: Schema.optionalKey(Schema.NullOr(Schema.String)),
  input: Schema.Array(Schema.JsonObject),
  tools: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.JsonObject))),
  text: Schema.optionalKey(Schema.NullOr(Schema.Struct({
    format: Schema.optionalKey(Schema.NullOr(Schema.Struct({ schema: Schema.optionalKey(Schema.Json) })))
  })))
})

const UserMessage = Schema.Struct({
  type: Schema.Literal("message"),
  role: Schema.Literal("user"),
  content: Schema.Array(Schema.JsonObject)
})

const Text = Schema.Struct({ type: Schema.Literal("input_text"), text: Schema.String })

const ToolOutput = Schema.Struct({
  type: Schema.Literals(["function_call_output", "custom_tool_call_output"]),
  call_id: Schema.String,
  output: Schema.Json
})

const decodeBody = Schema.decodeUnknownResult(Body)
const decodeJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.JsonObject))
const isUserMessage = Schema.is(UserMessage)
const isText = Schema.is(Text)
const isToolOutput = Schema.is(ToolOutput)

// codex adds user texts of its own: elements such as <environment_context>, AGENTS.md, and tags around images of files.
const isPrompt = (content: { readonly text: string }): boolean =>
  !/^\s*(?:<(?:skill|[a-z]+(?:_[a-z]+)+)>|<image name=|<\/image>|# AGENTS\.md instructions)/.test(content.text)

const userTexts = (item: Schema.JsonObject) => isUserMessage(item) ? item.content.filter(isText) : []

const promptedAt = (input: ReadonlyArray<Schema.JsonObject>): number =>
  input.findLastIndex((item) => userTexts(item).some(isPrompt))

export const promptOf = (input: ReadonlyArray<Schema.JsonObject>): string =>
  input.slice(promptedAt(input)).flatMap(userTexts).find(isPrompt)?.text ?? ""

export const userTextsOf = (input: ReadonlyArray<Schema.JsonObject>): ModelRequest["userTexts"] =>
  input.flatMap(userTexts).map((content) => content.text)

export const toolOutputsOf = (input: ReadonlyArray<Schema.JsonObject>): ModelRequest["toolOutputs"] =>
  input.slice(promptedAt(input) + 1).filter(isToolOutput).map(({ call_id, output }) => ({
    callId: call_id,
    output: typeof output === "string" ? output : JSON.stringify(output)
  }))

/** A message with the role of the developer. */
export const developerMessage = (text: string): Schema.JsonObject => ({
  type: "message",
  role: "developer",
  content: [{ type: "input_text", text }]
})

type Decoded = Omit<ModelRequest, "index" | "headers" | "authorization" | "outcome">

/** Decodes the members of a Responses request that tests read, and ignores the others. */
export const decode = (text: string): Result.Result<Decoded, string> =>
  Result.gen(function*() {
    const body = yield* decodeJson(text)
    const { input, instructions, model, text: format, tools } = yield* decodeBody(body)
    return {
      model,
      instructions: instructions ?? "",
      prompt: promptOf(input),
      userTexts: userTextsOf(input),
      toolOutputs: toolOutputsOf(input),
      input,
      tools: tools ?? [],
      outputSchema: Option.fromUndefinedOr(format?.format?.schema),
      body
    }
  }).pipe(Result.mapError((error) => `not a Responses request: ${error.message}`))
