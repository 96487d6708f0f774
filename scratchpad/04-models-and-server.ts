// What the server is and which models it offers. No turn is needed for that.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const { codexHome, platformFamily, platformOs, version } = codex.serverInfo
  yield* Console.log(`codex ${version}, ${platformOs} (${platformFamily}), home ${codexHome}`)

  for (const model of yield* codex.models()) {
    // A model of a newer codex that does not fit the protocol has its id alone.
    if ("raw" in model) continue
    const efforts = model.supportedReasoningEfforts.map(({ reasoningEffort }) => reasoningEffort)
    yield* Console.log(`${model.isDefault ? "*" : "-"} ${model.model}: ${efforts.join(", ")}`)
  }
  const all = yield* codex.models({ includeHidden: true })
  yield* Console.log(`${all.length} models with the hidden ones`)
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
