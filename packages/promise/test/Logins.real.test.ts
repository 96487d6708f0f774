/** Logins of persons, on the real codex. The login service is a server on loopback. */
import { LoginFailed, type PendingLogin } from "@effect-codex/promise"
import { idToken } from "@effect-codex/test-support/idToken"
import { assert, describe } from "@effect/vitest"
import { createServer } from "node:http"
import { real, rejection } from "./support/real.ts"

/** The users of this service confirm every code at once. */
const answers: Record<string, object> = {
  "/api/accounts/deviceauth/usercode": { device_auth_id: "device-1", user_code: "ABCD-1234", interval: "1" },
  "/api/accounts/deviceauth/token": {
    authorization_code: "code",
    code_challenge: "challenge",
    code_verifier: "verifier"
  },
  "/oauth/token": { id_token: idToken, access_token: idToken, refresh_token: "refresh-1" },
  "/backend-api/wham/accounts/check": {
    // Codex insists on https here. Nothing listens there.
    accounts: [{
      id: "ws-1",
      workspace_backend_origin: "https://127.0.0.1:1",
      account_routing_override: "NO_CONSTRAINT"
    }]
  }
}

const service = async () => {
  const server = createServer((request, response) => {
    request.resume()
    const answer = answers[request.url ?? ""]
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" })
    response.end(JSON.stringify(answer ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  return {
    url,
    /** What a codex that logs in there is started with. */
    options: {
      env: { CODEX_APP_SERVER_LOGIN_ISSUER: url },
      configOverrides: [`chatgpt_base_url="${url}/backend-api/"`]
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

const home = { config: { model_providers: { scripted: { requires_openai_auth: true } } } }

const reasonOf = async (login: PendingLogin) => {
  const error = await rejection(login.wait())
  if (!(error instanceof LoginFailed)) return assert.fail(String(error))
  assert.strictEqual(error.loginId, login.id)
  return error.reason
}

describe("a login of a person", () => {
  real("with a code gives where to enter it, and waits for its end", async ({ open }) => {
    await using issuer = await service()
    const codex = open(issuer.options)
    await using login = await codex.auth.loginDeviceCode()
    assert.strictEqual(login.verificationUrl, `${issuer.url}/codex/device`)
    assert.strictEqual(login.userCode, "ABCD-1234")
    await login.wait()
    assert.deepInclude((await codex.auth.account()).account, { type: "chatgpt", planType: "pro" })
  }, { home })

  real("in the browser waits for its end, which it has once", async ({ open }) => {
    await using issuer = await service()
    const codex = open(issuer.options)
    {
      await using login = await codex.auth.loginChatgpt()
      const { origin, searchParams } = new URL(login.url)
      assert.strictEqual(origin, issuer.url)
      const callback = `${searchParams.get("redirect_uri")}?code=code&state=${searchParams.get("state")}`
      const { headers } = await fetch(callback, { redirect: "manual" })
      // The browser is sent on to a page of codex, and the login ends when it gets there.
      await fetch(headers.get("location") ?? "")
      await login.wait()
      await login.cancel()
      await login.wait()
    }
    assert.deepInclude((await codex.auth.account()).account, { type: "chatgpt", planType: "pro" })
  }, { home, browser: true })

  real("in the browser ends when it is cancelled, closed, disposed of, or replaced", async ({ codex }) => {
    const isOver = async (login: PendingLogin) => {
      const { status } = await codex.request("account/login/cancel", { loginId: login.id })
      assert.strictEqual(status, "notFound")
    }
    const cancelled = await codex.auth.loginChatgpt()
    const reason = reasonOf(cancelled)
    await cancelled.cancel()
    assert.strictEqual(await reason, "cancelled")
    await isOver(cancelled)

    const closed = await codex.auth.loginChatgpt()
    await closed.close()
    await isOver(closed)

    const login = await (async () => {
      await using login = await codex.auth.loginChatgpt()
      return login
    })()
    await isOver(login)

    const replaced = await codex.auth.loginChatgpt()
    const next = await codex.auth.loginChatgpt()
    assert.strictEqual(await reasonOf(replaced), "replaced")
    await next.close()
  }, { home, browser: true })

  real("is cancelled by the signal that it was started with, as long as it goes on", async ({ codex }) => {
    const controller = new AbortController()
    const login = await codex.auth.loginChatgpt({ signal: controller.signal })
    const waiting = rejection(login.wait())
    controller.abort(new Error("enough"))
    assert.instanceOf(await waiting, LoginFailed)
    await login.close()
    const { status } = await codex.request("account/login/cancel", { loginId: login.id })
    assert.strictEqual(status, "notFound")
  }, { home, browser: true })

  real("goes on when a signal ends the waiting for it", async ({ codex }) => {
    const login = await codex.auth.loginChatgpt()
    const reason = new Error("enough")
    const controller = new AbortController()
    const waiting = login.wait({ signal: controller.signal })
    controller.abort(reason)
    assert.strictEqual(await rejection(waiting), reason)
    const { status } = await codex.request("account/login/cancel", { loginId: login.id })
    assert.strictEqual(status, "canceled")
    // Only a `cancel` of its handle is told as such.
    assert.strictEqual(await reasonOf(login), "replaced")
  }, { home, browser: true })
})
