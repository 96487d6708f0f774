/** What a budget allows, what was spent of it, and the calls that are held in reserve. Without IO. */

export interface Limits {
  readonly modelCalls?: number | undefined
  readonly tokens?: number | undefined
  readonly cost?: number | undefined
}

export type Limit = keyof Limits

/** One or more calls of the model. `cost` is undefined if a part of it has no known price. */
export interface Spent {
  readonly modelCalls: number
  readonly tokens: number
  readonly cost: number | undefined
}

/** Sums of decimal fractions are not exact, and 0.7 + 0.1 must reach a limit of 0.8. */
export const sum = (a: number, b: number): number => Math.round((a + b) * 1e12) / 1e12

export class Ledger {
  readonly limits: Limits
  modelCalls = 0
  tokens = 0
  /** The cost of the calls whose price is known. */
  cost = 0
  /** A call had no known price. */
  isUnpriced = false
  /** The calls that are in flight, or may begin at any moment. */
  reserved = 0
  /** Those of the reserved calls that were certainly made: a tool runs for them. */
  made = 0
  private readonly listeners = new Set<() => void>()

  constructor(limits: Limits) {
    this.limits = limits
  }

  /** The limit that is used up. */
  get usedUp(): Limit | undefined {
    const { modelCalls: allowed } = this.limits
    return allowed !== undefined && this.used("modelCalls") >= allowed ? "modelCalls" : this.usedUpInFlight
  }

  /** The limit that is used up and that a reserved call does not respect: tokens and money cannot be reserved. */
  get usedUpInFlight(): Limit | undefined {
    return this.isUsedUp("tokens") ? "tokens" : this.isUsedUp("cost") ? "cost" : undefined
  }

  /** What counts towards a limit when a turn wants to start. A turn must not wait for a call that will be told. */
  used(limit: Limit): number {
    return limit === "modelCalls" ? this.modelCalls + this.made : this[limit]
  }

  private isUsedUp(limit: "tokens" | "cost"): boolean {
    const allowed = this.limits[limit]
    return allowed !== undefined && this[limit] >= allowed
  }

  /** Whether one more call may be reserved. */
  get hasRoom(): boolean {
    const { modelCalls: allowed } = this.limits
    return this.usedUpInFlight === undefined && (allowed === undefined || this.modelCalls + this.reserved < allowed)
  }

  /** Reserves a call. Check {@link hasRoom} before. */
  reserve(): void {
    this.reserved++
  }

  /** A reserved call was certainly made. */
  make(): void {
    this.made++
  }

  /** Gives a reserved call back. */
  release(isMade: boolean): void {
    this.reserved--
    if (isMade) this.made--
  }

  /** Takes in what was used. */
  charge({ cost, modelCalls, tokens }: Spent): void {
    this.modelCalls += modelCalls
    this.tokens += tokens
    if (cost === undefined) this.isUnpriced = true
    else this.cost = sum(this.cost, cost)
  }

  /** Calls the listener at each {@link notify}, the longest known first. Returns how to stop that. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Call it when a change is complete: those who wait may then take what is left. */
  notify(): void {
    this.listeners.forEach((listener) => listener())
  }
}
