/**
 * Limits what turns may spend: calls of the model, tokens, money.
 *
 * @since 0.1.0
 */
import * as Client from "@effect-codex/client/Budget"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as internal from "./internal/budget.ts"

/**
 * What a budget allows: a limit that is left out does not limit.
 *
 * @see {@link Budget}
 * @category options
 * @since 0.1.0
 */
export type BudgetLimits = Client.Limits

/**
 * A budget that any number of turns, threads and clients can share. A turn on a spent budget rejects with
 * `BudgetExceeded` before anything is sent. A turn that spends it is interrupted, with its subagents, and rejects with
 * `BudgetExceeded`; `partialResult` returns what it did.
 *
 * **Details**
 *
 * The call of the model that crosses the limit counts in full, and no other follows. A turn for which other turns hold
 * the last calls waits for them. If several budgets apply to a turn, it counts towards each, and each limits it.
 *
 * The constructor throws `InvalidArgument` for a limit that is no number, or below 0.
 *
 * **Example** (Turns that share twenty calls of the model)
 *
 * ```ts
 * import { Budget, type Thread } from "@effect-codex/promise"
 *
 * export const all = (threads: ReadonlyArray<Thread>, task: string) => {
 *   const budget = new Budget({ modelCalls: 20 })
 *   return Promise.allSettled(threads.map((thread) => thread.run(task, { budget })))
 * }
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Budget {
  readonly limits: BudgetLimits
  readonly #client: Client.Budget

  constructor(limits: BudgetLimits) {
    this.#client = Effect.runSync(Client.make(limits))
    this.limits = this.#client.limits
    internal.register(this, this.#client)
  }

  /** What was spent so far. `cost` is undefined if a call had no known price. */
  get spent(): { readonly modelCalls: number; readonly tokens: number; readonly cost: number | undefined } {
    const spent = Effect.runSync(this.#client.spent)
    return { ...spent, cost: Option.getOrUndefined(spent.cost) }
  }

  /** What is left. Undefined where there is no limit. */
  get remaining(): BudgetLimits {
    const { cost, modelCalls, tokens } = Effect.runSync(this.#client.remaining)
    return {
      modelCalls: Option.getOrUndefined(modelCalls),
      tokens: Option.getOrUndefined(tokens),
      cost: Option.getOrUndefined(cost)
    }
  }
}
