/**
 * What the model's calls cost. The library has no price list of its own, because it would soon be out of date: tell it
 * the prices that you pay.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Received from "./Received.ts"

/**
 * What a call of a model costs, or none if the price of the model is not known. The unit is yours: dollars, cents,
 * credits. Whether it answers must depend on the model alone, not on the usage.
 *
 * **Details**
 *
 * The counts contain each other: `inputTokens` includes `cachedInputTokens` and `cacheWriteInputTokens`,
 * `outputTokens` includes `reasoningOutputTokens`, and `totalTokens` is `inputTokens` plus `outputTokens`. It must not
 * throw, and a result that is no number of 0 or more counts as none.
 *
 * @see {@link perMillionTokens}
 * @category models
 * @since 0.1.0
 */
export type Price = (model: string, usage: Received.TokenUsageBreakdown) => Option.Option<number>

/**
 * The prices, for `TurnResult.cost` and for budgets that limit the cost. Default: no model has a known price.
 *
 * **Details**
 *
 * A turn uses the prices of the effect that starts it. If that has none, it uses those of the context that the client's
 * layer was built in. So both `Effect.provide(program, Pricing.layer(...))` and
 * `Codex.layer().pipe(Layer.provide(Pricing.layer(...)))` work.
 *
 * @see {@link layer}
 * @category references
 * @since 0.1.0
 */
export const Pricing = Context.Reference<Price>("@effect-codex/client/Pricing", { defaultValue: () => unknown })

/**
 * Knows the price of no model: the default.
 *
 * @category prices
 * @since 0.1.0
 */
export const unknown: Price = () => Option.none()

/**
 * The price of a model for a million tokens of each kind.
 *
 * @see {@link perMillionTokens}
 * @category models
 * @since 0.1.0
 */
export interface PerMillion {
  /** Input tokens that are neither read from the cache nor written to it. */
  readonly input: number
  /** Input tokens that came from the prompt cache. Default: the price of `input`. */
  readonly cachedInput?: number | undefined
  /** Input tokens that were written to the prompt cache. Default: the price of `input`. */
  readonly cacheWrite?: number | undefined
  /** Output tokens, reasoning included. */
  readonly output: number
}

/**
 * Prices by model, each for a million tokens. A model that the table lacks has no known price.
 *
 * **Example** (A limit of two dollars)
 *
 * ```ts
 * import { Budget, Codex, Pricing } from "@effect-codex/client"
 * import { Effect } from "effect"
 *
 * const prices = Pricing.layer({ "my-model": { input: 1.25, cachedInput: 0.125, output: 10 } })
 *
 * export const cheap = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread({ model: "my-model" })
 *   const budget = yield* Budget.make({ cost: 2 })
 *   const { cost } = yield* thread.run("Fix the failing test.", { budget })
 *   return cost
 * }).pipe(Effect.provide(prices))
 * ```
 *
 * @category prices
 * @since 0.1.0
 */
export const perMillionTokens = (prices: { readonly [model: string]: PerMillion }): Price => (model, usage) => {
  const price = Object.hasOwn(prices, model) ? prices[model] : undefined
  if (price === undefined) return Option.none()
  const { cachedInput = price.input, cacheWrite = price.input, input, output } = price
  const { cachedInputTokens: cached, cacheWriteInputTokens: written, inputTokens, outputTokens } = usage
  const rest = Math.max(0, inputTokens - cached - written)
  return Option.some((rest * input + cached * cachedInput + written * cacheWrite + outputTokens * output) / 1_000_000)
}

/**
 * Provides {@link Pricing}: a table for {@link perMillionTokens}, or a function of your own.
 *
 * @see {@link Pricing}
 * @category layers
 * @since 0.1.0
 */
export const layer = (prices: Price | { readonly [model: string]: PerMillion }): Layer.Layer<never> =>
  Layer.succeed(Pricing, typeof prices === "function" ? prices : perMillionTokens(prices))
