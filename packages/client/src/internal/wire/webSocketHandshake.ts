/** The handshake of a WebSocket: the address, the headers with their secrets, and why it failed. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { AppServerConnectError } from "../../CodexError.ts"
import type { WebSocketOptions } from "../../Transport.ts"

type Reason = AppServerConnectError["reason"]

const advice = {
  refusedToken: "Give the token that the server was started with (`--ws-token-file`), or sign one with its secret, " +
    "issuer and audience and a right clock (`Transport.signedBearer`).",
  missingToken: "The server was started with `--ws-auth`: give the option `token`.",
  forbidden: "codex app-server refuses every connection with an Origin header, and so every page in a browser: omit " +
    "the header, or connect through a proxy that removes it.",
  refused: "Check that this is the address of a codex app-server.",
  unreachable:
    "Check the address, and that `codex app-server --listen ...` runs there. Where the platform's WebSocket " +
    "does not tell a refusal from a failure, check the token too."
} as const

// =============================================================================
// The URL
// =============================================================================

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host)

const parseUrl = (text: string): URL | undefined => {
  try {
    const url = new URL(text)
    return url.protocol === "ws:" || url.protocol === "wss:" ? url : undefined
  } catch {
    return undefined
  }
}

// =============================================================================
// The handshake
// =============================================================================

export class Handshake {
  /** Names the server in messages. Leaves out the URL's credentials and query, which may be secrets. */
  readonly address: string
  /** The headers of the request, with their secrets in the clear. Empty until `addHeaders` has run. */
  readonly headers: Record<string, string> = {}
  /** What `clean` hides. */
  private readonly secrets: Array<string> = []
  /** Undefined if the option is no URL of a WebSocket. */
  private readonly url: URL | undefined
  private readonly connectTimeout: Duration.Duration
  private readonly options: WebSocketOptions

  constructor(options: WebSocketOptions) {
    const url = parseUrl(options.url)
    this.options = options
    this.url = url
    this.address = options.description ?? (url === undefined ? "a URL" : `${url.protocol}//${url.host}${url.pathname}`)
    this.connectTimeout = Duration.fromInputUnsafe(options.connectTimeout ?? Duration.seconds(10))
    if (url !== undefined && url.password !== "") this.secrets.push(url.password)
  }

  /** Fails if the URL is invalid, or would send secrets in the clear. */
  get checkUrl(): Effect.Effect<void, AppServerConnectError> {
    const { options, url } = this
    if (url === undefined) {
      return Effect.fail(
        this.failure("invalid", "the option `url` is not a URL that begins with `ws://` or `wss://`.")
      )
    }
    if (url.protocol !== "ws:" || isLoopback(url.hostname) || options.allowInsecure === true) return Effect.void
    return Effect.fail(this.failure(
      "insecure",
      "`ws://` sends the token and everything else in the clear, and this host is not this machine. Nothing was sent. " +
        "Use `wss://`, or a tunnel to a port of this machine; or set `allowInsecure` if you trust the network."
    ))
  }

  /** Gets the token, and reveals it and the other secret headers. */
  get addHeaders(): Effect.Effect<void, AppServerConnectError> {
    return Effect.map(this.token, (token) => {
      for (const [name, value] of Object.entries(this.options.headers ?? {})) {
        this.headers[name] = Redacted.isRedacted(value) ? this.reveal(value) : value
      }
      if (token !== undefined) this.headers["Authorization"] = `Bearer ${this.reveal(token)}`
    })
  }

  private get token(): Effect.Effect<Redacted.Redacted<string> | undefined, AppServerConnectError> {
    const given = this.options.token
    return given === undefined || Redacted.isRedacted(given)
      ? Effect.succeed(given)
      : this.inTime("the option `token` gave none", "Nothing was sent. Check the Effect that provides it.")(given)
  }

  private reveal(secret: Redacted.Redacted<string>): string {
    // Trimmed because a token is often read from the same file as the server's, and the server trims it.
    const value = Redacted.value(secret).trim()
    if (value !== "") this.secrets.push(value)
    return value
  }

  /** Replaces the secrets in a text of the server or the platform. */
  clean(text: string): string {
    return this.secrets.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
  }

  /** Limits an effect to the option `connectTimeout`. */
  inTime(problem: string, advice: string) {
    const { connectTimeout } = this
    return Effect.timeoutOrElse({
      duration: connectTimeout,
      orElse: () =>
        Effect.fail(this.failure("timeout", `${problem} within ${Duration.toMillis(connectTimeout)} ms. ${advice}`))
    })
  }

  failure(reason: Reason, detail: string, status?: number): AppServerConnectError {
    return new AppServerConnectError({
      reason,
      address: this.address,
      detail,
      ...(status === undefined ? {} : { status })
    })
  }

  /** The failure of a WebSocket that did not open, from the text of its error. */
  notOpened(text: string): AppServerConnectError {
    // The wording of `ws`. Browsers and Node's own WebSocket report no status.
    const [, code, body] = /^Unexpected server response: (\d{3})(?:: (.*))?$/s.exec(text) ?? []
    if (code === undefined) {
      return this.failure("unreachable", `${this.clean(text).replace(/\.?$/, ".")} ${advice.unreachable}`)
    }
    const status = Number(code)
    const said = `it answered HTTP ${status}${body === undefined ? "" : ` (${this.clean(body)})`}.`
    if (status === 401) {
      const what = this.options.token === undefined ? advice.missingToken : advice.refusedToken
      return this.failure("unauthorized", `${said} ${what}`, status)
    }
    return status === 403
      ? this.failure("forbidden", `${said} ${advice.forbidden}`, status)
      : this.failure("refused", `${said} ${advice.refused}`, status)
  }
}
