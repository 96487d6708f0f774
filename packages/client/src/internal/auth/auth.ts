/** The implementation of `Auth`. */
import type * as Received from "@effect-codex/protocol/Received"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { AppServerRpc } from "../../AppServerRpc.ts"
import type { AccountChange, ChatgptTokens, ExternalTokensOptions, TokensRequest } from "../../Auth.ts"
import { Auth } from "../../Auth.ts"
import type { ConnectionError, LoginError } from "../../CodexError.ts"
import { DecodeError, InvalidArgument } from "../../CodexError.ts"
import type { Handler } from "../../ServerRequests.ts"
import { Refusal } from "../../ServerRequests.ts"
import * as CapturedServices from "../capturedServices.ts"
import { observedEvents } from "../events/observedEvents.ts"
import * as RpcErrors from "../protocol/rpcErrors.ts"
import { call, ownParams } from "../protocol/uses.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import { defined } from "../settings/settings.ts"
import * as RateLimits from "../turns/rateLimits.ts"
import * as Login from "./login.ts"

export const make: Effect.Effect<Auth["Service"], never, AppServerRpc | Scope.Scope> = Effect.gen(function*() {
  const rpc = yield* AppServerRpc
  const scope = yield* Effect.scope
  const limits = yield* RateLimits.follow(rpc)

  const start = <A extends Received.LoginAccountResponse["type"]>(
    params: Sent.LoginAccountParams & { readonly type: A }
  ) =>
    rpc.request("account/login/start", params).pipe(
      Effect.mapError((error) => RpcErrors.fromLoginStart(error)),
      Effect.filterOrFail(
        (reply): reply is Extract<Received.LoginAccountResponse, { readonly type: A }> => reply.type === params.type,
        (raw) =>
          new DecodeError({
            method: "account/login/start",
            issue: `the reply is not for a login of the type ${params.type}.`,
            raw
          })
      )
    )

  return Auth.of({
    account: Effect.fn("Auth.account")((options) =>
      rpc.request("account/read", defined({ refreshToken: options?.refreshToken }))
    ),
    loginApiKey: Effect.fn("Auth.loginApiKey")(function*(given) {
      const apiKey = secretOf(given)?.trim() ?? ""
      if (apiKey === "") {
        return yield* new InvalidArgument({
          argument: "apiKey",
          detail: "expected a key that is not blank, as Redacted.make(key) or from Config.Redacted."
        })
      }
      yield* login(rpc, { type: "apiKey", apiKey }, apiKey)
    }),
    loginChatgpt: Effect.fn("Auth.loginChatgpt")(function*(options) {
      const { cancel, reply, wait } = yield* Login.start(
        rpc,
        scope,
        start({ type: "chatgpt", ...defined(options ?? {}) })
      )
      return { id: reply.loginId, url: reply.authUrl, wait, cancel }
    }),
    loginDeviceCode: Effect.gen(function*() {
      const { cancel, reply, wait } = yield* Login.start(rpc, scope, ownParams(start({ type: "chatgptDeviceCode" })))
      const { loginId: id, userCode, verificationUrl } = reply
      return { id, verificationUrl, userCode, wait, cancel }
    }).pipe(Effect.withSpan("Auth.loginDeviceCode")),
    logout: ownParams(call(rpc, "account/logout", undefined)),
    rateLimits: Effect.tap(
      ownParams(rpc.request("account/rateLimits/read", undefined)),
      (read) => Effect.sync(() => limits.read(read))
    ),
    rateLimitChanges: limits.changes,
    usage: Effect.fn("Auth.usage")((options) =>
      rpc.request("account/usage/read", defined({ threadId: options?.threadId }))
    ),
    changes: changes(rpc, limits)
  })
})

/** `Auth`, logged in with an API key. */
export const makeApiKey = Effect.fnUntraced(function*(
  apiKey: Config.Config<Redacted.Redacted<string>>
): Effect.fn.Return<Auth["Service"], Config.ConfigError | LoginError, AppServerRpc | Scope.Scope> {
  const rpc = yield* AppServerRpc
  const auth = yield* make
  const login = auth.loginApiKey(yield* apiKey)
  yield* login
  // docs/codex-behaviour.md, "A login in memory is gone with its process". That is the case with
  // `credentialsStore: "ephemeral"`.
  return yield* repeated(rpc, auth, login)
})

/** `Auth`, logged in with the tokens of a provider. */
export const makeExternalTokens = Effect.fnUntraced(function*<E, R>(
  provider: (request: TokensRequest) => Effect.Effect<ChatgptTokens, E, R>,
  options: ExternalTokensOptions | undefined
): Effect.fn.Return<Auth["Service"], E | LoginError, AppServerRpc | R | Scope.Scope> {
  const rpc = yield* AppServerRpc
  const auth = yield* make
  yield* rpc.handle({ "account/chatgptAuthTokens/refresh": yield* refresher(rpc, provider, options) })
  const internals = internalsOf(rpc)
  yield* internals.observe(undefined, {
    onNotification(raw) {
      if (raw._tag !== "account/login/completed") return
      const change = internals.decode(raw)
      if (change._tag !== "account/login/completed" || change.params.loginId !== null) return
      // docs/codex-behaviour.md, "External tokens are used though ChatGPT's backend is away".
      if (!change.params.success) internals.report(`codex took the ChatGPT tokens, but reports: ${change.params.error}`)
    },
    onReadEnd: () => {},
    onEnd: () => {}
  })
  const loginWithTokens = Effect.gen(function*() {
    const tokens = yield* provider({ reason: "login", previousAccountId: undefined })
    const params = tokenParams(tokens)
    if (params === undefined) {
      return yield* new InvalidArgument({ argument: "provider", detail: notTokens })
    }
    yield* login(rpc, { type: "chatgptAuthTokens", ...params }, params.accessToken)
  })
  yield* loginWithTokens
  // The server keeps the tokens only in memory, so a new process needs them again.
  return yield* repeated(rpc, auth, CapturedServices.provider(yield* Effect.context<R>())(loginWithTokens))
})

const secretOf = (u: unknown): string | undefined => {
  const value = Redacted.isRedacted(u) ? Redacted.value(u) : undefined
  return Predicate.isString(value) ? value : undefined
}

const login = (rpc: Rpc, params: Sent.LoginAccountParams, secret: string): Effect.Effect<void, LoginError> =>
  Effect.asVoid(
    Effect.mapError(rpc.request("account/login/start", params), (error) => RpcErrors.fromLoginStart(error, secret))
  )

/** Repeats a login after each restart of the process, until somebody logs out or logs in another way. */
const repeated = Effect.fnUntraced(function*<E>(rpc: Rpc, auth: Auth["Service"], login: Effect.Effect<void, E>) {
  let isOurs = true
  const instead = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.tap(
      effect,
      Effect.sync(() => {
        isOurs = false
      })
    )
  const { afterRestart, report } = internalsOf(rpc)
  yield* afterRestart(
    Effect.suspend(() => isOurs ? login : Effect.void).pipe(
      // Reports only the tag: the provider's error and its cause may hold a secret.
      Effect.catchCause((cause) => {
        const error = Cause.squash(cause)
        const tag = Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? `: ${error._tag}` : ""
        return Effect.sync(() => report(`the login failed when codex app-server was started again${tag}`))
      })
    ),
    true
  )
  return Auth.of({
    ...auth,
    loginApiKey: (apiKey) => instead(auth.loginApiKey(apiKey)),
    loginChatgpt: (options) => instead(auth.loginChatgpt(options)),
    loginDeviceCode: instead(auth.loginDeviceCode),
    logout: instead(auth.logout)
  })
})

const changeMethods: ReadonlySet<string> = new Set<AccountChange["_tag"]>([
  "account/updated",
  "account/rateLimits/updated",
  "account/login/completed"
])

const isChange = (event: { readonly _tag: string }): event is AccountChange => changeMethods.has(event._tag)

const changes = (rpc: Rpc, limits: RateLimits.RateLimits): Stream.Stream<AccountChange, ConnectionError> =>
  Stream.filter(
    observedEvents(rpc, {
      threadId: undefined,
      name: "account changes",
      isWanted: isChange,
      map: (raw) => raw._tag === "account/rateLimits/updated" ? limits.merged(raw) : raw
    }),
    isChange
  )

// =============================================================================
// External tokens
// =============================================================================

const notTokens = "expected { accessToken: Redacted, accountId, planType? }, with strings that are not blank."

const isText = (u: unknown): u is string => Predicate.isString(u) && u.trim() !== ""

// Checked here, so that the log names the provider as the cause.
const tokenParams = (tokens: ChatgptTokens) => {
  const { accessToken: secret, accountId, planType } = { ...tokens }
  const accessToken = secretOf(secret)
  return isText(accessToken) && isText(accountId) && (planType === undefined || isText(planType))
    ? { accessToken, chatgptAccountId: accountId, chatgptPlanType: planType ?? null }
    : undefined
}

interface Refresh {
  readonly answer: Deferred.Deferred<Sent.ChatgptAuthTokensRefreshResponse, Refusal>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

const refresher = Effect.fnUntraced(function*<E, R>(
  rpc: Rpc,
  provider: (request: TokensRequest) => Effect.Effect<ChatgptTokens, E, R>,
  options: ExternalTokensOptions | undefined
) {
  const context = yield* Effect.context<R>()
  const scope = yield* Effect.scope
  const timeout = Duration.fromInputUnsafe(options?.refreshTimeout ?? Duration.seconds(9))
  let underWay: Refresh | undefined

  const refusal = new Refusal({ message: "This client could not get new ChatGPT tokens." })
  // docs/codex-behaviour.md, "Of a refusal of new tokens the server passes on the code alone". So the log must
  // say why.
  const refuse = (problem: string) =>
    Effect.suspend(() => {
      internalsOf(rpc).report(
        `the provider of ChatGPT tokens ${problem}: codex gets none, and the turn that needs them fails.`
      )
      return Effect.fail(refusal)
    })

  const ask = (request: TokensRequest) =>
    Effect.suspend(() => provider(request)).pipe(
      CapturedServices.provider(context),
      Effect.matchCauseEffect({
        onFailure: (cause) => {
          const error = Cause.squash(cause)
          const tag = Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag)
            ? ` with ${error._tag}`
            : ""
          return refuse(Cause.hasDies(cause) ? "died" : `failed${tag}`)
        },
        onSuccess: (tokens) => {
          const params = tokenParams(tokens)
          return params === undefined ? refuse(`returned no tokens (${notTokens})`) : Effect.succeed(params)
        }
      })
    )

  const handler: Handler<"account/chatgptAuthTokens/refresh"> = ({ params }) =>
    Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const refresh: Refresh = underWay ?? { answer: Deferred.makeUnsafe(), fiber: undefined }
      if (underWay === undefined) {
        underWay = refresh
        refresh.fiber = yield* restore(ask({
          reason: params.reason,
          previousAccountId: params.previousAccountId ?? undefined
        })).pipe(
          Effect.ensuring(Effect.sync(() => {
            underWay = undefined
          })),
          Effect.onInterrupt(() => Deferred.fail(refresh.answer, refusal)),
          Deferred.into(refresh.answer),
          Effect.forkIn(scope)
        )
      }
      return yield* restore(Effect.timeoutOrElse(Deferred.await(refresh.answer), {
        duration: timeout,
        orElse: () => {
          refresh.fiber?.interruptUnsafe()
          return refuse(`did not answer within ${Duration.format(timeout)}`)
        }
      }))
    }))
  return handler
})
