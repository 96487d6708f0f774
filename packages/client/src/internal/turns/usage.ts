/**
 * Counts tokens from the server's reports of a thread's usage. docs/codex-behaviour.md, "Usage is told as the
 * total of the thread and as the last call of the model".
 */
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

/** The usage of one turn. */
export class TurnCount {
  /** The last report. */
  told: Received.ThreadTokenUsage | undefined
  turn: Breakdown = none
  /** The tokens in the context, by the last report. */
  contextTokens = 0

  /**
   * Takes in a report, and returns the part of it that is new.
   *
   * @param totalBefore the thread's total as reported before this turn.
   */
  add(usage: unknown, totalBefore?: number): Breakdown {
    if (!guardOf(Received.ThreadTokenUsage)(usage)) return none
    // docs/codex-behaviour.md, "What a compaction leaves in the context is told as a last call".
    this.contextTokens = usage.last.totalTokens
    const before = this.told
    // An unchanged total is a repetition (of a resumed thread or a broken stream), not another call of the
    // model.
    if ((before?.total.totalTokens ?? totalBefore) === usage.total.totalTokens) return none
    this.told = usage
    // docs/codex-behaviour.md, "A response that was cut short is in the total and not the last call".
    const isMore = before !== undefined && usage.total.totalTokens > before.total.totalTokens
    const more = isMore ? combine(usage.total, before.total, (now, then) => Math.max(0, now - then)) : usage.last
    this.turn = add(this.turn, more)
    return more
  }
}

// Far more than a turn starts. Bounds memory against a misbehaving server.
const maxSubagentTurns = 4096

/**
 * The usage of a turn and of the subagent turns that work for it. docs/codex-behaviour.md, "The turns of a
 * subagent name the turn that they work for".
 */
export class TurnUsage {
  private readonly own = new TurnCount()
  private ofSubagents: Map<string, TurnCount> | undefined
  subagents: Breakdown = none

  /** The last report of the turn itself. */
  get told(): Received.ThreadTokenUsage | undefined {
    return this.own.told
  }

  /** The tokens in the context of the turn itself, by the last report. */
  get contextTokens(): number {
    return this.own.contextTokens
  }

  /** The usage of the turn itself. */
  get turn(): Breakdown {
    return this.own.turn
  }

  /** The usage of all together. Undefined if nothing was reported. */
  get tokens(): Breakdown | undefined {
    const isTold = this.own.told !== undefined || this.ofSubagents !== undefined
    return isTold ? add(this.own.turn, this.subagents) : undefined
  }

  /** @param totalBefore the thread's total as reported before this turn. */
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
