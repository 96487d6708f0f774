/** Errors as they really happen, on the real codex binary; more in Codex.real.test.ts and Threads.real.test.ts. */
import {
  ApprovalMode,
  AppServerRpc,
  Codex,
  CodexError,
  CodexRetry,
  Sandbox,
  ServerRequests
} from "@effect-codex/client"
import type { Methods } from "@effect-codex/protocol"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, type Scope, Stream } from "effect"

const { failed, httpFailure, incomplete, truncated } = ScriptedModel

type Services = Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  layer: ReturnType<typeof ScriptedCodex.layer> = ScriptedCodex.layer()
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(layer)))

const request = <M extends keyof Methods.ClientRequests>(
  method: M,
  params: Methods.ClientRequests[M]["params"],
  options?: AppServerRpc.RequestOptions
) => Effect.flatMap(AppServerRpc.AppServerRpc, (rpc) => rpc.request(method, params, options))

const newThread = (options?: Codex.StartThreadOptions) =>
  Effect.flatMap(Codex.Codex, (codex) => codex.startThread(options))

const enqueue = (...answers: ReadonlyArray<ScriptedModel.Answer>) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...answers))

describe("errors of requests", () => {
  real(
    "ServerOverloaded: far more requests at once than the default lets through",
    Effect.gen(function*() {
      const burst = yield* Effect.forEach(
        Array.from({ length: 3000 }),
        () => Effect.exit(request("account/read", { refreshToken: false }, { timeout: "5 seconds" })),
        { concurrency: "unbounded" }
      )
      const tags = new Set(burst.map((exit) => exit._tag === "Success" ? "Success" : String(exit.cause)))
      assert.isTrue([...tags].some((tag) => tag.includes("ServerOverloaded")), [...tags].join().slice(0, 500))
      // The connection has survived it.
      yield* request("account/read", { refreshToken: false })
    }),
    ScriptedCodex.layer({ codex: { maxInFlight: 5000 } })
  )

  real(
    "none of it with the default: a burst is answered in full",
    Effect.gen(function*() {
      const burst = yield* Effect.forEach(
        Array.from({ length: 1000 }),
        () => request("account/read", { refreshToken: false }),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(burst.length, 1000)
    })
  )

  real(
    "RpcError: a file that is not there",
    Effect.gen(function*() {
      const error = yield* Effect.flip(request("fs/readFile", { path: "/nowhere/at/all" }))
      assert.strictEqual(kindOf(error), "RpcError: internal")
    })
  )

  real(
    "TurnMismatch: steering another turn than the one that runs",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.text(["on ", yield* ScriptedModel.gate]))
      const turn = yield* (yield* newThread()).turn("go")
      yield* turn.text.pipe(Stream.take(1), Stream.runDrain)
      const error = yield* Effect.flip(request("turn/steer", {
        threadId: turn.threadId,
        expectedTurnId: "another",
        input: [{ type: "text", text: "left", text_elements: [] }]
      }))
      assert.instanceOf(error, CodexError.TurnMismatch)
      assert.deepInclude(error, { expected: "another", actual: turn.id })
    })
  )

  real(
    "each request about a thread has the meanings that its errors list, and no other",
    Effect.gen(function*() {
      const input = (text: string) => [{ type: "text" as const, text, text_elements: [] }]
      const item = { type: "message", role: "user", content: [{ type: "input_text", text: "x" }] }
      const meant = <E extends CodexError.CodexError, R>(refused: Effect.Effect<unknown, E, R>) =>
        Effect.map(Effect.flip(refused), kindOf)
      const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"
      const archived = yield* newThread()
      yield* enqueue("ok")
      yield* archived.run("go")
      yield* archived.archive
      for (const threadId of [unknown, archived.id]) {
        const notLoaded = yield* Effect.all({
          "turn/start": meant(request("turn/start", { threadId, input: input("x") })),
          "turn/steer": meant(request("turn/steer", { threadId, expectedTurnId: "x", input: input("x") })),
          "turn/interrupt": meant(request("turn/interrupt", { threadId, turnId: "x" })),
          "review/start": meant(request("review/start", { threadId, target: { type: "uncommittedChanges" } })),
          "thread/compact/start": meant(request("thread/compact/start", { threadId })),
          "thread/settings/update": meant(request("thread/settings/update", { threadId, model: "x" })),
          "thread/inject_items": meant(request("thread/inject_items", { threadId, items: [item] })),
          "thread/prepareApprovedPlan": meant(request("thread/prepareApprovedPlan", { threadId, markdown: "x" })),
          "thread/revert": meant(request("thread/revert", { threadId, beforeTurnId: unknown })),
          "thread/goal/get": meant(request("thread/goal/get", { threadId })),
          "thread/goal/set": meant(request("thread/goal/set", { threadId, objective: "x" })),
          "thread/goal/clear": meant(request("thread/goal/clear", { threadId })),
          "thread/backgroundTerminals/list": meant(request("thread/backgroundTerminals/list", { threadId })),
          "thread/backgroundTerminals/terminate": meant(
            request("thread/backgroundTerminals/terminate", { threadId, processId: "1" })
          )
        })
        assert.deepStrictEqual([...new Set(Object.values(notLoaded))], ["ThreadNotFound"], JSON.stringify(notLoaded))
        assert.strictEqual(yield* meant(request("thread/name/set", { threadId, name: "x" })), "ThreadNotPersisted")
        assert.deepStrictEqual(yield* request("thread/unsubscribe", { threadId }), { status: "notLoaded" })
      }
      const [resumed, forked] = ["thread/resume", "thread/fork"] as const
      assert.strictEqual(yield* meant(request(resumed, { threadId: unknown })), "ThreadNotPersisted")
      assert.strictEqual(yield* meant(request(forked, { threadId: unknown })), "ThreadNotPersisted")
      assert.strictEqual(yield* meant(request(resumed, { threadId: archived.id })), "RpcError: invalidRequest")
      assert.strictEqual(yield* meant(request(forked, { threadId: archived.id })), "RpcError: invalidRequest")

      const { id: threadId } = yield* newThread()
      const tooLong = input("x".repeat(1_048_577))
      assert.strictEqual(yield* meant(request("turn/start", { threadId, input: tooLong })), "InputTooLarge")
      const tooLongPlan = { threadId, markdown: "x".repeat(1_048_577) }
      assert.strictEqual(yield* meant(request("thread/prepareApprovedPlan", tooLongPlan)), "InputTooLarge")
      const steer = { threadId, expectedTurnId: "x" }
      assert.strictEqual(yield* meant(request("turn/steer", { ...steer, input: tooLong })), "InputTooLarge")
      assert.strictEqual(yield* meant(request("turn/steer", { ...steer, input: input("x") })), "NoActiveTurn")
      assert.strictEqual(yield* meant(request("turn/interrupt", { threadId, turnId: "x" })), "NoActiveTurn")
      assert.strictEqual(
        yield* meant(request("thread/revert", { threadId, beforeTurnId: unknown })),
        "ThreadNotPersisted"
      )

      const ephemeral = yield* newThread({ ephemeral: true })
      for (const call of [ephemeral.setName("x"), ephemeral.revert(unknown), ephemeral.goal]) {
        assert.strictEqual(yield* meant<CodexError.CodexError, never>(call), "RpcError: invalidRequest")
      }
    })
  )

  real(
    "AppServerTimeout: a request that takes longer than it may",
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        request("command/exec", { command: ["sleep", "30"], sandboxPolicy: { type: "dangerFullAccess" } }, {
          timeout: "500 millis"
        })
      )
      assert.deepInclude(error, { _tag: "AppServerTimeout", method: "command/exec", timeout: 500 })
    })
  )
})

describe("errors of turns", () => {
  real(
    "TurnInterrupted: an approval that is cancelled",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.exec("touch x", { args: { sandbox_permissions: "require_escalated", justification: "please" } })
      )
      const thread = yield* newThread({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask })
      const error = yield* Effect.flip(thread.run("go"))
      assert.instanceOf(error, CodexError.TurnInterrupted)
      assert.deepInclude(error.result.items.find((item) => item.type === "commandExecution"), { status: "declined" })
    }),
    ScriptedCodex.layer().pipe(Layer.provide(ServerRequests.layer({
      "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "cancel" as const })
    })))
  )

  real(
    "EventsOverflow: a reader that never reads; the turn goes on",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.text(Array.from({ length: 50 }, () => "some words ")))
      const turn = yield* (yield* newThread()).turn("go", { maxUnreadBytes: 2000 })
      assert.strictEqual((yield* turn.result).status, "completed")
      const error = yield* Effect.flip(Stream.runDrain(turn.events))
      assert.strictEqual(error._tag, "EventsOverflow")
    })
  )

  const inAnHour = Math.floor(Date.now() / 1000) + 3600
  const usage = (used: number, resetsAt: number, which: "primary" | "secondary") => ({
    [`x-codex-${which}-used-percent`]: String(used),
    [`x-codex-${which}-window-minutes`]: "300",
    [`x-codex-${which}-reset-at`]: String(resetsAt)
  })
  const failures: ReadonlyArray<
    readonly [
      name: string,
      answer: ScriptedModel.Answer,
      info: string,
      reason: CodexError.TurnFailed["reason"],
      retryable: boolean,
      message: RegExp
    ]
  > = [
    ["HTTP 500", httpFailure(500), "internalServerError", "overloaded", true, /high demand.* Try again later/],
    [
      "HTTP 503",
      httpFailure(503, "busy"),
      "httpConnectionFailed",
      "overloaded",
      true,
      /HTTP 503\): .*: busy\. Try again/
    ],
    ["HTTP 403", httpFailure(403, "forbidden"), "httpConnectionFailed", "forbidden", false, /: forbidden\. Check/],
    [
      "nobody is logged in",
      httpFailure(401, { error: { message: "Missing bearer or basic authentication in header" } }),
      "httpConnectionFailed",
      "login",
      false,
      /^The turn failed \(login, HTTP 401\): [^:]*: Missing bearer or basic authentication in header\. Log in with/
    ],
    [
      "a request that is refused, with a body of JSON",
      httpFailure(400, { error: { message: "Unknown \u001b[31mparameter:\n'x'", type: "invalid_request_error" } }),
      "other",
      "badRequest",
      false,
      /as invalid: Unknown \\u\{1b\}\[31mparameter: 'x'\. Check/
    ],
    [
      "a model that is not there",
      httpFailure(404, { error: { message: "The model `x` does not exist", code: "model_not_found" } }),
      "modelNotFound",
      "modelNotFound",
      false,
      /: The model `x` does not exist\. Choose one/
    ],
    [
      "a model that is not for the account",
      httpFailure(400, { detail: "The 'x' model is not supported when using Codex with a ChatGPT account." }),
      "other",
      "modelNotFound",
      false,
      /with a ChatGPT account\. Choose one/
    ],
    [
      "too many requests",
      httpFailure(429, { error: { message: "slow" } }),
      "responseTooManyFailedAttempts",
      "rateLimit",
      true,
      /429 Too Many Requests\. Try again later/
    ],
    [
      "a quota that is used up",
      failed("insufficient_quota", "enough"),
      "usageLimitExceeded",
      "usageLimit",
      false,
      /Quota/
    ],
    [
      "a context that is full",
      failed("context_length_exceeded", "too long"),
      "contextWindowExceeded",
      "contextFull",
      false,
      /Run `thread\.compact`/
    ],
    [
      "a model at its capacity",
      failed("server_is_overloaded", "busy"),
      "serverOverloaded",
      "overloaded",
      true,
      /another/
    ],
    ["a policy", failed("cyber_policy", "flagged"), "cyberPolicy", "policy", false, /: flagged\. Change the prompt/],
    [
      "a filter",
      incomplete("content_filter", ["half"]),
      "other",
      "policy",
      false,
      /content_filter\. Change the prompt/
    ],
    [
      "an answer that is too long",
      incomplete("max_output_tokens", ["half"]),
      "other",
      "outputLimit",
      false,
      /Ask for less/
    ],
    [
      "a stream that breaks off",
      truncated("end", ["half"]),
      "other",
      "streamBroken",
      true,
      /: stream closed .*Try again/
    ],
    ["a stream that is cut", truncated("cut", ["half"]), "other", "streamBroken", true, /network error.*Try again/],
    ["a stream that is empty", truncated("end"), "other", "streamBroken", true, /Try again/],
    ["a server that gives up", failed("server_error", "boom"), "other", "streamBroken", true, /: boom\. Try again/]
  ]
  for (const [name, answer, info, reason, retryable, message] of failures) {
    real(
      `TurnFailed: ${name}`,
      Effect.gen(function*() {
        yield* enqueue(answer)
        const error = yield* Effect.flip((yield* newThread()).run("go"))
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.strictEqual(error.infoName, info)
        assert.strictEqual(error.reason, reason)
        assert.strictEqual(error.isRetryable, retryable)
        assert.match(error.message, message)
        assert.notInclude(error.message, "url:")
        assert.isTrue(Option.isNone(error.resetsAt))
      })
    )
  }

  real(
    "TurnFailed: a usage limit says when it is reset",
    Effect.gen(function*() {
      yield* enqueue(httpFailure(429, { error: { type: "usage_limit_reached", resets_at: inAnHour } }, {
        headers: { ...usage(100, inAnHour, "primary"), ...usage(40, inAnHour + 7200, "secondary") }
      }))
      const error = yield* Effect.flip((yield* newThread()).run("go"))
      assert.instanceOf(error, CodexError.TurnFailed)
      assert.deepInclude(error, { reason: "usageLimit", isRetryable: false })
      assert.deepStrictEqual(Option.map(error.resetsAt, DateTime.toEpochMillis), Option.some(inAnHour * 1000))
      assert.include(error.message, `It resets at ${new Date(inAnHour * 1000).toISOString()}. Wait for the reset`)
    })
  )

  real(
    "TurnFailed: a rate limit says when to try again",
    Effect.gen(function*() {
      yield* enqueue(failed("rate_limit_exceeded", "Rate limit reached. Please try again in 1m30s."))
      const error = yield* Effect.flip((yield* newThread()).run("go"))
      assert.instanceOf(error, CodexError.TurnFailed)
      assert.deepInclude(error, { infoName: "rateLimitExceeded", reason: "rateLimit", isRetryable: true })
      const end = Option.map(error.result.completedAt, DateTime.addDuration("90 seconds"))
      assert.deepStrictEqual(
        Option.map(error.resetsAt, DateTime.toEpochMillis),
        Option.map(end, DateTime.toEpochMillis)
      )
    })
  )
})

describe("CodexRetry.transient", () => {
  real(
    "runs a turn again whose stream broke off, and what its commands did is not done twice",
    Effect.gen(function*() {
      const { received } = yield* ScriptedModel.ScriptedModel
      yield* enqueue(
        ScriptedModel.exec("echo once >> done.txt"),
        truncated("cut", ["half"]),
        truncated("end"),
        "Done."
      )
      const thread = yield* newThread({ sandbox: Sandbox.fullAccess })
      const result = yield* Effect.retry(thread.run("Append once."), CodexRetry.transient)
      assert.deepStrictEqual(result.finalResponse, Option.some("Done."))
      // The command ran in the first turn; the model of the last one sees it and its output.
      assert.deepStrictEqual(result.items.map(({ type }) => type), ["userMessage", "agentMessage"])
      const requests = yield* received(4)
      assert.include(JSON.stringify(requests[3]?.body), "echo once >> done.txt")
    })
  )

  real(
    "does not run a turn again that the provider refused",
    Effect.gen(function*() {
      const { requests } = yield* ScriptedModel.ScriptedModel
      yield* enqueue(httpFailure(400, { error: { message: "no" } }), "never")
      const error = yield* Effect.flip(Effect.retry((yield* newThread()).run("go"), CodexRetry.transient))
      assert.strictEqual(error._tag, "TurnFailed")
      assert.strictEqual((yield* requests).length, 1)
    })
  )
})
