/** Threads that were lost before they had a history. */
import type * as CodexError from "@effect-codex/client/CodexError"

/**
 * Whether codex knows nothing of the thread, or has an empty file of it: docs/codex-behaviour.md, "A message is stored
 * after the reply to its start and before the model is asked".
 */
export const isLost = (error: CodexError.CodexError): boolean =>
  error._tag === "ThreadNotPersisted" || error._tag === "ThreadNotFound" ||
  (error._tag === "RpcError" && error.detail.includes("failed to read session metadata"))
