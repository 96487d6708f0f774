/**
 * The types of `@effect-codex/client/Sent`.
 *
 * @since 0.1.0
 */
export type * from "@effect-codex/client/Sent"
