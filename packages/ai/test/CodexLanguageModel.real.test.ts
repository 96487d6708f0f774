/** One call: text, streams and objects, on the real codex with a scripted model. */
import { CodexLanguageModel, CodexTool } from "@effect-codex/ai"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Fiber, Option, Schema, Stream } from "effect"
import {
  type AiError,
  Chat,
  LanguageModel,
  Model,
  Prompt,
  type Response,
  ResponseIdTracker,
  Tool,
  Toolkit
} from "effect/ai"
import { conversation, enqueue, lastRequest, layer, real, requests } from "./support/real.ts"

const said = (text: string, phase: "commentary" | "final_answer") => ScriptedModel.text(text, { phase })

const typesOf = (content: ReadonlyArray<{ readonly type: string }>) => content.map(({ type }) => type)

describe("generateText", () => {
  real(
    "gives the final answer as text, and what was said and thought on the way as reasoning",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.reply([ScriptedModel.reasoning("I have to look."), ScriptedModel.exec("echo hi")], {
          usage: { input: 100, cached: 40, output: 20, reasoning: 5 }
        }),
        ScriptedModel.reply([said("I looked.", "commentary"), said("It says hi.", "final_answer")], {
          usage: { input: 150, cached: 100, output: 30 }
        })
      )
      const response = yield* LanguageModel.generateText({ prompt: "What does it say?" })
      assert.strictEqual(response.text, "It says hi.")
      assert.deepStrictEqual(response.reasoning.map(({ text }) => text), ["I have to look.", "I looked."])
      assert.strictEqual(response.finishReason, "stop")
      assert.deepStrictEqual({ ...response.usage.inputTokens }, {
        total: 250,
        uncached: 110,
        cacheRead: 140,
        cacheWrite: 0
      })
      assert.deepStrictEqual({ ...response.usage.outputTokens }, { total: 50, reasoning: 5, text: 45 })
      const metadata = response.content.find((part) => part.type === "response-metadata")
      assert.strictEqual(metadata?.modelId, "another-model")
    }),
    layer({ model: "another-model" })
  )

  real(
    "says the system's first words as instructions, and the user's in the turn",
    Effect.gen(function*() {
      yield* enqueue("Ja.")
      yield* LanguageModel.generateText({
        prompt: [
          { role: "system", content: "Answer in German." },
          { role: "user", content: [{ type: "text", text: "Is it?" }, { type: "text", text: "Tell me." }] }
        ]
      })
      assert.deepStrictEqual(conversation(yield* lastRequest), [
        "developer: Answer in German.",
        "user: Is it? | Tell me."
      ])
    })
  )

  real(
    "answers with nothing when the agent says nothing",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.reply([ScriptedModel.reasoning("Nothing to say.")]))
      const response = yield* LanguageModel.generateText({ prompt: "Well?" })
      assert.strictEqual(response.text, "")
      assert.strictEqual(response.finishReason, "stop")
    })
  )

  real(
    "takes settings for some calls from withConfigOverride",
    Effect.gen(function*() {
      yield* enqueue("One.", "Two.")
      yield* LanguageModel.generateText({ prompt: "x" }).pipe(
        CodexLanguageModel.withConfigOverride({ model: "third-model", effort: "high" })
      )
      yield* LanguageModel.generateText({ prompt: "x" })
      const [first, second] = yield* requests
      assert.deepStrictEqual([first!.model, second!.model], ["third-model", "another-model"])
      assert.deepInclude(first!.body["reasoning"], { effort: "high" })
    }),
    layer({ model: "another-model" })
  )

  real(
    "ends with the reason length when the answer was cut",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.incomplete("max_output_tokens", ["Once upon"]))
      const response = yield* LanguageModel.generateText({ prompt: "Tell me everything." })
      assert.deepStrictEqual([response.text, response.finishReason], ["Once upon", "length"])
    })
  )

  real(
    "runs no turn when it is interrupted before one, and the next call is none the worse",
    Effect.gen(function*() {
      yield* enqueue("Hello.")
      const fiber = yield* Effect.forkChild(LanguageModel.generateText({ prompt: "x" }), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(yield* requests, 0)
      const { text } = yield* LanguageModel.generateText({ prompt: "x" })
      assert.strictEqual(text, "Hello.")
    })
  )

  // It repeats a call on InvalidRequestError with the whole prompt, which no call fails with once its turn has begun.
  real(
    "needs no ResponseIdTracker, and is not repeated with one",
    Effect.gen(function*() {
      yield* enqueue("One.", ScriptedModel.httpFailure(400, "no"))
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "first" })
      const error = yield* Effect.flip(chat.generateText({ prompt: "second" }))
      assert.strictEqual(error.reason._tag, "UnknownError")
      assert.lengthOf(yield* requests, 2)
    }).pipe(Effect.provideServiceEffect(ResponseIdTracker.ResponseIdTracker, ResponseIdTracker.make))
  )

  real(
    "interrupts the turn when it is interrupted",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["On", gate]))
      const fiber = yield* Effect.forkChild(LanguageModel.generateText({ prompt: "x" }))
      yield* gate.reached
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* (yield* lastRequest).outcome, "abandoned")
    })
  )
})

const collect = Effect.fnUntraced(function*(prompt: string) {
  return yield* Stream.runCollect(LanguageModel.streamText({ prompt }))
})

describe("streamText", () => {
  real(
    "tells what the agent thinks and says while it does",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.reply([
          ScriptedModel.reasoning(["Let me ", "see."]),
          said("I look.", "commentary"),
          ScriptedModel.exec("echo hi")
        ]),
        ScriptedModel.reply([ScriptedModel.text(["It says ", "hi."], { phase: "final_answer" })], {
          usage: { input: 10, output: 5 }
        })
      )
      const parts = yield* collect("x")
      assert.deepStrictEqual(typesOf(parts), [
        "response-metadata",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-delta",
        "reasoning-end",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "response-metadata",
        "finish"
      ])
      const models = parts.flatMap((part) => part.type === "response-metadata" ? [part.modelId] : [])
      assert.deepStrictEqual(models, [undefined, "scripted-model"])
      const text = parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : [])
      assert.deepStrictEqual(text, ["It says ", "hi."])
      const finish = parts.at(-1) as Response.FinishPart
      assert.deepStrictEqual([finish.reason, finish.usage.inputTokens.total], ["stop", 10])
    })
  )

  real(
    "stops the agent when it is left after the first word",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["One ", gate, "two"]))
      const first = yield* LanguageModel.streamText({ prompt: "Count." }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.runHead
      )
      assert.strictEqual(Option.getOrUndefined(first)?.delta, "One ")
      assert.strictEqual(yield* (yield* lastRequest).outcome, "abandoned")
    })
  )

  real(
    "tells once what the model writes again because its stream broke",
    Effect.gen(function*() {
      const event = (type: string, members: object) => ScriptedModel.event(type, JSON.stringify({ type, ...members }))
      const item = { type: "message", id: "first", role: "assistant", phase: "final_answer", content: [] }
      const delta = (delta: string) =>
        event("response.output_text.delta", { item_id: "first", output_index: 0, content_index: 0, delta })
      yield* enqueue(
        ScriptedModel.truncated("end", [
          event("response.output_item.added", { output_index: 0, item }),
          delta("One "),
          delta("two ")
        ]),
        ScriptedModel.text(["One ", "two ", "three."], { phase: "final_answer" })
      )
      const parts = yield* collect("Count.")
      const text = parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []).join("")
      assert.strictEqual(text, "One two three.")
      assert.deepStrictEqual(parts.filter(({ type }) => type === "text-end").length, 1)
    }),
    layer(undefined, { home: { streamMaxRetries: 1 } })
  )

  real(
    "of a turn without a word has an empty text",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.reply([ScriptedModel.reasoning("Hm.")]))
      const types = typesOf(yield* collect("x"))
      assert.deepStrictEqual(
        types,
        ["response-metadata", "reasoning-start", "reasoning-delta", "reasoning-end"].concat([
          "text-start",
          "text-end",
          "finish"
        ])
      )
    }),
    layer({ model: "another-model" })
  )
})

const Finding = Schema.Struct({ title: Schema.String, count: Schema.Int, note: Schema.optionalKey(Schema.String) })

describe("generateObject", () => {
  // The texts of an answer are joined, so commentary among them would be no JSON.
  real(
    "decodes the final answer, whatever was said on the way to it",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.reply([
        said("I will answer in JSON.", "commentary"),
        said(`{"title":"T","count":3,"note":null}`, "final_answer")
      ]))
      const response = yield* LanguageModel.generateObject({ prompt: "x", schema: Finding })
      assert.deepStrictEqual(response.value, { title: "T", count: 3 })
      assert.deepInclude(Option.getOrThrow((yield* lastRequest).outputSchema), {
        required: ["title", "count", "note"],
        additionalProperties: false
      })
    })
  )

  real(
    "takes the answer of a model without strict mode, and optional tuples",
    Effect.gen(function*() {
      const schema = Schema.Struct({ pair: Schema.optionalKey(Schema.Tuple([Schema.String, Schema.Int])) })
      yield* enqueue("```json\n{}\n```", `{"pair":{"0":"a","1":1}}`)
      const first = yield* LanguageModel.generateObject({ prompt: "x", schema })
      assert.deepStrictEqual(first.value, {})
      const second = yield* LanguageModel.generateObject({ prompt: "x", schema })
      assert.deepStrictEqual(second.value, { pair: ["a", 1] })
    })
  )

  real(
    "asks again on the same thread when the answer does not fit",
    Effect.gen(function*() {
      yield* enqueue(`{"title":"T","count":"three","note":null}`, `{"title":"T","count":3,"note":null}`)
      const response = yield* LanguageModel.generateObject({ prompt: "x", schema: Finding })
      assert.strictEqual(response.value.count, 3)
      assert.lengthOf(conversation(yield* lastRequest), 3)
    }),
    layer({ config: { repair: 1 } })
  )

  real(
    "counts and tells what was done before an answer that had to be repaired",
    Effect.gen(function*() {
      const reply = (text: string, input: number) =>
        ScriptedModel.reply([text], { usage: { input, cached: 10, output: 5 } })
      const Lookup = Tool.make("Lookup", { success: Schema.String })
      const toolkit = Toolkit.make(Lookup, CodexTool.shell)
      yield* enqueue(
        ScriptedModel.reply([ScriptedModel.functionCall("Lookup", {}), ScriptedModel.exec("echo hi")], {
          usage: { input: 100, output: 5 }
        }),
        reply("no", 200),
        reply("still no", 300),
        reply(`{"title":"T","count":3,"note":null}`, 400)
      )
      const response = yield* LanguageModel.generateObject({ prompt: "x", schema: Finding, toolkit }).pipe(
        Effect.provide(toolkit.toLayer({ Lookup: () => Effect.succeed("found") }))
      )
      assert.strictEqual(response.value.count, 3)
      const { inputTokens, outputTokens } = response.usage
      assert.deepStrictEqual([inputTokens.total, inputTokens.cacheRead, outputTokens.total], [1000, 30, 20])
      assert.sameMembers(response.toolResults.map(({ name }) => name), ["Lookup", "CodexShell"])
    }),
    layer({ config: { repair: 2 } })
  )

  real(
    "is retryable when the answer was all that there was, and not when something may have run",
    Effect.gen(function*() {
      yield* enqueue("no", ScriptedModel.exec("echo hi"), "no")
      const ask = Effect.flip(LanguageModel.generateObject({ prompt: "x", schema: Finding }))
      const first = yield* ask
      assert.deepStrictEqual([first.reason._tag, first.isRetryable], ["StructuredOutputError", true])
      const second = yield* ask
      assert.deepStrictEqual([second.reason._tag, second.isRetryable], ["InvalidResponseError", false])
    })
  )

  real(
    "refuses a schema that strict mode cannot express before a turn is run",
    Effect.gen(function*() {
      const schema = Schema.Struct({ date: Schema.Record(Schema.String, Schema.Unknown) })
      const error = yield* Effect.flip(LanguageModel.generateObject({ prompt: "x", schema }))
      assert.strictEqual(error.reason._tag, "UnsupportedSchemaError")
      assert.lengthOf(yield* requests, 0)
    })
  )
})

describe("what codex cannot do is refused before a turn is run", () => {
  const refused = (
    name: string,
    call: Effect.Effect<unknown, AiError.AiError, LanguageModel.LanguageModel>,
    tag: string
  ) =>
    real(
      name,
      Effect.gen(function*() {
        const error = yield* Effect.flip(call)
        assert.deepStrictEqual([error.reason._tag, error.isRetryable], [tag, false])
        assert.lengthOf(yield* requests, 0)
      })
    )

  refused("an empty prompt", LanguageModel.generateText({ prompt: [] }), "InvalidRequestError")
  refused(
    "a forced tool",
    LanguageModel.generateText({ prompt: "x", toolkit: CodexTool.toolkit, toolChoice: "required" }),
    "InvalidRequestError"
  )
  refused(
    "a file of a kind that it does not take",
    LanguageModel.generateText({
      prompt: Prompt.make([{
        role: "user",
        content: [{ type: "file", mediaType: "application/pdf", data: new Uint8Array([1]) }]
      }])
    }),
    "InvalidUserInputError"
  )
})

describe("a model", () => {
  it.live("is made of what the ConfigProvider says, and knows its provider", () =>
    Effect.gen(function*() {
      yield* enqueue("Hello.")
      yield* LanguageModel.generateText({ prompt: "x" }).pipe(
        Effect.provide(CodexLanguageModel.layerConfig({
          model: Config.String("CODEX_MODEL"),
          effort: Config.String("CODEX_EFFORT")
        })),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown({ CODEX_MODEL: "third-model", CODEX_EFFORT: "low" })
        )
      )
      const { body, model } = yield* lastRequest
      assert.strictEqual(model, "third-model")
      assert.deepInclude(body["reasoning"], { effort: "low" })
      const named = Effect.all([Model.ProviderName, Model.ModelName])
      assert.deepStrictEqual(yield* Effect.provide(named, CodexLanguageModel.model("another-model")), [
        "codex",
        "another-model"
      ])
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))
})
