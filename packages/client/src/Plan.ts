/**
 * Plans: what an agent proposes in plan mode, and how it is carried out once it is approved.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StartThreadOptions } from "./Codex.ts"
import type { OutputInvalid, TurnInterrupted, TurnStartError } from "./CodexError.ts"
import type { StructuredOutput, Thread, TurnOptions } from "./Thread.ts"
import type { Turn } from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * How to implement a plan. The options of a turn belong to the turn that implements it, which always has the mode
 * `default`.
 *
 * @see {@link Plans}
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
  readonly fresh?: boolean | StartThreadOptions | undefined
}

/**
 * A plan that is being implemented.
 *
 * @see {@link Plans}
 * @category models
 * @since 0.1.0
 */
export interface Implementation<out A = undefined> {
  /** The thread that implements the plan: a new one with `fresh`, else this handle. */
  readonly thread: Thread
  /** The turn that implements the plan. Its scope is that of the call. */
  readonly turn: Turn
  /**
   * Waits for the end of the turn like `Turn.result`, succeeds only if it completed (`TurnInterrupted`), and holds the
   * decoded answer if the call was given an `output` (`OutputInvalid`).
   */
  readonly result: Effect.Effect<
    TurnResult<A>,
    Effect.Error<Turn["result"]> | TurnInterrupted | OutputInvalid
  >
}

/**
 * The plans of a thread. Run a turn with the mode `plan` to get one.
 *
 * **Example** (Planning, asking somebody, and implementing in a fresh thread)
 *
 * ```ts
 * import { Codex, Sandbox } from "@effect-codex/client"
 * import { Effect, Option } from "effect"
 *
 * export const change = Effect.fn(function*(task: string, approve: (plan: string) => Effect.Effect<boolean>) {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite })
 *   const { plan } = yield* thread.run(task, { mode: "plan" })
 *   if (Option.isNone(plan) || !(yield* approve(plan.value))) return Option.none()
 *   const implementation = yield* thread.implementPlan(plan.value, { fresh: true })
 *   return Option.some(yield* implementation.result)
 * }, Effect.scoped)
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Plans {
  /**
   * Starts a turn that implements a plan: the `plan` of a result, or what the user made of it. Like `Thread.turn` it
   * returns when the server has accepted the turn, and interrupts the turn when the scope closes before its end.
   *
   * Without `fresh` the plan is sent as the message of a turn of this thread, and `whenBusy` decides what happens while
   * another turn runs. A turn in plan mode is never steered with it: `"steer"` then fails with `SettingsNotApplied`.
   *
   * Fails with `InvalidArgument` for a plan without text, and otherwise as `Thread.turn` does. With `fresh` it also
   * fails as `Codex.startThread` does. The new thread is deleted if its turn does not start.
   */
  readonly implementPlan: {
    <A>(
      plan: string,
      options: ImplementPlanOptions & Pick<StructuredOutput<A>, "output">
    ): Effect.Effect<Implementation<A>, TurnStartError, Scope.Scope>
    (plan: string, options?: ImplementPlanOptions): Effect.Effect<Implementation, TurnStartError, Scope.Scope>
  }
}
