/** What a turn, a goal and a call can do beside giving their result, on the real codex. */
import {
  ApprovalMode,
  AppServerTimeout,
  InvalidArgument,
  Sandbox,
  SettingsNotApplied,
  subagentTreeOf,
  TurnStalled
} from "@effect-codex/promise"
import { ScriptedModel } from "@effect-codex/testing"
import { assert, describe, onTestFinished } from "@effect/vitest"
import { collect, count, gate, killAll, newMark, real, rejection, run, until } from "./support/real.ts"

const { exec, functionCall, reply, spawnAgent, text } = ScriptedModel

const complete = functionCall("update_goal", { status: "complete" })

const aborted = () => {
  const controller = new AbortController()
  const reason = new Error("enough")
  return { signal: controller.signal, reason, abort: () => controller.abort(reason) }
}

describe("a turn", () => {
  real("tells of its plan, its changes of files and the tokens that it uses", async ({ codex, model }) => {
    const plan = (...statuses: ReadonlyArray<string>) =>
      functionCall("update_plan", { plan: statuses.map((status, i) => ({ step: `step ${i}`, status })) })
    await model.enqueue(
      reply([plan("in_progress", "pending")], { usage: { input: 10, output: 1 } }),
      reply([exec("apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a.txt\n+hello\n*** End Patch\nEOF")], {
        usage: { input: 20, output: 2 }
      }),
      reply(["Done."], { usage: { input: 30, output: 3 } })
    )
    const thread = await codex.startThread({
      config: { tools: { update_plan: { enabled: true } } },
      approvalMode: ApprovalMode.denyAll,
      sandbox: Sandbox.fullAccess
    })
    const turn = await thread.turn("Plan it.")
    const [plans, diffs, usages] = await Promise.all([collect(turn.plan), collect(turn.diff), collect(turn.usage)])
    assert.deepStrictEqual(
      plans.map(({ plan }) => plan.map(({ status }) => status)),
      [["inProgress", "pending"]]
    )
    assert.include(diffs.at(-1), "+hello")
    assert.deepStrictEqual(usages.map(({ total }) => total.totalTokens), [11, 33, 66])
    const { finalResponse, plan: proposed, usage } = await turn.result()
    assert.deepStrictEqual([usage?.turn.totalTokens, usage?.subagents.totalTokens], [66, 0])
    // The checklist is no plan that was proposed.
    assert.isUndefined(proposed)
    const messages = await collect(turn.messages)
    assert.deepStrictEqual(messages.at(-1)?._tag, "Completed")
    assert.strictEqual(messages.at(-1)?.text, finalResponse)
    assert.strictEqual((await collect(turn.text)).join(""), finalResponse)
  })

  real("is found by the id of its message", async ({ codex, model }) => {
    await model.enqueue("done")
    const thread = await codex.startThread()
    assert.isUndefined(await thread.findTurn("mine"))
    const ran = await thread.run("go", { messageId: "mine" })
    const found = await thread.findTurn("mine")
    assert.deepStrictEqual([found?.id, found?.status, found?.finalResponse], [ran.id, "completed", "done"])
    assert.isUndefined(found?.usage)
    assert.instanceOf(await rejection(thread.findTurn("")), InvalidArgument)
  })

  real("tells what it has done so far, takes other settings, and says what it took", async ({ codex, model }) => {
    const opening = await gate()
    await model.enqueue(
      reply([exec("true")], { usage: { input: 129_000, output: 200 } }),
      [text(["I am ", opening, "done."])]
    )
    const thread = await codex.startThread({ approvalMode: ApprovalMode.granular({ sandbox: true }) })
    const turn = await thread.turn("go", {
      additionalContext: { clock: { kind: "application", value: "noon" } },
      environments: [],
      metadata: { trace: "abc" }
    })
    await model.received(2)
    const soFar = await turn.partialResult()
    assert.deepStrictEqual([soFar.status, soFar.usage?.contextUsed], ["inProgress", 0.5])
    await turn.updateSettings({ approvalsReviewer: "user" })
    assert.instanceOf(await rejection(turn.updateSettings({ effort: "high" })), SettingsNotApplied)
    await turn.interrupt()
    const { status, timing, usage } = await turn.result()
    assert.deepStrictEqual([status, usage?.turn.totalTokens], ["interrupted", 129_200])
    for (const time of [timing?.firstToken, timing?.model, timing?.tools]) assert.isNumber(time)
  })

  real("has its subagents below it, which may go on when it has ended", async ({ codex, model }) => {
    const held = await gate()
    // The subagent and the turn ask the model at the same time, and hear the same.
    const same = [text(["the same ", held, "words"])]
    await model.enqueue([spawnAgent("look")], same, same)
    const thread = await codex.startThread()
    const turn = await thread.turn("Let somebody look.")
    const trees = collect(turn.subagentTree)
    const found = []
    for await (const subagent of turn.subagents) {
      found.push(subagent)
      await run(held.release)
      assert.strictEqual((await turn.result()).status, "completed")
      const { finalResponse, status, threadId } = await subagent.result()
      assert.deepStrictEqual([finalResponse, status, threadId], ["the same words", "completed", subagent.threadId])
      await subagent.interrupt()
    }
    assert.lengthOf(found, 1)
    const [subagent] = found
    assert.deepStrictEqual(
      [subagent?.prompt, subagent?.depth, subagent?.parentThreadId, subagent?.role],
      ["look", 1, thread.id, undefined]
    )
    assert.strictEqual((await collect(subagent!.text)).join(""), "the same words")
    const history = await collect(subagent!.history())
    assert.deepStrictEqual(
      history.map((entry) => "raw" in entry ? "raw" : entry.item.type),
      ["userMessage", "agentMessage"]
    )
    const last = (await trees).at(-1)
    assert.deepStrictEqual(last?.map(({ nickname, status }) => [nickname, status]), [[subagent?.nickname, "completed"]])
    const stored = await collect(codex.listThreads({ ancestorThreadId: thread.id }))
    assert.deepStrictEqual(subagentTreeOf(stored).map(({ threadId }) => threadId), [subagent?.threadId])
  })

  real("is interrupted together with the commands that it left in the background", async ({ codex, model }) => {
    const [, mark = ""] = newMark().split("=")
    await model.enqueue(
      [exec(`sleep ${mark}`, { args: { yield_time_ms: 250 } })],
      [text(["It runs. ", await gate()])]
    )
    const thread = await codex.startThread({ approvalMode: ApprovalMode.denyAll, sandbox: Sandbox.fullAccess })
    const turn = await thread.turn("Leave something running.")
    await model.received(2)
    assert.isAbove(count(mark), 0)
    // It is nobody's child once codex has gone.
    onTestFinished(() => killAll(mark))
    const ended = await turn.interruptWithTerminals()
    assert.deepStrictEqual(ended.map(({ command }) => command.includes(mark)), [true])
    await until(() => count(mark) === 0)
    assert.strictEqual((await turn.result()).status, "interrupted")
    assert.deepStrictEqual(await turn.interruptWithTerminals(), [])
  })

  real("that is silent for too long is interrupted, and says so", async ({ model, open }) => {
    const codex = open({ stallTimeout: 300 })
    await model.enqueue([await gate()], [await gate()], [await gate()])
    const thread = await codex.startThread()
    const stalled = async (error: Promise<unknown>, stallTimeout: number) => {
      assert.deepInclude(await error, { _tag: "TurnStalled", stallTimeout })
      assert.instanceOf(await error, TurnStalled)
    }
    await stalled(rejection(thread.run("Wait.")), 300)
    await stalled(rejection(thread.run("Wait.", { stallTimeout: "200 millis" })), 200)
    const patient = await codex.resumeThread(thread.id, { stallTimeout: 100 })
    await stalled(rejection(patient.run("Wait.")), 100)
    assert.strictEqual(await model.outcome(0), "abandoned")
  })
})

describe("a goal", () => {
  real("is started, interrupted, resumed and paused", async ({ codex, model }) => {
    const thread = await codex.startThread()
    const status = async () => (await thread.goal())?.status
    await model.enqueue("First.", [text(["Second. ", await gate()])])
    const turn = await thread.startGoal(" Go on. ", { tokenBudget: 1000 })
    await model.received(2)
    const goal = await thread.goal()
    assert.deepInclude(goal, { objective: "Go on.", status: "active", tokenBudget: 1000 })
    await turn.interrupt()
    assert.strictEqual((await turn.result()).status, "interrupted")
    assert.strictEqual(await status(), "paused")

    const hold = await gate()
    await model.enqueue([text(["Third. ", hold])])
    const resumed = await thread.resumeGoal()
    await model.received(3)
    const paused = await thread.pauseGoal()
    assert.strictEqual(paused.status, "paused")
    assert.isNumber(paused.timeUsed)
    assert.instanceOf(paused.createdAt, Date)
    await run(hold.release)
    // It ends, and no other begins.
    assert.strictEqual((await resumed.result()).finalResponse, "Third. ")
    assert.strictEqual((await model.requests()).length, 3)

    await model.enqueue([complete], "Done.")
    assert.strictEqual((await (await thread.resumeGoal()).result()).finalResponse, "Done.")
    assert.strictEqual(await status(), "complete")
  })

  real("whose run is aborted is paused, and then it rejects", async ({ codex, model }) => {
    const { abort, reason, signal } = aborted()
    await model.enqueue("First.", [text(["Second. ", await gate()])])
    const thread = await codex.startThread()
    const running = thread.runGoal("Go on.", { signal })
    await model.received(2)
    abort()
    assert.strictEqual(await rejection(running), reason)
    assert.strictEqual(await model.outcome(1), "abandoned")
    assert.strictEqual((await thread.goal())?.status, "paused")
  })
})

describe("a call", () => {
  real("ends when its signal aborts, and also when codex does not answer", async ({ model, open }) => {
    const mark = newMark()
    const codex = open({ configOverrides: [mark], requestTimeout: "30 seconds" })
    await model.enqueue("One.")
    const thread = await codex.startThread()
    await thread.run("1")
    killAll(mark, "SIGSTOP")
    try {
      for (
        const call of [
          (signal: AbortSignal) => thread.fork({ signal }),
          (signal: AbortSignal) => codex.request("model/list", {}, { signal }),
          (signal: AbortSignal) => thread.read({ signal }),
          (signal: AbortSignal) => codex.forkThread(thread.id, { signal })
        ]
      ) {
        const { abort, reason, signal } = aborted()
        const calling = call(signal)
        setImmediate(abort)
        assert.strictEqual(await rejection(calling), reason)
      }
      const late = await rejection(codex.request("model/list", {}, { timeout: 50 }))
      assert.deepInclude(late, { _tag: "AppServerTimeout", timeout: 50 })
    } finally {
      killAll(mark, "SIGCONT")
    }
    assert.strictEqual((await thread.status()).type, "idle")
  })

  real("waits for an answer as long as the client says", async ({ open }) => {
    const mark = newMark()
    const codex = open({ configOverrides: [mark], requestTimeout: "2 seconds" })
    await codex.serverInfo()
    killAll(mark, "SIGSTOP")
    try {
      const late = await rejection(codex.models())
      assert.instanceOf(late, AppServerTimeout)
      assert.deepInclude(late, { method: "model/list", timeout: 2000 })
    } finally {
      killAll(mark, "SIGCONT")
    }
    assert.isAbove((await codex.models()).length, 0)
  })
})
