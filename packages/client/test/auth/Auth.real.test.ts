/**
 * Accounts and logins on the real codex binary. The login service and ChatGPT's backend are a server on loopback.
 */
import { AppServerRpc, Auth, Codex, CodexError } from "@effect-codex/client"
import { BrowserLogin, CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Scope,
  Stream
} from "effect"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import type * as Net from "node:net"
import * as Path from "node:path"

// =============================================================================
// What the logins need
// =============================================================================

const part = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url")

/** A token that codex can read: it looks at the claims and leaves the signature to the backend. */
const jwt = (accountId: string, serial: number): string =>
  [
    part({ alg: "none", typ: "JWT" }),
    part({
      serial,
      email: "someone@example.com",
      "https://api.openai.com/auth": {
        chatgpt_account_id: accountId,
        chatgpt_plan_type: "pro",
        chatgpt_user_id: "user-1"
      }
    }),
    "c2ln"
  ].join(".")

const tokens = (serial: number): Auth.ChatgptTokens => ({
  accessToken: Redacted.make(jwt("ws-1", serial)),
  accountId: "ws-1"
})

/** The login service, whose users confirm every code at once, and what codex asks of ChatGPT's backend. */
const answers: Record<string, object> = {
  "/api/accounts/deviceauth/usercode": { device_auth_id: "device-1", user_code: "ABCD-1234", interval: "1" },
  "/api/accounts/deviceauth/token": {
    authorization_code: "code",
    code_challenge: "challenge",
    code_verifier: "verifier"
  },
  "/oauth/token": { id_token: jwt("ws-1", 0), access_token: jwt("ws-1", 0), refresh_token: "refresh-1" },
  "/backend-api/wham/accounts/check": {
    // Codex insists on https here. Nothing listens there.
    accounts: [{
      id: "ws-1",
      workspace_backend_origin: "https://127.0.0.1:1",
      account_routing_override: "NO_CONSTRAINT"
    }]
  }
}

class Service extends Context.Service<Service, { readonly url: string }>()("test/RealAuth/Service") {}

const ServiceLive = Layer.effect(
  Service,
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = Http.createServer((request, response) => {
        request.resume()
        const answer = answers[request.url ?? ""]
        response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" })
        response.end(JSON.stringify(answer ?? {}))
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { server, url: `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}` }
    }),
    ({ server }) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      })
  )
)

const codex = (options?: ScriptedCodex.Options) =>
  Layer.unwrap(Effect.map(Service, ({ url }) =>
    ScriptedCodex.layer({
      ...options,
      home: {
        ...options?.home,
        config: {
          chatgpt_base_url: `${url}/backend-api/`,
          model_providers: { scripted: { requires_openai_auth: true } },
          ...options?.home?.config
        }
      },
      codex: { ...options?.codex, env: { CODEX_APP_SERVER_LOGIN_ISSUER: url, ...options?.codex?.env } }
    }))).pipe(Layer.provideMerge(ServiceLive))

const withBrowser = codex().pipe(Layer.provideMerge(BrowserLogin.layerExclusive))

type Services = Layer.Success<ReturnType<typeof codex>>

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  layer: Layer.Layer<Services, unknown> = codex()
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(layer)))

const external = (provider: (request: Auth.TokensRequest) => Effect.Effect<Auth.ChatgptTokens>) =>
  Auth.layerExternalTokens(provider).pipe(Layer.provideMerge(codex()))

const bearer = (request: ScriptedModel.ModelRequest | undefined) =>
  Option.getOrUndefined(Option.map(request?.authorization ?? Option.none(), Redacted.value))

const stale = `Bearer ${jwt("ws-1", 1)}`

/** Refuses the first tokens, when so many turns have come with them, and takes any others. */
const refuseTogether = (turns: number) => {
  const all = Deferred.makeUnsafe<void>()
  let waiting = 0
  return (request: ScriptedModel.ModelRequest): ScriptedModel.Answer | Effect.Effect<ScriptedModel.Answer> => {
    if (bearer(request) !== stale) return "done"
    if (++waiting === turns) Deferred.doneUnsafe(all, Exit.void)
    return Effect.as(Deferred.await(all), ScriptedModel.httpFailure(401, "expired"))
  }
}

const authorizations = Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests).pipe(
  Effect.map((requests) => requests.map(bearer))
)

const enqueue = (...given: ReadonlyArray<ScriptedModel.Answer>) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...given))

const newThread = Effect.flatMap(Codex.Codex, (codex) => codex.startThread())

const authFile = Effect.flatMap(
  CodexHome.CodexHome,
  ({ path }) => Effect.promise(() => Fs.readFile(Path.join(path, "auth.json"), "utf8").catch(() => undefined))
)

/** What a login ended with, from the server's own mouth. */
const cancelled = (loginId: string) =>
  Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.request("account/login/cancel", { loginId })).pipe(
    Effect.map(({ status }) => status)
  )

const failure = (wait: Auth.PendingLogin["wait"]) =>
  Effect.map(Effect.flip(wait), (error) => {
    assert.instanceOf(error, CodexError.LoginFailed)
    return error
  })

// =============================================================================
// API keys
// =============================================================================

describe("an API key", () => {
  real(
    "reaches the model, also from a thread that was started before, until the logout",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const thread = yield* newThread
      yield* enqueue("one", "two", "three")
      yield* thread.run("before")
      yield* auth.loginApiKey(Redacted.make(" sk-one\n"))
      assert.deepStrictEqual((yield* auth.account()).account, { type: "apiKey" })
      yield* thread.run("logged in")
      yield* auth.logout
      assert.isNull((yield* auth.account()).account)
      yield* thread.run("after")
      assert.deepStrictEqual(yield* authorizations, [undefined, "Bearer sk-one", undefined])
    })
  )

  real(
    "is stored in place of the user's login",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      yield* auth.loginApiKey(Redacted.make("sk-new"))
      assert.include(yield* authFile, "sk-new")
    }),
    codex({ home: { apiKey: Redacted.make("sk-stored") } })
  )

  real(
    "of layerApiKey leaves the user's login alone with an ephemeral store",
    Effect.gen(function*() {
      yield* enqueue("fine")
      yield* (yield* newThread).run("go")
      assert.deepStrictEqual(yield* authorizations, ["Bearer sk-config"])
      const auth = yield* Auth.Auth
      yield* auth.logout
      assert.include(yield* authFile, "sk-stored")
    }),
    Auth.layerApiKey(Config.Redacted("KEY")).pipe(
      Layer.provideMerge(
        codex({ home: { apiKey: Redacted.make("sk-stored") }, codex: { credentialsStore: "ephemeral" } })
      ),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ KEY: "sk-config" })))
    )
  )

  real(
    "is refused by a configuration that asks for ChatGPT",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const error = yield* Effect.flip(auth.loginApiKey(Redacted.make("sk-one")))
      assert.instanceOf(error, CodexError.LoginFailed)
      assert.deepInclude(error, { reason: "refused", isRetryable: false, loginId: null })
      assert.include(error.message, "API key login is disabled.")
      assert.instanceOf(error.cause, CodexError.RpcError)
      assert.strictEqual(error.cause.reason, "invalidRequest")
    }),
    codex({ home: { config: { forced_login_method: "chatgpt" } } })
  )

  real(
    "does not give rate limits or usage, and neither does being logged out",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const read = Effect.gen(function*() {
        const errors = [yield* Effect.flip(auth.rateLimits), yield* Effect.flip(auth.usage())]
        for (const error of errors) assert.instanceOf(error, CodexError.LoginRequired)
      })
      yield* read
      yield* auth.loginApiKey(Redacted.make("sk-one"))
      yield* read
    })
  )
})

// =============================================================================
// External tokens
// =============================================================================

describe("external tokens", () => {
  let serial = 0
  const reasons: Array<Auth.TokensRequest> = []
  real(
    "reach the model with their workspace, and are refreshed when they are refused",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const thread = yield* newThread
      yield* enqueue("one", ScriptedModel.httpFailure(401, "expired"), "two")
      yield* thread.run("go")
      const result = yield* thread.run("again")
      assert.deepStrictEqual(result.finalResponse, Option.some("two"))
      assert.deepStrictEqual(yield* authorizations, [
        `Bearer ${jwt("ws-1", 1)}`,
        `Bearer ${jwt("ws-1", 1)}`,
        `Bearer ${jwt("ws-1", 2)}`
      ])
      const requests = yield* Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests)
      for (const { headers } of requests) assert.strictEqual(headers["chatgpt-account-id"], "ws-1")
      assert.deepStrictEqual(reasons, [
        { reason: "login", previousAccountId: undefined },
        { reason: "unauthorized", previousAccountId: "ws-1" }
      ])
      assert.deepInclude((yield* auth.account()).account, { type: "chatgpt", email: "someone@example.com" })
      assert.isUndefined(yield* authFile)
    }),
    external((request) =>
      Effect.sync(() => {
        reasons.push(request)
        return tokens(++serial)
      })
    )
  )

  real(
    "that cannot be refreshed make the turn fail, and the next one may succeed",
    Effect.gen(function*() {
      const thread = yield* newThread
      yield* enqueue(ScriptedModel.httpFailure(401, "expired"), "two")
      const error = yield* Effect.flip(thread.run("go"))
      assert.instanceOf(error, CodexError.TurnFailed)
      assert.include(error.message, "auth refresh request failed")
      assert.strictEqual((yield* thread.run("again")).status, "completed")
    }),
    external(({ reason }) => reason === "login" ? Effect.succeed(tokens(1)) : Effect.die("the vault is closed"))
  )

  real(
    "are refreshed for each of the turns that were refused at once",
    Effect.gen(function*() {
      const threads = yield* Effect.all([newThread, newThread, newThread])
      const results = yield* Effect.forEach(threads, (thread) => thread.run("go"), { concurrency: "unbounded" })
      assert.deepStrictEqual(results.map(({ status }) => status), ["completed", "completed", "completed"])
      const refused = (yield* authorizations).filter((authorization) => authorization === stale)
      assert.strictEqual(refused.length, 3)
    }),
    Auth.layerExternalTokens(({ reason }) => Effect.succeed(tokens(reason === "login" ? 1 : 2))).pipe(
      Layer.provideMerge(codex({ model: { answer: refuseTogether(3) } }))
    )
  )

  real(
    "keep other logins out until the logout",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const logins: ReadonlyArray<Effect.Effect<unknown, CodexError.LoginError, Scope.Scope>> = [
        auth.loginApiKey(Redacted.make("sk-one")),
        auth.loginChatgpt(),
        auth.loginDeviceCode
      ]
      for (const login of logins) {
        const error = yield* Effect.flip(login)
        assert.instanceOf(error, CodexError.LoginFailed)
        assert.strictEqual(error.reason, "refused")
        assert.include(error.message, "External auth is active.")
      }
      yield* auth.logout
      yield* auth.loginApiKey(Redacted.make("sk-one"))
    }),
    external(() => Effect.succeed(tokens(1)))
  )

  real(
    "that are none fail the layer",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const built = Auth.layerExternalTokens(() =>
        Effect.succeed({ accessToken: Redacted.make("no token"), accountId: "ws-1" })
      ).pipe(Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, rpc)), Layer.build)
      const error = yield* Effect.flip(built)
      assert.instanceOf(error, CodexError.LoginFailed)
      assert.strictEqual(error.reason, "refused")
      assert.include(error.message, "invalid ID token format")
    })
  )
})

// =============================================================================
// Logins with a person
// =============================================================================

describe("a login in the browser", () => {
  real(
    "succeeds when the browser comes back with a code",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const changes = yield* auth.changes.pipe(
        Stream.takeUntil((change) => change._tag === "account/updated"),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      const login = yield* auth.loginChatgpt()
      const { searchParams } = new URL(login.url)
      const callback = `${searchParams.get("redirect_uri")}?code=code&state=${searchParams.get("state")}`
      yield* Effect.promise(async () => {
        const { headers } = await fetch(callback, { redirect: "manual" })
        // The browser is sent on to a page of codex, and the login ends when it gets there.
        await fetch(headers.get("location") ?? "")
      })
      yield* login.wait
      yield* login.wait
      assert.deepStrictEqual(
        (yield* Fiber.join(changes)).map((
          { _tag, params }
        ) => [_tag, "loginId" in params ? params.loginId : undefined]),
        [["account/login/completed", login.id], ["account/updated", undefined]]
      )
      assert.deepInclude((yield* auth.account()).account, { type: "chatgpt", planType: "pro" })
      // It is over, so the end of the scope and a late `cancel` leave it alone.
      yield* login.cancel
    }),
    withBrowser
  )

  real(
    "ends when it is cancelled",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const login = yield* auth.loginChatgpt()
      const waiting = yield* Effect.forkScoped(failure(login.wait), { startImmediately: true })
      yield* login.cancel
      assert.deepInclude(yield* Fiber.join(waiting), { reason: "cancelled", loginId: login.id })
      assert.strictEqual((yield* failure(login.wait)).reason, "cancelled")
      assert.strictEqual(yield* cancelled(login.id), "notFound")
      yield* login.cancel
    }),
    withBrowser
  )

  real(
    "ends when another one replaces it, which is not touched",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const first = yield* auth.loginChatgpt()
      const second = yield* auth.loginChatgpt()
      assert.deepInclude(yield* failure(first.wait), { reason: "replaced", loginId: first.id })
      yield* first.cancel
      const waiting = yield* Effect.forkScoped(failure(second.wait), { startImmediately: true })
      assert.isUndefined(waiting.pollUnsafe())
      assert.strictEqual(yield* cancelled(second.id), "canceled")
      yield* Fiber.join(waiting)
    }),
    withBrowser
  )

  real(
    "ends when a key or a logout takes its place",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const first = yield* auth.loginChatgpt()
      yield* auth.loginApiKey(Redacted.make("sk-one"))
      assert.strictEqual((yield* failure(first.wait)).reason, "replaced")
      const second = yield* auth.loginChatgpt()
      yield* auth.logout
      assert.strictEqual((yield* failure(second.wait)).reason, "replaced")
    }),
    withBrowser
  )

  real(
    "ends on the server when its scope closes",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const scope = yield* Scope.make()
      const login = yield* Scope.provide(auth.loginChatgpt(), scope)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* failure(login.wait)).reason, "cancelled")
      assert.strictEqual(yield* cancelled(login.id), "notFound")
    }),
    withBrowser
  )
})

describe("a login with a code", () => {
  real(
    "succeeds when the code is confirmed",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const { url } = yield* Service
      const login = yield* auth.loginDeviceCode
      assert.deepInclude(login, { userCode: "ABCD-1234", verificationUrl: `${url}/codex/device` })
      yield* login.wait
      assert.deepInclude((yield* auth.account()).account, { type: "chatgpt", email: "someone@example.com" })
    })
  )

  real(
    "fails as offline when the login service cannot be reached",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const error = yield* Effect.flip(auth.loginDeviceCode)
      assert.instanceOf(error, CodexError.LoginFailed)
      assert.deepInclude(error, { reason: "offline", isRetryable: true })
      assert.include(error.message, "check the network")
    }),
    codex({ codex: { env: { CODEX_APP_SERVER_LOGIN_ISSUER: "http://127.0.0.1:1" } } })
  )
})
