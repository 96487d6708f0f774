/**
 * What is loaded when a layer is built, and not with the program that names it. Where the layer starts codex, that is
 * starting meanwhile, so nobody waits for it; a program that replaces the services loads none of it.
 */
import * as Effect from "effect/Effect"

/** The connection and the client, at once: who makes the one nearly always makes the other after it. */
export const implementation = Effect.promise(() => import("./implementation.ts"))

/** The WebSocket, which most do without. */
export const webSocket = Effect.promise(() => import("./webSocket.ts"))
