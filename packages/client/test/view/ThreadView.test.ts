/** What a view shows of the events of a thread. */
import { Pricing, ThreadView } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as Fake from "../support/fakeServer.ts"
import { fold, itemsOf, notification, storedThread } from "../support/viewEvents.ts"

const id = "turn-1"
const of = { threadId: Fake.threadId, turnId: id }
const error = {
  message: "Reconnecting... 1/5",
  codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: null } },
  additionalDetails: null,
  misalignment: null
}
const userMessage = (itemId: string, text: string) => ({
  type: "userMessage",
  id: itemId,
  clientId: null,
  content: [{ type: "text", text, text_elements: [] }]
})
const finishedCommand = {
  ...Fake.runningCommand,
  status: "completed",
  aggregatedOutput: "all of it",
  exitCode: 0,
  durationMs: 12
}

/** As codex has it, an item begins before it ends. */
const started = (turnId: string, item: unknown, threadId = Fake.threadId) =>
  notification("item/started", { threadId, turnId, item, startedAtMs: 1795374429500 })
const completed = (turnId: string, item: unknown, threadId = Fake.threadId) =>
  notification("item/completed", { threadId, turnId, item, completedAtMs: 1795374429600 })

const shown = (view: ThreadView.AgentView) =>
  itemsOf(view).map(({ item, state }) => [item.type, state, item.type === "agentMessage" ? item.text : item.id])

describe("a message", () => {
  it("grows while it streams, and is whole when it completes", () => {
    const growing = fold([
      Fake.started(id),
      started(id, Fake.agentMessage("m", "")),
      Fake.delta(id, "m", "Hel"),
      Fake.delta(id, "m", "lo")
    ])
    assert.deepStrictEqual(shown(growing), [["agentMessage", "running", "Hello"]])
    const whole = fold([completed(id, Fake.agentMessage("m", "Hello!"))], growing)
    assert.deepStrictEqual(shown(whole), [["agentMessage", "completed", "Hello!"]])
  })

  it("that begins with its text has it once", () => {
    const view = fold([
      started(id, Fake.agentMessage("m", "Hello")),
      Fake.delta(id, "m", "Hel"),
      Fake.delta(id, "m", "lo, you")
    ])
    assert.deepStrictEqual(shown(view), [["agentMessage", "running", "Hello, you"]])
  })

  it("whose beginning was missed has what came since, and then all of it", () => {
    const late = fold([Fake.delta(id, "m", "lo"), Fake.delta(id, "m", "!")])
    assert.deepStrictEqual(shown(late), [["agentMessage", "running", "lo!"]])
    assert.isTrue(itemsOf(late)[0]?.isPartial)
    const begun = fold([started(id, Fake.agentMessage("m", "", "final_answer"))], late)
    const item = itemsOf(begun)[0]?.item
    assert.deepStrictEqual(
      item?.type === "agentMessage" ? [item.text, item.phase] : item,
      ["lo!", "final_answer"]
    )
  })

  it("is void when the model's stream breaks, and the error says that codex tries again", () => {
    const view = fold([
      Fake.started(id),
      started(id, Fake.agentMessage("m", "")),
      Fake.delta(id, "m", "Hel"),
      started(id, Fake.runningCommand),
      Fake.notification("error", { ...of, error, willRetry: true })
    ])
    assert.deepStrictEqual(itemsOf(view).map(({ state }) => state), ["abandoned", "running"])
    const problem = view.turns.at(0)?.errors.at(0)
    assert.deepStrictEqual([problem?.reason, problem?.willRetry, problem?.advice], ["streamBroken", true, ""])
    assert.deepStrictEqual(view.notices.at(-1)?.kind, "error")
  })

  it("is void when the turn is steered", () => {
    const view = fold([
      started(id, Fake.agentMessage("m", "")),
      Fake.delta(id, "m", "Hel"),
      started(id, userMessage("u", "No!"))
    ])
    assert.deepStrictEqual(itemsOf(view).map(({ id, state }) => [id, state]), [["m", "abandoned"], ["u", "running"]])
  })

  it("of a provider with one id for all of its messages is the last one", () => {
    const at = (startedAtMs: number) => ({ ...of, item: Fake.agentMessage("m", ""), startedAtMs })
    const done = (completedAtMs: number, text: string) => ({ ...of, item: Fake.agentMessage("m", text), completedAtMs })
    const view = fold([
      notification("item/started", at(1)),
      notification("item/completed", done(2, "one")),
      notification("item/started", at(1)),
      notification("item/started", at(3)),
      Fake.delta(id, "m", "tw")
    ])
    assert.deepStrictEqual(shown(view), [["agentMessage", "running", "tw"]])
  })
})

describe("frames that come twice, late or out of order", () => {
  it("double no item, and take nothing back", () => {
    const frames = [
      Fake.started(id),
      started(id, Fake.runningCommand),
      notification("item/commandExecution/outputDelta", { ...of, itemId: Fake.runningCommand.id, delta: "all" }),
      completed(id, finishedCommand),
      started(id, Fake.agentMessage("m", "")),
      completed(id, Fake.agentMessage("m", "Done.")),
      Fake.completed(id)
    ]
    const once = fold(frames)
    assert.deepStrictEqual(shown(once), [
      ["commandExecution", "completed", Fake.runningCommand.id],
      ["agentMessage", "completed", "Done."]
    ])
    const late = fold([...frames].reverse(), once)
    assert.strictEqual(late.turns.length, 1)
    assert.deepStrictEqual(shown(late), shown(once))
    assert.strictEqual(late.turns.at(0)?.status, "completed")
    const reversed = fold([...frames].reverse())
    assert.sameDeepMembers([...shown(reversed)], [...shown(once)])
    assert.strictEqual(reversed.turns.at(0)?.status, "completed")
  })

  it("of another thread change nothing, and a view is the same object then", () => {
    const view = fold([Fake.started(id)])
    assert.strictEqual(fold([Fake.started("other", "another-thread")], view), view)
    assert.strictEqual(fold([started("other", Fake.runningCommand, "another-thread")], view), view)
  })
})

describe("what a newer server sends", () => {
  it("is kept and marked: an item, an event, and what does not fit", () => {
    const view = fold([
      started(id, { type: "hologram", id: "h", depth: 3 }),
      completed(id, { type: "hologram", id: "h", depth: 4 }),
      completed(id, { ...Fake.runningCommand, id: "c", cwd: 7 }),
      notification("thread/dreamt", { threadId: Fake.threadId, of: "sheep" }),
      notification("turn/plan/updated", { ...of, plan: 7 })
    ])
    assert.deepStrictEqual(
      itemsOf(view).map(({ id, item, state }) => [id, String(item.type), state]),
      [["h", "hologram", "completed"], ["c", "undecodable", "completed"]]
    )
    assert.deepStrictEqual(
      [...view.notices].map(({ kind, method }) => [kind, method]),
      [["unknown", "thread/dreamt"], ["undecodable", "turn/plan/updated"]]
    )
  })
})

describe("a command and a patch", () => {
  it("have their output while they run, and counts of lines", () => {
    const diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-old\n--- not a head\n+new\n+++ neither\n same\n"
    const view = fold([
      started(id, Fake.runningCommand),
      notification("item/commandExecution/outputDelta", { ...of, itemId: Fake.runningCommand.id, delta: "one\n" }),
      notification("item/commandExecution/outputDelta", { ...of, itemId: Fake.runningCommand.id, delta: "two\n" }),
      notification("item/commandExecution/terminalInteraction", {
        ...of,
        itemId: Fake.runningCommand.id,
        processId: "1",
        stdin: "y\n"
      }),
      completed(id, {
        type: "fileChange",
        id: "f",
        status: "completed",
        changes: [
          { path: "/a", kind: { type: "add" }, diff: "1\n2\n3" },
          { path: "/b", kind: { type: "delete" }, diff: "1\n" },
          { path: "/x", kind: { type: "update", move_path: "/y" }, diff }
        ]
      })
    ])
    const [command, patch] = itemsOf(view)
    assert.strictEqual(command?.item.type === "commandExecution" && command.item.aggregatedOutput, "one\ntwo\n")
    assert.strictEqual(command?.stdin, "y\n")
    assert.deepStrictEqual(
      patch?.files.map(({ added, kind, movedTo, removed }) => [kind, added, removed, movedTo]),
      [["add", 3, 0, undefined], ["delete", 0, 1, undefined], ["update", 2, 2, "/y"]]
    )
  })
})

describe("a request", () => {
  const asked = (requestId: number): ThreadView.Event => ({
    _tag: "ServerRequest",
    id: requestId,
    method: "item/commandExecution/requestApproval",
    params: { ...of, itemId: "c", startedAtMs: 5, kind: "command", command: "rm -rf ." }
  })

  it("waits until it is answered, once", () => {
    const waiting = fold([asked(1), asked(1), asked(2)])
    assert.deepStrictEqual(waiting.waiting.map(({ id, itemId, kind }) => [id, itemId, kind]), [
      [1, "c", "command"],
      [2, "c", "command"]
    ])
    const decided = fold([
      { _tag: "ServerRequestAnswer", id: 1, answer: { result: { decision: "decline" } } },
      { _tag: "ServerRequestAnswer", id: 1, answer: { result: { decision: "accept" } } },
      notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 1 }),
      notification("serverRequest/resolved", { threadId: Fake.threadId, requestId: 2 })
    ], waiting)
    assert.deepStrictEqual(decided.waiting, [])
    assert.deepStrictEqual(
      [...decided.asks].map(({ answer, by, state }) => [state, by, answer]),
      [["answered", "client", { result: { decision: "decline" } }], ["closed", undefined, undefined]]
    )
  })

  it("of a turn that ends waits no longer", () => {
    assert.deepStrictEqual(fold([Fake.started(id), asked(1), Fake.completed(id, "interrupted")]).waiting, [])
  })
})

describe("tokens", () => {
  it("are counted by call, a repeated report once, with the cost and the rest of the context", () => {
    const view = fold([
      Fake.started(id),
      notification("model/rerouted", { ...of, fromModel: "a", toModel: "b", reason: "highRiskCyberActivity" }),
      Fake.tokenUsage(id, 10, 10),
      Fake.tokenUsage(id, 10, 10),
      Fake.tokenUsage(id, 20, 30)
    ])
    const turn = view.turns.at(0)
    assert.deepStrictEqual([...turn?.calls ?? []].map(({ model, usage }) => [model, usage.totalTokens]), [
      ["b", 10],
      ["b", 20]
    ])
    assert.strictEqual(ThreadView.tokens(view)?.totalTokens, 30)
    const price: Pricing.Price = (model, { totalTokens }) =>
      model === "b" ? Option.some(totalTokens / 10) : Option.none()
    assert.deepStrictEqual(ThreadView.cost(view, price), Option.some(3))
    assert.deepStrictEqual(ThreadView.cost(view, Pricing.unknown), Option.none())
    const window = view.usage?.modelContextWindow
    assert.strictEqual(view.contextLeft, typeof window === "number" ? window - 20 : undefined)
  })
})

describe("a subagent", () => {
  const spawn = {
    type: "collabAgentToolCall",
    id: "s",
    tool: "spawnAgent",
    status: "completed",
    senderThreadId: Fake.threadId,
    receiverThreadIds: ["child"],
    prompt: "Count.",
    model: null,
    reasoningEffort: null,
    agentsStates: { child: { status: "running", message: null } }
  }
  const childTurn = notification("turn/started", {
    threadId: "child",
    turn: Fake.turn("child-turn", "inProgress", { rootTurnId: id })
  })
  const childSays = completed("child-turn", Fake.agentMessage("m", "42"), "child")

  it("has a view of its own, whether its start or its turn comes first", () => {
    const spawned = completed(id, spawn)
    for (const events of [[spawned, childTurn, childSays], [childTurn, childSays, spawned]]) {
      const view = fold([Fake.started(id), ...events])
      const [child, ...others] = ThreadView.childrenOf(view, Fake.threadId)
      assert.lengthOf(others, 0)
      assert.deepStrictEqual([child?.threadId, child?.prompt, child?.agentStatus], ["child", "Count.", "running"])
      assert.deepStrictEqual(shown(child!), [["agentMessage", "completed", "42"]])
    }
  })
})

describe("what is stored", () => {
  const stored = Fake.turn(id, "completed", {
    startedAt: 100,
    completedAt: 103,
    durationMs: 2500,
    itemsView: "full",
    items: [userMessage("u", "Go."), finishedCommand, Fake.agentMessage("m", "Done.")]
  })

  it("takes the place of what was seen live, in its order", () => {
    const live = fold([
      Fake.started(id),
      started(id, userMessage("u", "Go.")),
      started(id, Fake.agentMessage("broken", "")),
      notification("error", { ...of, error, willRetry: true }),
      started(id, Fake.agentMessage("m", "")),
      started(id, Fake.runningCommand)
    ])
    const view = fold([storedThread([stored])], live)
    assert.deepStrictEqual(itemsOf(view).map(({ id, state }) => [id, state]), [
      ["u", "completed"],
      ["broken", "abandoned"],
      [Fake.runningCommand.id, "completed"],
      ["m", "completed"]
    ])
    const turn = fold([storedThread([stored])]).turns.at(0)
    assert.deepStrictEqual([turn?.status, turn?.startedAt, turn?.endedAt], ["completed", 100_000, 102_500])
  })

  it("takes away turns that were reverted", () => {
    const both = fold([storedThread([stored, Fake.turn("turn-2", "completed")])])
    const reverted = fold([notification("thread/reverted", { threadId: Fake.threadId })], both)
    assert.deepStrictEqual([reverted.isReverted, reverted.turns.length], [true, 2])
    const read = fold([storedThread([stored])], reverted)
    assert.deepStrictEqual([read.isReverted, [...read.turns].map(({ id }) => id)], [false, [id]])
  })
})

describe("a review", () => {
  it("ends the turn within it, whose end is not told", () => {
    const begun = (turnId: string) =>
      notification("turn/started", {
        threadId: Fake.threadId,
        turn: Fake.turn(turnId, "inProgress", { rootTurnId: "review" })
      })
    const view = fold([begun("review"), begun("inner"), Fake.completed("review")])
    assert.deepStrictEqual([...view.turns].map(({ id, status }) => [id, status]), [
      ["review", "completed"],
      ["inner", "interrupted"]
    ])
  })
})

describe("the timeline", () => {
  it("parts a turn into the model, the command and the wait for its approval", () => {
    const at: Array<readonly [number, ThreadView.Event]> = [
      [
        0,
        notification("mcpServer/startupStatus/updated", {
          threadId: Fake.threadId,
          name: "db",
          environmentId: null,
          status: "starting",
          error: null,
          failureReason: null
        })
      ],
      [
        30,
        notification("mcpServer/startupStatus/updated", {
          threadId: Fake.threadId,
          name: "db",
          environmentId: null,
          status: "ready",
          error: null,
          failureReason: null
        })
      ],
      [50, notification("turn/started", { threadId: Fake.threadId, turn: Fake.turn(id) })],
      [60, notification("item/started", { ...of, item: Fake.runningCommand, startedAtMs: 60 })],
      [61, {
        _tag: "ServerRequest",
        id: 1,
        method: "item/commandExecution/requestApproval",
        params: { ...of, itemId: Fake.runningCommand.id, startedAtMs: 61 }
      }],
      [70, { _tag: "ServerRequestAnswer", id: 1, answer: { result: { decision: "accept" } } }],
      [80, notification("item/completed", { ...of, item: finishedCommand, completedAtMs: 80 })],
      [90, notification("turn/completed", { threadId: Fake.threadId, turn: Fake.turn(id, "completed") })]
    ]
    const view = at.reduce((now, [time, event]) => ThreadView.apply(now, event, time), ThreadView.empty)
    assert.deepStrictEqual(
      ThreadView.timeline(view).map(({ endedAt, kind, startedAt }) => [kind, startedAt, endedAt]),
      [
        ["mcpStart", 0, 30],
        ["turn", 50, 90],
        ["model", 50, 60],
        ["command", 60, 80],
        ["waiting", 61, 70],
        ["model", 80, 90]
      ]
    )
  })
})
