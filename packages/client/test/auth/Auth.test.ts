/** Orders and faults of logins that the real server does not produce at will. What it does is in RealAuth.test.ts. */
import { AppServerRpc, Auth, CodexError, Transport } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Redacted,
  References,
  Scope,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import { argv } from "../../src/internal/launch.ts"
import {
  ask,
  connect,
  type FakeServer,
  frame,
  initialized,
  make,
  type Message,
  notification
} from "../support/fakeServer.ts"

const first = "6ab32f04-0910-4b4d-af17-068b4cbc0953"
const second = "bbf08eaf-3a2d-4768-91e6-ccb06fe3d9b1"

const completed = (loginId: string | null, error: string | null = null) =>
  notification("account/login/completed", { loginId, success: error === null, error, onboardingEntrypoint: null })

const browser = (loginId: string) => ({ type: "chatgpt", loginId, authUrl: "https://auth.example.com/oauth" })

const reply = (to: Message, result: unknown) => frame({ id: to.id, result })

const build = <E>(
  rpc: AppServerRpc.AppServerRpc["Service"],
  layer: Layer.Layer<Auth.Auth, E, AppServerRpc.AppServerRpc>
) =>
  Layer.build(layer.pipe(Layer.provide(Layer.succeed(AppServerRpc.AppServerRpc, rpc)))).pipe(
    Effect.map(Context.get(Auth.Auth))
  )

const connectAuth = Effect.gen(function*() {
  const { rpc, server } = yield* connect()
  return { server, rpc, auth: yield* build(rpc, Auth.layer) }
})

/** A login whose start was answered, with what else came in the read of the answer. */
const started = Effect.fnUntraced(function*(options?: {
  readonly before?: ReadonlyArray<string>
  readonly after?: ReadonlyArray<string>
}) {
  const connected = yield* connectAuth
  const scope = yield* Scope.fork(yield* Effect.scope)
  const starting = yield* Effect.forkScoped(Scope.provide(connected.auth.loginChatgpt(), scope))
  const request = yield* connected.server.expect("account/login/start")
  yield* connected.server.send(...options?.before ?? [], reply(request, browser(first)), ...options?.after ?? [])
  return { ...connected, scope, login: yield* Fiber.join(starting) }
})

const failed = (wait: Auth.PendingLogin["wait"]) =>
  Effect.map(Effect.flip(wait), (error) => {
    assert.instanceOf(error, CodexError.LoginFailed)
    return error
  })

describe("the end of a login", () => {
  it.effect("may come in the read of the reply", () =>
    Effect.gen(function*() {
      const { login } = yield* started({ after: [completed(first)] })
      yield* login.wait
    }))

  it.effect("may come before the reply", () =>
    Effect.gen(function*() {
      const { login } = yield* started({ before: [completed(second), completed(first, "no seat is left")] })
      assert.deepInclude(yield* failed(login.wait), { reason: "failed", detail: "no seat is left.", loginId: first })
    }))

  it.effect("is not the one of another login", () =>
    Effect.gen(function*() {
      const { login, server } = yield* started({ after: [completed(second), completed(null)] })
      const waiting = yield* Effect.forkScoped(login.wait, { startImmediately: true })
      yield* server.send(completed(second, "Login was not completed"), completed(null, "no"))
      yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      yield* server.send(completed(first))
      yield* Fiber.join(waiting)
    }))

  it.effect("is the same for everyone who waits, and stays what it was first", () =>
    Effect.gen(function*() {
      const { login, server } = yield* started()
      const leaving = yield* Effect.forkScoped(login.wait, { startImmediately: true })
      const waiting = yield* Effect.forkScoped(
        Effect.all([failed(login.wait), failed(login.wait)], { concurrency: 2 }),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(leaving)
      yield* server.send(completed(first, "Login server error: Login cancelled"), completed(first))
      const [one, two] = yield* Fiber.join(waiting)
      assert.strictEqual(one, two)
      assert.strictEqual(one.reason, "replaced")
      assert.strictEqual(yield* failed(login.wait), one)
    }))

  it.effect("is understood when it has not the shape of the protocol", () =>
    Effect.gen(function*() {
      const { login } = yield* started({
        after: [notification("account/login/completed", { loginId: first, success: "no", error: { code: 7 } })]
      })
      assert.deepInclude(yield* failed(login.wait), { reason: "failed", detail: "the server gave no reason." })
    }))

  it.effect("is the end of the connection if that comes first", () =>
    Effect.gen(function*() {
      const { login, scope, server } = yield* started()
      const waiting = yield* Effect.forkScoped(Effect.flip(login.wait), { startImmediately: true })
      const cause = new CodexError.TransportError({ reason: "read", detail: "the pipe broke." })
      yield* server.close(cause)
      assert.strictEqual(yield* Fiber.join(waiting), cause)
      yield* login.cancel
      yield* Scope.close(scope, Exit.void)
    }))
})

describe("cancelling a login", () => {
  it.effect("ends it when the server says so, without more from the server", () =>
    Effect.gen(function*() {
      const { login, server } = yield* started()
      const cancelling = yield* Effect.forkScoped(login.cancel)
      const request = yield* server.expect("account/login/cancel")
      assert.deepStrictEqual(request.params, { loginId: first })
      yield* server.reply(request, { status: "canceled" })
      yield* Fiber.join(cancelling)
      assert.deepInclude(yield* failed(login.wait), { reason: "cancelled", loginId: first })
    }))

  it.effect("ends it when the server does not know it and says no more", () =>
    Effect.gen(function*() {
      const { login, server } = yield* started()
      const cancelling = yield* Effect.forkScoped(login.cancel)
      yield* server.reply(yield* server.expect("account/login/cancel"), { status: "notFound" })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(cancelling)
      assert.strictEqual((yield* failed(login.wait)).reason, "cancelled")
    }))

  it.effect("does not hide a success that was on the way", () =>
    Effect.gen(function*() {
      const { login, server } = yield* started()
      const cancelling = yield* Effect.forkScoped(login.cancel)
      yield* server.reply(yield* server.expect("account/login/cancel"), { status: "notFound" })
      yield* server.send(completed(first))
      yield* Fiber.join(cancelling)
      yield* login.wait
    }))

  it.effect("is what the closing of the scope does, for two seconds at most", () =>
    Effect.gen(function*() {
      const { login, scope, server } = yield* started()
      const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      yield* server.expect("account/login/cancel")
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(closing)
      assert.strictEqual((yield* failed(login.wait)).reason, "cancelled")
    }))

  it.effect("is nothing that the closing of the scope does to a login that is over", () =>
    Effect.gen(function*() {
      const { auth, login, scope, server } = yield* started({ after: [completed(first)] })
      yield* login.wait
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forkScoped(auth.logout)
      yield* server.expect("account/logout")
    }))

  it.effect("is what an interrupted start does when the reply comes late", () =>
    Effect.gen(function*() {
      const { auth, server } = yield* connectAuth
      const starting = yield* Effect.forkScoped(Effect.scoped(auth.loginChatgpt()))
      const request = yield* server.expect("account/login/start")
      yield* Fiber.interrupt(starting)
      yield* server.reply(request, browser(first))
      assert.deepStrictEqual((yield* server.expect("account/login/cancel")).params, { loginId: first })
    }))
})

describe("the start of a login", () => {
  it.effect("keeps what is no refusal as it is", () =>
    Effect.gen(function*() {
      const { auth, server } = yield* connectAuth
      const overloaded = yield* Effect.forkScoped(Effect.flip(auth.loginDeviceCode))
      yield* server.refuse(yield* server.expect("account/login/start"), -32001, "Server overloaded; retry later.")
      assert.instanceOf(yield* Fiber.join(overloaded), CodexError.ServerOverloaded)
      const odd = yield* Effect.forkScoped(Effect.flip(auth.loginDeviceCode))
      yield* server.reply(yield* server.expect("account/login/start"), { type: "apiKey" })
      assert.instanceOf(yield* Fiber.join(odd), CodexError.DecodeError)
    }))

  it.effect("sends the options of a login in the browser, and no more", () =>
    Effect.gen(function*() {
      const { auth, server } = yield* connectAuth
      yield* Effect.forkScoped(auth.loginChatgpt({ appBrand: "chatgpt", codexStreamlinedLogin: undefined }))
      assert.deepStrictEqual((yield* server.expect("account/login/start")).params, {
        type: "chatgpt",
        appBrand: "chatgpt"
      })
    }))

  const blanks: ReadonlyArray<readonly [string, unknown]> = [
    ["an empty key", Redacted.make("")],
    ["a key of white space", Redacted.make(" \n")],
    ["a key that is not redacted", "sk-plain"],
    ["no key at all", undefined]
  ]
  it.effect.each(blanks)("sends nothing for %s", ([, key]) =>
    Effect.gen(function*() {
      const { auth, server } = yield* connectAuth
      const error = yield* Effect.flip(auth.loginApiKey(key as Redacted.Redacted<string>))
      assert.deepInclude(error, { _tag: "InvalidArgument", argument: "apiKey" })
      assert.notInclude(error.message, "sk-plain")
      yield* Effect.forkScoped(auth.logout)
      yield* server.expect("account/logout")
    }))
})

describe("where logins are kept", () => {
  it("is an override of the configuration, and left to it by default", () => {
    assert.notInclude(argv({}).join(" "), "cli_auth_credentials_store")
    assert.deepStrictEqual(
      argv({ configOverrides: ["model=\"x\""], credentialsStore: "ephemeral" }).slice(0, 2),
      ["--config=model=\"x\"", "--config=cli_auth_credentials_store=\"ephemeral\""]
    )
  })
})

describe("changes", () => {
  it.effect("are what the server tells of the account, to each reader for itself, until the connection ends", () =>
    Effect.gen(function*() {
      const { auth, server } = yield* connectAuth
      const read = Effect.gen(function*() {
        const seen: Array<Auth.AccountChange> = []
        const error = yield* Effect.flip(
          Stream.runForEach(auth.changes, (change) => Effect.sync(() => seen.push(change)))
        )
        return { seen, error }
      })
      const readers = yield* Effect.forkScoped(Effect.all([read, read], { concurrency: 2 }), { startImmediately: true })
      const cause = new CodexError.TransportError({ reason: "read", detail: "the pipe broke." })
      yield* server.send(
        notification("account/updated", { authMode: "apikey", planType: null }),
        notification("account/updated", { authMode: 7 }),
        notification("skills/changed", {}),
        completed(first)
      )
      yield* server.close(cause)
      for (const { error, seen } of yield* Fiber.join(readers)) {
        assert.strictEqual(error, cause)
        assert.deepStrictEqual(seen.map(({ _tag }) => _tag), ["account/updated", "account/login/completed"])
      }
    }))
})

// =============================================================================
// Rate limits
// =============================================================================

const nothing = {
  limitId: null,
  limitName: null,
  normalModelSlug: null,
  primary: null,
  secondary: null,
  credits: null,
  individualLimit: null,
  spendControlReached: null,
  planType: null,
  rateLimitReachedType: null
}
const hours = { usedPercent: 40, windowDurationMins: 300, resetsAt: 1_800_000_000 }
const week = { usedPercent: 10, windowDurationMins: 10_080, resetsAt: 1_800_600_000 }
const full = {
  ...nothing,
  limitId: "codex",
  limitName: "Codex",
  primary: hours,
  secondary: week,
  credits: { hasCredits: true, unlimited: false, balance: "3.5" },
  planType: "pro"
}
const read = {
  ordinaryUsageAllowed: true,
  rateLimits: full,
  rateLimitsByLimitId: { codex: full, other: { ...nothing, limitId: "other", primary: week } },
  rateLimitResetCredits: null,
  accountId: null,
  rateLimitUpsell: null
}
const updated = (limit: object) => notification("account/rateLimits/updated", { rateLimits: { ...nothing, ...limit } })
/** Its answer comes after all that was sent before. */
const processed = Effect.fnUntraced(function*(auth: Auth.Auth["Service"], server: FakeServer) {
  const asking = yield* Effect.forkScoped(auth.logout)
  yield* Effect.flatMap(server.expect("account/logout"), (request) => server.reply(request, {}))
  yield* Fiber.join(asking)
})

describe("rate limits", () => {
  const known = Effect.gen(function*() {
    const { auth, server } = yield* connectAuth
    const reading = yield* Effect.forkScoped(auth.rateLimits)
    yield* Effect.flatMap(server.expect("account/rateLimits/read"), (request) => server.reply(request, read))
    assert.deepStrictEqual<unknown>(yield* Fiber.join(reading), read)
    const now = Effect.andThen(
      processed(auth, server),
      Effect.map(Stream.runHead(auth.rateLimitChanges), Option.getOrThrow)
    )
    return { auth, server, now }
  })

  it.effect("that are told in part are completed by what is known, limit by limit and window by window", () =>
    Effect.gen(function*() {
      const { now, server } = yield* known
      assert.deepStrictEqual<unknown>(yield* now, read)
      yield* server.send(
        updated({ limitId: "codex" }),
        updated({ limitId: "codex", primary: { usedPercent: 55, windowDurationMins: null, resetsAt: null } }),
        updated({ limitId: "other", secondary: hours }),
        updated({ limitId: "new", primary: week }),
        updated({ limitId: "codex", primary: "much" })
      )
      const codex = { ...full, primary: { ...hours, usedPercent: 55 } }
      assert.deepStrictEqual<unknown>(yield* now, {
        ...read,
        rateLimits: codex,
        rateLimitsByLimitId: {
          codex,
          other: { ...nothing, limitId: "other", primary: week, secondary: hours },
          new: { ...nothing, limitId: "new", primary: week }
        }
      })
      // Another window: the end of the former one says nothing of it.
      const day = { usedPercent: 1, windowDurationMins: 1440, resetsAt: null }
      yield* server.send(updated({ primary: day }))
      assert.deepStrictEqual((yield* now).rateLimits, { ...codex, primary: day })
    }))

  it.effect("are in the account's changes with all that is known of the limit", () =>
    Effect.gen(function*() {
      const { auth, server } = yield* known
      const changes = yield* Effect.forkScoped(
        auth.changes.pipe(Stream.take(2), Stream.runCollect),
        { startImmediately: true }
      )
      const used = (usedPercent: number) => ({ primary: { ...hours, usedPercent } })
      yield* server.send(
        updated({ limitId: "codex", ...used(50) }),
        updated({ limitId: "codex", ...used(60) })
      )
      assert.deepStrictEqual<unknown>(
        (yield* Fiber.join(changes)).map(({ params }) => params),
        [50, 60].map((usedPercent) => ({ rateLimits: { ...full, ...used(usedPercent) } }))
      )
    }))

  it.effect("are told each time that they change, the latest alone to a slow reader, until the connection ends", () =>
    Effect.gen(function*() {
      const { auth, server } = yield* connectAuth
      const seen: Array<number | undefined> = []
      const reading = yield* auth.rateLimitChanges.pipe(
        Stream.runForEach(({ rateLimits }) => Effect.sync(() => void seen.push(rateLimits.primary?.usedPercent))),
        Effect.flip,
        Effect.forkScoped({ startImmediately: true })
      )
      // It says nothing, as codex does for who has no ChatGPT account.
      yield* server.send(updated({ limitId: "codex" }))
      yield* server.send(updated({ limitId: "codex", primary: hours }))
      yield* Effect.yieldNow
      yield* server.send(updated({ limitId: "codex", primary: hours }))
      yield* server.send(
        updated({ limitId: "codex", primary: week }),
        updated({ primary: { ...week, usedPercent: 11 } })
      )
      yield* Effect.yieldNow
      const cause = new CodexError.TransportError({ reason: "read", detail: "the pipe broke." })
      yield* server.close(cause)
      assert.strictEqual(yield* Fiber.join(reading), cause)
      assert.deepStrictEqual(seen, [40, 11])
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(auth.rateLimitChanges)), cause)
    }))

  it.effect("of another account begin with nothing, and those of the same one stay", () =>
    Effect.gen(function*() {
      const account = (authMode: string | null) => notification("account/updated", { authMode, planType: null })
      for (
        const [frames, stays] of [
          [[account("chatgpt"), account("chatgpt")], true],
          [[notification("account/login/completed", { loginId: null, success: true, error: null })], true],
          [[account(null)], false],
          [[account("chatgpt"), account("apikey")], false],
          [[completed(first)], false]
        ] as const
      ) {
        const { auth, now, server } = yield* known
        yield* server.send(...frames)
        if (stays) {
          assert.deepStrictEqual<unknown>(yield* now, read)
          continue
        }
        yield* processed(auth, server)
        yield* server.send(updated({ limitId: "codex", primary: week }))
        assert.deepStrictEqual((yield* now).rateLimits, { ...nothing, limitId: "codex", primary: week })
      }
    }))
})

// =============================================================================
// External tokens
// =============================================================================

const tokens = (serial: number): Auth.ChatgptTokens => ({
  accessToken: Redacted.make(`token-${serial}`),
  accountId: "ws-1",
  planType: "pro"
})

const connectExternal = Effect.fnUntraced(function*<E>(
  provider: (request: Auth.TokensRequest) => Effect.Effect<Auth.ChatgptTokens, E>,
  options?: Auth.ExternalTokensOptions
) {
  const { rpc, server } = yield* connect()
  const building = yield* Effect.forkScoped(build(rpc, Auth.layerExternalTokens(provider, options)))
  const login = yield* server.expect("account/login/start")
  yield* server.reply(login, { type: "chatgptAuthTokens" })
  return { server, login, auth: yield* Fiber.join(building) }
})

const refresh = (id: number) => ask("account/chatgptAuthTokens/refresh", id)

const isRefused = ({ error, id }: Message, ...expected: ReadonlyArray<unknown>) => {
  assert.include(expected, id)
  assert.deepStrictEqual(error, { code: -32603, message: "This client could not get new ChatGPT tokens." })
}

/** Asks for tokens, and waits until the client has begun to see to it. */
const asksFor = Effect.fnUntraced(function*(server: FakeServer, id: number) {
  yield* server.send(refresh(id), ask("currentTime/read", `after ${id}`))
  assert.strictEqual((yield* server.next).id, `after ${id}`)
})

describe("external tokens", () => {
  it.effect("are refreshed once for the requests that come meanwhile, and again for a later one", () =>
    Effect.gen(function*() {
      const asked: Array<Auth.TokensRequest> = []
      const gate = yield* Deferred.make<void>()
      const { login, server } = yield* connectExternal((request) =>
        Effect.suspend(() => {
          const count = asked.push(request)
          return Effect.as(request.reason === "login" ? Effect.void : Deferred.await(gate), tokens(count))
        })
      )
      assert.deepStrictEqual(login.params, {
        type: "chatgptAuthTokens",
        accessToken: "token-1",
        chatgptAccountId: "ws-1",
        chatgptPlanType: "pro"
      })
      yield* server.send(...[1, 2, 3, 4, 5].map(refresh))
      // The end of the one who came first is not the end of the others.
      yield* server.send(notification("serverRequest/resolved", { threadId: "t", requestId: 1 }))
      yield* Deferred.succeed(gate, undefined)
      for (const id of [2, 3, 4, 5]) {
        assert.deepStrictEqual(yield* server.next, {
          id,
          result: { accessToken: "token-2", chatgptAccountId: "ws-1", chatgptPlanType: "pro" }
        })
      }
      yield* server.send(refresh(6))
      assert.deepInclude((yield* server.next).result, { accessToken: "token-3" })
      assert.deepStrictEqual(asked, [
        { reason: "login", previousAccountId: undefined },
        { reason: "unauthorized", previousAccountId: "ws-1" },
        { reason: "unauthorized", previousAccountId: "ws-1" }
      ])
    }))

  it.effect("are refused at the deadline, and the provider is interrupted and asked anew", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      let count = 0
      const { server } = yield* connectExternal(() =>
        Effect.suspend(() =>
          ++count === 2
            ? Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            : Effect.succeed(tokens(count))
        )
      )
      yield* asksFor(server, 1)
      yield* TestClock.adjust("8 seconds")
      yield* asksFor(server, 2)
      assert.strictEqual(count, 2)
      yield* TestClock.adjust("1 second")
      isRefused(yield* server.next, 1, 2)
      yield* Deferred.await(interrupted)
      isRefused(yield* server.next, 1, 2)
      yield* server.send(refresh(3))
      assert.deepInclude((yield* server.next).result, { accessToken: "token-3" })
    }))

  it.effect("have the deadline that was asked for, also when the provider cannot be interrupted", () =>
    Effect.gen(function*() {
      let count = 0
      const { server } = yield* connectExternal(
        () =>
          ++count === 1
            ? Effect.succeed(tokens(1))
            : Effect.uninterruptible(Effect.delay(Effect.succeed(tokens(2)), "5 seconds")),
        { refreshTimeout: "3 seconds" }
      )
      yield* asksFor(server, 1)
      yield* TestClock.adjust("3 seconds")
      isRefused(yield* server.next, 1)
      yield* asksFor(server, 2)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* server.next).id, 2)
      assert.strictEqual(count, 2)
    }))

  const failures: ReadonlyArray<readonly [string, () => Effect.Effect<Auth.ChatgptTokens, unknown>]> = [
    ["fails", () => Effect.fail(new Error("no"))],
    ["dies", () => Effect.die("no")],
    ["throws", () => {
      throw new Error("no")
    }],
    [
      "gives a token that is not redacted",
      () => Effect.succeed({ accessToken: "token-2", accountId: "ws-1" } as unknown as Auth.ChatgptTokens)
    ],
    ["gives no workspace", () => Effect.succeed({ accessToken: Redacted.make("token-2"), accountId: "" })],
    ["gives nothing", () => Effect.succeed(undefined as unknown as Auth.ChatgptTokens)]
  ]
  it.effect.each(failures)("are refused when the provider %s", ([, provider]) =>
    Effect.gen(function*() {
      let count = 0
      const { server } = yield* connectExternal(() => count++ === 0 ? Effect.succeed(tokens(1)) : provider())
      yield* server.send(refresh(1))
      isRefused(yield* server.next, 1)
    }))

  it.effect("are refused by the default when the layer is gone", () =>
    Effect.gen(function*() {
      const { rpc, server } = yield* connect()
      const building = yield* Effect.forkScoped(
        Effect.scoped(build(rpc, Auth.layerExternalTokens(() => Effect.succeed(tokens(1)))))
      )
      yield* server.reply(yield* server.expect("account/login/start"), { type: "chatgptAuthTokens" })
      yield* Fiber.join(building)
      yield* server.send(refresh(1))
      assert.include((yield* server.next).error?.message, "holds no ChatGPT tokens")
    }))

  it.effect("fail the layer with the error of a provider that has none", () =>
    Effect.gen(function*() {
      const { rpc } = yield* connect()
      const error = yield* Effect.flip(
        build(rpc, Auth.layerExternalTokens(() => Effect.fail("the vault is closed" as const)))
      )
      assert.strictEqual(error, "the vault is closed")
    }))

  it.effect("are used although the backend is away, which is logged", () => {
    const lines: Array<string> = []
    const logged = Deferred.makeUnsafe<void>()
    const logger = Logger.make(({ message }) => {
      lines.push(String(message))
      Deferred.doneUnsafe(logged, Effect.void)
    })
    return Effect.gen(function*() {
      const { server } = yield* connectExternal(() => Effect.succeed(tokens(1)))
      yield* server.send(
        completed(first, "of another login"),
        completed(null),
        completed(null, "workspace routing discovery failed")
      )
      yield* Deferred.await(logged)
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "workspace routing discovery failed")
    }).pipe(Effect.provide(Logger.layer([logger])), Effect.provideService(References.MinimumLogLevel, "Info"))
  })
})

describe("a login id that is too long to be sent back", () => {
  it.effect("fails its cancelling, and lets the scope of its handle close", () =>
    Effect.gen(function*() {
      const server = yield* make
      const transport = Layer.succeed(Transport.Transport, { ...server.client, maxSendBytes: 2000 })
      const layer = Auth.layer.pipe(Layer.provide(AppServerRpc.layer()), Layer.provide(transport))
      const starting = yield* Effect.forkScoped(Layer.build(layer))
      yield* Effect.flatMap(server.expect("initialize"), (request) => server.reply(request, initialized))
      const auth = Context.get(yield* Fiber.join(starting), Auth.Auth)
      yield* server.next
      const scope = yield* Scope.make()
      const asking = yield* Effect.forkScoped(Scope.provide(auth.loginDeviceCode, scope))
      yield* Effect.flatMap(server.expect("account/login/start"), (request) =>
        server.reply(request, {
          type: "chatgptDeviceCode",
          loginId: "x".repeat(3000),
          userCode: "ABCD-EFGH",
          verificationUrl: "https://auth.example.com/device"
        }))
      const { cancel } = yield* Fiber.join(asking)
      assert.deepInclude(yield* Effect.flip(cancel), { _tag: "DecodeError", method: "account/login/start" })
      assert.deepStrictEqual(yield* Effect.exit(Scope.close(scope, Exit.void)), Exit.void)
    }))
})
