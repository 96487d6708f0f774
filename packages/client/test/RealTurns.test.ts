/** What turns can do beside running, on the real codex binary with a scripted model. */
import { AppServerRpc, Codex, Sandbox } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Schema, type Scope, Stream } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Processes from "./support/processes.ts"

type Services = Codex.Codex | ScriptedModel.ScriptedModel | CodexHome.CodexHome

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  options?: ScriptedCodex.Options
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer(options))), 60_000)

const { enqueue, received } = {
  enqueue: (...answers: ReadonlyArray<ScriptedModel.Answer>) =>
    Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.enqueue(...answers)),
  received: (n: number) => Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.received(n))
}

const newThread = (options?: Codex.StartThreadOptions) =>
  Effect.flatMap(Codex.Codex, (codex) => codex.startThread(options))

describe("the streams of a turn", () => {
  real(
    "tell text, reasoning, items, diff and usage, each of them to a reader of its own",
    Effect.gen(function*() {
      yield* enqueue(
        ScriptedModel.reply(
          [
            ScriptedModel.reasoning(["I ", "think."]),
            ScriptedModel.exec(
              "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\nEOF"
            )
          ],
          { usage: { input: 10, output: 1 } }
        ),
        ScriptedModel.reply([ScriptedModel.text(["All ", "done."])], { usage: { input: 20, output: 2 } })
      )
      const thread = yield* newThread({ sandbox: Sandbox.workspaceWrite })
      const turn = yield* thread.turn("write a file")
      const [text, reasoning, items, diff, usage] = yield* Effect.all([
        Stream.runCollect(turn.text),
        Stream.runCollect(turn.reasoning),
        Stream.runCollect(turn.items),
        Stream.runCollect(turn.diff),
        Stream.runCollect(turn.usage)
      ], { concurrency: "unbounded" })
      assert.strictEqual(text.join(""), "All done.")
      assert.strictEqual(reasoning.join(""), "I think.")
      assert.includeMembers(items.map((item) => item.type), ["userMessage", "reasoning", "fileChange", "agentMessage"])
      assert.include(diff.at(-1) ?? "", "+hello")
      assert.deepStrictEqual(usage.map(({ total }) => total.totalTokens), [11, 33])
    })
  )

  real(
    "tell the plan each time that it changes",
    Effect.gen(function*() {
      const plan = [{ step: "look", status: "completed" }, { step: "write", status: "in_progress" }]
      yield* enqueue(ScriptedModel.functionCall("update_plan", { plan }), "planned")
      const turn = yield* (yield* newThread()).turn("plan it")
      const plans = yield* Stream.runCollect(turn.plan)
      const result = yield* turn.result
      assert.deepStrictEqual(result.finalResponse, Option.some("planned"))
      // codex offers the plan tool only to some models; to others the call fails and the turn goes on.
      const [request] = yield* received(1)
      const offered = request!.tools.some((tool) => tool["name"] === "update_plan")
      assert.deepStrictEqual(
        plans.flatMap(({ plan }) => plan.map(({ step }) => step)),
        offered ? ["look", "write"] : []
      )
    })
  )
})

describe("a busy thread", () => {
  const answering = { model: { answer: (request: ScriptedModel.ModelRequest) => `last said: ${request.prompt}` } }

  real(
    "queues turns in the order of the calls",
    Effect.gen(function*() {
      const thread = yield* newThread()
      const results = yield* Effect.forEach(
        ["one", "two", "three"],
        (prompt) => thread.run(prompt, { whenBusy: "queue" }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        results.map(({ finalResponse }) => Option.getOrThrow(finalResponse)),
        ["last said: one", "last said: two", "last said: three"]
      )
    }),
    answering
  )

  real(
    "is steered when that is asked for, and both handles are on one turn",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["hold ", gate]), "steered")
      const thread = yield* newThread()
      const first = yield* Effect.forkScoped(thread.run("go"))
      yield* gate.reached
      const second = yield* thread.run("left", { whenBusy: "steer" })
      assert.deepStrictEqual(yield* Fiber.join(first), second)
      assert.deepStrictEqual(second.finalResponse, Option.some("steered"))
    })
  )

  it.live("that another process made busy is ThreadBusy with the input delivered", () =>
    Effect.gen(function*() {
      const { env, workspace } = yield* CodexHome.CodexHome
      const options = { cwd: workspace, env }
      const server = yield* Layer.build(CodexNode.layer(options))
      const gate = yield* ScriptedModel.gate
      yield* enqueue(ScriptedModel.text(["hold ", gate]), "both")
      const thread = yield* Effect.provide(newThread(), server)
      const rpc = Context.get(server, AppServerRpc.AppServerRpc)
      // A turn that was started without the handle, as another client of the server would.
      const input = [{ type: "text" as const, text: "go", text_elements: [] }]
      const theirs = yield* rpc.request("turn/start", { threadId: thread.id, input })
      yield* gate.reached
      const error = yield* Effect.flip(thread.run("again"))
      assert.deepInclude(error, { _tag: "ThreadBusy", activeTurnId: theirs.turn.id, delivered: true })
      // It was not interrupted by us.
      const { thread: read } = yield* rpc.request("thread/read", { threadId: thread.id, includeTurns: false })
      assert.strictEqual(read.status.type, "active")
    }).pipe(
      Effect.scoped,
      Effect.provide(CodexHome.layer().pipe(Layer.provideMerge(ScriptedModel.layer())))
    ), 60_000)
})

describe("structured output", () => {
  const Answer = Schema.Struct({
    city: Schema.String,
    inhabitants: Schema.Int,
    river: Schema.optionalKey(Schema.String)
  })

  real(
    "is asked for as a strict JSON Schema and decoded",
    Effect.gen(function*() {
      yield* enqueue(JSON.stringify({ city: "Bern", inhabitants: 134_000, river: null }))
      const { finalResponse, output } = yield* (yield* newThread()).run("A city?", { output: Answer })
      assert.deepStrictEqual(output, { city: "Bern", inhabitants: 134_000 })
      assert.isTrue(Option.isSome(finalResponse))
      const [request] = yield* received(1)
      const schema = Option.getOrThrow(request!.outputSchema) as Record<string, unknown>
      assert.deepInclude(schema, { type: "object", additionalProperties: false })
      assert.sameMembers(schema["required"] as Array<string>, ["city", "inhabitants", "river"])
    })
  )

  real(
    "that does not fit is OutputInvalid with the text and the issue, and the schema is for that turn alone",
    Effect.gen(function*() {
      yield* enqueue("Bern, I think.", "free text")
      const thread = yield* newThread()
      const error = yield* Effect.flip(thread.run("A city?", { output: Answer }))
      assert.deepInclude(error, { _tag: "OutputInvalid", text: "Bern, I think." })
      assert.deepStrictEqual((yield* thread.run("Anything.")).finalResponse, Option.some("free text"))
      const requests = yield* received(2)
      assert.deepStrictEqual(requests[1]?.outputSchema, Option.none())
    })
  )

  real(
    "is asked for again with the issue, as often as repair says",
    Effect.gen(function*() {
      const wrong = JSON.stringify({ city: "Bern", inhabitants: "many", river: null })
      yield* enqueue(wrong, wrong, JSON.stringify({ city: "Bern", inhabitants: 1, river: "Aare" }), wrong, wrong)
      const thread = yield* newThread()
      const { output } = yield* thread.run("A city?", { output: Answer, repair: 2 })
      assert.deepStrictEqual(output, { city: "Bern", inhabitants: 1, river: "Aare" })
      const requests = yield* received(3)
      assert.include(requests[2]!.prompt, "inhabitants")
      const error = yield* Effect.flip(thread.run("Another?", { output: Answer, repair: 1 }))
      assert.strictEqual(error._tag, "OutputInvalid")
      assert.strictEqual((yield* received(5)).length, 5)
    })
  )
})

describe("review", () => {
  real(
    "of what is not committed is a turn under one id, whose text is the review",
    Effect.gen(function*() {
      const { workspace } = yield* CodexHome.CodexHome
      const git = (...args: ReadonlyArray<string>) => execFileSync("git", args, { cwd: workspace, stdio: "ignore" })
      git("init")
      Fs.writeFileSync(`${workspace}/a.txt`, "hello\n")
      yield* enqueue(JSON.stringify({
        findings: [],
        overall_correctness: "patch is correct",
        overall_explanation: "Nothing to say.",
        overall_confidence_score: 1
      }))
      const thread = yield* newThread({ sandbox: Sandbox.readOnly })
      const turn = yield* thread.review({ type: "uncommittedChanges" })
      const events = yield* Stream.runCollect(turn.events)
      assert.strictEqual(events.at(-1)?._tag, "turn/completed")
      const result = yield* turn.result
      assert.strictEqual(result.status, "completed")
      const review = result.items.find((item) => item.type === "exitedReviewMode")
      assert.include(review?.review ?? "", "Nothing to say.")
      // The thread is free again.
      yield* enqueue("next")
      assert.deepStrictEqual((yield* thread.run("go")).finalResponse, Option.some("next"))
    })
  )

  real(
    "is interrupted like any turn",
    Effect.gen(function*() {
      const { workspace } = yield* CodexHome.CodexHome
      execFileSync("git", ["init"], { cwd: workspace, stdio: "ignore" })
      yield* enqueue(ScriptedModel.text([yield* ScriptedModel.gate]), "next")
      const thread = yield* newThread({ sandbox: Sandbox.readOnly })
      yield* Effect.scoped(Effect.andThen(
        thread.review({ type: "custom", instructions: "Look at everything." }),
        received(1)
      ))
      const [request] = yield* received(1)
      assert.strictEqual(yield* request!.outcome, "abandoned")
      assert.deepStrictEqual((yield* thread.run("go")).finalResponse, Option.some("next"))
    })
  )
})

describe("compact", () => {
  real(
    "is a turn of its own, after which the thread goes on",
    Effect.gen(function*() {
      yield* enqueue("first answer", "a summary", "after")
      const thread = yield* newThread()
      yield* thread.run("one")
      const turn = yield* thread.compact()
      const result = yield* turn.result
      assert.strictEqual(result.status, "completed")
      assert.deepStrictEqual(result.items.map((item) => item.type), ["contextCompaction"])
      assert.deepStrictEqual((yield* thread.run("two")).finalResponse, Option.some("after"))
    })
  )
})

describe("interruptWithTerminals", () => {
  real(
    "ends the commands that the turn left in the background",
    Effect.gen(function*() {
      const gate = yield* ScriptedModel.gate
      const mark = Processes.newMark()
      const running = () => Processes.marked(mark)
      yield* Effect.addFinalizer(() => Effect.sync(() => Processes.killMarked(mark)))
      yield* enqueue(ScriptedModel.exec(`sleep ${mark}`, { args: { yield_time_ms: 250 } }), ScriptedModel.text([gate]))
      const thread = yield* newThread({ sandbox: Sandbox.fullAccess })
      const turn = yield* thread.turn("leave something running")
      yield* received(2)
      assert.isAbove(running().length, 0)
      const ended = yield* turn.interruptWithTerminals
      assert.deepStrictEqual(ended.map(({ command }) => command.includes(mark)), [true])
      yield* Processes.until("the command has ended", () => running().length === 0, running)
      assert.strictEqual((yield* turn.result).status, "interrupted")
      // A second look finds nothing left.
      assert.deepStrictEqual(yield* turn.interruptWithTerminals, [])
    })
  )
})
