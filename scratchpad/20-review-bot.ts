// A bot that reviews a change: a typed answer, retries, and approvals by a rule. Its service is tested on four levels.
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import * as ReviewBot from "./review-bot/ReviewBot.ts"

const program = Effect.gen(function*() {
  const bot = yield* ReviewBot.ReviewBot
  const { findings, verdict } = yield* bot.review({
    title: "Divide by the number of visitors",
    diff: "--- a/stats.ts\n+++ b/stats.ts\n@@ -1 +1 @@\n-export const mean = 0\n+export const mean = sum / visitors\n"
  })
  yield* Console.log(verdict)
  for (const { file, line, problem } of findings) yield* Console.log(`${file}:${line}: ${problem}`)
})

program.pipe(
  Effect.provide(ReviewBot.layer.pipe(Layer.provide(CodexNode.layer()))),
  NodeRuntime.runMain
)
