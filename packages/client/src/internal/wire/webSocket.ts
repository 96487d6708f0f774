/**
 * One WebSocket to an app-server: opening it, its frames, its end.
 *
 * It uses the WebSocket's events and not `Socket.makeWebSocket`, because it needs what that hides: how many bytes
 * still wait to be sent, and a way to drop a peer that does not answer the close.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constVoid } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Socket from "effect/socket/Socket"
import { AppServerConnectError, TransportError } from "../../CodexError.ts"
import type { Transport, WebSocketOptions } from "../../Transport.ts"
import { scopeEnded } from "../scopeEnded.ts"
import { exceeds } from "./frame.ts"
import { frameTooLarge } from "./frameTooLarge.ts"

const MiB = 1024 * 1024
const closed = 3

/** Senders wait while more than this is buffered in the WebSocket. */
const sendHighWater = 4 * MiB
/** The WebSocket has no event for sent data, so senders poll. */
const sendPoll = Duration.millis(10)
/**
 * How long the peer may take to answer the close. codex needs much less (docs/codex-behaviour.md, "Codex answers the
 * close of a WebSocket within 0.2 seconds").
 */
const closeGrace = Duration.seconds(1)
/**
 * The longest single WebSocket frame that codex accepts (docs/codex-behaviour.md, "A WebSocket takes 16 MiB in one
 * frame and 64 MiB in one message").
 */
const serverFrameLimit = 16 * MiB

// =============================================================================
// Where to
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
// What the platforms' WebSockets have in addition
// =============================================================================

const buffered = (ws: Socket.WebSocketLike): number =>
  Predicate.hasProperty(ws, "bufferedAmount") && Predicate.isNumber(ws.bufferedAmount) ? ws.bufferedAmount : 0

/**
 * Drops the connection at once if the platform can; otherwise the platform finishes the closing handshake by itself.
 */
const drop = (ws: Socket.WebSocketLike): void => {
  try {
    if (Predicate.hasProperty(ws, "terminate") && Predicate.isFunction(ws.terminate)) ws.terminate()
    else ws.close(1000)
  } catch {
    // It is already closed.
  }
}

const property = (value: unknown, name: string): string | undefined =>
  Predicate.hasProperty(value, name) && Predicate.isString(value[name]) && value[name] !== "" ? value[name] : undefined

// Never use the event itself: in Node it leads to the request with its headers.
const textOf = (event: unknown): string => {
  const error = Predicate.hasProperty(event, "error") ? event.error : undefined
  return property(event, "message") ?? property(error, "message") ?? property(error, "code") ?? "no cause was reported"
}

const isTooLarge = (event: unknown): boolean =>
  Predicate.hasProperty(event, "error") && property(event.error, "code") === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"

const byteLength = (data: unknown): string =>
  Predicate.hasProperty(data, "byteLength") && Predicate.isNumber(data.byteLength)
    ? `${data.byteLength}`
    : Predicate.hasProperty(data, "size") && Predicate.isNumber(data.size)
    ? `${data.size}`
    : "an unknown number of"

/**
 * A WebSocket that splits a long message into several frames declares in `maxMessageBytes` how much codex accepts
 * that way.
 */
const maxSendBytes = (ws: Socket.WebSocketLike): number =>
  Predicate.hasProperty(ws, "maxMessageBytes") && Predicate.isNumber(ws.maxMessageBytes)
    ? ws.maxMessageBytes
    : serverFrameLimit

// =============================================================================
// Connecting
// =============================================================================

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

export const make = Effect.fnUntraced(function*(
  options: WebSocketOptions
): Effect.fn.Return<Transport["Service"], AppServerConnectError, Socket.WebSocketConstructor | Scope.Scope> {
  const construct = yield* Socket.WebSocketConstructor
  const maxFrameBytes = options.maxFrameBytes ?? 256 * MiB
  const connectTimeout = Duration.fromInputUnsafe(options.connectTimeout ?? Duration.seconds(10))
  const url = parseUrl(options.url)
  // Leaves out credentials and the query, which may be secrets.
  const address = options.description ?? (url === undefined ? "a URL" : `${url.protocol}//${url.host}${url.pathname}`)
  const failure = (reason: AppServerConnectError["reason"], detail: string, status?: number) =>
    new AppServerConnectError({ reason, address, detail, ...(status === undefined ? {} : { status }) })

  if (url === undefined) {
    return yield* failure("invalid", "the option `url` is not a URL that begins with `ws://` or `wss://`.")
  }
  if (url.protocol === "ws:" && !isLoopback(url.hostname) && options.allowInsecure !== true) {
    return yield* failure(
      "insecure",
      "`ws://` sends the token and everything else in the clear, and this host is not this machine. Nothing was sent. " +
        "Use `wss://`, or a tunnel to a port of this machine; or set `allowInsecure` if you trust the network."
    )
  }

  // ---------------------------------------------------------------------------
  // Secrets
  // ---------------------------------------------------------------------------

  const inTime = (problem: string, advice: string) =>
    Effect.timeoutOrElse({
      duration: connectTimeout,
      orElse: () =>
        Effect.fail(failure("timeout", `${problem} within ${Duration.toMillis(connectTimeout)} ms. ${advice}`))
    })
  const given = options.token
  const token = given === undefined || Redacted.isRedacted(given)
    ? given
    : yield* inTime("the option `token` gave none", "Nothing was sent. Check the Effect that provides it.")(given)
  const secrets: Array<string> = url.password === "" ? [] : [url.password]
  const reveal = (secret: Redacted.Redacted<string>): string => {
    // Trimmed because a token is often read from the same file as the server's, and the server trims it.
    const value = Redacted.value(secret).trim()
    if (value !== "") secrets.push(value)
    return value
  }
  const clean = (text: string): string => secrets.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name] = Redacted.isRedacted(value) ? reveal(value) : value
  }
  if (token !== undefined) headers["Authorization"] = `Bearer ${reveal(token)}`

  // ---------------------------------------------------------------------------
  // The end
  // ---------------------------------------------------------------------------

  const ended = Deferred.makeUnsafe<never, TransportError>()
  let isEnded = false
  let largestSent = 0
  // Frames that arrive before there is a receiver. Few can: the server says nothing before `initialize`
  // (docs/codex-behaviour.md, "The server says nothing before initialize").
  let frames: Array<string> = []
  let scheduled = false
  let receiver: ((frames: ReadonlyArray<string>) => void) | undefined

  const flush = (): void => {
    scheduled = false
    if (receiver === undefined || frames.length === 0) return
    const batch = frames
    frames = []
    try {
      receiver(batch)
    } catch (defect) {
      isEnded = true
      Deferred.doneUnsafe(ended, Exit.die(defect))
    }
  }
  const end = (cause: TransportError): void => {
    if (isEnded) return
    isEnded = true
    flush()
    Deferred.doneUnsafe(ended, Exit.fail(cause))
  }

  const closedBy = (event: Socket.WebSocketEvent): TransportError => {
    const code = event.code ?? 1006
    const reason = clean(event.reason ?? "")
    const tooLarge = largestSent > serverFrameLimit
      ? ` A frame of ${largestSent} characters had been sent, which may be more than the server takes.`
      : ""
    return new TransportError({
      reason: "read",
      detail: code === 1006
        ? `${address} ended it without a close frame: the server ended, the network failed, or the server cut off a ` +
          `client that did not read fast enough.${tooLarge}`
        : `${address} closed it with code ${code}${reason === "" ? "" : ` (${reason})`}.${tooLarge}`,
      closeCode: code,
      ...(reason === "" ? {} : { closeReason: reason })
    })
  }

  // ---------------------------------------------------------------------------
  // Opening
  // ---------------------------------------------------------------------------

  const notOpened = (text: string): AppServerConnectError => {
    // The wording of `ws`. Browsers and Node's own WebSocket report no status.
    const [, code, body] = /^Unexpected server response: (\d{3})(?:: (.*))?$/s.exec(text) ?? []
    if (code === undefined) return failure("unreachable", `${clean(text).replace(/\.?$/, ".")} ${advice.unreachable}`)
    const status = Number(code)
    const said = `it answered HTTP ${status}${body === undefined ? "" : ` (${clean(body)})`}.`
    if (status === 401) {
      const what = token === undefined ? advice.missingToken : advice.refusedToken
      return failure("unauthorized", `${said} ${what}`, status)
    }
    return status === 403
      ? failure("forbidden", `${said} ${advice.forbidden}`, status)
      : failure("refused", `${said} ${advice.refused}`, status)
  }

  const ws = yield* Effect.acquireRelease(
    Effect.try({
      try: () => construct(options.url, Object.keys(headers).length === 0 ? undefined : { headers }),
      // Does not quote the thrown error, which may contain a header.
      catch: () =>
        failure(
          "invalid",
          "the platform's WebSocket refused the URL or a header as invalid. A token is one line of ASCII; the WebSocket " +
            "of a browser takes neither a token nor headers."
        )
    }),
    (ws) =>
      Effect.suspend(() => {
        end(scopeEnded("layer"))
        return Effect.interruptible(Effect.callback<void>((resume) => {
          if (ws.readyState === closed) return resume(Effect.void)
          ws.addEventListener("close", () => resume(Effect.void))
          try {
            ws.close(1000)
          } catch {
            resume(Effect.void)
          }
        }))
      }).pipe(Effect.timeoutOption(closeGrace), Effect.andThen(Effect.sync(() => drop(ws))))
  )

  const opening = Deferred.makeUnsafe<void, AppServerConnectError>()
  let isOpen = false
  ws.addEventListener("open", () => {
    isOpen = true
    Deferred.doneUnsafe(opening, Exit.void)
  })
  ws.addEventListener("message", ({ data }) => {
    if (isEnded) return
    if (typeof data === "string" && exceeds(data, maxFrameBytes)) {
      end(frameTooLarge(maxFrameBytes, data.slice(0, 200)))
      return drop(ws)
    }
    // The protocol has no binary frames. This text is no message either, so the reader counts it as unreadable.
    frames.push(typeof data === "string" ? data : `a binary frame of ${byteLength(data)} bytes`)
    if (scheduled) return
    // Messages of the same read are passed on in the same batch.
    scheduled = true
    queueMicrotask(flush)
  })
  ws.addEventListener("error", (event) => {
    if (!isOpen) return void Deferred.doneUnsafe(opening, Exit.fail(notOpened(textOf(event))))
    end(
      isTooLarge(event)
        ? frameTooLarge(maxFrameBytes, "")
        : new TransportError({ reason: "read", detail: `${address}: ${clean(textOf(event)).replace(/\.?$/, ".")}` })
    )
    drop(ws)
  })
  ws.addEventListener("close", (event) => {
    Deferred.doneUnsafe(opening, Exit.fail(notOpened(`it was closed with code ${event.code ?? 1006}`)))
    end(closedBy(event))
  })

  yield* Deferred.await(opening).pipe(
    inTime(
      "it did not open a WebSocket",
      "Check that this is the address of a codex app-server, or give a longer `connectTimeout`."
    ),
    Effect.onError(() => Effect.sync(() => drop(ws)))
  )

  // ---------------------------------------------------------------------------
  // Frames
  // ---------------------------------------------------------------------------

  const sending = Semaphore.makeUnsafe(1)
  const room: Effect.Effect<void> = Effect.suspend(() =>
    !isEnded && buffered(ws) > sendHighWater ? Effect.andThen(Effect.sleep(sendPoll), room) : Effect.void
  )

  return {
    description: address,
    maxSendBytes: maxSendBytes(ws),
    log: Effect.succeed([]),
    send: (frame) =>
      sending.withPermit(Effect.andThen(
        room,
        Effect.sync(() => {
          if (isEnded) return
          largestSent = Math.max(largestSent, frame.length)
          try {
            ws.send(frame)
          } catch {
            // The connection is closing, and its end says why.
          }
        })
      )),
    receive: (onFrames) =>
      Effect.suspend(() => {
        receiver = onFrames
        flush()
        return Deferred.await(ended)
      }).pipe(Effect.ensuring(Effect.sync(() => {
        receiver = constVoid
      })))
  }
})
