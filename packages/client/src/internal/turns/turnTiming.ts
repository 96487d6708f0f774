/**
 * Measures what a turn's time went into. Reads the clock when an item begins or ends, never for a delta.
 *
 * The protocol tells neither when codex asks the model nor when the model has answered. What it does tell is which
 * items run, so the model's time is what remains without those of tools.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Received from "../../Received.ts"
import type { TurnTiming as Timing } from "../../TurnResult.ts"
import * as Monotonic from "../monotonic.ts"

/** Items that are neither the model's nor a tool's. */
const ofCodex: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>([
  "contextCompaction",
  "enteredReviewMode",
  "exitedReviewMode",
  "hookPrompt",
  "userMessage"
])

/** What the model writes itself. Every other item that it begins is work of a tool. */
const ofModel: ReadonlySet<unknown> = new Set<Received.ThreadItem["type"]>(["agentMessage", "plan", "reasoning"])

const member = (item: unknown, key: "id" | "type"): unknown =>
  Predicate.isObject(item) ? Reflect.get(item, key) : undefined

export class TurnTiming {
  private readonly clock: Clock.Clock
  private sentAt: number | undefined
  private firstAt: number | undefined
  private endedAt: number | undefined
  /** The tools that run, and since when at least one does. */
  private readonly running = new Set<unknown>()
  private busySince = 0
  /** How long tools ran, in milliseconds, without those that run now. */
  private busy = 0

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** The request that starts the turn was sent. */
  sent(): void {
    this.sentAt = this.now
  }

  begins(item: unknown): void {
    const type = member(item, "type")
    if (ofCodex.has(type)) return
    const { now } = this
    this.firstAt ??= now
    if (ofModel.has(type)) return
    if (this.running.size === 0) this.busySince = now
    this.running.add(member(item, "id"))
  }

  completes(item: unknown): void {
    if (this.running.delete(member(item, "id")) && this.running.size === 0) this.busy += this.now - this.busySince
  }

  ends(): void {
    this.endedAt ??= this.now
  }

  private get now(): number {
    return Monotonic.millis(this.clock)
  }

  /** Until the end, or until now for a turn that runs. None before the request was sent. */
  get told(): Option.Option<Timing> {
    const { firstAt, sentAt } = this
    if (sentAt === undefined) return Option.none()
    const end = this.endedAt ?? this.now
    const tools = this.busy + (this.running.size === 0 ? 0 : end - this.busySince)
    return Option.some({
      firstToken: firstAt === undefined ? Option.none() : Option.some(Duration.millis(firstAt - sentAt)),
      model: Duration.millis(Math.max(0, end - sentAt - tools)),
      tools: Duration.millis(tools)
    })
  }
}
