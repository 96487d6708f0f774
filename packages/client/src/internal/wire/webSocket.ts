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
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Socket from "effect/socket/Socket"
import type { AppServerConnectError } from "../../CodexError.ts"
import { TransportError } from "../../CodexError.ts"
import type { Transport, WebSocketOptions } from "../../Transport.ts"
import { scopeEnded } from "../scopeEnded.ts"
import { exceeds } from "./frame.ts"
import { frameTooLarge } from "./frameTooLarge.ts"
import * as Platform from "./platformWebSocket.ts"
import { Handshake } from "./webSocketHandshake.ts"

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

// =============================================================================
// Received frames
// =============================================================================

/** Passes received frames on to the receiver, and then the end. */
class Inbox {
  /** Set before the last frames are passed on, and so before `ended` completes. */
  isEnded = false
  private readonly ended = Deferred.makeUnsafe<never, TransportError>()
  /**
   * Frames that the receiver does not have yet. Few can arrive before there is a receiver: the server says nothing
   * before `initialize` (docs/codex-behaviour.md, "The server says nothing before initialize").
   */
  private frames: Array<string> = []
  /** Whether `flush` will run. */
  private scheduled = false
  private receiver: ((frames: ReadonlyArray<string>) => void) | undefined

  /** Frames of the same read are passed on in the same batch. */
  push(frame: string): void {
    this.frames.push(frame)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => this.flush())
  }

  /** Passes on the frames that have arrived, and then ends. Only the first cause counts. */
  end(cause: TransportError): void {
    if (this.isEnded) return
    this.isEnded = true
    this.flush()
    Deferred.doneUnsafe(this.ended, Exit.fail(cause))
  }

  /** Runs until the end. Frames that arrive after an interruption are dropped. */
  receive(onFrames: (frames: ReadonlyArray<string>) => void): Effect.Effect<never, TransportError> {
    return Effect.suspend(() => {
      this.receiver = onFrames
      this.flush()
      return Deferred.await(this.ended)
    }).pipe(Effect.ensuring(Effect.sync(() => {
      this.receiver = constVoid
    })))
  }

  private flush(): void {
    const { frames, receiver } = this
    this.scheduled = false
    if (receiver === undefined || frames.length === 0) return
    this.frames = []
    try {
      receiver(frames)
    } catch (defect) {
      this.isEnded = true
      Deferred.doneUnsafe(this.ended, Exit.die(defect))
    }
  }
}

// =============================================================================
// Sent frames
// =============================================================================

/** Sends one frame after the other, and no faster than the WebSocket gets rid of them. */
class Sender {
  /** The length of the longest frame, in characters. */
  largest = 0
  private readonly sending = Semaphore.makeUnsafe(1)
  private readonly ws: Socket.WebSocketLike
  private readonly inbox: Inbox

  constructor(ws: Socket.WebSocketLike, inbox: Inbox) {
    this.ws = ws
    this.inbox = inbox
  }

  send(frame: string): Effect.Effect<void> {
    return this.sending.withPermit(Effect.andThen(
      this.room,
      Effect.sync(() => {
        if (this.inbox.isEnded) return
        this.largest = Math.max(this.largest, frame.length)
        try {
          this.ws.send(frame)
        } catch {
          // The connection is closing, and its end says why.
        }
      })
    ))
  }

  private readonly room: Effect.Effect<void> = Effect.suspend(() =>
    !this.inbox.isEnded && Platform.buffered(this.ws) > sendHighWater
      ? Effect.andThen(Effect.sleep(sendPoll), this.room)
      : Effect.void
  )
}

// =============================================================================
// The WebSocket's life
// =============================================================================

/** Closes the WebSocket, and drops it if the peer does not answer in time. */
const close = (ws: Socket.WebSocketLike): Effect.Effect<void> =>
  Effect.interruptible(Effect.callback<void>((resume) => {
    if (ws.readyState === closed) return resume(Effect.void)
    ws.addEventListener("close", () => resume(Effect.void))
    try {
      ws.close(1000)
    } catch {
      resume(Effect.void)
    }
  })).pipe(Effect.timeoutOption(closeGrace), Effect.andThen(Effect.sync(() => Platform.drop(ws))))

/** Constructs the WebSocket, which begins to open, and closes it at the end of the scope. */
const acquire = (
  construct: (url: string, options?: Socket.WebSocketConstructorOptions) => Socket.WebSocketLike,
  url: string,
  handshake: Handshake,
  inbox: Inbox
): Effect.Effect<Socket.WebSocketLike, AppServerConnectError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () =>
        construct(url, Object.keys(handshake.headers).length === 0 ? undefined : { headers: handshake.headers }),
      // Does not quote the thrown error, which may contain a header.
      catch: () =>
        handshake.failure(
          "invalid",
          "the platform's WebSocket refused the URL or a header as invalid. A token is one line of ASCII; the WebSocket " +
            "of a browser takes neither a token nor headers."
        )
    }),
    (ws) =>
      Effect.suspend(() => {
        inbox.end(scopeEnded("layer"))
        return close(ws)
      })
  )

const closedBy = (event: Socket.WebSocketEvent, handshake: Handshake, largestSent: number): TransportError => {
  const { address } = handshake
  const code = event.code ?? 1006
  const reason = handshake.clean(event.reason ?? "")
  const tooLarge = largestSent > Platform.serverFrameLimit
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

/** Puts the messages of the WebSocket into the inbox. A message that is too long ends the connection. */
const readInto = (inbox: Inbox, ws: Socket.WebSocketLike, maxFrameBytes: number): void =>
  ws.addEventListener("message", ({ data }) => {
    if (inbox.isEnded) return
    if (typeof data === "string" && exceeds(data, maxFrameBytes)) {
      inbox.end(frameTooLarge(maxFrameBytes, data.slice(0, 200)))
      return Platform.drop(ws)
    }
    // The protocol has no binary frames. This text is no message either, so the reader counts it as unreadable.
    inbox.push(typeof data === "string" ? data : `a binary frame of ${Platform.byteLength(data)} bytes`)
  })

/** Tells the inbox why the WebSocket ended. The returned effect waits until the WebSocket is open. */
const watch = (
  ws: Socket.WebSocketLike,
  { handshake, inbox, maxFrameBytes, sender }: {
    readonly handshake: Handshake
    readonly inbox: Inbox
    readonly sender: Sender
    readonly maxFrameBytes: number
  }
): Effect.Effect<void, AppServerConnectError> => {
  const opening = Deferred.makeUnsafe<void, AppServerConnectError>()
  let isOpen = false
  ws.addEventListener("open", () => {
    isOpen = true
    Deferred.doneUnsafe(opening, Exit.void)
  })
  ws.addEventListener("error", (event) => {
    const text = Platform.textOf(event)
    if (!isOpen) return void Deferred.doneUnsafe(opening, Exit.fail(handshake.notOpened(text)))
    inbox.end(
      Platform.isTooLarge(event)
        ? frameTooLarge(maxFrameBytes, "")
        : new TransportError({
          reason: "read",
          detail: `${handshake.address}: ${handshake.clean(text).replace(/\.?$/, ".")}`
        })
    )
    Platform.drop(ws)
  })
  ws.addEventListener("close", (event) => {
    Deferred.doneUnsafe(opening, Exit.fail(handshake.notOpened(`it was closed with code ${event.code ?? 1006}`)))
    inbox.end(closedBy(event, handshake, sender.largest))
  })
  return Deferred.await(opening)
}

// =============================================================================
// The transport
// =============================================================================

export const make = Effect.fnUntraced(function*(
  options: WebSocketOptions
): Effect.fn.Return<Transport["Service"], AppServerConnectError, Socket.WebSocketConstructor | Scope.Scope> {
  const construct = yield* Socket.WebSocketConstructor
  const maxFrameBytes = options.maxFrameBytes ?? 256 * MiB
  const handshake = new Handshake(options)
  yield* handshake.checkUrl
  yield* handshake.addHeaders

  const inbox = new Inbox()
  const ws = yield* acquire(construct, options.url, handshake, inbox)
  const sender = new Sender(ws, inbox)
  readInto(inbox, ws, maxFrameBytes)
  yield* watch(ws, { handshake, inbox, sender, maxFrameBytes }).pipe(
    handshake.inTime(
      "it did not open a WebSocket",
      "Check that this is the address of a codex app-server, or give a longer `connectTimeout`."
    ),
    Effect.onError(() => Effect.sync(() => Platform.drop(ws)))
  )

  return {
    description: handshake.address,
    maxSendBytes: Platform.maxSendBytes(ws),
    log: Effect.succeed([]),
    send: (frame) => sender.send(frame),
    receive: (onFrames) => inbox.receive(onFrames)
  }
})
