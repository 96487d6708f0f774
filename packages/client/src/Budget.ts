/**
 * Limits what turns may spend: calls of the model, tokens, money. One budget can be shared by any number of turns,
 * threads and clients of a program.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { InvalidArgument } from "./CodexError.ts"
import { Ledger } from "./internal/ledger.ts"

const TypeId: unique symbol = Symbol.for("@effect-codex/client/Budget")

/**
 * What a budget allows. A limit that is left out does not limit.
 *
 * @see {@link make}
 * @category options
 * @since 0.1.0
 */
export interface Limits {
  /**
   * Calls of the model, as codex reports them: a whole number, 0 or more. A turn makes one after each round of tools.
   */
  readonly modelCalls?: number | undefined
  /** Tokens of input and output together, cached ones included: a whole number, 0 or more. */
  readonly tokens?: number | undefined
  /** Money, in the unit of your `Pricing`: 0 or more. */
  readonly cost?: number | undefined
}

/**
 * What was spent of a budget, by the calls of the model that codex has reported.
 *
 * @see {@link Budget}
 * @category models
 * @since 0.1.0
 */
export interface Spent {
  readonly modelCalls: number
  readonly tokens: number
  /** In the unit of your `Pricing`. None if one of the calls has no known price. */
  readonly cost: Option.Option<number>
}

/**
 * What is left of a budget; never below 0. None where the budget has no limit.
 *
 * @see {@link Budget}
 * @category models
 * @since 0.1.0
 */
export interface Remaining {
  readonly modelCalls: Option.Option<number>
  readonly tokens: Option.Option<number>
  readonly cost: Option.Option<number>
}

/**
 * A budget. Pass it to `run` and `turn`, to a thread, to `Codex.layer` or to a goal. If several apply to a turn, the
 * turn counts towards each of them, and each of them limits it.
 *
 * **Details**
 *
 * A turn that would start on a spent budget is refused with `BudgetExceeded` before anything is sent. A turn that
 * spends the budget is interrupted with its subagents and fails with `BudgetExceeded`, which has the partial result. A
 * turn whose last call of the model used the budget up and that is complete with it succeeds; the next one is refused.
 *
 * codex reports usage once for each call of the model, when the call is over. So the call that crosses the limit
 * counts in full, and no other follows: if codex has already sent the next request when the interrupt arrives, codex
 * hangs up on it. Usage of a call that is cut off is not reported by codex, and not counted.
 *
 * With a limit of model calls, each running turn and each of its subagents hold one call in reserve. A turn for which
 * no call is left, while others hold some, waits until they end, or until the budget is spent. Tokens and money cannot
 * be reserved: when such a limit is crossed, every turn that is in a call then is interrupted.
 *
 * @see {@link make}
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  readonly [TypeId]: Ledger
  readonly limits: Limits
  /** What was spent so far. */
  readonly spent: Effect.Effect<Spent>
  /** What is left. Calls that running turns hold in reserve still count as left. */
  readonly remaining: Effect.Effect<Remaining>
}

/**
 * Whether a value is a budget.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBudget = (u: unknown): u is Budget => Predicate.hasProperty(u, TypeId)

const checks = {
  modelCalls: { expected: "a whole number, 0 or more", fits: (n: number) => Number.isSafeInteger(n) && n >= 0 },
  tokens: { expected: "a whole number, 0 or more", fits: (n: number) => Number.isSafeInteger(n) && n >= 0 },
  cost: { expected: "a finite number, 0 or more", fits: (n: number) => Number.isFinite(n) && n >= 0 }
}

const problemOf = (limits: Limits): InvalidArgument | undefined => {
  const invalid = (argument: string, expected: string) =>
    new InvalidArgument({ argument, detail: `expected ${expected}.` })
  if (!Predicate.isReadonlyObject(limits)) return invalid("limits", "an object of limits")
  for (const [name, value] of Object.entries(limits)) {
    // A misspelled limit would not limit anything.
    if (!Object.hasOwn(checks, name)) return invalid(name, "one of the limits `modelCalls`, `tokens` and `cost`")
    const { expected, fits } = checks[name as keyof typeof checks]
    if (value !== undefined && !(typeof value === "number" && fits(value))) return invalid(name, expected)
  }
  return undefined
}

/**
 * Makes a budget with nothing spent. Fails with `InvalidArgument` for a limit that is no number or below 0.
 *
 * **Example** (Fifty turns that share twenty calls of the model)
 *
 * ```ts
 * import { Budget, Codex } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * export const fleet = Effect.fn("fleet")(function*(tasks: ReadonlyArray<string>) {
 *   const codex = yield* Codex.Codex
 *   const budget = yield* Budget.make({ modelCalls: 20 })
 *   const runs = yield* Effect.forEach(
 *     tasks,
 *     (task) => Effect.flatMap(codex.startThread(), (thread) => Effect.result(thread.run(task, { budget }))),
 *     { concurrency: 50 }
 *   )
 *   return { runs, spent: yield* budget.spent }
 * })
 * ```
 *
 * @see {@link Budget} for what it limits
 * @category constructors
 * @since 0.1.0
 */
export const make = (limits: Limits): Effect.Effect<Budget, InvalidArgument> =>
  Effect.suspend(() => {
    const problem = problemOf(limits)
    if (problem !== undefined) return Effect.fail(problem)
    const ledger = new Ledger({ ...limits })
    const left = (limit: keyof Limits) =>
      Option.map(Option.fromUndefinedOr(ledger.limits[limit]), (allowed) => Math.max(0, allowed - ledger[limit]))
    return Effect.succeed<Budget>({
      [TypeId]: ledger,
      limits: ledger.limits,
      spent: Effect.sync(() => ({
        modelCalls: ledger.modelCalls,
        tokens: ledger.tokens,
        cost: ledger.isUnpriced ? Option.none() : Option.some(ledger.cost)
      })),
      remaining: Effect.sync(() => ({ modelCalls: left("modelCalls"), tokens: left("tokens"), cost: left("cost") }))
    })
  })

/**
 * The state behind a budget.
 *
 * @internal
 */
export const ledgerOf = (budget: Budget): Ledger => budget[TypeId]
