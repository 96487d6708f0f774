/**
 * What the Python SDK promises and what it was measured to do, row by row on the real codex binary. The rows that are
 * proved elsewhere are not repeated here: `run`, its usage, interruption and the end of the process in
 * Codex.real.test.ts; the streams of a turn, busy threads, structured output, review and compact in Turns.real.test.ts;
 * lists, history, fork, archive, settings and models in Threads.real.test.ts; the errors of requests and most failures
 * of the model in Errors.real.test.ts, the codes in RpcErrors.test.ts, retries in CodexRetry.test.ts; goals in
 * Goal.real.test.ts; exactly what is sent in Turn.test.ts and Threads.test.ts; how the process is found and started in
 * the tests of @effect-codex/node.
 */
import {
  ApprovalMode,
  AppServer,
  AppServerRpc,
  Codex,
  CodexError,
  CodexRetry,
  Input,
  Sandbox,
  ServerRequests,
  type Turn
} from "@effect-codex/client"
import { codexVersion } from "@effect-codex/test-support/codexVersion"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Redacted, type Scope, Stream } from "effect"
import * as Fs from "node:fs"

const services = Effect.all({
  codex: Codex.Codex,
  home: CodexHome.CodexHome,
  model: ScriptedModel.ScriptedModel,
  rpc: AppServerRpc.AppServerRpc,
  server: AppServer.AppServer
})

type Services = Effect.Success<typeof services>

/**
 * A test on a codex of its own, whose model repeats the prompt unless something else is enqueued; it never ends its
 * answer to "for ever".
 */
const real = (
  name: string,
  test: (services: Services) => Effect.Effect<void, unknown, Scope.Scope>,
  home: ScriptedCodex.Options["home"] = {},
  handlers: ServerRequests.Overrides = {}
) =>
  it.live(name, () =>
    Effect.flatMap(services, test).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer({ home, model: { answer: ({ prompt }) => answer(prompt) } })),
      Effect.provide(ServerRequests.layer(handlers))
    ))

const answer = (prompt: string): ScriptedModel.Answer =>
  prompt === "for ever" ? ScriptedModel.text(["on and on", ScriptedModel.delay("1 hour")]) : `re: ${prompt}`

/** Holds the model's answer after its first words. */
const held = (model: Services["model"], words = "working ") =>
  Effect.tap(ScriptedModel.gate, (gate) => model.enqueue(ScriptedModel.text([words, gate, "done"])))

const last = (model: Services["model"]) => Effect.map(model.requests, (all) => all.at(-1)!)

const settings = (rpc: Services["rpc"], threadId: string) =>
  rpc.request("thread/resume", { threadId, excludeTurns: true })

const said = (text: string) => [{ type: "text" as const, text, text_elements: [] }]

const escalated = (cmd: string) =>
  ScriptedModel.exec(cmd, { args: { sandbox_permissions: "require_escalated", justification: "please" } })

/** A PNG of one pixel. */
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

describe("Codex, the SDK's client", () => {
  real(
    "constructor, metadata: the server is initialized at once, and what it says of itself is its own",
    ({ codex, home, server }) =>
      Effect.sync(() => {
        assert.deepInclude(codex.serverInfo, { version: codexVersion, codexHome: home.path })
        process.kill(server.pid, 0)
      })
  )

  real(
    "thread_start: sends autoReview and nothing that was not given",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* thread.run("go")
        const now = yield* settings(rpc, thread.id)
        assert.deepInclude(now, {
          approvalPolicy: "on-request",
          approvalsReviewer: "auto_review",
          model: "scripted-model",
          serviceTier: null
        })
        assert.isFalse(now.thread.ephemeral)
        assert.notProperty((yield* last(model)).body, "service_tier")
      })
  )

  real(
    "thread_start: everything that is given reaches the thread and its model",
    ({ codex, home, model, rpc }) =>
      Effect.gen(function*() {
        const cwd = `${home.workspace}/inside`
        Fs.mkdirSync(cwd)
        const thread = yield* codex.startThread({
          approvalMode: ApprovalMode.denyAll,
          baseInstructions: "BE THE BASE",
          config: { web_search: "disabled" },
          cwd,
          developerInstructions: "BE THE DEVELOPER",
          model: "another-model",
          modelProvider: "scripted",
          personality: "friendly",
          sandbox: Sandbox.fullAccess,
          serviceName: "a service",
          serviceTier: "flex",
          sessionStartSource: "clear",
          threadSource: "nightly"
        })
        yield* thread.run("go")
        const { body, userTexts } = yield* last(model)
        assert.include(JSON.stringify(body), "BE THE BASE")
        assert.include(JSON.stringify(body), "BE THE DEVELOPER")
        assert.include(userTexts.join(), cwd)
        assert.deepInclude(body, { model: "another-model", service_tier: "flex" })
        const now = yield* settings(rpc, thread.id)
        assert.deepInclude(now, { approvalPolicy: "never", cwd, model: "another-model", serviceTier: "flex" })
        assert.strictEqual(now.sandbox.type, "dangerFullAccess")
        assert.deepInclude(yield* thread.read(), { cwd, threadSource: "nightly" })
      })
  )

  real(
    "thread_resume: options count for a thread that is not loaded, and what can be changed of one that is loaded",
    ({ codex, home, model, rpc }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* thread.run("one")
        const options: Codex.ResumeThreadOptions = {
          approvalMode: ApprovalMode.denyAll,
          baseInstructions: "ANOTHER BASE",
          cwd: home.path,
          model: "another-model",
          personality: "friendly",
          sandbox: Sandbox.fullAccess,
          serviceTier: "flex"
        }
        // The SDK ignores all of it in silence. Nothing is changed when a part of it cannot be.
        const error = yield* Effect.flip(codex.resumeThread(thread.id, options))
        assert.strictEqual(error._tag, "SettingsNotApplied")
        assert.deepInclude(yield* settings(rpc, thread.id), {
          approvalPolicy: "on-request",
          cwd: home.workspace,
          model: "scripted-model"
        })
        yield* codex.resumeThread(thread.id, { ...options, baseInstructions: undefined })
        const changed = yield* settings(rpc, thread.id)
        assert.deepInclude(changed, { approvalPolicy: "never", cwd: home.path, model: "another-model" })
        assert.strictEqual(changed.sandbox.type, "dangerFullAccess")
        yield* thread.archive
        yield* codex.unarchiveThread(thread.id)
        const resumed = yield* codex.resumeThread(thread.id, options)
        const now = yield* settings(rpc, thread.id)
        assert.deepInclude(now, { approvalPolicy: "never", cwd: home.path, model: "another-model" })
        assert.strictEqual(now.sandbox.type, "dangerFullAccess")
        yield* resumed.run("two")
        const { body } = yield* last(model)
        assert.include(JSON.stringify(body), "ANOTHER BASE")
        assert.deepInclude(body, { model: "another-model", service_tier: "flex" })
      })
  )

  real(
    "login_api_key, account, logout: typed requests, which count from a thread's next turn on",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const account = Effect.map(rpc.request("account/read", { refreshToken: false }), ({ account }) => account)
        const authorization = Effect.map(last(model), ({ authorization }) => Option.map(authorization, Redacted.value))
        const thread = yield* codex.startThread()
        yield* thread.run("one")
        assert.deepStrictEqual([yield* account, yield* authorization], [null, Option.none()])
        yield* rpc.request("account/login/start", { type: "apiKey", apiKey: "a key of nobody" })
        yield* thread.run("two")
        assert.deepStrictEqual(
          [yield* account, yield* authorization],
          [{ type: "apiKey" }, Option.some("Bearer a key of nobody")]
        )
        yield* rpc.request("account/logout", undefined)
        assert.isNull(yield* account)
      }),
    { config: { model_providers: { scripted: { requires_openai_auth: true } } } }
  )
})

describe("Thread, the SDK's thread", () => {
  real(
    "turn: approval_mode, cwd, effort, model, sandbox, service_tier, summary persist to later turns; output_schema not",
    ({ codex, home, model, rpc }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
        yield* model.enqueue("{}")
        yield* thread.run("one", {
          approvalMode: ApprovalMode.denyAll,
          cwd: home.path,
          effort: "low",
          model: "another-model",
          outputSchema: { type: "object", properties: {}, required: [], additionalProperties: false },
          sandbox: Sandbox.fullAccess,
          serviceTier: "flex",
          summary: "detailed"
        })
        yield* thread.run("two")
        const [one, two] = yield* model.received(2)
        for (const { body } of [one!, two!]) {
          assert.deepInclude(body, { model: "another-model", service_tier: "flex" })
          assert.deepInclude(body["reasoning"], { effort: "low", summary: "detailed" })
        }
        assert.isTrue(Option.isSome(one!.outputSchema))
        assert.isTrue(Option.isNone(two!.outputSchema))
        const now = yield* settings(rpc, thread.id)
        assert.deepInclude(now, {
          approvalPolicy: "never",
          cwd: home.path,
          model: "another-model",
          reasoningEffort: "low"
        })
        assert.strictEqual(now.sandbox.type, "dangerFullAccess")
      })
  )

  real(
    "thread/resume of a running thread joins it, and takes nothing from who runs the turn",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* thread.run("one")
        const gate = yield* held(model)
        const turn = yield* thread.turn("two")
        yield* gate.reached
        const joined = yield* codex.resumeThread(thread.id)
        assert.strictEqual((yield* joined.status).type, "active")
        assert.deepInclude(yield* Effect.flip(joined.run("three")), { _tag: "ThreadBusy", activeTurnId: turn.id })
        yield* gate.release
        assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("working done"))
      })
  )
})

describe("Turn, the SDK's turn handle", () => {
  real(
    "stream: yields only this turn's notifications including the completion, to every reader, also after the end",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const gate = yield* held(model)
        const one = yield* (yield* codex.startThread()).turn("one")
        yield* gate.reached
        // A reader who leaves early, and two who stay while a turn of another thread runs.
        yield* one.events.pipe(Stream.take(1), Stream.runDrain)
        const readers = yield* Effect.forkScoped(
          Effect.all([Stream.runCollect(one.events), Stream.runCollect(one.events)], { concurrency: 2 })
        )
        const two = yield* (yield* codex.startThread()).turn("two")
        assert.strictEqual((yield* two.result).status, "completed")
        yield* gate.release
        const live = yield* Fiber.join(readers)
        for (const events of [...live, yield* Stream.runCollect(one.events), yield* Stream.runCollect(one.events)]) {
          assert.strictEqual(events[0]?._tag, "turn/started")
          const end = events.at(-1)
          assert.isTrue(end?._tag === "turn/completed" && end.params.turn.id === one.id)
          assert.strictEqual(events.filter(({ _tag }) => _tag === "turn/completed").length, 1)
          const ids = events.flatMap((event) =>
            event._tag === "item/completed" || event._tag === "item/agentMessage/delta" ? [event.params.turnId] : []
          )
          assert.deepStrictEqual([...new Set(ids)], [one.id])
        }
        // The same holds for the result, which Python's second run() waits for in vain.
        assert.deepStrictEqual(yield* one.result, yield* one.result)
      })
  )

  real(
    "interrupted turns are not an error of result(); the completion comes on the stream",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const gate = yield* held(model)
        const thread = yield* codex.startThread()
        const turn = yield* thread.turn("go")
        yield* gate.reached
        yield* turn.interrupt
        const events = yield* Stream.runCollect(turn.events)
        const end = events.at(-1)
        assert.deepInclude(end?._tag === "turn/completed" ? end.params.turn : undefined, {
          status: "interrupted",
          error: null
        })
        const result = yield* turn.result
        assert.deepInclude(result, { status: "interrupted", error: Option.none(), finalResponse: Option.none() })
        assert.isTrue(Option.isSome(result.completedAt) && Option.isSome(result.duration))
      })
  )
})

describe("the SDK's enums", () => {
  real(
    "ApprovalMode.denyAll: an escalation is refused to the model, and nobody is asked",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(escalated("echo escalated"), "so be it")
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll, sandbox: Sandbox.readOnly })
        assert.deepStrictEqual((yield* thread.run("go")).finalResponse, Option.some("so be it"))
        assert.include((yield* last(model)).toolOutputs[0]?.output ?? "", "approval policy is Never")
      })
  )

  real(
    "ApprovalMode.autoReview: the server asks a reviewing model and not the client",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const verdict = { risk_level: "low", user_authorization: "high", outcome: "allow", rationale: "Harmless." }
        yield* model.enqueue(escalated("echo escalated"), JSON.stringify(verdict), "done")
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly })
        const turn = yield* thread.turn("go")
        const events = yield* Stream.runCollect(turn.events)
        const tags = events.map(({ _tag }) => _tag)
        assert.includeMembers(tags, ["item/autoApprovalReview/started", "item/autoApprovalReview/completed"])
        const { finalResponse, items } = yield* turn.result
        assert.deepStrictEqual(finalResponse, Option.some("done"))
        const command = items.find((item) => item.type === "commandExecution")
        assert.deepInclude(command, { status: "completed", exitCode: 0 })
      })
  )

  real(
    "Sandbox.readOnly, workspaceWrite, fullAccess: each turn's commands may touch what it says",
    ({ codex, home, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ approvalMode: ApprovalMode.denyAll })
        const outside = `${home.path}/outside`
        const inside = `${home.workspace}/inside`
        const done: Array<ReadonlyArray<boolean>> = []
        for (const sandbox of [Sandbox.readOnly, Sandbox.workspaceWrite, Sandbox.fullAccess]) {
          yield* model.enqueue(ScriptedModel.exec(`touch ${inside}`), ScriptedModel.exec(`touch ${outside}`), "done")
          yield* thread.run("touch", { sandbox })
          // A command that the sandbox stops at once is no item of the turn; the model is told.
          const { toolOutputs } = yield* last(model)
          done.push(toolOutputs.map(({ output }) => output.includes("exited with code 0")))
        }
        assert.deepStrictEqual(done, [[false, false], [true, false], [true, true]])
        assert.isTrue(Fs.existsSync(inside) && Fs.existsSync(outside))
      })
  )
})

describe("the SDK's inputs", () => {
  real(
    "text, image, local image, skill and mention inputs, and lists of them, reach the model; empty input is accepted",
    ({ codex, home, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const picture = `${home.workspace}/pixel.png`
        Fs.writeFileSync(picture, pixel, "base64")
        const skill = `${home.workspace}/.agents/skills/demo/SKILL.md`
        Fs.mkdirSync(`${home.workspace}/.agents/skills/demo`, { recursive: true })
        Fs.writeFileSync(skill, "---\nname: demo\ndescription: A demo.\n---\n\nSAY DEMO\n")
        const sent = Effect.fnUntraced(function*(input: Input.Input) {
          const before = (yield* model.requests).length
          const { items } = yield* thread.run(input)
          const request = (yield* model.requests)[before]!
          const user = items.find((item) => item.type === "userMessage")
          return {
            text: request.userTexts.join("\n"),
            whole: JSON.stringify(request.input),
            content: user?.content ?? []
          }
        })
        assert.include((yield* sent("a string")).text, "a string")
        assert.include((yield* sent(Input.text("a text"))).text, "a text")
        const url = `data:image/png;base64,${pixel}`
        const image = yield* sent(["a string in a list", Input.image(url)])
        assert.include(image.text, "a string in a list")
        assert.include(image.whole, url)
        assert.deepStrictEqual(image.content.map(({ type }) => type), ["text", "image"])
        const local = yield* sent([Input.localImage(picture), Input.text("a file")])
        assert.strictEqual(local.whole.split("data:image/png;base64,").length, 3)
        assert.deepStrictEqual(local.content.map(({ type }) => type), ["localImage", "text"])
        const skilled = yield* sent([Input.text("use $demo"), Input.skill("demo", skill)])
        assert.match(skilled.text, /<skill>\s*<name>demo<\/name>\s*<path>/)
        assert.include(skilled.text, "SAY DEMO")
        const mention = yield* sent([Input.text("see @pixel"), Input.mention("pixel", picture)])
        assert.deepStrictEqual(mention.content.map(({ type }) => type), ["text", "mention"])
        assert.include(mention.text, "see @pixel")
        // Nothing at all is no error of a turn.
        assert.deepStrictEqual((yield* sent([])).content, [])
      })
  )

  real("errors: an address of a picture, text beyond the limit", ({ codex, rpc }) =>
    Effect.gen(function*() {
      const thread = yield* codex.startThread()
      const url = "https://example.com/cat.png"
      assert.strictEqual((yield* Effect.flip(thread.run(Input.image(url))))._tag, "InvalidArgument")
      const refused = yield* Effect.flip(
        rpc.request("turn/start", { threadId: thread.id, input: [{ type: "image", url }] })
      )
      assert.deepInclude(refused, { _tag: "RpcError", reason: "invalidRequest", code: -32600 })
      const error = yield* Effect.flip(thread.run(["x".repeat(1_000_000), "y".repeat(50_000)]))
      assert.deepInclude(error, { _tag: "InputTooLarge", maximum: 1_048_576, actual: 1_050_000 })
    }))
})

describe("the SDK's TurnResult", () => {
  const { text } = ScriptedModel

  real(
    "final_response: the last final_answer, else the last message without a phase; never commentary; empty counts",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const phased = (phase: string) =>
          ScriptedModel.item({
            type: "message",
            id: "msg-phased",
            role: "assistant",
            phase,
            content: [{ type: "output_text", text: "in a phase" }]
          })
        const cases: ReadonlyArray<readonly [ReadonlyArray<ScriptedModel.Part>, string | undefined]> = [
          [
            [text("no phase"), text("first", { phase: "final_answer" }), text("second", { phase: "final_answer" })],
            "second"
          ],
          [
            [text("final", { phase: "final_answer" }), text("no phase"), text("aside", { phase: "commentary" })],
            "final"
          ],
          [[text("one"), text("two"), text("aside", { phase: "commentary" })], "two"],
          [[text("aside", { phase: "commentary" })], undefined],
          [[text("no phase"), text("")], ""],
          [[text("no phase"), phased("partial_answer")], "no phase"],
          [[], undefined]
        ]
        for (const [parts, expected] of cases) {
          yield* model.enqueue(parts)
          const { finalResponse } = yield* thread.run("go")
          assert.deepStrictEqual(finalResponse, Option.fromUndefinedOr(expected))
        }
      })
  )

  real(
    "items: every item/completed in arrival order incl. userMessage, and not the items of turn/completed",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(
          [ScriptedModel.reasoning("hm"), text("first", { phase: "commentary" }), ScriptedModel.exec("true")],
          "last"
        )
        const turn = yield* (yield* codex.startThread({ sandbox: Sandbox.readOnly })).turn("go")
        const events = yield* Stream.runCollect(turn.events)
        const { items } = yield* turn.result
        assert.deepStrictEqual(
          items.map(({ id }) => id),
          events.flatMap((event) => event._tag === "item/completed" ? [event.params.item.id] : [])
        )
        assert.deepStrictEqual(
          items.map(({ type }) => type),
          ["userMessage", "reasoning", "agentMessage", "commandExecution", "agentMessage"]
        )
        const end = events.at(-1)
        assert.isTrue(end?._tag === "turn/completed" && end.params.turn.items.length < items.length)
      })
  )

  real(
    "usage: the last of this turn; none when the model never answered",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        yield* model.enqueue(ScriptedModel.reply(["one"], { usage: { input: 10, cached: 4, output: 3, reasoning: 2 } }))
        const usage = Option.getOrThrow((yield* thread.run("one")).usage)
        assert.deepInclude(usage.last, {
          inputTokens: 10,
          cachedInputTokens: 4,
          outputTokens: 3,
          reasoningOutputTokens: 2,
          totalTokens: 13
        })
        assert.deepStrictEqual(usage.total, usage.last)
        yield* model.enqueue(ScriptedModel.httpFailure(401, "no"))
        const error = yield* Effect.flip(thread.run("two"))
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.deepStrictEqual(error.result.usage, Option.none())
      })
  )

  real(
    "failed: Python's RuntimeError drops info and items; TurnFailed keeps them, and stream just yields the completion",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* model.enqueue(ScriptedModel.exec("true"), ScriptedModel.failed("insufficient_quota", "enough"))
        const turn = yield* (yield* codex.startThread({ sandbox: Sandbox.readOnly })).turn("go")
        const end = (yield* Stream.runCollect(turn.events)).at(-1)
        assert.isTrue(end?._tag === "turn/completed" && end.params.turn.status === "failed")
        const error = yield* Effect.flip(turn.result)
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.strictEqual(error.infoName, "usageLimitExceeded")
        assert.deepStrictEqual(error.result.items.map(({ type }) => type), ["userMessage", "commandExecution"])
        assert.isTrue(Option.isSome(error.result.error))
        assert.strictEqual(error.result.id, turn.id)
      })
  )
})

describe("the SDK's errors", () => {
  real(
    "RpcError, with what the server says in data: steering a review",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* held(model)
        const turn = yield* (yield* codex.startThread()).review({ type: "custom", instructions: "Look." })
        yield* model.received(1)
        const error = yield* Effect.flip(turn.steer("left"))
        assert.deepInclude(error, { _tag: "RpcError", reason: "invalidRequest", code: -32600 })
        assert.include(JSON.stringify(error), "activeTurnNotSteerable")
      })
  )

  real("RpcError: what the server refuses as a request, not as its params", ({ rpc }) =>
    Effect.gen(function*() {
      const clientInfo = { name: "again", title: null, version: "0" }
      const error = yield* Effect.flip(rpc.request("initialize", { clientInfo, capabilities: null }))
      assert.deepInclude(error, { _tag: "RpcError", reason: "invalidRequest", code: -32600 })
      assert.include(error.message, "Already initialized")
    }))

  real(
    "retry_on_overload: a failed turn is not run again by itself nor by CodexRetry.overload; transient does it",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const overloaded = ScriptedModel.failed("server_is_overloaded", "busy")
        const thread = yield* codex.startThread()
        yield* model.enqueue(overloaded)
        const error = yield* Effect.flip(Effect.retry(thread.run("once"), CodexRetry.overload))
        assert.isTrue(error._tag === "TurnFailed" && CodexRetry.isRetryable(error))
        assert.strictEqual((yield* model.requests).length, 1)
        yield* model.enqueue(overloaded)
        const { finalResponse } = yield* Effect.retry(thread.run("twice"), CodexRetry.transient)
        assert.deepStrictEqual(finalResponse, Option.some("re: twice"))
        assert.strictEqual((yield* model.requests).length, 3)
      })
  )
})

describe("goals", () => {
  real(
    "a running goal owns its thread: no second goal and no turn until its end",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const gate = yield* held(model)
        const thread = yield* codex.startThread()
        const turn = yield* thread.startGoal("Go on.")
        yield* gate.reached
        assert.strictEqual((yield* Effect.flip(thread.run("me")))._tag, "ThreadBusy")
        assert.strictEqual((yield* Effect.flip(Effect.scoped(thread.startGoal("Another."))))._tag, "ThreadBusy")
        const queued = yield* Effect.forkScoped(thread.run("later", { whenBusy: "queue" }))
        yield* turn.interrupt
        assert.strictEqual((yield* turn.result).status, "interrupted")
        assert.deepStrictEqual((yield* Fiber.join(queued)).finalResponse, Option.some("re: later"))
      })
  )

  real(
    "a turn of a goal that somebody else interrupts ends it at once, and leaves the goal active",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const gate = yield* held(model)
        const thread = yield* codex.startThread()
        const turn = yield* thread.startGoal("Go on.")
        yield* gate.reached
        yield* rpc.request("turn/interrupt", { threadId: thread.id, turnId: turn.id })
        assert.strictEqual((yield* turn.result).status, "interrupted")
        assert.strictEqual(Option.getOrThrow(yield* thread.goal).status, "active")
        assert.isTrue(yield* thread.clearGoal)
        assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("re: next"))
      })
  )

  real(
    "an objective is stripped, not empty, and has at most 4000 characters",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        for (const objective of [" \n ", "x".repeat(4001)]) {
          assert.strictEqual((yield* Effect.flip(thread.runGoal(objective)))._tag, "InvalidArgument")
        }
        assert.deepStrictEqual(yield* thread.goal, Option.none())
        yield* model.enqueue([ScriptedModel.functionCall("update_goal", { status: "complete" })], "done")
        assert.strictEqual((yield* thread.runGoal(` ${"x".repeat(4000)} `)).status, "completed")
      })
  )
})

describe("turns on the pinned codex", () => {
  const writing = (turn: Turn.Turn) => turn.text.pipe(Stream.take(1), Stream.runDrain)

  real(
    "order: status active, turn/started, the userMessage item, the answer, status idle, turn/completed",
    ({ codex }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const reading = yield* thread.events.pipe(
          Stream.takeUntil((event) => event._tag === "turn/completed"),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        yield* thread.run("go")
        const seen = (yield* Fiber.join(reading)).flatMap((event) => {
          switch (event._tag) {
            case "thread/status/changed":
              return [event.params.status.type]
            case "item/started":
            case "item/completed":
              return [`${event._tag} ${event.params.item.type}`]
            case "turn/started":
            case "turn/completed":
              return [event._tag]
            default:
              return []
          }
        })
        assert.deepStrictEqual(seen, [
          "active",
          "turn/started",
          "item/started userMessage",
          "item/completed userMessage",
          "item/started agentMessage",
          "item/completed agentMessage",
          "idle",
          "turn/completed"
        ])
      })
  )

  real(
    "turn/start while a turn runs: ThreadBusy here; the server steers instead, and keeps the model for the next turn",
    ({ codex, model, rpc }) =>
      Effect.gen(function*() {
        const gate = yield* held(model)
        const thread = yield* codex.startThread()
        const turn = yield* thread.turn("go")
        yield* gate.reached
        const error = yield* Effect.flip(thread.run("more", { model: "another-model" }))
        assert.deepInclude(error, { _tag: "ThreadBusy", activeTurnId: turn.id, delivered: false })
        const theirs = yield* rpc.request("turn/start", {
          threadId: thread.id,
          input: said("theirs"),
          model: "another-model"
        })
        assert.strictEqual(theirs.turn.id, turn.id)
        assert.deepStrictEqual((yield* turn.result).finalResponse, Option.some("re: theirs"))
        yield* thread.run("next")
        const requests = yield* model.requests
        assert.deepStrictEqual(requests.map((request) => request.model), [
          "scripted-model",
          "scripted-model",
          "another-model"
        ])
        assert.notInclude(requests.at(-1)!.userTexts, "more")
      })
  )

  real(
    "steer mid-stream: aborts the model stream; a partial agentMessage never completes",
    ({ codex, model }) =>
      Effect.gen(function*() {
        yield* held(model, "half of it")
        const turn = yield* (yield* codex.startThread()).turn("go")
        yield* writing(turn)
        yield* turn.steer(["turn", "left"])
        const events = yield* Stream.runCollect(turn.events)
        const [first] = yield* model.requests
        assert.strictEqual(yield* first!.outcome, "abandoned")
        const agent = (tag: "item/started" | "item/completed") =>
          events.flatMap((event) =>
            event._tag === tag && event.params.item.type === "agentMessage" ? [event.params.item.id] : []
          )
        assert.strictEqual(agent("item/started").length, 2)
        assert.deepStrictEqual(agent("item/completed"), agent("item/started").slice(1))
        const { finalResponse, items } = yield* turn.result
        assert.deepStrictEqual(items.map(({ type }) => type), ["userMessage", "userMessage", "agentMessage"])
        assert.isTrue(Option.isSome(finalResponse))
        assert.includeMembers([...(yield* last(model)).userTexts], ["go", "turn", "left"])
      })
  )

  real("steer errors, interrupt errors: each is what it means", ({ codex, model, rpc }) =>
    Effect.gen(function*() {
      const gate = yield* held(model)
      const thread = yield* codex.startThread()
      const threadId = thread.id
      const input = said("more")
      const steer = (expectedTurnId: string) =>
        Effect.flip(rpc.request("turn/steer", { threadId, expectedTurnId, input }))
      const interrupt = (turnId: string) => rpc.request("turn/interrupt", { threadId, turnId })
      assert.strictEqual((yield* steer("another"))._tag, "NoActiveTurn")
      assert.strictEqual((yield* Effect.flip(interrupt("another")))._tag, "NoActiveTurn")
      assert.deepStrictEqual(yield* interrupt(""), {})
      const turn = yield* thread.turn("go")
      yield* gate.reached
      assert.deepInclude(yield* steer("another"), { _tag: "TurnMismatch", expected: "another", actual: turn.id })
      assert.deepInclude(yield* Effect.flip(interrupt("another")), {
        _tag: "TurnMismatch",
        expected: "another",
        actual: turn.id
      })
      assert.include((yield* steer("")).message, "expectedTurnId must not be empty")
      yield* gate.release
      yield* turn.result
      assert.strictEqual((yield* Effect.flip(turn.steer("late")))._tag, "NoActiveTurn")
      yield* turn.interrupt
    }))

  real(
    "interrupt race, interrupt ok: right after the start it takes effect; idle, interrupted, the thread is usable",
    ({ codex }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread()
        const reading = yield* thread.events.pipe(
          Stream.takeUntil((event) => event._tag === "turn/completed"),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        const turn = yield* thread.turn("for ever")
        yield* turn.interrupt
        assert.strictEqual((yield* turn.result).status, "interrupted")
        const events = yield* Fiber.join(reading)
        assert.deepStrictEqual(
          events.flatMap((event) => event._tag === "thread/status/changed" ? [event.params.status.type] : []),
          ["active", "idle"]
        )
        assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("re: next"))
      })
  )

  const answering = { begun: Deferred.makeUnsafe<void>(), abandoned: Deferred.makeUnsafe<void>() }

  real(
    "interrupt while an approval is waited for: it is resolved, its handler given up, the item never completes",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const thread = yield* codex.startThread({ sandbox: Sandbox.readOnly, approvalMode: ApprovalMode.ask })
        const reading = yield* thread.events.pipe(
          Stream.takeUntil((event) => event._tag === "serverRequest/resolved"),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
        yield* model.enqueue(escalated("echo never"))
        const turn = yield* thread.turn("go")
        yield* Deferred.await(answering.begun)
        assert.deepStrictEqual(yield* thread.status, { type: "active", activeFlags: ["waitingOnApproval"] })
        yield* turn.interrupt
        const { items, status } = yield* turn.result
        assert.deepStrictEqual([status, items.map(({ type }) => type)], ["interrupted", ["userMessage"]])
        const tags = (yield* Fiber.join(reading)).map(({ _tag }) => _tag)
        assert.includeMembers(tags, ["item/started", "turn/completed", "serverRequest/resolved"])
        yield* Deferred.await(answering.abandoned)
        assert.deepStrictEqual((yield* thread.run("next")).finalResponse, Option.some("re: next"))
      }),
    {},
    {
      "item/commandExecution/requestApproval": () =>
        Deferred.succeed(answering.begun, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(answering.abandoned, undefined))
        )
    }
  )

  real(
    "failed turn: errors with willRetry, then one without and TurnFailed; systemError, and the thread is usable",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const broken = ScriptedModel.truncated("cut", ["half"])
        yield* model.enqueue(broken, broken, broken)
        const thread = yield* codex.startThread()
        const turn = yield* thread.turn("go")
        const events = yield* Stream.runCollect(turn.events)
        const errors = events.flatMap((event) => event._tag === "error" ? [event.params] : [])
        assert.deepStrictEqual(errors.map(({ willRetry }) => willRetry), [true, true, false])
        assert.include(errors[0]!.error.message, "1/2")
        const error = yield* Effect.flip(turn.result)
        assert.instanceOf(error, CodexError.TurnFailed)
        assert.strictEqual(error.detail, errors[2]!.error.message)
        assert.strictEqual(error.reason, "streamBroken")
        assert.strictEqual((yield* thread.status).type, "systemError")
        // A stream that breaks once is a retry that is heard of, and no error.
        yield* model.enqueue(broken)
        const again = yield* thread.turn("again")
        assert.deepStrictEqual((yield* again.result).finalResponse, Option.some("re: again"))
        const retries = yield* Stream.runCollect(again.events)
        assert.deepStrictEqual(
          retries.flatMap((event) => event._tag === "error" ? [event.params.willRetry] : []),
          [true]
        )
        assert.strictEqual((yield* thread.status).type, "idle")
      }),
    { streamMaxRetries: 2 }
  )

  real(
    "failure map: what the model's failures are called, one after the other on one thread",
    ({ codex, model }) =>
      Effect.gen(function*() {
        const { failed, httpFailure } = ScriptedModel
        const failures: ReadonlyArray<readonly [ScriptedModel.Answer, string, number | undefined]> = [
          [httpFailure(400, "bad"), "other", undefined],
          [httpFailure(404, "none"), "httpConnectionFailed", 404],
          [httpFailure(429, "slow"), "responseTooManyFailedAttempts", 429],
          [
            httpFailure(429, { error: { type: "usage_limit_reached", message: "enough" } }),
            "usageLimitExceeded",
            undefined
          ],
          [
            httpFailure(503, { error: { code: "server_is_overloaded", message: "busy" } }),
            "serverOverloaded",
            undefined
          ],
          [failed("server_error", "oops"), "other", undefined],
          [ScriptedModel.incomplete("max_output_tokens", ["half"]), "other", undefined]
        ]
        const thread = yield* codex.startThread()
        for (const [answer, name, httpStatusCode] of failures) {
          yield* model.enqueue(answer)
          const error = yield* Effect.flip(thread.run("go"))
          assert.instanceOf(error, CodexError.TurnFailed)
          assert.deepStrictEqual(error.info, httpStatusCode === undefined ? name : { [name]: { httpStatusCode } })
        }
        assert.deepStrictEqual((yield* thread.run("again")).finalResponse, Option.some("re: again"))
      })
  )
})
