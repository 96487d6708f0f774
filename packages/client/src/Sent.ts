/**
 * What the client sends, as types. They are here, too, for the same reason as those of `Received`.
 *
 * @since 0.1.0
 */
export type * from "@effect-codex/protocol/Sent"
