/** What codex 0.171.0 offers to the model beside the tools of the client. */
import type * as Sent from "@effect-codex/protocol/Sent"
import type * as Schema from "effect/Schema"
import type { FunctionCall } from "../../ScriptedModel.ts"
import * as Json from "../json.ts"
import type { Features } from "./home.ts"
import * as Models from "./models.ts"

const named = (name: string): Schema.JsonObject => ({ type: "function", name })

const ofAgents = ["close_agent", "resume_agent", "send_input", "spawn_agent", "wait_agent"]

/** Those that codex offers before the tools of the client, to a model that it knows nothing of. */
const own = (features: Features): ReadonlyArray<Schema.JsonObject> => [
  named("exec_command"),
  named("write_stdin"),
  named("request_user_input"),
  ...(features.requestPermissions ? [named("request_permissions")] : []),
  named("view_image"),
  { type: "namespace", name: "multi_agent_v1", tools: ofAgents.map(named) },
  named("get_goal"),
  named("create_goal"),
  named("update_goal")
]

const ofTheClient = (spec: Sent.DynamicToolSpec): Schema.JsonObject =>
  spec.type === "namespace"
    ? { type: "namespace", name: spec.name, description: spec.description, tools: spec.tools.map(asFunction) }
    : asFunction(spec)

const asFunction = (
  { description, inputSchema, name }: {
    readonly name: string
    readonly description: string
    readonly inputSchema: unknown
  }
): Schema.JsonObject => ({
  type: "function",
  name,
  description,
  strict: false,
  parameters: Json.orUndefined(inputSchema) ?? null
})

/** What the model is told of its tools, in the order of codex. */
export const offered = (
  features: Features,
  dynamicTools: ReadonlyArray<Sent.DynamicToolSpec>
): ReadonlyArray<Schema.JsonObject> => [
  ...own(features),
  ...dynamicTools.map(ofTheClient),
  { type: "web_search" }
]

const isOwn = ({ name, namespace }: FunctionCall, features: Features): boolean =>
  own(features).some((tool) =>
    namespace === undefined
      ? tool["type"] === "function" && tool["name"] === name
      : tool["name"] === namespace && ofAgents.includes(name)
  )

/** Undefined for what codex answers by itself: that there is no such tool. */
export const unsupported = (call: FunctionCall, features: Features, model: string): string | undefined => {
  const name = call.namespace === undefined ? call.name : `${call.namespace}.${call.name}`
  if (isOwn(call, features)) return `codex's tool ${name}`
  // They come with tools of their own, by other names.
  return Models.isKnown(model) ? `the tool ${name} of ${model}` : undefined
}

/** What the model is told of a call of a tool that there is not. */
export const unsupportedCall = ({ name, namespace = "" }: FunctionCall): string =>
  `unsupported call: ${namespace}${name}`
