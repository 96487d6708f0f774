// A thread outlives the process: a second client takes it up again by its id, and the model knows what was said.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

const begin = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  yield* thread.run("My favourite colour is green. Remember it.")
  return thread.id
})

const goOn = Effect.fn(function*(threadId: string) {
  const codex = yield* Codex.Codex
  const thread = yield* codex.resumeThread(threadId)
  const result = yield* thread.run("What is my favourite colour?")
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
})

const program = Effect.gen(function*() {
  // Each call of `CodexNode.layer()` starts a process of its own, which ends with what it is provided to.
  const threadId = yield* Effect.provide(begin, CodexNode.layer())
  yield* Effect.provide(goOn(threadId), CodexNode.layer())
})

NodeRuntime.runMain(program)
