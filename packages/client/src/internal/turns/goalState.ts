/**
 * What is known of a goal from the frames that pass. Folds the turns that the server runs for the goal into one
 * turn.
 *
 * The frames of all these turns get the id of the first turn and feed a single `TurnState`, without the frames
 * that separate the turns. So events, items, usage and result look like those of any turn.
 */
import type * as Received from "@effect-codex/protocol/Received"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import type { ConnectionError } from "../../CodexError.ts"
import { NoActiveTurn } from "../../CodexError.ts"
import type { Raw } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import { type Members, membersOf } from "../protocol/peek.ts"
import { internalsOf, type SubagentTurn, type ThreadObserver } from "../rpcInternals.ts"
import type { Meter } from "./meter.ts"
import type { Stored } from "./storedTurn.ts"
import * as Subagents from "./subagents.ts"
import type { TurnStateOptions } from "./turnState.ts"
import { TurnState } from "./turnState.ts"

/** The goal statuses that no further turn follows. */
const ends: ReadonlySet<string> = new Set<Received.ThreadGoalStatus | "cleared">([
  "blocked",
  "budgetLimited",
  "cleared",
  "complete",
  "paused",
  "usageLimited"
])

const numberOf = (u: unknown): number | undefined => typeof u === "number" && Number.isFinite(u) ? u : undefined

const notActivated = {
  message: "codex app-server did not activate goal mode for this turn: it reported no goal. Update codex.",
  codexErrorInfo: null,
  additionalDetails: null,
  misalignment: null
}

export class GoalState implements ThreadObserver {
  readonly threadId: string
  /** Completed when the first turn begins. */
  readonly begun = Deferred.makeUnsafe<TurnState, ConnectionError>()
  private readonly ended = Deferred.makeUnsafe<void, ConnectionError>()
  /** The request to set the goal was sent. From here on the thread's turns belong to the goal. */
  isSet = false
  isOver = false
  /** The server's running turn, and the last one that began. */
  current: string | undefined
  last: string | undefined
  private readonly options: TurnStateOptions
  /** Restores the settings that the goal should run with. Must not wait. */
  private readonly restore: (() => void) | undefined
  /** Counts the goal's turns towards its budgets. */
  meter: Meter | undefined
  private mayRestore = true
  /** The thread's settings may have changed. */
  private isChanged = false
  private readonly turnIds = new Set<string>()
  turn: TurnState | undefined
  private startedAt: number | undefined
  private goal: string | undefined
  private completion: Members | undefined
  private failed: Members | undefined
  private completionBytes = 0
  private interrupting = 0
  private isInterrupted = false
  private changed: Deferred.Deferred<void> | undefined
  private end: ConnectionError | undefined

  constructor(threadId: string, options: TurnStateOptions, restore?: () => void) {
    this.threadId = threadId
    this.options = options
    this.restore = restore
  }

  /** The id of the goal's turn as callers see it. */
  get id(): string | undefined {
    return this.turn?.id
  }

  get awaitEnd(): Effect.Effect<void, ConnectionError> {
    return Deferred.await(this.ended)
  }

  /** Nobody waits for the goal's turn any more. The server may not have ended it yet. */
  get isTurnEnded(): boolean {
    return this.turn?.isEnded === true
  }

  /** Waits for a running turn of the server other than `other`. */
  awaitRunning(other?: string): Effect.Effect<string, ConnectionError | NoActiveTurn> {
    return Effect.suspend(() => {
      if (this.end !== undefined) return Effect.fail(this.end)
      if (this.isOver) {
        return Effect.fail(
          new NoActiveTurn({ method: "turn/steer", code: -32600, detail: "no active turn to steer" })
        )
      }
      if (this.current !== undefined && this.current !== other) return Effect.succeed(this.current)
      this.changed ??= Deferred.makeUnsafe<void>()
      return Effect.andThen(Deferred.await(this.changed), this.awaitRunning(other))
    })
  }

  handlers(): Overrides | undefined {
    return this.options.handlers
  }

  span(): Tracer.AnySpan | undefined {
    return this.turn?.span
  }

  onHandled(): void {
    this.turn?.onHeard?.()
  }

  onRequest(turnId: string, subagent?: SubagentTurn): void {
    if (this.turnIds.has(turnId)) this.turn?.onRequest(subagent)
  }

  onSubagentItem(turnId: string, subagent: SubagentTurn, item: unknown): void {
    if (this.turnIds.has(turnId)) this.turn?.onSubagentItem(subagent, item)
  }

  onSubagentRunning(turnId: string, subagent: SubagentTurn, isRunning: boolean): void {
    if (this.turnIds.has(turnId)) this.turn?.onSubagentRunning(subagent, isRunning)
  }

  onSubagentUsage(turnId: string, subagent: SubagentTurn, tokenUsage: unknown): void {
    if (this.turnIds.has(turnId)) this.turn?.onSubagentUsage(subagent, tokenUsage)
  }

  onSubagentTurn(turnId: string, subagentThreadId: string, started: Raw): void {
    if (this.turn !== undefined && this.turnIds.has(turnId)) Subagents.onTurn(this.turn, subagentThreadId, started)
  }

  /** Ends the goal from the server's store: its last turn and its status. */
  settle(stored: Stored, goal: unknown): void {
    this.turn?.addStored(stored)
    this.onNotification({ _tag: "turn/completed", params: { threadId: this.threadId, turn: stored.turn } }, 0)
    this.onGoal(goal === null ? "thread/goal/cleared" : "thread/goal/updated", { goal })
    this.onReadEnd()
  }

  /** Holds back the end while the interrupt runs, because the result depends on whether the goal was interrupted. */
  interruptWith<E>(interrupt: Effect.Effect<void, E>): Effect.Effect<void, E | ConnectionError> {
    return Effect.suspend(() => {
      this.interrupting++
      return Effect.onExit(Effect.raceFirst(interrupt, this.awaitEnd), (exit) =>
        Effect.sync(() => {
          this.interrupting--
          if (Exit.isSuccess(exit)) this.isInterrupted = true
          this.endIfLast()
          this.onReadEnd()
        }))
    })
  }

  onNotification(event: Raw, bytes: number): void {
    if (!this.isSet || this.isOver) return
    const params = membersOf(event.params)
    const turn = membersOf(params["turn"])
    if (event._tag.startsWith("thread/goal/")) return this.onGoal(event._tag, params)
    if (event._tag === "thread/settings/updated") {
      this.isChanged = true
      return
    }
    const id = params["turnId"] ?? turn["id"]
    if (typeof id !== "string") return
    if (event._tag === "turn/started") return this.onStarted(id, turn, event, bytes)
    if (!this.turnIds.has(id)) {
      // `turn/started` was missed. No turn of anybody else can begin here.
      if (event._tag !== "item/started") return
      this.onStarted(id, turn, undefined, 0)
    }
    if (event._tag === "turn/completed") return this.onCompleted(id, turn, bytes)
    const { turn: logical } = this
    if (logical === undefined) return
    logical.onNotification(
      id === logical.id ? event : { _tag: event._tag, params: { ...params, turnId: logical.id } },
      bytes
    )
  }

  onReadEnd(): void {
    if (this.isChanged && !this.isOver) this.onSettings()
    if (this.turn === undefined) return
    this.turn.onReadEnd()
    Deferred.doneUnsafe(this.begun, Exit.succeed(this.turn))
    if (this.isOver) Deferred.doneUnsafe(this.ended, Exit.void)
    this.wake()
  }

  onEnd(cause: ConnectionError): void {
    if (this.isOver) return
    this.isOver = true
    this.end = cause
    this.turn?.onEnd(cause)
    Deferred.doneUnsafe(this.begun, Exit.fail(cause))
    Deferred.doneUnsafe(this.ended, Exit.fail(cause))
    this.wake()
  }

  // The process's work for the goal is lost. `resumeGoal` continues it after the thread is resumed.
  onLost(cause: ConnectionError): void {
    this.onEnd(cause)
    this.onReadEnd()
  }

  private wake(): void {
    const { changed } = this
    this.changed = undefined
    if (changed !== undefined) Deferred.doneUnsafe(changed, Exit.void)
  }

  private onGoal(method: string, params: Members): void {
    const status = membersOf(params["goal"])["status"]
    if (method === "thread/goal/updated" && typeof status === "string") this.goal = status
    // docs/codex-behaviour.md, "That a goal was cleared may be told when the next is being set".
    else if (method === "thread/goal/cleared" && this.goal !== undefined) this.goal = "cleared"
    this.endIfLast()
  }

  // The server starts the next turn with the thread's settings. Restores them at most once per turn, because
  // restoring may have no effect.
  private onSettings(): void {
    this.isChanged = false
    const { refuse, rpc } = this.options
    if (!this.mayRestore || refuse?.(internalsOf(rpc).settingsOf(this.threadId)) === undefined) return
    this.mayRestore = false
    this.restore?.()
  }

  private onStarted(id: string, turn: Members, event: Raw | undefined, bytes: number): void {
    if (this.turnIds.has(id)) return
    this.turnIds.add(id)
    this.current = id
    this.last = id
    this.mayRestore = true
    if (this.turn !== undefined) {
      this.turn.runningId = id
      this.turn.frames++
      this.turn.begins()
      this.turn.goesOn()
      return
    }
    this.startedAt = numberOf(turn["startedAt"])
    this.turn = new TurnState(this.threadId, id, this.options)
    if (this.meter !== undefined) this.turn.spendFrom(this.meter)
    if (event !== undefined) this.turn.onNotification(event, bytes)
  }

  private onCompleted(id: string, turn: Members, bytes: number): void {
    if (this.current === id) this.current = undefined
    this.mayRestore = true
    this.isChanged = true
    this.completion = turn
    this.completionBytes = bytes
    if (turn["status"] !== "completed" && turn["status"] !== "interrupted") this.failed ??= turn
    this.endIfLast()
  }

  private endIfLast(): void {
    const { completion } = this
    if (this.isOver || completion === undefined || this.current !== undefined) return
    // docs/codex-behaviour.md, "An interrupted turn is the last of its goal, though the goal stays active".
    if (completion["status"] === "interrupted") return this.finish(completion)
    if (this.interrupting > 0) return
    // A server without goals runs it as an ordinary turn, and nothing follows.
    if (this.goal === undefined) return this.finish({ ...completion, status: "failed", error: notActivated })
    // Another turn follows while the goal is active, or in a state that only a newer server knows.
    if (ends.has(this.goal)) this.finish(this.failed ?? completion)
  }

  private finish(turn: Members): void {
    const { turn: logical } = this
    if (logical === undefined) return
    this.isOver = true
    const startedAt = this.startedAt ?? numberOf(turn["startedAt"])
    const completedAt = numberOf(turn["completedAt"])
    // docs/codex-behaviour.md, "The times of a turn are whole seconds". For a single turn the server's own
    // duration is more exact.
    const durationMs = turn["id"] === logical.id || startedAt === undefined || completedAt === undefined
      ? turn["durationMs"]
      : Math.max(0, completedAt - startedAt) * 1000
    logical.onNotification({
      _tag: "turn/completed",
      params: {
        threadId: this.threadId,
        turn: {
          ...turn,
          id: logical.id,
          rootTurnId: logical.id,
          status: this.isInterrupted ? "interrupted" : turn["status"],
          startedAt: startedAt ?? null,
          durationMs
        }
      }
    }, this.completionBytes)
  }
}
