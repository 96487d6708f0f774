/** How a turn ended, and how that is stored. */
import { visible } from "@effect-codex/client/internal/text/visibleText"
import type { TurnUsage } from "@effect-codex/client/TurnResult"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import type { CodexFailed, Completed, Tokens } from "../../CodexWorkflow.ts"
import { Question, type Stored } from "../../Decisions.ts"
import type { Answer, Answered } from "./answer.ts"
import * as Names from "./names.ts"

/** What the storage of a turn needs to know of it. */
export interface Storing<A> {
  readonly answer: Answer<A>
  readonly tokens: Schema.Codec<Tokens, unknown>
  readonly error: Schema.Codec<CodexFailed, unknown>
  /** The failure of the workflow's own code. */
  readonly misused: (reason: "InvalidArgument" | "OutputInvalid", detail: string) => CodexFailed
}

/** What the turn was interrupted for. */
const Asked = Schema.TaggedStruct("Asked", { question: Question, left: Schema.Array(Schema.String) })
export type Asked = typeof Asked.Type

export interface Done<A> {
  readonly _tag: "Completed"
  readonly turn: Completed<A>
}

export type Outcome<A> = Done<A> | Asked

export const asked = ({ left, question }: Stored): Asked => ({ _tag: "Asked", question, left })

const tokensOf = ({ subagents, turn }: TurnUsage): Tokens => ({
  input: turn.inputTokens + subagents.inputTokens,
  cachedInput: turn.cachedInputTokens + subagents.cachedInputTokens,
  output: turn.outputTokens + subagents.outputTokens
})

export const done = <A>({ answer, result }: Answered<A>): Done<A> => ({
  _tag: "Completed",
  turn: { threadId: result.threadId, turnId: result.id, answer, tokens: Option.map(result.usage, tokensOf) }
})

/** In one line. A schema's own code may throw anything. */
const words = (error: unknown): string =>
  visible((error instanceof Error ? error.message : String(error)).replace(/\s+/g, " "))

const codecOf = <A>({ answer, tokens }: Storing<A>) => {
  const turn = Schema.Struct({
    threadId: Schema.String,
    turnId: Schema.String,
    answer: answer.schema,
    tokens: Schema.Option(tokens)
  })
  const codec: Schema.Codec<Outcome<A>, unknown> = Schema.Union([Schema.TaggedStruct("Completed", { turn }), Asked])
  return Schema.toCodecJson(codec)
}

/**
 * The Activity of one turn. Its result is JSON to the engine, which would die of an answer that the schema of `output`
 * cannot encode, or does not fit any more because the code has changed since it was stored.
 */
export const activity = Effect.fnUntraced(function*<A, R>(
  storing: Storing<A>,
  name: string,
  execute: Effect.Effect<Outcome<A>, CodexFailed, R>
) {
  const codec = codecOf(storing)
  const unfit = (why: (issue: string) => string) => <B, R2>(effect: Effect.Effect<B, Schema.SchemaError, R2>) =>
    effect.pipe(
      Effect.catchDefect((defect) => Effect.fail(defect)),
      Effect.mapError((error) => storing.misused("OutputInvalid", why(words(error))))
    )
  const attempt = yield* Activity.CurrentAttempt
  if (!(yield* Names.claim(`${attempt} ${name}`))) {
    const detail =
      "the name was used before in this workflow. Give each turn its own; `Activity.retry` tries one again."
    return yield* storing.misused("InvalidArgument", detail)
  }
  const stored = yield* Activity.make({
    name,
    success: Schema.Json,
    error: storing.error,
    execute: Effect.flatMap(execute, (outcome) =>
      Schema.encodeEffect(codec)(outcome).pipe(
        unfit((issue) => `the answer cannot be stored. The schema of \`output\` must encode what it decodes: ${issue}`)
      ))
  })
  return yield* Schema.decodeEffect(codec)(stored).pipe(
    unfit((issue) =>
      `the answer was stored by other code, and does not fit the schema of \`output\`: ${issue}. ` +
      "Restore the schema, or give the turn another name to run it again."
    )
  )
})
