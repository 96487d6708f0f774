/** The building blocks of the cases. */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import type * as CodexError from "@effect-codex/client/CodexError"
import type { ClientRequests } from "@effect-codex/protocol/Methods"
import type * as Sent from "@effect-codex/protocol/Sent"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as ScriptedModel from "../../ScriptedModel.ts"
import { type Case, ContractFailure, type Frame, type Services, Wire } from "./model.ts"
import { transcripts } from "./transcripts.ts"
import { sketch } from "./wire.ts"

export const equal = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, ContractFailure> => {
  const lines = (value: unknown) => (JSON.stringify(value, null, 1) ?? "undefined").split("\n")
  const [left, right] = [lines(expected), lines(actual)]
  return left.join() === right.join()
    ? Effect.void
    : Effect.fail(new ContractFailure({ what, contract: left, server: right }))
}

export const check = (what: string, holds: boolean): Effect.Effect<void, ContractFailure> => equal(what, holds, true)

export const request = <M extends keyof ClientRequests>(method: M, params: ClientRequests[M]["params"]) =>
  Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.request(method, params))

export const enqueue = (...answers: ReadonlyArray<ScriptedModel.ScriptedAnswer>) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...answers))

/** The tool outputs in the last request to the model. */
export const told = Effect.map(
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests),
  (requests) =>
    (requests.at(-1)?.toolOutputs ?? []).map(({ output }) =>
      output.replace(/Chunk ID: \w+/, "Chunk ID: N").replace(/(?<=Wall time: )[\d.]+/g, "T")
    )
)

export const startThread = (params: Sent.ThreadStartParams = {}) =>
  Effect.map(request("thread/start", params), ({ thread }) => thread.id)

export const text = (text: string): ReadonlyArray<Sent.UserInput> => [{ type: "text", text, text_elements: [] }]

export const startTurn = (
  threadId: string,
  prompt = "go",
  more: Partial<Sent.TurnStartParams> = {}
) => Effect.map(request("turn/start", { threadId, input: text(prompt), ...more }), ({ turn }) => turn.id)

const turnIdOf = (params: unknown): unknown =>
  Predicate.hasProperty(params, "turn") && Predicate.hasProperty(params.turn, "id") ? params.turn.id : undefined

/** Waits for the end of a turn. */
export const ended = (turnId: string) =>
  Effect.flatMap(
    Wire,
    (wire) => wire.until(({ method, params }) => method === "turn/completed" && turnIdOf(params) === turnId, 0)
  )

/** Waits until this delta of the model's message has come over the wire. */
export const heard = (delta: string, since: number) =>
  Effect.flatMap(
    Wire,
    (wire) =>
      wire.until(({ method, params }) =>
        method === "item/agentMessage/delta" && JSON.stringify(params).includes(JSON.stringify(delta)), since)
  )

/** The number of frames so far. */
export const mark = Effect.flatMap(Wire, (wire) => Effect.map(wire.frames, (frames) => frames.length))

/** Starts a turn and waits for its end. */
export const runTurn = (threadId: string, prompt?: string, more?: Partial<Sent.TurnStartParams>) =>
  Effect.tap(startTurn(threadId, prompt, more), ended)

/** The code and the text of the error that refuses a request. */
export const refusal = <E extends CodexError.RequestError, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.map(
    Effect.flip(effect),
    (error) => "code" in error && "detail" in error ? `${error.code} ${error.detail}` : error._tag
  )

/** Answers the server's requests with these handlers until the case ends. */
export const answering = (answers: Parameters<AppServerRpc.AppServerRpc["Service"]["handle"]>[0]) =>
  Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.handle(answers))

const threadIdOf = ({ params }: Frame["message"]): unknown => {
  if (!Predicate.isObject(params)) return undefined
  return Predicate.isObject(params["thread"]) ? params["thread"]["id"] : params["threadId"]
}

/** Tells what comes late of the threads of earlier cases, such as the end of a queue. No request waits for it. */
const isLate = (earlier: ReadonlyArray<Frame>) => {
  const threads = new Set(earlier.map(({ message }) => threadIdOf(message)).filter(Predicate.isString))
  return ({ from, message }: Frame) => {
    const threadId = threadIdOf(message)
    return from === "server" && message["id"] === undefined && Predicate.isString(threadId) && threads.has(threadId)
  }
}

/** The frames on the wire while the effect ran. A request before and after it flushes frames that are on their way. */
export const recorded = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const wire = yield* Wire
  const barrier = request("thread/loaded/list", { limit: 1 })
  yield* barrier
  const earlier = yield* wire.frames
  const since = earlier.length
  const late = isLate(earlier)
  yield* effect
  const before = (yield* wire.frames).length
  yield* barrier
  const all = yield* wire.frames
  const isBarrier = ({ from, message }: Frame) =>
    (from === "client" && message["method"] === "thread/loaded/list") ||
    (from === "server" && message["method"] === undefined)
  return [...all.slice(since, before), ...all.slice(before).filter((frame) => !isBarrier(frame))]
    .filter((frame) => !late(frame))
})

/** A case that compares the frames with the recorded transcript of the real server. */
export const story = <E>(name: string, effect: Effect.Effect<unknown, E, Services | Scope.Scope>): Case => ({
  name,
  effect: Effect.flatMap(recorded(effect), (frames) => {
    const actual = sketch(frames)
    const expected = transcripts[name] ?? []
    return actual.join("\n") === expected.join("\n")
      ? Effect.void
      : Effect.fail(new ContractFailure({ what: name, contract: expected, server: actual }))
  })
})

export const fact = <E>(name: string, effect: Effect.Effect<void, E, Services | Scope.Scope>): Case => ({
  name,
  effect
})
