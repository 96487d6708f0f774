import { Approvals, AppServerRpc, Codex, CodexError } from "@effect-codex/client"
import { Cassette, CodexTest, Expect, FakeAppServer, Faults, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { Finding, layer as BotLive, mayDo, Review, ReviewBot } from "../review-bot/ReviewBot.ts"

const change = { title: "Divide by the number of visitors", diff: "+export const mean = sum / visitors\n" }

const review = Effect.flatMap(ReviewBot, (bot) => bot.review(change))

const answer =
  `{ "verdict": "request changes", "findings": [{ "file": "stats.ts", "line": 1, "problem": "visitors may be 0" }] }`

const expected = new Review({
  verdict: "request changes",
  findings: [new Finding({ file: "stats.ts", line: 1, problem: "visitors may be 0" })]
})

/** The agent looks, tries to write, and answers. */
const session: ReadonlyArray<ScriptedModel.Answer> = [
  ScriptedModel.exec("cat stats.ts", { callId: "look" }),
  ScriptedModel.exec("rm -rf /nowhere/stats.ts", { callId: "remove" }),
  answer
]

// =============================================================================

describe("ReviewBot, with mocks", () => {
  it.effect("reviews", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* review, expected)
    }).pipe(Effect.provide(Layer.provide(BotLive, CodexTest.layerText(answer)))))

  const overloaded = new CodexError.ServerOverloaded({
    method: "thread/start",
    code: -32001,
    detail: "too many requests"
  })

  it.effect("waits for an overloaded server", () =>
    Effect.gen(function*() {
      let attempts = 0
      const CodexLive = CodexTest.mockCodex({
        startThread: () =>
          Effect.suspend(() =>
            ++attempts < 3
              ? Effect.fail(overloaded)
              : Effect.succeed(CodexTest.thread({
                run: () => Effect.succeed(CodexTest.turnResult(answer))
              }))
          )
      })
      const reviewing = yield* review.pipe(
        Effect.provide(Layer.provide(BotLive, CodexLive)),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* Fiber.join(reviewing), attempts], [expected, 3])
    }))

  it.effect("lets the agent look, and nothing else", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* CodexTest.askCommand("cat stats.ts"), "accept")
      assert.strictEqual(yield* CodexTest.askCommand("git diff"), "accept")
      for (
        const command of ["rm stats.ts", "cat stats.ts; rm stats.ts", "ls | xargs rm", "cat $(touch a)", "git push"]
      ) {
        assert.strictEqual(yield* CodexTest.askCommand(command), "decline", command)
      }
      assert.strictEqual(
        yield* CodexTest.askFileChange([{ path: "stats.ts", kind: { type: "delete" }, diff: "" }]),
        "decline"
      )
    }).pipe(Effect.provide(Approvals.layerAcceptWhen(mayDo))))
})

// =============================================================================

/** What holds on a fake holds on the real codex. */
const looks = Effect.gen(function*() {
  assert.deepStrictEqual(yield* review, expected)
  const asked = Expect.told(yield* Expect.modelRequest(1))
  assert.include(asked.prompt, change.diff)
  const { toolOutputs } = Expect.told(yield* Expect.modelRequest(3))
  assert.match(toolOutputs[0] ?? "", /No such file/)
  assert.match(toolOutputs[1] ?? "", /rejected/)
})

const insists = Effect.gen(function*() {
  assert.deepStrictEqual(yield* review, expected)
  const { outputSchema } = yield* Expect.modelRequest(1)
  assert.isTrue(Option.isSome(outputSchema))
  const { prompt } = yield* Expect.modelRequest(2)
  assert.include(prompt, "verdict")
})

const unfit = `{ "verdict": "maybe", "findings": [] }`

const unavailable = ScriptedModel.httpFailure(503, "try later")

/** What a busy server answers to the first two threads. */
const overload = Faults.corrupt(
  (frame) => frame.from === "server" && frame.kind === "reply" && frame.method === "thread/start",
  {
    times: 2,
    corrupt: (text) =>
      JSON.stringify({ id: JSON.parse(text).id, error: { code: -32001, message: "Server overloaded; retry later." } })
  }
)

describe("ReviewBot, with a fake app-server", () => {
  const layer = (answers: ReadonlyArray<ScriptedModel.Answer>) =>
    Layer.provideMerge(
      BotLive,
      FakeAppServer.layer({
        model: { answers },
        exec: ({ command }) => ({ exitCode: 1, output: `${command}: No such file or directory` })
      })
    )

  it.effect("reviews, looks and does not write", () => looks.pipe(Effect.provide(layer(session))))

  it.effect("asks again for an answer that does not fit", () => insists.pipe(Effect.provide(layer([unfit, answer]))))

  it.effect("waits for an overloaded server", () =>
    Effect.gen(function*() {
      const server = yield* FakeAppServer.FakeAppServer
      assert.deepStrictEqual(yield* CodexTest.eventually(review), expected)
      assert.lengthOf(yield* server.receivedOf("thread/start"), 3)
    }).pipe(Effect.provide(
      BotLive.pipe(
        Layer.provide(Codex.layer()),
        Layer.provide(AppServerRpc.layer()),
        Layer.provide(Faults.layer(overload)),
        Layer.provideMerge(FakeAppServer.layerTransport({ model: { answers: [answer] } }))
      )
    )))

  it.effect("runs a turn again that the model did not get through, after a while", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* CodexTest.eventually(review), expected)
      yield* Expect.modelRequest(3)
    }).pipe(Effect.provide(layer([unavailable, unavailable, answer]))))
})

// =============================================================================

describe("ReviewBot, with a recorded session", () => {
  const CodexLive = Cassette.layer(join(import.meta.dirname, "cassettes", "review.jsonl"), {
    server: Layer.orDie(ScriptedCodex.layerTransport({ model: { answers: session } }))
  })

  it.live("reviews", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* review, expected)
      yield* Cassette.verify
    }).pipe(Effect.provide(Layer.provideMerge(BotLive, CodexLive))))
})

// =============================================================================

describe("ReviewBot, with the real codex", () => {
  const layer = (answers: ReadonlyArray<ScriptedModel.Answer>) =>
    Layer.provideMerge(BotLive, ScriptedCodex.layer({ model: { answers } }))

  it.live("reviews, looks and does not write", () => looks.pipe(Effect.provide(layer(session))))

  it.live("asks again for an answer that does not fit", () => insists.pipe(Effect.provide(layer([unfit, answer]))))

  it.live("runs a turn again that the model did not get through", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* review, expected)
      yield* Expect.modelRequest(2)
    }).pipe(Effect.provide(layer([unavailable, answer]))))
})
