/**
 * Tests that log in through the browser.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Net from "node:net"

// Next to the port that codex listens on itself.
const port = 1454

/**
 * Keeps browser logins of tests apart. codex waits for the browser on port 1455, and a login ends that of any other codex on
 * the machine (measured on codex 0.169). So one test of a machine has this layer at a time, in whatever process; the others
 * wait for it. Provide it to every test that starts a browser login.
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
