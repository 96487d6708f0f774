/**
 * Moves whole frames, one JSON text each, between this process and an app-server. It knows nothing of their meaning.
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
 * A connection to an app-server.
 *
 * **Details**
 *
 * `receive` is a plain callback and not a `Stream`, because one pipe carries every reply and the events of every turn: it
 * is read as fast as it comes and nothing may hold it back.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /**
   * Hands the frames of each read to `onFrames`, in order, and fails with the one cause when the connection ends. What
   * arrived before the end is handed over first. One receiver at a time.
   *
   * `more` says that the next read follows at once, with or without frames, so that readers may be woken once for both.
   */
  readonly receive: (
    onFrames: (frames: ReadonlyArray<string>, more?: boolean) => void
  ) => Effect.Effect<never, ConnectionError>
  /** Sends a frame. Waits while the connection is full. Never fails: a broken connection ends `receive`. */
  readonly send: (frame: string) => Effect.Effect<void>
  /** The longest frame that the server takes here, in bytes. A longer one would end the connection. Default: any. */
  readonly maxSendBytes?: number | undefined
  /** What is at the other end, for messages: the executable, or the address. */
  readonly description: string
  /** The last lines that the server wrote beside the protocol, oldest first; empty where there is no such place. */
  readonly log: Effect.Effect<ReadonlyArray<string>>
  /** Hands each further line of that log to `onLine`, which must not throw, until the scope closes. */
  readonly watchLog?: ((onLine: (line: string) => void) => Effect.Effect<void, never, Scope.Scope>) | undefined
}>()("@effect-codex/client/Transport") {}

/**
 * Options of the transport over the pipes of a process.
 *
 * @category options
 * @since 0.1.0
 */
export interface StdioOptions {
  /** The longest frame that is accepted, in bytes. A longer one ends the connection. Default: 256 MiB. */
  readonly maxFrameBytes?: number | undefined
}

/**
 * Frames as lines on the stdin and stdout of the {@link AppServer}.
 *
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
 * @category layers
 * @since 0.1.0
 */
export const layerStdio = (options?: StdioOptions): Layer.Layer<Transport, never, AppServer> =>
  Layer.effect(Transport, makeStdio(options))

/**
 * A WebSocket to a running app-server.
 *
 * @category options
 * @since 0.1.0
 */
export interface WebSocketOptions {
  /** Such as `ws://127.0.0.1:4500` or `wss://codex.example.com/`. codex takes any path. */
  readonly url: string
  /**
   * Sent as `Authorization: Bearer`. An Effect is run for each connection, so that a token can be short-lived: see
   * {@link signedBearer}. It fails with an `AppServerConnectError` whose reason is `token`. White space around a token is
   * dropped, as the server does with its file.
   */
  readonly token?:
    | Redacted.Redacted<string>
    | Effect.Effect<Redacted.Redacted<string>, AppServerConnectError>
    | undefined
  /** More headers of the opening request. The WebSocket of a browser takes none, and no token. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted<string> } | undefined
  /**
   * Whether plain `ws://` may go to a host other than `localhost`, `127.0.0.0/8` and `[::1]`. Who is on the way can then
   * read the token and everything else, and run commands with it. Default: `false`.
   */
  readonly allowInsecure?: boolean | undefined
  /** How long the opening may take, and before it the making of the token. Default: 10 seconds each. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * The longest frame that is accepted, in bytes. A longer one ends the connection. Where the platform's WebSocket has a
   * lower limit (`ws`: 100 MiB), that one counts; the layers of `@effect-codex/node` set it to this. Default: 256 MiB.
   */
  readonly maxFrameBytes?: number | undefined
  /** What the other end is called in messages. Default: the URL without credentials and query. */
  readonly description?: string | undefined
}

/**
 * Frames as the text messages of a WebSocket, to a server that was started with `codex app-server --listen ws://IP:PORT`.
 * It is open when this succeeds, and closed with code 1000 when the scope closes; a peer that does not answer that within
 * a second is dropped.
 *
 * **Details**
 *
 * Fails with `AppServerConnectError`, whose `reason` says what to do. A connection that ends later ends `receive` with a
 * `TransportError` that has the close code. A binary message is no message of the protocol and is counted as one.
 *
 * `send` waits while more than 4 MiB are buffered in the WebSocket, where the platform tells that (`bufferedAmount`).
 *
 * **Gotchas**
 *
 * Measured on codex 0.169: it closes the connection without a close frame when a client sends a frame of more than 16 MiB,
 * and when a client leaves some tens of thousands of messages unread. What runs on the server goes on without the client:
 * its turns end as they would have, and a pending approval is asked again, under its id, of who resumes the thread.
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
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocket = (
  options: WebSocketOptions
): Layer.Layer<Transport, AppServerConnectError, Socket.WebSocketConstructor> =>
  Layer.effect(Transport, makeWebSocket(options))

/**
 * {@link layerWebSocket} with options that are read from the `ConfigProvider`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWebSocketConfig = (
  options: Config.Wrap<WebSocketOptions>
): Layer.Layer<Transport, AppServerConnectError | Config.ConfigError, Socket.WebSocketConstructor> =>
  Layer.effect(Transport, Effect.flatMap(Config.unwrap(options), makeWebSocket))

/**
 * What a signed token says. The server compares it with `--ws-issuer` and `--ws-audience` if it has them.
 *
 * @category options
 * @since 0.1.0
 */
export interface SignedBearerOptions {
  /** The content of the server's `--ws-shared-secret-file`: at least 32 bytes. */
  readonly secret: Redacted.Redacted<string>
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  /**
   * For how long the token is good. It is looked at when a connection is opened, and not again. Default: 60 seconds. The
   * server allows for 30 seconds of difference between the clocks (`--ws-max-clock-skew-seconds`).
   */
  readonly lifetime?: Duration.Input | undefined
}

/**
 * Makes a token for a server that was started with `--ws-auth signed-bearer-token`: a JSON Web Token signed with
 * HMAC-SHA256, the only algorithm that it takes. Each run makes a new one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const signedBearer: (
  options: SignedBearerOptions
) => Effect.Effect<Redacted.Redacted<string>, AppServerConnectError> = WebSocketToken.sign

/**
 * One end of a connection in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryEnd extends Context.Service.Shape<typeof Transport> {
  /** Sends frames that the other end gets in one read. */
  readonly sendAll: (frames: ReadonlyArray<string>) => Effect.Effect<void>
  /** Ends the connection for the other end, after what was sent. */
  readonly close: (cause?: ConnectionError) => Effect.Effect<void>
}

/**
 * A connection in memory, for tests: what one end sends the other receives, all that waits as one read.
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
  // Bounded, so that a test whose one end does not read is told by its other end being suspended.
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
