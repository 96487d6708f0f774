/** Generates a complete answer: a text, or an object that the model may repair. */
import type { ThreadBusy } from "@effect-codex/client/CodexError"
import * as EffectAi from "@effect-codex/client/EffectAi"
import type { Input } from "@effect-codex/client/Input"
import type { Thread } from "@effect-codex/client/Thread"
import type { TurnResult } from "@effect-codex/client/TurnResult"
import type * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Errors from "./errors.ts"
import type { Marker } from "./marker.ts"
import * as Output from "./output.ts"
import * as Parts from "./parts.ts"
import { prepare, type Provider } from "./prepare.ts"
import { checked } from "./requests.ts"
import { annotateEnd, annotateStart } from "./telemetry.ts"
import { ended } from "./turnEnd.ts"

const methodOf = ({ responseFormat }: LanguageModel.ProviderOptions): string =>
  responseFormat.type === "json" ? "generateObject" : "generateText"

// Annotated, because the inferred declaration would name types of a package that is not a dependency.
export const generateText: (
  provider: Provider,
  request: LanguageModel.ProviderOptions
) => Effect.Effect<Array<Response.PartEncoded>, AiError.AiError | Errors.HandlerFailure> = Effect.fnUntraced(
  function*(provider: Provider, request: LanguageModel.ProviderOptions) {
    const method = methodOf(request)
    yield* checked(method, request)
    const { answerOf, calls, find, fork, input, repair, settings, turnOptions } = yield* prepare(
      provider,
      method,
      request,
      () => Effect.void
    )
    const { responseFormat } = request
    const output = responseFormat.type === "json" ? yield* Output.make(method, responseFormat.schema) : undefined
    const options = { ...turnOptions, ...(output !== undefined && { outputSchema: output.jsonSchema }) }
    const found = yield* find
    annotateStart(request, found, settings)

    // The turns whose answers did not match the schema. The result of a later turn does not say what they did.
    const earlier: Array<TurnResult> = []
    const mayHaveWorked = () => earlier.length > 0 || calls.hasCalled()

    const answered = Effect.fnUntraced(function*(
      tools: Marker["tools"],
      thread: Thread,
      said: Input,
      left: number
    ): Effect.fn.Return<Array<Response.PartEncoded>, Errors.ClientError | AiError.AiError> {
      const { reason, result } = yield* ended(thread.run(said, options))
      annotateEnd(request, Arr.append(earlier, result), reason)
      const answer = answerOf(result, tools)
      if (output === undefined) return Parts.ofResult(result, answer, reason)
      const text = EffectAi.normalizeAnswer(output.jsonSchema, Option.getOrElse(result.finalResponse, () => ""))
      const issue = yield* output.issueOf(text)
      if (issue === undefined) return Parts.ofResult(result, answer, reason, earlier, text)
      if (left === 0) return yield* Errors.unfit(method, result, text, issue, mayHaveWorked())
      earlier.push(result)
      return yield* answered(tools, thread, EffectAi.repairPrompt(issue), left - 1)
    })
    const onBusy = (error: ThreadBusy) =>
      earlier.length > 0
        ? Effect.fail(error)
        : Effect.flatMap(fork(found, error), (forked) => answered(forked.tools, forked.thread, input, repair))
    return yield* answered(found.tools, found.thread, input, repair).pipe(
      Effect.catchTag("ThreadBusy", onBusy),
      Effect.raceFirst(calls.failure),
      Effect.mapError(Errors.ofAny(method, mayHaveWorked))
    )
  },
  (effect, _, request) => Effect.mapError(effect, Errors.ofAny(methodOf(request), () => false))
)
