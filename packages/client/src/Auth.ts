/**
 * Accounts and logins.
 *
 * A login belongs to the app-server, not to a thread: threads that started before the login use it from their next
 * turn on. The server stores the login where the configuration says, by default in `auth.json` of the user's
 * `CODEX_HOME`, **where it replaces the user's login**. A program that logs in with its own key or tokens should
 * therefore build its client with `credentialsStore: "ephemeral"`. This keeps the login in the memory of the process
 * and leaves the user's login alone.
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
 * A login attempt that waits for a person.
 *
 * @see {@link ChatgptLogin}
 * @see {@link DeviceCodeLogin}
 * @category models
 * @since 0.1.0
 */
export interface PendingLogin {
  /** The server's id of the attempt. */
  readonly id: string
  /**
   * Waits for the end of this attempt, without a time limit. A device code is valid for 15 minutes. Any number of
   * fibers may run it, any number of times, and it always ends in the same way. Fails with `LoginFailed` when the
   * attempt failed, was cancelled or was replaced, and with the connection's cause when the connection ends.
   */
  readonly wait: Effect.Effect<void, LoginFailed | ConnectionError>
  /** Cancels the attempt: `wait` then fails with the reason `cancelled`. Does nothing once the attempt is over. */
  readonly cancel: Effect.Effect<void, Exclude<CallError, InvalidArgument>>
}

/**
 * A login in the browser.
 *
 * **Gotchas**
 *
 * The browser must run on the app-server's machine: the app-server waits for it on port 1455 of 127.0.0.1. Use a
 * device code elsewhere.
 *
 * @see {@link DeviceCodeLogin} for a browser on any machine
 * @category models
 * @since 0.1.0
 */
export interface ChatgptLogin extends PendingLogin {
  /** The address to open in the browser. */
  readonly url: string
}

/**
 * A login with a code, in a browser on any machine.
 *
 * @see {@link ChatgptLogin} for a browser on the app-server's machine
 * @category models
 * @since 0.1.0
 */
export interface DeviceCodeLogin extends PendingLogin {
  /** The address to open in a browser. */
  readonly verificationUrl: string
  /** The code to enter there. */
  readonly userCode: string
}

/**
 * A notification about the account: who is logged in, how much of a rate limit is left, or how a login ended.
 *
 * **Details**
 *
 * The server sends only the changed parts of a rate limit. The client completes them with everything that it knows of
 * that limit.
 *
 * @see {@link Auth} whose `changes` has them
 * @category models
 * @since 0.1.0
 */
export type AccountChange =
  | Known<"account/updated">
  | Known<"account/rateLimits/updated">
  | Known<"account/login/completed">

/**
 * The tokens of a ChatGPT account that the program manages.
 *
 * @see {@link layerExternalTokens}
 * @category models
 * @since 0.1.0
 */
export interface ChatgptTokens {
  /** The access token, a JWT. */
  readonly accessToken: Redacted.Redacted<string>
  /** The id of the workspace that the token is for. A change of workspace makes running turns fail. */
  readonly accountId: string
  /** Default: the plan in the token, else `unknown`. */
  readonly planType?: string | undefined
}

/**
 * Why the provider of {@link layerExternalTokens} is called.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokensRequest {
  /** `login` for the first tokens; `unauthorized` when the current tokens were refused. */
  readonly reason: "login" | "unauthorized" | (string & {})
  /** The workspace of the current tokens. */
  readonly previousAccountId: string | undefined
}

// =============================================================================
// Options
// =============================================================================

/**
 * Options of `Auth.account`.
 *
 * @category options
 * @since 0.1.0
 */
export interface AccountOptions {
  /** Refreshes the tokens of a ChatGPT login first. Has no effect on external tokens. Default: false. */
  readonly refreshToken?: boolean | undefined
}

/**
 * Options of `Auth.loginChatgpt`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ChatgptLoginOptions {
  /** The brand on the pages of the login. Default: the server's choice. */
  readonly appBrand?: Sent.LoginAppBrand | undefined
  /** Ends the login on a page of OpenAI instead of a page of the app-server. Default: false. */
  readonly useHostedLoginSuccessPage?: boolean | undefined
  /** Skips some pages of the login. Default: false. */
  readonly codexStreamlinedLogin?: boolean | undefined
}

/**
 * Options of `Auth.usage`.
 *
 * @category options
 * @since 0.1.0
 */
export interface UsageOptions {
  /** Reads the usage of this thread. Default: the usage of the whole account. */
  readonly threadId?: string | undefined
}

/**
 * Options of {@link layerExternalTokens}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExternalTokensOptions {
  /**
   * How long the provider may take to refresh tokens. The server gives up after 10 seconds. Default: 9 seconds. The
   * first tokens have no limit.
   */
  readonly refreshTimeout?: Duration.Input | undefined
}

// =============================================================================
// Service
// =============================================================================

/**
 * The app-server's account.
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
 * @see {@link layer}
 * @see {@link layerApiKey}
 * @see {@link layerExternalTokens}
 * @category services
 * @since 0.1.0
 */
export class Auth extends Context.Service<Auth, {
  /** Reads who is logged in, if anyone, and whether the model provider needs a login. */
  readonly account: (options?: AccountOptions) => Effect.Effect<Received.GetAccountResponse, CallError>
  /**
   * Logs in with an API key. OpenAI does not check the key now: an invalid key fails the next turn. White space
   * around the key is dropped.
   *
   * The server **stores the key in place of the user's login**, unless the client was built with
   * `credentialsStore: "ephemeral"`. See {@link layerApiKey} for an example.
   */
  readonly loginApiKey: (apiKey: Redacted.Redacted<string>) => Effect.Effect<void, LoginError>
  /**
   * Starts a login in the browser. Closing the scope before it is over cancels it. A server runs one login at a time:
   * a second login replaces the first. So does the browser login of another codex on the same machine, because both
   * use the same port. The server stores the login where the configuration says.
   */
  readonly loginChatgpt: (options?: ChatgptLoginOptions) => Effect.Effect<ChatgptLogin, LoginError, Scope.Scope>
  /** Starts a login with a code, for which the server needs the network at once. Otherwise works as `loginChatgpt`. */
  readonly loginDeviceCode: Effect.Effect<DeviceCodeLogin, Exclude<LoginError, InvalidArgument>, Scope.Scope>
  /** Removes the login, including its stored copy, and ends a pending login. */
  readonly logout: Effect.Effect<void, Exclude<CallError, InvalidArgument | DecodeError>>
  /**
   * Reads how much of the account's rate limits is left; the server asks ChatGPT. Fails with `LoginRequired` without
   * a ChatGPT login. To follow the limits, read {@link rateLimitChanges}, which sends no request.
   */
  readonly rateLimits: Effect.Effect<
    Received.GetAccountRateLimitsResponse,
    Exclude<CallError, InvalidArgument> | LoginRequired
  >
  /**
   * How much of the account's rate limits is left: the current value, if it is known, and then each new value.
   *
   * The values combine the last result of `rateLimits` with the server's later notifications. The server sends a
   * notification with each answer of the model, with only the changed parts; the other parts keep their value. The
   * values survive a restart of the process while the login is of the same account; another account starts without
   * any. A slow reader gets only the latest values. Fails with the connection's cause when the connection ends.
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
  /** Reads the tokens that the account or a thread has used. Fails with `LoginRequired` without a ChatGPT login. */
  readonly usage: (
    options?: UsageOptions
  ) => Effect.Effect<Received.GetAccountTokenUsageResponse, CallError | LoginRequired>
  /**
   * The changes of the account from now on. Each run of the stream has its own mailbox. It fails with the
   * connection's cause after the last change.
   */
  readonly changes: Stream.Stream<AccountChange, ConnectionError>
}>()("@effect-codex/client/Auth") {}

// =============================================================================
// Constructor
// =============================================================================

/**
 * Creates the account service of a connection. Does not log in.
 *
 * @see {@link layer}
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
 * {@link make} as a layer: it uses the login that the server finds stored. `CodexNode.layer` includes it.
 *
 * @see {@link layerApiKey}
 * @see {@link layerExternalTokens}
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Auth, never, AppServerRpc> = Layer.effect(Auth, make)

/**
 * {@link layer}, logged in with an API key.
 *
 * **Gotchas**
 *
 * The server stores the key in place of the user's login. With `credentialsStore: "ephemeral"`, the server keeps the
 * key in the memory of the process instead, and neither uses nor changes the stored login.
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
 * @see {@link layerExternalTokens}
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
 * {@link layer}, logged in with the tokens of a ChatGPT account that the program manages.
 *
 * **Details**
 *
 * The server keeps the tokens in memory, whatever `credentialsStore` says, and requests new ones when they are
 * refused. This needs the experimental API, which is on by default.
 *
 * The layer calls the provider when it is built, and again when the model provider or ChatGPT's backend answers 401.
 * The affected turn then continues with the new tokens. Requests that arrive while the provider runs share its
 * result. The provider runs in a fiber of the layer's scope, so that the end of one request does not end the others.
 * The server requests tokens for each refused turn, one after the other, so a provider may return the tokens that it
 * has just obtained.
 *
 * If the provider fails while the layer is built, the layer fails with the provider's error. If it later fails, dies,
 * returns no tokens or exceeds `refreshTimeout`, which interrupts it, the server's turn fails (`TurnFailed`) and the
 * client logs a warning without the text of the failure.
 *
 * **Gotchas**
 *
 * While this login is in force the server refuses other logins. Call `logout` first.
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
 * @see {@link layerApiKey}
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
