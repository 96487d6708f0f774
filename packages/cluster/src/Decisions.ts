/**
 * Questions of workflows that wait for a person, and the person's decisions: hours later, from another process.
 *
 * A workflow asks with `CodexWorkflow.decision`, or by a turn with durable approvals. A page, a chat or a terminal
 * shows {@link pending} and calls {@link decide}.
 *
 * @since 0.1.0
 */
import { TaggedError } from "@effect-codex/client/internal/taggedError"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import * as Sql from "./internal/workflow/decisionsSql.ts"

/**
 * What a person decided.
 *
 * @category models
 * @since 0.1.0
 */
export const Decision = Schema.Struct({
  allow: Schema.Boolean,
  /** Words for the agent, or for the workflow. */
  note: Schema.optionalKey(Schema.String)
})

/**
 * What a person decided.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision = typeof Decision.Type

/**
 * What is asked: whether a command may run, whether files may be changed, or the workflow's own question. The agent
 * wrote most of it. Take it for hostile: `summary` of {@link Pending} is safe to print, these fields are not.
 *
 * @category models
 * @since 0.1.0
 */
export const Question = Schema.Union([
  Schema.TaggedStruct("Command", {
    /** `command`, or `writeStdin` for input of a command that runs. */
    kind: Schema.String,
    /** The full command line, including the shell. */
    command: Schema.NullOr(Schema.String),
    cwd: Schema.NullOr(Schema.String),
    /** The agent's reason, in its own words. */
    reason: Schema.NullOr(Schema.String),
    /** The host that it wants to reach, in the protocol's form. */
    network: Schema.Json,
    /** What it wants to access beyond the sandbox, in the protocol's form. */
    additionalPermissions: Schema.Json
  }),
  Schema.TaggedStruct("FileChange", {
    changes: Schema.Array(Schema.Struct({
      path: Schema.String,
      /**
       * Whether the file is added, deleted, updated or moved, in the protocol's form, such as `{ "type": "delete" }`.
       */
      kind: Schema.Json,
      /** The file's whole text if it is added or deleted. */
      diff: Schema.String
    })),
    /** A folder that the agent wants to write to from now on. */
    grantRoot: Schema.NullOr(Schema.String),
    reason: Schema.NullOr(Schema.String)
  }),
  Schema.TaggedStruct("Question", { text: Schema.String })
])

/**
 * What is asked.
 *
 * @category models
 * @since 0.1.0
 */
export type Question = typeof Question.Type

/**
 * A question that waits for a person.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pending {
  /** For {@link decide}. */
  readonly id: string
  /** The name of the workflow. */
  readonly workflow: string
  readonly executionId: string
  /** The name of the turn or of the decision. */
  readonly name: string
  readonly askedAt: DateTime.Utc
  /** One line that is safe to print, such as `run "git push" in /repository`. */
  readonly summary: string
  readonly question: Question
}

/**
 * A question as it is stored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stored extends Pending {
  /** Of the `DurableDeferred` that the workflow waits for. */
  readonly token: string
  /** What was allowed before and is not used up. */
  readonly left: ReadonlyArray<string>
}

/**
 * The questions could not be read or written. It is safe to try again.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecisionsUnavailable
  extends TaggedError<DecisionsUnavailable>("@effect-codex/cluster/Decisions/DecisionsUnavailable")(
    "DecisionsUnavailable",
    {
      /** What was to be done. */
      operation: Schema.String,
      cause: Schema.Defect()
    }
  )
{
  override get message(): string {
    return `the database did not ${this.operation}. Check it, then try again.`
  }
  readonly isRetryable = true
}

/**
 * No question with this id waits: it was decided already, or its workflow has ended.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecisionNotFound
  extends TaggedError<DecisionNotFound>("@effect-codex/cluster/Decisions/DecisionNotFound")("DecisionNotFound", {
    id: Schema.String
  })
{
  override get message(): string {
    return `no question with the id ${this.id} waits. It was decided, or its workflow ended: list the pending ones again.`
  }
  readonly isRetryable = false
}

/**
 * Keeps the questions that wait. Programs use {@link pending} and {@link decide}; the members are for other storages.
 *
 * @see {@link layerSql}
 * @category services
 * @since 0.1.0
 */
export class Decisions extends Context.Service<Decisions, {
  /** Stores a question. One that is stored already under the id stays. */
  readonly open: (question: Stored) => Effect.Effect<void, DecisionsUnavailable>
  /** A question by its id, decided or not. */
  readonly find: (id: string) => Effect.Effect<Option.Option<Stored>, DecisionsUnavailable>
  /** Those that are not decided, the oldest first. */
  readonly pending: Effect.Effect<ReadonlyArray<Stored>, DecisionsUnavailable>
  /** Notes that a question is decided. */
  readonly close: (id: string) => Effect.Effect<void, DecisionsUnavailable>
  /** Removes the questions of a workflow's execution. */
  readonly remove: (executionId: string) => Effect.Effect<void, DecisionsUnavailable>
}>()("@effect-codex/cluster/Decisions") {}

/**
 * The `DurableDeferred` of a question.
 *
 * @internal
 */
export const deferred = (name: string) => DurableDeferred.make(`decision/${name}`, { success: Decision })

/**
 * The questions that wait for a person, the oldest first. One that cannot be read, such as one of a newer version, is
 * left out with a warning in the log.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pending: Effect.Effect<ReadonlyArray<Pending>, DecisionsUnavailable, Decisions> = Effect.flatMap(
  Decisions,
  (decisions) => decisions.pending
)

/**
 * Decides a question, whether a worker runs or not. The first decision counts.
 *
 * **Example** (A command for a terminal)
 *
 * ```ts
 * import { Decisions } from "@effect-codex/cluster"
 * import { Console, Effect } from "effect"
 *
 * export const review = Effect.gen(function*() {
 *   for (const { id, summary } of yield* Decisions.pending) yield* Console.log(`${id}: may I ${summary}?`)
 * })
 *
 * export const allow = (id: string) => Decisions.decide(id, { allow: true })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const decide = Effect.fn("Decisions.decide")(function*(
  id: string,
  decision: Decision
): Effect.fn.Return<void, DecisionNotFound | DecisionsUnavailable, Decisions | WorkflowEngine> {
  const decisions = yield* Decisions
  const question = (yield* decisions.pending).find((question) => question.id === id)
  if (question === undefined) {
    // One that cannot be read is not among those that wait.
    yield* decisions.find(id)
    return yield* new DecisionNotFound({ id })
  }
  // In this order a crash in between leaves a question that can be decided again, to no effect.
  yield* DurableDeferred.succeed(deferred(""), {
    token: DurableDeferred.Token.make(question.token),
    value: decision
  }).pipe(
    // The engine dies when it cannot reach its storage, and of a token that is none.
    Effect.catchDefect((cause) => new DecisionsUnavailable({ operation: "store a decision", cause }))
  )
  yield* decisions.close(id)
})

/**
 * Keeps the questions in the database of the workflow engine, in the table `codex_decisions`, which it creates.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSql: Layer.Layer<Decisions, DecisionsUnavailable, SqlClient> = Layer.effect(
  Decisions,
  Sql.make({ question: Question, unavailable: (operation, cause) => new DecisionsUnavailable({ operation, cause }) })
)

/**
 * Keeps the questions in memory: for tests, beside `WorkflowEngine.layerMemory`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Decisions> = Layer.sync(Decisions, () => {
  const questions = new Map<string, Stored>()
  const decided = new Set<string>()
  return Decisions.of({
    open: (question) =>
      Effect.sync(() => {
        if (!questions.has(question.id)) questions.set(question.id, question)
      }),
    find: (id) => Effect.sync(() => Option.fromUndefinedOr(questions.get(id))),
    pending: Effect.sync(() =>
      [...questions.values()].filter(({ id }) => !decided.has(id)).sort((a, b) =>
        DateTime.toEpochMillis(a.askedAt) - DateTime.toEpochMillis(b.askedAt)
      )
    ),
    close: (id) => Effect.sync(() => void decided.add(id)),
    remove: (executionId) =>
      Effect.sync(() => {
        for (const question of questions.values()) {
          if (question.executionId === executionId) questions.delete(question.id)
        }
      })
  })
})
