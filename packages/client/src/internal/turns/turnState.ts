/**
 * One turn, folded from the frames that pass. The reader calls it, so it never waits and never throws. It reads
 * ids and statuses before anything else, so that unknown content cannot hide the end of a turn.
 */
import * as Received from "@effect-codex/protocol/Received"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type {
  BudgetExceeded,
  ConnectionError,
  PriceUnknown,
  SettingsNotApplied,
  ThreadBusy,
  TurnOutcomeUnknown,
  TurnStalled
} from "../../CodexError.ts"
import { TurnFailed } from "../../CodexError.ts"
import type { Raw, TurnEvent } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { TurnResult } from "../../TurnResult.ts"
import { done } from "../events/mailbox.ts"
import type { Ledger } from "../ledger.ts"
import { guardOf } from "../protocol/guard.ts"
import { membersOf } from "../protocol/peek.ts"
import { internalsOf, type Rpc, type SubagentTurn } from "../rpcInternals.ts"
import type { Told } from "../settings/heldSettings.ts"
import { visible } from "../text/visibleText.ts"
import * as LoadedThreads from "./loadedThreads.ts"
import type { Meter, Strand } from "./meter.ts"
import type * as RateLimits from "./rateLimits.ts"
import * as Spending from "./spending.ts"
import { isOver, type Stored } from "./storedTurn.ts"
import type { Subagents } from "./subagents.ts"
import { type StreamError, TurnEvents } from "./turnEvents.ts"
import { TurnItems } from "./turnItems.ts"
import { failureOf, resultOf } from "./turnResult.ts"
import type { TurnTiming } from "./turnTiming.ts"
import { type Price, TurnUsage } from "./usage.ts"

/** Why a turn's state ends without `turn/completed`. */
export type End =
  | ConnectionError
  | BudgetExceeded
  | PriceUnknown
  | SettingsNotApplied
  | ThreadBusy
  | TurnStalled
  | TurnOutcomeUnknown

export interface TurnStateOptions {
  /** The id that this client gave to the message that starts the turn. */
  readonly clientId?: string | undefined
  /** Whether somebody may read events. If not, only what the result needs is kept. */
  readonly events: boolean
  readonly maxUnreadBytes: number | undefined
  /** Handlers for server requests during the turn. Default: the client's handlers. */
  readonly handlers?: Overrides | undefined
  /** What the final answer was asked to be. Undefined for a turn that this client did not start with a message. */
  readonly output?: "text" | "json" | undefined
  readonly rpc: Rpc
  /** The account's rate limits. */
  readonly limits: () => RateLimits.Windows
  /** Undefined for a turn that this client did not start. */
  readonly timing?: TurnTiming | undefined
  /** What a call of a model costs. Default: not known. */
  readonly price?: Price | undefined
  /** Why the turn must not run with the thread's settings. Default: any settings are fine. */
  readonly refuse?: ((held: Told | undefined) => SettingsNotApplied | undefined) | undefined
}

// An abandoned turn's events simply end; its result says why.
const endOfEvents = (cause: End) =>
  cause._tag === "AppServerExited" || cause._tag === "TransportError" ? Exit.fail(cause) : done

// Far more subagents than a turn starts. Bounds memory against a misbehaving server.
const maxModels = 4096

const itemsOf = (params: unknown): ReadonlyArray<unknown> => {
  const { items } = membersOf(membersOf(params)["turn"])
  return Array.isArray(items) ? items : []
}

export class TurnState {
  readonly threadId: string
  id: string
  /** The server has begun the turn. From here on it can be interrupted. */
  readonly started = Deferred.makeUnsafe<void>()
  private readonly ended = Deferred.makeUnsafe<void, End>()
  readonly options: TurnStateOptions
  /** The number of handles on the turn. */
  handles = 0
  /**
   * The server's id for the running turn. docs/codex-behaviour.md, "A review begins under another id than it
   * was answered with".
   */
  runningId: string
  hasBegun = false
  private isBeginningTold = false
  /**
   * The id that a client gave to the turn's first message. Null: the client gave none. Undefined: the message
   * was not heard.
   */
  opener: string | null | undefined
  /** The turn's span for tracers. */
  span: Tracer.Span | undefined
  /** How the turn ends if it must be interrupted. */
  verdict: End | undefined
  /** Completed when the turn runs with settings that it must not run with. */
  private readonly refused = Deferred.makeUnsafe<SettingsNotApplied>()
  /**
   * Set when frames of the turn were missed. Called instead of ending the turn, to fill the gap from the
   * server's store.
   */
  fillGap: ((completed: Raw) => void) | undefined
  /** Called after each read that brought progress, and when one of the turn's handlers has ended. */
  onHeard: (() => void) | undefined
  /** Called when the turn has ended without a frame that said so. */
  onUntoldEnd: (() => void) | undefined
  /** The subagents that work for the turn, once one has begun or somebody has asked for them. */
  subagents: Subagents | undefined
  /** The current read brought frames of the turn. */
  isTouched = false
  /** The number of the turn's frames. */
  frames = 0
  /** The number of frames that only report a retry. */
  private retries = 0
  private retry: { readonly error: unknown; readonly progress: number } | undefined
  /** The progress at the last call of `onHeard`. */
  private heard = 0
  /** The method of the last frame. */
  lastEvent: string | undefined
  private readonly items = new TurnItems()
  private readonly eventLog: TurnEvents
  private completion: Readonly<Record<string, unknown>> | undefined
  private endedBy: End | undefined
  private readonly usage: TurnUsage
  private readonly meters: Array<Meter> = []
  private model: string | undefined
  /** The models of the subagents that the turn has started, by their threads. */
  private readonly subagentModels = new Map<unknown, string>()
  /** How many threads were let go of because this turn had no descriptors. */
  private threadsLetGo = 0
  private readonly toldUndecodable = new Set<unknown>()

  constructor(threadId: string, id: string, options: TurnStateOptions) {
    this.threadId = threadId
    this.id = id
    this.runningId = id
    this.options = options
    this.usage = new TurnUsage(options.price ?? (() => undefined))
    this.eventLog = new TurnEvents(this, options, options.events)
  }

  get isEnded(): boolean {
    return this.completion !== undefined || this.endedBy !== undefined
  }

  /** Why the turn ended without `turn/completed`. */
  get cause(): End | undefined {
    return this.endedBy
  }

  /** How the turn ended, as one of a few words: a known status, or the tag of the error that ended the wait. */
  get outcome(): string {
    if (this.endedBy !== undefined) return this.endedBy._tag
    const status = this.completion?.["status"]
    if (this.verdict !== undefined && this.isJudged) return this.verdict._tag
    return status === "completed" || status === "failed" || status === "interrupted" ? status : "unknown"
  }

  /** Whether the verdict decides the end. It also does for a refused turn that finished before its interrupt. */
  private get isJudged(): boolean {
    return this.completion?.["status"] === "interrupted" || this.verdict?._tag === "SettingsNotApplied"
  }

  /** The number of frames that show progress. Retries by codex are not progress. */
  get progress(): number {
    return this.frames - this.retries
  }

  /** Why codex retries the model, if that is the last thing heard of the turn. */
  get lastRetry(): Received.TurnError | undefined {
    const { retry } = this
    if (retry === undefined || retry.progress !== this.progress) return undefined
    return guardOf(Received.TurnError)(retry.error) ? retry.error : undefined
  }

  /** The model that the thread or the turn asked for, or the one that codex was rerouted to. */
  get modelName(): string | undefined {
    return this.model ?? internalsOf(this.options.rpc).settingsOf(this.threadId)?.model
  }

  /** The tokens used so far, including subagents. */
  get tokens(): Received.TokenUsageBreakdown | undefined {
    return this.usage.tokens
  }

  /** The ids of the items that have begun. */
  get itemIds(): ReadonlySet<string> {
    return this.items.ids
  }

  get completedItems(): ReadonlyArray<Received.ThreadItem> {
    return this.items.all
  }

  /** The items that have begun and not ended. */
  get runningItems(): ReadonlyArray<Received.ThreadItem> {
    return this.items.running
  }

  /** Waits until the turn or the connection ends. */
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
    else if (this.usage.strand.mayBeLast) this.goesOn()
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
    this.subagents?.onReadEnd()
  }

  onEnd(cause: End): void {
    const { isEnded } = this
    this.endedBy ??= isEnded ? undefined : cause
    this.subagents?.onRootEnd(cause)
    if (isEnded) return
    this.options.timing?.ends()
    this.endMeters()
    this.eventLog.close(endOfEvents(cause))
    this.eventLog.flush()
    Deferred.doneUnsafe(this.ended, Exit.fail(cause))
  }

  /** Called when a server turn that belongs to this one begins. */
  begins(): void {
    const held = internalsOf(this.options.rpc).settingsOf(this.threadId)
    this.model ??= held?.model
    this.verdict ??= this.options.refuse?.(held)
  }

  /** This client has changed the model while the turn runs. No notification reports that. */
  changedModel(model: string): void {
    this.model = model
  }

  /** Counts the turn towards budgets from now on, with what it has spent already. */
  spendFrom(meter: Meter): void {
    this.meters.push(meter)
    for (const strand of this.usage.strands) meter.update(strand)
    if (this.isEnded) meter.end()
  }

  /** Counts what the turn spends from now on towards budgets, too. */
  alsoSpendFrom(meter: Meter): void {
    this.meters.push(meter)
    for (const strand of this.usage.strands) meter.join(strand)
    if (this.isEnded) meter.end()
  }

  /** Whether the turn counts towards a budget. */
  spendsFrom(ledger: Ledger): boolean {
    return this.meters.some(({ isOver, ledgers }) => !isOver && ledgers.includes(ledger))
  }

  private updateMeters(strand: Strand): void {
    for (const meter of this.meters) meter.update(strand)
  }

  private endMeters(): void {
    for (const meter of this.meters) meter.end()
  }

  /** Stops the turn once its budget is spent. */
  endSpent(meter: Meter, stop: Effect.Effect<void>): Effect.Effect<void> {
    return Spending.awaitCut(meter).pipe(
      Effect.andThen(stop),
      Effect.andThen(Effect.sync(() => {
        const cut = this.cutError
        if (cut !== undefined) this.onEnd(cut)
      }))
    )
  }

  private get cutError(): BudgetExceeded | PriceUnknown | undefined {
    const { id: turnId, threadId } = this
    const cut = this.meters.find(({ cut }) => cut !== undefined)?.cut
    return cut === undefined ? undefined : Spending.errorOf(cut, { threadId, turnId, result: this.partialResult })
  }

  /** The turn does more than its last report of usage has shown. */
  goesOn(): void {
    this.usage.strand.goesOn()
    this.updateMeters(this.usage.strand)
  }

  /** Stops the turn once it is refused. */
  endRefused(stop: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.flatMap(
      Deferred.await(this.refused),
      (error) => Effect.andThen(stop, Effect.sync(() => this.onEnd(error)))
    )
  }

  /** Takes over the server's stored state of a turn whose beginning was not heard. */
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

  /** Adds the items whose completion was not heard or did not fit the protocol. */
  private addMissing(items: ReadonlyArray<unknown>): void {
    const of = { threadId: this.threadId, turnId: this.id }
    for (const item of items) {
      if (!this.items.isMissing(item)) continue
      this.onNotification({ _tag: "item/completed", params: { ...of, item, completedAtMs: 0 } }, 0)
    }
  }

  /** Adds the stored items, in the server's order. */
  addStored({ items }: Pick<Stored, "items">): void {
    this.addMissing(items)
    this.items.sortAs(items)
  }

  /** A tool of the turn, or of a subagent that works for it, asks the client. Not every such tool has an item. */
  onRequest(subagent?: SubagentTurn): void {
    const strand = subagent !== undefined ? this.strandOf(subagent) : this.isEnded ? undefined : this.usage.strand
    if (strand === undefined) return
    strand.onTool()
    this.updateMeters(strand)
  }

  /** An item of a subagent that works for this turn has begun. */
  onSubagentItem(subagent: SubagentTurn, item: unknown): void {
    const strand = this.strandOf(subagent)
    if (strand === undefined) return
    strand.onItem(membersOf(item)["type"])
    this.updateMeters(strand)
  }

  private strandOf({ threadId, turnId }: SubagentTurn): Strand | undefined {
    return this.isEnded ? undefined : this.usage.subagent(turnId, threadId)?.strand
  }

  /** A subagent's turn that works for this one begins or ends. */
  onSubagentRunning(subagent: SubagentTurn, isRunning: boolean): void {
    const strand = this.strandOf(subagent)
    if (strand === undefined) return
    strand.isOver = !isRunning
    this.updateMeters(strand)
  }

  /** Takes in the usage so far of a subagent's turn that works for this one. */
  onSubagentUsage({ threadId, turnId }: SubagentTurn, usage: unknown): void {
    const turn = this.isEnded ? undefined : this.usage.subagent(turnId, threadId)
    if (turn === undefined) return
    // A subagent has the model of its parent unless it was given one.
    const model = internalsOf(this.options.rpc).settingsOf(threadId)?.model ?? this.subagentModels.get(threadId)
    this.usage.addOfSubagent(turn, usage, model ?? this.modelName)
    this.updateMeters(turn.strand)
  }

  /**
   * Called for each user message of the turn. For a turn with a handle whose beginning was missed, it may not
   * be the first one.
   */
  onMessage(clientId: string | null): void {
    if (this.opener === undefined && (this.hasBegun || this.handles === 0)) this.opener = clientId
  }

  /**
   * Called when this client steers the turn, so the server has begun it. With `events`, keeps events from here
   * on.
   */
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
        // Later changes of the settings apply to the turns after this one, even if `turn/started` comes again.
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
        // This may be the only sign of the beginning, and for a review it comes before `turn/started`. Whether
        // a turn with our message is really ours is decided elsewhere.
        if (this.options.clientId === undefined && !this.hasBegun) {
          this.begins()
          this.hasBegun = true
        }
        // docs/codex-behaviour.md, "Steering ends the model's answer at once".
        if (membersOf(params["item"])["type"] === "userMessage") this.items.abandonWritten()
        this.onItem(params["item"])
        this.options.timing?.begins(params["item"])
        return this.items.begin(params["item"])
      }
      case "item/completed":
        this.noteSubagents(params["item"])
        this.options.timing?.completes(params["item"])
        return this.items.complete(params["item"])
      case "thread/tokenUsage/updated":
        this.usage.add(
          params["tokenUsage"],
          internalsOf(this.options.rpc).tokensOf(this.threadId),
          this.modelName
        )
        this.updateMeters(this.usage.strand)
        return
      case "turn/plan/updated":
        // The tool that writes it has no item.
        this.usage.strand.onTool()
        this.updateMeters(this.usage.strand)
        return
      case "turn/completed":
        this.options.timing?.ends()
        this.completion = Predicate.isReadonlyObject(params["turn"]) ? params["turn"] : {}
        this.verdict ??= this.cutError
        this.endMeters()
        return
    }
  }

  private onItem(item: unknown): void {
    this.usage.strand.onItem(membersOf(item)["type"])
    this.updateMeters(this.usage.strand)
  }

  private noteSubagents(item: unknown): void {
    const { model, receiverThreadIds: threads, tool, type } = membersOf(item)
    if (type !== "collabAgentToolCall" || tool !== "spawnAgent" || !Predicate.isString(model)) return
    for (const threadId of Array.isArray(threads) ? threads : []) {
      if (this.subagentModels.size < maxModels) this.subagentModels.set(threadId, model)
    }
  }

  // ---------------------------------------------------------------------------
  // For the handle
  // ---------------------------------------------------------------------------

  /** The events since the turn's first. */
  get events(): Stream.Stream<TurnEvent, StreamError> {
    return this.eventLog.stream
  }

  /** The result as far as known now. */
  get partialResult(): TurnResult {
    const items = this.items.all
    this.tellUndecodable(items)
    const { id, modelName: model, threadId, usage } = this
    const timing = this.options.timing?.told ?? Option.none()
    return resultOf(this.completion ?? {}, { id, threadId, model, items, usage, timing })
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

  /** The result of a completed or interrupted turn. An unknown status counts as a failure. */
  readonly result: Effect.Effect<TurnResult, TurnFailed | End> = Effect.suspend(() =>
    Effect.flatMap(this.awaitEnd, () => {
      const result = this.partialResult
      return result.status === "completed" || result.status === "interrupted"
        ? Effect.succeed(result)
        : this.failed(failureOf(result, this.options.limits))
    })
  )

  /** Lets go of idle threads when the server has no descriptors left, so that the turn can be started again. */
  private failed(error: TurnFailed): Effect.Effect<never, TurnFailed> {
    if (error.reason !== "resources") return Effect.fail(error)
    const letGo = Effect.suspend(() =>
      this.threadsLetGo > 0 ? Effect.succeed(0) : LoadedThreads.of(this.options.rpc).relieve
    )
    return Effect.flatMap(letGo, (count) => {
      this.threadsLetGo += count
      const { detail, info, resetsAt, result, threadId, turnId } = error
      const { threadsLetGo } = this
      return Effect.fail(new TurnFailed({ threadId, turnId, detail, info, resetsAt, threadsLetGo, result }))
    })
  }
}
