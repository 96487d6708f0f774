/**
 * Sends the answers to server requests, and watches for signs that the server has read them. If there is no sign, it
 * sends an error after the answer, which ends the request on the server.
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

/** docs/codex-behaviour.md, "The server shows within milliseconds that it has read an answer". */
const resolvedWhenRead: ReadonlySet<string> = new Set<Method>([
  "item/commandExecution/requestApproval",
  "item/fileChange/requestApproval",
  "item/permissions/requestApproval",
  "item/tool/requestUserInput",
  "mcpServer/elicitation/request"
])

// In nanoseconds. Generous, for busy servers, slow connections and large answers. A late error does no harm:
// docs/codex-behaviour.md, "The server ignores what comes after an answer that it has read".
const readWithin = 10_000_000_000n

interface Unread {
  readonly threadId: string | undefined
  /** The id of the tool call's item; undefined for other requests. */
  readonly itemId: string | undefined
  readonly method: string
  /** How many frames the server had dropped before this answer. */
  readonly dropped: number
  /** Monotonic, in nanoseconds; undefined while the answer is being sent. */
  readonly until?: bigint
}

// Far beyond the threads of one client. Bounds memory.
const maxUntold = 4096

export class UnreadAnswers {
  private readonly unread = new Map<RequestId, Unread>()
  private isWatching = false
  /** docs/codex-behaviour.md, "A connection that has left the thread is not shown that its answer was read". */
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
      // The server may have read the answer before the write to a full pipe returned.
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

  /** Stops watching an answer that was read, or no longer matters. */
  forget(id: RequestId): void {
    this.unread.delete(id)
  }

  itemCompleted(threadId: string, itemId: string): void {
    for (const [id, entry] of this.unread) {
      if (entry.itemId === itemId && entry.threadId === threadId) this.unread.delete(id)
    }
  }

  /** Stops watching the thread's answers: none of its turns waits for one. */
  idle(threadId: string): void {
    for (const [id, entry] of this.unread) {
      if (entry.threadId === threadId) this.unread.delete(id)
    }
  }

  /** Called when the server stops notifying this connection about the thread. */
  untell(threadId: string): void {
    this.untold.add(threadId)
    if (this.untold.size > maxUntold) this.untold.delete(this.untold.values().next().value!)
    this.idle(threadId)
  }

  /** Called when the server notifies this connection about the thread again. */
  tell(threadId: string): void {
    this.untold.delete(threadId)
  }

  private write(frame: string): Effect.Effect<void> {
    return Effect.suspend(() => this.state.link.transport.send(frame))
  }

  /** One timer for all answers: the oldest comes first in the map. */
  private readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    for (const [id, entry] of this.unread) {
      if (entry.until === undefined) continue
      const left = entry.until - this.clock.monotonicTimeNanosUnsafe()
      return Effect.andThen(left > 0n ? Effect.sleep(Duration.nanos(left)) : this.takeBack(id, entry), this.watch)
    }
    this.isWatching = false
    return Effect.void
  })

  /** Sends an error after the answer; otherwise the turn would wait for ever. */
  private takeBack(id: RequestId, entry: Unread): Effect.Effect<void> {
    this.unread.delete(id)
    const { count, reason } = this.log.dropped()
    const why = count > entry.dropped ? ` (${reason})` : ""
    this.log.tell({
      _tag: "HandlerProblem",
      message:
        `codex did not read the answer to its request ${entry.method} within 10 seconds${why}. The client answers ` +
        "with an error, so that the turn continues."
    })
    return this.write(frameOf(id, refused(-32603, "The client's answer could not be read.")))
  }
}
