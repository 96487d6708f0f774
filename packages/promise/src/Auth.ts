/**
 * Accounts and logins.
 *
 * A login belongs to the app-server, which stores it in place of the user's unless `Codex.start` was given
 * `credentialsStore: "ephemeral"`.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Auth"
import type { CallOptions } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"

/**
 * A login that waits for a person. Closing it before it is over cancels it, and so does the signal that it was started with.
 *
 * @category models
 * @since 0.1.0
 */
export interface PendingLogin extends AsyncDisposable {
  /** The server's id of the attempt. */
  readonly id: string
  /**
   * Waits for the end of the attempt. Rejects with `LoginFailed` when it failed, was cancelled or was replaced. The signal
   * ends the waiting, not the attempt.
   */
  readonly wait: (options?: CallOptions) => Promise<void>
  /** Cancels the attempt, so that `wait` rejects with the reason `cancelled`. Does nothing once the attempt is over. */
  readonly cancel: (options?: CallOptions) => Promise<void>
  /** Cancels the attempt if it is not over. */
  readonly close: () => Promise<void>
}

/**
 * A login in the browser of the app-server's machine.
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
 * Tokens of a ChatGPT account that somebody else looks after.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatgptTokens extends Omit<Client.ChatgptTokens, "accessToken"> {
  /** The access token, a JWT. */
  readonly accessToken: string
}

/**
 * The account that the app-server works with.
 *
 * **Example** (Logging in with a code)
 *
 * ```ts
 * import type { Codex } from "@effect-codex/promise"
 *
 * export const login = async (codex: Codex) => {
 *   const { account } = await codex.auth.account()
 *   if (account !== null) return
 *   await using pending = await codex.auth.loginDeviceCode()
 *   console.log(`Open ${pending.verificationUrl} and enter ${pending.userCode}.`)
 *   await pending.wait()
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Auth {
  /** Who is logged in, if anybody, and whether the model's provider needs a login. */
  readonly account: (options?: Client.AccountOptions & CallOptions) => Promise<Received.GetAccountResponse>
  /**
   * Logs in with an API key, without asking OpenAI whether it is valid. The server stores it in place of the user's login
   * unless the `Codex` has `credentialsStore: "ephemeral"`.
   */
  readonly loginApiKey: (apiKey: string, options?: CallOptions) => Promise<void>
  /** Starts a login in the browser. A server has one login under way: a second one replaces the first. */
  readonly loginChatgpt: (options?: Client.ChatgptLoginOptions & CallOptions) => Promise<ChatgptLogin>
  /** Starts a login with a code, which needs the network at once. */
  readonly loginDeviceCode: (options?: CallOptions) => Promise<DeviceCodeLogin>
  /** Forgets the login, also where it is stored, and ends a login that is under way. */
  readonly logout: (options?: CallOptions) => Promise<void>
  /** What is left of the account's rate limits. Rejects with `LoginRequired` without a ChatGPT login. */
  readonly rateLimits: (options?: CallOptions) => Promise<Received.GetAccountRateLimitsResponse>
  /**
   * What is left of the account's rate limits: first what is known, if anything is, and then each time that it changes. The
   * server tells only what has changed; here it comes with all that is known.
   */
  readonly rateLimitChanges: Readable<Received.GetAccountRateLimitsResponse>
  /** The tokens that the account or a thread used. Rejects with `LoginRequired` without a ChatGPT login. */
  readonly usage: (options?: Client.UsageOptions & CallOptions) => Promise<Received.GetAccountTokenUsageResponse>
  /** Changes of the account from the moment that it is read. */
  readonly changes: Readable<Client.AccountChange>
}
