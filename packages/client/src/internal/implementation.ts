/** What is behind the services of a connection, in one module, so that it is loaded at once. */
export * as auth from "./auth.ts"
export * as codex from "./codex.ts"
export * as connection from "./connection.ts"
export { decode } from "./decodeNotification.ts"
