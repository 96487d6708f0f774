/**
 * One turn as it is folded from the frames that pass. The reader calls it; it never waits and never throws, and it looks
 * only at ids and at the status before anything else, so that nothing unknown can hide the end of a turn.
 */
import * as Received from "@effect-codex/protocol/Received"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type {
  ConnectionError,
  SettingsNotApplied,
  ThreadBusy,
  TurnFailed,
  TurnOutcomeUnknown,
  TurnStalled
} from "../../CodexError.ts"
import type { Raw, TurnEvent } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { TurnResult } from "../../TurnResult.ts"
import { done } from "../events/mailbox.ts"
import { guardOf } from "../protocol/guard.ts"
import { membersOf } from "../protocol/members.ts"
import { internalsOf, type Rpc } from "../rpcInternals.ts"
import type { Told } from "../settings/heldSettings.ts"
import { visible } from "../text/visibleText.ts"
import type * as RateLimits from "./rateLimits.ts"
import { isOver, type Stored } from "./storedTurn.ts"
import { type StreamError, TurnEvents } from "./turnEvents.ts"
import { TurnItems } from "./turnItems.ts"
import { failureOf, resultOf } from "./turnResult.ts"
import { TurnUsage } from "./usage.ts"

/** Why the state of a turn ends without the turn's completion. */
export type End = ConnectionError | SettingsNotApplied | ThreadBusy | TurnStalled | TurnOutcomeUnknown

export interface TurnStateOptions {
  /** The id that this client gave the message that starts the turn. */
  readonly clientId?: string | undefined
  /** Whether somebody may read events. Without it nothing is kept but what makes up the result. */
  readonly events: boolean
  readonly maxUnreadBytes: number | undefined
  /** For what the server asks during the turn. Default: those of the client. */
  readonly handlers?: Overrides | undefined
  readonly rpc: Rpc
  /** The limits of the account. */
  readonly limits: () => RateLimits.Windows
  /** Why the turn must not run with what its thread holds. Default: it may run with anything. */
  readonly refuse?: ((held: Told | undefined) => SettingsNotApplied | undefined) | undefined
}

// The events of a turn that is given up just end; its result says why.
const endOfEvents = (cause: End) =>
  cause._tag === "ThreadBusy" || cause._tag === "SettingsNotApplied" || cause._tag === "TurnStalled" ||
    cause._tag === "TurnOutcomeUnknown"
    ? done
    : Exit.fail(cause)

const itemsOf = (params: unknown): ReadonlyArray<unknown> => {
  const { items } = membersOf(membersOf(params)["turn"])
  return Array.isArray(items) ? items : []
}

export class TurnState {
  readonly threadId: string
  id: string
  /** The server began the turn: from here on it can be interrupted. */
  readonly started = Deferred.makeUnsafe<void>()
  private readonly ended = Deferred.makeUnsafe<void, End>()
  readonly options: TurnStateOptions
  /** How many handles there are on the turn. */
  handles = 0
  /** The id by which the server knows the turn that it runs; a review has another one than its items (measured). */
  runningId: string
  hasBegun = false
  private isBeginningTold = false
  /** The id that a client gave the turn's first message; null if it gave none, undefined if the message was not heard. */
  opener: string | null | undefined
  /** What tracers are told of the turn. */
  span: Tracer.Span | undefined
  /** How the turn ends if it has to be interrupted. */
  verdict: End | undefined
  /** The turn runs with what it was not to run with. */
  private readonly refused = Deferred.makeUnsafe<SettingsNotApplied>()
  /**
   * Set when frames of the turn were missed, and called instead of taking its end: what the server has stored fills the
   * gap.
   */
  fillGap: ((completed: Raw) => void) | undefined
  /** Called after each read that brought progress of the turn, and when a handler of it has ended. */
  onHeard: (() => void) | undefined
  /** Called when the turn has ended though no frame told it. */
  onUntoldEnd: (() => void) | undefined
  /** The present read brought frames of the turn. */
  isTouched = false
  /** How many frames of the turn there were. */
  frames = 0
  /** Those that only say that codex tries again. */
  private retries = 0
  private retry: { readonly error: unknown; readonly progress: number } | undefined
  /** The progress that `onHeard` was called for last. */
  private heard = 0
  /** The last of them. */
  lastEvent: string | undefined
  private readonly items = new TurnItems()
  private readonly eventLog: TurnEvents
  private completion: Readonly<Record<string, unknown>> | undefined
  private endedBy: End | undefined
  private readonly usage = new TurnUsage()
  private model: string | undefined
  private readonly toldUndecodable = new Set<unknown>()

  constructor(threadId: string, id: string, options: TurnStateOptions) {
    this.threadId = threadId
    this.id = id
    this.runningId = id
    this.options = options
    this.eventLog = new TurnEvents(this, options, options.events)
  }

  get isEnded(): boolean {
    return this.completion !== undefined || this.endedBy !== undefined
  }

  /** How the turn ended, in one of few words: a status that is known, or the tag of what ended the waiting for it. */
  get outcome(): string {
    if (this.endedBy !== undefined) return this.endedBy._tag
    const status = this.completion?.["status"]
    if (this.verdict !== undefined && this.isJudged) return this.verdict._tag
    return status === "completed" || status === "failed" || status === "interrupted" ? status : "unknown"
  }

  /** It ends as the verdict says: a turn that was refused also if it was faster than its interrupt. */
  private get isJudged(): boolean {
    return this.completion?.["status"] === "interrupted" || this.verdict?._tag === "SettingsNotApplied"
  }

  /** How many frames told that the turn goes on. That codex tries again what has failed is none. */
  get progress(): number {
    return this.frames - this.retries
  }

  /** Why codex tries again to reach the model, if that is the last that was heard of the turn. */
  get lastRetry(): Received.TurnError | undefined {
    const { retry } = this
    if (retry === undefined || retry.progress !== this.progress) return undefined
    return guardOf(Received.TurnError)(retry.error) ? retry.error : undefined
  }

  /** The model that the thread or the turn was to use, or the one that codex was rerouted to. */
  get modelName(): string | undefined {
    return this.model ?? internalsOf(this.options.rpc).settingsOf(this.threadId)?.model
  }

  /** The tokens that it has used so far, with its subagents. */
  get tokens(): Received.TokenUsageBreakdown | undefined {
    return this.usage.tokens
  }

  /** The ids of the items that have begun. */
  get itemIds(): ReadonlySet<string> {
    return this.items.ids
  }

  /** The items that have begun and not ended. */
  get runningItems(): ReadonlyArray<Received.ThreadItem> {
    return this.items.running
  }

  /** Waits until the turn is over or the connection is. */
  get awaitEnd(): Effect.Effect<void, End> {
    return Deferred.await(this.ended)
  }

  // ---------------------------------------------------------------------------
  // Called by the reader
  // ---------------------------------------------------------------------------

  onNotification(event: Raw, bytes: number): void {
    if (this.isEnded) return
    this.frames++
    this.lastEvent = event._tag
    if (this.fillGap !== undefined && event._tag === "turn/completed") {
      const fillGap = this.fillGap
      this.fillGap = undefined
      return fillGap(event)
    }
    if (event._tag === "turn/completed") this.addMissing(itemsOf(event.params))
    if (event._tag !== "item/agentMessage/delta") this.fold(event)
    this.eventLog.push(event, bytes)
  }

  onReadEnd(): void {
    if (this.hasBegun || this.completion !== undefined) Deferred.doneUnsafe(this.started, Exit.void)
    if (this.completion !== undefined) {
      const verdict = this.isJudged ? this.verdict : undefined
      Deferred.doneUnsafe(this.ended, verdict === undefined ? Exit.void : Exit.fail(verdict))
    }
    if (this.verdict?._tag === "SettingsNotApplied") Deferred.doneUnsafe(this.refused, Exit.succeed(this.verdict))
    if (this.heard !== this.progress) {
      this.heard = this.progress
      this.onHeard?.()
    }
    if (this.completion !== undefined) this.eventLog.close(done)
    this.eventLog.onReadEnd()
  }

  onEnd(cause: End): void {
    if (this.isEnded) return
    this.endedBy = cause
    this.eventLog.close(endOfEvents(cause))
    this.eventLog.flush()
    Deferred.doneUnsafe(this.ended, Exit.fail(cause))
  }

  /** A turn of the server begins that belongs to this one. */
  begins(): void {
    const held = internalsOf(this.options.rpc).settingsOf(this.threadId)
    this.model ??= held?.model
    this.verdict ??= this.options.refuse?.(held)
  }

  /** Stops the turn once it is refused. */
  endRefused(stop: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.flatMap(
      Deferred.await(this.refused),
      (error) => Effect.andThen(stop, Effect.sync(() => this.onEnd(error)))
    )
  }

  /** Takes in what the server has stored of the turn, whose beginning was not heard. */
  settle(stored: Stored): void {
    this.hasBegun = true
    this.frames++
    if (isOver(stored)) {
      this.fillGap = undefined
      this.addStored(stored)
      this.onNotification({ _tag: "turn/completed", params: { threadId: this.threadId, turn: stored.turn } }, 0)
    }
    this.onReadEnd()
    if (this.completion !== undefined) this.onUntoldEnd?.()
  }

  /** Takes in the items whose completion was not heard, or heard as what does not fit. */
  private addMissing(items: ReadonlyArray<unknown>): void {
    const of = { threadId: this.threadId, turnId: this.id }
    for (const item of items) {
      if (!this.items.isMissing(item)) continue
      this.onNotification({ _tag: "item/completed", params: { ...of, item, completedAtMs: 0 } }, 0)
    }
  }

  /** Takes in the items that the server has stored, and their order. */
  addStored({ items }: Pick<Stored, "items">): void {
    this.addMissing(items)
    this.items.sortAs(items)
  }

  /** What a turn of a subagent that works for this one has used so far. */
  onSubagentUsage(turnId: string, usage: unknown): void {
    if (!this.isEnded) this.usage.addOfSubagent(turnId, usage)
  }

  /** A message is said to the turn. That of a handle's turn is not the first if the turn's beginning was not heard. */
  onMessage(clientId: string | null): void {
    if (this.opener === undefined && (this.hasBegun || this.handles === 0)) this.opener = clientId
  }

  /** Somebody steers the turn, which the server therefore has begun, and may want to read it from here on. */
  joined(events: boolean): void {
    this.hasBegun = true
    this.frames++
    if (events) this.eventLog.keep()
    this.onReadEnd()
  }

  private fold(event: Raw): void {
    const params = event.params as Readonly<Record<string, unknown>>
    switch (event._tag) {
      case "turn/started":
        // Settings that change from here on are those of the turns that follow, also when this is told again.
        if (!this.isBeginningTold) this.begins()
        this.isBeginningTold = true
        this.hasBegun = true
        return
      case "model/rerouted":
        if (Predicate.isString(params["toModel"])) this.model = params["toModel"]
        return
      case "error":
        if (params["willRetry"] !== true) return
        this.retries++
        this.retry = { error: params["error"], progress: this.progress }
        this.items.abandonWritten()
        return
      case "modelProvider/authRecoveryStarted":
      case "modelProvider/authRecoveryCompleted":
        this.retries++
        return
      case "item/started": {
        // It may be all that tells of the beginning, and of a review it comes before. Whose turn it is that takes in our
        // message is another question.
        if (this.options.clientId === undefined && !this.hasBegun) {
          this.begins()
          this.hasBegun = true
        }
        return this.items.begin(params["item"])
      }
      case "item/completed":
        return this.items.complete(params["item"])
      case "thread/tokenUsage/updated":
        this.usage.add(params["tokenUsage"], internalsOf(this.options.rpc).tokensOf(this.threadId))
        return
      case "turn/completed":
        this.completion = Predicate.isReadonlyObject(params["turn"]) ? params["turn"] : {}
        return
    }
  }

  // ---------------------------------------------------------------------------
  // For the handle
  // ---------------------------------------------------------------------------

  /** The events from the turn's first. */
  get events(): Stream.Stream<TurnEvent, StreamError> {
    return this.eventLog.stream
  }

  /** What is known of the turn now. */
  get partialResult(): TurnResult {
    const items = this.items.all
    this.tellUndecodable(items)
    const { id, modelName: model, threadId, usage } = this
    return resultOf(this.completion ?? {}, { id, threadId, model, items, usage })
  }

  private tellUndecodable(items: ReadonlyArray<Received.ThreadItem>): void {
    for (const item of items) {
      if (item.type !== "undecodable" || this.toldUndecodable.has(item.raw)) continue
      this.toldUndecodable.add(item.raw)
      internalsOf(this.options.rpc).tell({
        _tag: "UndecodableNotification",
        message: `an item of turn ${visible(this.id, 100)} does not fit the protocol and is given as it came: ` +
          item.issue,
        method: "item/completed",
        issue: item.issue
      })
    }
  }

  /** The result of a completed or interrupted turn. An unknown status is no success. */
  readonly result: Effect.Effect<TurnResult, TurnFailed | End> = Effect.suspend(() =>
    Effect.flatMap(this.awaitEnd, () => {
      const result = this.partialResult
      return result.status === "completed" || result.status === "interrupted"
        ? Effect.succeed(result)
        : Effect.fail(failureOf(result, this.options.limits))
    })
  )
}
