/** What applies to the spending of a turn: its budgets and the prices. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type Budget, ledgerOf } from "../../Budget.ts"
import { BudgetExceeded, InvalidArgument, PriceUnknown } from "../../CodexError.ts"
import { type Price, Pricing, unknown } from "../../Pricing.ts"
import type * as Received from "../../Received.ts"
import type { TurnResult } from "../../TurnResult.ts"
import { type Cut, Meter } from "./meter.ts"
import { none } from "./usage.ts"

/** A price that cannot throw. */
export type PriceOf = (model: string | undefined, usage: Received.TokenUsageBreakdown) => number | undefined

export interface Spending {
  readonly budgets: ReadonlyArray<Budget>
  readonly price: PriceOf
}

const safely = (price: Price): PriceOf => (model, usage) => {
  if (model === undefined) return undefined
  try {
    const cost = Option.getOrUndefined(price(model, usage))
    return typeof cost === "number" && Number.isFinite(cost) && cost >= 0 ? cost : undefined
  } catch {
    return undefined
  }
}

/** The budgets that are given, and the prices of this fiber or else of the client. */
export const of = (price: Price, ...budgets: ReadonlyArray<Budget | undefined>): Effect.Effect<Spending> =>
  Effect.map(Pricing, (own) => ({
    budgets: [...new Set(budgets.filter((budget) => budget !== undefined))],
    price: safely(own === unknown ? price : own)
  }))

interface Of {
  readonly threadId: string
  readonly turnId: string | null
  readonly result: TurnResult | null
}

export const errorOf = (cut: Cut, of: Of & { readonly result: TurnResult }): BudgetExceeded | PriceUnknown =>
  cut._tag === "UsedUp"
    ? exceeded(cut, of)
    : new PriceUnknown({ threadId: of.threadId, turnId: of.turnId ?? "", model: cut.model, result: of.result })

const exceeded = ({ ledger, limit }: Extract<Cut, { readonly _tag: "UsedUp" }>, of: Of): BudgetExceeded =>
  new BudgetExceeded({ ...of, limit, allowed: ledger.limits[limit] ?? 0, spent: ledger.used(limit) })

const refusal = (meter: Meter, threadId: string): BudgetExceeded | undefined => {
  const cut = meter.refusal
  return cut?._tag === "UsedUp" ? exceeded(cut, { threadId, turnId: null, result: null }) : undefined
}

/** Fails if one of the budgets is spent. */
export const check = ({ budgets }: Spending, threadId: string): Effect.Effect<void, BudgetExceeded> =>
  Effect.suspend(() => {
    const meter = new Meter(budgets.map(ledgerOf))
    const refused = refusal(meter, threadId)
    meter.end()
    return refused ?? Effect.void
  })

const checkPrice = ({ budgets, price }: Spending, model: string | undefined): InvalidArgument | undefined =>
  budgets.every(({ limits }) => limits.cost === undefined) || price(model, none) !== undefined
    ? undefined
    : new InvalidArgument({
      argument: "budget",
      detail: model === undefined
        ? "it limits the cost, and the server has not told which model the thread has, so there is no price for it."
        : `it limits the cost, and \`Pricing\` has no price for the model ${model}. Provide one with \`Pricing.layer\`.`
    })

/** Waits until the first call of a turn is reserved, or the budget is spent. */
const reserved = (meter: Meter, threadId: string, onWait: (() => void) | undefined) =>
  Effect.suspend((): Effect.Effect<void, BudgetExceeded> => {
    const refused = refusal(meter, threadId)
    if (refused !== undefined) return Effect.fail(refused)
    if (meter.reserve()) return Effect.void
    onWait?.()
    return Effect.callback<void, BudgetExceeded>((resume) => {
      const listen = () => {
        const refused = refusal(meter, threadId)
        if (refused !== undefined) resume(Effect.fail(refused))
        else if (meter.reserve()) resume(Effect.void)
      }
      const stops = meter.ledgers.map((ledger) => ledger.subscribe(listen))
      return Effect.sync(() => stops.forEach((stop) => stop()))
    })
  })

/**
 * Opens the account of a turn that the server starts, which cannot wait. It is closed with the scope, if it has not
 * ended before.
 */
export const account = ({ budgets }: Spending): Effect.Effect<Meter | undefined, never, Scope.Scope> =>
  budgets.length === 0 ? Effect.undefined : Effect.acquireRelease(
    Effect.sync(() => new Meter(budgets.map(ledgerOf))),
    (meter) => Effect.sync(() => meter.end())
  )

/**
 * Opens the account of a turn, with its first call reserved. It is closed with the scope, if it has not ended before.
 *
 * @param onWait called when the turn must wait for calls that others hold.
 */
export const open = (
  spending: Spending,
  threadId: string,
  model: string | undefined,
  onWait?: () => void
): Effect.Effect<Meter | undefined, BudgetExceeded | InvalidArgument, Scope.Scope> =>
  Effect.gen(function*() {
    const unpriced = checkPrice(spending, model)
    if (unpriced !== undefined) return yield* unpriced
    const meter = yield* account(spending)
    if (meter === undefined) return undefined
    yield* Effect.onError(reserved(meter, threadId, onWait), () => Effect.sync(() => meter.end()))
    return meter
  })

/** How long a turn that may be complete has to say so before it is cut. codex needs a few milliseconds. */
const completeGrace = "1 second"

/** Calls the turns that may be complete incomplete when they have not said so in time. */
const endDoubts = (meter: Meter): Effect.Effect<never> =>
  Effect.forever(Effect.suspend(() => {
    const doubt = Deferred.makeUnsafe<void>()
    meter.onDoubt = () => Deferred.doneUnsafe(doubt, Exit.void)
    const round = meter.takeDoubts()
    return round === undefined
      ? Deferred.await(doubt)
      : Effect.map(Effect.sleep(completeGrace), () => meter.endDoubts(round))
  }))

/** Waits until a turn must be cut. */
export const awaitCut = (meter: Meter): Effect.Effect<void> =>
  Effect.suspend(() => {
    const cut = Deferred.makeUnsafe<void>()
    meter.onCut = () => Deferred.doneUnsafe(cut, Exit.void)
    return meter.cut === undefined ? Effect.raceFirst(Deferred.await(cut), endDoubts(meter)) : Effect.void
  })
