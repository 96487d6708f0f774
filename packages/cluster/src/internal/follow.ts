/** Follows threads: looks at their files when they have events, and now and then. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type { Followed } from "../CodexSession.ts"
import * as Metrics from "../Metrics.ts"
import { type Carried, type CarryError, type Env, makeCarrier } from "./carrier.ts"
import type { SessionFileError } from "./sessionErrors.ts"
import type { SessionFenced } from "./storeErrors.ts"

export interface Options {
  readonly flushInterval: Duration.Duration
  readonly closeTimeout: Duration.Duration
}

/** How long the files are looked at often after an event. */
const eagerFor = Duration.seconds(2)

/** What is written without an event waits this long, the longer nothing has happened the longer. */
const idle = { first: Duration.seconds(1), last: Duration.seconds(5) }

const slowestRetry = Duration.seconds(5)

/** A thread that is followed, with its subagents. */
export class Follower {
  readonly threads = new Map<string, Carried>()
  /** Its subagents of whose files the store does not know yet that the thread needs them. */
  readonly newSubagents = new Set<Carried>()
  /** Something was told of one of its threads. */
  readonly told = Latch.makeUnsafe()
  /** Something was told whose lines are worth a write of their own. */
  readonly urgent = Latch.makeUnsafe()
  readonly lock = Semaphore.makeUnsafe(1)
  readonly fenced = Deferred.makeUnsafe<SessionFenced>()
  /** The attempts that have failed since one succeeded. */
  failures = 0
  readonly threadId: string
  /** Started a moment ago: it has no subagents, and the store has nothing of it. */
  readonly isNew: boolean
  constructor(threadId: string, isNew: boolean) {
    this.threadId = threadId
    this.isNew = isNew
  }
}

export const makeFollow = (env: Env, options: Options) => {
  const carrier = makeCarrier(env)

  const fence = Effect.fnUntraced(function*({ fenced }: Follower, error: SessionFenced) {
    if (Deferred.isDoneUnsafe(fenced)) return
    yield* Metric.update(Metrics.fencedThreads, 1)
    yield* Effect.logWarning(error.message)
    yield* Deferred.succeed(fenced, error)
  })

  const failed = Effect.fnUntraced(function*(follower: Follower, error: CarryError) {
    if (error._tag === "SessionFenced") return yield* fence(follower, error)
    follower.failures++
    if (follower.failures > 1) return
    yield* Metric.update(Metrics.storeOutages, 1)
    yield* Effect.logWarning(`Thread ${follower.threadId} is not being stored. It will be tried again.`, error)
  })

  const succeeded = Effect.fnUntraced(function*(follower: Follower) {
    const isBack = follower.failures > 0
    follower.failures = 0
    if (isBack) yield* Effect.logInfo(`Thread ${follower.threadId} is being stored again.`)
  })

  /** Notes that the thread needs its new subagents, and carries them from now on. */
  const welcome = (follower: Follower) =>
    Effect.forEach(
      [...follower.newSubagents],
      (subagent) =>
        Effect.map(carrier.link(follower.threadId, subagent.threadId), () => {
          follower.newSubagents.delete(subagent)
          follower.threads.set(subagent.threadId, subagent)
        }),
      { discard: true }
    )

  /** Stores what is new of the thread and its subagents. Returns whether codex has written. */
  const attempt = (follower: Follower): Effect.Effect<boolean, CarryError> =>
    Effect.gen(function*() {
      if (Deferred.isDoneUnsafe(follower.fenced)) return yield* yield* Deferred.await(follower.fenced)
      yield* welcome(follower)
      const written = yield* Effect.forEach([...follower.threads.values()], carrier.carry)
      return written.includes(true)
    })

  const pass = (follower: Follower) =>
    attempt(follower).pipe(
      Effect.tapError((error) => failed(follower, error)),
      Effect.tap(succeeded(follower)),
      follower.lock.withPermit
    )

  /**
   * Looks for new files, too: in the folders that it knows, or wherever codex writes, which codex takes time to tell.
   */
  const fullPass = (follower: Follower, asks: boolean) =>
    Effect.suspend(() => {
      for (const carried of follower.threads.values()) {
        if (asks) carried.move()
        else carried.isIncomplete = true
      }
      return pass(follower)
    })

  const retryDelay = ({ failures }: Follower): Duration.Duration =>
    Duration.min(slowestRetry, Duration.times(options.flushInterval, 2 ** Math.min(failures, 16)))

  const wait = (follower: Follower, isEager: boolean, idleFor: Duration.Duration) => {
    if (follower.failures > 0) return Effect.sleep(retryDelay(follower))
    return isEager
      ? Effect.timeoutOption(follower.urgent.await, options.flushInterval)
      : Effect.timeoutOption(follower.told.await, Duration.max(idleFor, options.flushInterval))
  }

  const loop = Effect.fnUntraced(function*(follower: Follower) {
    let eagerUntil = 0n
    let idleFor = idle.first
    while (!Deferred.isDoneUnsafe(follower.fenced)) {
      yield* wait(follower, (yield* Clock.monotonicTimeNanos) < eagerUntil, idleFor)
      const isTold = follower.told.isOpen()
      follower.told.closeUnsafe()
      follower.urgent.closeUnsafe()
      const isWritten = yield* Effect.orElseSucceed(pass(follower), () => false)
      if (isTold || isWritten) {
        eagerUntil = (yield* Clock.monotonicTimeNanos) + Duration.toNanosUnsafe(eagerFor)
        idleFor = idle.first
      } else idleFor = Duration.min(Duration.times(idleFor, 2), idle.last)
    }
  })

  /** Stores the rest, and says what it could not store. */
  const settle = Effect.fnUntraced(function*(follower: Follower) {
    const rest = Effect.gen(function*() {
      while (true) {
        const done = yield* Effect.result(fullPass(follower, true))
        if (done._tag === "Success" || done.failure._tag === "SessionFenced") return
        yield* Effect.sleep(retryDelay(follower))
      }
    })
    if (Option.isSome(yield* Effect.timeoutOption(Effect.interruptible(rest), options.closeTimeout))) return
    const bytes = yield* Effect.forEach([...follower.threads.values()], carrier.unstored)
    yield* Effect.logWarning(
      `${bytes.reduce((a, b) => a + b, 0)} bytes of thread ${follower.threadId} and its subagents are not stored. `
        + "They are in codex's files: follow the thread on this machine to store them, unless another one goes on."
    )
  })

  return Effect.fnUntraced(function*(follower: Follower, subagents: Effect.Effect<void, SessionFileError>) {
    // Before the turn begins, so that its first lines need not wait for a busy codex.
    const thread = yield* carrier.locate(follower.threadId)
    thread.isChecked = follower.isNew
    follower.threads.set(follower.threadId, thread)
    if (!follower.isNew) yield* subagents
    yield* attempt(follower)
    yield* Effect.addFinalizer(() => settle(follower))
    yield* Effect.forkScoped(loop(follower))
    return {
      flush: Effect.asVoid(fullPass(follower, false)),
      fenced: Deferred.await(follower.fenced)
    } satisfies Followed
  })
}
