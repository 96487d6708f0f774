/**
 * Counts the calls of the model that a turn and its subagents make towards the budgets of the turn, and decides when
 * the turn must be cut. The reader calls it, so it never waits.
 */
import { type Ledger, type Limit, type Spent, sum } from "../ledger.ts"

/** Items of tools that codex runs itself. Their output goes to the model, so another call follows. */
const ofTools: ReadonlySet<unknown> = new Set([
  "collabAgentToolCall",
  "commandExecution",
  "dynamicToolCall",
  "fileChange",
  "imageView",
  "mcpToolCall"
])

/** The calls of one turn on the server, as its frames tell them. */
export class Strand {
  modelCalls = 0
  tokens = 0
  cost: number | undefined = 0
  /** The model of a call whose price is not known. Null if the model is not known either. */
  unpriced: string | null | undefined
  /** The last call is told, and nothing has shown yet that another follows. */
  mayBeLast = false
  isOver = false
  /** The call in flight asks for a tool. */
  hasTool = false
  /** Something of the call in flight has come. */
  hasItem = false

  onCall(tokens: number, cost: number | undefined, model: string | undefined): void {
    this.modelCalls++
    this.tokens += tokens
    if (cost === undefined) this.unpriced ??= model ?? null
    this.cost = this.cost === undefined || cost === undefined ? undefined : sum(this.cost, cost)
    // docs/codex-behaviour.md, "The usage of a call is told when its tools have ended".
    this.mayBeLast = !this.hasTool
    this.hasTool = false
    this.hasItem = false
  }

  onItem(type: unknown): void {
    this.goesOn()
    if (type !== "userMessage" && type !== "contextCompaction") this.hasItem = true
    if (ofTools.has(type)) this.hasTool = true
  }

  /** Something has shown that a tool was called. */
  onTool(): void {
    this.goesOn()
    this.hasTool = true
  }

  goesOn(): void {
    this.mayBeLast = false
  }
}

/** Why a turn is cut. */
export type Cut =
  | { readonly _tag: "UsedUp"; readonly ledger: Ledger; readonly limit: Limit }
  | { readonly _tag: "Unpriced"; readonly model: string | null }

interface Held {
  /** A call is held in reserve. */
  isHeld: boolean
  /** That call was certainly made. */
  isMade: boolean
}

/** What the budgets know of a strand. */
interface Entry extends Held {
  charged: { -readonly [K in keyof Spent]: Spent[K] }
  /** Nothing is left for another call of a strand that may have made its last one: when that began. */
  doubtful: number | undefined
}

export class Meter {
  readonly ledgers: ReadonlyArray<Ledger>
  cut: Cut | undefined
  /** Called when the turn must be cut. */
  onCut: (() => void) | undefined
  /** Called when a strand has become doubtful. */
  onDoubt: (() => void) | undefined
  private readonly strands = new Map<Strand, Entry>()
  /** A call reserved for the turn before it starts. */
  private readonly first: Held = { isHeld: false, isMade: false }
  /** It counts and limits nothing any more. */
  isOver = false
  private round = 0
  private readonly unsubscribe: ReadonlyArray<() => void>

  constructor(ledgers: ReadonlyArray<Ledger>) {
    this.ledgers = ledgers
    this.unsubscribe = ledgers.map((ledger) => ledger.subscribe(() => this.onLedger()))
  }

  /** Why no turn may start, now or later. */
  get refusal(): Cut | undefined {
    for (const ledger of this.ledgers) {
      const limit = ledger.usedUp
      if (limit !== undefined) return { _tag: "UsedUp", ledger, limit }
    }
    return undefined
  }

  /** Reserves the first call of the turn. False if others hold what is left. */
  reserve(): boolean {
    if (this.isOver) return false
    this.first.isHeld ||= this.take()
    return this.first.isHeld
  }

  /** Counts what a strand spends from now on, and not what it has spent already. */
  join(strand: Strand): void {
    const { charged } = this.strands.get(strand) ?? this.add(strand)
    charged.modelCalls = strand.modelCalls
    charged.tokens = strand.tokens
    charged.cost = strand.cost
    this.update(strand)
  }

  /** Counts a strand from now on, with what it has spent already. */
  update(strand: Strand): void {
    if (this.isOver) return
    const entry = this.strands.get(strand) ?? this.add(strand)
    const isCharged = this.charge(strand, entry)
    // What this turn needs for its next call comes before what others wait for.
    this.judge(strand, entry)
    const isGiven = strand.isOver && this.give(entry)
    if (this.make(strand, entry) || isCharged || isGiven) this.notify()
  }

  private add(strand: Strand): Entry {
    const entry = { ...this.first, charged: { modelCalls: 0, tokens: 0, cost: 0 }, doubtful: undefined }
    this.first.isHeld = false
    this.strands.set(strand, entry)
    return entry
  }

  /** Whether strands are doubtful. Returns what {@link endDoubts} takes. */
  takeDoubts(): number | undefined {
    const isDoubtful = [...this.strands.values()].some(({ doubtful }) => doubtful !== undefined)
    return isDoubtful ? this.round++ : undefined
  }

  /** Takes the strands that have been doubtful since then as going on. */
  endDoubts(round: number): void {
    for (const [strand, entry] of this.strands) {
      if (entry.doubtful === undefined || entry.doubtful > round) continue
      strand.goesOn()
      this.judge(strand, entry)
    }
  }

  /** The turn is over. Gives back what it holds. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    for (const stop of this.unsubscribe) stop()
    for (const holder of [this.first, ...this.strands.values()]) this.give(holder)
    this.strands.clear()
    this.notify()
  }

  private take(): boolean {
    if (!this.ledgers.every(({ hasRoom }) => hasRoom)) return false
    this.ledgers.forEach((ledger) => ledger.reserve())
    return true
  }

  /** Returns whether there was anything to give back. */
  private give(holder: Held): boolean {
    if (!holder.isHeld) return false
    this.ledgers.forEach((ledger) => ledger.release(holder.isMade))
    holder.isHeld = false
    holder.isMade = false
    return true
  }

  /** Others need not wait for a call that was made. Returns whether that is new. */
  private make(strand: Strand, entry: Entry): boolean {
    if (!strand.hasTool || strand.isOver || !entry.isHeld || entry.isMade) return false
    entry.isMade = true
    this.ledgers.forEach((ledger) => ledger.make())
    return true
  }

  /** Returns whether anything was charged. Leaves the notification to the caller, who first takes what it needs. */
  private charge(strand: Strand, entry: Entry): boolean {
    const { charged } = entry
    const modelCalls = strand.modelCalls - charged.modelCalls
    if (modelCalls === 0) return false
    const cost = strand.cost === undefined || charged.cost === undefined ? undefined : strand.cost - charged.cost
    const spent = { modelCalls, tokens: strand.tokens - charged.tokens, cost }
    entry.charged = { modelCalls: strand.modelCalls, tokens: strand.tokens, cost: strand.cost }
    // Nothing was left for this call. The grace would begin anew with each one that follows quickly.
    if (entry.doubtful !== undefined) strand.goesOn()
    entry.doubtful = undefined
    this.give(entry)
    this.ledgers.forEach((ledger) => ledger.charge(spent))
    return true
  }

  private notify(): void {
    this.ledgers.forEach((ledger) => ledger.notify())
  }

  private judge(strand: Strand, entry: Entry): void {
    if (this.cut !== undefined || this.isOver || strand.isOver) return
    if (strand.unpriced !== undefined && this.ledgers.some(({ limits }) => limits.cost !== undefined)) {
      return this.stop({ _tag: "Unpriced", model: strand.unpriced })
    }
    const blocked = this.blockedBy(entry)
    if (blocked === undefined) entry.doubtful = undefined
    else if (!strand.mayBeLast) this.stop(blocked)
    else if (entry.doubtful === undefined) {
      entry.doubtful = this.round
      this.onDoubt?.()
    }
  }

  /** Why the strand must make no further call. Reserves one if there is one. */
  private blockedBy(entry: Entry): Cut | undefined {
    for (const ledger of this.ledgers) {
      const limit = ledger.usedUpInFlight
      if (limit !== undefined) return { _tag: "UsedUp", ledger, limit }
    }
    entry.isHeld ||= this.take()
    if (entry.isHeld) return undefined
    const ledger = this.ledgers.find(({ hasRoom }) => !hasRoom)
    return ledger === undefined ? undefined : { _tag: "UsedUp", ledger, limit: "modelCalls" }
  }

  private stop(cut: Cut): void {
    this.cut = cut
    this.onCut?.()
  }

  private onLedger(): void {
    for (const [strand, entry] of this.strands) this.judge(strand, entry)
  }
}
