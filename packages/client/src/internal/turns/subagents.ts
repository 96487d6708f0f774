/**
 * The subagents that work for a turn, at any depth. The reader tells of each of their turns, and from the first one on
 * their threads are observed until the turn's handle is released.
 *
 * docs/codex-behaviour.md, "The turns of a subagent name the turn that they work for".
 */
import type * as Received from "@effect-codex/protocol/Received"
import * as Exit from "effect/Exit"
import type * as Stream from "effect/Stream"
import { type ConnectionError, TurnOutcomeUnknown } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import { done } from "../events/mailbox.ts"
import { Watched } from "../events/watched.ts"
import { membersOf, turnIdOf } from "../protocol/peek.ts"
import { internalsOf, type ThreadObserver } from "../rpcInternals.ts"
import { scopeEnded } from "../scopeEnded.ts"
import type { About } from "./subagentThread.ts"
import { TurnEvents } from "./turnEvents.ts"
import { type End, TurnState, type TurnStateOptions } from "./turnState.ts"
import * as Usage from "./usage.ts"

const outcomeUnknown = ({ id: turnId, partialResult: result, threadId }: TurnState, detail: string) =>
  new TurnOutcomeUnknown({ threadId, turnId, detail, result })

/** One subagent, as far as it works for the turn. */
export class SubagentState implements ThreadObserver {
  readonly threadId: string
  /** The turn that it runs, or the last one that it ran. */
  turn: TurnState
  /** What the server says of its thread, once somebody has asked. */
  about: About | undefined
  /** How often the server was asked and said nothing. */
  unanswered = 0
  private readonly of: Subagents
  private readonly options: TurnStateOptions
  private readonly eventLog: TurnEvents
  /** The tokens of its earlier turns. */
  private earlier = Usage.none
  private readonly detach: () => void

  constructor(threadId: string, turnId: string, of: Subagents) {
    const { options } = of.root
    this.threadId = threadId
    this.of = of
    this.options = { events: false, maxUnreadBytes: undefined, rpc: options.rpc, limits: options.limits }
    this.turn = new TurnState(threadId, turnId, this.options)
    this.eventLog = new TurnEvents({ id: turnId, threadId }, options, false)
    this.eventLog.keep()
    this.detach = internalsOf(options.rpc).attach(threadId, this)
  }

  get events(): TurnEvents["stream"] {
    return this.eventLog.stream
  }

  get isRunning(): boolean {
    return !this.turn.isEnded
  }

  /** The tokens that it has used itself. */
  get tokens(): Received.TokenUsageBreakdown {
    return Usage.add(this.earlier, this.turn.tokens ?? Usage.none)
  }

  // ---------------------------------------------------------------------------
  // Called by the reader
  // ---------------------------------------------------------------------------

  begin(turnId: string, started: Raw): void {
    if (this.turn.id !== turnId) {
      const { turn: last } = this
      this.earlier = this.tokens
      this.turn = new TurnState(this.threadId, turnId, this.options)
      // Nothing more is heard of the last one. Its end may have come in this read, or was missed.
      last.onReadEnd()
      last.onEnd(outcomeUnknown(last, "the subagent began another turn, and the end of this one was not reported."))
    }
    this.take(started, 0)
  }

  onNotification(event: Raw, bytes: number): void {
    const turnId = turnIdOf(event.params)
    if (turnId === undefined) this.onStatus(event)
    // `begin` takes in the beginning of each turn.
    else if (turnId === this.turn.id && event._tag !== "turn/started") this.take(event, bytes)
  }

  onReadEnd(): void {
    this.turn.onReadEnd()
    this.eventLog.onReadEnd()
    this.of.onReadEnd()
  }

  onEnd(cause: End): void {
    this.turn.onEnd(cause)
    this.of.changed()
  }

  // The process's work is lost. What the server says of the thread once it is back belongs to other turns.
  onLost(cause: ConnectionError): void {
    this.onEnd(cause)
    this.onReadEnd()
  }

  private take(event: Raw, bytes: number): void {
    if (this.turn.isEnded) return
    this.turn.onNotification(event, bytes)
    this.eventLog.push(event, bytes)
    if (told.has(event._tag)) this.of.changed()
  }

  /** The server unloads no thread with a running turn. */
  private onStatus({ _tag, params }: Raw): void {
    const isGone = _tag === "thread/closed" ||
      _tag === "thread/status/changed" && membersOf(membersOf(params)["status"])["type"] === "notLoaded"
    if (!isGone || this.turn.isEnded) return
    this.onEnd(
      outcomeUnknown(this.turn, "the server unloaded the subagent's thread without reporting how its turn ended.")
    )
  }

  // ---------------------------------------------------------------------------

  /** Ends its streams. */
  close(end: Parameters<TurnEvents["close"]>[0]): void {
    this.eventLog.close(end)
    this.eventLog.flush()
  }

  release(): void {
    this.detach()
    this.turn.onEnd(scopeEnded("turn"))
  }
}

/** What changes the tree of a turn's subagents. */
const told: ReadonlySet<string> = new Set(["thread/tokenUsage/updated", "turn/completed", "turn/started"])

// Codex runs six at a time unless configured otherwise. Bounds memory against a turn that never stops starting more.
const maxSubagents = 256

const isConnectionError = (cause: End): cause is ConnectionError =>
  cause._tag === "AppServerExited" || cause._tag === "TransportError"

export class Subagents {
  readonly root: TurnState
  private readonly states = new Map<string, SubagentState>()
  private readonly watched = new Watched<ConnectionError>()
  private version = 0
  private isOver = false
  private isFull = false

  constructor(root: TurnState) {
    this.root = root
    const { cause } = root
    if (cause === undefined) this.onReadEnd()
    else this.onRootEnd(cause)
  }

  onTurn(threadId: string, started: Raw): void {
    const turnId = turnIdOf(started.params)
    if (turnId === undefined || this.isOver) return
    let state = this.states.get(threadId)
    if (state === undefined) {
      if (this.states.size >= maxSubagents) return this.refuse()
      state = new SubagentState(threadId, turnId, this)
      this.states.set(threadId, state)
    }
    state.begin(turnId, started)
    this.changed()
  }

  private refuse(): void {
    if (this.isFull) return
    this.isFull = true
    internalsOf(this.root.options.rpc).report(
      `turn ${this.root.id} has started more than ${maxSubagents} subagents; the streams of its handle lack the others`
    )
  }

  changed(): void {
    this.version++
    this.watched.changed()
  }

  /** Called when a read has ended, and when the turn or one of its subagents has. */
  onReadEnd(): void {
    if (!this.isOver && this.root.isEnded && ![...this.states.values()].some(({ isRunning }) => isRunning)) {
      this.close(done)
    }
    this.watched.flush()
  }

  /** The turn, or with a connection's error everything, has ended without a frame that says so. */
  onRootEnd(cause: End): void {
    if (isConnectionError(cause)) {
      for (const state of this.states.values()) state.turn.onEnd(cause)
      this.changed()
      this.close(Exit.fail(cause))
    }
    this.onReadEnd()
  }

  /** Nobody can ask for them any more. */
  release(): void {
    for (const state of this.states.values()) state.release()
    this.close(Exit.fail(scopeEnded("turn")))
    this.watched.flush()
  }

  private close(end: Exit.Exit<never, ConnectionError> | typeof done): void {
    if (this.isOver) return
    this.isOver = true
    for (const state of this.states.values()) state.close(end)
    this.watched.close(end)
  }

  // ---------------------------------------------------------------------------
  // For the handle
  // ---------------------------------------------------------------------------

  /** The message that a subagent was started with, as told by the call that started it. */
  promptOf(threadId: string): string | undefined {
    for (const turn of [this.root, ...[...this.states.values()].map(({ turn }) => turn)]) {
      for (const item of turn.completedItems) {
        if (item.type !== "collabAgentToolCall" || item.tool !== "spawnAgent") continue
        if (item.receiverThreadIds.includes(threadId)) return item.prompt ?? undefined
      }
    }
    return undefined
  }

  /** Each subagent once, the earlier ones first. */
  readonly started: Stream.Stream<SubagentState, ConnectionError> = this.watched.stream(() => {
    let seen = 0
    return () => {
      const [first, ...rest] = [...this.states.values()].slice(seen)
      if (first === undefined) return undefined
      seen += rest.length + 1
      return [first, ...rest]
    }
  })

  /** All subagents, each time that something of them changed since the stream looked last. */
  readonly all: Stream.Stream<ReadonlyArray<SubagentState>, ConnectionError> = this.watched.stream(() => {
    let seen = -1
    return () => {
      if (seen === this.version) return undefined
      seen = this.version
      return [[...this.states.values()]]
    }
  })
}

/** The subagents of a turn. */
export const of = (turn: TurnState): Subagents => turn.subagents ??= new Subagents(turn)

/** Takes in that a subagent of the turn has begun a turn. Nothing is kept for a turn whose events nobody can read. */
export const onTurn = (turn: TurnState, threadId: string, started: Raw): void => {
  if (turn.options.events) of(turn).onTurn(threadId, started)
}
