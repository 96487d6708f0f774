/**
 * Sends the answers to the server's requests, and watches whether the server shows that it has read them. An answer that it
 * does not show to have read is followed by an error, which ends the request there.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Method } from "../../ServerRequests.ts"
import { textAt } from "../protocol/peek.ts"
import { frameOf, refused, type RequestId } from "./answerFrames.ts"
import { originOf } from "./router.ts"
import type { Log, Message, Outgoing } from "./serverRequestFibers.ts"

/**
 * How the server shows that it has read an answer, which it does within milliseconds (measured on 0.169). It resolves a
 * request of a thread, but for the call of a tool, whose item it completes. Of what belongs to no thread it shows nothing.
 */
const resolvedWhenRead: ReadonlySet<string> = new Set<Method>([
  "item/commandExecution/requestApproval",
  "item/fileChange/requestApproval",
  "item/permissions/requestApproval",
  "item/tool/requestUserInput",
  "mcpServer/elicitation/request"
])

// A busy server, or a slow connection with a large answer, must not be told off. It reads in order: what is said after
// an answer never comes before it, and it ignores what comes after one that it has read (measured).
const readWithin = 10_000_000_000n

interface Unread {
  readonly threadId: string | undefined
  /** Of the call of a tool. */
  readonly itemId: string | undefined
  readonly method: string
  /** How many frames the server had dropped before. */
  readonly dropped: number
  /** In nanoseconds; undefined while it is being sent. */
  readonly until?: bigint
}

// Far beyond the threads of a client. Bounds memory.
const maxUntold = 4096

export class UnreadAnswers {
  private readonly unread = new Map<RequestId, Unread>()
  private isWatching = false
  /** The threads of which the server shows nothing. */
  private readonly untold = new Set<string>()
  private readonly clock: Clock.Clock
  private readonly fork: (effect: Effect.Effect<void>) => void
  private readonly state: Outgoing
  private readonly log: Log

  private constructor(clock: Clock.Clock, fork: (effect: Effect.Effect<void>) => void, state: Outgoing, log: Log) {
    this.clock = clock
    this.fork = fork
    this.state = state
    this.log = log
  }

  static readonly make = Effect.fnUntraced(function*(
    state: Outgoing,
    log: Log
  ): Effect.fn.Return<UnreadAnswers, never, Scope.Scope> {
    return new UnreadAnswers(yield* Clock.Clock, yield* FiberSet.makeRuntime<never, void>(), state, log)
  })

  send({ id, method, params }: Message, frame: string): Effect.Effect<void> {
    const itemId = method === "item/tool/call" ? textAt(params, "callId") : undefined
    if (itemId === undefined && !resolvedWhenRead.has(method)) return this.write(frame)
    const { threadId } = originOf(params)
    if (threadId !== undefined && this.untold.has(threadId)) return this.write(frame)
    const entry: Unread = { threadId, itemId, method, dropped: this.log.dropped().count }
    this.unread.set(id, entry)
    return Effect.map(this.write(frame), () => {
      // It may have been read before a full pipe has let all of it pass.
      if (this.unread.get(id) !== entry) return
      this.unread.delete(id)
      this.unread.set(id, { ...entry, until: this.clock.monotonicTimeNanosUnsafe() + readWithin })
      if (this.isWatching) return
      this.isWatching = true
      this.fork(this.watch)
    })
  }

  /** {@link send} in the background. */
  sendLater(message: Message, frame: string): void {
    this.fork(this.send(message, frame))
  }

  /** It was read, or does not matter any more. */
  forget(id: RequestId): void {
    this.unread.delete(id)
  }

  itemCompleted(threadId: string, itemId: string): void {
    for (const [id, entry] of this.unread) {
      if (entry.itemId === itemId && entry.threadId === threadId) this.unread.delete(id)
    }
  }

  /** No turn of the thread waits for an answer. */
  idle(threadId: string): void {
    for (const [id, entry] of this.unread) {
      if (entry.threadId === threadId) this.unread.delete(id)
    }
  }

  /** The server shows nothing of the thread any more. */
  untell(threadId: string): void {
    this.untold.add(threadId)
    if (this.untold.size > maxUntold) this.untold.delete(this.untold.values().next().value!)
    this.idle(threadId)
  }

  /** It shows something of it again. */
  tell(threadId: string): void {
    this.untold.delete(threadId)
  }

  private write(frame: string): Effect.Effect<void> {
    return Effect.suspend(() => this.state.link.transport.send(frame))
  }

  /** One timer for all, because the oldest stands first. */
  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    for (const [id, entry] of this.unread) {
      if (entry.until === undefined) continue
      const left = entry.until - this.clock.monotonicTimeNanosUnsafe()
      return Effect.andThen(left > 0n ? Effect.sleep(Duration.nanos(left)) : this.takeBack(id, entry), this.watch)
    }
    this.isWatching = false
    return Effect.void
  })

  /** A turn would wait for its answer without end. */
  private takeBack(id: RequestId, entry: Unread): Effect.Effect<void> {
    this.unread.delete(id)
    const { count, reason } = this.log.dropped()
    const why = count > entry.dropped ? ` (${reason})` : ""
    this.log.tell({
      _tag: "HandlerProblem",
      message:
        `codex has not read the answer to its request ${entry.method} within 10 seconds${why}. It is told that the ` +
        "request has failed, so that its turn goes on."
    })
    return this.write(frameOf(id, refused(-32603, "The client's answer could not be read.")))
  }
}
