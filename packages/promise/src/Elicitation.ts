/**
 * Requests of MCP servers to the user, and the answers to them, for the handler `elicitation`.
 *
 * @since 0.1.0
 */
export {
  accept,
  acceptAlways,
  acceptForSession,
  type Answer,
  cancel,
  type Content,
  decline,
  type Field,
  type Form,
  type Request,
  type ToolApproval,
  type Url
} from "@effect-codex/client/Elicitation"
