/**
 * Moves whole frames, each one JSON text, between this process and an app-server. It does not interpret them.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { AppServer } from "./AppServer.ts"
import type { AppServerConnectError, ConnectionError } from "./CodexError.ts"
import { TransportError } from "./CodexError.ts"
import { webSocket } from "./internal/load.ts"
import { frameTooLarge } from "./internal/wire/frameTooLarge.ts"
import * as LineFramer from "./internal/wire/lineFramer.ts"
import * as WebSocketToken from "./internal/wire/webSocketToken.ts"

/**
 * A connection to an app-server that carries whole frames.
 *
 * **Details**
 *
 * `receive` is a plain callback and not a `Stream`, because one pipe carries every reply and the events of every
 * turn: it is read as fast as data arrives, and nothing may hold it back.
 *
 * @see {@link makeStdio}
 * @see {@link makeWebSocket}
 * @see {@link makeMemory}
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /**
   * Passes the frames of each read to `onFrames`, in order, and fails with the connection's cause when the connection
   * ends, after all frames that arrived before. One receiver at a time.
   *
   * `more` means that the next read follows at once, with or without frames, so that readers can be woken once for
   * both.
   */
  readonly receive: (
    onFrames: (frames: ReadonlyArray<string>, more?: boolean) => void
  ) => Effect.Effect<never, ConnectionError>
  /** Sends a frame. Waits while the connection is full. Never fails: a broken connection ends `receive`. */
  readonly send: (frame: string) => Effect.Effect<void>
  /**
   * The longest frame that the server accepts on this connection, in bytes. A longer frame would end the connection.
   * Default: no limit.
   */
  readonly maxSendBytes?: number | undefined
  /** The other end, for messages: the executable or the address. */
  readonly description: string
  /**
   * The last lines that the server wrote outside the protocol, oldest first. Empty for a transport without such a
   * log.
   */
  readonly log: Effect.Effect<ReadonlyArray<string>>
  /** Passes each new line of that log to `onLine`, which must not throw, until the scope closes. */
  readonly watchLog?: ((onLine: (line: string) => void) => Effect.Effect<void, never, Scope.Scope>) | undefined
}>()("@effect-codex/client/Transport") {}

/**
 * Options of {@link makeStdio}.
 *
 * @category options
 * @since 0.1.0
 */
export interface StdioOptions {
  /** The longest frame to accept, in bytes. A longer frame ends the connection. Default: 256 MiB. */
  readonly maxFrameBytes?: number | undefined
}

/**
 * A transport that sends frames as lines over the stdin and stdout of the {@link AppServer}.
 *
 * @see {@link layerStdio}
 * @category constructors
 * @since 0.1.0
 */
export const makeStdio = Effect.fnUntraced(function*(
  options?: StdioOptions
): Effect.fn.Return<Transport["Service"], never, AppServer> {
  const server = yield* AppServer
  const maxFrameBytes = options?.maxFrameBytes ?? 256 * 1024 * 1024
  return Transport.of({
    description: server.executable,
    log: server.stderr,
    watchLog: server.watchStderr,
    send: (frame) => server.send(`${frame}\n`),
    receive: (onFrames) =>
      Effect.suspend(() => {
        const framer = LineFramer.make(maxFrameBytes)
        const tooLarge = Deferred.makeUnsafe<never, TransportError>()
        let open = true
        let hadMore = false
        return Effect.raceFirst(
          server.receive((chunk, more) => {
            if (!open) return
            let lines: ReadonlyArray<string>
            try {
              lines = framer.push(chunk)
            } catch (error) {
              if (!(error instanceof LineFramer.LineTooLong)) throw error
              open = false
              Deferred.doneUnsafe(tooLarge, Effect.fail(frameTooLarge(maxFrameBytes, error.start)))
              return
            }
            if (lines.length > 0 || hadMore) onFrames(lines, more)
            hadMore = more === true
          }),
          Deferred.await(tooLarge)
        )
      })
  })
})

/**
 * {@link makeStdio} as a layer.
 *
 * @see {@link layerWebSocket}
 * @category layers
 * @since 0.1.0
 */
export const layerStdio = (options?: StdioOptions): Layer.Layer<Transport, never, AppServer> =>
  Layer.effect(Transport, makeStdio(options))

/**
 * Options of {@link makeWebSocket}.
 *
 * @category options
 * @since 0.1.0
 */
export interface WebSocketOptions {
  /** The server's URL, such as `ws://127.0.0.1:4500` or `wss://codex.example.com/`. codex accepts any path. */
  readonly url: string
  /**
   * The token to send as `Authorization: Bearer`. An Effect runs for each connection, so a token can be short-lived:
   * see {@link signedBearer}. It fails with an `AppServerConnectError` whose reason is `token`. White space around a
   * token is removed, as the server does with its token file.
   */
  readonly token?:
    | Redacted.Redacted<string>
    | Effect.Effect<Redacted.Redacted<string>, AppServerConnectError>
    | undefined
  /** More headers for the opening request. A browser's WebSocket supports neither headers nor a token. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted<string> } | undefined
  /**
   * Allows plain `ws://` to a host other than `localhost`, `127.0.0.0/8` and `[::1]`. Anyone on the network path can
   * then read the token and everything else, and run commands with the token. Default: `false`.
   */
  readonly allowInsecure?: boolean | undefined
  /** How long opening the WebSocket may take, and before it obtaining the token. Default: 10 seconds each. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * The longest frame to accept, in bytes. A longer frame ends the connection. A lower limit of the platform's
   * WebSocket takes precedence (`ws`: 100 MiB); the layers of `@effect-codex/node` set that limit to this value.
   * Default: 256 MiB.
   */
  readonly maxFrameBytes?: number | undefined
  /** The name of the other end in messages. Default: the URL without credentials and query. */
  readonly description?: string | undefined
}

/**
 * A transport that sends frames as text messages of a WebSocket, to a server that was started with `codex app-server
 * --listen ws://IP:PORT`. The connection is open when this succeeds. When the scope closes, the WebSocket is closed
 * with code 1000; a peer that does not answer the close within a second is dropped.
 *
 * **Details**
 *
 * Fails with `AppServerConnectError`, whose `reason` says what to do. When the connection ends later, `receive` fails
 * with a `TransportError` that has the close code. A binary message is not part of the protocol; it is counted as an
 * unreadable message.
 *
 * `send` waits while more than 4 MiB are buffered in the WebSocket, if the platform reports it (`bufferedAmount`).
 *
 * **Gotchas**
 *
 * codex closes the connection without a close frame when a client sends a frame of more than 16 MiB, and when a
 * client leaves some tens of thousands of messages unread. Work on the server goes on without the client: its turns
 * end as usual, and a pending approval is sent again, with its id, to the client that resumes the thread.
 *
 * **Example** (A server behind a proxy, with short-lived tokens)
 *
 * ```ts
 * import { AppServerRpc, Codex, Transport } from "@effect-codex/client"
 * import { Layer, type Redacted } from "effect"
 *
 * export const codex = (secret: Redacted.Redacted<string>) =>
 *   Codex.layer().pipe(
 *     Layer.provide(AppServerRpc.layer()),
 *     Layer.provide(Transport.layerWebSocket({
 *       url: "wss://codex.example.com/",
 *       token: Transport.signedBearer({ secret, audience: "codex" })
 *     }))
 *   )
 * ```
 *
 * @see {@link layerWebSocket}
 * @category constructors
 * @since 0.1.0
 */
export const makeWebSocket: (
  options: WebSocketOptions
) => Effect.Effect<Transport["Service"], AppServerConnectError, Socket.WebSocketConstructor | Scope.Scope> = (
  options
) => Effect.flatMap(webSocket, ({ make }) => make(options))

/**
 * {@link makeWebSocket} as a layer.
 *
 * @see {@link layerWebSocketConfig}
 * @see {@link layerStdio}
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocket = (
  options: WebSocketOptions
): Layer.Layer<Transport, AppServerConnectError, Socket.WebSocketConstructor> =>
  Layer.effect(Transport, makeWebSocket(options))

/**
 * {@link layerWebSocket} with options read from the `ConfigProvider`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocketConfig = (
  options: Config.Wrap<WebSocketOptions>
): Layer.Layer<Transport, AppServerConnectError | Config.ConfigError, Socket.WebSocketConstructor> =>
  Layer.effect(Transport, Effect.flatMap(Config.unwrap(options), makeWebSocket))

/**
 * Options of {@link signedBearer}. The server compares `issuer` and `audience` with `--ws-issuer` and `--ws-audience`
 * if it was started with them.
 *
 * @category options
 * @since 0.1.0
 */
export interface SignedBearerOptions {
  /** The content of the server's `--ws-shared-secret-file`: at least 32 bytes. */
  readonly secret: Redacted.Redacted<string>
  /** The `iss` claim. Default: none. */
  readonly issuer?: string | undefined
  /** The `aud` claim. Default: none. */
  readonly audience?: string | undefined
  /**
   * How long the token is valid. The server checks it only when a connection is opened. Default: 60 seconds. The
   * server tolerates a clock difference of 30 seconds (`--ws-max-clock-skew-seconds`).
   */
  readonly lifetime?: Duration.Input | undefined
}

/**
 * Signs a token for a server that was started with `--ws-auth signed-bearer-token`: a JSON Web Token signed with
 * HMAC-SHA256, the only algorithm that the server accepts. Each run signs a new token.
 *
 * @see {@link WebSocketOptions}
 * @category constructors
 * @since 0.1.0
 */
export const signedBearer: (
  options: SignedBearerOptions
) => Effect.Effect<Redacted.Redacted<string>, AppServerConnectError> = WebSocketToken.sign

/**
 * One end of a connection in memory.
 *
 * @see {@link makeMemory}
 * @category models
 * @since 0.1.0
 */
export interface MemoryEnd extends Context.Service.Shape<typeof Transport> {
  /** Sends frames that the other end receives in one read. */
  readonly sendAll: (frames: ReadonlyArray<string>) => Effect.Effect<void>
  /**
   * Ends the connection for the other end, after all frames that were sent. Default cause: the other end closed the
   * connection.
   */
  readonly close: (cause?: ConnectionError) => Effect.Effect<void>
}

/**
 * A connection in memory, for tests. Each end receives what the other sends, and all waiting frames as one read.
 *
 * **Example** (A client whose server is the test)
 *
 * ```ts
 * import { AppServerRpc, Transport } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const connect = Effect.gen(function*() {
 *   const [client, server] = yield* Transport.makeMemory
 *   yield* server.send("{\"id\":1,\"error\":{\"code\":-32600,\"message\":\"not today\"}}")
 *   return yield* AppServerRpc.make().pipe(Effect.provideService(Transport.Transport, client))
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<readonly [client: MemoryEnd, server: MemoryEnd]> = Effect.gen(function*() {
  // Bounded, so that when a test leaves one end unread, the sender suspends and the test shows it.
  const toServer = yield* Queue.bounded<string, ConnectionError | Cause.Done>(16_384)
  const toClient = yield* Queue.bounded<string, ConnectionError | Cause.Done>(16_384)
  const end = (
    inbox: Queue.Queue<string, ConnectionError | Cause.Done>,
    outbox: Queue.Queue<string, ConnectionError | Cause.Done>
  ): MemoryEnd => ({
    description: "a connection in memory",
    log: Effect.succeed([]),
    send: (frame) => Effect.asVoid(Queue.offer(outbox, frame)),
    sendAll: (frames) => Effect.asVoid(Queue.offerAll(outbox, frames)),
    close: (cause) => Effect.asVoid(cause === undefined ? Queue.end(outbox) : Queue.fail(outbox, cause)),
    receive: (onFrames) =>
      Queue.takeAll(inbox).pipe(
        Effect.map(onFrames),
        Effect.forever,
        Effect.catchTag("Done", () =>
          Effect.fail(new TransportError({ reason: "read", detail: "the other end closed the connection." })))
      )
  })
  return [end(toClient, toServer), end(toServer, toClient)]
})
