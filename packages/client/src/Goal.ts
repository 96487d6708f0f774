/**
 * Goals: an objective that the server pursues over as many turns as it takes, seen as one turn.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { CallError, ResumeError, ThreadBusy, ThreadNotFound, TurnEndError, TurnInterrupted } from "./CodexError.ts"
import type * as Received from "./Received.ts"
import type { Turn } from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * What the server keeps of a thread's goal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Goal {
  readonly threadId: string
  readonly objective: string
  /**
   * The server goes on by itself while it is `active`. It is `complete` or `blocked` when the model says so, `blocked` or
   * `usageLimited` when a turn failed, `budgetLimited` when `tokenBudget` is used up, and `paused` when a client said so.
   */
  readonly status: Received.ThreadGoalStatus
  /** In tokens. */
  readonly tokenBudget: Option.Option<number>
  readonly tokensUsed: number
  /** In whole seconds. */
  readonly timeUsed: Duration.Duration
  readonly createdAt: Option.Option<DateTime.Utc>
  readonly updatedAt: Option.Option<DateTime.Utc>
}

/**
 * Options of `resumeGoal`, and of all that runs a goal.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeGoalOptions {
  /** Ends a reader of the events with `EventsOverflow` when it leaves more than this unread. Default: no limit. */
  readonly maxUnreadBytes?: number | undefined
  /**
   * How long the goal may be silent, during its turns and between them, before it is looked up and, if it is not over, paused
   * and interrupted (`TurnStalled`). Default: that of the thread, else of the client, else for ever.
   */
  readonly stallTimeout?: Duration.Input | undefined
}

/**
 * Options of `startGoal` and `runGoal`.
 *
 * @category options
 * @since 0.1.0
 */
export interface GoalOptions extends ResumeGoalOptions {
  /**
   * How many tokens the goal may use: a positive integer. The server looks at it between calls of the model, so that the
   * last call may exceed it, and then sets the goal to `budgetLimited`. Default: no limit.
   */
  readonly tokenBudget?: number | undefined
}

/**
 * What a thread does with goals. A thread has one goal at a time.
 *
 * While the goal is active the server starts the next turn when one ends. These turns are one `Turn` here: its id is that
 * of the first, its events carry that id and have one `turn/started` and one `turn/completed`, its items and its usage are
 * those of all turns. `startedAt` and `duration` count from the first turn. It ends with the turn after which the goal is
 * no longer active, with an interrupted turn, or with the failure of a turn once the goal is no longer active. How the goal
 * stands then is in `goal`: a goal that the model found to be blocked ends with a completed turn, too.
 *
 * **Example** (A goal with a budget of tokens and of time)
 *
 * ```ts
 * import { Codex } from "@effect-codex/client"
 * import { Effect, Option } from "effect"
 *
 * export const improve = Effect.gen(function*() {
 *   const codex = yield* Codex.Codex
 *   const thread = yield* codex.startThread()
 *   // The timeout pauses the goal and interrupts the turn.
 *   const result = yield* thread.runGoal("Raise the test coverage to 90 %.", { tokenBudget: 200_000 }).pipe(
 *     Effect.timeoutOption("1 hour")
 *   )
 *   const goal = yield* thread.goal
 *   return { result, status: Option.map(goal, ({ status }) => status) }
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Goals {
  /**
   * Sets the thread's goal in place of any earlier one and waits, at most 30 seconds, until the server has begun the first
   * turn. The handle is that of a turn: `steer` goes to the turn that runs and waits while the next one is about to start;
   * `interrupt` pauses the goal and interrupts the turn. Closing the scope before the end does the same and waits a bounded
   * time; so does interrupting the start itself.
   *
   * Fails with
   * - `InvalidArgument` when the objective, once it is trimmed, is empty or longer than 4,000 characters (Unicode code
   *   points), before any request (a rule of the Python SDK and of the server), and for an ephemeral thread, which cannot have a goal
   * - `ThreadBusy` when a turn or another goal of the thread runs; its `activeTurnId` is empty if that is not known
   * - `ThreadNotFound` when the server has not loaded the thread: it would keep the goal and begin no turn (measured)
   * - what `Codex.resumeThread` fails with, when the thread has to be resumed first
   * - `RpcError` when goals are switched off in codex's configuration (`[features] goals = false`)
   * - `AppServerTimeout` (of `turn/started`) when no turn begins; the goal is then paused
   */
  readonly startGoal: (
    objective: string,
    options?: GoalOptions
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy, Scope.Scope>
  /**
   * `startGoal` to its end. Succeeds only if the last turn was completed and none failed. Interrupting it pauses the goal,
   * interrupts the turn and waits a bounded time.
   */
  readonly runGoal: (
    objective: string,
    options?: GoalOptions
  ) => Effect.Effect<TurnResult, ResumeError | ThreadBusy | TurnEndError | TurnInterrupted>
  /**
   * Takes up the thread's goal again, for instance after it was paused or interrupted; otherwise as `startGoal`. Fails with
   * `RpcError` when the thread has no goal.
   */
  readonly resumeGoal: (
    options?: ResumeGoalOptions
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy, Scope.Scope>
  /** The thread's goal as the server has it now. Fails with `RpcError` for an ephemeral thread (measured). */
  readonly goal: Effect.Effect<Option.Option<Goal>, CallError | ThreadNotFound>
  /** Lets the running turn end and starts no other. Fails with `RpcError` when the thread has no goal. */
  readonly pauseGoal: Effect.Effect<Goal, CallError | ThreadNotFound>
  /** Forgets the goal and lets the running turn end. Succeeds with whether there was one. Fails as {@link goal}. */
  readonly clearGoal: Effect.Effect<boolean, CallError | ThreadNotFound>
}
