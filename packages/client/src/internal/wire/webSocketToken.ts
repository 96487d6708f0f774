/**
 * JSON Web Tokens for `codex app-server --ws-auth signed-bearer-token`, which accepts only HS256
 * (docs/codex-behaviour.md, "A signed token is HS256, and is looked at when the connection opens").
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { AppServerConnectError } from "../../CodexError.ts"

export interface Claims {
  readonly secret: Redacted.Redacted<string>
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  readonly lifetime?: Duration.Input | undefined
}

const encoder = new TextEncoder()

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")

export const sign = Effect.fnUntraced(function*(
  { audience, issuer, lifetime, secret }: Claims
): Effect.fn.Return<Redacted.Redacted<string>, AppServerConnectError> {
  // oxlint-disable-next-line no-restricted-properties -- the server compares it with its own date
  const now = yield* Clock.currentTimeMillis
  const exp = Math.ceil((now + Duration.toMillis(Duration.fromInputUnsafe(lifetime ?? Duration.seconds(60)))) / 1000)
  const part = (value: object): string => base64Url(encoder.encode(JSON.stringify(value)))
  const content = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: issuer, aud: audience, exp })}`
  const signature = yield* Effect.tryPromise({
    try: async () => {
      const algorithm = { name: "HMAC", hash: "SHA-256" }
      // The server trims the secret that it reads from its file, too.
      const bytes = encoder.encode(Redacted.value(secret).trim())
      const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"])
      return new Uint8Array(await crypto.subtle.sign(algorithm, key, encoder.encode(content)))
    },
    catch: () =>
      new AppServerConnectError({
        reason: "token",
        address: "the server",
        detail: "no token could be signed: the secret is empty, or this platform has no WebCrypto."
      })
  })
  return Redacted.make(`${content}.${base64Url(signature)}`, { label: "bearer token" })
})
