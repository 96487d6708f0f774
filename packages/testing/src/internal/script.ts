/** A script: the queue of answers and the list of requests. The scripted model and the fake use it. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type {
  Answer,
  HttpFailure,
  ModelRequest,
  Options,
  Reply,
  ScriptedAnswer,
  ScriptedModel
} from "../ScriptedModel.ts"
import { pictureOfRequest } from "./pictures.ts"

export interface Script
  extends Pick<ScriptedModel["Service"], "enqueue" | "remaining" | "requests" | "received" | "receivedWhere">
{
  /** Adds a request to the list, with the next index. */
  readonly record: (make: (index: number) => ModelRequest) => Effect.Effect<ModelRequest>
  /** Returns the script's answer to a request; a refusal if it has none. */
  readonly answer: (request: ModelRequest) => Effect.Effect<Reply | HttpFailure>
}

// The client recognizes the code `script`, and adds no advice of its own to the message.
const refusal = (message: string): HttpFailure => ({
  _tag: "HttpFailure",
  status: 400,
  body: { error: { message, type: "scripted_model", code: "script" } },
  headers: {},
  pauses: []
})

const normalize = (answer: Answer): Reply | HttpFailure => {
  if (typeof answer !== "string" && "_tag" in answer && (answer._tag === "Reply" || answer._tag === "HttpFailure")) {
    return answer
  }
  const parts = typeof answer === "string" || "_tag" in answer ? [answer] : answer
  return { _tag: "Reply", parts, id: undefined, usage: {}, model: undefined, headers: {}, end: { _tag: "Completed" } }
}

const noAnswer = (request: ModelRequest, given: number): HttpFailure => {
  const nth = `request ${request.index + 1}`
  const used = given === 0
    ? "no answers were given"
    : given === 1
    ? "its answer is used"
    : `its ${given} answers are used`
  return refusal(
    `The script has no answer for ${nth}: ${used}. Add one to \`answers\` or with \`enqueue\`, or set the function ` +
      `\`answer\`. A turn makes one request, and one more after each tool call. This was ${nth}: ` +
      pictureOfRequest(request)
  )
}

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Script> {
  const queue = [...options.answers ?? []]
  let given = queue.length
  const requests: Array<ModelRequest> = []
  const waiting = new Set<() => void>()

  /** Waits until the predicate holds for all requests. It copies them only once it does. */
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
    enqueue: (...answers) =>
      Effect.sync(() => {
        queue.push(...answers)
        given += answers.length
      }),
    remaining: Effect.sync(() => [...queue]),
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
        const scripted: ScriptedAnswer | undefined = queue.shift() ??
          (options.answer && ((request) => options.answer!(request, request.index)))
        if (scripted === undefined) return Effect.succeed(noAnswer(request, given))
        const answer = typeof scripted === "function" ? scripted(request) : scripted
        return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
      }).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause)
            : Effect.succeed(refusal(`The script died at request ${request.index + 1}: ${Cause.pretty(cause)}`))
        ),
        Effect.map(normalize)
      )
  }
})
