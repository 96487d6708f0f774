// The example of the README. It needs a Codex login: run `npm run example hello` for a turn without one.
import { Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({
    model: "gpt-5.4",
    config: { model_reasoning_effort: "high" },
    sandbox: Sandbox.workspaceWrite
  })
  const result = yield* thread.run("Say hello in one sentence.")
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
}).pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
