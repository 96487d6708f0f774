/** The tools that codex 0.171.0 offers to the model in addition to the client's. */
import type * as Sent from "@effect-codex/protocol/Sent"
import type * as Schema from "effect/Schema"
import type { FunctionCall } from "../../ScriptedModel.ts"
import * as Json from "../json.ts"
import type { Features } from "./home.ts"
import * as Models from "./models.ts"

const named = (name: string): Schema.JsonObject => ({ type: "function", name })

const ofAgents = ["close_agent", "resume_agent", "send_input", "spawn_agent", "wait_agent"]

/** The tools that codex lists before the client's, for a model that it has no metadata for. */
const own = (features: Features, hasAgents = true): ReadonlyArray<Schema.JsonObject> => [
  named("exec_command"),
  named("write_stdin"),
  named("request_user_input"),
  ...(features.requestPermissions ? [named("request_permissions")] : []),
  named("view_image"),
  ...(hasAgents ? [{ type: "namespace", name: "multi_agent_v1", tools: ofAgents.map(named) }] : []),
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

/** The tools in a request to the model, in codex's order. */
export const offered = (
  features: Features,
  dynamicTools: ReadonlyArray<Sent.DynamicToolSpec>,
  hasAgents: boolean
): ReadonlyArray<Schema.JsonObject> => [
  ...own(features, hasAgents),
  ...dynamicTools.map(ofTheClient),
  { type: "web_search" }
]

const isOwn = ({ name, namespace }: FunctionCall, features: Features): boolean =>
  own(features).some((tool) =>
    namespace === undefined
      ? tool["type"] === "function" && tool["name"] === name
      : tool["name"] === namespace && ofAgents.includes(name)
  )

/** Describes a tool that codex has and the fake does not; undefined if codex has no such tool, either. */
export const unsupported = (call: FunctionCall, features: Features, model: string): string | undefined => {
  const name = call.namespace === undefined ? call.name : `${call.namespace}.${call.name}`
  if (isOwn(call, features)) return `codex's tool ${name}`
  // codex offers other tools, with other names, to the models that it knows.
  return Models.isKnown(model) ? `the tool ${name} of ${model}` : undefined
}

/** The tool output that the model gets for a call of an unknown tool. */
export const unsupportedCall = ({ name, namespace = "" }: FunctionCall): string =>
  `unsupported call: ${namespace}${name}`
