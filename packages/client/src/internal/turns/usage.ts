/** Counts tokens from what the server tells of a thread's usage. */
import * as Received from "@effect-codex/protocol/Received"
import { guardOf } from "../protocol/guard.ts"

type Breakdown = Received.TokenUsageBreakdown

const combine = (a: Breakdown, b: Breakdown, f: (a: number, b: number) => number): Breakdown => ({
  totalTokens: f(a.totalTokens, b.totalTokens),
  inputTokens: f(a.inputTokens, b.inputTokens),
  cachedInputTokens: f(a.cachedInputTokens, b.cachedInputTokens),
  cacheWriteInputTokens: f(a.cacheWriteInputTokens, b.cacheWriteInputTokens),
  outputTokens: f(a.outputTokens, b.outputTokens),
  reasoningOutputTokens: f(a.reasoningOutputTokens, b.reasoningOutputTokens)
})

export const add = (a: Breakdown, b: Breakdown): Breakdown => combine(a, b, (a, b) => a + b)

export const none: Breakdown = {
  totalTokens: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0
}

/** What one turn uses. The server tells the total of its thread, and the last call of the model. */
export class TurnCount {
  /** What was told last. */
  told: Received.ThreadTokenUsage | undefined
  turn: Breakdown = none

  /**
   * Takes in what is told, and gives what is new of it.
   *
   * @param totalBefore the thread's total, as it was told before this turn.
   */
  add(usage: unknown, totalBefore?: number): Breakdown {
    if (!guardOf(Received.ThreadTokenUsage)(usage)) return none
    const before = this.told
    // The same total again is a repetition (a resumed thread, a stream that broke) and not another call of the model.
    if ((before?.total.totalTokens ?? totalBefore) === usage.total.totalTokens) return none
    this.told = usage
    // A response that was cut short is in the total, and is not told as the last one (measured).
    const isMore = before !== undefined && usage.total.totalTokens > before.total.totalTokens
    const more = isMore ? combine(usage.total, before.total, (now, then) => Math.max(0, now - then)) : usage.last
    this.turn = add(this.turn, more)
    return more
  }
}

// Far beyond what a turn starts. Bounds memory against a misbehaving server.
const maxSubagentTurns = 4096

/** What a turn uses, and the turns of subagents that work for it. */
export class TurnUsage {
  private readonly own = new TurnCount()
  private ofSubagents: Map<string, TurnCount> | undefined
  subagents: Breakdown = none

  /** What was told last of the turn itself. */
  get told(): Received.ThreadTokenUsage | undefined {
    return this.own.told
  }

  /** Of the turn itself. */
  get turn(): Breakdown {
    return this.own.turn
  }

  /** Of all together; undefined if nothing was told. */
  get tokens(): Breakdown | undefined {
    const isTold = this.own.told !== undefined || this.ofSubagents !== undefined
    return isTold ? add(this.own.turn, this.subagents) : undefined
  }

  /** @param totalBefore the thread's total, as it was told before this turn. */
  add(usage: unknown, totalBefore: number | undefined): void {
    this.own.add(usage, totalBefore)
  }

  addOfSubagent(turnId: string, usage: unknown): void {
    this.ofSubagents ??= new Map()
    let count = this.ofSubagents.get(turnId)
    if (count === undefined) {
      if (this.ofSubagents.size >= maxSubagentTurns) return
      this.ofSubagents.set(turnId, count = new TurnCount())
    }
    this.subagents = add(this.subagents, count.add(usage))
  }
}
