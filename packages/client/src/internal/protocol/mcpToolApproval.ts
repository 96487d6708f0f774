/** Tells the approval of an MCP server's tool from the elicitations that it is sent as. */
import * as Predicate from "effect/Predicate"
import { at } from "./peek.ts"

export const isMcpToolApproval = (params: unknown): boolean => {
  const meta = at(params, "_meta")
  const properties = at(at(params, "requestedSchema"), "properties")
  // Older servers do not name the tool but in the message (measured up to 0.166).
  return at(params, "mode") === "form" && at(meta, "codex_approval_kind") === "mcp_tool_call" &&
    Predicate.isObject(properties) && Object.keys(properties).length === 0
}
