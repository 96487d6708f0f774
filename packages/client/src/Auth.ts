/**
 * Accounts and logins.
 *
 * A login belongs to the app-server, not to a thread: threads that were started before it use it from their next turn on.
 * The server keeps it where the configuration says, by default in `auth.json` of the user's `CODEX_HOME`, **in place of the
 * login that was there**. A program that logs in with a key or with tokens of its own therefore builds its client with
 * `credentialsStore: "ephemeral"`, which keeps the login in the memory of the process and leaves the user's alone.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { AppServerRpc } from "./AppServerRpc.ts"
import type {
  CallError,
  ConnectionError,
  DecodeError,
  InvalidArgument,
  LoginError,
  LoginFailed,
  LoginRequired
} from "./CodexError.ts"
import { implementation } from "./internal/load.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"
import type { Known } from "./ServerNotification.ts"

// =============================================================================
// Models
// =============================================================================

/**
 * A login that waits for a person. It knows its own attempt alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface PendingLogin {
  /** The server's id of the attempt. */
  readonly id: string
  /**
   * Waits for the end of the attempt, for as long as that takes; a code is good for 15 minutes. It can be run any number of
   * times, by any number of fibers, and always ends in the same way. Fails with `LoginFailed` when the attempt failed, was
   * cancelled or was replaced, and with the connection's cause when the connection ends.
   */
  readonly wait: Effect.Effect<void, LoginFailed | ConnectionError>
  /** Cancels the attempt, so that `wait` fails with the reason `cancelled`. Does nothing once the attempt is over. */
  readonly cancel: Effect.Effect<void, Exclude<CallError, InvalidArgument>>
}

/**
 * A login in the browser. The browser has to run on the machine of the app-server, which waits for it on port 1455 of
 * 127.0.0.1: elsewhere use a device code.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatgptLogin extends PendingLogin {
  /** What to open in the browser. */
  readonly url: string
}

/**
 * A login with a code, in a browser on any machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceCodeLogin extends PendingLogin {
  /** What to open in a browser. */
  readonly verificationUrl: string
  /** What to enter there. */
  readonly userCode: string
}

/**
 * What the server tells about the account without being asked: who is logged in, what is left of a rate limit, how a login
 * ended. The server tells only what has changed of a limit; here it comes with all that is known of that limit.
 *
 * @category models
 * @since 0.1.0
 */
export type AccountChange =
  | Known<"account/updated">
  | Known<"account/rateLimits/updated">
  | Known<"account/login/completed">

/**
 * Tokens of a ChatGPT account that somebody else looks after.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatgptTokens {
  /** The access token, a JWT. */
  readonly accessToken: Redacted.Redacted<string>
  /** The id of the workspace that the token is for. A change of workspace makes running turns fail (measured). */
  readonly accountId: string
  /** Default: what the token says, else `unknown`. */
  readonly planType?: string | undefined
}

/**
 * Why a provider is asked for tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokensRequest {
  /** `login` is the first time; `unauthorized` means that the tokens at hand were refused. */
  readonly reason: "login" | "unauthorized" | (string & {})
  /** The workspace of the tokens at hand. */
  readonly previousAccountId: string | undefined
}

// =============================================================================
// Options
// =============================================================================

/**
 * How to read the account.
 *
 * @category options
 * @since 0.1.0
 */
export interface AccountOptions {
  /** Refreshes the tokens of a ChatGPT login first. Has no effect on external tokens. Default: false. */
  readonly refreshToken?: boolean | undefined
}

/**
 * What a login in the browser can be started with.
 *
 * @category options
 * @since 0.1.0
 */
export interface ChatgptLoginOptions {
  /** The brand that the pages of the login show. Default: the server's. */
  readonly appBrand?: Sent.LoginAppBrand | undefined
  /** Ends on a page of OpenAI instead of one of the app-server. Default: false. */
  readonly useHostedLoginSuccessPage?: boolean | undefined
  /** Leaves steps of the pages out. Default: false. */
  readonly codexStreamlinedLogin?: boolean | undefined
}

/**
 * What usage to read.
 *
 * @category options
 * @since 0.1.0
 */
export interface UsageOptions {
  /** Reads what this thread used instead of the whole account. */
  readonly threadId?: string | undefined
}

/**
 * Options of `layerExternalTokens`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExternalTokensOptions {
  /**
   * How long the provider may take to refresh tokens. Default: 9 seconds, because the server gives up after 10 (measured
   * on codex 0.169). The first tokens have no limit.
   */
  readonly refreshTimeout?: Duration.Input | undefined
}

// =============================================================================
// Service
// =============================================================================

/**
 * The account that the app-server works with.
 *
 * **Example** (Logging in with a code)
 *
 * ```ts
 * import { Auth } from "@effect-codex/client"
 * import { Console, Effect } from "effect"
 *
 * export const login = Effect.gen(function*() {
 *   const auth = yield* Auth.Auth
 *   const { account } = yield* auth.account()
 *   if (account !== null) return
 *   const { userCode, verificationUrl, wait } = yield* auth.loginDeviceCode
 *   yield* Console.log(`Open ${verificationUrl} and enter ${userCode}.`)
 *   yield* wait
 * }).pipe(Effect.scoped)
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Auth extends Context.Service<Auth, {
  /** Who is logged in, if anybody, and whether the model's provider needs a login. */
  readonly account: (options?: AccountOptions) => Effect.Effect<Received.GetAccountResponse, CallError>
  /**
   * Logs in with an API key, without asking OpenAI whether it is valid: a wrong key fails the next turn. White space around
   * the key is dropped.
   *
   * The server **stores the key in place of the user's login** unless the client was built with `credentialsStore:
   * "ephemeral"`; see {@link layerApiKey} for an example.
   */
  readonly loginApiKey: (apiKey: Redacted.Redacted<string>) => Effect.Effect<void, LoginError>
  /**
   * Starts a login in the browser. Closing the scope before it is over cancels it. A server has one login under way: a
   * second one replaces the first, and so does the browser login of another codex on the same machine, because they share
   * a port (measured). The login is stored as the configuration says.
   */
  readonly loginChatgpt: (options?: ChatgptLoginOptions) => Effect.Effect<ChatgptLogin, LoginError, Scope.Scope>
  /** Starts a login with a code, which needs the network at once. Otherwise as `loginChatgpt`. */
  readonly loginDeviceCode: Effect.Effect<DeviceCodeLogin, Exclude<LoginError, InvalidArgument>, Scope.Scope>
  /** Forgets the login, also where it is stored, and ends a login that is under way. */
  readonly logout: Effect.Effect<void, Exclude<CallError, InvalidArgument | DecodeError>>
  /**
   * Asks the server, and that ChatGPT, what is left of the account's rate limits. Fails with `LoginRequired` without a
   * ChatGPT login. To know it all the time read {@link rateLimitChanges}, which asks nobody.
   */
  readonly rateLimits: Effect.Effect<
    Received.GetAccountRateLimitsResponse,
    Exclude<CallError, InvalidArgument> | LoginRequired
  >
  /**
   * What is left of the account's rate limits: first what is known, if anything is, and then each time that it changes. That
   * is what `rateLimits` gave last, with what the server has told since: it does so with each answer of the model, and only
   * what has changed. A member that it leaves out keeps its value, for a login of the same account also when the process
   * was started again; another account begins with nothing. A slow reader gets the latest values alone. Fails with the
   * connection's cause when the connection ends.
   *
   * **Example** (Waiting for the reset when little is left)
   *
   * ```ts
   * import { Auth } from "@effect-codex/client"
   * import { Effect, Option, Stream } from "effect"
   *
   * export const resetsAt = Effect.gen(function*() {
   *   const auth = yield* Auth.Auth
   *   const limits = yield* Stream.runHead(auth.rateLimitChanges)
   *   const window = Option.getOrUndefined(limits)?.rateLimits.primary
   *   return window != null && window.usedPercent > 95 ? window.resetsAt : null // in seconds since 1970
   * })
   * ```
   */
  readonly rateLimitChanges: Stream.Stream<Received.GetAccountRateLimitsResponse, ConnectionError>
  /** The tokens that the account or a thread used. Fails with `LoginRequired` without a ChatGPT login. */
  readonly usage: (
    options?: UsageOptions
  ) => Effect.Effect<Received.GetAccountTokenUsageResponse, CallError | LoginRequired>
  /**
   * Changes of the account from now on. Each run of the stream has a mailbox of its own; it fails with the connection's
   * cause after the last change.
   */
  readonly changes: Stream.Stream<AccountChange, ConnectionError>
}>()("@effect-codex/client/Auth") {}

// =============================================================================
// Constructor
// =============================================================================

/**
 * The accounts of a connection. Logs nobody in.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Auth["Service"], never, AppServerRpc | Scope.Scope> = Effect.flatMap(
  implementation,
  ({ auth }) => auth.make
)

// =============================================================================
// Layers
// =============================================================================

/**
 * {@link make} as a layer: the account is whatever the server finds stored. `CodexNode.layer` includes it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Auth, never, AppServerRpc> = Layer.effect(Auth, make)

/**
 * {@link layer}, logged in with an API key.
 *
 * **Gotchas**
 *
 * The server stores the key in place of the user's login. With `credentialsStore: "ephemeral"` it does not: the key is kept
 * in the memory of the process, and the stored login is neither used nor touched.
 *
 * **Example** (A service with a key of its own)
 *
 * ```ts
 * import { Auth } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Config, Layer } from "effect"
 *
 * export const CodexLive = Auth.layerApiKey(Config.Redacted("OPENAI_API_KEY")).pipe(
 *   Layer.provideMerge(CodexNode.layer({ credentialsStore: "ephemeral" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerApiKey = (
  apiKey: Config.Config<Redacted.Redacted<string>>
): Layer.Layer<Auth, Config.ConfigError | LoginError, AppServerRpc> =>
  Layer.effect(
    Auth,
    Effect.flatMap(implementation, ({ auth }) => auth.makeApiKey(apiKey))
  )

/**
 * {@link layer}, logged in with the tokens of a ChatGPT account that somebody else looks after. The server keeps them in
 * memory, whatever `credentialsStore` says, and asks for new ones when they are refused. Needs the experimental API (the
 * default).
 *
 * **Details**
 *
 * The provider is asked for tokens when the layer is built, and again when the model's provider or ChatGPT's backend
 * answers 401; the turn that met it then goes on with the new tokens. Requests that come while the provider is at work
 * share its answer. It works in a fiber of the layer's scope, so that the end of one of them does not end the others. The
 * server asks for each turn that was refused, one after the other (measured), so a provider may well give the tokens again
 * that it has just got.
 *
 * A provider that fails when the layer is built fails the layer, with its own error. Later a provider that fails, dies, gives
 * no tokens or exceeds `refreshTimeout`, upon which it is interrupted, makes the server's turn fail (`TurnFailed`) and is
 * logged as a warning, without what it said.
 *
 * While the layer's login is in force the server refuses others: `logout` first.
 *
 * **Example** (Tokens from a vault)
 *
 * ```ts
 * import { Auth } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Context, Effect, Layer } from "effect"
 *
 * class Vault extends Context.Service<Vault, {
 *   readonly tokens: (options: { readonly fresh: boolean }) => Effect.Effect<Auth.ChatgptTokens>
 * }>()("Vault") {}
 *
 * export const CodexLive = Auth.layerExternalTokens(({ reason }) =>
 *   Effect.flatMap(Vault, (vault) => vault.tokens({ fresh: reason === "unauthorized" }))
 * ).pipe(Layer.provideMerge(CodexNode.layer()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerExternalTokens = <E, R>(
  provider: (request: TokensRequest) => Effect.Effect<ChatgptTokens, E, R>,
  options?: ExternalTokensOptions
): Layer.Layer<Auth, E | LoginError, AppServerRpc | Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Auth,
    Effect.flatMap(implementation, ({ auth }) => auth.makeExternalTokens(provider, options))
  )
