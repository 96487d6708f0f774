/** A turn as steps of a workflow: one Activity, and with durable approvals one more after each decision. */
import type { Input, Thread } from "@effect-codex/client"
import type { Codex } from "@effect-codex/client/Codex"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Activity from "effect/workflow/Activity"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { CodexSession } from "../../CodexSession.ts"
import type { CodexFailed, Completed, WorkflowThread } from "../../CodexWorkflow.ts"
import { Decisions, deferred } from "../../Decisions.ts"
import * as Approvals from "./approvals.ts"
import * as Failures from "./failure.ts"
import * as Outcomes from "./outcome.ts"
import { type Options, runTurn } from "./runTurn.ts"

export interface Step<A> extends Outcomes.Storing<A> {
  readonly name: string
  readonly thread: WorkflowThread
  readonly input: Input.Input
  readonly options?: Thread.TurnOptions | undefined
  readonly onInterrupted?: "continue" | "fail" | undefined
  readonly retry?: Schedule.Schedule<unknown> | undefined
  readonly failed: (failure: Failures.Failure) => CodexFailed
}

/** The turn of an attempt. A failure that was stored is not found again: the next attempt is a turn of its own. */
const requestOf = <A>(
  step: Step<A>,
  round: string,
  input: Input.Input
): Effect.Effect<Options<A>, never, WorkflowInstance> =>
  Activity.CurrentAttempt.pipe(
    Effect.flatMap((attempt) => Activity.idempotencyKey(round, { includeAttempt: attempt > 1 })),
    Effect.map((key) => ({
      threadId: step.thread.id,
      settings: step.thread.settings,
      key,
      input,
      options: step.options,
      answer: step.answer,
      onInterrupted: step.onInterrupted ?? "continue"
    }))
  )

const trying = <A>(step: Step<A>) => <B, R>(effect: Effect.Effect<B, Failures.Failure, R>) =>
  effect.pipe(Failures.persistently(`Turn ${step.name}`, step.retry), Effect.mapError(step.failed))

/** No name of another turn makes the same key, nor that of a question of the workflow: an answer is for one of them. */
const keyOf = (name: string, attempt = 1, round = 0): string =>
  attempt === 1 && round === 0 ? `turn/${name}` : `turn ${attempt}.${round}/${name}`

/** One Activity, which answers live. */
export const live = Effect.fnUntraced(function*<A>(step: Step<A>): Effect.fn.Return<
  Completed<A>,
  CodexFailed,
  Codex | CodexSession | WorkflowEngine | WorkflowInstance
> {
  const key = keyOf(step.name)
  const execute = Effect.flatMap(
    requestOf(step, key, step.input),
    (request) => Effect.map(runTurn(request), Outcomes.done).pipe(trying(step))
  )
  const outcome = yield* Outcomes.activity(step, key, execute)
  if (outcome._tag === "Completed") return outcome.turn
  const detail = "it waits for a decision. Give it durable approvals again, or another name to run it anew."
  return yield* step.misused("InvalidArgument", detail)
})

const askedOrDone = Effect.fnUntraced(function*<A>(
  step: Step<A>,
  place: Approvals.Place,
  request: Options<A>,
  left: ReadonlyArray<string>
) {
  const decisions = yield* Decisions
  const before = yield* decisions.find(place.id)
  if (Option.isSome(before)) return Outcomes.asked(before.value)
  const approvals = yield* Approvals.make({ name: step.name, place, left })
  const handlers = { ...step.options?.handlers, ...approvals.handlers }
  return yield* runTurn({ ...request, options: { ...request.options, handlers } }).pipe(
    Effect.map(Outcomes.done),
    Effect.catchTag(
      "TurnInterrupted",
      (interrupted) =>
        Effect.flatMap(
          approvals.asked,
          (question) => question === undefined ? Effect.fail(interrupted) : Effect.succeed(Outcomes.asked(question))
        )
    )
  )
})

/** One round: a turn that completes, or is interrupted by a question. */
const round = <A>(step: Step<A>, key: string, input: Input.Input, left: ReadonlyArray<string>) =>
  Outcomes.activity(
    step,
    key,
    Effect.gen(function*() {
      const place = yield* Approvals.place(key)
      const request = yield* requestOf(step, key, input)
      return yield* askedOrDone(step, place, request, left).pipe(trying(step))
    })
  )

/** Removes the questions of an execution when it has ended, however. */
export const removeAtTheEnd = Effect.gen(function*() {
  const decisions = yield* Decisions
  const { executionId } = yield* WorkflowInstance
  yield* Workflow.addFinalizer(() =>
    Effect.catch(decisions.remove(executionId), (error) => Effect.logWarning(error.message))
  )
})

/** Rounds of turns, with a decision between two of them. */
export const durable = Effect.fnUntraced(function*<A>(step: Step<A>) {
  const attempt = yield* Activity.CurrentAttempt
  yield* removeAtTheEnd
  let input = step.input
  let left: ReadonlyArray<string> = []
  for (let n = 0;; n++) {
    const key = keyOf(step.name, attempt, n)
    const outcome = yield* round(step, key, input, left)
    if (outcome._tag === "Completed") return outcome.turn
    const decision = yield* DurableDeferred.await(deferred(key))
    left = decision.allow ? [...outcome.left, Approvals.printOf(outcome.question)] : outcome.left
    input = Approvals.told(outcome.question, decision)
  }
})
