/**
 * Durable pipelines: workflows of `effect/workflow` whose steps are turns of codex. A pipeline can be killed at any
 * instant and goes on where it was. A turn that completed is never run again.
 *
 * @since 0.1.0
 */
import type { Codex, Input, Thread } from "@effect-codex/client"
import { Codex as CodexTag } from "@effect-codex/client/Codex"
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import { visibleLine } from "@effect-codex/client/internal/text/visibleText"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import type { WorkflowInstance } from "effect/workflow/WorkflowEngine"
import { CodexSession } from "./CodexSession.ts"
import type { Decision } from "./Decisions.ts"
import { Decisions, deferred } from "./Decisions.ts"
import * as Answers from "./internal/workflow/answer.ts"
import * as Approvals from "./internal/workflow/approvals.ts"
import * as Failures from "./internal/workflow/failure.ts"
import * as Names from "./internal/workflow/names.ts"
import * as Turns from "./internal/workflow/turn.ts"

/**
 * A thread could not be started, or a turn did not complete. It is stored with the workflow, so it holds no more than
 * what tells why.
 *
 * **Details**
 *
 * `reason` is the tag of the client's error, and `detail` its message. What only concerns the way to the turn (the
 * connection, a thread that another process has, the database) is tried again, see {@link TurnOptions.retry}, and is
 * never stored unless `retry` ends. Try the rest again with `Activity.retry` while `isRetryable` is true: each attempt
 * is one more turn.
 *
 * @category errors
 * @since 0.1.0
 */
export class CodexFailed extends TaggedError<CodexFailed>("@effect-codex/cluster/CodexWorkflow/CodexFailed")(
  "CodexFailed",
  {
    /** The name of the thread or the turn in the workflow. */
    name: Schema.String,
    reason: Schema.Literals(Failures.reasons),
    detail: Schema.String,
    isRetryable: Schema.Boolean,
    /** None if it could not be started. */
    threadId: Schema.Option(Schema.String),
    /** None if no turn was begun. */
    turnId: Schema.Option(Schema.String)
  }
) {
  override get message(): string {
    return `${this.name} failed (${this.reason}): ${this.detail}`
  }
}

/**
 * A thread of a workflow.
 *
 * @see {@link thread}
 * @category models
 * @since 0.1.0
 */
export interface WorkflowThread {
  readonly id: string
  /** Each turn resumes the thread with these. They are not stored: the workflow's code has them at each replay. */
  readonly settings: Codex.ThreadSettings
}

/**
 * The tokens that a turn used, its subagents' included.
 *
 * @category models
 * @since 0.1.0
 */
export const Tokens = Schema.Struct({
  input: Schema.Number,
  cachedInput: Schema.Number,
  output: Schema.Number
})

/**
 * The tokens that a turn used.
 *
 * @category models
 * @since 0.1.0
 */
export type Tokens = typeof Tokens.Type

/**
 * A turn that has completed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Completed<A> {
  readonly threadId: string
  readonly turnId: string
  /** The final answer: what `output` made of it, or its text, if there is one. */
  readonly answer: A
  /** None if they are not known: codex reports them while the turn runs, so a crash right after the turn loses them. */
  readonly tokens: Option.Option<Tokens>
}

/**
 * How to run a turn.
 *
 * @see {@link turn}
 * @category options
 * @since 0.1.0
 */
export interface TurnOptions {
  /** The thread: of {@link thread}, or an id and settings of your own. */
  readonly thread: WorkflowThread
  readonly input: Input.Input
  /**
   * What becomes of a turn that was begun and did not complete, because its process ended. `continue` tells the agent
   * in one more turn of the thread that it was interrupted, up to five times. `fail` fails with `TurnInterrupted`.
   * Default: `continue`.
   */
  readonly onInterrupted?: "continue" | "fail" | undefined
  /**
   * How often to try again what failed on the way to the turn. The turn is looked up first, so that it never runs
   * twice. Default: for as long as it takes, with pauses of 1 to 30 seconds and a warning in the log.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * Options of the client's turn. A `budget` lives with its process: after a crash it is as the workflow makes it, and
   * what the stored turns have used is in their `tokens`.
   */
  readonly options?:
    | Omit<Thread.TurnOptions, "messageId" | "outputSchema" | "whenBusy" | "maxUnreadBytes">
    | undefined
}

/**
 * Options of a turn whose final answer is a typed value, which is stored in the encoded form of its schema. If the
 * schema changes until the workflow is replayed, and does not fit what is stored, the turn fails with the reason
 * `OutputInvalid`.
 *
 * @see {@link turn}
 * @category options
 * @since 0.1.0
 */
export interface StructuredOutput<A> {
  readonly output: Schema.Codec<A, unknown>
  /** How many times to ask the model again when its answer does not fit. Default: 0. */
  readonly repair?: number | undefined
}

/**
 * Options of a turn whose approvals wait for {@link Decisions.decide}, for hours if need be, and while no worker runs.
 *
 * @see {@link turn}
 * @category options
 * @since 0.1.0
 */
export interface DurableApprovals {
  /**
   * `live`, the default, leaves approvals to the handlers of the turn, the thread and the client. `durable` interrupts
   * the turn and asks in {@link Decisions}. Once it is decided, another turn of the thread is told so, and may do
   * exactly what was allowed, once. It concerns commands and changes of files; other approvals stay live.
   */
  readonly approvals: "durable"
}

interface Live {
  readonly approvals?: "live" | undefined
}

/** What every step of a workflow needs. */
type Services = CodexTag | CodexSession | WorkflowEngine | WorkflowInstance

const failed = (name: string, threadId: string | undefined) => (failure: Failures.Failure): CodexFailed =>
  new CodexFailed({
    name,
    reason: failure._tag,
    detail: failure.message,
    isRetryable: Failures.isRetryable(failure),
    threadId: Option.fromUndefinedOr(threadId),
    turnId: "turnId" in failure ? Option.fromNullOr(failure.turnId) : Option.none()
  })

const misused = (name: string, threadId: string) => (reason: "InvalidArgument" | "OutputInvalid", detail: string) =>
  new CodexFailed({
    name,
    reason,
    detail,
    isRetryable: false,
    threadId: Option.some(threadId),
    turnId: Option.none()
  })

/**
 * Starts a thread, once for each execution of the workflow. It gets the name, which stores it.
 *
 * **Details**
 *
 * A crash before the id is stored leaves a thread without a turn, and the workflow starts another one. codex takes long
 * to store the names of many threads that start at once.
 *
 * @category steps
 * @since 0.1.0
 */
export const thread = (
  name: string,
  settings: Codex.ThreadSettings = {}
): Effect.Effect<WorkflowThread, CodexFailed, Services> =>
  Activity.make({
    name: `thread/${name}`,
    success: Schema.String,
    error: CodexFailed,
    execute: Effect.gen(function*() {
      const codex = yield* CodexTag
      const session = yield* CodexSession
      const thread = yield* codex.startThread(settings)
      yield* thread.setName(name)
      const { flush } = yield* session.follow(thread)
      yield* flush
      return thread.id
    }).pipe(
      Effect.scoped,
      Failures.persistently(`The start of thread ${name}`),
      Effect.mapError(failed(name, undefined))
    )
  }).pipe(Effect.map((id) => ({ id, settings })))

/**
 * Runs a turn, and returns the stored result when the workflow is replayed. A second turn of the same name fails with
 * the reason `InvalidArgument`.
 *
 * **Details**
 *
 * The turn's message has an id that is the same after every crash. Before a turn is begun, it is looked for in the
 * thread's history: one that completed is answered from there, without the model; one that was begun is handled as
 * `onInterrupted` says. codex may run a command twice that it was running when it was killed: nobody knows how far it
 * came.
 *
 * Interrupting the workflow interrupts the turn only with `WorkflowEngine.interruptUnsafe`; `Workflow.interrupt` lets
 * it end first.
 *
 * Fails with `CodexFailed`.
 *
 * **Example** (A pipeline of two turns)
 *
 * ```ts
 * import { CodexWorkflow } from "@effect-codex/cluster"
 * import { Sandbox } from "@effect-codex/client"
 * import { Effect, Schema } from "effect"
 * import { Workflow } from "effect/workflow"
 *
 * const Finding = Schema.Struct({ file: Schema.String, problem: Schema.String })
 *
 * export const Review = Workflow.make("Review", {
 *   payload: { repository: Schema.String },
 *   success: Schema.Array(Finding),
 *   error: CodexWorkflow.CodexFailed,
 *   idempotencyKey: ({ repository }) => repository
 * })
 *
 * export const ReviewLive = Review.toLayer(Effect.fnUntraced(function*({ repository }) {
 *   const thread = yield* CodexWorkflow.thread("reviewer", { cwd: repository, sandbox: Sandbox.readOnly })
 *   yield* CodexWorkflow.turn("read", { thread, input: "Read the code. What is it for?" })
 *   const { answer } = yield* CodexWorkflow.turn("review", {
 *     thread,
 *     input: "What is wrong with it?",
 *     output: Schema.Struct({ findings: Schema.Array(Finding) })
 *   })
 *   return answer.findings
 * }))
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export function turn<A>(
  name: string,
  options: TurnOptions & StructuredOutput<A> & Live
): Effect.Effect<Completed<A>, CodexFailed, Services>
/**
 * @category steps
 * @since 0.1.0
 */
export function turn<A>(
  name: string,
  options: TurnOptions & StructuredOutput<A> & DurableApprovals
): Effect.Effect<Completed<A>, CodexFailed, Services | Decisions>
/**
 * @category steps
 * @since 0.1.0
 */
export function turn(
  name: string,
  options: TurnOptions & Live
): Effect.Effect<Completed<Option.Option<string>>, CodexFailed, Services>
/**
 * @category steps
 * @since 0.1.0
 */
export function turn(
  name: string,
  options: TurnOptions & DurableApprovals
): Effect.Effect<Completed<Option.Option<string>>, CodexFailed, Services | Decisions>
export function turn(
  name: string,
  options: TurnOptions & Partial<StructuredOutput<unknown>> & (Live | DurableApprovals)
) {
  const { approvals, output, repair, ...rest } = options
  const step = {
    ...rest,
    name,
    tokens: Tokens,
    error: CodexFailed,
    failed: failed(name, options.thread.id),
    misused: misused(name, options.thread.id)
  }
  const run = approvals === "durable" ? Turns.durable : Turns.live
  return output === undefined
    ? run({ ...step, answer: Answers.text })
    : run({ ...step, answer: Answers.structured(output, repair) })
}

/**
 * Asks a person, and waits for {@link Decisions.decide}: hours later, from another process, while no worker runs. The
 * same question under the same name is asked once; another question under that name is a defect.
 *
 * **Example** (Before anything is published)
 *
 * ```ts
 * import { CodexWorkflow } from "@effect-codex/cluster"
 * import { Effect } from "effect"
 *
 * export const publish = <E, R>(version: string, publish: Effect.Effect<void, E, R>) =>
 *   Effect.gen(function*() {
 *     const { allow, note } = yield* CodexWorkflow.decision("publish", `publish version ${version}`)
 *     return allow ? yield* Effect.as(publish, "published") : `refused: ${note ?? "no reason given"}`
 *   })
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const decision = Effect.fn("CodexWorkflow.decision")(function*(
  name: string,
  text: string
): Effect.fn.Return<Decision, never, Decisions | WorkflowEngine | WorkflowInstance> {
  const decisions = yield* Decisions
  const key = `question/${name}`
  if (!(yield* Names.claim(key, text))) {
    return yield* Effect.die(
      new Error(`the workflow asks two questions named ${JSON.stringify(name)}. Give each its own name.`)
    )
  }
  const place = yield* Approvals.place(key)
  yield* Turns.removeAtTheEnd
  yield* decisions.open({
    ...place,
    name,
    askedAt: yield* DateTime.now,
    summary: visibleLine(text),
    question: { _tag: "Question", text },
    left: []
  }).pipe(Failures.persistently(`The question ${name}`), Effect.orDie)
  return yield* DurableDeferred.await(deferred(key))
})
