import type * as Client from "@effect-codex/client/Budget"
import { perMillionTokens, type Price, Pricing } from "@effect-codex/client/Pricing"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Budget } from "../Budget.ts"
import type { Prices } from "../Codex.ts"
import type { Within } from "./callerContext.ts"

const clients = new WeakMap<object, Client.Budget>()

export const register = (budget: Budget, client: Client.Budget): void => void clients.set(budget, client)

/** The client's budget. What is none stays as it is, and the client refuses it. */
export const clientOf = (budget: Budget | undefined): Client.Budget | undefined =>
  budget === undefined ? undefined : clients.get(Object(budget)) ?? (budget as unknown as Client.Budget)

/** The options with the client's budget. */
export const withBudget = <O extends { readonly budget?: Budget | undefined }>(
  options: O | undefined
): Omit<O, "budget"> & { readonly budget: Client.Budget | undefined } => {
  const { budget, ...rest } = { ...options } as O
  return { ...rest, budget: clientOf(budget) }
}

/** @param within runs the function in the async context that the client was started in. */
export const pricing = (within: Within, prices: Prices): Layer.Layer<never> => {
  const price: Price = typeof prices === "function"
    ? (model, usage) => Option.fromUndefinedOr(within(() => prices(model, usage)))
    : perMillionTokens(prices)
  return Layer.succeed(Pricing, price)
}
