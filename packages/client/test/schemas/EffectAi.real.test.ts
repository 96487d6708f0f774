/** A toolkit of `effect/ai` as the tools of a thread, on the real codex with a scripted model. */
import { Codex } from "@effect-codex/client"
import * as EffectAi from "@effect-codex/client/EffectAi"
import { ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Option, Schema } from "effect"
import { Tool, Toolkit } from "effect/ai"

const Add = Tool.make("Add", {
  description: "Adds.",
  parameters: Schema.Struct({ a: Schema.FiniteFromString, b: Schema.FiniteFromString }),
  success: Schema.Finite,
  failure: Schema.String
})

const call = (name: string, args: ScriptedModel.JsonObject = {}) => ScriptedModel.functionCall(name, args)

/** Runs a turn in which the model calls the tools of a toolkit, and gives what it was told. */
const told = Effect.fnUntraced(function*<Tools extends Record<string, Tool.Any>, E, R>(
  toolkit: Toolkit.WithHandler<Tools> | Effect.Effect<Toolkit.WithHandler<Tools>, E, R>,
  calls: ReadonlyArray<ScriptedModel.Answer>,
  options?: EffectAi.ToolkitOptions
) {
  const codex = yield* Codex.Codex
  const model = yield* ScriptedModel.ScriptedModel
  yield* model.enqueue(...calls, "done")
  const thread = yield* codex.startThread({ tools: yield* EffectAi.fromToolkit(toolkit, options) })
  const result = yield* thread.run("go")
  assert.deepStrictEqual(result.finalResponse, Option.some("done"))
  return (yield* model.requests).at(-1)!.toolOutputs.map(({ output }) => output)
})

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Codex.Codex | ScriptedModel.ScriptedModel>
) => it.live(name, () => test.pipe(Effect.provide(ScriptedCodex.layer())))

describe("a toolkit as the tools of a thread", () => {
  real(
    "answers with the encoded result of its handler, and says what failed",
    Effect.gen(function*() {
      const kit = Toolkit.make(Add)
      const outputs = yield* told(kit, [
        call("Add", { a: "1", b: "2" }),
        call("Add", { a: "1", b: "0" }),
        call("Add", { a: 1 })
      ]).pipe(
        Effect.provide(kit.toLayer({ Add: ({ a, b }) => b === 0 ? Effect.fail("no zeros") : Effect.succeed(a + b) }))
      )
      assert.deepStrictEqual(outputs.slice(0, 2), ["3", "The tool Add failed: no zeros"])
      assert.match(outputs[2]!, /^The tool Add failed: Toolkit.Add.handle: Invalid parameters .*Nothing was done/s)
    })
  )

  real(
    "tells nothing of where a handler died, which the log has",
    Effect.gen(function*() {
      const kit = Toolkit.make(Tool.make("Broken"))
      const logged: Array<string> = []
      const logger = Logger.make(({ cause, logLevel }) => {
        if (logLevel === "Warn") logged.push(String(cause))
      })
      const outputs = yield* told(kit, [call("Broken")]).pipe(
        Effect.provide(kit.toLayer({ Broken: () => Effect.die(new Error("at line 7")) })),
        Effect.provide(Logger.layer([logger]))
      )
      assert.deepStrictEqual(outputs, ["The tool Broken failed unexpectedly."])
      assert.isTrue(logged.some((text) => text.includes("at line 7")))
    })
  )

  // A model that was told of a failure would call the tool again.
  real(
    "says that a handler has run whose result has no JSON",
    Effect.gen(function*() {
      const kit = Toolkit.make(Tool.make("Count", { success: Schema.Unknown }))
      const failures: Array<string> = []
      const outputs = yield* told(kit, [call("Count")], {
        onFailure: ({ tool }) => Effect.sync(() => void failures.push(tool.name))
      }).pipe(Effect.provide(kit.toLayer({ Count: () => Effect.succeed({ count: 1n }) })))
      assert.deepStrictEqual(outputs, ["The tool Count has run, but its result could not be sent."])
      assert.deepStrictEqual(failures, ["Count"])
    })
  )

  real(
    "asks for the approvals that its tools need, and denies them without an answer",
    Effect.gen(function*() {
      const kit = Toolkit.make(Tool.make("Delete", { success: Schema.String, needsApproval: true }))
      const live = kit.toLayer({ Delete: () => Effect.succeed("deleted") })
      const denied = yield* told(kit, [call("Delete")]).pipe(Effect.provide(live))
      assert.deepStrictEqual(denied, [`{"type":"execution-denied","reason":"nobody is there to approve it"}`])
      const asked: Array<string> = []
      const approved = yield* told(kit, [call("Delete")], {
        approve: ({ tool }) => Effect.sync(() => (asked.push(tool.name), true))
      }).pipe(Effect.provide(live))
      assert.deepStrictEqual([approved, asked], [["deleted"], ["Delete"]])
    })
  )

  real(
    "fails with InvalidArgument for a tool that the server would refuse",
    Effect.gen(function*() {
      const kit = Toolkit.make(Tool.make("no spaces"))
      const error = yield* EffectAi.fromToolkit(kit).pipe(
        Effect.provide(kit.toLayer({ "no spaces": () => Effect.void })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "InvalidArgument")
    })
  )
})
