/**
 * The threads that this connection has loaded, and a limit on their number. Threads beyond it are unsubscribed when
 * they are idle, the least recently used first. Their handles load them again before the next call.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { RpcError } from "../../CodexError.ts"
import * as Monotonic from "../monotonic.ts"
import { membersOf } from "../protocol/peek.ts"
import { using } from "../protocol/uses.ts"
import { internalsOf, type Rpc, type RpcInternals } from "../rpcInternals.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as IdleThread from "./idleThread.ts"

/** A thread that was loaded. Its handles hold it, so that nothing about a thread outlives them. */
export interface Loaded {
  /** The client has let go of it. Each handle resumes it before its next use, with its own settings. */
  isOut: boolean
  /** Whether the client knows what became of it. It does not look at what was loaded before there was a limit. */
  isCounted: boolean
  /** Counts the calls, to notice those that came while the server was asked. */
  calls: number
  /** The server said that it must stay: do not ask again before this time. */
  keptUntil: number
  /** The thread's own `thread_unload_delay_secs`. */
  readonly unloadDelay: unknown
}

/** How long not to ask again about a thread that must stay, in milliseconds. */
const askAgainAfter = 10_000

/** How many threads to ask about for one that is loaded. Bounds its delay when many must stay. */
const maxAsked = 8

const isOutOfDescriptors = (error: unknown): boolean =>
  error instanceof RpcError && ServerTexts.isOutOfDescriptors(error.detail)

const closeWithin = "2 seconds"

export class LoadedThreads {
  /** The least recently used first. Empty without a limit. */
  private readonly threads = new Map<string, Loaded>()
  private readonly leaving = new Map<string, Deferred.Deferred<void>>()
  private readonly oneAtATime = Semaphore.makeUnsafe(1)
  /** How many calls on each thread are under way. */
  private readonly users = new Map<string, number>()
  private opening = 0
  private max: number | undefined
  /** How many threads this process has descriptors for, as far as known. */
  private afforded = Number.POSITIVE_INFINITY
  private restarts = 0
  /** `thread_unload_delay_secs` of the server, once it was asked. */
  private unloadDelay: { readonly secs: unknown } | undefined
  private readonly rpc: Rpc

  constructor(rpc: Rpc) {
    this.rpc = rpc
    this.restarts = rpc.restarts
  }

  /** Several clients of a connection share its threads: the smallest limit counts. */
  limitTo(max: number): void {
    this.max = Math.min(max, this.max ?? max)
  }

  /** Whether the server has the thread loaded, as far as is known. Counts only with a limit. */
  has(threadId: string): boolean {
    this.look()
    return this.threads.has(threadId) || this.users.has(threadId)
  }

  /** How many threads are loaded, how many of them run something, and how many are being loaded. The same. */
  get count(): { readonly loaded: number; readonly running: number; readonly opening: number } {
    this.look()
    let running = 0
    for (const id of this.threads.keys()) if (this.isBusy(id)) running++
    return { loaded: this.threads.size, running, opening: this.opening }
  }

  /** Whether no thread is loaded or being loaded, and no call on one is under way. The same. */
  get isEmpty(): boolean {
    this.look()
    return this.threads.size === 0 && this.users.size === 0 && this.opening === 0
  }

  /** Lets go of all threads that are idle. */
  readonly letGoOfAll: Effect.Effect<void> = Effect.suspend(() => {
    this.look()
    return Effect.asVoid(this.letGoOf(Number.POSITIVE_INFINITY, () => true))
  })

  /** Counts a thread that is loaded now. */
  add(threadId: string, unloadDelay: unknown): Loaded {
    this.look()
    const known = this.threads.get(threadId)
    if (known !== undefined) return this.touch(threadId, known)
    const isCounted = this.max !== undefined
    const loaded = { isOut: false, isCounted, calls: 0, keptUntil: 0, unloadDelay }
    if (isCounted) this.threads.set(threadId, loaded)
    return loaded
  }

  /** Whether the client has let go of it, as far as it knows. */
  isOut({ isCounted, isOut }: Loaded): boolean {
    return isOut || !isCounted && this.max !== undefined
  }

  /** Waits until a thread that is being let go of is gone. It cannot be resumed meanwhile. */
  readonly left = (threadId: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const leaving = this.leaving.get(threadId)
      return leaving === undefined ? Effect.void : Deferred.await(leaving)
    })

  /** Keeps the thread loaded while the effect runs. Lets go of others if the server has no descriptors for it. */
  using<A, E, R>(threadId: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      if (this.max === undefined) return effect
      const loaded = this.threads.get(threadId)
      if (loaded !== undefined) this.touch(threadId, loaded)
      this.users.set(threadId, (this.users.get(threadId) ?? 0) + 1)
      return Effect.ensuring(
        Effect.tapError(effect, (error) => isOutOfDescriptors(error) ? this.relieve : Effect.void),
        Effect.sync(() => {
          const left = (this.users.get(threadId) ?? 0) - 1
          if (left > 0) this.users.set(threadId, left)
          else this.users.delete(threadId)
        })
      )
    })
  }

  /** Makes room for one more thread before the effect loads it. */
  open<A, E, R>(threadId: string | undefined, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.look()
      if (this.max === undefined) return effect
      if (threadId !== undefined && this.threads.has(threadId)) return this.using(threadId, effect)
      this.opening++
      return Effect.ensuring(
        Effect.andThen(this.makeRoom, this.relieving(effect)),
        Effect.sync(() => {
          this.opening--
        })
      )
    })
  }

  /**
   * Lets go of a quarter of the threads, as far as they are idle, and keeps no more from now on: the process cannot
   * have more of them. Returns how many it has let go of.
   */
  readonly relieve: Effect.Effect<number> = Effect.suspend(() => {
    if (this.max === undefined) return Effect.succeed(0)
    this.afforded = Math.max(1, Math.floor(this.threads.size * 0.75))
    return this.letGoOf(Number.POSITIVE_INFINITY)
  })

  /**
   * Repeats a request that the server has refused for want of descriptors, as long as threads can be let go of. A
   * server that has none left may not even tell which threads are idle, so this asks a few times.
   */
  relieving<A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const relieved = this.relieve.pipe(
      Effect.repeat({ schedule: Schedule.spaced("50 millis"), times: 5, until: (count) => count > 0 })
    )
    const attempt = (left: number): Effect.Effect<A, E, R> =>
      Effect.catch(request, (error) =>
        left > 0 && isOutOfDescriptors(error)
          ? Effect.flatMap(relieved, (count) => count === 0 ? Effect.fail(error) : attempt(left - 1))
          : Effect.fail(error))
    return attempt(3)
  }

  private readonly makeRoom: Effect.Effect<void> = Effect.suspend(() => Effect.asVoid(this.letGoOf(maxAsked)))

  private get isFull(): boolean {
    return this.threads.size + this.opening > Math.min(this.max ?? this.afforded, this.afforded)
  }

  /** Lets go of threads until there are no more than the limit allows, or as long as `isFull` says. */
  private letGoOf(asks: number, isFull = () => this.isFull): Effect.Effect<number> {
    return this.oneAtATime.withPermit(Effect.gen({ self: this }, function*() {
      const clock = yield* Clock.Clock
      let asked = 0
      let count = 0
      for (const [id, loaded] of Array.from(this.threads)) {
        if (!isFull() || asked >= asks) break
        if (this.isBusy(id)) this.touch(id, loaded)
        else if (Monotonic.millis(clock) >= loaded.keptUntil) {
          asked++
          if (yield* this.letGo(id, loaded, clock)) count++
        }
      }
      return count
    }))
  }

  private isBusy(threadId: string): boolean {
    return this.users.has(threadId) || internalsOf(this.rpc).isInUse(threadId)
  }

  private readonly letGo = Effect.fnUntraced(
    { self: this },
    function*(threadId: string, loaded: Loaded, clock: Clock.Clock): Effect.fn.Return<boolean> {
      const { calls } = loaded
      const answer = yield* IdleThread.ask(this.rpc, threadId)
      const delay = loaded.unloadDelay ?? (yield* this.delay)
      if (this.threads.get(threadId) !== loaded) return false
      if (answer._tag === "gone") {
        loaded.isOut = true
        this.threads.delete(threadId)
      }
      if (answer._tag === "kept") loaded.keptUntil = Monotonic.millis(clock) + askAgainAfter
      if (answer._tag !== "idle" || loaded.calls !== calls || this.isBusy(threadId)) return false
      loaded.isOut = true
      this.threads.delete(threadId)
      return yield* this.leave(threadId, answer.subagents, delay === 0)
    }
  )

  /** Nothing else can be sent about the thread until this is over. */
  private leave(threadId: string, subagents: ReadonlyArray<string>, unloadsAtOnce: boolean): Effect.Effect<boolean> {
    const left = Deferred.makeUnsafe<void>()
    const unsubscribe = (threadId: string) =>
      this.rpc.request("thread/unsubscribe", { threadId }, { timeout: "5 seconds" })
    return Effect.suspend(() => {
      this.leaving.set(threadId, left)
      return this.untilClosed(threadId, unloadsAtOnce, unsubscribe(threadId))
    }).pipe(
      Effect.andThen(Effect.forEach(subagents, unsubscribe, { discard: true })),
      Effect.as(true),
      Effect.orElseSucceed(() => false),
      Effect.ensuring(Effect.sync(() => {
        this.leaving.delete(threadId)
        Deferred.doneUnsafe(left, Effect.void)
      })),
      Effect.uninterruptible
    )
  }

  /** Runs a request that leaves a thread which the program may use again at once. */
  leavingByHand<A extends { readonly status: unknown }, E>(
    threadId: string,
    request: Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      // It stays among the threads: what becomes of it concerns all of its handles.
      const loaded = this.threads.get(threadId)
      if (this.max === undefined || this.isBusy(threadId)) return request
      const delay = loaded?.unloadDelay === undefined ? this.delay : Effect.succeed(loaded.unloadDelay)
      return Effect.flatMap(delay, (secs) => this.untilClosed(threadId, secs === 0, request))
    })
  }

  // docs/codex-behaviour.md, "A thread that is being unloaded cannot be resumed, or is lost after it was".
  private untilClosed<A extends { readonly status: unknown }, E>(
    threadId: string,
    unloadsAtOnce: boolean,
    request: Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    const closed = Deferred.makeUnsafe<void>()
    const onEnd = () => void Deferred.doneUnsafe(closed, Effect.void)
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      yield* internalsOf(this.rpc).observe(threadId, {
        onNotification: ({ _tag }) => _tag === "thread/closed" && onEnd(),
        onReadEnd: () => {},
        onEnd,
        onLost: onEnd
      })
      const reply = yield* request
      if (unloadsAtOnce && reply.status === "unsubscribed") {
        yield* Effect.timeoutOption(Deferred.await(closed), closeWithin).pipe(
          // The test's clock may stand still.
          Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())
        )
      }
      return reply
    }))
  }

  private get delay(): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      if (this.unloadDelay !== undefined) return Effect.succeed(this.unloadDelay.secs)
      return this.rpc.request("config/read", {}, { timeout: "5 seconds" }).pipe(
        using(this.rpc, "config/read", ({ config }) => ({ secs: membersOf(config)["thread_unload_delay_secs"] })),
        Effect.orElseSucceed(() => ({ secs: undefined })),
        Effect.map((delay) => {
          this.unloadDelay = delay
          return delay.secs
        })
      )
    })
  }

  private touch(threadId: string, loaded: Loaded): Loaded {
    loaded.calls++
    this.threads.delete(threadId)
    this.threads.set(threadId, loaded)
    return loaded
  }

  /** A new process has loaded nothing. */
  private look(): void {
    if (this.restarts === this.rpc.restarts) return
    this.restarts = this.rpc.restarts
    this.unloadDelay = undefined
    this.afforded = Number.POSITIVE_INFINITY
    this.threads.clear()
  }
}

const ofConnections = new WeakMap<RpcInternals, LoadedThreads>()

/** The threads of a connection. */
export const of = (rpc: Rpc): LoadedThreads => {
  const connection = internalsOf(rpc)
  const known = ofConnections.get(connection) ?? new LoadedThreads(rpc)
  ofConnections.set(connection, known)
  return known
}
