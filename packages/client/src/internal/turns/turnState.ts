/**
 * One turn as it is folded from the frames that pass. The reader calls it; it never waits and never throws, and it looks
 * only at ids and at the status before anything else, so that nothing unknown can hide the end of a turn.
 */
import * as Received from "@effect-codex/protocol/Received"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { AppServerRpc } from "../../AppServerRpc.ts"
import type {
  ConnectionError,
  SettingsNotApplied,
  ThreadBusy,
  TurnOutcomeUnknown,
  TurnStalled
} from "../../CodexError.ts"
import { EventsOverflow, TurnFailed } from "../../CodexError.ts"
import type { Raw, TurnEvent } from "../../ServerNotification.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { TurnResult } from "../../TurnResult.ts"
import { CompactLog, done, Mailbox, slowReader } from "../events/mailbox.ts"
import { guardOf } from "../protocol/guard.ts"
import * as Items from "../protocol/items.ts"
import { membersOf } from "../protocol/members.ts"
import { internalsOf } from "../rpcInternals.ts"
import type { Told } from "../settings/heldSettings.ts"
import { redactTurnError } from "../text/keys.ts"
import * as ServerTexts from "../text/serverTexts.ts"
import * as TurnFailure from "../text/turnFailure.ts"
import { visible } from "../text/visibleText.ts"
import * as RateLimits from "./rateLimits.ts"
import { isOver, type Stored } from "./storedTurn.ts"
import * as Usage from "./usage.ts"

export type StreamError = ConnectionError | EventsOverflow

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
  readonly rpc: AppServerRpc["Service"]
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

const finite = (u: unknown): Option.Option<number> =>
  typeof u === "number" && Number.isFinite(u) ? Option.some(u) : Option.none()

const seconds = (u: unknown): Option.Option<DateTime.Utc> =>
  Option.flatMap(finite(u), (seconds) => DateTime.make(seconds * 1000))

const idOf = (item: unknown): string | undefined =>
  Predicate.hasProperty(item, "id") && Predicate.isString(item.id) ? item.id : undefined

const itemsOf = (params: unknown): ReadonlyArray<unknown> => {
  const { items } = membersOf(membersOf(params)["turn"])
  return Array.isArray(items) ? items : []
}

const written: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>(["agentMessage", "plan", "reasoning"])

/** Whether the model writes it, and nothing runs meanwhile. */
const isWritten = (item: unknown): boolean => Predicate.hasProperty(item, "type") && written.has(item.type)

// Far beyond what a turn starts. Bounds memory against a misbehaving server.
const maxSubagentTurns = 4096

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
  readonly itemIds = new Set<string>()
  private readonly running = new Map<string, unknown>()
  private readonly items: Array<unknown> = []
  private readonly places = new Map<string, number>()
  private readers: ReadonlyArray<Mailbox<StreamError>> = []
  private log: CompactLog | undefined
  private first: Mailbox<StreamError> | undefined
  private completion: Readonly<Record<string, unknown>> | undefined
  private endedBy: End | undefined
  private readonly usage = new Usage.TurnCount()
  private subagents = Usage.none
  /** The turns of subagents that work for this one. */
  private subagentTurns: Map<string, Usage.TurnCount> | undefined
  private model: string | undefined
  private readonly toldUndecodable = new Set<unknown>()

  constructor(threadId: string, id: string, options: TurnStateOptions) {
    this.threadId = threadId
    this.id = id
    this.runningId = id
    this.options = options
    if (options.events) {
      this.log = new CompactLog()
      this.first = this.makeMailbox()
      this.readers = [this.first]
    }
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
    const isTold = this.usage.told !== undefined || this.subagentTurns !== undefined
    return isTold ? Usage.add(this.usage.turn, this.subagents) : undefined
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
    if (this.log === undefined) return
    this.log.push(event)
    for (const reader of this.readers) reader.push(event, bytes)
  }

  onReadEnd(): void {
    this.log?.readEnded()
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
    for (const reader of this.readers) {
      if (this.completion !== undefined) reader.close(done)
      reader.flush()
    }
  }

  onEnd(cause: End): void {
    if (this.isEnded) return
    this.endedBy = cause
    const end = endOfEvents(cause)
    for (const reader of this.readers) {
      reader.close(end)
      reader.flush()
    }
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
      const id = idOf(item)
      const place = id === undefined ? undefined : this.places.get(id)
      if (id === undefined || (place !== undefined && guardOf(Received.ThreadItem)(this.items[place]))) continue
      this.onNotification({ _tag: "item/completed", params: { ...of, item, completedAtMs: 0 } }, 0)
    }
  }

  addStored({ items }: Pick<Stored, "items">): void {
    this.addMissing(items)
    // What was missed lies before what was heard since.
    const place = new Map(items.map((item, index) => [idOf(item), index]))
    const placeOf = (item: unknown) => place.get(idOf(item)) ?? Infinity
    this.items.sort((a, b) => placeOf(a) - placeOf(b))
    this.places.clear()
    this.items.forEach((item, place) => {
      const id = idOf(item)
      if (id !== undefined) this.places.set(id, place)
    })
  }

  /** What a turn of a subagent that works for this one has used so far. */
  onSubagentUsage(turnId: string, usage: unknown): void {
    if (this.isEnded) return
    this.subagentTurns ??= new Map()
    let count = this.subagentTurns.get(turnId)
    if (count === undefined) {
      if (this.subagentTurns.size >= maxSubagentTurns) return
      this.subagentTurns.set(turnId, count = new Usage.TurnCount())
    }
    this.subagents = Usage.add(this.subagents, count.add(usage))
  }

  /** A message is said to the turn. That of a handle's turn is not the first if the turn's beginning was not heard. */
  onMessage(clientId: string | null): void {
    if (this.opener === undefined && (this.hasBegun || this.handles === 0)) this.opener = clientId
  }

  /** Somebody steers the turn, which the server therefore has begun, and may want to read it from here on. */
  joined(events: boolean): void {
    this.hasBegun = true
    this.frames++
    if (events) this.log ??= new CompactLog()
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
        // What the model was writing is never completed, and is written again under another id.
        for (const [id, item] of this.running) {
          if (isWritten(item)) this.running.delete(id)
        }
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
        const id = idOf(params["item"])
        if (id === undefined) return
        this.itemIds.add(id)
        this.running.set(id, params["item"])
        return
      }
      case "item/completed":
        return this.foldItem(params["item"])
      case "thread/tokenUsage/updated":
        this.usage.add(params["tokenUsage"], internalsOf(this.options.rpc).tokensOf(this.threadId))
        return
      case "turn/completed":
        this.completion = Predicate.isReadonlyObject(params["turn"]) ? params["turn"] : {}
        return
    }
  }

  private foldItem(item: unknown): void {
    const id = idOf(item)
    if (id === undefined) {
      this.items.push(item)
      return
    }
    this.running.delete(id)
    const place = this.places.get(id) ?? this.items.length
    this.places.set(id, place)
    this.items[place] = item
  }

  // ---------------------------------------------------------------------------
  // For the handle
  // ---------------------------------------------------------------------------

  private makeMailbox(history?: Array<Raw>): Mailbox<StreamError> {
    const { maxUnreadBytes, rpc } = this.options
    return new Mailbox<StreamError>({
      highWater: slowReader(internalsOf(rpc), `events of turn ${this.id}`),
      maxUnread: maxUnreadBytes === undefined ? undefined : {
        bytes: maxUnreadBytes,
        error: (unreadBytes) => new EventsOverflow({ threadId: this.threadId, turnId: this.id, unreadBytes })
      }
    }, history)
  }

  private readonly openReader: Effect.Effect<Mailbox<StreamError>, never, Scope.Scope> = Effect.acquireRelease(
    Effect.sync(() => {
      const first = this.first
      if (first !== undefined) {
        this.first = undefined
        return first
      }
      const reader = this.makeMailbox(this.log?.snapshot())
      this.readers = [...this.readers, reader]
      if (this.endedBy !== undefined) reader.close(endOfEvents(this.endedBy))
      else if (this.isEnded) reader.close(done)
      return reader
    }),
    (reader) =>
      Effect.sync(() => {
        reader.close(done)
        this.readers = this.readers.filter((other) => other !== reader)
      })
  )

  /** The events from the turn's first. The first reader gets each as it came, others a compacted history first. */
  readonly events: Stream.Stream<TurnEvent, StreamError> = Stream.unwrap(
    Effect.map(
      this.openReader,
      (mailbox) => {
        const { decode } = internalsOf(this.options.rpc)
        return mailbox.streamOf((raw) => decode(raw) as TurnEvent)
      }
    )
  )

  /** The items that have begun and not ended. */
  get runningItems(): ReadonlyArray<Received.ThreadItem> {
    return [...this.running.values()].map(Items.read)
  }

  /** What is known of the turn now. */
  get partialResult(): TurnResult {
    const turn = this.completion ?? {}
    const items = this.items.map(Items.read)
    this.tellUndecodable(items)
    const error = turn["error"]
    // A stored turn is not told by a notification.
    redactTurnError(error)
    const status = turn["status"]
    return {
      id: this.id,
      threadId: this.threadId,
      status: typeof status === "string" ? status : "inProgress",
      error: guardOf(Received.TurnError)(error) ? Option.some(error) : Option.none(),
      startedAt: seconds(turn["startedAt"]),
      completedAt: seconds(turn["completedAt"]),
      duration: Option.map(finite(turn["durationMs"]), Duration.millis),
      model: Option.fromUndefinedOr(this.modelName),
      finalResponse: Items.finalResponse(items),
      plan: Items.plan(items),
      output: undefined,
      items,
      usage: Option.map(Option.fromUndefinedOr(this.usage.told), (told) => ({
        turn: this.usage.turn,
        subagents: this.subagents,
        total: told.total,
        last: told.last,
        modelContextWindow: finite(told.modelContextWindow)
      }))
    }
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

  // By the clock of the server, which says when the turn ended. A limit that was reset before is not the one.
  private resetsAt(
    failed: Pick<TurnFailed, "info" | "detail">,
    completedAt: Option.Option<DateTime.Utc>
  ): Option.Option<DateTime.Utc> {
    const reason = TurnFailure.reasonOf(failed)
    if (Option.isNone(completedAt) || (reason !== "usageLimit" && reason !== "rateLimit")) return Option.none()
    const end = DateTime.toEpochMillis(completedAt.value)
    const after = ServerTexts.retryAfter(failed.detail)
    const reset = after === undefined ? RateLimits.resetOf(this.options.limits()) : end + after
    return reset === undefined || reset < end ? Option.none() : DateTime.make(reset)
  }

  /** The result of a completed or interrupted turn. An unknown status is no success. */
  readonly result: Effect.Effect<TurnResult, TurnFailed | End> = Effect.suspend(() =>
    Effect.flatMap(this.awaitEnd, () => {
      const result = this.partialResult
      if (result.status === "completed" || result.status === "interrupted") return Effect.succeed(result)
      const error = Option.getOrUndefined(result.error)
      const failed = {
        threadId: this.threadId,
        turnId: this.id,
        detail: error?.message ?? (result.status === "failed"
          ? "the server gave no reason."
          : `it ended with the status ${result.status}, which this version of effect-codex does not know.`),
        info: error?.codexErrorInfo ?? null,
        result
      }
      return Effect.fail(new TurnFailed({ ...failed, resetsAt: this.resetsAt(failed, result.completedAt) }))
    })
  )
}
