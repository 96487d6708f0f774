// A typed answer: the schema is sent to the model, and the result holds the decoded value.
import { Codex } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schema } from "effect"

class City extends Schema.Class<City>("City")({
  name: Schema.String,
  inhabitants: Schema.Int.annotate({ description: "rounded to thousands" }),
  river: Schema.optionalKey(Schema.String)
}) {}

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()

  // An answer that does not fit is given back to the model once, with what is wrong with it.
  const { output } = yield* thread.run("Name three cities in Austria.", { output: Schema.Array(City), repair: 1 })
  for (const city of output) {
    yield* Console.log(`${city.name}: ${city.inhabitants}${city.river === undefined ? "" : `, on the ${city.river}`}`)
  }

  yield* thread.run("And the smallest?", { output: City }).pipe(
    Effect.catchTag("OutputInvalid", (error) => Console.log(`${error.text} does not fit: ${error.issue}`))
  )
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
