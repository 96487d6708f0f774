/** Cases about logins. A login applies to the whole server, so these cases leave nobody logged in. */
import * as Auth from "@effect-codex/client/Auth"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { asked } from "./asked.ts"
import { type Case, Wire } from "./model.ts"
import { enqueue, equal, fact, refusal, request, runTurn, startThread, story } from "./story.ts"

/** Cases for a server whose model requires a login. */
export const loginCases: ReadonlyArray<Case> = [
  fact(
    "login: with a key is told, and the key goes to the model, until the logout",
    Effect.gen(function*() {
      const account = (account: { readonly type: "apiKey" } | null) => ({
        account,
        userId: null,
        requiresOpenaiAuth: true,
        workspaceRouting: null
      })
      const read = request("account/read", { refreshToken: false })
      const threadId = yield* startThread()
      const sent = Effect.gen(function*() {
        yield* enqueue("ok")
        yield* runTurn(threadId)
        return Option.getOrNull(Option.map((yield* asked).authorization, Redacted.value))
      })
      yield* equal("before", [yield* read, yield* sent], [account(null), null])
      yield* request("account/login/start", { type: "apiKey", apiKey: "sk-contract" })
      yield* equal("logged in", [yield* read, yield* sent], [account({ type: "apiKey" }), "Bearer sk-contract"])
      yield* request("account/logout", undefined)
      yield* equal("after", [yield* read, yield* sent], [account(null), null])
    })
  )
]

export const cases: ReadonlyArray<Case> = [
  story(
    "login: with a key, which is told to nobody where no login is wanted, and logout",
    Effect.gen(function*() {
      const nobody = { account: null, userId: null, requiresOpenaiAuth: false, workspaceRouting: null }
      yield* equal("before", yield* request("account/read", { refreshToken: false }), nobody)
      yield* request("account/login/start", { type: "apiKey", apiKey: "sk-contract" })
      yield* equal("the account", yield* request("account/read", { refreshToken: false }), nobody)
      yield* request("account/logout", undefined)
    })
  ),

  story(
    "login: in the browser is cancelled, and replaced by another one",
    Effect.gen(function*() {
      const first = yield* request("account/login/start", { type: "chatgpt" })
      const second = yield* request("account/login/start", { type: "chatgpt" })
      if (first.type !== "chatgpt" || second.type !== "chatgpt") return
      const cancel = (loginId: string) => request("account/login/cancel", { loginId })
      yield* equal("the first", yield* cancel(first.loginId), { status: "notFound" })
      yield* equal("the second", yield* cancel(second.loginId), { status: "canceled" })
      const { until } = yield* Wire
      yield* until(
        ({ method, params }) => method === "account/login/completed" && JSON.stringify(params).includes(second.loginId),
        0
      )
      yield* equal("no id", yield* refusal(cancel("nope")), "-32600 invalid login id: nope")
    })
  ),

  fact(
    "login: in the browser ends when a key or a logout takes its place",
    Effect.gen(function*() {
      const ends = Effect.fnUntraced(function*<E, R>(next: Effect.Effect<unknown, E, R>) {
        const login = yield* request("account/login/start", { type: "chatgpt" })
        const loginId = login.type === "chatgpt" ? login.loginId : ""
        yield* next
        // The notification comes before or after the reply.
        const { until } = yield* Wire
        const { params } = yield* until(
          ({ method, params }) => method === "account/login/completed" && JSON.stringify(params).includes(loginId),
          0
        )
        yield* equal("its end", params, {
          loginId,
          success: false,
          error: "Login server error: Login was not completed",
          onboardingEntrypoint: null
        })
      })
      yield* ends(request("account/login/start", { type: "apiKey", apiKey: "sk-contract" }))
      yield* ends(request("account/logout", undefined))
    })
  ),

  fact(
    "login: rate limits want a ChatGPT login, and a code wants a server that has them",
    Effect.gen(function*() {
      yield* equal(
        "rate limits",
        yield* refusal(request("account/rateLimits/read", undefined)),
        "-32600 codex account authentication required to read rate limits"
      )
      yield* equal(
        "a code",
        yield* refusal(request("account/login/start", { type: "chatgptDeviceCode" })),
        "-32600 device code login is not enabled for this Codex server. Use the browser login or verify the server URL."
      )
    })
  ),

  fact(
    "client: logs in with a key and out, and a login in the browser knows that it was cancelled",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      yield* auth.loginApiKey(Redacted.make("sk-contract"))
      yield* enqueue("ok")
      yield* runTurn(yield* startThread())
      yield* auth.logout
      const login = yield* auth.loginChatgpt()
      yield* login.cancel
      const error = yield* Effect.flip(login.wait)
      yield* equal("the error", [error._tag, "reason" in error ? error.reason : ""], ["LoginFailed", "cancelled"])
    })
  )
]
