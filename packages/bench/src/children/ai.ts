/** Calls in new threads, one after another on one codex: through `effect/ai`, or by the client alone. */
import { CodexLanguageModel } from "@effect-codex/ai"
import { Codex } from "@effect-codex/client"
import * as CodexNode from "@effect-codex/node/CodexNode"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { answerOf, promptOf } from "../stage.ts"
import { watchCodex } from "./codexProcesses.ts"
import { tell } from "./sample.ts"

const [face, how] = process.argv.slice(2, 4) as ["client" | "model", "whole" | "stream"]
const [calls, deltas] = process.argv.slice(4, 6).map(Number) as [number, number]
const executable = process.argv[6]!
const codexProcesses = watchCodex(executable)
const prompt = promptOf(deltas)

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>, deltaOf: (element: A) => string | undefined) =>
  Stream.runFold(stream, () => "", (text, element) => text + (deltaOf(element) ?? ""))

const byClient = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  if (how === "whole") {
    const { finalResponse } = yield* thread.run(prompt)
    return Option.getOrElse(finalResponse, () => "")
  }
  const turn = yield* thread.turn(prompt)
  const text = yield* collect(
    turn.events,
    (event) => event._tag === "item/agentMessage/delta" ? event.params.delta : undefined
  )
  yield* turn.result
  return text
}).pipe(Effect.scoped)

const byModel = how === "whole"
  ? Effect.map(LanguageModel.generateText({ prompt }), ({ text }) => text)
  : collect(LanguageModel.streamText({ prompt }), (part) => part.type === "text-delta" ? part.delta : undefined)

const answer: Effect.Effect<string, unknown, Codex.Codex | LanguageModel.LanguageModel> = face === "client"
  ? byClient
  : byModel
const call = Effect.flatMap(
  answer,
  (text) => text === answerOf(deltas) ? Effect.void : Effect.die(new Error(`a wrong answer: ${text}`))
)

const program = Effect.gen(function*() {
  // The first call loads modules and waits for codex to be ready.
  yield* call
  const end = codexProcesses.begin()
  yield* Effect.forEach(Array.from({ length: calls }), () => call, { discard: true })
  tell(end())
})

const layer = CodexLanguageModel.layer().pipe(Layer.provideMerge(CodexNode.layer({ executable })))
await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(layer)))
