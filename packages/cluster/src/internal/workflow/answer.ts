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
  /** The answer of a turn that an earlier process has run. */
  readonly read: (
    result: TurnResult.TurnResult
  ) => Effect.Effect<Answered<A>, CodexError.OutputInvalid | CodexError.InvalidArgument>
}

export const text: Answer<Option.Option<string>> = {
  schema: Schema.Option(Schema.String),
  run: (thread, input, options) =>
    Effect.map(thread.run(input, options), (result) => ({ result, answer: result.finalResponse })),
  read: (result) => Effect.succeed({ result, answer: result.finalResponse })
}

export const structured = <A>(output: Schema.Codec<A, unknown>, repair: number | undefined): Answer<A> => {
  const asked: Output.Output<A> = output
  return {
    schema: output,
    run: (thread, input, options) =>
      Effect.map(
        thread.run(input, { ...options, output: asked, repair }),
        (result) => ({ result, answer: result.output })
      ),
    read: Effect.fnUntraced(function*(result) {
      const text = Option.getOrNull(Option.orElse(result.finalResponse, () => result.plan))
      const { decode } = yield* OutputSchema.prepare(asked)
      const answer = yield* Effect.mapError(
        text === null ? Effect.fail("there is no final answer.") : decode(text),
        (issue) => new OutputInvalid({ threadId: result.threadId, turnId: result.id, text, issue, result })
      )
      return { result, answer }
    })
  }
}
