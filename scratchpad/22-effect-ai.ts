// One program for any provider of effect/ai, with a tool of its own: it runs on a provider that is scripted here, and on
// codex. Of the program nothing changes but the layer.
import { CodexLanguageModel } from "@effect-codex/ai"
import { Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Chat, LanguageModel, Tool, Toolkit } from "effect/ai"

const Tools = Toolkit.make(Tool.make("weather", {
  description: "The temperature in a town of Austria at the moment.",
  parameters: Schema.Struct({ town: Schema.String }),
  success: Schema.Struct({ celsius: Schema.Number })
}))

const ToolsLive = Tools.toLayer({
  weather: ({ town }) => Effect.as(Console.log(`asked for ${town}`), { celsius: 21 })
})

const program = Effect.gen(function*() {
  const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
  const first = yield* chat.generateText({ prompt: "How warm is it in Linz?", toolkit: Tools })
  yield* Console.log(`${first.toolResults.length} result: ${first.text || "(none yet)"}`)
  const second = yield* chat.generateText({ prompt: "Is that warm enough for shorts?", toolkit: Tools })
  yield* Console.log(second.text)
}).pipe(Effect.provide(ToolsLive))

// Another provider hands a call to effect/ai, and is asked again with its result.
const Other = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: ({ prompt }) =>
      Effect.succeed(
        prompt.content.some(({ role }) => role === "tool")
          ? [{ type: "text", text: `Yes: ${prompt.content.length} messages say so.` }]
          : [{ type: "tool-call", id: "1", name: "weather", params: { town: "Linz" } }]
      ),
    streamText: () => Stream.empty
  })
)

const codex = CodexLanguageModel.layer({ config: { sandbox: Sandbox.readOnly } }).pipe(Layer.provide(CodexNode.layer()))

Effect.gen(function*() {
  yield* Console.log("Another provider:")
  yield* Effect.provide(program, Other)
  yield* Console.log("codex:")
  yield* Effect.provide(program, codex)
}).pipe(NodeRuntime.runMain)
