/** How the final answer of a turn is asked for, read from a stored turn, and stored. */
import type { CodexError, Input, Output, Thread, TurnResult } from "@effect-codex/client"
import { OutputInvalid } from "@effect-codex/client/CodexError"
import * as OutputSchema from "@effect-codex/client/internal/schemas/output"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export interface Answered<A> {
  readonly result: Omit<TurnResult.TurnResult, "output">
  readonly answer: A
}

type RunError = CodexError.TurnStartError | CodexError.TurnEndError | CodexError.TurnInterrupted

export interface Answer<A> {
  /** The form in which it is stored. */
  readonly schema: Schema.Codec<A, unknown>
  readonly run: (
    thread: Thread.Thread,
    input: Input.Input,
    options: Thread.TurnOptions
  ) => Effect.Effect<Answered<A>, RunError | CodexError.OutputInvalid>
  /** The answer of a turn that an earlier process has run. One that does not fit is repaired with more turns. */
  readonly read: (
    thread: Thread.Thread,
    result: TurnResult.TurnResult,
    options: Thread.TurnOptions
  ) => Effect.Effect<Answered<A>, RunError | CodexError.OutputInvalid>
}

export const text: Answer<Option.Option<string>> = {
  schema: Schema.Option(Schema.String),
  run: (thread, input, options) =>
    Effect.map(thread.run(input, options), (result) => ({ result, answer: result.finalResponse })),
  read: (_, result) => Effect.succeed({ result, answer: result.finalResponse })
}

export const structured = <A>(output: Schema.Codec<A, unknown>, repair = 0): Answer<A> => {
  const asked: Output.Output<A> = output
  const run = (thread: Thread.Thread, input: Input.Input, options: Thread.TurnOptions, repair: number) =>
    Effect.map(
      thread.run(input, { ...options, output: asked, repair }),
      (result) => ({ result, answer: result.output })
    )
  const readOnly = Effect.fnUntraced(function*(result: TurnResult.TurnResult) {
    const text = Option.getOrNull(Option.orElse(result.finalResponse, () => result.plan))
    const { decode } = yield* OutputSchema.prepare(asked)
    const answer = yield* Effect.mapError(
      text === null ? Effect.fail("there is no final answer.") : decode(text),
      (issue) => new OutputInvalid({ threadId: result.threadId, turnId: result.id, text, issue, result })
    )
    return { result, answer }
  })
  return {
    schema: output,
    run: (thread, input, options) => run(thread, input, options, repair),
    read: (thread, result, options) =>
      Effect.catchTag(readOnly(result), "OutputInvalid", (error) =>
        // The same id again, so that the last of these turns is the one that is found.
        repair > 0
          ? run(thread, OutputSchema.repairPrompt(error.issue), options, repair - 1)
          : Effect.fail(error))
  }
}
