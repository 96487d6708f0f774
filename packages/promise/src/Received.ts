/**
 * The types of `@effect-codex/client/Received`.
 *
 * @since 0.1.0
 */
export type * from "@effect-codex/client/Received"
