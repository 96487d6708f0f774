/**
 * Types of what the client sends, re-exported for the same reason as those of `Received`.
 *
 * @since 0.1.0
 */
export type * from "@effect-codex/protocol/Sent"
