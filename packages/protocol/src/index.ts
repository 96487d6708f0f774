/**
 * The protocol of `codex app-server` as Effect schemas and method tables.
 */
export * as Lazy from "./Lazy.ts"
export * as Methods from "./Methods.ts"
export * as Open from "./Open.ts"
export * as Received from "./Received.ts"
export * as Sent from "./Sent.ts"
