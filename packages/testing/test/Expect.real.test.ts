import { Codex, CodexError, Input } from "@effect-codex/client"
import { CodexTest, Expect, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"

const { exec, gate, text } = ScriptedModel

const png =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

describe("Expect, with codex", () => {
  it.live("reads what the model was told", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Codex.Codex
      yield* model.enqueue(exec("printf found"), "Done.", "Seen.")
      const thread = yield* codex.startThread({ developerInstructions: "Be short." })
      yield* thread.run("Look around.")
      yield* thread.run(["What is this?", Input.image(png)])

      const first = Expect.told(yield* Expect.modelRequest(1))
      assert.strictEqual(first.prompt, "Look around.")
      assert.include(first.userTexts, "Look around.")
      assert.isTrue(first.developerTexts.some((text) => text.includes("Be short.")))
      assert.include(first.tools, "exec_command")
      assert.deepStrictEqual([first.images, first.toolOutputs], [[], []])
      assert.strictEqual(first.headers["content-type"], "application/json")
      assert.strictEqual(first.model, "scripted-model")

      // A model that codex knows gets its tools otherwise.
      yield* model.enqueue("Known.")
      const [listed] = yield* codex.models()
      yield* (yield* codex.startThread({ model: listed!.id })).run("And you?")
      const known = Expect.told(
        yield* Expect.modelRequestWhere("of a known model", ({ prompt }) => prompt === "And you?")
      )
      assert.include(known.tools, "functions.exec")

      const second = Expect.told(yield* Expect.modelRequest(2))
      assert.match(second.toolOutputs.join(), /found/)
      const third = Expect.told(
        yield* Expect.modelRequestWhere("with an image", (request) => Expect.told(request).images.length > 0)
      )
      assert.deepStrictEqual([third.prompt, third.images], ["What is this?", [png]])
    }).pipe(Effect.provide(ScriptedCodex.layer())))

  it.live("collects the events of a turn, and finds one", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(["Hello!"])
      const turn = yield* (yield* (yield* Codex.Codex).startThread()).turn("hi")
      const delta = yield* Expect.event(turn, "item/agentMessage/delta", { where: ({ params }) => params.delta !== "" })
      assert.strictEqual(delta.params.delta, "Hello!")
      const events = yield* Expect.events(turn)
      assert.deepStrictEqual([events[0]?._tag, events.at(-1)?._tag], ["turn/started", "turn/completed"])

      const failure = yield* Effect.flip(Expect.event(turn, "turn/diff/updated"))
      assert.instanceOf(failure, Expect.ExpectationFailed)
      assert.match(
        failure.message,
        new RegExp([
          `^turn/diff/updated of turn ${turn.id} did not come before its end. Instead there was:`,
          `  turn/started`,
          `  item/started .*"userMessage".*"text":"hi".*`,
          `(?:  .*\n)*  item/agentMessage/delta "Hello!"`,
          `  item/completed {"type":"agentMessage","text":"Hello!"}`,
          `(?:  .*\n)*  turn/completed completed$`
        ].join("\n"))
      )
    }).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer())))
})

describe("Expect", () => {
  // With a TestClock that nobody moves.
  it.effect("shows the requests that came instead of the one that did not", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const none = yield* Effect.flip(Expect.modelRequest(1, { within: "20 millis" }))
      assert.strictEqual(none.message, "Request 1 to the model did not come within 20ms. Instead there was nothing.")

      const held = yield* gate
      yield* model.enqueue("Hello!", text(["a", held]))
      const ask = (prompt: string) =>
        Effect.promise((signal) =>
          fetch(`${model.url}/responses`, {
            method: "POST",
            signal,
            body: JSON.stringify({
              model: "m",
              input: [{ type: "message", role: "user", content: [{ type: "input_text", text: prompt }] }],
              tools: [{ type: "function", name: "a" }, {
                type: "namespace",
                name: "n",
                tools: [{ type: "function", name: "b" }]
              }]
            })
          }).then((response) => response.text())
        )
      yield* ask("first")
      yield* Effect.forkScoped(ask("second"))
      yield* held.reached
      const failure = yield* Effect.flip(
        Expect.modelRequestWhere("about the third", ({ prompt }) => prompt === "third", { within: "20 millis" })
      )
      assert.strictEqual(
        failure.message,
        `A request to the model about the third did not come within 20ms. Instead there was:
  1. "first", 2 tools → answered
  2. "second", 2 tools → under way`
      )
      assert.deepStrictEqual(Expect.told(yield* Expect.modelRequest(2)).tools, ["a", "n.b"])
    }).pipe(Effect.provide(ScriptedModel.layer())))

  it.effect("shows the events that came before the time was over", () =>
    Effect.gen(function*() {
      const turn = CodexTest.turn({
        events: Stream.concat(
          Stream.make({ _tag: "Unknown" as const, method: "turn/sang", params: {} }),
          Stream.never
        )
      })
      const failure = yield* Effect.flip(Expect.events(turn, { within: "10 millis" }))
      assert.strictEqual(
        failure.message,
        "Turn turn-1 did not end within 10ms. Instead there was:\n  Unknown turn/sang"
      )
    }))

  it.effect("leaves the failures of a turn as they are", () =>
    Effect.gen(function*() {
      const error = new CodexError.TransportError({ reason: "read", detail: "gone." })
      const turn = CodexTest.turn({ events: Stream.fail(error) })
      assert.strictEqual(yield* Effect.flip(Expect.events(turn)), error)
      assert.strictEqual(yield* Effect.flip(Expect.event(turn, "turn/started")), error)
    }))
})
