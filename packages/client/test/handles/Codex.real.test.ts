/** What the client promises, on the real codex binary with a scripted model. */
import {
  ApprovalMode,
  AppServer,
  AppServerRpc,
  Codex,
  CodexError,
  Sandbox,
  ServerRequests,
  type Thread,
  type Turn
} from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"

const services = Effect.gen(function*() {
  return {
    codex: yield* Codex.Codex,
    model: yield* ScriptedModel.ScriptedModel,
    rpc: yield* AppServerRpc.AppServerRpc,
    server: yield* AppServer.AppServer
  }
})

type Services = Effect.Success<typeof services>

/** A test on a codex of its own. It ends before its home is removed. */
const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope | ScriptedModel.ScriptedModel>,
  layer: ReturnType<typeof ScriptedCodex.layer> = ScriptedCodex.layer()
) => it.live(name, () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(layer)))

const byPrompt = (answer: (prompt: string) => ScriptedModel.Answer) =>
  ScriptedCodex.layer({ model: { answer: (request) => answer(request.prompt) } })

describe("run", () => {
  real("gives the final answer, the items, the usage and the times", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(
        ScriptedModel.reply([ScriptedModel.text(["Hel", "lo."])], { usage: { input: 11, output: 7 } })
      )
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
      const result = yield* thread.run("Say hello.")
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.finalResponse, Option.some("Hello."))
      assert.deepStrictEqual(result.items.map((item) => item.type), ["userMessage", "agentMessage"])
      assert.strictEqual(Option.getOrThrow(result.usage).turn.totalTokens, 18)
      assert.isTrue(Option.isSome(result.duration) && Option.isSome(result.startedAt))
      assert.strictEqual(codex.serverInfo.version, codexVersion)
    }))

  real(
    "adds up the usage of a turn with two calls of the model, apart from the thread's",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.workspaceWrite })
        yield* model.enqueue(ScriptedModel.reply(["before"], { usage: { input: 100, output: 1 } }))
        yield* thread.run("first")
        yield* model.enqueue(
          ScriptedModel.reply([ScriptedModel.exec("echo from the sandbox")], { usage: { input: 10, output: 1 } }),
          ScriptedModel.reply(["after"], { usage: { input: 20, output: 2 } })
        )
        const result = yield* thread.run("second")
        const command = result.items.find((item) => item.type === "commandExecution")
        assert.include(command?.aggregatedOutput ?? "", "from the sandbox")
        const usage = Option.getOrThrow(result.usage)
        assert.strictEqual(usage.turn.totalTokens, 33)
        assert.strictEqual(usage.last.totalTokens, 22)
        assert.strictEqual(usage.total.totalTokens, 134)
      })
  )

  real(
    "does not count what an earlier turn used for one whose stream broke",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* model.enqueue(ScriptedModel.reply(["before"], { usage: { input: 100, output: 1 } }))
        yield* thread.run("first")
        yield* model.enqueue(ScriptedModel.truncated("end"))
        const error = yield* Effect.flip(thread.run("second"))
        assert(error._tag === "TurnFailed")
        assert.deepStrictEqual(error.result.usage, Option.none())
      })
  )

  real(
    "is TurnFailed with the server's info when the model fails, and the thread is usable again",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(ScriptedModel.httpFailure(401, "bad key"), "fine")
        const thread = yield* codex.startThread()
        const error = yield* Effect.flip(thread.run("go"))
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.deepStrictEqual(error.info, { httpConnectionFailed: { httpStatusCode: 401 } })
        assert.include(error.message, "401")
        assert.strictEqual(error.result.status, "failed")
        assert.deepStrictEqual((yield* thread.run("again")).finalResponse, Option.some("fine"))
      })
  )

  real("declines an approval that nobody handles, and the turn goes on", ({ codex, model }) =>
    Effect.gen(function*() {
      yield* model.enqueue(
        ScriptedModel.exec("touch outside", {
          args: { sandbox_permissions: "require_escalated", justification: "because" }
        }),
        "so be it"
      )
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask })
      const result = yield* thread.run("go")
      assert.deepStrictEqual(result.finalResponse, Option.some("so be it"))
      assert.deepInclude(result.items.find((item) => item.type === "commandExecution"), { status: "declined" })
    }))

  real(
    "runs 32 turns at once on one client, each with its own answer",
    ({ codex }) =>
      Effect.gen(function*() {
        const answers = yield* Effect.forEach(
          Array.from({ length: 32 }, (_, n) => n),
          (n) =>
            Effect.gen(function*() {
              const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
              return Option.getOrThrow((yield* thread.run(`number ${n}`)).finalResponse)
            }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(answers, Array.from({ length: 32 }, (_, n) => `you said: number ${n}`))
      }),
    byPrompt((prompt) => `you said: ${prompt}`)
  )
})

describe("events", () => {
  real(
    "stream the deltas as they are written, for any number of readers",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["one ", "two ", gate, "three"]))
        const thread = yield* codex.startThread()
        const turn = yield* thread.turn("count")
        const before = yield* turn.text.pipe(Stream.take(2), Stream.runCollect)
        assert.deepStrictEqual(before, ["one ", "two "])
        yield* gate.release
        assert.strictEqual((yield* Stream.runCollect(turn.text)).join(""), "one two three")
        const events = yield* Stream.runCollect(turn.events)
        assert.strictEqual(events[0]?._tag, "turn/started")
        assert.strictEqual(events.at(-1)?._tag, "turn/completed")
        assert.deepStrictEqual(events.filter((event) => event._tag === "Undecodable" || event._tag === "Unknown"), [])
      })
  )

  real(
    "of two turns at once stay apart",
    ({ codex }) =>
      Effect.gen(function*() {
        const texts = yield* Effect.forEach(["left", "right"], (side) =>
          Effect.gen(function*() {
            const thread = yield* codex.startThread()
            const turn = yield* thread.turn(side)
            const events = yield* Stream.runCollect(turn.events)
            for (const event of events) {
              if (event._tag === "item/agentMessage/delta") assert.strictEqual(event.params.turnId, turn.id)
            }
            return (yield* Stream.runCollect(turn.text)).join("")
          }), { concurrency: 2 })
        assert.deepStrictEqual(texts, ["left ".repeat(50), "right ".repeat(50)])
      }),
    byPrompt((prompt) => ScriptedModel.text(Array.from({ length: 50 }, () => `${prompt} `)))
  )

  real("of the real server all fit the schemas", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const odd = yield* rpc.notifications.pipe(
        Stream.takeUntil((event) => event._tag === "turn/completed"),
        Stream.filter((event) => event._tag === "Unknown" || event._tag === "Undecodable"),
        Stream.runCollect,
        Effect.forkScoped
      )
      yield* model.enqueue([ScriptedModel.reasoning("thinking"), ScriptedModel.exec("ls")], "done")
      const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
      yield* thread.run("look")
      assert.deepStrictEqual(yield* Fiber.join(odd), [])
    }))
})

describe("interruption", () => {
  // The model begins to answer "go" and never ends; it answers everything else at once.
  const layer = byPrompt((prompt) =>
    prompt === "go" ? ScriptedModel.text(["working ", ScriptedModel.delay("1 hour")]) : "free"
  )

  const isFree = Effect.fnUntraced(function*(thread: Thread.Thread) {
    assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("free"))
  })

  const wasAbandoned = Effect.fnUntraced(function*({ model }: Services) {
    const [request] = yield* model.received(1)
    assert.strictEqual(yield* request!.outcome, "abandoned")
  })

  const writing = (turn: Turn.Turn) => turn.text.pipe(Stream.take(1), Stream.runDrain)

  real("of run abandons the model's request and frees the thread", (all) =>
    Effect.gen(function*() {
      const thread = yield* all.codex.startThread()
      const running = yield* Effect.forkScoped(thread.run("go"))
      yield* all.model.received(1)
      yield* Fiber.interrupt(running)
      yield* wasAbandoned(all)
      yield* isFree(thread)
    }), layer)

  real("by Effect.timeout does the same", (all) =>
    Effect.gen(function*() {
      const thread = yield* all.codex.startThread()
      assert.deepStrictEqual(yield* Effect.timeoutOption(thread.run("go"), "1 second"), Option.none())
      yield* wasAbandoned(all)
      yield* isFree(thread)
    }), layer)

  real("by closing the scope of a turn does the same", (all) =>
    Effect.gen(function*() {
      const thread = yield* all.codex.startThread()
      yield* Effect.scoped(Effect.flatMap(thread.turn("go"), writing))
      yield* wasAbandoned(all)
      yield* isFree(thread)
    }), layer)

  real("right after the start, before the server has begun the turn, ends it too", (all) =>
    Effect.gen(function*() {
      const thread = yield* all.codex.startThread()
      for (let round = 0; round < 10; round++) {
        const turn = yield* thread.turn("go")
        yield* turn.interrupt
        assert.strictEqual((yield* turn.result).status, "interrupted")
      }
      yield* isFree(thread)
    }), layer)

  real("of a fiber at any moment of a start leaves the thread free", (all) =>
    Effect.gen(function*() {
      const thread = yield* all.codex.startThread()
      for (let yields = 0; yields < 20; yields++) {
        const running = yield* Effect.forkScoped(thread.run("go"))
        for (let i = 0; i < yields; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(running)
      }
      yield* isFree(thread)
    }), layer)

  real(
    "by the handle gives a result with the status interrupted and what was done, and is idempotent",
    (all) =>
      Effect.gen(function*() {
        const thread = yield* all.codex.startThread()
        const turn = yield* thread.turn("go")
        yield* writing(turn)
        yield* turn.interrupt
        const result = yield* turn.result
        assert.strictEqual(result.status, "interrupted")
        assert.deepStrictEqual(result.items.map((item) => item.type), ["userMessage"])
        yield* turn.interrupt
        yield* isFree(thread)
      }),
    layer
  )
})

describe("steering", () => {
  real("reaches the model in the same turn", ({ codex, model }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["first ", gate]), "steered answer")
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      yield* gate.reached
      yield* turn.steer("turn left")
      const result = yield* turn.result
      assert.deepStrictEqual(result.finalResponse, Option.some("steered answer"))
      const requests = yield* model.requests
      assert.include(requests.at(-1)?.userTexts ?? [], "turn left")
      assert.strictEqual((yield* Effect.flip(turn.steer("too late")))._tag, "NoActiveTurn")
    }))
})

describe("the end of the server", () => {
  real(
    "by SIGKILL ends the turn, its events and every later call with the one cause",
    ({ codex, model, server }) =>
      Effect.gen(function*() {
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["working ", gate]))
        const thread = yield* codex.startThread()
        const turn = yield* thread.turn("go")
        const reading = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(turn.events)))
        yield* gate.reached
        process.kill(server.pid, "SIGKILL")
        const error = yield* Effect.flip(turn.result)
        assert.instanceOf(error, CodexError.AppServerExited)
        assert.strictEqual(error.signal, "SIGKILL")
        assert.strictEqual(yield* Fiber.join(reading), error)
        assert.strictEqual(yield* Effect.flip(thread.run("more")), error)
        assert.strictEqual(yield* Effect.flip(codex.startThread()), error)
      })
  )

  it.live("with the scope leaves no process, also in the middle of a turn", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(ScriptedCodex.layer(), scope)
      const { pid } = yield* Effect.gen(function*() {
        const { codex, model, server } = yield* services
        const gate = yield* ScriptedModel.gate
        yield* model.enqueue(ScriptedModel.text(["working ", gate]))
        const thread = yield* codex.startThread()
        yield* Scope.provide(thread.turn("go"), scope)
        yield* gate.reached
        return server
      }).pipe(Effect.provide(context))
      yield* Scope.close(scope, Exit.void)
      assert.throws(() => process.kill(pid, 0), /ESRCH/)
    }))
})

describe("threads", () => {
  const unknown = "01a204a6-7a20-7f20-96b9-d324ba3d05aa"

  real("are resumed with what was said before", (all) =>
    Effect.gen(function*() {
      yield* all.model.enqueue("first", "second")
      const thread = yield* all.codex.startThread()
      yield* thread.run("one")
      const again = yield* all.codex.resumeThread(thread.id)
      assert.strictEqual(again.id, thread.id)
      yield* again.run("two")
      assert.includeMembers((yield* all.model.requests).at(-1)?.userTexts.slice() ?? [], ["one", "two"])
    }))

  real("that are not there are typed errors", ({ codex, rpc }) =>
    Effect.gen(function*() {
      const tag = (effect: Effect.Effect<unknown, { readonly _tag: string }>) => Effect.map(Effect.flip(effect), kindOf)
      const input = [{ type: "text" as const, text: "go", text_elements: [] }]
      assert.strictEqual(yield* tag(codex.resumeThread(unknown)), "ThreadNotPersisted")
      assert.strictEqual(yield* tag(rpc.request("turn/start", { threadId: unknown, input })), "ThreadNotFound")
      assert.strictEqual(
        yield* tag(rpc.request("turn/interrupt", { threadId: unknown, turnId: "t" })),
        "ThreadNotFound"
      )
      assert.strictEqual(
        yield* tag(rpc.request("thread/read", { threadId: unknown, includeTurns: false })),
        "ThreadNotFound"
      )
      assert.strictEqual(yield* tag(codex.resumeThread("nope")), "RpcError: invalidRequest")
      const thread = yield* codex.startThread()
      assert.strictEqual(yield* tag(thread.run("x".repeat(1_048_577))), "InputTooLarge")
      assert.strictEqual(
        yield* tag(rpc.request("turn/steer", { threadId: thread.id, expectedTurnId: "t", input })),
        "NoActiveTurn"
      )
    }))

  real(
    "with the experimental protocol switched off say that it is needed",
    ({ rpc }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          rpc.request("process/spawn", { processHandle: "p", command: ["true"], cwd: "/" })
        )
        assert.strictEqual(error._tag, "ExperimentalRequired")
      }),
    ScriptedCodex.layer({ codex: { experimentalApi: false } })
  )
})

describe("requests of the server", () => {
  const handlers: ServerRequests.Overrides = {
    "item/commandExecution/requestApproval": () => Effect.succeed({ decision: "accept" })
  }

  real(
    "are answered by the handlers that were provided to the layer",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(
          ScriptedModel.exec("echo approved", {
            args: { sandbox_permissions: "require_escalated", justification: "because" }
          }),
          "done"
        )
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask })
        const result = yield* thread.run("go")
        const command = result.items.find((item) => item.type === "commandExecution")
        assert.include(command?.aggregatedOutput ?? "", "approved")
      }),
    ScriptedCodex.layer().pipe(Layer.provide(ServerRequests.layer(handlers)))
  )

  real(
    "for a tool that was offered by hand are calls with its arguments, and the answer reaches the model",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        yield* model.enqueue(ScriptedModel.functionCall("lookup", { id: "A" }), "done")
        const { thread: { id: threadId } } = yield* rpc.request("thread/start", {
          dynamicTools: [{
            type: "function",
            name: "lookup",
            description: "Looks an id up.",
            inputSchema: { type: "object", properties: { id: { type: "string" } }, required: ["id"] }
          }]
        })
        yield* rpc.request("thread/name/set", { threadId, name: "stored, so that it can be resumed" })
        const thread = yield* codex.resumeThread(threadId)
        const result = yield* thread.run("go")
        assert.deepInclude(result.items.find((item) => item.type === "dynamicToolCall"), { success: true })
        const requests = yield* model.requests
        assert.include(requests.at(-1)?.toolOutputs[0]?.output ?? "", "lookup of {\"id\":\"A\"}")
      }),
    ScriptedCodex.layer().pipe(Layer.provide(ServerRequests.layer({
      "item/tool/call": ({ params }) =>
        Effect.succeed({
          success: true,
          contentItems: [{
            type: "inputText" as const,
            text: `${params.tool} of ${JSON.stringify(params.arguments)}`
          }]
        })
    })))
  )
})
