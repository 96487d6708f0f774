/** Streams an answer while its turn runs. */
import type * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Errors from "./errors.ts"
import * as Parts from "./parts.ts"
import { prepare, type Provider } from "./prepare.ts"
import { checked } from "./requests.ts"
import { annotateEnd, annotateStart } from "./telemetry.ts"
import { ended } from "./turnEnd.ts"

const method = "streamText"

export const streamText = (
  provider: Provider,
  request: LanguageModel.ProviderOptions
): Stream.Stream<Response.StreamPartEncoded, AiError.AiError | Errors.HandlerFailure> =>
  Stream.unwrap(Effect.gen(function*() {
    yield* checked(method, request)
    // Bounded, so that a handler that reports faster than the reader reads has to wait.
    const told = yield* Queue.bounded<Parts.Part, Cause.Done>(16)
    const { answerOf, calls, find, fork, input, settings, turnOptions } = yield* prepare(
      provider,
      method,
      request,
      (part) => Queue.offer(told, part)
    )
    const found = yield* find
    annotateStart(request, found, settings)
    const turn = yield* Effect.catchTag(
      found.thread.turn(input, turnOptions),
      "ThreadBusy",
      (error) => Effect.flatMap(fork(found, error), ({ thread }) => thread.turn(input, turnOptions))
    )
    const answer = answerOf(turn, found.tools)
    // The parts of a tool call come from its handler as soon as they exist, not from the item.
    const fold = new Parts.Fold({ ...answer, ofCall: () => [] })
    const events = turn.events.pipe(
      Stream.map((event) => fold.step(event)),
      Stream.filter(Arr.isReadonlyArrayNonEmpty),
      Stream.flattenArray,
      Stream.concat(Stream.fromEffectDrain(Queue.end(told)))
    )
    const end = Effect.gen(function*() {
      const { reason, result } = yield* ended(turn.result)
      if (result.status === "interrupted") yield* Errors.interrupted(result)
      annotateEnd(request, [result], reason)
      const model = Option.getOrUndefined(result.model)
      return Stream.fromIterable([
        ...fold.end(),
        // Only the end tells which model codex's configuration or a reroute chose.
        ...(model === settings.model ? [] : [Parts.begin({ id: turn.id, model })]),
        Parts.finish([result], answer.marker, reason)
      ])
    })
    return Stream.succeed<Response.StreamPartEncoded>(Parts.begin({ id: turn.id, model: settings.model })).pipe(
      Stream.concat(Stream.merge(events, Stream.fromQueue(told))),
      Stream.concat(Stream.unwrap(end)),
      Stream.merge(Stream.fromEffect(calls.failure), { haltStrategy: "left" }),
      Stream.mapError(Errors.ofAny(method, calls.hasCalled))
    )
  })).pipe(Stream.mapError(Errors.ofAny(method, () => false)))
