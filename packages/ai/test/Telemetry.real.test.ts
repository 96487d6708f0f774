/** The spans of a call, on the real codex with a scripted model. */
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, Option, Schema, Stream, Tracer } from "effect"
import { LanguageModel, Telemetry } from "effect/ai"
import { enqueue, layer, real } from "./support/real.ts"

const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

describe("a call", () => {
  real(
    "has the attributes of GenAI on the model's span and on the turn's, which is below it",
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* enqueue(ScriptedModel.reply(["Hello."], { usage: { input: 10, cached: 4, output: 2 } }))
      const seen: Array<string> = []
      const { content } = yield* LanguageModel.generateText({ prompt: "x" }).pipe(
        Effect.provideService(Telemetry.CurrentSpanTransformer, ({ response }) => {
          seen.push(...response.map(({ type }) => type))
        }),
        Effect.withTracer(tracer)
      )
      const model = spans.find(({ name }) => name === "LanguageModel.generateText")!
      const turn = spans.find(({ name }) => name === "Turn")!
      const shared = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.output.type": "text",
        "gen_ai.agent.name": "codex"
      }
      assert.deepInclude(Object.fromEntries(model.attributes), {
        ...shared,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "another-model",
        "gen_ai.response.model": "another-model",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.conversation.id": turn.attributes.get("codex.thread.id"),
        "codex.thread.how": "new"
      })
      assert.deepInclude(Object.fromEntries(turn.attributes), {
        ...shared,
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "another-model",
        "gen_ai.conversation.id": turn.attributes.get("codex.thread.id"),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 4
      })
      const above = (span: Tracer.AnySpan): ReadonlyArray<string> =>
        span._tag === "Span"
          ? [span.name, ...Option.match(span.parent, { onNone: () => [], onSome: above })]
          : []
      assert.include(above(turn), "LanguageModel.generateText")
      assert.deepStrictEqual(seen, content.map(({ type }) => type))
    }),
    layer({ model: "another-model" })
  )

  real(
    "for an object says that its output is JSON",
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* enqueue(ScriptedModel.reply([JSON.stringify({ line: 3 })]))
      const schema = Schema.Struct({ line: Schema.Int })
      yield* LanguageModel.generateObject({ prompt: "x", schema }).pipe(Effect.withTracer(tracer))
      for (const name of ["LanguageModel.generateObject", "Turn"]) {
        const span = spans.find((span) => span.name === name)
        assert.strictEqual(span?.attributes.get("gen_ai.output.type"), "json")
      }
    })
  )

  real(
    "that streams has them, too, and tells its parts to whoever transforms its span",
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* enqueue(ScriptedModel.reply(["Hello."], { usage: { input: 10, cached: 4, output: 2 } }))
      const seen: Array<string> = []
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "x" })).pipe(
        Effect.provideService(Telemetry.CurrentSpanTransformer, ({ response }) => {
          seen.push(...response.map(({ type }) => type))
        }),
        Effect.withTracer(tracer)
      )
      const model = spans.find(({ name }) => name === "LanguageModel.streamText")!
      assert.deepInclude(Object.fromEntries(model.attributes), {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "another-model",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.conversation.id": spans.find(({ name }) => name === "Turn")?.attributes.get("codex.thread.id"),
        "codex.thread.how": "new"
      })
      assert.deepStrictEqual(seen, parts.map(({ type }) => type))
    }),
    layer({ model: "another-model" })
  )

  real(
    "that fails says so on the turn's span",
    Effect.gen(function*() {
      const { spans, tracer } = recorder()
      yield* enqueue(ScriptedModel.httpFailure(400, "no"))
      yield* Effect.flip(LanguageModel.generateText({ prompt: "x" })).pipe(Effect.withTracer(tracer))
      assert.strictEqual(spans.find(({ name }) => name === "Turn")?.attributes.get("error.type"), "failed")
    })
  )
})
