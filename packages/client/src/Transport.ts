/**
 * Moves whole frames, one JSON text each, between this process and an app-server. It knows nothing of their meaning.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { AppServer } from "./AppServer.ts"
import type { ConnectionError } from "./CodexError.ts"
import { TransportError } from "./CodexError.ts"
import * as LineFramer from "./internal/lineFramer.ts"

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
   */
  readonly receive: (onFrames: (frames: ReadonlyArray<string>) => void) => Effect.Effect<never, ConnectionError>
  /** Sends a frame. Waits while the connection is full. Never fails: a broken connection ends `receive`. */
  readonly send: (frame: string) => Effect.Effect<void>
  /** What is at the other end, for messages: the executable, or the address. */
  readonly description: string
  /** The last lines that the server wrote beside the protocol, oldest first; empty where there is no such place. */
  readonly log: Effect.Effect<ReadonlyArray<string>>
}>()("@effect-codex/client/Transport") {}

/**
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
    send: (frame) => server.send(`${frame}\n`),
    receive: (onFrames) =>
      Effect.suspend(() => {
        const framer = LineFramer.make(maxFrameBytes)
        const tooLarge = Deferred.makeUnsafe<never, TransportError>()
        let open = true
        return Effect.raceFirst(
          server.receive((chunk) => {
            if (!open) return
            let lines: ReadonlyArray<string>
            try {
              lines = framer.push(chunk)
            } catch (error) {
              if (!(error instanceof LineFramer.LineTooLong)) throw error
              open = false
              Deferred.doneUnsafe(tooLarge, Effect.fail(frameTooLarge(error, maxFrameBytes)))
              return
            }
            if (lines.length > 0) onFrames(lines)
          }),
          Deferred.await(tooLarge)
        )
      })
  })
})

const frameTooLarge = (line: LineFramer.LineTooLong, maxFrameBytes: number): TransportError =>
  new TransportError({
    reason: "frameTooLarge",
    detail: `the server sent a frame of more than ${maxFrameBytes} bytes (${
      /"method":"([^"]{1,80})"/.exec(line.start)?.[1]
        ?? "a reply"
    }). Raise \`maxFrameBytes\`, or ask for less at once.`
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
