// A goal: codex goes on by itself, turn after turn, until the model says that it is reached. Here it is one result.
import { Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })

  // When the time is up the goal is paused and the turn is interrupted; `resumeGoal` would go on with it.
  const result = yield* thread.runGoal("Write a haiku and improve it until you like it.", { tokenBudget: 200_000 })
    .pipe(
      Effect.timeoutOption("10 minutes")
    )
  const answer = Option.flatMap(result, ({ finalResponse }) => finalResponse)
  yield* Console.log(Option.getOrElse(answer, () => "(no answer in time)"))

  const goal = yield* thread.goal
  yield* Console.log(Option.match(goal, { onNone: () => "no goal", onSome: ({ status }) => `the goal is ${status}` }))
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
