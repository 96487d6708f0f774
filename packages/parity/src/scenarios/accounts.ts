import { Auth } from "@effect-codex/client"
import { Effect, Redacted } from "effect"
import { scenario } from "../scenario.ts"

export const accounts = [
  scenario("api-key", "Log in with an API key, and out", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const auth = yield* Auth.Auth
      t.result("before", yield* auth.account())
      yield* auth.loginApiKey(Redacted.make("sk-parity"))
      t.result("logged in", yield* auth.account())
      yield* auth.logout
      t.result("after", yield* auth.account({ refreshToken: false }))
    }))),

  scenario(
    "browser-login",
    "Begin a login in the browser, and cancel it",
    { browser: true, loginService: true },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const auth = yield* Auth.Auth
        const login = yield* auth.loginChatgpt()
        t.result("url", login.url)
        t.result("has id", login.id.length === 36)
        yield* login.cancel
        yield* t.fails("wait", login.wait)
      }))
  ),

  scenario(
    "device-code-login",
    "Log in with a device code",
    { loginService: true },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const auth = yield* Auth.Auth
        const login = yield* auth.loginDeviceCode
        t.result("code", [login.verificationUrl, login.userCode])
        t.result("has id", login.id.length === 36)
        yield* t.release("confirmed")
        yield* login.wait
        t.result("account", yield* auth.account())
        yield* auth.logout
      }))
  ),

  scenario(
    "cancelled-device-code",
    "Cancel a login with a device code",
    { loginService: true },
    (t) =>
      t.codex()(Effect.gen(function*() {
        const auth = yield* Auth.Auth
        const login = yield* auth.loginDeviceCode
        yield* login.cancel
        yield* t.fails("wait", login.wait)
      }))
  )
]
