/** What turns can do beside running, on the real codex binary with a scripted model. */
import { AppServerRpc, Auth, Codex, Sandbox, type Turn, type TurnResult } from "@effect-codex/client"
import { CodexNode } from "@effect-codex/node"
import * as Processes from "@effect-codex/test-support/processes"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Schema, type Scope, Stream } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"

type Services = AppServerRpc.AppServerRpc | Auth.Auth | Codex.Codex | ScriptedModel.ScriptedModel | CodexHome.CodexHome

const real = (
  name: string,
  test: Effect.Effect<void, unknown, Services | Scope.Scope>,
  options?: ScriptedCodex.Options
) => it.live(name, () => test.pipe(Effect.scoped, Effect.provide(ScriptedCodex.layer(options))))

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

describe("a turn whose model's stream breaks", () => {
  const event = (type: string, members: object) => ScriptedModel.event(type, JSON.stringify({ type, ...members }))
  const at = { item_id: "first", output_index: 0, content_index: 0 }
  const message = { type: "message", id: "first", role: "assistant" }
  const deltas = (...texts: ReadonlyArray<string>) => [
    event("response.output_item.added", { output_index: 0, item: { ...message, content: [] } }),
    ...texts.map((delta) => event("response.output_text.delta", { ...at, delta }))
  ]
  const done = (text: string) =>
    event("response.output_item.done", {
      output_index: 0,
      item: { ...message, content: [{ type: "output_text", text, annotations: [] }] }
    })
  const streams = (turn: Turn.Turn) =>
    Effect.all({ text: Stream.mkString(turn.text), messages: Stream.runCollect(turn.messages) }, { concurrency: 2 })
  const said = (result: TurnResult.TurnResult) =>
    result.items.flatMap((item) => item.type === "agentMessage" ? [item.text] : [])

  for (
    const [name, parts, answer, expected, messages] of [
      ["and that says the same again, says it once", deltas("Hello ", "wor"), ["Hel", "lo world."], "Hello world.", [
        "Hello world."
      ]],
      ["and that says something else, tells both", deltas("Hello ", "wor"), ["Bye."], "Hello wor\n\nBye.", ["Bye."]],
      [
        "behind a whole message, goes on after it",
        [...deltas("I look."), done("I look.")],
        ["I look. Done."],
        "I look.\n\nI look. Done.",
        ["I look.", "I look. Done."]
      ]
    ] as const
  ) {
    real(
      name,
      Effect.gen(function*() {
        yield* enqueue(ScriptedModel.truncated("end", parts), ScriptedModel.text(answer))
        const turn = yield* (yield* newThread()).turn("go")
        const first = yield* streams(turn)
        const result = yield* turn.result
        assert.strictEqual(first.text, expected)
        assert.deepStrictEqual(said(result), [...messages])
        assert.deepStrictEqual(
          first.messages.filter(({ _tag }) => _tag === "Completed").map(({ text }) => text),
          [...messages]
        )
        assert.strictEqual(first.messages.some(({ _tag }) => _tag === "Abandoned"), messages.length === 1)
        assert.strictEqual((yield* streams(turn)).text, expected)
      }),
      { home: { streamMaxRetries: 1 } }
    )
  }
})

describe("the text of a turn", () => {
  real(
    "that is steered in the middle of a message goes on with the next one",
    Effect.gen(function*() {
      const [first, second] = [yield* ScriptedModel.gate, yield* ScriptedModel.gate]
      yield* enqueue(ScriptedModel.text(["half of it", first]), ScriptedModel.text(["Other", second, " words."]))
      const turn = yield* (yield* newThread()).turn("go")
      const messages = yield* Effect.forkScoped(Stream.runCollect(turn.messages))
      // Once the model is at the gate, codex may still have to tell its words.
      yield* turn.text.pipe(Stream.take(1), Stream.runDrain)
      yield* turn.steer("left")
      // While the model still writes it.
      yield* turn.text.pipe(Stream.takeUntil((text) => text.includes("Other")), Stream.runDrain)
      yield* second.release
      assert.strictEqual(yield* Stream.mkString(turn.text), "half of it\n\nOther words.")
      assert.deepStrictEqual((yield* Fiber.join(messages)).map(({ _tag, text }) => [_tag, text]), [
        ["Delta", "half of it"],
        ["Abandoned", "half of it"],
        ["Delta", "Other"],
        ["Delta", " words."],
        ["Completed", "Other words."]
      ])
    })
  )
})

describe("plan mode", () => {
  real(
    "gives the plan in the result, also when it is all that the agent says, and the last one when it is written again",
    Effect.gen(function*() {
      const thread = yield* newThread({ sandbox: Sandbox.readOnly })
      const plan = (...lines: ReadonlyArray<string>) => `<proposed_plan>\n${lines.join("\n")}\n</proposed_plan>`
      yield* enqueue(plan("# The plan", "- look"))
      const alone = yield* thread.run("go", { mode: "plan" })
      assert.deepStrictEqual([alone.finalResponse, alone.plan], [Option.none(), Option.some("# The plan\n- look\n")])
      yield* enqueue(
        ScriptedModel.truncated("end", [plan("# The pl")]),
        `It is:\n${plan("# The plan", "- write")}\nThat's it.`
      )
      const again = yield* thread.run("once more", { mode: "plan" })
      assert.deepStrictEqual(again.plan, Option.some("# The plan\n- write\n"))
      assert.deepStrictEqual(again.finalResponse, Option.some("It is:\nThat's it."))
      // Up to 0.169 its id is made from the turn's, so that it comes again under the same one.
      assert.include([1, 2], again.items.filter(({ type }) => type === "plan").length)
    }),
    { home: { streamMaxRetries: 1 } }
  )
})

describe("the usage of a turn", () => {
  let calls = 0
  real(
    "has its subagents beside it, each turn of theirs once",
    Effect.gen(function*() {
      const { usage } = yield* (yield* newThread()).run("parent")
      const { subagents, total, turn } = Option.getOrThrow(usage)
      assert.deepStrictEqual([turn, total].map(({ totalTokens }) => totalTokens), [33, 33])
      assert.deepInclude(subagents, { totalTokens: 11_002, inputTokens: 11_000, outputTokens: 2 })
    }),
    {
      model: {
        answer: ({ prompt, toolOutputs }) => {
          if (prompt === "child") return ScriptedModel.reply(["done"], { usage: { input: 5000, output: 1 } })
          if (prompt === "more") return ScriptedModel.reply(["more done"], { usage: { input: 6000, output: 1 } })
          const call = (name: string, args: object) =>
            ScriptedModel.functionCall(name, { ...args }, { namespace: "multi_agent_v1" })
          const { agent_id: target } = JSON.parse(toolOutputs[0]?.output ?? "{}") as { readonly agent_id?: string }
          const wait = call("wait_agent", { targets: [target ?? ""], timeout_ms: 30_000 })
          switch (calls++) {
            case 0:
              return ScriptedModel.reply([call("spawn_agent", { message: "child" })], {
                usage: { input: 10, output: 1 }
              })
            case 2:
              return call("send_input", { target: target ?? "", message: "more" })
            case 1:
            case 3:
              return wait
            default:
              return ScriptedModel.reply(["parent done"], { usage: { input: 20, output: 2 } })
          }
        }
      }
    }
  )
})

describe("the rate limits", () => {
  real(
    "are told in part with each answer of the model, and keep what an earlier one said",
    Effect.gen(function*() {
      const auth = yield* Auth.Auth
      const told = yield* auth.changes.pipe(
        Stream.filter((change) => change._tag === "account/rateLimits/updated"),
        Stream.map(({ params }) => params.rateLimits),
        Stream.takeUntil(({ secondary }) => secondary?.usedPercent === 8),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      const usage = (secondary: string) => ({ "x-codex-secondary-used-percent": secondary })
      const limit = {
        ...usage("7"),
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1900000000"
      }
      const full = (headers: Record<string, string>) =>
        ScriptedModel.httpFailure(429, { error: { type: "usage_limit_reached", message: "enough" } }, { headers })
      const thread = yield* newThread()
      yield* enqueue(full(limit), "fine", full(usage("8")))
      yield* Effect.flip(thread.run("go"))
      yield* thread.run("go")
      yield* Effect.flip(thread.run("go"))
      const updates = yield* Fiber.join(told)
      const primary = { usedPercent: 100, windowDurationMins: 300, resetsAt: 1_900_000_000 }
      for (const update of updates) assert.deepStrictEqual(update.primary, primary)
      const latest = Option.getOrThrow(yield* Stream.runHead(auth.rateLimitChanges))
      assert.deepStrictEqual(latest.rateLimits.primary, primary)
      assert.strictEqual(latest.rateLimits.secondary?.usedPercent, 8)
    })
  )
})

describe("the diff of a turn", () => {
  real(
    "has what patches changed, and not what commands wrote",
    Effect.gen(function*() {
      yield* enqueue(ScriptedModel.exec("echo hello > written.txt"), "done")
      const thread = yield* newThread({ sandbox: Sandbox.workspaceWrite })
      const turn = yield* thread.turn("write a file")
      const diffs = yield* Stream.runCollect(turn.diff)
      const { workspace } = yield* CodexHome.CodexHome
      assert.isTrue(Fs.existsSync(`${workspace}/written.txt`))
      assert.deepStrictEqual(diffs, [])
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
    ))
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
