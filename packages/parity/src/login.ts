/** A login service on loopback, whose user confirms a device code when told to. */
import { idToken } from "@effect-codex/test-support/idToken"
import { Effect } from "effect"
import * as Http from "node:http"
import type * as Net from "node:net"

const answers: Readonly<Record<string, object>> = {
  "/api/accounts/deviceauth/usercode": { device_auth_id: "device-1", user_code: "ABCD-1234", interval: "1" },
  "/api/accounts/deviceauth/token": {
    authorization_code: "code",
    code_challenge: "challenge",
    code_verifier: "verifier"
  },
  "/oauth/token": { id_token: idToken, access_token: idToken, refresh_token: "refresh-1" }
}

/** Starts the service and returns its URL. */
export const make = Effect.fnUntraced(function*(confirmed: Effect.Effect<void>) {
  let isConfirmed = false
  yield* Effect.forkScoped(Effect.andThen(confirmed, Effect.sync(() => isConfirmed = true)))
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Http.createServer((request, response) => {
        request.resume()
        const path = request.url ?? ""
        const isPending = path === "/api/accounts/deviceauth/token" && !isConfirmed
        const answer = isPending ? undefined : answers[path]
        response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" })
        response.end(JSON.stringify(answer ?? {}))
      })
    ),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
  return `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}`
})
