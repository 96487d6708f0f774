/** The queue of answers and the list of requests that the models of this package share. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Answer, HttpFailure, ModelRequest, Options, Reply, ScriptedModel } from "../ScriptedModel.ts"

export interface Script extends Pick<ScriptedModel["Service"], "enqueue" | "requests" | "received" | "receivedWhere"> {
  /** Adds a request to the list, under the next index. */
  readonly record: (make: (index: number) => ModelRequest) => Effect.Effect<ModelRequest>
  /** What the script answers to a request. */
  readonly answer: (request: ModelRequest) => Effect.Effect<Reply | HttpFailure>
}

const refusal = (message: string): HttpFailure => ({
  _tag: "HttpFailure",
  status: 400,
  body: { error: { message, type: "scripted_model", code: null } },
  headers: {},
  pauses: []
})

const normalize = (answer: Answer): Reply | HttpFailure => {
  if (typeof answer !== "string" && "_tag" in answer && (answer._tag === "Reply" || answer._tag === "HttpFailure")) {
    return answer
  }
  const parts = typeof answer === "string" || "_tag" in answer ? [answer] : answer
  return { _tag: "Reply", parts, id: undefined, usage: {}, model: undefined, end: { _tag: "Completed" } }
}

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Script> {
  const queue = [...options.answers ?? []]
  const requests: Array<ModelRequest> = []
  const waiting = new Set<() => void>()

  /** Waits until the requests are what the predicate wants, without copying them for each that arrives. */
  const until = (predicate: (requests: ReadonlyArray<ModelRequest>) => boolean) =>
    Effect.callback<ReadonlyArray<ModelRequest>>((resume) => {
      const look = () => {
        if (!predicate(requests)) return
        waiting.delete(look)
        resume(Effect.succeed([...requests]))
      }
      waiting.add(look)
      look()
      return Effect.sync(() => void waiting.delete(look))
    })

  return {
    enqueue: (...answers) => Effect.sync(() => void queue.push(...answers)),
    requests: Effect.sync(() => [...requests]),
    received: (count) => until((all) => all.length >= count),
    receivedWhere: (predicate) =>
      Effect.map(until((all) => all.some(predicate)), (all) => Arr.findFirst(all, predicate).pipe(Option.getOrThrow)),
    record: (make) =>
      Effect.sync(() => {
        const request = make(requests.length)
        requests.push(request)
        for (const look of waiting) look()
        return request
      }),
    answer: (request) =>
      Effect.suspend((): Effect.Effect<Answer> => {
        const queued = queue.shift()
        if (queued !== undefined) return Effect.succeed(queued)
        if (options.answer === undefined) {
          return Effect.succeed(refusal(`the script has no answer for request ${request.index}`))
        }
        const answer = options.answer(request, request.index)
        return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
      }).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause)
            : Effect.succeed(refusal(`the script died at request ${request.index}: ${Cause.pretty(cause)}`))
        ),
        Effect.map(normalize)
      )
  }
})
