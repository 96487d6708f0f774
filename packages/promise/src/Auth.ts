/**
 * Accounts and logins.
 *
 * A login belongs to the app-server. The server stores it, replacing the user's login, unless `Codex.start` received
 * `credentialsStore: "ephemeral"`.
 *
 * @since 0.1.0
 */
import type * as Client from "@effect-codex/client/Auth"
import type { CallOptions } from "./Options.ts"
import type { Readable } from "./Readable.ts"
import type * as Received from "./Received.ts"

/**
 * A login attempt that waits for a person. Closing it, or aborting the signal that it was started with, cancels it if
 * it is still pending.
 *
 * @see {@link ChatgptLogin} and {@link DeviceCodeLogin}
 * @category models
 * @since 0.1.0
 */
export interface PendingLogin extends AsyncDisposable {
  /** The server's id of the attempt. */
  readonly id: string
  /**
   * Resolves when the login succeeds. Rejects with `LoginFailed` when it fails, is cancelled or is replaced by another
   * attempt. The signal ends the waiting, not the attempt.
   */
  readonly wait: (options?: CallOptions) => Promise<void>
  /** Cancels the attempt; `wait` then rejects with the reason `cancelled`. Does nothing once the attempt is over. */
  readonly cancel: (options?: CallOptions) => Promise<void>
  /** Cancels the attempt if it is still pending. */
  readonly close: () => Promise<void>
}

/**
 * A login through a browser on the app-server's machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatgptLogin extends PendingLogin {
  /** The URL to open in the browser. */
  readonly url: string
}

/**
 * A login with a code, through a browser on any machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceCodeLogin extends PendingLogin {
  /** The URL to open in a browser. */
  readonly verificationUrl: string
  /** The code to enter there. */
  readonly userCode: string
}

/**
 * Tokens of a ChatGPT account that your program manages and refreshes.
 *
 * @see `CodexOptions.chatgptTokens`, which returns them
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatgptTokens extends Omit<Client.ChatgptTokens, "accessToken"> {
  /** The access token, a JWT. */
  readonly accessToken: string
}

/**
 * The app-server's account: who is logged in, logins, rate limits and usage.
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
  /** The logged-in account, if any, and whether the model's provider requires a login. */
  readonly account: (options?: Client.AccountOptions & CallOptions) => Promise<Received.GetAccountResponse>
  /**
   * Logs in with an API key, without checking with OpenAI that it is valid. The server stores it, replacing the user's
   * login, unless the `Codex` has `credentialsStore: "ephemeral"`.
   */
  readonly loginApiKey: (apiKey: string, options?: CallOptions) => Promise<void>
  /** Starts a login through the browser. A server has one pending login; starting another replaces it. */
  readonly loginChatgpt: (options?: Client.ChatgptLoginOptions & CallOptions) => Promise<ChatgptLogin>
  /** Starts a login with a code. Needs the network right away to request the code. */
  readonly loginDeviceCode: (options?: CallOptions) => Promise<DeviceCodeLogin>
  /** Removes the login, including the stored one, and ends a pending login. */
  readonly logout: (options?: CallOptions) => Promise<void>
  /** The account's current rate limits. Rejects with `LoginRequired` without a ChatGPT login. */
  readonly rateLimits: (options?: CallOptions) => Promise<Received.GetAccountRateLimitsResponse>
  /**
   * The account's rate limits: first the known values, if any, then each change. The server sends only what has
   * changed; each element here contains all known values.
   */
  readonly rateLimitChanges: Readable<Received.GetAccountRateLimitsResponse>
  /** The tokens that the account or a thread has used. Rejects with `LoginRequired` without a ChatGPT login. */
  readonly usage: (options?: Client.UsageOptions & CallOptions) => Promise<Received.GetAccountTokenUsageResponse>
  /** Changes of the account, from the start of the reading. */
  readonly changes: Readable<Client.AccountChange>
}
