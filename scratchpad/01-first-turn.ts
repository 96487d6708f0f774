// The smallest program: a client, a thread, a turn, and what the server says of itself.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  yield* Console.log(`codex ${codex.serverInfo.version} on ${codex.serverInfo.platformOs}`)

  const thread = yield* codex.startThread({ config: { model_reasoning_effort: "high" } })
  const result = yield* thread.run("Say hello in one sentence.")
  yield* Console.log(`${result.status}: ${Option.getOrElse(result.finalResponse, () => "(no answer)")}`)
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
