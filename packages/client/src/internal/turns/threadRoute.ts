/**
 * Routes the notifications of one thread to its turns, and knows which of them is running.
 *
 * While a start is outstanding, the reader opens a turn's state at the first frame of an unknown turn: frames
 * may come before the reply, and one read may hold both the reply and the turn's end.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import type * as Tracer from "effect/Tracer"
import type { ConnectionError } from "../../CodexError.ts"
import { ThreadBusy } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import { ReadBatch } from "../events/readBatch.ts"
import { membersOf, rootOf, turnIdOf } from "../protocol/peek.ts"
import { internalsOf, type Rpc, type SubagentTurn, type ThreadObserver } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"
import type { Told } from "../settings/heldSettings.ts"
import { clientIdOf, isQuiet } from "./storedTurn.ts"
import * as Subagents from "./subagents.ts"
import type { TurnStateOptions } from "./turnState.ts"
import { TurnState } from "./turnState.ts"

// Unknown turns that are opened for one start. Bounds memory against a misbehaving server; a healthy one has one or
// two.
const maxOpened = 256

/** A start that is outstanding. */
export interface Starting {
  readonly options: TurnStateOptions
  readonly opened: Array<TurnState>
  /** Opened turns that began under an id other than their root's, keyed by the root's id. */
  readonly roots: Map<string, string>
  /** Completed when the first turn begins. For requests whose reply names no turn. */
  readonly begun: Deferred.Deferred<string, ConnectionError>
  /** Completed when the reply has named the started turn, or has come without naming one. */
  readonly answered: Deferred.Deferred<void>
  /** The turn that took in the message with our id. */
  taker: string | undefined
}

/** A message of the thread's queue, whose turn the server starts. */
export interface Queued {
  readonly options: TurnStateOptions & { readonly clientId: string }
  /** Completed when its turn begins. */
  readonly begun: Deferred.Deferred<TurnState, ConnectionError>
  /** Completed when the message has left the queue without a turn. */
  readonly removed: Deferred.Deferred<void>
  /** The id of the message in the queue, once it is known. */
  messageId: string | undefined
}

/** The ids of ended turns are kept because their frames may come late, or twice. */
const maxOver = 64

export class ThreadRoute implements ThreadObserver {
  readonly threadId: string
  /** One start per thread at a time, so that the frames of an unknown turn can only belong to it. */
  readonly gate = Semaphore.makeUnsafe(1)
  /** The turn that holds the gate waits for a call that its budgets allow. */
  awaitsBudget = false
  private starting: Starting | undefined
  /** The running turn as far as known, of this client or of another. */
  activeTurnId: string | undefined
  /** The thread's settings when its last turn began. */
  private held: { readonly turnId: string; readonly settings: Told | undefined } | undefined
  private readonly turns = new Map<string, TurnState>()
  private readonly over = new Set<string>()
  /** The messages of the queue that are followed, by the ids of their messages. */
  private readonly queued = new Map<string, Queued>()
  private queueChange: Deferred.Deferred<void> | undefined
  /** The last beginning of a turn that may be one of the queue. */
  private beginning: { readonly id: string; readonly event: Raw; readonly bytes: number } | undefined
  private readonly batch = new ReadBatch<TurnState>()
  private idle: Deferred.Deferred<void> | undefined
  private last: TurnState | undefined
  private end: (() => ConnectionError) | undefined

  private readonly rpc: Rpc
  private readonly calls: RouteCalls
  readonly onRestored: () => void
  /** The connection is lost and is being restored. */
  isLost = false

  constructor(threadId: string, rpc: Rpc, calls: RouteCalls) {
    this.threadId = threadId
    this.rpc = rpc
    this.calls = calls
    this.onRestored = () => {
      this.isLost = false
      calls.onRestored(this)
    }
  }

  // ---------------------------------------------------------------------------
  // Called by the reader
  // ---------------------------------------------------------------------------

  onNotification(event: Raw, bytes: number): void {
    const told = turnIdOf(event.params)
    if (told === undefined) return this.onStatus(event)
    const id = event._tag === "turn/started" ? this.onStarted(told, event.params) : told
    if (this.queued.size > 0) this.findQueued(event, id, bytes)
    const turn = this.last?.id === id ? this.last : this.turns.get(id) ?? this.openForStart(id)
    if (event._tag !== "item/agentMessage/delta") this.watch(event, id, turn)
    if (turn === undefined) return
    this.last = turn
    turn.onNotification(event, bytes)
    this.batch.touch(turn)
  }

  onReadEnd(): void {
    this.batch.endTouched()
    this.batch.runDeferred()
  }

  /** Nobody uses the thread any more. An error takes a stack, and most often nobody is left to get it. */
  close(): void {
    this.end ??= () => scopeEnded("layer")
    const isLeft = this.starting !== undefined || this.turns.size > 0 || this.queued.size > 0 || this.idle !== undefined
    if (isLeft) this.onEnd(this.end())
    else this.beIdle()
  }

  onEnd(cause: ConnectionError): void {
    this.end ??= () => cause
    this.notBegun(cause)
    for (const { begun } of this.queued.values()) Deferred.doneUnsafe(begun, Exit.fail(cause))
    this.becomeIdle()
    for (const turn of this.turns.values()) turn.onEnd(cause)
    this.onReadEnd()
  }

  onLost(cause: ConnectionError): void {
    this.isLost = true
    this.notBegun(cause)
  }

  private notBegun(cause: ConnectionError): void {
    if (this.starting !== undefined) Deferred.doneUnsafe(this.starting.begun, Exit.fail(cause))
  }

  handlers(turnId?: string): Overrides | undefined {
    const turn = this.asking(turnId)
    return turn !== undefined && isOurs(turn) === true ? turn.options.handlers : undefined
  }

  undecided(turnId?: string): Effect.Effect<void> | undefined {
    const turn = this.asking(turnId)
    return this.starting === undefined || turn === undefined || isOurs(turn) !== undefined
      ? undefined
      : Deferred.await(this.starting.answered)
  }

  span(turnId?: string): Tracer.AnySpan | undefined {
    return this.asking(turnId)?.span
  }

  onHandled(turnId?: string): void {
    this.asking(turnId)?.onHeard?.()
  }

  onRequest(turnId: string, subagent?: SubagentTurn): void {
    this.asking(turnId)?.onRequest(subagent)
  }

  onSubagentItem(turnId: string, subagent: SubagentTurn, item: unknown): void {
    this.asking(turnId)?.onSubagentItem(subagent, item)
  }

  onSubagentRunning(turnId: string, subagent: SubagentTurn, isRunning: boolean): void {
    this.asking(turnId)?.onSubagentRunning(subagent, isRunning)
  }

  onSubagentUsage(turnId: string, subagent: SubagentTurn, tokenUsage: unknown): void {
    this.asking(turnId)?.onSubagentUsage(subagent, tokenUsage)
  }

  onSubagentTurn(turnId: string, subagentThreadId: string, started: Raw): void {
    const turn = this.asking(turnId)
    if (turn === undefined) return
    Subagents.onTurn(turn, subagentThreadId, started)
    this.batch.touch(turn)
  }

  private asking(turnId = this.activeTurnId): TurnState | undefined {
    if (turnId === undefined) return undefined
    for (const turn of this.turns.values()) {
      if (turn.id === turnId || turn.runningId === turnId) return turn
    }
    return undefined
  }

  /** Returns the id under which this client knows the turn that begins. */
  private onStarted(toldId: string, params: unknown): string {
    const root = rootOf(params)
    let id = toldId
    if (root !== undefined && root !== id) {
      // docs/codex-behaviour.md, "A review begins under another id than it was answered with".
      const review = this.turns.get(root)
      if (review !== undefined) {
        review.runningId = id
        id = review.id
      } else if ((this.turns.get(id) ?? this.openForStart(id)) !== undefined) {
        const roots = this.starting?.roots
        if (roots !== undefined && roots.size < maxOpened) roots.set(root, id)
      }
    }
    if (!this.over.has(id)) {
      this.activeTurnId = id
      this.held = { turnId: id, settings: internalsOf(this.rpc).settingsOf(this.threadId) }
    }
    return id
  }

  /** An unknown turn may be the one that is being started. */
  private openForStart(id: string): TurnState | undefined {
    const { starting } = this
    if (starting === undefined || starting.opened.length >= maxOpened) return undefined
    const turn = this.open(id, starting.options)
    starting.opened.push(turn)
    return turn
  }

  // docs/codex-behaviour.md, "A thread is told to be idle right before its turn is completed". An idle thread
  // means that its turn is over, even if its end was not announced.
  private onStatus({ _tag, params }: Raw): void {
    if (_tag === "thread/queue/changed") return this.onQueueChanged()
    if (_tag !== "thread/status/changed" && _tag !== "thread/closed") return
    const id = this.activeTurnId
    if (id === undefined || (_tag === "thread/status/changed" && !isQuiet(membersOf(params)["status"]))) return
    const turn = this.turns.get(id)
    this.batch.defer(() => {
      if (turn === undefined) this.calls.onQuiet(this, id)
      else if (!turn.isEnded) this.calls.onQuietTurn(turn)
    })
  }

  // Which message began a turn of the queue shows only after its beginning.
  private findQueued(event: Raw, id: string, bytes: number): void {
    if (event._tag === "turn/started") this.beginning = { id, event, bytes }
    if (event._tag !== "item/started") return
    const queued = this.queued.get(clientIdOf(membersOf(event.params)["item"]) ?? "")
    if (queued === undefined || Deferred.isDoneUnsafe(queued.begun)) return
    const { beginning } = this
    const turn = this.openQueued(queued, id)
    if (beginning?.id === id && turn.frames === 0) turn.onNotification(beginning.event, beginning.bytes)
    this.batch.defer(() => Deferred.doneUnsafe(queued.begun, Exit.succeed(turn)))
  }

  private openQueued({ options }: Queued, id: string): TurnState {
    const other = this.turns.get(id)
    // A start of ours that is outstanding has opened it, or was answered with it because its message went there.
    if (other !== undefined && other.options.clientId !== undefined) {
      this.forget(other)
      if (other.handles > 0) other.onEnd(this.joinedQueued(id))
    }
    const turn = this.open(id, options)
    turn.handles++
    turn.verdict ??= options.refuse?.(this.heldBy(id))
    return turn
  }

  private joinedQueued(activeTurnId: string): ThreadBusy {
    return new ThreadBusy({ threadId: this.threadId, activeTurnId, delivered: true })
  }

  private onQueueChanged(): void {
    const { queueChange } = this
    this.queueChange = undefined
    if (queueChange !== undefined) this.batch.defer(() => Deferred.doneUnsafe(queueChange, Exit.void))
  }

  private watch(event: Raw, id: string, turn: TurnState | undefined): void {
    switch (event._tag) {
      case "turn/completed":
        // A compaction may end before its item.
        if (turn !== undefined && turn.hasBegun && turn.itemIds.size === 0 && !this.over.has(id)) this.begins(id)
        this.remember(id)
        if (this.activeTurnId === id || turn?.runningId === this.activeTurnId) this.becomeIdle()
        return
      case "item/started": {
        const { item } = membersOf(event.params)
        const clientId = clientIdOf(item)
        if (membersOf(item)["type"] === "userMessage") turn?.onMessage(clientId ?? null)
        if (clientId !== undefined) this.onMessage(id, clientId)
        // Another client's turn may compact too, but never as its first item. The beginning of our turn may
        // have been missed.
        const isFirst = turn !== undefined && turn.itemIds.size === 0 && (turn.hasBegun || turn.frames === 0)
        if (isFirst && membersOf(item)["type"] === "contextCompaction") this.begins(id)
      }
    }
  }

  /** For a compaction, whose reply names no turn. */
  private begins(id: string): void {
    const begun = this.starting?.begun
    if (begun !== undefined) this.batch.defer(() => Deferred.doneUnsafe(begun, Exit.succeed(id)))
  }

  private onMessage(takerId: string, clientId: string): void {
    if (this.starting?.options.clientId === clientId) {
      this.starting.taker = takerId
      return
    }
    for (const turn of this.turns.values()) {
      if (turn.options.clientId !== clientId || (turn.id === takerId && hasBegunOurs(turn))) continue
      this.activeTurnId = takerId
      this.batch.defer(() => this.taken(turn, takerId))
    }
  }

  // docs/codex-behaviour.md, "A turn/start while a turn runs is taken as steering". An older server may reply
  // with the id of a turn that never begins. But the beginning of our own turn may also have been missed.
  private taken(turn: TurnState, takerId: string): void {
    if (turn.isEnded || (turn.id === takerId && hasBegunOurs(turn))) return
    const busy = new ThreadBusy({ threadId: this.threadId, activeTurnId: takerId, delivered: true })
    if (turn.id === takerId && !turn.hasBegun) this.calls.onUnbegun(turn, busy)
    else turn.onEnd(busy)
  }

  private remember(id: string): void {
    this.over.add(id)
    for (const oldest of this.over) {
      if (this.over.size <= maxOver) return
      this.over.delete(oldest)
    }
  }

  private becomeIdle(): void {
    this.activeTurnId = undefined
    const idle = this.idle
    this.idle = undefined
    if (idle !== undefined) this.batch.defer(() => Deferred.doneUnsafe(idle, Exit.void))
  }

  /** The turns that have not ended as far as known. */
  get running(): ReadonlyArray<TurnState> {
    return [...this.turns.values()].filter((turn) => !turn.isEnded)
  }

  /** Called when the server reports that it runs no turn. */
  beIdle(): void {
    this.becomeIdle()
    this.onReadEnd()
  }

  // ---------------------------------------------------------------------------
  // For those who start turns
  // ---------------------------------------------------------------------------

  get(id: string): TurnState | undefined {
    return this.turns.get(id)
  }

  /** The thread's settings when the turn began, if its beginning was heard. */
  heldBy(turnId: string): Told | undefined {
    return this.held?.turnId === turnId ? this.held.settings : undefined
  }

  /** The state of a turn, opened if there is none. */
  open(id: string, options: TurnStateOptions): TurnState {
    const known = this.turns.get(id) ?? this.underRoot(id)
    if (known !== undefined) return known
    const turn = new TurnState(this.threadId, id, options)
    turn.onUntoldEnd = () => {
      this.remember(turn.id)
      if (this.activeTurnId === turn.id || this.activeTurnId === turn.runningId) this.beIdle()
    }
    this.turns.set(id, turn)
    if (this.end !== undefined) turn.onEnd(this.end())
    return turn
  }

  /** A review that began before its request was answered continues under the id of the reply. */
  private underRoot(id: string): TurnState | undefined {
    const runningId = this.starting?.roots.get(id)
    const turn = runningId === undefined ? undefined : this.turns.get(runningId)
    if (turn === undefined) return undefined
    this.turns.delete(turn.id)
    turn.id = id
    this.turns.set(id, turn)
    return turn
  }

  /** From now until `forgetQueued`, a turn that begins with this message is opened. */
  expectQueued(options: Queued["options"]): Queued {
    const queued: Queued = {
      options,
      begun: Deferred.makeUnsafe(),
      removed: Deferred.makeUnsafe(),
      messageId: undefined
    }
    this.queued.set(options.clientId, queued)
    if (this.end !== undefined) Deferred.doneUnsafe(queued.begun, Exit.fail(this.end()))
    return queued
  }

  queuedWith(clientId: string): Queued | undefined {
    return this.queued.get(clientId)
  }

  /** Opens the turn of a message whose beginning was not heard. */
  beginQueued(queued: Queued, id: string): TurnState {
    const turn = this.openQueued(queued, id)
    Deferred.doneUnsafe(queued.begun, Exit.succeed(turn))
    return turn
  }

  /** Called when this client has removed a message. */
  removeQueued(messageId: string): void {
    for (const queued of this.queued.values()) {
      if (queued.messageId === messageId) Deferred.doneUnsafe(queued.removed, Exit.void)
    }
  }

  /** Whether a message that is followed waits for its turn. */
  get awaitsQueued(): boolean {
    return [...this.queued.values()].some(({ begun }) => !Deferred.isDoneUnsafe(begun))
  }

  forgetQueued(clientId: string): void {
    this.queued.delete(clientId)
  }

  /** Waits for the next change of the queue after this call. */
  queueChanged(): Effect.Effect<void> {
    return Deferred.await(this.queueChange ??= Deferred.makeUnsafe<void>())
  }

  /** The error for callers that cannot start a turn now. */
  busy(activeTurnId: string): ThreadBusy {
    return new ThreadBusy({ threadId: this.threadId, activeTurnId, delivered: false })
  }

  /** Waits until no known turn is running. */
  awaitIdle(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.activeTurnId === undefined) return Effect.void
      this.idle ??= Deferred.makeUnsafe<void>()
      return Effect.andThen(Deferred.await(this.idle), this.awaitIdle())
    })
  }

  /** From now until `claim` or `giveUp`, unknown turns are opened. */
  expect(options: TurnStateOptions): Starting {
    return this.starting = {
      options,
      opened: [],
      roots: new Map(),
      begun: Deferred.makeUnsafe(),
      answered: Deferred.makeUnsafe(),
      taker: undefined
    }
  }

  /** Returns the started turn and counts a handle on it. */
  claim(id: string, options: TurnStateOptions): TurnState {
    const known = this.turns.get(id)
    // The server took the message as steering of a turn of the queue.
    if (known !== undefined && this.queued.has(known.options.clientId ?? "") && known.options !== options) {
      const joined = new TurnState(this.threadId, id, options)
      joined.handles++
      joined.onEnd(this.joinedQueued(id))
      this.giveUp(known)
      return joined
    }
    const turn = this.open(id, options)
    const taker = this.starting?.taker
    const active = this.turns.get(taker ?? id)
    turn.handles++
    this.activeTurnId = active?.isEnded === false ? active.id : undefined
    this.giveUp(turn)
    if (taker !== undefined) this.taken(turn, taker)
    return turn
  }

  giveUp(except?: TurnState): void {
    for (const turn of this.starting?.opened ?? []) {
      if (turn !== except && turn.handles === 0) this.forget(turn)
    }
    if (this.starting !== undefined) Deferred.doneUnsafe(this.starting.answered, Exit.void)
    this.starting = undefined
  }

  release(turn: TurnState): void {
    if (--turn.handles > 0) return
    this.forget(turn)
    // Ends the wait of everyone who still waits for the turn.
    if (!turn.isEnded) turn.onEnd(scopeEnded("turn"))
  }

  private forget(turn: TurnState): void {
    if (this.turns.get(turn.id) === turn) this.turns.delete(turn.id)
    if (this.last === turn) this.last = undefined
    turn.subagents?.release()
  }
}

/**
 * Whether this client started the turn or steers it. While a start waits for its reply, turns of other clients
 * are opened as well; undefined if only the reply can tell. Some servers do not report message ids.
 */
const isOurs = ({ handles, hasBegun, opener, options: { clientId } }: TurnState): boolean | undefined => {
  const isForeign = typeof opener === "string" && opener !== clientId
  if (handles > 0) return !isForeign || clientId === undefined
  if (isForeign) return false
  // Our message may have steered a running turn that we did not know of.
  return typeof opener === "string" && hasBegun ? true : undefined
}

/** A turn that began with a message other than ours belongs to somebody else, even if the reply names it. */
const hasBegunOurs = ({ hasBegun, opener, options }: TurnState): boolean =>
  hasBegun && (opener === undefined || opener === options.clientId)

/** Work that the reader leaves to others, because it must not wait. */
export interface RouteCalls {
  /**
   * The thread is idle and the end of its turn was not announced. `onQuietTurn`: a known turn. `onQuiet`: any
   * other.
   */
  readonly onQuietTurn: (turn: TurnState) => void
  readonly onQuiet: (route: ThreadRoute, turnId: string) => void
  /**
   * The turn has our message, but its beginning was not announced. If another message came first, it belongs to
   * somebody else.
   */
  readonly onUnbegun: (turn: TurnState, busy: ThreadBusy) => void
  readonly onRestored: (route: ThreadRoute) => void
}
