/** Errors the way they really happen, on the real codex binary; the others are in RealCodex.test.ts and Threads.test.ts. */
import { ApprovalMode, AppServerRpc, Codex, CodexError, Sandbox, ServerRequests } from "@effect-codex/client"
import type { Methods } from "@effect-codex/protocol"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope, Stream } from "effect"
import { kindOf } from "./support/kindOf.ts"

type Services = Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  layer: ReturnType<typeof ScriptedCodex.layer> = ScriptedCodex.layer()
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(layer)), 60_000)

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

  const failures: ReadonlyArray<
    readonly [name: string, answer: ScriptedModel.Answer, info: string, retryable: boolean]
  > = [
    ["HTTP 500", ScriptedModel.httpFailure(500), "internalServerError", true],
    ["HTTP 403", ScriptedModel.httpFailure(403, "forbidden"), "httpConnectionFailed", false],
    ["a quota that is used up", ScriptedModel.failed("insufficient_quota", "enough"), "usageLimitExceeded", false],
    [
      "a context that is full",
      ScriptedModel.failed("context_length_exceeded", "too long"),
      "contextWindowExceeded",
      false
    ],
    ["a model at its capacity", ScriptedModel.failed("server_is_overloaded", "busy"), "serverOverloaded", true],
    ["a rate limit", ScriptedModel.failed("rate_limit_exceeded", "slow down"), "rateLimitExceeded", true],
    ["a stream that breaks off", ScriptedModel.truncated("end", ["half"]), "other", false]
  ]
  for (const [name, answer, info, retryable] of failures) {
    real(
      `TurnFailed: ${name}`,
      Effect.gen(function*() {
        yield* enqueue(answer)
        const error = yield* Effect.flip((yield* newThread()).run("go"))
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.strictEqual(error.infoName, info)
        assert.strictEqual(error.isRetryable, retryable)
      })
    )
  }
})
