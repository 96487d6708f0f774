/** Maps elicitations between the protocol and the handlers of `Elicitation` and `Approvals`. */
import * as Predicate from "effect/Predicate"
import type { Answer, Request } from "../../Elicitation.ts"
import type * as Received from "../../Received.ts"
import type * as Sent from "../../Sent.ts"
import { isMcpToolApproval } from "../protocol/mcpToolApproval.ts"
import * as Fields from "./elicitationFields.ts"

export const requestOf = (params: Received.McpServerElicitationRequestParams): Request => {
  switch (params.mode) {
    case "form": {
      const { _meta: meta, message, requestedSchema } = params
      return isMcpToolApproval(params)
        ? { _tag: "ToolApproval", ...askedOf(params), message, ...toolOf(meta) }
        : { _tag: "Form", ...askedOf(params), message, fields: Fields.fieldsOf(requestedSchema) }
    }
    case "url": {
      const { elicitationId, message, url } = params
      return { _tag: "Url", ...askedOf(params), message, url, elicitationId }
    }
    case "openai/form":
    case "openaiForm": {
      const { message, requestedSchema } = params
      return { _tag: "OpaqueForm", ...askedOf(params), message, requestedSchema }
    }
    case "openai/userVerification": {
      const { challenge, description, title } = params
      return { _tag: "UserVerification", ...askedOf(params), title, description, challenge }
    }
    default:
      return { _tag: "Unknown", ...askedOf(params), mode: params.mode, params }
  }
}

const askedOf = (params: Received.McpServerElicitationRequestParams) => ({
  threadId: Fields.member(params, "threadId", Predicate.isString) ?? "",
  turnId: Fields.member(params, "turnId", Predicate.isString),
  serverName: Fields.member(params, "serverName", Predicate.isString) ?? "",
  environmentId: Fields.member(params, "environmentId", Predicate.isString),
  meta: jsonMember(params, "_meta")
})

// Everything off the wire is JSON.
const jsonMember = (u: unknown, key: string): Received.JsonValue =>
  Fields.member(u, key, (value): value is Received.JsonValue => value !== undefined) ?? null

const toolOf = (meta: Received.JsonValue) => {
  const persist = new Set([Fields.member(meta, "persist")].flat())
  return {
    tool: Fields.member(meta, "tool_name", Predicate.isString) ?? "",
    title: Fields.member(meta, "tool_title", Predicate.isString),
    description: Fields.member(meta, "tool_description", Predicate.isString),
    arguments: jsonMember(meta, "tool_params"),
    annotations: jsonMember(meta, "tool_annotations"),
    persist: (["session", "always"] as const).filter((one) => persist.has(one))
  }
}

export const responseOf = (
  request: Request,
  { action, content, persist }: Answer
): Sent.McpServerElicitationRequestResponse => ({
  action,
  // docs/codex-behaviour.md, "An acceptance without content reaches the MCP server as an empty object".
  content: action === "accept" && content !== undefined ? Fields.given(content) : null,
  _meta: persist !== undefined && request._tag === "ToolApproval" && request.persist.includes(persist)
    ? { persist }
    : null
})
