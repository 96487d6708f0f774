/**
 * A machine-wide lock for tests that log in through the browser.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Net from "node:net"

// Holding a port locks across processes. This one is next to the port that codex itself listens on.
const port = 1454

/**
 * Lets one test per machine, across all processes, log in through the browser at a time. The others wait, without a
 * limit.
 *
 * **When to use**
 *
 * In every test that starts a browser login: codex waits for the browser on port 1455, and a new login ends the pending
 * login of any other codex on the machine.
 *
 * **Details**
 *
 * The lock is port 1454 of 127.0.0.1. It is released when the layer's scope closes.
 *
 * **Example** (A test with a browser login)
 *
 * ```ts
 * import { Auth } from "@effect-codex/client"
 * import { BrowserLogin, ScriptedCodex } from "@effect-codex/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.gen(function*() {
 *   const auth = yield* Auth.Auth
 *   const login = yield* auth.loginChatgpt()
 *   yield* login.cancel
 *   return yield* Effect.flip(login.wait)
 * }).pipe(Effect.scoped, Effect.provide([ScriptedCodex.layer(), BrowserLogin.layerExclusive]))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerExclusive: Layer.Layer<never> = Layer.effectDiscard(Effect.acquireRelease(
  Effect.callback<Net.Server, Error>((resume) => {
    const server = Net.createServer((socket) => void socket.destroy())
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
  }).pipe(Effect.retry(Schedule.spaced("50 millis")), Effect.orDie),
  (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
))
