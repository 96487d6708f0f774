import * as Client from "@effect-codex/client/Auth"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Auth, PendingLogin } from "../Auth.ts"
import type { Host } from "./host.ts"
import { readable } from "./readable.ts"
import { acquire, closeWithSignal } from "./turn.ts"
import { withoutSignal } from "./withoutSignal.ts"

const pending = (
  host: Host,
  login: Client.PendingLogin,
  close: () => Promise<void>,
  signal: AbortSignal | undefined
): PendingLogin => {
  closeWithSignal(host, login.wait, close, signal)
  return {
    id: login.id,
    wait: (options) => host.run(login.wait, options?.signal),
    cancel: (options) => host.run(login.cancel, options?.signal),
    close,
    [Symbol.asyncDispose]: close
  }
}

export const make = (host: Host): Auth => {
  const auth = Client.Auth
  return {
    account: (options) => host.run(Effect.flatMap(auth, (auth) => auth.account(options)), options?.signal),
    loginApiKey: (apiKey, options) => {
      const secret = Redacted.make(apiKey)
      return host.run(Effect.flatMap(auth, (auth) => auth.loginApiKey(secret)), options?.signal)
    },
    loginChatgpt: (options) =>
      acquire(
        host,
        Effect.flatMap(withoutSignal(options), (given) => Effect.flatMap(auth, (auth) => auth.loginChatgpt(given))),
        (login, close) => ({ ...pending(host, login, close, options?.signal), url: login.url }),
        options?.signal
      ),
    loginDeviceCode: (options) =>
      acquire(
        host,
        Effect.flatMap(auth, (auth) => auth.loginDeviceCode),
        (login, close) => ({
          ...pending(host, login, close, options?.signal),
          verificationUrl: login.verificationUrl,
          userCode: login.userCode
        }),
        options?.signal
      ),
    logout: (options) => host.run(Effect.flatMap(auth, (auth) => auth.logout), options?.signal),
    rateLimits: (options) => host.run(Effect.flatMap(auth, (auth) => auth.rateLimits), options?.signal),
    rateLimitChanges: readable(host, Stream.unwrap(Effect.map(auth, (auth) => auth.rateLimitChanges))),
    usage: (options) => host.run(Effect.flatMap(auth, (auth) => auth.usage(options)), options?.signal),
    changes: readable(host, Stream.unwrap(Effect.map(auth, (auth) => auth.changes)))
  }
}
