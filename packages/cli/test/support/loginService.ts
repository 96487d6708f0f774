/** The login service and ChatGPT's backend, on loopback: what codex asks of them when somebody logs in. */
import { idToken } from "@effect-codex/test-support/idToken"
import { Effect } from "effect"
import * as Http from "node:http"

const answers: Record<string, object> = {
  "/api/accounts/deviceauth/usercode": { device_auth_id: "device-1", user_code: "ABCD-1234", interval: "1" },
  "/oauth/token": { id_token: idToken, access_token: idToken, refresh_token: "refresh-1" },
  // codex insists on https here. Nothing listens there.
  "/backend-api/wham/accounts/check": {
    accounts: [{
      id: "ws-1",
      workspace_backend_origin: "https://127.0.0.1:1",
      account_routing_override: "NO_CONSTRAINT"
    }]
  }
}

const usage = {
  user_id: "user-1",
  account_id: "ws-1",
  email: "someone@example.com",
  plan_type: "pro",
  rate_limit: {
    allowed: true,
    limit_reached: false,
    primary_window: { used_percent: 25, limit_window_seconds: 18_000, reset_after_seconds: 0, reset_at: 0 },
    secondary_window: { used_percent: 40, limit_window_seconds: 604_800, reset_after_seconds: 0, reset_at: 0 }
  },
  credits: { has_credits: false, unlimited: false, balance: null }
}

const confirmation = { authorization_code: "code", code_challenge: "challenge", code_verifier: "verifier" }

/** With `confirms` its users confirm a code at once, else never. */
export const make = (options: { readonly confirms: boolean; readonly hasUsage?: boolean }) => {
  const known: Record<string, object> = {
    ...answers,
    ...options.confirms ? { "/api/accounts/deviceauth/token": confirmation } : {},
    ...options.hasUsage === false ? {} : { "/backend-api/wham/usage": usage }
  }
  return Effect.map(
    Effect.acquireRelease(
      Effect.callback<Http.Server>((resume) => {
        const server = Http.createServer((request, response) => {
          request.resume()
          const answer = known[request.url ?? ""]
          response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" })
          response.end(JSON.stringify(answer ?? {}))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    (server) => {
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("it has no port")
      return `http://127.0.0.1:${address.port}`
    }
  )
}
