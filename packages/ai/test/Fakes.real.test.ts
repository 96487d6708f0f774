/** The same programs without codex: on the fake app-server and on mocks. */
import { CodexChat, CodexLanguageModel, CodexTool } from "@effect-codex/ai"
import { AppServerRpc, Codex } from "@effect-codex/client"
import { CodexTest, FakeAppServer, Faults, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Ref, Schema, Stream } from "effect"
import { Chat, LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import { conversation, lastRequest } from "./support/real.ts"

const fake = (model: ScriptedModel.Options, options?: FakeAppServer.Options) =>
  CodexLanguageModel.layer().pipe(Layer.provideMerge(FakeAppServer.layer({ ...options, model })))

const say = (chat: Chat.Chat, prompt: string) => Effect.map(chat.generateText({ prompt }), ({ text }) => text)

const threadOf = (chat: Chat.Chat) => Effect.map(CodexChat.threadId(chat), Option.getOrThrow)

const seen = Effect.map(lastRequest, conversation)

describe("the fake app-server", () => {
  it.effect("runs chats: continued, forked, edited, with the history of another model", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.fromPrompt([{ role: "system", content: "Be brief." }])
      yield* say(chat, "first")
      const early = yield* Ref.get(chat.history)
      yield* say(chat, "second")
      const id = yield* threadOf(chat)
      const loaded = yield* Chat.fromJson(yield* chat.exportJson)
      assert.strictEqual(yield* say(loaded, "third"), "You said third")
      assert.strictEqual(yield* threadOf(loaded), id)
      const branch = yield* Chat.fromPrompt(early)
      yield* say(branch, "otherwise")
      assert.notStrictEqual(yield* threadOf(branch), id)
      assert.deepStrictEqual((yield* seen).filter((line) => /^(user|assistant)/.test(line)), [
        "user: first",
        "assistant: You said first",
        "user: otherwise"
      ])
      yield* LanguageModel.generateText({
        prompt: Prompt.make([
          { role: "user", content: "What?" },
          { role: "assistant", content: "That." },
          { role: "user", content: "And?" }
        ])
      })
      assert.deepStrictEqual(yield* seen, ["user: What?", "assistant: That.", "user: And?"])
    }).pipe(Effect.provide(fake({ answer: ({ prompt }) => `You said ${prompt}` }))))

  it.effect("runs toolkits, codex's own tools, objects and streams", () => {
    const Add = Tool.make("Add", { parameters: Schema.Struct({ a: Schema.Int, b: Schema.Int }), success: Schema.Int })
    const kit = Toolkit.merge(Toolkit.make(Add), CodexTool.toolkit)
    return Effect.gen(function*() {
      const response = yield* LanguageModel.generateText({ prompt: "x", toolkit: kit })
      assert.strictEqual(response.text, "Three.")
      assert.deepStrictEqual(response.toolResults.map(({ name, result }) => [name, result]), [
        ["Add", 3],
        ["CodexShell", { exitCode: 0, output: "hi\n" }]
      ])
      const { value } = yield* LanguageModel.generateObject({ prompt: "x", schema: Schema.Struct({ n: Schema.Int }) })
      assert.deepStrictEqual(value, { n: 1 })
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "x" }))
      const text = parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : [])
      assert.strictEqual(text.join(""), "One two.")
    }).pipe(
      Effect.provide(kit.toLayer({ Add: ({ a, b }) => Effect.succeed(a + b) })),
      Effect.provide(fake({
        answers: [
          ScriptedModel.functionCall("Add", { a: 1, b: 2 }),
          ScriptedModel.exec("echo hi"),
          "Three.",
          `{"n":1}`,
          ScriptedModel.text(["One ", "two."])
        ]
      }, { exec: () => ({ output: "hi\n" }) }))
    )
  })

  it.effect("fails as codex does", () =>
    Effect.gen(function*() {
      const first = yield* Effect.flip(LanguageModel.generateText({ prompt: "x" }))
      assert.deepStrictEqual([first.reason._tag, first.isRetryable], ["RateLimitError", true])
      const second = yield* Effect.flip(LanguageModel.generateText({ prompt: "x" }))
      assert.deepStrictEqual([second.reason._tag, second.isRetryable], ["UnknownError", false])
    }).pipe(Effect.provide(fake({
      answers: [
        ScriptedModel.failed("rate_limit_exceeded", "slow down"),
        ScriptedModel.failed("rate_limit_exceeded", "slow down", [ScriptedModel.exec("echo hi")])
      ]
    }))))
})

describe("a request that the app-server does not take", () => {
  const overload = Faults.corrupt((frame) => frame.kind === "reply" && frame.method === "turn/start", {
    times: 1,
    corrupt: (text) =>
      JSON.stringify({ id: JSON.parse(text).id, error: { code: -32001, message: "Server overloaded." } })
  })
  const overloaded = Codex.layer().pipe(
    Layer.provide(AppServerRpc.layer()),
    Layer.provide(Faults.layer(overload)),
    Layer.provide(FakeAppServer.layerTransport({ model: { answer: () => "Hello." } }))
  )

  it.effect("is RateLimitError, which is retryable", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "x" }))
      assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["RateLimitError", true])
    }).pipe(Effect.provide(CodexLanguageModel.layer()), Effect.provide(overloaded)))
})

describe("CodexTest", () => {
  it.effect("answers with a function", () =>
    Effect.gen(function*() {
      const { text } = yield* LanguageModel.generateText({ prompt: "Hello." })
      assert.strictEqual(text, "You said Hello.")
    }).pipe(
      Effect.provide(CodexLanguageModel.layer()),
      Effect.provide(CodexTest.layer({ respond: (input) => `You said ${input}` }))
    ))
})
