import { AppServerRpc, Codex, CodexRetry, Input } from "@effect-codex/client"
import { ScriptedModel } from "@effect-codex/testing"
import { Duration, Effect } from "effect"
import { scenario } from "../scenario.ts"
import { unknown } from "./threads.ts"

const startThread = Effect.flatMap(Codex.Codex, (codex) => codex.startThread())

const httpFailure = (status: number, type: string, message: string) =>
  ScriptedModel.httpFailure(status, { error: { type, message } })

const refusal = (code: number, message: string, data?: unknown) => ({
  method: "model/list",
  times: 1,
  error: { code, message, ...data !== undefined && { data } }
})

/** What a caller without types gives. */
const untyped = (value: unknown): never => value as never

export const errors = [
  scenario(
    "missing-executable",
    "The executable is missing",
    {},
    (t) => t.fails("start", t.codex({ executable: `${t.workspace}/no-codex` })(Effect.void))
  ),

  scenario(
    "start-refused",
    "Codex does not start",
    { home: { config: { approval_policy: "untrusted" } } },
    (t) => t.fails("start", t.codex()(Effect.void))
  ),

  scenario("unknown-threads", "Calls for threads that do not exist", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* t.fails("resume", codex.resumeThread(unknown))
      yield* t.fails("resume without an id", codex.resumeThread("not an id"))
      yield* t.fails("fork", codex.forkThread(unknown))
      yield* t.fails("archive", codex.archiveThread(unknown))
      yield* t.fails("unarchive", codex.unarchiveThread(unknown))
    }))),

  scenario("deleted-thread", "Calls for a thread that is not stored", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread({ ephemeral: true })
      yield* t.fails("fork", codex.forkThread(thread.id))
      yield* t.fails("name", thread.setName("Greetings"))
    }))),

  scenario("invalid-params", "Params that codex refuses", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      yield* t.fails("provider", codex.startThread({ modelProvider: "nobody" }))
      yield* t.fails("limit", codex.listThreadsPage({ cursor: "no cursor" }))
    }))),

  scenario("rpc-errors", "Every code of JSON-RPC, and others", {
    faults: {
      refuse: [
        refusal(-32700, "Parse error"),
        refusal(-32600, "Invalid request"),
        refusal(-32601, "Method not found"),
        refusal(-32602, "Invalid params", { field: "limit" }),
        refusal(-32603, "Internal error"),
        refusal(-32050, "Something else"),
        refusal(-32001, "Server overloaded; retry later.", { codexErrorInfo: "server_overloaded" }),
        refusal(-32001, "Too many failed attempts: retry limit reached", { codexErrorInfo: "server_overloaded" })
      ]
    }
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      for (let n = 0; n < 8; n++) yield* t.fails("models", codex.models())
    }))),

  scenario("overload", "Retry while the server is overloaded", {
    // codex itself sends no data.
    faults: {
      refuse: [
        { ...refusal(-32001, "Server overloaded; retry later.", { codexErrorInfo: "server_overloaded" }), times: 2 },
        { ...refusal(-32001, "Server overloaded; retry later."), method: "thread/list", times: 3 }
      ]
    }
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const retried = Effect.retry(codex.models(), CodexRetry.overload)
      t.result("retried", (yield* retried).length > 0)
      yield* t.fails("without data", Effect.retry(codex.listThreadsPage(), CodexRetry.overload))
    }))),

  scenario("refused-by-the-model", "Turns that the model refuses", {
    answers: () => [
      httpFailure(400, "invalid_request_error", "Bad request"),
      httpFailure(401, "invalid_api_key", "No such key"),
      httpFailure(429, "rate_limit_exceeded", "Too fast"),
      httpFailure(500, "server_error", "Broken"),
      ScriptedModel.failed("context_length_exceeded", "Too long"),
      ScriptedModel.failed("insufficient_quota", "Nothing left")
    ]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      for (const step of ["400", "401", "429", "500", "context", "quota"]) {
        yield* t.fails(step, thread.run("Say hello."))
      }
    }))),

  scenario("stream-of-a-failure", "The events of a turn that fails", {
    answers: () => [httpFailure(400, "invalid_request_error", "Bad request")]
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      yield* t.stream("stream", yield* (yield* startThread).turn("Say hello."))
    }))),

  scenario(
    "dead-process",
    "Codex dies during a call",
    { faults: { dieAt: "turn/start" } },
    (t) =>
      t.fails(
        "end",
        t.codex()(Effect.gen(function*() {
          const codex = yield* Codex.Codex
          const thread = yield* startThread
          yield* t.fails("run", thread.run("Say hello."))
          yield* t.fails("later", codex.models())
        }))
      )
  ),

  scenario("late-interrupt", "Interrupt and steer a turn that is over", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const turn = yield* (yield* startThread).turn("Say hello.")
      t.turn("run", yield* turn.result)
      yield* t.fails("interrupt", turn.interrupt)
      yield* t.fails("steer", turn.steer("More."))
    }))),

  scenario(
    "silent-server",
    "A request that nobody answers",
    { faults: { swallow: "model/list" } },
    (t) =>
      t.codex()(Effect.gen(function*() {
        yield* t.fails("models", (yield* Codex.Codex).models())
      })).pipe(Effect.provideService(AppServerRpc.DefaultRequestTimeout, Duration.seconds(1)))
  ),

  scenario("closed-client", "A call after the end of the client", {}, (t) =>
    Effect.gen(function*() {
      const thread = yield* t.codex()(startThread)
      yield* t.fails("name", thread.setName("Greetings"))
    })),

  scenario("bad-line", "A line that is no message", {
    faults: { add: [{ afterReplyTo: "thread/start", line: "panic! this is not JSON" }] }
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      const thread = yield* startThread
      yield* t.fails("run", Effect.asVoid(thread.run("Say hello.")))
    }))),

  scenario("unknown-notification", "A notification of a newer codex", {
    faults: {
      add: [{
        afterReplyTo: "turn/start",
        line: JSON.stringify({ method: "turn/newer", params: { threadId: "THREAD", turnId: "TURN", news: 1 } })
      }]
    }
  }, (t) =>
    t.codex()(Effect.gen(function*() {
      yield* t.stream("stream", yield* (yield* startThread).turn("Say hello."))
    }))),

  scenario("invalid-arguments", "Arguments of the wrong type", {}, (t) =>
    t.codex()(Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* startThread
      yield* t.fails("sandbox", codex.startThread({ sandbox: untyped("workspace-write") }))
      yield* t.fails("approval mode", codex.startThread({ approvalMode: untyped("never") }))
      yield* t.fails("input", thread.run(untyped(3)))
      yield* t.fails("list of strings", Effect.asVoid(thread.run(["Say hello."])))
      yield* t.fails("image", Effect.asVoid(thread.run(Input.localImage(`${t.workspace}/missing.png`))))
      yield* t.fails("image URL", thread.run(Input.image("https://example.com/a.png")))
    }))),

  scenario("cleanup", "Nothing is left of the process", {}, (t) => t.codex()(Effect.asVoid(startThread)))
]
