/** The implementation behind the services of a connection, in one module, so that it is loaded at once. */
export * as auth from "./auth/auth.ts"
export * as codex from "./handles/codex.ts"
export { decode } from "./protocol/decodeNotification.ts"
export * as connection from "./rpc/connection.ts"
export { rolloutOf } from "./view/rolloutEvents.ts"
export { changes as viewChanges } from "./view/watch.ts"
