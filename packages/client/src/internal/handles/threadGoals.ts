/** The goal methods of a thread's handle. */
import type * as Received from "@effect-codex/protocol/Received"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidArgument, TurnInterrupted } from "../../CodexError.ts"
import type { Goal, GoalOptions, Goals, ResumeGoalOptions } from "../../Goal.ts"
import type { Overrides } from "../../ServerRequests.ts"
import type { Turn } from "../../Turn.ts"
import * as OptionKinds from "../options.ts"
import { defined, duration } from "../settings/settings.ts"
import * as GoalRun from "../turns/goalRun.ts"
import type { GoalState } from "../turns/goalState.ts"
import type { ToWire } from "../turns/inputItems.ts"
import type { TurnState } from "../turns/turnState.ts"
import type { SpendingOf } from "./runTurn.ts"
import * as TurnHandle from "./turnHandle.ts"

// `Effect.fn` takes a stack when it is named: here once, and not for each handle.
const traced = {
  startGoal: Effect.fn("Thread.startGoal"),
  runGoal: Effect.fn("Thread.runGoal"),
  resumeGoal: Effect.fn("Thread.resumeGoal")
}

interface Options extends Pick<GoalRun.StartOptions, "ready" | "refuse" | "restore"> {
  readonly turns: GoalRun.Running
  readonly threadId: string
  readonly toWire: ToWire
  /** Handlers for server requests during the goal's turns. Default: the client's handlers. */
  readonly handlers: Overrides | undefined
  readonly spending: SpendingOf
  /** How long a goal may be silent. Default: no limit. */
  readonly stallTimeout: Duration.Input | undefined
}

const seconds = (n: number): Option.Option<DateTime.Utc> => DateTime.make(n * 1000)

const fromWire = (goal: Received.ThreadGoal): Goal => ({
  threadId: goal.threadId,
  objective: goal.objective,
  status: goal.status,
  tokenBudget: Option.fromNullishOr(goal.tokenBudget),
  tokensUsed: goal.tokensUsed,
  timeUsed: Duration.seconds(goal.timeUsedSeconds),
  createdAt: seconds(goal.createdAt),
  updatedAt: seconds(goal.updatedAt)
})

/** The longest objective that the server accepts, in characters (Unicode code points). */
const maxObjectiveLength = 4000

const checked = (objective: string, options: GoalOptions | undefined) => {
  const invalid = (argument: string, detail: string) => Effect.fail(new InvalidArgument({ argument, detail }))
  if (typeof objective !== "string") return invalid("objective", "expected a string.")
  const trimmed = objective.trim()
  if (trimmed === "") return invalid("objective", "it must not be empty.")
  // The server counts code points. A string never has more of them than UTF-16 code units, so count only long
  // strings.
  const length = trimmed.length > maxObjectiveLength ? [...trimmed].length : trimmed.length
  if (length > maxObjectiveLength) {
    return invalid("objective", `it has ${length} characters and the server takes ${maxObjectiveLength}.`)
  }
  const tokenBudget = options?.tokenBudget
  return Effect.succeed({ objective: trimmed, ...defined({ tokenBudget }) })
}

export const make = ({ spending: spendingOf, threadId, toWire, turns, ...options }: Options): Goals => {
  const { rpc } = turns

  const start = Effect.fnUntraced(function*(
    params: GoalRun.GoalParams,
    goalOptions: ResumeGoalOptions | undefined,
    events: boolean
  ) {
    const stallTimeout = yield* duration("stallTimeout", goalOptions?.stallTimeout ?? options.stallTimeout)
    const spending = yield* spendingOf(goalOptions?.budget)
    return yield* GoalRun.start(turns, threadId, params, {
      ...options,
      spending,
      events,
      maxUnreadBytes: goalOptions?.maxUnreadBytes,
      stallTimeout
    })
  })

  const handleOf = ([goal, turn]: readonly [GoalState, TurnState]): Turn =>
    TurnHandle.make(turns, turn, toWire, {
      steer: (message) => GoalRun.steer(rpc, goal, message),
      interrupt: GoalRun.interrupt(rpc, goal)
    })

  return {
    startGoal: traced.startGoal(function*(objective, goalOptions) {
      yield* OptionKinds.check(goalOptions, OptionKinds.ofGoal)
      return handleOf(yield* start(yield* checked(objective, goalOptions), goalOptions, true))
    }),
    runGoal: traced.runGoal(function*(objective, goalOptions) {
      yield* OptionKinds.check(goalOptions, OptionKinds.ofGoal)
      const [, turn] = yield* start(yield* checked(objective, goalOptions), goalOptions, false)
      yield* Effect.annotateCurrentSpan({ "codex.thread.id": threadId, "codex.turn.id": turn.id })
      const result = yield* turn.result
      if (result.status === "interrupted") return yield* new TurnInterrupted({ threadId, turnId: turn.id, result })
      return result
    }, Effect.scoped),
    resumeGoal: traced.resumeGoal(function*(goalOptions) {
      yield* OptionKinds.check(goalOptions, OptionKinds.ofGoal)
      return handleOf(yield* start({}, goalOptions, true))
    }),
    goal: Effect.map(
      rpc.request("thread/goal/get", { threadId }),
      ({ goal }) => Option.map(Option.fromNullishOr(goal), fromWire)
    ),
    pauseGoal: Effect.map(GoalRun.setGoal(rpc, threadId, { status: "paused" }), ({ goal }) => fromWire(goal)),
    clearGoal: Effect.map(rpc.request("thread/goal/clear", { threadId }), ({ cleared }) => cleared)
  }
}
