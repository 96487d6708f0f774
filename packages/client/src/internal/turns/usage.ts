/**
 * Counts tokens from the server's reports of a thread's usage. docs/codex-behaviour.md, "Usage is told as the
 * total of the thread and as the last call of the model".
 */
import * as Received from "@effect-codex/protocol/Received"
import { sum } from "../ledger.ts"
import { guardOf } from "../protocol/guard.ts"
import { Strand } from "./meter.ts"

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
   * Takes in a report, and returns the part of it that is new. Undefined if it reports no call of the model.
   *
   * @param totalBefore the thread's total as reported before this turn.
   * @param hasItem something of another call has come.
   */
  add(usage: unknown, totalBefore: number | undefined, hasItem: boolean): Breakdown | undefined {
    if (!guardOf(Received.ThreadTokenUsage)(usage)) return undefined
    // docs/codex-behaviour.md, "What a compaction leaves in the context is told as a last call".
    this.contextTokens = usage.last.totalTokens
    const before = this.told
    // An unchanged total is a repetition (of a resumed thread or a broken stream), not another call of the
    // model.
    if ((before?.total.totalTokens ?? totalBefore) === usage.total.totalTokens) {
      // docs/codex-behaviour.md, "Of a provider that tells no usage each call is told with a total of 0".
      if (!hasItem || usage.total.totalTokens !== 0) return undefined
      this.told = usage
      return none
    }
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

/** What a call of a model costs. Undefined if that is not known. */
export type Price = (model: string | undefined, usage: Breakdown) => number | undefined

interface SubagentTurn {
  readonly threadId: string | undefined
  readonly turnId: string
  readonly count: TurnCount
  readonly strand: Strand
}

/**
 * The usage of a turn and of the subagent turns that work for it. docs/codex-behaviour.md, "The turns of a
 * subagent name the turn that they work for".
 */
export class TurnUsage {
  private readonly own = new TurnCount()
  /** The calls of the turn itself. */
  readonly strand = new Strand()
  private readonly price: Price
  private readonly ofSubagents = new Map<string, SubagentTurn>()
  subagents: Breakdown = none
  private isTold = false

  constructor(price: Price) {
    this.price = price
  }

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
    return this.isTold ? add(this.own.turn, this.subagents) : undefined
  }

  /** What all together cost. Undefined if nothing was reported, or a price is not known. */
  get cost(): number | undefined {
    if (!this.isTold) return undefined
    return this.strands.reduce<number | undefined>(
      (all, { cost }) => all === undefined || cost === undefined ? undefined : sum(all, cost),
      0
    )
  }

  get strands(): ReadonlyArray<Strand> {
    return [this.strand, ...Array.from(this.ofSubagents.values(), ({ strand }) => strand)]
  }

  /** @param totalBefore the thread's total as reported before this turn. */
  add(usage: unknown, totalBefore: number | undefined, model: string | undefined): void {
    const more = this.own.add(usage, totalBefore, this.strand.hasItem)
    if (this.own.told !== undefined) this.isTold = true
    if (more !== undefined) this.strand.onCall(more.totalTokens, this.price(model, more), model)
  }

  /** A subagent's turn. Undefined if there are too many. */
  subagent(turnId: string, threadId?: string): SubagentTurn | undefined {
    const known = this.ofSubagents.get(turnId)
    if (known !== undefined || this.ofSubagents.size >= maxSubagentTurns) return known
    const made = { threadId, turnId, count: new TurnCount(), strand: new Strand() }
    this.ofSubagents.set(turnId, made)
    return made
  }

  addOfSubagent({ count, strand }: SubagentTurn, usage: unknown, model: string | undefined): void {
    // Only the frames of its usage are followed, so each is a call where no usage is told.
    const more = count.add(usage, undefined, true)
    if (more === undefined) return
    this.isTold = true
    this.subagents = add(this.subagents, more)
    strand.onCall(more.totalTokens, this.price(model, more), model)
  }
}
