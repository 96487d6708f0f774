/**
 * Plans: how a plan is carried out once it is approved.
 *
 * @since 0.1.0
 */
import type { CallOptions } from "./Options.ts"
import type { TurnResult } from "./Results.ts"
import type { StartThreadOptions, Thread, TurnOptions } from "./Thread.ts"
import type { Turn } from "./Turn.ts"

/**
 * How to implement a plan. The options of a turn belong to the turn that implements it, which always has the mode
 * `default`.
 *
 * @see {@link Thread.implementPlan}
 * @category options
 * @since 0.1.0
 */
export interface ImplementPlanOptions extends Omit<TurnOptions, "mode"> {
  /**
   * Implements the plan in a new thread, which has the plan in its context and nothing of the conversation that led to
   * it. The new thread has what this handle asked for (folder, sandbox, approval mode, configuration, handlers, tools,
   * budget), and the model, effort, provider, tier and permissions of this thread. It also has this thread's
   * instructions, if this client gave them. Options given here replace them. Default: `false`, which goes on in this
   * thread.
   */
  readonly fresh?: boolean | Omit<StartThreadOptions, "signal"> | undefined
}

/**
 * A plan that is being implemented.
 *
 * @see {@link Thread.implementPlan}
 * @category models
 * @since 0.1.0
 */
export interface Implementation<out A = undefined> {
  /** The thread that implements the plan: a new one with `fresh`, else this handle. */
  readonly thread: Thread
  /** The turn that implements the plan. */
  readonly turn: Turn
  /**
   * Waits for the end of the turn like `Turn.result`, resolves only if it completed (`TurnInterrupted`), and holds the
   * decoded answer if the call was given an `output` (`OutputInvalid`).
   */
  readonly result: (options?: CallOptions) => Promise<TurnResult<A>>
}
