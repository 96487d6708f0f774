/**
 * What the pages show: a view of each thread of the client, and the approvals that wait. It is folded from the one
 * stream of all notifications, not from `ThreadView.changes` of each thread: who observes a thread keeps it loaded, and
 * a page must not undo `maxLoadedThreads`.
 */
import type { ApprovalQueue } from "@effect-codex/client/ApprovalQueue"
import type { AppServerRpc } from "@effect-codex/client/AppServerRpc"
import { millis } from "@effect-codex/client/internal/monotonic"
import type { ServerNotification } from "@effect-codex/client/ServerNotification"
import type { Overrides } from "@effect-codex/client/ServerRequests"
import * as ThreadView from "@effect-codex/client/ThreadView"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { asked, type Decision, type Offer, Offers } from "./offers.ts"

/** A thread on the page. */
export interface Row {
  /** Its name in addresses and elements: ids come from the server. */
  readonly key: string
  view: ThreadView.ThreadView
  /** When something was last heard of it, in a count. */
  touched: number
}

const threadOf = (event: ServerNotification): string | undefined => {
  if (event._tag === "thread/started") return event.params.thread.id
  const { params } = event
  return Predicate.hasProperty(params, "threadId") && Predicate.isString(params.threadId) ? params.threadId : undefined
}

export const isActive = ({ view }: Row): boolean => view.status?.type === "active"

export class Board {
  /** Grows with each change. */
  version = 0
  /** Why nothing more will come, once that is so. */
  ended: string | undefined
  /** Threads of which the beginning was not heard. They have to be read. */
  unread: Array<string> = []
  /** Threads that have begun to work: of those of another client nothing else is heard before they are resumed. */
  active: Array<string> = []
  readonly offers = new Offers()
  private readonly rows = new Map<string, Row>()
  /** The threads of subagents, by their id, with the thread that they work for. */
  private readonly roots = new Map<string, string>()
  private readonly waiting = new Set<() => void>()
  private keys = 0
  private readonly most: number
  private readonly now: () => number

  constructor(most: number, now: () => number) {
    this.most = most
    this.now = now
  }

  /** The threads, the newest first. */
  list(): ReadonlyArray<Row> {
    return [...this.rows.values()].reverse()
  }

  row(key: string): Row | undefined {
    return [...this.rows.values()].find((row) => row.key === key)
  }

  /** The thread that this one is, or works for. */
  rowOf(threadId: string): Row | undefined {
    return this.rows.get(this.roots.get(threadId) ?? threadId)
  }

  /** The approvals of a thread and of its subagents. */
  offersOf(row: Row): ReadonlyArray<Offer> {
    return this.offers.list().filter(({ open }) => this.rowOf(open.request.threadId) === row)
  }

  changed(): void {
    this.version++
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Waits until there is something that this version has not. */
  after(version: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.version !== version) return resume(Effect.void)
      const wake = () => resume(Effect.void)
      this.waiting.add(wake)
      return Effect.sync(() => this.waiting.delete(wake))
    })
  }

  take(event: ServerNotification): void {
    const threadId = threadOf(event)
    if (threadId === undefined) return
    switch (event._tag) {
      case "thread/deleted":
      case "thread/archived":
        return this.remove(threadId)
      // The approvals of the queue have ids of their own.
      case "serverRequest/resolved":
        return
      default: {
        const row = this.rowOf(threadId) ?? this.working(event) ??
          this.opened(threadId, event._tag !== "thread/started")
        this.apply(row, event)
        if (event._tag === "thread/status/changed" && isActive(row)) this.active.push(row.view.threadId)
      }
    }
  }

  /** Takes what the server has stored. */
  stored(thread: Extract<ThreadView.Event, { readonly _tag: "StoredThread" }>["thread"]): void {
    const parent = thread.parentThreadId
    const row = (parent === null ? undefined : this.rowOf(parent)) ?? this.rowOf(thread.id) ?? this.added(thread.id)
    this.apply(row, { _tag: "StoredThread", thread })
  }

  /** Takes the approvals that are open. */
  open(list: Parameters<Offers["set"]>[0]): void {
    const { came, went } = this.offers.set(list)
    for (const offer of came) {
      const { threadId } = offer.open.request
      this.apply(this.rowOf(threadId) ?? this.opened(threadId, true), asked(offer))
    }
    for (const { id, open: { request: { threadId } } } of went) {
      const row = this.rowOf(threadId)
      if (row !== undefined) this.apply(row, { _tag: "serverRequest/resolved", params: { threadId, requestId: id } })
    }
  }

  decide(id: string, decision: Decision): Effect.Effect<boolean> {
    return Effect.map(this.offers.decide(id, decision), (offer) => {
      if (offer === undefined) return false
      const row = this.rowOf(offer.open.request.threadId)
      const answer = { result: { decision } }
      if (row !== undefined) this.apply(row, { _tag: "ServerRequestAnswer", id, answer })
      this.changed()
      return true
    })
  }

  /** A subagent is first heard of by a turn, which names the turn that it works for. */
  private working(event: ServerNotification): Row | undefined {
    if (event._tag !== "turn/started") return undefined
    const { id, rootTurnId } = event.params.turn
    if (typeof rootTurnId !== "string" || rootTurnId === id) return undefined
    for (const row of this.rows.values()) {
      for (let i = -1; i >= -3; i--) if (row.view.turns.at(i)?.id === rootTurnId) return row
    }
    return undefined
  }

  private opened(threadId: string, isUnread: boolean): Row {
    if (isUnread && this.unread.length < this.most) this.unread.push(threadId)
    return this.added(threadId)
  }

  private added(threadId: string): Row {
    const row: Row = { key: String(++this.keys), view: ThreadView.make(threadId), touched: this.version }
    this.rows.set(threadId, row)
    if (this.rows.size > this.most) this.drop(row)
    return row
  }

  /** Makes room: first of what does nothing, then of what was not heard of for the longest time. */
  private drop(except: Row): void {
    const rows = [...this.rows.values()].filter((row) => row !== except)
    const idle = rows.filter((row) => !isActive(row) && this.offersOf(row).length === 0)
    const oldest = (idle.length > 0 ? idle : rows).reduce((a, b) => b.touched < a.touched ? b : a)
    this.remove(oldest.view.threadId)
  }

  private remove(threadId: string): void {
    const row = this.rows.get(threadId)
    if (row === undefined) return
    this.rows.delete(threadId)
    for (const subagent of row.view.subagents) this.roots.delete(subagent.threadId)
  }

  private apply(row: Row, event: ThreadView.Event): void {
    const before = row.view
    row.view = ThreadView.apply(before, event, this.now())
    row.touched = this.version
    for (let i = before.subagents.length; i < row.view.subagents.length; i++) {
      const { threadId } = row.view.subagents.at(i)!
      this.remove(threadId)
      this.roots.set(threadId, before.threadId)
    }
  }
}

/** Milliseconds since the epoch, as the wall clock was at the start: it may be set meanwhile. */
const stopwatch = Effect.gen(function*() {
  const clock = yield* Clock.Clock
  const { epochMilliseconds } = yield* DateTime.now
  const started = millis(clock)
  return () => Math.round(epochMilliseconds + millis(clock) - started)
})

/**
 * What another client of the server has to answer: whoever has resumed a thread is asked too, and its first answer
 * counts. A page answers approvals alone.
 */
const leftToOthers: Overrides = {
  "item/tool/requestUserInput": () => Effect.never,
  "item/tool/call": () => Effect.never,
  "mcpServer/elicitation/request": () => Effect.never,
  "account/chatgptAuthTokens/refresh": () => Effect.never,
  "attestation/generate": () => Effect.never,
  "currentTime/read": () => Effect.never
}

export interface Options {
  readonly rpc: AppServerRpc["Service"]
  readonly queue: ApprovalQueue["Service"]
  readonly most: number
  readonly others: boolean
}

/** Follows the client until the scope closes. */
export const make = Effect.fnUntraced(function*(
  { most, others, queue, rpc }: Options
): Effect.fn.Return<Board, never, Scope.Scope> {
  const board = new Board(most, yield* stopwatch)
  const fork = yield* FiberSet.makeRuntime<never>()
  const readers = yield* Semaphore.make(4)

  const stored = (threadId: string, includeTurns: boolean) => rpc.request("thread/read", { threadId, includeTurns })
  const read = (threadId: string) =>
    readers.withPermits(1)(
      // A thread without a turn has none to read.
      stored(threadId, true).pipe(
        Effect.catch(() => stored(threadId, false)),
        Effect.match({
          // The page then has what is heard of it from now on.
          onFailure: () => {},
          onSuccess: ({ thread }) => {
            board.stored(thread)
            board.changed()
          }
        })
      )
    )

  const joined = new Set<string>()
  // A thread can be resumed once its first turn has begun; its later ones try again.
  const join = (threadId: string) =>
    Effect.suspend(() => {
      if (joined.has(threadId)) return Effect.void
      joined.add(threadId)
      return rpc.request("thread/resume", { threadId, excludeTurns: true }).pipe(
        Effect.matchEffect({
          onFailure: () => Effect.sync(() => void joined.delete(threadId)),
          // What came before is read afterwards, so that nothing is missed between the two.
          onSuccess: () => read(threadId)
        })
      )
    })
  const catchUp = (): void => {
    const { active, unread } = board
    board.unread = []
    board.active = []
    for (const threadId of unread) fork(read(threadId))
    if (others) { for (const threadId of active) fork(join(threadId)) }
  }

  if (others) yield* rpc.handle({ ...leftToOthers, ...queue.handlers })
  yield* Stream.runForEachArray(rpc.notifications, (events) =>
    Effect.sync(() => {
      for (const event of events) {
        board.take(event)
        // It is loaded and resumed anew.
        if (event._tag === "thread/closed") joined.delete(event.params.threadId)
      }
      catchUp()
      board.changed()
    })).pipe(
      Effect.ignore,
      Effect.forkScoped({ startImmediately: true })
    )
  yield* Stream.runForEach(queue.changes, (list) =>
    Effect.sync(() => {
      board.open(list)
      catchUp()
      board.changed()
    })).pipe(Effect.forkScoped({ startImmediately: true }))
  yield* Stream.runForEach(rpc.diagnosticEvents, (diagnostic) =>
    Effect.sync(() => {
      // What came during the outage was not heard.
      if (diagnostic._tag !== "ConnectionRestored") return
      const rejoined = [...joined]
      joined.clear()
      for (const threadId of rejoined) fork(join(threadId))
      for (const row of board.list()) if (row.view.turns.at(-1)?.status === "inProgress") fork(read(row.view.threadId))
    })).pipe(Effect.forkScoped({ startImmediately: true }))
  yield* Effect.map(rpc.ended, (cause) => {
    board.ended = cause.message
    board.changed()
  }).pipe(Effect.forkScoped({ startImmediately: true }))

  // Those that were there before. A server that does not know the request has none to tell.
  const loaded = yield* rpc.request("thread/loaded/list", {}).pipe(
    Effect.match({ onFailure: (): ReadonlyArray<string> => [], onSuccess: ({ data }) => data })
  )
  for (const threadId of loaded.slice(0, most)) {
    fork(others ? Effect.andThen(read(threadId), join(threadId)) : read(threadId))
  }
  return board
})
