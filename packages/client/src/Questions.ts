/**
 * A typed handler for the agent's own questions to the user, `item/tool/requestUserInput`.
 *
 * The agent may ask in plan mode, and in every mode with `config: { features: { default_mode_request_user_input: true
 * } }`; otherwise its tool answers that it is not available. The approval mode does not matter. Without a handler
 * each question stays unanswered, and the turn goes on.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { TaggedError } from "./internal/taggedError.ts"
import type * as Received from "./Received.ts"
import type * as Sent from "./Sent.ts"
import * as ServerRequests from "./ServerRequests.ts"

// =============================================================================
// Requests
// =============================================================================

/**
 * An answer that the agent suggests. Its label is the answer to send.
 *
 * @category models
 * @since 0.1.0
 */
export type Option = Received.ToolRequestUserInputOption

/**
 * A question of the agent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  /** The key of the answer in {@link Answers}. */
  readonly id: string
  /** A few words to show above the question. */
  readonly header: string
  readonly question: string
  /** The suggested answers, the recommended one first. Empty for a free-text question. */
  readonly options: ReadonlyArray<Option>
  /** Whether an answer may differ from all options. Codex 0.169 always allows it. */
  readonly allowsOther: boolean
  /** Whether to hide the answer while it is typed. See {@link Answers} for where it ends up. */
  readonly isSecret: boolean
}

/**
 * The agent's questions of one call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly threadId: string
  /** The turn that waits. */
  readonly turnId: string
  /** The id of the tool call. No item with this id is reported. */
  readonly itemId: string
  /**
   * Whether the agent needs an answer to go on: true in plan mode, false in the default mode. The turn waits either
   * way.
   */
  readonly isBlocking: boolean
  /** Usually one to three, but there is no limit. */
  readonly questions: ReadonlyArray<Question>
}

// =============================================================================
// Answers
// =============================================================================

/**
 * The answer to a question: the label of an option, or any text if the question allows it. Pass an array for several
 * answers.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = string | ReadonlyArray<string> | Redacted.Redacted

/**
 * Answers by question id. A question that is left out stays unanswered.
 *
 * **Gotchas**
 *
 * The server passes the answers to the model unchanged, as JSON, so they are also stored in the thread's history on
 * disk, even the answer to a secret question. A `Redacted` answer appears nowhere on this side of the connection, but
 * it hides nothing from the model.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answers {
  readonly [questionId: string]: Answer | undefined
}

/**
 * The answers do not fit the questions. The server would pass them to the model anyway, so the client sends none of
 * them: it logs the failure without the answers and leaves the questions unanswered.
 *
 * @see {@link check}
 * @category errors
 * @since 0.1.0
 */
export class AnswersInvalid
  extends TaggedError<AnswersInvalid>("@effect-codex/client/Questions/AnswersInvalid")("QuestionAnswersInvalid", {
    issues: Schema.Array(Schema.Struct({
      /** The id under which the answer was given. */
      questionId: Schema.String,
      expected: Schema.String
    }))
  })
{
  override get message(): string {
    const issues = this.issues.map(({ expected, questionId }) => `${questionId}: expected ${expected}`)
    return `The answers do not fit the questions. ${issues.join("; ")}.`
  }
}

/**
 * Checks answers as the client does before it sends them: each must belong to a question that was asked, and be one
 * of its options unless the question allows others.
 *
 * **When to use**
 *
 * When the program wants to ask the user again instead of leaving the questions unanswered.
 *
 * @category validation
 * @since 0.1.0
 */
export const check = (request: Request, answers: Answers): Effect.Effect<void, AnswersInvalid> => {
  const issues = entries(answers).flatMap(([questionId, texts]) => {
    const question = request.questions.find(({ id }) => id === questionId)
    if (question === undefined) return [{ questionId, expected: "no answer, because it was not asked" }]
    const { allowsOther, options } = question
    const fits = allowsOther || options.length === 0 ||
      texts.every((text) => options.some(({ label }) => label === text))
    return fits
      ? []
      : [{ questionId, expected: `one of ${options.map(({ label }) => JSON.stringify(label)).join(", ")}` }]
  })
  return issues.length === 0 ? Effect.void : Effect.fail(new AnswersInvalid({ issues }))
}

// =============================================================================
// Handlers
// =============================================================================

/**
 * Answers the agent's questions. It may take up to `ServerRequests.HandlerTimeout` and is interrupted when its turn
 * ends. If it fails, the failure is logged and the questions stay unanswered; a `ServerRequests.Refusal` reports an
 * error to the server.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<R = never> = (request: Request) => Effect.Effect<Answers, unknown, R>

/**
 * A handler for a thread or a turn. The services that it requires are captured from where this runs.
 *
 * **Example** (Answering from a service of the application)
 *
 * ```ts
 * import { Questions, type Thread } from "@effect-codex/client"
 * import { Context, Effect, type Redacted } from "effect"
 *
 * class Vault extends Context.Service<Vault, {
 *   readonly token: Effect.Effect<Redacted.Redacted>
 * }>()("Vault") {}
 *
 * export const deploy = Effect.fn("deploy")(function*(thread: Thread.Thread) {
 *   const handlers = yield* Questions.make((request) =>
 *     Effect.gen(function*() {
 *       const { token } = yield* Vault
 *       const secret = request.questions.find((question) => question.isSecret)
 *       return secret === undefined ? {} : { [secret.id]: yield* token }
 *     })
 *   )
 *   return yield* thread.run("Deploy it.", { handlers })
 * })
 * ```
 *
 * @see {@link layer} for a whole client
 * @see {@link firstOption}
 * @category handlers
 * @since 0.1.0
 */
export const make = <R = never>(handler: Handler<R>): Effect.Effect<ServerRequests.Overrides, never, R> =>
  ServerRequests.make(handlers(handler))

/**
 * Replaces a client's handler. Provide it to the client's layer.
 *
 * **Example** (Asking on a terminal)
 *
 * ```ts
 * import { Questions } from "@effect-codex/client"
 * import { CodexNode } from "@effect-codex/node"
 * import { Effect, Layer } from "effect"
 * import { Prompt } from "effect/cli"
 *
 * const ask = Effect.fnUntraced(function*({ id, isSecret, options, question }: Questions.Question) {
 *   const message = question
 *   if (isSecret) return [id, yield* Prompt.run(Prompt.Password({ message }))] as const
 *   if (options.length === 0) return [id, yield* Prompt.run(Prompt.String({ message }))] as const
 *   const choices = options.map(({ description, label }) => ({ title: label, value: label, description }))
 *   return [id, yield* Prompt.run(Prompt.Select({ message, choices }))] as const
 * })
 *
 * export const CodexLive = CodexNode.layer().pipe(
 *   Layer.provide(Questions.layer(({ questions }) =>
 *     Effect.map(Effect.forEach(questions, ask), (answers): Questions.Answers => Object.fromEntries(answers))
 *   ))
 * )
 * ```
 *
 * @see {@link make} for a thread or a turn
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(handler: Handler<R>): Layer.Layer<never, never, R> =>
  ServerRequests.layer(handlers(handler))

/**
 * Chooses the first option of each question, which the agent is told to make its recommendation. Secret questions and
 * free-text questions get no answer.
 *
 * **When to use**
 *
 * For a thread or a turn that nobody watches.
 *
 * @see {@link layerFirstOption} for a whole client
 * @category handlers
 * @since 0.1.0
 */
export const firstOption: ServerRequests.Overrides = handlers(({ questions }) =>
  Effect.succeed(
    Object.fromEntries(questions.flatMap(({ id, isSecret, options: [first] }) =>
      isSecret || first === undefined ? [] : [[id, first.label]]
    ))
  )
)

/**
 * {@link firstOption} for a client.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFirstOption: Layer.Layer<never> = ServerRequests.layer(firstOption)

// =============================================================================
// Internal
// =============================================================================

function handlers<R>(handler: Handler<R>) {
  return {
    "item/tool/requestUserInput": ({ params }: ServerRequests.Request<"item/tool/requestUserInput">) => {
      const request = requestOf(params)
      return Effect.flatMap(handler(request), (answers) =>
        isAnswers(answers)
          ? Effect.as(check(request, answers), responseOf(answers))
          // Does not quote the answer, which may be a secret.
          : Effect.fail(new TypeError("it did not return a record of texts keyed by question id.")))
    }
  }
}

const requestOf = (params: ServerRequests.Request<"item/tool/requestUserInput">["params"]): Request => ({
  threadId: params.threadId,
  turnId: params.turnId,
  itemId: params.itemId,
  // The turn waits either way.
  isBlocking: params.isBlocking ?? true,
  questions: params.questions.map(({ header, id, isOther, isSecret, options, question }) => ({
    id,
    header,
    question,
    options: options ?? [],
    allowsOther: isOther,
    isSecret
  }))
})

const isAnswer = (u: unknown): boolean =>
  u === undefined || Predicate.isString(u) || Redacted.isRedacted(u) ||
  (Array.isArray(u) && u.every(Predicate.isString))

const isAnswers = (u: unknown): boolean => Predicate.isReadonlyObject(u) && Object.values(u).every(isAnswer)

const textsOf = (answer: Answer): ReadonlyArray<string> => {
  if (typeof answer === "string") return [answer]
  return Redacted.isRedacted(answer) ? [Redacted.value(answer)] : answer
}

const entries = (answers: Answers) =>
  Object.entries(answers).flatMap(([id, answer]) => answer === undefined ? [] : [[id, textsOf(answer)] as const])

const responseOf = (answers: Answers): Sent.ToolRequestUserInputResponse => ({
  answers: Object.fromEntries(entries(answers).map(([id, texts]) => [id, { answers: texts }]))
})
