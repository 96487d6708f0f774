// A picture together with a question, as a data URL. Codex takes no http(s) address: read the picture and pass it on.
import { Codex, Input } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Option } from "effect"

// A red square.
const square = "data:image/png;base64," +
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAMAAAAoLQ9TAAAAA1BMVEXcHh4Np/MyAAAADUlEQVR42mNg" +
  "GAXIAAABEAABf80DtQAAAABJRU5ErkJggg=="

const program = Effect.gen(function*() {
  const codex = yield* Codex.Codex
  const thread = yield* codex.startThread()
  const result = yield* thread.run(["Which colour is this?", Input.image(square)])
  yield* Console.log(Option.getOrElse(result.finalResponse, () => "(no answer)"))

  const byAddress = thread.run(["And this?", Input.image("https://example.com/square.png")])
  yield* Effect.catchTag(byAddress, "InvalidArgument", (error) => Console.log(error.message))
})

program.pipe(Effect.provide(CodexNode.layer()), NodeRuntime.runMain)
