/** The store of sessions that lives in a process. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { BegunTurn, BoundThread, SessionLines, SessionStore } from "../SessionStore.ts"
import { chunksOf, wellFormed } from "./lines.ts"
import { SessionFenced, SessionGap } from "./storeErrors.ts"

/** All changes are synchronous, so that no other fiber sees a half of one. */
class Sessions {
  readonly threads = new Map<string, Map<string, Array<string>>>()
  readonly needs = new Map<string, Set<string>>()
  readonly keys = new Map<string, BoundThread>()
  readonly turns = new Map<string, Map<string, Omit<BegunTurn, "isFirst">>>()
  readonly used = new Map<string, number>()

  append({ file, line, lines, threadId }: SessionLines, now: DateTime.Utc): SessionFenced | SessionGap | undefined {
    if (lines.length === 0) return undefined
    const stored = this.threads.get(threadId)?.get(file) ?? []
    if (line > stored.length) return new SessionGap({ threadId, file, line, stored: stored.length })
    const texts = wellFormed(lines)
    const known = stored.slice(line, line + texts.length)
    const other = known.findIndex((text, index) => text !== texts[index])
    if (other >= 0) return new SessionFenced({ threadId, file, line: line + other })
    for (const text of texts.slice(known.length)) stored.push(text)
    this.threads.set(threadId, (this.threads.get(threadId) ?? new Map<string, Array<string>>()).set(file, stored))
    this.use(threadId, now)
    return undefined
  }

  use(threadId: string, now: DateTime.Utc): void {
    this.used.set(threadId, now.epochMilliseconds)
  }

  /** The threads, and all that they need. */
  withNeeded(threadIds: Iterable<string>): Set<string> {
    const found = new Set(threadIds)
    // A set that grows while it is walked is walked to its new end.
    for (const id of found) this.needs.get(id)?.forEach((needed) => found.add(needed))
    return found
  }

  *load(threadId: string): Generator<SessionLines> {
    for (const id of this.withNeeded([threadId])) {
      for (const [file, lines] of this.threads.get(id) ?? []) yield* chunksOf(id, file, [...lines])
    }
  }

  bind(key: string, thread: BoundThread, now: DateTime.Utc): BoundThread {
    const bound = this.keys.get(key)
    if (bound !== undefined) return bound
    this.keys.set(key, thread)
    this.use(thread.threadId, now)
    return thread
  }

  rebind(key: string, lost: string, thread: BoundThread, now: DateTime.Utc): BoundThread {
    const bound = this.keys.get(key)
    if (bound?.threadId === lost && bound.isNew === true) this.keys.delete(key)
    return this.bind(key, thread, now)
  }

  settle(key: string, threadId: string): boolean {
    const bound = this.keys.get(key)
    if (bound?.threadId !== threadId) return false
    const { isNew: _, ...settled } = bound
    this.keys.set(key, settled)
    return true
  }

  begin(key: string, turnKey: string, runner: string, at: DateTime.Utc): BegunTurn {
    const bound = this.keys.get(key)
    if (bound !== undefined) this.use(bound.threadId, at)
    const turns = this.turns.get(key) ?? new Map<string, Omit<BegunTurn, "isFirst">>()
    this.turns.set(key, turns)
    const begun = turns.get(turnKey)
    if (begun !== undefined) return { isFirst: false, ...begun }
    turns.set(turnKey, { runner, at })
    return { isFirst: true, runner, at }
  }

  forget(threadId: string): void {
    for (const [key, bound] of this.keys) {
      if (bound.threadId !== threadId) continue
      this.keys.delete(key)
      this.turns.delete(key)
    }
    this.threads.delete(threadId)
    this.needs.delete(threadId)
    this.used.delete(threadId)
    for (const needed of this.needs.values()) needed.delete(threadId)
  }

  idle(since: DateTime.Utc): ReadonlyArray<string> {
    const isUsed = (at: number) => at >= since.epochMilliseconds
    const kept = this.withNeeded([...this.used].filter(([, at]) => isUsed(at)).map(([id]) => id))
    return [...this.used.keys()].filter((id) => !kept.has(id))
  }
}

export const make: Effect.Effect<SessionStore["Service"]> = Effect.sync(() => {
  const sessions = new Sessions()
  const now = <A>(use: (now: DateTime.Utc) => A) => Effect.map(DateTime.now, use)
  return {
    append: (lines) =>
      Effect.flatMap(now((at) => sessions.append(lines, at)), (error) => error ? Effect.fail(error) : Effect.void),
    link: (threadId, needed) =>
      Effect.sync(() => {
        sessions.needs.set(threadId, (sessions.needs.get(threadId) ?? new Set<string>()).add(needed))
      }),
    sizes: (threadId) =>
      Effect.sync(() =>
        new Map([...sessions.threads.get(threadId) ?? []].map(([file, lines]) => [file, lines.length]))
      ),
    load: (threadId) => Stream.suspend(() => Stream.fromIterable(sessions.load(threadId))),
    bind: (key, thread) => now((at) => sessions.bind(key, thread, at)),
    rebind: (key, lost, thread) => now((at) => sessions.rebind(key, lost, thread, at)),
    settle: (key, threadId) => Effect.sync(() => sessions.settle(key, threadId)),
    lookup: (key) => Effect.sync(() => Option.fromUndefinedOr(sessions.keys.get(key))),
    begin: (key, turnKey, runner) => now((at) => sessions.begin(key, turnKey, runner, at)),
    forget: (threadId) => Effect.sync(() => sessions.forget(threadId)),
    idle: (since) => Effect.sync(() => sessions.idle(since))
  }
})
