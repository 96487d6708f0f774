/** Facts of the codex server that the client relies on and no other test shows: see docs/codex-behaviour.md. */
import { AppServerRpc, Codex, Sandbox } from "@effect-codex/client"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"

const services = Effect.all({
  codex: Codex.Codex,
  model: ScriptedModel.ScriptedModel,
  rpc: AppServerRpc.AppServerRpc
})

interface Services extends Effect.Success<typeof services> {}

/** A test on a codex of its own. */
const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  options: ScriptedCodex.Options = {}
) =>
  it.live(
    name,
    () => Effect.flatMap(services, test).pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer(options))),
    60_000
  )

describe("a turn", () => {
  real("is interrupted by a request that names no turn", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* model.enqueue(ScriptedModel.text(["working ", gate]))
      const thread = yield* codex.startThread()
      const turn = yield* thread.turn("go")
      yield* gate.reached
      yield* rpc.request("turn/interrupt", { threadId: thread.id, turnId: "" })
      assert.strictEqual((yield* turn.result).status, "interrupted")
    }))
})

describe("a goal", () => {
  real(
    "of a thread that is not loaded is stored, and no turn begins",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        yield* model.enqueue("stored")
        const thread = yield* codex.startThread()
        yield* thread.run("go")
        yield* thread.archive
        yield* codex.unarchiveThread(thread.id)
        const { goal } = yield* rpc.request("thread/goal/set", {
          threadId: thread.id,
          objective: "Go on.",
          status: "active"
        })
        assert.strictEqual(goal.status, "active")
        assert.strictEqual(Option.getOrThrow(yield* thread.goal).objective, "Go on.")
        assert.deepStrictEqual((yield* rpc.request("thread/loaded/list", {})).data, [])
        assert.lengthOf(yield* model.requests, 1)
      })
  )
})

describe("a folder that does not exist", () => {
  real(
    "is taken for a thread, and each of its commands fails",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(ScriptedModel.exec("true"), "done")
        const thread = yield* codex.startThread({ cwd: "/nowhere/at/all", sandbox: Sandbox.fullAccess })
        const result = yield* thread.run("go")
        assert.strictEqual(result.status, "completed")
        const command = result.items.find((item) => item.type === "commandExecution")
        assert.notStrictEqual(command?.status, "completed")
        const [told] = (yield* model.requests).at(-1)!.toolOutputs
        assert.include(told?.output ?? "", "No such file or directory")
      }),
    { codex: { checkFiles: false } }
  )
})

describe("a question of the agent", () => {
  real("is answered with whatever the client sends", ({ codex, model }) =>
    Effect.gen(function*() {
      const answers = { z: { answers: ["Green"] } }
      yield* model.enqueue(
        ScriptedModel.functionCall("request_user_input", {
          questions: [{
            id: "a",
            header: "Colour",
            question: "Which colour?",
            options: [{ label: "Red", description: "warm" }, { label: "Blue", description: "cold" }]
          }]
        }),
        "done"
      )
      const thread = yield* codex.startThread({
        config: { features: { default_mode_request_user_input: true } },
        handlers: { "item/tool/requestUserInput": () => Effect.succeed({ answers }) }
      })
      yield* thread.run("go")
      const [told] = (yield* model.requests).at(-1)!.toolOutputs
      assert.deepStrictEqual<unknown>(JSON.parse(told?.output ?? ""), { answers })
    }))
})

describe("the input of a tool of the client", () => {
  real(
    "reaches the model without bounds, lengths, patterns and formats, and with tuples as lists of texts",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const inputSchema = {
          type: "object",
          properties: {
            bounded: { type: "integer", minimum: 1, maximum: 9, description: "few" },
            shaped: { type: "string", minLength: 2, pattern: "^a", format: "date" },
            one: { enum: ["a", "b"] },
            either: { anyOf: [{ type: "string" }, { type: "number" }] },
            pair: { type: "array", prefixItems: [{ type: "number" }, { type: "boolean" }] }
          },
          required: ["bounded"]
        }
        const { thread: { id: threadId } } = yield* rpc.request("thread/start", {
          dynamicTools: [{ type: "function", name: "shapes", description: "d", inputSchema }]
        })
        // It stores the thread, so that it can be resumed.
        yield* rpc.request("thread/name/set", { threadId, name: "stored" })
        yield* model.enqueue("done")
        yield* (yield* codex.resumeThread(threadId)).run("go")
        const tool = (yield* model.requests).at(-1)!.tools.find(({ name }) => name === "shapes")
        assert.deepStrictEqual(tool?.["parameters"], {
          type: "object",
          properties: {
            bounded: { type: "integer", description: "few" },
            shaped: { type: "string" },
            one: { type: "string", enum: ["a", "b"] },
            either: { anyOf: [{ type: "string" }, { type: "number" }] },
            pair: { type: "array", items: { type: "string" } }
          },
          required: ["bounded"]
        })
      })
  )
})
