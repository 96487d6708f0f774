/** A turn as steps of a workflow: one Activity, and with durable approvals one more after each decision. */
import type { Input, Thread } from "@effect-codex/client"
import type { Codex } from "@effect-codex/client/Codex"
import type { TurnUsage } from "@effect-codex/client/TurnResult"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import type { WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { CodexSession } from "../../CodexSession.ts"
import type { CodexFailed, Completed, Tokens, WorkflowThread } from "../../CodexWorkflow.ts"
import { Decisions, deferred, Question, type Stored } from "../../Decisions.ts"
import type { Answer, Answered } from "./answer.ts"
import * as Approvals from "./approvals.ts"
import * as Failures from "./failure.ts"
import { type Options, runTurn } from "./runTurn.ts"

export interface Step<A> {
  readonly name: string
  readonly thread: WorkflowThread
  readonly input: Input.Input
  readonly options?: Thread.TurnOptions | undefined
  readonly onInterrupted?: "continue" | "fail" | undefined
  readonly retry?: Schedule.Schedule<unknown> | undefined
  readonly answer: Answer<A>
  readonly tokens: Schema.Codec<Tokens, unknown>
  readonly error: Schema.Codec<CodexFailed, unknown>
  readonly failed: (failure: Failures.Failure) => CodexFailed
}

/** What the turn was interrupted for. */
const Asked = Schema.TaggedStruct("Asked", { question: Question, left: Schema.Array(Schema.String) })
type Asked = typeof Asked.Type

interface Done<A> {
  readonly _tag: "Completed"
  readonly turn: Completed<A>
}

const doneOf = <A>({ answer, tokens }: Step<A>): Schema.Codec<Done<A>, unknown> =>
  Schema.TaggedStruct("Completed", {
    turn: Schema.Struct({
      threadId: Schema.String,
      turnId: Schema.String,
      answer: answer.schema,
      tokens: Schema.Option(tokens)
    })
  })

const tokensOf = ({ subagents, turn }: TurnUsage): Tokens => ({
  input: turn.inputTokens + subagents.inputTokens,
  cachedInput: turn.cachedInputTokens + subagents.cachedInputTokens,
  output: turn.outputTokens + subagents.outputTokens
})

const done = <A>({ answer, result }: Answered<A>): Done<A> => ({
  _tag: "Completed",
  turn: { threadId: result.threadId, turnId: result.id, answer, tokens: Option.map(result.usage, tokensOf) }
})

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
export const live = <A>(
  step: Step<A>
): Effect.Effect<Completed<A>, CodexFailed, Codex | CodexSession | WorkflowEngine | WorkflowInstance> =>
  Activity.make({
    name: keyOf(step.name),
    success: doneOf(step),
    error: step.error,
    execute: Effect.flatMap(requestOf(step, keyOf(step.name), step.input), (request) =>
      Effect.map(runTurn(request), done).pipe(trying(step)))
  }).pipe(Effect.map(({ turn }) =>
    turn
  ))

const asked = ({ left, question }: Stored): Asked => ({ _tag: "Asked", question, left })

const askedOrDone = Effect.fnUntraced(function*<A>(
  step: Step<A>,
  place: Approvals.Place,
  request: Options<A>,
  left: ReadonlyArray<string>
) {
  const decisions = yield* Decisions
  const before = yield* decisions.find(place.id)
  if (Option.isSome(before)) return asked(before.value)
  const approvals = yield* Approvals.make({ name: step.name, place, left })
  const handlers = { ...step.options?.handlers, ...approvals.handlers }
  return yield* runTurn({ ...request, options: { ...request.options, handlers } }).pipe(
    Effect.map(done),
    Effect.catchTag(
      "TurnInterrupted",
      (interrupted) =>
        Effect.flatMap(
          approvals.asked,
          (question) => question === undefined ? Effect.fail(interrupted) : Effect.succeed(asked(question))
        )
    )
  )
})

/** The Activity of one round: a turn that completes, or is interrupted by a question. */
const round = <A>(step: Step<A>, key: string, input: Input.Input, left: ReadonlyArray<string>) =>
  Activity.make({
    name: key,
    success: Schema.Union([doneOf(step), Asked]),
    error: step.error,
    execute: Effect.gen(function*() {
      const place = yield* Approvals.place(key)
      const request = yield* requestOf(step, key, input)
      return yield* askedOrDone(step, place, request, left).pipe(trying(step))
    })
  })

/** Removes the questions of an execution when it has ended, however. */
export const removeAtTheEnd = Effect.fnUntraced(function*(executionId: string) {
  const decisions = yield* Decisions
  yield* Workflow.addFinalizer(() =>
    Effect.catch(decisions.remove(executionId), (error) => Effect.logWarning(error.message))
  )
})

/** Rounds of turns, with a decision between two of them. */
export const durable = Effect.fnUntraced(function*<A>(step: Step<A>) {
  const attempt = yield* Activity.CurrentAttempt
  let input = step.input
  let left: ReadonlyArray<string> = []
  for (let n = 0;; n++) {
    const key = keyOf(step.name, attempt, n)
    const outcome = yield* round(step, key, input, left)
    if (outcome._tag === "Completed") return outcome.turn
    const { executionId } = yield* Approvals.place(key)
    yield* removeAtTheEnd(executionId)
    const decision = yield* DurableDeferred.await(deferred(key))
    left = decision.allow ? [...outcome.left, Approvals.printOf(outcome.question)] : outcome.left
    input = Approvals.told(outcome.question, decision)
  }
})
