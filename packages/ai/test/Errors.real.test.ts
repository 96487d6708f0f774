/** How calls fail, and what of it may be repeated, on the real codex with a scripted model. */
import { CodexLanguageModel } from "@effect-codex/ai"
import { AppServer, Codex, Sandbox } from "@effect-codex/client"
import { CodexHome, ScriptedModel } from "@effect-codex/testing"
import { assert, describe } from "@effect/vitest"
import { Effect, ExecutionPlan, Layer, Schedule, Schema, Stream } from "effect"
import { AiError, Chat, LanguageModel, Tool, Toolkit } from "effect/ai"
import { existsSync, readFileSync } from "node:fs"
import { conversation, enqueue, lastRequest, real, requests } from "./support/real.ts"

const ask = LanguageModel.generateText({ prompt: "x" })

const streamed = Stream.runDrain(LanguageModel.streamText({ prompt: "x" }))

const usageLimit = ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached", message: "limit" } })

describe("a turn that failed", () => {
  for (
    const [name, answers, tag, isRetryable] of [
      ["a usage limit", [usageLimit], "QuotaExhaustedError", false],
      ["a wrong key", [ScriptedModel.httpFailure(401, "no")], "AuthenticationError", false],
      ["no access", [ScriptedModel.httpFailure(403, "no")], "AuthenticationError", false],
      ["a rate limit", [ScriptedModel.failed("rate_limit_exceeded", "slow down")], "RateLimitError", true],
      ["a server that is overloaded", [ScriptedModel.failed("server_is_overloaded", "busy")], "RateLimitError", true],
      ["an error of the server", [ScriptedModel.httpFailure(500, "no")], "InternalProviderError", true],
      ["a policy", [ScriptedModel.failed("cyber_policy", "no")], "ContentPolicyError", false],
      ["a full context", [ScriptedModel.failed("context_length_exceeded", "full")], "UnknownError", false],
      ["a request that the provider refuses", [ScriptedModel.httpFailure(400, "no")], "UnknownError", false],
      ["a stream that broke", [ScriptedModel.truncated("cut", ["One "])], "UnknownError", false],
      [
        "a rate limit after a command",
        [ScriptedModel.exec("echo hi"), ScriptedModel.failed("rate_limit_exceeded", "slow down")],
        "UnknownError",
        false
      ],
      // A command runs as soon as the model has written it: no answer was complete, and there is no usage.
      [
        "a rate limit in the answer that has a command",
        [ScriptedModel.failed("rate_limit_exceeded", "slow down", [ScriptedModel.exec("echo hi")])],
        "UnknownError",
        false
      ],
      [
        "an error of the server in the answer that has words",
        [ScriptedModel.failed("server_error", "no", ["Well,"])],
        "UnknownError",
        false
      ]
    ] as const
  ) {
    real(
      `by ${name} is ${tag}${isRetryable ? ", which is retryable" : ""}`,
      Effect.gen(function*() {
        yield* enqueue(...answers, ...answers)
        for (const call of [ask, streamed]) {
          const error = yield* Effect.flip(call)
          assert.deepStrictEqual([error.reason._tag, error.isRetryable], [tag, isRetryable])
          const metadata = "metadata" in error.reason ? error.reason.metadata : {}
          assert.deepInclude(metadata["codex"], { error: "TurnFailed" })
        }
      })
    )
  }
})

describe("before and beside a turn", () => {
  real(
    "an argument that is wrong is InvalidRequestError",
    Effect.gen(function*() {
      const error = yield* ask.pipe(CodexLanguageModel.withConfigOverride({ cwd: "/nowhere" }), Effect.flip)
      assert.strictEqual(error.reason._tag, "InvalidRequestError")
      assert.include(error.message, "/nowhere")
      assert.lengthOf(yield* requests, 0)
    })
  )

  real(
    "an input that is too large is InvalidUserInputError",
    Effect.gen(function*() {
      const prompt = "x".repeat(1_048_577)
      for (
        const call of [
          LanguageModel.generateText({ prompt }),
          Stream.runDrain(LanguageModel.streamText({ prompt }))
        ]
      ) {
        const error = yield* Effect.flip(call)
        assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["InvalidUserInputError", false])
      }
      assert.lengthOf(yield* requests, 0)
    })
  )

  real(
    "a setting that codex does not take on is InvalidRequestError",
    Effect.gen(function*() {
      const config = CodexLanguageModel.withConfigOverride({ serviceTier: "no-such-tier" })
      const error = yield* ask.pipe(config, Effect.flip)
      assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["InvalidRequestError", false])
      assert.include(error.message, "serviceTier")
      assert.lengthOf(yield* requests, 0)
    })
  )

  real(
    "a turn that somebody else interrupts is UnknownError, and says so",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const archiveAll = Stream.runForEach(codex.listThreads(), ({ id }) => codex.archiveThread(id))
      for (const call of [ask, streamed]) {
        const gate = yield* ScriptedModel.gate
        yield* enqueue(ScriptedModel.text(["One ", gate]))
        yield* Effect.forkChild(Effect.andThen(gate.reached, archiveAll))
        const error = yield* Effect.flip(call)
        assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["UnknownError", false])
        const metadata = "metadata" in error.reason ? error.reason.metadata["codex"] : {}
        assert.deepInclude(metadata, { error: "TurnInterrupted" })
      }
    })
  )

  real(
    "a usage limit says when it is reset",
    Effect.gen(function*() {
      const inAnHour = 4_000_000_000
      yield* enqueue(ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached", resets_at: inAnHour } }, {
        headers: {
          "x-codex-primary-used-percent": "100",
          "x-codex-primary-window-minutes": "300",
          "x-codex-primary-reset-at": String(inAnHour)
        }
      }))
      const { reason } = yield* Effect.flip(ask)
      if (reason._tag !== "QuotaExhaustedError") return assert.fail(reason._tag)
      assert.strictEqual(reason.resetAt?.epochMilliseconds, inAnHour * 1000)
    })
  )

  real(
    "the end of the app-server is UnknownError, and says which",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["One ", gate]))
      const { pid } = yield* AppServer.AppServer
      yield* Effect.forkChild(Effect.tap(gate.reached, () => Effect.sync(() => process.kill(pid, "SIGKILL"))))
      const error = yield* Effect.flip(ask)
      assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["UnknownError", false])
      assert.deepInclude("metadata" in error.reason ? error.reason.metadata["codex"] : {}, { error: "AppServerExited" })
    })
  )
})

describe("a retry", () => {
  real(
    "repeats what did nothing",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.failed("rate_limit_exceeded", "slow down"), "Done.")
      const { text } = yield* Effect.retry(ask, {
        while: ({ isRetryable }) => isRetryable,
        schedule: Schedule.recurs(3)
      })
      assert.strictEqual(text, "Done.")
    })
  )

  for (
    const [name, sandbox] of [["may write", Sandbox.workspaceWrite], ["may only read", Sandbox.readOnly]] as const
  ) {
    real(
      `never repeats a turn that did something, in a sandbox that ${name}`,
      Effect.gen(function*() {
        const { workspace } = yield* CodexHome.CodexHome
        const file = `${workspace}/log`
        const command = ScriptedModel.exec(`echo ran >> ${file}; sleep 0.2`)
        yield* enqueue(
          ScriptedModel.failed("rate_limit_exceeded", "slow down", [command]),
          ScriptedModel.failed("rate_limit_exceeded", "slow down", [command])
        )
        const error = yield* ask.pipe(
          Effect.retry({ while: ({ isRetryable }) => isRetryable, schedule: Schedule.recurs(3) }),
          CodexLanguageModel.withConfigOverride({ sandbox }),
          Effect.flip
        )
        assert.strictEqual(error.reason._tag, "UnknownError")
        assert.lengthOf(yield* requests, 1)
        if (existsSync(file)) assert.strictEqual(readFileSync(file, "utf8"), "ran\n")
      })
    )
  }

  real(
    "never repeats a turn that called a tool",
    Effect.gen(function*() {
      const Send = Toolkit.make(Tool.make("Send"))
      let sent = 0
      const call = ScriptedModel.functionCall("Send", {})
      yield* enqueue(ScriptedModel.failed("rate_limit_exceeded", "slow down", [call]), "Done.")
      yield* LanguageModel.generateText({ prompt: "x", toolkit: Send }).pipe(
        Effect.retry({ while: ({ isRetryable }) => isRetryable, schedule: Schedule.recurs(3) }),
        Effect.provide(Send.toLayer({ Send: () => Effect.sync(() => void sent++) })),
        Effect.ignore
      )
      assert.isAtMost(sent, 1)
      assert.lengthOf(yield* requests, 1)
    })
  )

  real(
    "never repeats a turn whose object does not fit after a command",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.exec("echo hi"), "no", `{"a":1}`)
      const error = yield* LanguageModel.generateObject({ prompt: "x", schema: Schema.Struct({ a: Schema.Int }) }).pipe(
        Effect.retry({ while: ({ isRetryable }) => isRetryable, schedule: Schedule.recurs(3) }),
        Effect.flip
      )
      assert.strictEqual(error.reason._tag, "InvalidResponseError")
      assert.lengthOf(yield* requests, 2)
    })
  )

  real(
    "never repeats a turn for the failure of the one that was to repair its answer",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.exec("echo hi"), "no", ScriptedModel.httpFailure(500, "try later"), `{"a":1}`)
      const error = yield* LanguageModel.generateObject({ prompt: "x", schema: Schema.Struct({ a: Schema.Int }) }).pipe(
        Effect.retry({ while: ({ isRetryable }) => isRetryable, schedule: Schedule.recurs(3) }),
        CodexLanguageModel.withConfigOverride({ repair: 1 }),
        Effect.flip
      )
      assert.strictEqual(error.reason._tag, "UnknownError")
      assert.lengthOf(yield* requests, 3)
    })
  )
})

/** Another provider. */
const other = (text: string) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({
      generateText: () => Effect.succeed([{ type: "text", text }]),
      streamText: () => Stream.empty
    })
  )

const streamingOther = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: () => Effect.succeed([]),
    streamText: () =>
      Stream.make(
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "From another." },
        { type: "text-end", id: "1" }
      )
  })
)

const broken = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: () =>
      Effect.fail(AiError.make({ module: "Other", method: "generateText", reason: new AiError.RateLimitError({}) })),
    streamText: () => Stream.empty
  })
)

describe("an execution plan", () => {
  const codex = CodexLanguageModel.model("another-model")

  real(
    "tries codex again when nothing was done, and then another provider",
    Effect.gen(function*() {
      const plan = ExecutionPlan.make(
        { provide: codex, attempts: 2, while: (error: AiError.AiError) => error.isRetryable },
        { provide: other("From another.") }
      )
      const limited = ScriptedModel.failed("rate_limit_exceeded", "slow down")
      yield* enqueue(limited, limited, limited)
      const { text } = yield* Effect.withExecutionPlan(ask, plan)
      assert.strictEqual(text, "From another.")
      assert.lengthOf(yield* requests, 2)
    })
  )

  real(
    "of streams tries codex again when nothing was done, and never after something was told",
    Effect.gen(function*() {
      const plan = ExecutionPlan.make(
        { provide: codex, attempts: 2, while: (error: AiError.AiError) => error.isRetryable },
        { provide: streamingOther }
      )
      const told = LanguageModel.streamText({ prompt: "x" }).pipe(
        Stream.withExecutionPlan(plan),
        Stream.filter((part) => part.type === "text-delta"),
        Stream.map(({ delta }) => delta),
        Stream.runCollect
      )
      const limited = ScriptedModel.failed("rate_limit_exceeded", "slow down")
      yield* enqueue(limited, limited)
      assert.deepStrictEqual(yield* told, ["From another."])
      yield* enqueue(limited, "From codex.")
      assert.deepStrictEqual(yield* told, ["From codex."])
      assert.lengthOf(yield* requests, 4)
      // The plan goes on with its other step, but codex was asked only once.
      yield* enqueue(ScriptedModel.truncated("cut", ["One "]))
      assert.deepStrictEqual(yield* told, ["One ", "From another."])
      assert.lengthOf(yield* requests, 5)
    })
  )

  real(
    "goes on with a chat on codex that another provider has begun, and the other way round",
    Effect.gen(function*() {
      yield* enqueue("From codex.", "From codex again.")
      const chat = yield* Chat.empty
      const toCodex = ExecutionPlan.make({ provide: broken }, { provide: codex })
      const say = (prompt: string) => Effect.map(chat.generateText({ prompt }), ({ text }) => text)
      assert.strictEqual(yield* say("first").pipe(Effect.provide(other("From another."))), "From another.")
      assert.strictEqual(yield* say("second").pipe(Effect.withExecutionPlan(toCodex)), "From codex.")
      assert.strictEqual(yield* say("third").pipe(Effect.provide(other("Again."))), "Again.")
      assert.strictEqual(yield* say("fourth").pipe(Effect.withExecutionPlan(toCodex)), "From codex again.")
      assert.deepStrictEqual(conversation(yield* lastRequest), [
        "user: first",
        "assistant: From another.",
        "user: second",
        "assistant: From codex.",
        "user: third",
        "assistant: Again.",
        "user: fourth"
      ])
    })
  )
})
