// Choosing a model and how hard it thinks, for one turn. The server keeps both for the later turns of the thread.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const models = yield* codex.models()
  const model = models.find(({ isDefault }) => isDefault) ?? models[0]
  if (model === undefined || "raw" in model) return yield* Console.log("The server offers no model.")
  const effort = model.supportedReasoningEfforts[0]?.reasoningEffort ?? model.defaultReasoningEffort

  const thread = yield* codex.startThread()
  yield* Console.log(`${model.model} with effort ${effort}`)
  const first = yield* thread.run("Name a prime number above 100.", { model: model.model, effort, summary: "concise" })
  yield* Console.log(Option.getOrElse(first.finalResponse, () => "(no answer)"))

  // The same model still, because nothing else is said.
  const second = yield* thread.run("And the next one?")
  yield* Console.log(Option.getOrElse(second.finalResponse, () => "(no answer)"))
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
