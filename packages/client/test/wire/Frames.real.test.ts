/** What leaves, on the real codex: it reads all of it, what it does not read is told, and no turn waits for it for ever. */
import { ApprovalMode, Approvals, AppServerRpc, Codex, DynamicTools, Sandbox, type Thread } from "@effect-codex/client"
import * as Processes from "@effect-codex/test-support/processes"
import { Faults, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Option, Schema, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { faulty } from "../support/faultyCodex.ts"

type Services = Codex.Codex | AppServerRpc.AppServerRpc | ScriptedModel.ScriptedModel

/** A test on a codex of its own. It ends before its home is removed. */
const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  layer: Layer.Layer<Services, unknown> = ScriptedCodex.layer()
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(layer)))

/** An emoji that was cut in the middle. */
const half = "a\u{1F600}".slice(0, 2)
const whole = "a\uFFFD"

const services = Effect.all({
  codex: Codex.Codex,
  model: ScriptedModel.ScriptedModel,
  rpc: AppServerRpc.AppServerRpc
})

/** What is odd, beside the configuration. */
const problems = (rpc: AppServerRpc.AppServerRpc["Service"]) =>
  Stream.filter(rpc.diagnosticEvents, ({ _tag }) => _tag !== "ServerWarning")

const tool = <E>(name: string, handler: () => Effect.Effect<string, E>) =>
  DynamicTools.tool(name, { description: "d", input: Schema.Struct({}), handler })

describe("a text that was cut in the middle of a character", () => {
  real(
    "reaches codex and the model with U+FFFD in every place that takes one",
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      const tools = yield* DynamicTools.make(
        tool("tell", () => Effect.succeed(half)),
        tool("fail", () => Effect.fail(new Error(half)))
      )
      yield* model.enqueue(ScriptedModel.functionCall("tell", {}), ScriptedModel.functionCall("fail", {}), "done")
      const thread = yield* codex.startThread({ tools, developerInstructions: half, config: { [half]: half } })
      const result = yield* thread.run(half)
      assert.deepStrictEqual(result.finalResponse, Option.some("done"))
      const last = (yield* model.requests).at(-1)!
      assert.strictEqual(last.prompt, whole)
      assert.deepStrictEqual(last.toolOutputs.map(({ output }) => output), [whole, `The tool fail failed: ${whole}`])
      yield* thread.setName(half)
      assert.strictEqual((yield* thread.read()).name, whole)
      assert.deepStrictEqual(yield* rpc.diagnostics, {
        dropped: 0,
        garbage: 0,
        unmatchedReplies: 0,
        unknown: 0,
        undecodable: 0
      })
    })
  )
})

describe("nesting", () => {
  const nested = (levels: number): Schema.Json => levels === 0 ? 1 : [nested(levels - 1)]

  real(
    "is sent as deep as codex reads it, and refused where it is deeper",
    Effect.gen(function*() {
      const { codex, rpc } = yield* services
      yield* codex.startThread({ ephemeral: true, config: { x: nested(124) } })
      const error = yield* Effect.flip(codex.startThread({ ephemeral: true, config: { x: nested(125) } }))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(
        error.message,
        "`config.x.0.0.0.0…` is nested more than 127 levels deep, which codex does not read."
      )
      assert.strictEqual((yield* rpc.diagnostics).dropped, 0)
    })
  )
})

describe("a frame that codex drops", () => {
  real(
    "is told with the reason that codex has written to its log",
    Effect.gen(function*() {
      const { rpc } = yield* services
      const told = yield* Effect.forkScoped(Stream.runHead(problems(rpc)), { startImmediately: true })
      yield* Effect.forkScoped(rpc.request("thread/loaded/list", {}))
      const diagnostic = Option.getOrUndefined(yield* Fiber.join(told))
      assert.deepInclude(diagnostic, { _tag: "FrameDropped" })
      assert.match(diagnostic?.message ?? "", /^codex app-server dropped a message of this client that .*hex escape/)
      assert.strictEqual((yield* rpc.diagnostics).dropped, 1)
    }),
    faulty([
      Faults.corrupt(({ from, method }) => from === "client" && method === "thread/loaded/list", {
        corrupt: (text) => text.replace("{}", `{"cursor":"\\ud83d"}`)
      })
    ])
  )

  const log: Array<string> = []
  real(
    "does not leave a turn open when it was the answer to what codex asked",
    Effect.gen(function*() {
      const { codex, model } = yield* services
      yield* model.enqueue(ScriptedModel.functionCall("tell", {}), "done")
      const tools = yield* DynamicTools.make(tool("tell", () => Effect.succeed("said")))
      const thread = yield* codex.startThread({ tools })
      const result = yield* thread.run("go")
      assert.deepStrictEqual(result.finalResponse, Option.some("done"))
      assert.deepStrictEqual((yield* model.requests).at(-1)?.toolOutputs.map(({ output }) => output), [
        "dynamic tool request failed"
      ])
      assert.include(
        log.join("\n"),
        "codex did not read the answer to its request item/tool/call within 10 seconds (unexpected end of hex escape"
      )
    }),
    faulty([
      Faults.corrupt(({ from, text }) => from === "client" && text.includes(`"said"`), {
        corrupt: (text) => text.replace("said", "\\ud83d")
      })
    ]).pipe(Layer.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])))
  )
})

describe("an answer whose reading codex does not show", () => {
  const told: Array<string> = []
  it.effect("because its handler has unsubscribed the thread, is taken for read", () =>
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      yield* model.enqueue(ScriptedModel.exec("touch probe.txt"), "done")
      const idle = rpc.notifications.pipe(
        Stream.filter(({ _tag, params }) =>
          _tag === "thread/status/changed" && JSON.stringify(params).includes(`{"type":"idle"}`)
        ),
        Stream.runHead
      )
      const ended = yield* Effect.forkScoped(idle, { startImmediately: true })
      const started = yield* Deferred.make<Thread.Thread>()
      const handlers = yield* Approvals.make({
        command: () =>
          Deferred.await(started).pipe(
            Effect.flatMap(({ unsubscribe }) => unsubscribe),
            Effect.as("accept" as const)
          )
      })
      const thread = yield* codex.startThread({
        approvalMode: ApprovalMode.untrusted,
        sandbox: Sandbox.workspaceWrite,
        handlers
      })
      yield* Deferred.succeed(started, thread)
      yield* thread.turn("go")
      yield* Fiber.join(ended)
      yield* TestClock.adjust("1 minute")
      yield* thread.read()
      assert.deepStrictEqual((yield* model.requests).length, 2)
      assert.deepStrictEqual(told.filter((line) => line.includes("has not read")), [])
    }).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer()),
      Effect.provide(Logger.layer([Logger.make(({ message }) => void told.push(String(message)))]))
    ))
})

describe("an answer of a shape that codex does not take", () => {
  real(
    "is told, and the turn goes on",
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      yield* model.enqueue(ScriptedModel.functionCall("tell", {}), "done")
      const told = yield* Effect.forkScoped(Stream.runHead(problems(rpc)), { startImmediately: true })
      const tools = yield* DynamicTools.make(tool("tell", () => Effect.succeed("said")))
      const thread = yield* codex.startThread({ tools })
      yield* thread.run("go")
      assert.strictEqual(
        Option.getOrUndefined(yield* Fiber.join(told))?.message,
        "codex app-server did not accept an answer of this client: DynamicToolCallResponse: missing field `success`"
      )
    }),
    faulty([
      Faults.corrupt(({ from, text }) => from === "client" && text.includes(`"said"`), {
        corrupt: (text) => text.replace(`"success":true,`, "")
      })
    ])
  )
})

describe("a request that is interrupted", () => {
  real(
    "ends the command of command/exec, and the process of process/spawn",
    Effect.gen(function*() {
      const { rpc } = yield* services
      const mark = Processes.newMark()
      yield* Effect.addFinalizer(() => Effect.sync(() => Processes.killMarked(mark)))
      const running = Processes.until(
        "the command runs",
        () => Processes.marked(mark).length > 0,
        () => Processes.marked(mark)
      )
      const request = rpc.request("command/exec", {
        command: ["sleep", mark],
        sandboxPolicy: { type: "dangerFullAccess" }
      })
      for (const processId of [undefined, "mine"]) {
        const fiber = yield* Effect.forkChild(
          processId === undefined ? request : rpc.request("command/exec", {
            command: ["sleep", mark],
            processId,
            sandboxPolicy: { type: "dangerFullAccess" }
          })
        )
        yield* running
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(Processes.marked(mark), [])
      }
      // It leaves with the request, so codex may not know the command yet.
      const early = yield* Effect.forkChild(request, { startImmediately: true })
      yield* Fiber.interrupt(early)
      assert.deepStrictEqual(Processes.marked(mark), [])
      assert.deepInclude(yield* Effect.flip(Effect.timeout(request, "500 millis")), { _tag: "TimeoutError" })
      assert.deepStrictEqual(Processes.marked(mark), [])
      const spawned = yield* Effect.forkChild(
        rpc.request("process/spawn", { processHandle: "p", command: ["sleep", mark], cwd: "/" }),
        { startImmediately: true }
      )
      const exited = yield* Effect.forkScoped(
        Stream.runHead(Stream.filter(rpc.notifications, ({ _tag }) => _tag === "process/exited")),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(spawned)
      yield* Fiber.join(exited)
      assert.deepStrictEqual(Processes.marked(mark), [])
    })
  )

  real(
    "is one whose own time is over, too",
    Effect.gen(function*() {
      const { rpc } = yield* services
      const mark = Processes.newMark()
      yield* Effect.addFinalizer(() => Effect.sync(() => Processes.killMarked(mark)))
      const error = yield* Effect.flip(rpc.request("command/exec", {
        command: ["sleep", mark],
        sandboxPolicy: { type: "dangerFullAccess" }
      }, { timeout: "300 millis" }))
      assert.strictEqual(error._tag, "AppServerTimeout")
      yield* Processes.until(
        "the command has ended",
        () => Processes.marked(mark).length === 0,
        () => Processes.marked(mark)
      )
    })
  )

  real(
    "ends the question of thread/sample to the model",
    Effect.gen(function*() {
      const { codex, model, rpc } = yield* services
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue("one", [ScriptedModel.text(["two"]), gate])
      const thread = yield* codex.startThread()
      const turn = yield* thread.run("go")
      const sample = yield* Effect.forkChild(
        rpc.request("thread/sample", { threadId: thread.id, expectedTurnId: turn.id, prompt: "why" })
      )
      yield* gate.reached
      yield* Fiber.interrupt(sample)
      assert.strictEqual((yield* rpc.diagnostics).unmatchedReplies, 0)
    })
  )
})

describe("capabilities", () => {
  real(
    "keep away what the program does not want to hear, and turns end as before",
    Effect.gen(function*() {
      const { codex, model } = yield* services
      yield* model.enqueue("Hello.")
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      const events = yield* Stream.runCollect(turn.events)
      const methods = events.map(({ _tag }) => _tag)
      assert.notInclude(methods, "item/agentMessage/delta")
      assert.include(methods, "item/completed")
      assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("Hello."))
    }),
    ScriptedCodex.layer({
      codex: { capabilities: { optOutNotificationMethods: ["item/agentMessage/delta", "thread/started"] } }
    })
  )

  it.live("cannot keep away what the client needs itself", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(ScriptedCodex.layer({
        codex: {
          capabilities: { optOutNotificationMethods: ["turn/completed", "fs/changed", "item/agentMessage/delta"] }
        }
      }))))
      assert.strictEqual(error._tag, "AppServerStartError")
      assert.include(error.message, "the client needs turn/completed, fs/changed itself. Leave it out of the list.")
    }))
})
