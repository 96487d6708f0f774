import { Codex } from "@effect-codex/client"
import { CodexHome, Expect, FakeAppServer, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Layer, Option, Redacted, type Schema, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs/promises"
import { dirname, join } from "node:path"
import * as Wire from "./support/codex.ts"
import { withCodex } from "./support/live.ts"

const {
  delay,
  event,
  exec,
  failed,
  functionCall,
  gate,
  httpFailure,
  incomplete,
  item,
  reasoning,
  reply,
  text,
  truncated
} = ScriptedModel

describe("ScriptedModel with codex", () => {
  it.live("streams a text delta by delta, with its usage", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      yield* model.enqueue(reply([text(["Hel", "lo ", "🌍"], { id: "m1", phase: "final_answer" })], {
        usage: { input: 100, cached: 40, output: 20, reasoning: 5 }
      }))
      const turn = yield* codex.startTurn(yield* codex.startThread(), "greet me")
      const completed = yield* codex.turnCompleted(turn)
      assert.strictEqual(completed?.status, "completed")

      const messages = yield* codex.messages
      const deltas = messages.filter((message) => message.method === "item/agentMessage/delta")
      assert.deepStrictEqual(deltas.map((message) => message.params?.delta), ["Hel", "lo ", "🌍"])
      const done = itemsOf(messages, "agentMessage")
      assert.deepStrictEqual(done.map(({ id, phase, text }) => ({ id, phase, text })), [
        { id: "m1", phase: "final_answer", text: "Hello 🌍" }
      ])
      const usage = messages.findLast((message) => message.method === "thread/tokenUsage/updated")
      assert.deepStrictEqual(usage?.params?.tokenUsage?.last, {
        totalTokens: 120,
        inputTokens: 100,
        cachedInputTokens: 40,
        cacheWriteInputTokens: 0,
        outputTokens: 20,
        reasoningOutputTokens: 5
      })

      const [request] = yield* model.requests
      assert.strictEqual(request?.index, 0)
      assert.strictEqual(request?.model, "scripted-model")
      assert.strictEqual(request?.prompt, "greet me")
      assert.strictEqual(request?.userTexts.at(-1), "greet me")
      assert.include(request?.tools.map((tool) => tool.name), "exec_command")
      assert.deepStrictEqual(request?.authorization, Option.none())
      assert.strictEqual(request?.headers["content-type"], "application/json")
      assert.strictEqual(request?.body.stream, true)
      assert.strictEqual(yield* request!.outcome, "answered")
    }).pipe(withCodex()))

  it.live("shows reasoning, runs a command, and gets its output", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      yield* model.enqueue(
        [reasoning(["I look ", "around."], { content: "raw" }), exec("printf 'a%sb' 1; exit 3", { callId: "call-1" })],
        [text("working", { phase: "commentary" }), text("done", { phase: "final_answer" })]
      )
      const turn = yield* codex.startTurn(yield* codex.startThread(), "look")
      assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")

      const messages = yield* codex.messages
      const thoughts = messages.filter((message) => message.method === "item/reasoning/summaryTextDelta")
      assert.deepStrictEqual(thoughts.map((message) => message.params?.delta), ["I look ", "around."])
      const raw = messages.filter((message) => message.method === "item/reasoning/textDelta")
      assert.deepStrictEqual(raw.map((message) => message.params?.delta), ["raw"])
      const [command] = itemsOf(messages, "commandExecution")
      assert.strictEqual(command?.id, "call-1")
      assert.strictEqual(command?.exitCode, 3)
      assert.strictEqual(command?.aggregatedOutput, "a1b")
      assert.deepStrictEqual(itemsOf(messages, "agentMessage").map(({ phase, text }) => [phase, text]), [
        ["commentary", "working"],
        ["final_answer", "done"]
      ])

      const requests = yield* model.requests
      assert.strictEqual(requests.length, 2)
      const [output] = requests[1]!.toolOutputs
      assert.strictEqual(output?.callId, "call-1")
      assert.include(output?.output, "a1b")
      assert.strictEqual(requests[1]!.prompt, "look")
    }).pipe(withCodex()))

  it.live("finds the prompt among what codex tells the model in the user's name", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const { workspace } = yield* CodexHome.CodexHome
      const skill = join(workspace, ".agents", "skills", "greeting", "SKILL.md")
      yield* Effect.promise(async () => {
        await Fs.mkdir(dirname(skill), { recursive: true })
        await Fs.writeFile(skill, "---\nname: greeting\ndescription: how to greet\n---\nSay hello.")
        await Fs.writeFile(join(workspace, "AGENTS.md"), "Be nice.")
      })
      const codex = yield* Wire.start()
      yield* model.enqueue(exec("true"), "one", "two")
      const threadId = yield* codex.startThread()
      yield* codex.turnCompleted(yield* codex.startTurn(threadId, "<p>first</p>"))
      const second = yield* codex.request("turn/start", {
        threadId,
        input: [{ type: "text", text: "second" }, { type: "skill", name: "greeting", path: skill }]
      })
      yield* codex.turnCompleted(second!.turn!.id)
      const requests = yield* model.requests
      assert.deepStrictEqual(
        requests.map((request) => [request.prompt, request.toolOutputs.length]),
        [["<p>first</p>", 0], ["<p>first</p>", 1], ["second", 0]]
      )
      assert.include(requests[0]!.userTexts.join(), "Be nice.")
      assert.include(requests[2]!.userTexts.at(-1), "Say hello.")
    }).pipe(withCodex()))

  it.live("answers concurrent turns by their prompts, and passes on the output schema and the key", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      const outputSchema = { type: "object", properties: {}, required: [], additionalProperties: false }
      const run = Effect.fnUntraced(function*(prompt: string) {
        const threadId = yield* codex.startThread()
        const input = [{ type: "text", text: prompt }]
        const started = yield* codex.request("turn/start", { threadId, input, outputSchema })
        yield* codex.turnCompleted(started!.turn!.id)
        const message = yield* codex.until((message) =>
          message.method === "item/completed" && message.params?.turnId === started!.turn!.id &&
          message.params?.item?.type === "agentMessage"
        )
        return message.params?.item?.text
      })
      const prompts = ["one", "two", "three"]
      assert.deepStrictEqual(
        yield* Effect.forEach(prompts, run, { concurrency: "unbounded" }),
        prompts.map((prompt) => `You said ${prompt}`)
      )
      const request = yield* model.receivedWhere((request) => request.prompt === "two")
      assert.deepStrictEqual(request.outputSchema, Option.some(outputSchema))
      assert.deepStrictEqual(Option.map(request.authorization, Redacted.value), Option.some("Bearer sk-scripted"))
      assert.notInclude(JSON.stringify(request), "sk-scripted")
    }).pipe(withCodex({
      model: { answer: (request) => Effect.as(Effect.yieldNow, `You said ${request.prompt}`) },
      home: { apiKey: Redacted.make("sk-scripted") }
    })))

  it.live("fails in every way the real API fails", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      const error = (code: string) => ({ error: { message: "no", type: "x", code } })
      const cases: ReadonlyArray<
        readonly [name: string, ScriptedModel.Answer, codexErrorInfo: Schema.Json, message: string]
      > = [
        ["500", httpFailure(500, "no"), "internalServerError", "high demand"],
        ["401", httpFailure(401, "bad key"), { httpConnectionFailed: { httpStatusCode: 401 } }, "bad key"],
        ["400", httpFailure(400, "bad body"), "other", "bad body"],
        ["403", httpFailure(403), { httpConnectionFailed: { httpStatusCode: 403 } }, "403 Forbidden"],
        ["404", httpFailure(404, "no model"), { httpConnectionFailed: { httpStatusCode: 404 } }, "no model"],
        ["429", httpFailure(429, "slow"), { responseTooManyFailedAttempts: { httpStatusCode: 429 } }, "retry limit"],
        [
          "usage limit",
          httpFailure(429, { error: { type: "usage_limit_reached", message: "enough" } }),
          "usageLimitExceeded",
          "usage limit"
        ],
        ["503", httpFailure(503, error("server_is_overloaded")), "serverOverloaded", "at capacity"],
        ["server_error", failed("server_error", "boom"), "other", "boom"],
        ["quota", failed("insufficient_quota", "no"), "usageLimitExceeded", "Quota exceeded"],
        ["context", failed("context_length_exceeded", "long"), "contextWindowExceeded", "context window"],
        ["rate", failed("rate_limit_exceeded", "Try again in 1s."), "rateLimitExceeded", "Try again in 1s."],
        ["overload", failed("server_is_overloaded", "no"), "serverOverloaded", "at capacity"],
        ["prompt", failed("invalid_prompt", "bad prompt"), "other", "bad prompt"],
        ["incomplete", incomplete("max_output_tokens", ["half"]), "other", "max_output_tokens"],
        ["truncated", truncated("end", [text(["ha", "lf"])]), "other", "closed before response.completed"],
        ["cut", truncated("cut", ["half"]), "other", "stream disconnected before completion: "],
        [
          "no events",
          truncated("end", [event("response.created", "no JSON")]),
          "other",
          "closed before response.completed"
        ],
        ["nothing queued", [], "", ""]
      ]
      for (const [name, answer, codexErrorInfo, message] of cases) {
        if (name !== "nothing queued") yield* model.enqueue(answer)
        const turn = yield* codex.startTurn(yield* codex.startThread(), name)
        const completed = yield* codex.turnCompleted(turn)
        assert.strictEqual(completed?.status, "failed", name)
        if (name === "nothing queued") {
          assert.include(completed?.error?.message, `The script has no answer for request ${cases.length}`)
        } else {
          assert.deepStrictEqual(completed?.error?.codexErrorInfo, codexErrorInfo, name)
          assert.include(completed?.error?.message, message, name)
        }
      }
      const requests = yield* model.requests
      assert.deepStrictEqual(requests.map((request) => request.prompt), cases.map(([name]) => name))
      assert.deepStrictEqual([...new Set(yield* Effect.forEach(requests, (request) => request.outcome))], ["answered"])
    }).pipe(withCodex()))

  it.live("what came before a cut reaches codex", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      yield* model.enqueue(truncated("cut", ["half an answer"]), "second try")
      const turn = yield* codex.startTurn(yield* codex.startThread(), "go")
      assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")
      const messages = yield* codex.messages
      assert.deepStrictEqual(
        messages.filter((message) => message.method === "item/agentMessage/delta").map(({ params }) => params?.delta),
        ["half an answer", "second try"]
      )
      const retries = messages.filter((message) => message.method === "error")
      assert.deepStrictEqual(retries.map((message) => message.params?.willRetry), [true])
    }).pipe(withCodex({ home: { streamMaxRetries: 1 } })))

  it.live("holds an answer at a gate and goes on when it is released", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      const head = yield* gate
      const middle = yield* gate
      yield* model.enqueue([head, text(["Hel", middle, "lo"])])
      const turn = yield* codex.startTurn(yield* codex.startThread(), "go")

      yield* head.reached
      yield* codex.turnStarted(turn)
      assert.isFalse((yield* codex.messages).some((message) => message.method === "item/agentMessage/delta"))
      yield* head.release
      yield* codex.until((message) => message.params?.delta === "Hel")
      yield* middle.reached
      assert.isFalse((yield* codex.messages).some((message) => message.params?.delta === "lo"))
      yield* middle.release
      yield* codex.until((message) => message.params?.delta === "lo")
      assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")
    }).pipe(withCodex()))

  it.live("sees that an interrupted turn hangs up", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      const before = yield* gate
      const middle = yield* gate
      const threadId = yield* codex.startThread()
      for (const [answer, held] of [[[before, "never"], before], [text(["Hel", middle, "lo"]), middle]] as const) {
        yield* model.enqueue(answer)
        const turnId = yield* codex.startTurn(threadId, "go")
        yield* codex.turnStarted(turnId)
        yield* held.reached
        const request = (yield* model.requests).at(-1)!
        const outcome = yield* Effect.forkChild(request.outcome)
        assert.isUndefined(outcome.pollUnsafe())
        yield* codex.request("turn/interrupt", { threadId, turnId })
        assert.strictEqual((yield* codex.turnCompleted(turnId))?.status, "interrupted")
        assert.strictEqual(yield* Fiber.join(outcome), "abandoned")
      }
    }).pipe(withCodex()))

  it.live("sends raw items, and calls of any tool with any arguments", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.ScriptedModel
      const codex = yield* Wire.start()
      yield* model.enqueue(
        [functionCall("no_such_tool", "{ not json", { callId: "call-1" })],
        [item({
          type: "message",
          id: "raw-1",
          role: "assistant",
          content: [{ type: "output_text", text: "raw item" }]
        })]
      )
      const turn = yield* codex.startTurn(yield* codex.startThread(), "go")
      assert.strictEqual((yield* codex.turnCompleted(turn))?.status, "completed")
      const requests = yield* model.received(2)
      assert.include(requests[1]?.toolOutputs[0]?.output, "no_such_tool")
      assert.deepStrictEqual(itemsOf(yield* codex.messages, "agentMessage").map(({ id, text }) => [id, text]), [
        ["raw-1", "raw item"]
      ])
    }).pipe(withCodex()))
})

type Scripted = (model?: ScriptedModel.Options) => Layer.Layer<Codex.Codex | ScriptedModel.ScriptedModel, unknown>

describe.each<readonly [string, Scripted]>([
  ["codex", (model) => ScriptedCodex.layer({ model })],
  ["the fake", (model) => FakeAppServer.layer({ model, exec: () => ({ output: "hello\n" }) })]
])("a script, with %s", (_, layer) => {
  const run = (prompt: string) =>
    Effect.gen(function*() {
      const thread = yield* (yield* Codex.Codex).startThread()
      return yield* thread.run(prompt)
    })

  it.live("that has no answer fails the turn with the request that came and what to add", () =>
    Effect.gen(function*() {
      const none = yield* Effect.flip(run("Say hello."))
      assert.strictEqual(none._tag, "TurnFailed")
      assert.match(
        none.message,
        new RegExp(
          "^The turn failed \\(badRequest\\): The script has no answer for request 1: no answers were given\\. Add one to " +
            "`answers` or with `enqueue`, or set the function `answer`\\. A turn makes one request, and one more after each " +
            "tool call\\. This was request 1: \"Say hello\\.\", \\d+ tools\\.$"
        )
      )
      const model = yield* ScriptedModel.ScriptedModel
      yield* model.enqueue(exec("echo hello", { callId: "call-1" }))
      const { message } = yield* Effect.flip(run("Look."))
      assert.include(message, "no answer for request 3: its answer is used.")
      assert.match(message, /This was request 3: "Look\.", call-1 returned ".*", \d+ tools\.$/)
    }).pipe(Effect.provide(layer())))

  it.live("that dies says at which request", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(run("go"))
      assert.match(message, /^The turn failed \(badRequest\): The script died at request 1: Error: oops/)
    }).pipe(Effect.provide(layer({ answer: () => Effect.die(new Error("oops")) }))))

  it.live("makes an answer of the request that it answers", () =>
    Effect.gen(function*() {
      const { finalResponse } = yield* run("What?")
      assert.deepStrictEqual(finalResponse, Option.some("You asked What? and I heard hello."))
      yield* Expect.noAnswersLeft
    }).pipe(Effect.provide(layer({
      answers: [
        ({ prompt }) => exec(`echo hello # ${prompt}`),
        ({ prompt, toolOutputs: [heard] }) =>
          Effect.succeed(`You asked ${prompt} and I heard ${/hello/.exec(heard?.output ?? "")?.[0]}.`)
      ]
    }))))

  it.live("that has answers left says which, and what came", () =>
    Effect.gen(function*() {
      yield* run("Say hello.")
      const { message } = yield* Effect.flip(Expect.noAnswersLeft)
      const outcome = /(?<= → ).*/.exec(message)?.[0]
      assert.strictEqual(
        message.replace(/\d+ tools/, "N tools"),
        `5 answers of the script were not asked for: "Goodbye!"; exec_command {"cmd":"ls"}; HTTP 500; "a", gate, "bc", ` +
          `Truncated; a function. Instead there was:\n  1. "Say hello.", N tools → ${outcome}`
      )
    }).pipe(Effect.provide(layer({
      answers: [
        "Hello!",
        "Goodbye!",
        exec("ls"),
        httpFailure(500),
        truncated("cut", ["a", Effect.runSync(gate), text(["b", "c"])]),
        () => "later"
      ]
    }))))
})

describe("ScriptedModel alone", () => {
  it.effect("waits for requests without polling", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({ answers: ["one", "two"] })
      const both = yield* Effect.forkChild(model.received(2))
      const second = yield* Effect.forkChild(model.receivedWhere((request) => request.prompt === "b"))
      yield* Effect.promise(() => post(model.url, "a"))
      assert.isUndefined(both.pollUnsafe())
      assert.isUndefined(second.pollUnsafe())
      yield* Effect.promise(() => post(model.url, "b"))
      assert.deepStrictEqual((yield* Fiber.join(both)).map((request) => request.prompt), ["a", "b"])
      assert.strictEqual((yield* Fiber.join(second)).index, 1)
    }))

  it.effect("delays by the clock of its runtime", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make()
      const before = yield* gate
      const after = yield* gate
      yield* model.enqueue([text(["a", before, delay("1 hour"), after, "b"])])
      const body = yield* Effect.forkChild(
        Effect.promise(() => post(model.url, "go").then((response) => response.text()))
      )
      yield* before.reached
      yield* before.release
      const reached = yield* Effect.forkChild(after.reached)
      yield* TestClock.adjust("59 minutes")
      assert.isUndefined(reached.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(reached)
      yield* after.release
      assert.include(yield* Fiber.join(body), `"delta":"b"`)
    }))

  it.effect("adds no spans to those of the program under test", () =>
    Effect.gen(function*() {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const model = yield* ScriptedModel.make({ answers: ["one"] }).pipe(Effect.withTracer(tracer))
      assert.strictEqual((yield* Effect.promise(() => post(model.url, "go"))).status, 200)
      assert.deepStrictEqual(spans, [])
    }))

  it.live("ends held connections at once when its scope closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const never = yield* gate
      const model = yield* Scope.provide(ScriptedModel.make({ answers: [[never], text(["a", never])] }), scope)
      const responses = [post(model.url, "head"), post(model.url, "middle").then((response) => response.text())]
      const settled = Promise.allSettled(responses)
      yield* model.received(2)
      yield* never.reached
      const requests = yield* model.requests
      yield* Scope.close(scope, Exit.void).pipe(Effect.timeout("1 second"))
      assert.deepStrictEqual((yield* Effect.promise(() => settled)).map(({ status }) => status), [
        "rejected",
        "rejected"
      ])
      assert.deepStrictEqual(yield* Effect.forEach(requests, (request) => request.outcome), ["closed", "closed"])
      assert.strictEqual((yield* Effect.promise(() => Promise.allSettled([fetch(model.url)])))[0]?.status, "rejected")
    }))

  it.live("refuses what it cannot answer, and says why", () =>
    Effect.gen(function*() {
      const model = yield* ScriptedModel.make({
        answer: ({ prompt }) =>
          prompt === "die" ? Effect.die("a bug in the script") : httpFailure(418, "tea", { headers: { "x-tea": "1" } })
      })
      const get = (path: string) => Effect.promise(() => fetch(`${model.url}${path}`))
      assert.strictEqual((yield* get("/models")).status, 200)
      assert.strictEqual((yield* get("/responses")).status, 404)
      assert.strictEqual((yield* get("/other")).status, 404)
      const garbage = yield* Effect.promise(() => fetch(`${model.url}/responses`, { method: "POST", body: "{}" }))
      assert.strictEqual(garbage.status, 400)
      assert.include(yield* Effect.promise(() => garbage.text()), "not a Responses request")
      const died = yield* Effect.promise(() => post(model.url, "die"))
      assert.strictEqual(died.status, 400)
      assert.include(yield* Effect.promise(() => died.text()), "a bug in the script")
      const tea = yield* Effect.promise(() => post(model.url, "tea"))
      assert.strictEqual(tea.status, 418)
      assert.strictEqual(tea.headers.get("x-tea"), "1")
      assert.deepStrictEqual((yield* model.requests).map(({ prompt }) => prompt), ["die", "tea"])
    }))
})

const post = (url: string, prompt: string): Promise<Response> =>
  fetch(`${url}/responses`, {
    method: "POST",
    body: JSON.stringify({
      model: "m",
      input: [{ type: "message", role: "user", content: [{ type: "input_text", text: prompt }] }]
    })
  })

const itemsOf = (messages: ReadonlyArray<Wire.Message>, type: string) =>
  messages.flatMap((message) =>
    message.method === "item/completed" && message.params?.item?.type === type ? [message.params.item] : []
  )
