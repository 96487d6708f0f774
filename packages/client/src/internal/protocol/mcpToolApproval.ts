/** Recognises the approval of an MCP server's tool, which is sent as an elicitation. */
import * as Predicate from "effect/Predicate"
import { at } from "./peek.ts"

export const isMcpToolApproval = (params: unknown): boolean => {
  const meta = at(params, "_meta")
  const properties = at(at(params, "requestedSchema"), "properties")
  // docs/codex-behaviour.md, "The call of an MCP server's tool is approved by an elicitation without fields".
  // Servers before 0.167 name the tool only in the message, so its name is not checked.
  return at(params, "mode") === "form" && at(meta, "codex_approval_kind") === "mcp_tool_call" &&
    Predicate.isObject(properties) && Object.keys(properties).length === 0
}
