/**
 * Keys and tokens go to the transport and nowhere else: not into a log, a span, an error, or what `inspect` shows of any
 * value that a program gets to see. The server of the fake is one that quotes what it was sent wherever it can.
 */
import { Auth, CodexError } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Effect, Exit, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { ask, connect, type FakeServer, frame, type Message } from "../support/fakeServer.ts"
import { badToken, build, key, makeWitness, token, watched, type Witness } from "../support/witness.ts"

describe("the witness", () => {
  it.effect("sees what a log, a span and an error tell", () => {
    const leaks: ReadonlyArray<(witness: Witness) => Effect.Effect<unknown>> = [
      () => Effect.logDebug({ key }),
      () => Effect.log(Cause.fail(new Error(key))),
      () => Effect.withSpan(Effect.void, "span", { attributes: { key } }),
      () => Effect.exit(Effect.withSpan(Effect.fail(new Error(key)), "span")),
      ({ seeExit }) => seeExit(Effect.fail(new Error("outer", { cause: new Error(key) }))),
      ({ see }) => Effect.sync(() => see({ deep: { map: new Map([["key", key]]) } }))
    ]
    return Effect.forEach(leaks, (leak) => {
      const witness = makeWitness()
      return Effect.map(witness.observe(leak(witness)), () => assert.include(witness.told(), key))
    })
  })
})

const quotes: ReadonlyArray<
  readonly [string, (server: FakeServer, login: Message, secret: string) => Effect.Effect<void>]
> = [
  [
    "a refusal",
    (server, login, secret) =>
      server.refuse(login, -32600, `Invalid request: invalid value: string "${secret}", expected a key`, {
        found: [secret]
      })
  ],
  [
    "an internal error",
    (server, login, secret) =>
      server.refuse(login, -32603, `failed to set external auth: ${secret}: error sending request`)
  ],
  ["an overload", (server, login, secret) => server.refuse(login, -32001, `no time for ${secret}`, { secret })],
  ["an error of no shape", (server, login, secret) => server.send(frame({ id: login.id, error: secret }))],
  ["an unknown error", (server, login, secret) => server.refuse(login, 7, secret)],
  ["a result of no shape", (server, login, secret) => server.reply(login, { type: 7, secret })],
  ["a result of another type", (server, login, secret) => server.reply(login, [secret])],
  ["silence", () => TestClock.adjust("60 seconds")],
  ["its end", (server) => server.close(new CodexError.TransportError({ reason: "read", detail: "the pipe broke." }))]
]

describe("with a server that quotes", () => {
  it.effect.each(quotes)(
    "an API key is not told by %s",
    ([, answer]) =>
      watched(({ see, seeExit }) =>
        Effect.gen(function*() {
          const { rpc, server } = yield* connect()
          const built = yield* Effect.forkScoped(
            seeExit(Effect.scoped(build(rpc, Auth.layerApiKey(Config.succeed(Redacted.make(key))))))
          )
          const login = yield* server.expect("account/login/start")
          assert.deepStrictEqual(login.params, { type: "apiKey", apiKey: key })
          yield* answer(server, login, key)
          assert.isTrue(Exit.isFailure(yield* Fiber.join(built)))
          see(rpc)
        })
      )
  )

  it.effect.each(quotes)(
    "external tokens are not told by %s",
    ([, answer]) =>
      watched(({ seeExit }) =>
        Effect.gen(function*() {
          const { rpc, server } = yield* connect()
          const tokens = { accessToken: Redacted.make(token), accountId: "ws-1" }
          const built = yield* Effect.forkScoped(
            seeExit(Effect.scoped(build(rpc, Auth.layerExternalTokens(() => Effect.succeed(tokens)))))
          )
          const login = yield* server.expect("account/login/start")
          assert.deepInclude(login.params, { accessToken: token })
          yield* answer(server, login, token)
          assert.isTrue(Exit.isFailure(yield* Fiber.join(built)))
        })
      )
  )

  it.effect("an API key is not told by a success, its service or a config that lacks it", () =>
    watched(({ see, seeExit }) =>
      Effect.gen(function*() {
        const { rpc, server } = yield* connect()
        const building = yield* Effect.forkScoped(
          build(rpc, Auth.layerApiKey(Config.Redacted("KEY"))).pipe(
            Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ KEY: key })))
          )
        )
        yield* server.reply(yield* server.expect("account/login/start"), { type: "apiKey" })
        see(yield* Fiber.join(building))
        yield* seeExit(
          Effect.scoped(build(rpc, Auth.layerApiKey(Config.Redacted("OTHER")))).pipe(
            Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ KEY: key })))
          )
        )
      })
    ))

  const refreshes: ReadonlyArray<readonly [string, () => Effect.Effect<Auth.ChatgptTokens, unknown>]> = [
    ["succeeds", () => Effect.succeed({ accessToken: Redacted.make(badToken), accountId: "ws-1" })],
    ["fails", () => Effect.fail(new Error(`the vault refused ${token}`, { cause: badToken }))],
    ["fails with a text", () => Effect.fail(token)],
    ["fails with a tag", () => Effect.fail({ _tag: "VaultError", token })],
    ["dies", () => Effect.die({ token })],
    ["throws", () => {
      throw new Error(token)
    }],
    [
      "gives a plain token",
      () => Effect.succeed({ accessToken: token, accountId: "ws-1" } as unknown as Auth.ChatgptTokens)
    ],
    [
      "gives a token as the workspace",
      () =>
        Effect.succeed({ accessToken: Redacted.make({ token }), accountId: [token] } as unknown as Auth.ChatgptTokens)
    ],
    ["never answers", () => Effect.onInterrupt(Effect.never, () => Effect.die(token))]
  ]
  it.effect.each(refreshes)(
    "external tokens are not told when the provider %s",
    ([how, provider]) =>
      watched(({ see, seeExit }) =>
        Effect.gen(function*() {
          const { rpc, server } = yield* connect()
          let isFirst = true
          const building = yield* Effect.forkScoped(build(
            rpc,
            Auth.layerExternalTokens(() => {
              if (!isFirst) return provider()
              isFirst = false
              return Effect.succeed({ accessToken: Redacted.make(token), accountId: "ws-1" })
            })
          ))
          yield* server.reply(yield* server.expect("account/login/start"), { type: "chatgptAuthTokens" })
          see(yield* Fiber.join(building))
          yield* server.send(ask("account/chatgptAuthTokens/refresh", 1))
          if (how === "never answers") {
            yield* server.send(ask("currentTime/read", 2))
            yield* server.next
            yield* TestClock.adjust("9 seconds")
          }
          const answer = yield* server.next
          assert.strictEqual(answer.id, 1)
          // The server gets a token, or nothing of it.
          if (how === "succeeds") assert.deepInclude(answer.result, { accessToken: badToken })
          else see(answer)
          yield* seeExit(server.close(new CodexError.TransportError({ reason: "read", detail: "the pipe broke." })))
        })
      )
  )
})
