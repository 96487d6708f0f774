// What a turn gives back: its status, its items, its final answer, its time and its tokens.
import { Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Duration, Effect, Option } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
  const result = yield* thread.run("List the files in this folder.")

  yield* Console.log(`status: ${result.status}`)
  for (const item of result.items) {
    yield* Console.log(item.type === "commandExecution" ? `item: ${item.type}: ${item.command}` : `item: ${item.type}`)
  }
  yield* Console.log(`answer: ${Option.getOrElse(result.finalResponse, () => "(none)")}`)
  if (Option.isSome(result.duration)) yield* Console.log(`time: ${Duration.format(result.duration.value)}`)
  if (Option.isSome(result.usage)) {
    const { total, turn } = result.usage.value
    yield* Console.log(`tokens: ${turn.totalTokens} in this turn, ${total.totalTokens} in the thread`)
  }
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
