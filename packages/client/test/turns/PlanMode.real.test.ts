/** Plan mode on the real codex binary, with a scripted model. */
import {
  ApprovalMode,
  AppServerRpc,
  type Auth,
  Codex,
  CodexError,
  Questions,
  Sandbox,
  type Thread
} from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, Schema, type Scope, Stream } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"

type Services = AppServerRpc.AppServerRpc | Auth.Auth | Codex.Codex | ScriptedModel.ScriptedModel | CodexHome.CodexHome

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  options?: ScriptedCodex.Options
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer(options))))

const enqueue = (...answers: ReadonlyArray<ScriptedModel.ScriptedAnswer>) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...answers))

const newThread = (options?: Codex.StartThreadOptions) =>
  Effect.flatMap(Codex.Codex, (codex) => codex.startThread(options))

const proposed = (...lines: ReadonlyArray<string>) => `<proposed_plan>\n${lines.join("\n")}\n</proposed_plan>\n`

const plan = proposed("# Plan", "- look")

const textsOf = (item: ScriptedModel.JsonObject): ReadonlyArray<string> =>
  Array.isArray(item["content"])
    ? item["content"].flatMap((part) =>
      typeof part === "object" && part !== null && "text" in part && typeof part["text"] === "string"
        ? [part["text"]]
        : []
    )
    : []

/** What the model was told of modes, in order: their names. */
const modesIn = ({ input }: ScriptedModel.ModelRequest) =>
  input.flatMap(textsOf).flatMap((text) =>
    /^<collaboration_mode># (Plan Mode|Collaboration Mode: Default)/.exec(text)?.[1] ?? []
  )

const requests = Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.requests)

const lastRequest = Effect.map(requests, (all) => all.at(-1)!)

const planning = "Plan Mode"
const acting = "Collaboration Mode: Default"

/** The model and the effort that a request asked for. */
const thinking = ({ body, model }: ScriptedModel.ModelRequest) => {
  const { reasoning } = body
  return [
    model,
    typeof reasoning === "object" && reasoning !== null && "effort" in reasoning ? reasoning["effort"] : null
  ]
}

describe("a plan", () => {
  real(
    "is asked about, streamed, approved and implemented in a fresh thread",
    Effect.gen(function*() {
      const { workspace } = yield* CodexHome.CodexHome
      const asked: Array<Questions.Request> = []
      const handlers = yield* Questions.make((request) =>
        Effect.sync(() => {
          asked.push(request)
          return { colour: "Blue" }
        })
      )
      const thread = yield* newThread({
        sandbox: Sandbox.workspaceWrite,
        developerInstructions: "Be brief.",
        config: { model_reasoning_effort: "high" },
        handlers
      })
      yield* enqueue(
        ScriptedModel.functionCall("request_user_input", {
          questions: [{
            id: "colour",
            header: "Colour",
            question: "Which colour?",
            options: [{ label: "Red", description: "warm" }, { label: "Blue", description: "cold" }]
          }]
        }),
        ScriptedModel.text([
          "I propose:\n<propo",
          "sed_plan>\n# Blue\n",
          "- touch done.txt\n</proposed_plan>\n",
          "Shall we?"
        ])
      )
      const turn = yield* thread.turn("make it colourful", { mode: "plan" })
      const [streamed, said] = yield* Effect.all(
        [Stream.runCollect(turn.proposedPlan), Stream.mkString(turn.text)],
        { concurrency: 2 }
      )
      const result = yield* turn.result
      assert.deepStrictEqual(asked.map(({ isBlocking }) => isBlocking), [true])
      assert.isAbove(streamed.length, 1)
      assert.deepStrictEqual(result.plan, Option.some("# Blue\n- touch done.txt\n"))
      assert.strictEqual(streamed.join(""), Option.getOrThrow(result.plan))
      assert.strictEqual(said, "I propose:\nShall we?")

      yield* enqueue(ScriptedModel.exec("touch done.txt"), JSON.stringify({ done: true }))
      const implementation = yield* thread.implementPlan(Option.getOrThrow(result.plan), {
        fresh: true,
        output: Schema.Struct({ done: Schema.Boolean })
      })
      assert.notStrictEqual(implementation.thread.id, thread.id)
      assert.strictEqual(implementation.turn.threadId, implementation.thread.id)
      const { output, threadId } = yield* implementation.result
      assert.deepStrictEqual([output.done, threadId], [true, implementation.thread.id])
      assert.isTrue(existsSync(join(workspace, "done.txt")))
      const request = yield* lastRequest
      assert.strictEqual(request.prompt, "Implement the plan.")
      assert.deepStrictEqual(modesIn(request), [])
      assert.deepStrictEqual(thinking(request), ["scripted-model", "high"])
      assert.include(request.input.flatMap(textsOf), "Be brief.")
      const { input } = request
      assert.deepInclude(input.find(({ name }) => name === "proposed_plan"), { output: "# Blue\n- touch done.txt\n" })
      assert.isFalse(input.flatMap(textsOf).some((text) => text.includes("make it colourful")))
    })
  )

  real(
    "is the answer of a run with an output where the agent says nothing else",
    Effect.gen(function*() {
      const thread = yield* newThread()
      const output = Schema.Struct({ steps: Schema.Array(Schema.String) })
      yield* enqueue(proposed(`{"steps":["look"]}`))
      assert.deepStrictEqual((yield* thread.run("plan", { mode: "plan", output })).output, { steps: ["look"] })
      yield* enqueue(`{"steps":["say"]}`)
      assert.deepStrictEqual((yield* thread.run("plan", { mode: "plan", output })).output, { steps: ["say"] })
      yield* enqueue(plan, proposed(`{"steps":["again"]}`))
      const repaired = yield* thread.run("plan", { mode: "plan", output, repair: 1 })
      assert.deepStrictEqual(repaired.output, { steps: ["again"] })
      assert.deepStrictEqual((yield* lastRequest).outputSchema, (yield* requests)[0]!.outputSchema)
      assert.isTrue(Option.isSome((yield* lastRequest).outputSchema))
    })
  )

  const event = (type: string, members: object) => ScriptedModel.event(type, JSON.stringify({ type, ...members }))
  const broken = (delta: string) =>
    ScriptedModel.truncated("end", [
      event("response.output_item.added", {
        output_index: 0,
        item: { type: "message", id: "broken", role: "assistant", content: [] }
      }),
      event("response.output_text.delta", { item_id: "broken", output_index: 0, content_index: 0, delta })
    ])

  real(
    "that is written again, or is followed by another, is streamed so that it ends with the plan of the result",
    Effect.gen(function*() {
      const thread = yield* newThread()
      const streamed = Effect.fnUntraced(function*(...answers: ReadonlyArray<ScriptedModel.Answer>) {
        yield* enqueue(...answers)
        const turn = yield* thread.turn("plan", { mode: "plan" })
        const text = yield* Stream.mkString(turn.proposedPlan)
        return [text, Option.getOrThrow((yield* turn.result).plan)]
      })
      const whole = "# Plan\n- look\n"
      assert.deepStrictEqual(yield* streamed(broken("<proposed_plan>\n# Pl"), plan), [whole, whole])
      assert.deepStrictEqual(
        yield* streamed(broken("<proposed_plan>\n# Old\n"), plan),
        [`# Old\n\n\n${whole}`, whole]
      )
      // The model has sent the first one to its end.
      assert.deepStrictEqual(
        yield* streamed(ScriptedModel.truncated("end", [plan]), proposed("# Other")),
        [`${whole}\n\n# Other\n`, "# Other\n"]
      )
      assert.deepStrictEqual(
        yield* streamed(`${plan}More\n${proposed("# Second")}`),
        [`${whole}# Second\n\n\n# Second\n`, "# Second\n"]
      )
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["<proposed_plan>\n# Pl", gate]), plan)
      const turn = yield* thread.turn("plan", { mode: "plan" })
      yield* turn.proposedPlan.pipe(Stream.take(1), Stream.runDrain)
      yield* turn.steer("look twice")
      assert.strictEqual(yield* Stream.mkString(turn.proposedPlan), whole)
    }),
    { home: { streamMaxRetries: 1 } }
  )
})

describe("the mode of a turn", () => {
  real(
    "is of that turn alone, and keeps the model, the effort and the instructions of the thread",
    Effect.gen(function*() {
      const thread = yield* newThread({
        developerInstructions: "Be brief.",
        config: { model_reasoning_effort: "high" }
      })
      const told: Array<unknown> = []
      for (const mode of [undefined, "default", "plan", "plan", undefined, undefined, "plan", "default"] as const) {
        yield* enqueue(plan)
        yield* thread.run("go", { mode })
        const request = yield* lastRequest
        assert.strictEqual(request.input.flatMap(textsOf).filter((text) => text === "Be brief.").length, 1)
        assert.deepStrictEqual(thinking(request), ["scripted-model", "high"])
        told.push(modesIn(request).join())
      }
      const first = [planning, acting]
      assert.deepStrictEqual(told, [
        "",
        "",
        planning,
        planning,
        first.join(),
        first.join(),
        [...first, planning].join(),
        [...first, ...first].join()
      ])
    })
  )

  real(
    "goes with the model and the effort of its turn, and with those that were set right before",
    Effect.gen(function*() {
      const thread = yield* newThread({ config: { model_reasoning_effort: "high" } })
      const thought = Effect.fnUntraced(function*(options?: Thread.TurnOptions) {
        yield* enqueue("ok")
        yield* thread.run("go", options)
        return thinking(yield* lastRequest)
      })
      // The server announces a change after its reply.
      yield* thread.updateSettings({ model: "one" })
      yield* thread.updateSettings({ effort: "low" })
      assert.deepStrictEqual(yield* thought({ mode: "plan" }), ["one", "low"])
      yield* thread.updateSettings({ model: "two" })
      yield* thread.updateSettings({ effort: "medium" })
      assert.deepStrictEqual(yield* thought(), ["two", "medium"])
      assert.deepStrictEqual(yield* thought({ mode: "plan", effort: "high" }), ["two", "high"])
      assert.deepStrictEqual(yield* thought({ model: "three" }), ["three", "high"])
      assert.deepStrictEqual(yield* thought({ mode: "plan", model: "four", effort: "low" }), ["four", "low"])
      assert.deepStrictEqual(yield* thought({ mode: "default" }), ["four", "low"])
    })
  )

  real(
    "is that of the turn, whoever made the thread plan, and in whatever process",
    Effect.gen(function*() {
      const { env, workspace } = yield* CodexHome.CodexHome
      const settings = { model: "scripted-model", reasoning_effort: "low", developer_instructions: null }
      const thread = yield* newThread({ config: { thread_unload_delay_secs: 0 } })
      const rpc = yield* AppServerRpc.AppServerRpc
      yield* rpc.request("thread/settings/update", {
        threadId: thread.id,
        collaborationMode: { mode: "plan", settings }
      })
      yield* enqueue("ok")
      yield* thread.run("go")
      assert.deepStrictEqual(modesIn(yield* lastRequest), [acting])
      assert.deepStrictEqual(thinking(yield* lastRequest), ["scripted-model", "low"])

      yield* enqueue(plan)
      yield* thread.run("go", { mode: "plan" })
      yield* thread.unsubscribe
      yield* enqueue("ok")
      const { codex } = yield* Effect.provide(
        Effect.all({ codex: Codex.Codex }),
        yield* Layer.build(Layer.fresh(CodexNode.layer({ cwd: workspace, env })))
      )
      const again = yield* codex.resumeThread(thread.id).pipe(
        Effect.retry({ while: ({ _tag }) => _tag === "ThreadInUse", times: 1000 })
      )
      yield* again.run("go")
      assert.deepStrictEqual(modesIn(yield* lastRequest), [acting, planning, acting])
      assert.deepStrictEqual(thinking(yield* lastRequest), ["scripted-model", "low"])
    })
  )

  real(
    "is the default in a fork of a thread that plans, and the model is told so",
    Effect.gen(function*() {
      const thread = yield* newThread()
      yield* enqueue(plan, "ok")
      yield* thread.run("go", { mode: "plan" })
      const fork = yield* thread.fork()
      yield* fork.run("go")
      assert.deepStrictEqual(modesIn(yield* lastRequest), [planning, acting])
    })
  )

  real(
    "ends before a goal, which codex does not pursue in plan mode, and leaves reviews and compactions alone",
    Effect.gen(function*() {
      const thread = yield* newThread()
      yield* enqueue(plan)
      yield* thread.run("go", { mode: "plan" })
      yield* enqueue("summary")
      yield* Effect.flatMap(thread.compact(), ({ result }) => result)
      yield* enqueue(JSON.stringify({
        findings: [],
        overall_correctness: "patch is correct",
        overall_explanation: "fine",
        overall_confidence_score: 1
      }))
      yield* Effect.flatMap(thread.review({ type: "custom", instructions: "look" }), ({ result }) => result)
      assert.deepStrictEqual(modesIn(yield* lastRequest), [])
      yield* enqueue(plan)
      yield* thread.run("go", { mode: "plan" })
      yield* enqueue(ScriptedModel.functionCall("update_goal", { status: "complete" }), "done")
      const goal = yield* thread.runGoal("do it")
      assert.deepStrictEqual(goal.finalResponse, Option.some("done"))
      assert.deepStrictEqual(modesIn(yield* lastRequest).at(-1), acting)
    })
  )

  real(
    "cannot be changed by steering",
    Effect.gen(function*() {
      const thread = yield* newThread()
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["I ", gate]), plan)
      const turn = yield* thread.turn("go", { mode: "plan" })
      yield* turn.text.pipe(Stream.take(1), Stream.runDrain)
      const refused = yield* Effect.flip(thread.turn("now do it", { whenBusy: "steer", mode: "default" }))
      assert.deepInclude(refused, { _tag: "SettingsNotApplied" })
      assert.deepStrictEqual(
        refused._tag === "SettingsNotApplied"
          ? refused.settings.map(({ asked, holds, setting }) => [setting, asked, holds])
          : [],
        [["mode", "default", "plan"]]
      )
      const joined = yield* thread.turn("and mind the gap", { whenBusy: "steer", mode: "plan" })
      assert.strictEqual(joined.id, turn.id)
      const waiting = yield* Effect.forkScoped(
        Effect.andThen(enqueue("acted"), thread.run("now do it", { whenBusy: "queue" })),
        { startImmediately: true }
      )
      assert.deepStrictEqual((yield* turn.result).plan, Option.some("# Plan\n- look\n"))
      const after = yield* Fiber.join(waiting)
      assert.deepStrictEqual(after.finalResponse, Option.some("acted"))
      assert.deepStrictEqual(modesIn(yield* lastRequest), [planning, acting])
    })
  )
})

describe("implementing a plan", () => {
  real(
    "in the same thread sends the plan as a message of a turn that acts",
    Effect.gen(function*() {
      const thread = yield* newThread({ approvalMode: ApprovalMode.denyAll })
      yield* enqueue(plan, "done")
      yield* thread.run("go", { mode: "plan" })
      const implementation = yield* thread.implementPlan("# Plan\n- look twice")
      assert.strictEqual(implementation.thread, thread)
      assert.deepStrictEqual((yield* implementation.result).finalResponse, Option.some("done"))
      const request = yield* lastRequest
      assert.strictEqual(request.prompt, "Implement this plan:\n\n# Plan\n- look twice")
      assert.deepStrictEqual(modesIn(request), [planning, acting])
    })
  )

  real(
    "in a fresh thread holds what the planning thread held, with what was given instead",
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const started = yield* newThread({
        sandbox: Sandbox.workspaceWriteWith({ networkAccess: true }),
        approvalMode: ApprovalMode.untrusted
      })
      yield* enqueue(plan)
      yield* started.run("go", { mode: "plan", model: "big", effort: "high" })
      // This handle has asked for nothing.
      const thread = yield* codex.resumeThread(started.id)
      const told = Effect.fnUntraced(function*(fresh: boolean | Codex.StartThreadOptions) {
        yield* enqueue("done")
        const implementation = yield* thread.implementPlan("plan", { fresh })
        yield* implementation.result
        const rpc = yield* AppServerRpc.AppServerRpc
        const { approvalPolicy, cwd, model, reasoningEffort, sandbox } = yield* rpc.request("thread/resume", {
          threadId: implementation.thread.id,
          excludeTurns: true
        })
        return {
          approvalPolicy,
          cwd,
          model,
          reasoningEffort,
          sandbox: [sandbox.type, "networkAccess" in sandbox && sandbox.networkAccess]
        }
      })
      const { workspace: cwd } = yield* CodexHome.CodexHome
      const same = {
        approvalPolicy: "untrusted",
        cwd,
        model: "big",
        reasoningEffort: "high",
        sandbox: ["workspaceWrite", true]
      }
      assert.deepStrictEqual(yield* told(true), same)
      assert.deepStrictEqual(
        yield* told({ model: "small", sandbox: Sandbox.readOnly }),
        { ...same, model: "small", sandbox: ["readOnly", false] }
      )
      assert.deepStrictEqual(
        yield* told({ approvalMode: ApprovalMode.dangerouslyBypass }),
        { ...same, approvalPolicy: "never", sandbox: ["dangerFullAccess", false] }
      )
    })
  )

  real(
    "leaves no thread where its turn does not start, and refuses a plan without text",
    Effect.gen(function*() {
      const rpc = yield* AppServerRpc.AppServerRpc
      const thread = yield* newThread()
      const loaded = Effect.map(rpc.request("thread/loaded/list", {}), ({ data }) => data.length)
      assert.strictEqual(yield* loaded, 1)
      for (const text of ["", " \n"]) {
        for (const fresh of [true, false]) {
          assert.deepInclude(yield* Effect.flip(thread.implementPlan(text, { fresh })), {
            _tag: "InvalidArgument",
            argument: "plan"
          })
        }
      }
      const tooLong = "x".repeat(1_048_577)
      assert.strictEqual(kindOf(yield* Effect.flip(thread.implementPlan(tooLong, { fresh: true }))), "InputTooLarge")
      const missing = yield* Effect.flip(thread.implementPlan("plan", { fresh: true, cwd: "/nowhere/at/all" }))
      assert.instanceOf(missing, CodexError.InvalidArgument)
      assert.strictEqual(yield* loaded, 1)
    })
  )

  real(
    "steers no turn that still plans",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text([gate, plan]), "done")
      const thread = yield* newThread()
      const turn = yield* thread.turn("plan", { mode: "plan" })
      yield* gate.reached
      const refused = yield* Effect.flip(thread.implementPlan("# Plan", { whenBusy: "steer" }))
      assert.instanceOf(refused, CodexError.SettingsNotApplied)
      assert.deepStrictEqual(refused.settings.map(({ asked, holds, setting }) => [setting, asked, holds]), [
        ["mode", "default", "plan"]
      ])
      yield* gate.release
      yield* turn.result
      const { result } = yield* thread.implementPlan("# Plan", { whenBusy: "steer" })
      yield* result
      assert.deepStrictEqual(modesIn(yield* lastRequest), [planning, acting])
    })
  )

  real(
    "fails as a run where the turn is interrupted",
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const gate = yield* ScriptedModel.gate
      yield* enqueue(() => Effect.as(Deferred.succeed(begun, undefined), ScriptedModel.text([gate])))
      const { result, turn } = yield* (yield* newThread()).implementPlan("plan", { fresh: true })
      yield* Deferred.await(begun)
      yield* turn.interrupt
      assert.instanceOf(yield* Effect.flip(result), CodexError.TurnInterrupted)
    })
  )
})
