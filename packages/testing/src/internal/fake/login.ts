/** Logins with a key and in the browser. */
import * as Effect from "effect/Effect"
import type { Connection } from "./connection.ts"
import type { Handler } from "./handler.ts"
import * as Refused from "./refused.ts"

const completed = (connection: Connection, loginId: string | null, error: string | null): void =>
  connection.notify("account/login/completed", {
    loginId,
    success: error === null,
    error,
    onboardingEntrypoint: null
  })

const updated = (connection: Connection): void => {
  const { login } = connection.home
  connection.notify("account/updated", {
    authMode: login === undefined ? null : login.type === "apiKey" ? "apikey" : "chatgpt",
    planType: login?.type === "chatgpt" ? login.planType : null,
    reason: null
  })
}

const abandon = (connection: Connection, why: string): void => {
  const { pendingLoginId } = connection
  if (pendingLoginId === undefined) return
  connection.pendingLoginId = undefined
  completed(connection, pendingLoginId, `Login server error: ${why}`)
}

/** Ends the pending browser login, as the user would. Returns false if none is pending. */
export const finish = (
  connection: Connection,
  end:
    | { readonly email: string; readonly planType: "free" | "plus" | "pro" | "team" | "business" | "enterprise" }
    | { readonly error: string }
): boolean => {
  const { home, pendingLoginId } = connection
  if (pendingLoginId === undefined) return false
  connection.pendingLoginId = undefined
  if ("error" in end) {
    completed(connection, pendingLoginId, end.error)
  } else {
    home.login = { type: "chatgpt", ...end }
    completed(connection, pendingLoginId, null)
    updated(connection)
  }
  return true
}

const start: Handler<"account/login/start"> = Effect.fnUntraced(function*({ connection }, params, reply) {
  switch (params.type) {
    case "apiKey":
      connection.home.login = { type: "apiKey", key: params.apiKey }
      reply({ type: "apiKey" })
      abandon(connection, "Login was not completed")
      completed(connection, null, null)
      return updated(connection)
    case "chatgpt": {
      abandon(connection, "Login cancelled")
      const loginId = connection.home.nextId()
      connection.pendingLoginId = loginId
      const redirect = encodeURIComponent("http://127.0.0.1:1455/auth/callback")
      return reply({
        type: "chatgpt",
        loginId,
        authUrl: `https://auth.openai.com/oauth/authorize?response_type=code&redirect_uri=${redirect}&state=${loginId}`
      })
    }
    case "chatgptDeviceCode":
      return yield* Refused.invalidRequest(
        "device code login is not enabled for this Codex server. Use the browser login or verify the server URL."
      )
    default:
      return yield* Refused.notFaked(`a login of type ${params.type}`)
  }
})

const cancel: Handler<"account/login/cancel"> = Effect.fnUntraced(function*({ connection }, { loginId }, reply) {
  if (!Refused.isUuid(loginId)) return yield* Refused.invalidRequest(`invalid login id: ${loginId}`)
  if (connection.pendingLoginId !== loginId) return reply({ status: "notFound" })
  reply({ status: "canceled" })
  abandon(connection, "Login was not completed")
})

const logout: Handler<"account/logout"> = Effect.fnUntraced(function*({ connection }, _params, reply) {
  abandon(connection, "Login was not completed")
  connection.home.login = undefined
  reply({})
  updated(connection)
})

const read: Handler<"account/read"> = Effect.fnUntraced(function*({ connection: { home } }, _params, reply) {
  const { login, requiresOpenaiAuth } = home
  reply({
    // If the provider requires no login, the server reports no account.
    account: login === undefined || !requiresOpenaiAuth
      ? null
      : login.type === "apiKey"
      ? { type: "apiKey" }
      : { type: "chatgpt", email: login.email, planType: login.planType, workspaceName: null },
    userId: null,
    requiresOpenaiAuth,
    workspaceRouting: null
  })
})

const rateLimits: Handler<"account/rateLimits/read"> = Effect.fnUntraced(function*({ connection }) {
  return yield* connection.home.login?.type === "chatgpt"
    ? Refused.notFaked("account/rateLimits/read")
    : Refused.invalidRequest("codex account authentication required to read rate limits")
})

export const handlers = {
  "account/login/cancel": cancel,
  "account/login/start": start,
  "account/logout": logout,
  "account/rateLimits/read": rateLimits,
  "account/read": read
}
