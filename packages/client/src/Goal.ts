/**
 * Goals: objectives that the server pursues over as many turns as needed. A handle presents these turns as one turn.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Budget } from "./Budget.ts"
import type {
  BudgetExceeded,
  CallError,
  ResumeError,
  ThreadBusy,
  ThreadNotFound,
  TurnEndError,
  TurnInterrupted
} from "./CodexError.ts"
import type * as Received from "./Received.ts"
import type { Turn } from "./Turn.ts"
import type { TurnResult } from "./TurnResult.ts"

/**
 * A thread's goal, as the server stores it.
 *
 * @see {@link Goals} for what a thread can do with it
 * @category models
 * @since 0.1.0
 */
export interface Goal {
  readonly threadId: string
  /** What the agent should achieve. */
  readonly objective: string
  /**
   * The server continues by itself while the status is `active`. The model sets `complete` or `blocked`; a failed
   * turn sets `blocked` or `usageLimited`; an exhausted `tokenBudget` sets `budgetLimited`; a client sets `paused`.
   */
  readonly status: Received.ThreadGoalStatus
  /** In tokens. None without a limit. */
  readonly tokenBudget: Option.Option<number>
  /** In tokens. */
  readonly tokensUsed: number
  /** In whole seconds. */
  readonly timeUsed: Duration.Duration
  readonly createdAt: Option.Option<DateTime.Utc>
  readonly updatedAt: Option.Option<DateTime.Utc>
}

/**
 * Options of `resumeGoal`, and of every call that runs a goal.
 *
 * @see {@link GoalOptions}
 * @category options
 * @since 0.1.0
 */
export interface ResumeGoalOptions {
  /** A reader of the events that leaves more bytes than this unread fails with `EventsOverflow`. Default: no limit. */
  readonly maxUnreadBytes?: number | undefined
  /**
   * How long the goal may be silent, during its turns and between them. The client then looks the goal up; if it is
   * not over, the client pauses it, interrupts its turn and fails with `TurnStalled`. Default: the thread's
   * `stallTimeout`, else the client's, else no limit.
   */
  readonly stallTimeout?: Duration.Input | undefined
  /**
   * Limits what the goal may spend, over all its turns and with their subagents, beside the budgets of the thread and
   * the client. When it is spent, the goal is paused, its turn is interrupted, and the handle fails with
   * `BudgetExceeded`. Unlike `tokenBudget`, the server knows nothing of it. Default: only theirs.
   */
  readonly budget?: Budget | undefined
}

/**
 * Options of `startGoal` and `runGoal`.
 *
 * @see {@link ResumeGoalOptions}
 * @category options
 * @since 0.1.0
 */
export interface GoalOptions extends ResumeGoalOptions {
  /**
   * How many tokens the goal may use, as a positive integer. The server checks it between calls of the model, so the
   * last call may exceed it, and then sets the goal to `budgetLimited`. Default: no limit.
   */
  readonly tokenBudget?: number | undefined
}

/**
 * The goal methods of a thread. A thread has one goal at a time.
 *
 * **Details**
 *
 * While a goal is active, the server starts the next turn when one ends. One `Turn` handle presents all of these
 * turns. Its id is the id of the first turn. Its events carry that id and contain one `turn/started` and one
 * `turn/completed`. Its items and its usage are those of all turns. `startedAt` and `duration` count from the first
 * turn.
 *
 * The handle ends with the turn after which the goal is no longer active, with an interrupted turn, or with a failed
 * turn once the goal is no longer active. Read `goal` for the outcome: a goal that the model considers blocked also
 * ends with a completed turn.
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
   * Replaces the thread's goal and waits, at most 30 seconds, until the server has begun the first turn. Returns a
   * turn handle. `steer` reaches the running turn, and waits while the next turn is about to start. `interrupt`
   * pauses the goal and interrupts the turn. Closing the scope before the end, or interrupting the start, does the
   * same and waits a bounded time.
   *
   * Fails with
   * - `InvalidArgument`, before any request, when the trimmed objective is empty or longer than 4,000 characters
   *   (Unicode code points; a rule of the server and of the Python SDK), and for an ephemeral thread, which cannot
   *   have a goal
   * - `BudgetExceeded`, before any request, when a budget is spent
   * - `ThreadBusy` when a turn or another goal of the thread is running; its `activeTurnId` is empty if it is unknown
   * - `ThreadNotFound` when the server has not loaded the thread: it would store the goal and begin no turn
   * - the errors of `Codex.resumeThread`, when the thread must first be resumed
   * - `RpcError` when codex's configuration turns goals off (`[features] goals = false`)
   * - `AppServerTimeout` (of `turn/started`) when no turn begins; the goal is then paused
   */
  readonly startGoal: (
    objective: string,
    options?: GoalOptions
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy | BudgetExceeded, Scope.Scope>
  /**
   * Runs `startGoal` to its end. Succeeds only if the last turn completed and no turn failed. Interrupting it pauses
   * the goal, interrupts the turn and waits a bounded time.
   */
  readonly runGoal: (
    objective: string,
    options?: GoalOptions
  ) => Effect.Effect<TurnResult, ResumeError | ThreadBusy | BudgetExceeded | TurnEndError | TurnInterrupted>
  /**
   * Continues the thread's goal, for instance after it was paused or interrupted. Otherwise works as `startGoal`.
   * Fails with `RpcError` when the thread has no goal.
   */
  readonly resumeGoal: (
    options?: ResumeGoalOptions
  ) => Effect.Effect<Turn, ResumeError | ThreadBusy | BudgetExceeded, Scope.Scope>
  /** The thread's current goal on the server. Fails with `RpcError` for an ephemeral thread. */
  readonly goal: Effect.Effect<Option.Option<Goal>, CallError | ThreadNotFound>
  /** Lets the running turn end and starts no further turn. Fails with `RpcError` when the thread has no goal. */
  readonly pauseGoal: Effect.Effect<Goal, CallError | ThreadNotFound>
  /**
   * Removes the goal and lets the running turn end. Succeeds with whether there was a goal. Fails as {@link goal}
   * does.
   */
  readonly clearGoal: Effect.Effect<boolean, CallError | ThreadNotFound>
}
