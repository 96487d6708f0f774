// A tool of this program: the agent asks for the weather, the program answers, and a town that it does not know is an error
// that the agent reads.
import { Codex, DynamicTools } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option, Schema } from "effect"

const celsius = new Map([["Linz", 21], ["Graz", 24]])

const weather = DynamicTools.tool("weather", {
  description: "The temperature in a town of Austria at the moment.",
  input: Schema.Struct({ town: Schema.String.annotate({ description: "Its German name." }) }),
  output: Schema.Struct({ celsius: Schema.Number }),
  handler: Effect.fnUntraced(function*({ town }) {
    yield* Console.log(`asked for ${town}`)
    const temperature = celsius.get(town)
    return temperature === undefined
      ? yield* Effect.fail(`There is no weather station in ${town}.`)
      : { celsius: temperature }
  })
})

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread({ tools: yield* DynamicTools.make(weather) })
  const result = yield* thread.run("Is it warmer in Linz or in Rust?")
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
