/** The subagents of a turn, on the real codex binary with a scripted model. */
import { ApprovalMode, Approvals, Codex, Sandbox, Subagent, type Turn } from "@effect-codex/client"
import { CodexHome, ScriptedCodex, ScriptedModel } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Scope, Stream } from "effect"
import * as Fs from "node:fs"

const { agentIds, reply, spawnAgent, waitAgents } = ScriptedModel

type Answer = NonNullable<ScriptedModel.Options["answer"]>

const real = (
  name: string,
  options: { readonly answer: Answer; readonly handlers?: Layer.Layer<never> },
  test: Effect.Effect<void, unknown, Codex.Codex | ScriptedModel.ScriptedModel | CodexHome.CodexHome | Scope.Scope>
) =>
  it.live(name, () =>
    test.pipe(
      Effect.scoped,
      Effect.provide(
        ScriptedCodex.layer({ model: { answer: options.answer } }).pipe(
          Layer.provide(options.handlers ?? Layer.empty)
        )
      )
    ))

const agents = (name: string, args: ScriptedModel.JsonObject) =>
  ScriptedModel.functionCall(name, args, { namespace: "multi_agent_v1" })

const start = (options?: Codex.StartThreadOptions) =>
  Effect.flatMap(
    Codex.Codex,
    (codex) => codex.startThread({ ...options, config: { "agents.max_depth": 3, ...options?.config } })
  )

/** The first subagent that was started with this message. */
const startedWith = (turn: Turn.Turn, prompt: string) =>
  turn.subagents.pipe(
    Stream.filter((subagent) => Option.contains(subagent.prompt, prompt)),
    Stream.runHead,
    Effect.map(Option.getOrThrow)
  )

/** The model's request of the agent with this prompt. */
const requestOf = (prompt: string) =>
  Effect.flatMap(ScriptedModel.ScriptedModel, (model) => model.receivedWhere((request) => request.prompt === prompt))

const gate = () => Effect.runSync(ScriptedModel.gate)

const textOf = (messages: ReadonlyArray<string>) => messages.join("")

describe("a subagent", () => {
  {
    const slow = gate()
    const quick = gate()
    real(
      "is interrupted alone: its request of the model is gone, and the others go on",
      {
        answer: (request) => {
          if (request.prompt === "slow") return ScriptedModel.text(["half", slow])
          if (request.prompt === "quick") return ScriptedModel.text(["all of ", quick, "it"])
          switch (request.toolOutputs.length) {
            case 0:
              return reply([spawnAgent("slow"), spawnAgent("quick")])
            case 2:
              return waitAgents(request)
            default:
              return "root done"
          }
        }
      },
      Effect.gen(function*() {
        const turn = yield* (yield* start()).turn("go")
        yield* Effect.all([slow.reached, quick.reached])
        const interrupted = yield* startedWith(turn, "slow")
        yield* interrupted.interrupt
        assert.strictEqual((yield* interrupted.result).status, "interrupted")
        assert.strictEqual(yield* (yield* requestOf("slow")).outcome, "abandoned")
        // Again: nothing runs any more.
        yield* interrupted.interrupt
        yield* quick.release
        const sibling = yield* startedWith(turn, "quick")
        const { finalResponse, status } = yield* sibling.result
        assert.deepStrictEqual([status, Option.getOrThrow(finalResponse)], ["completed", "all of it"])
        assert.strictEqual(textOf(yield* Stream.runCollect(sibling.text)), "all of it")
        const result = yield* turn.result
        assert.deepStrictEqual([result.status, Option.getOrThrow(result.finalResponse)], ["completed", "root done"])
      })
    )
  }

  real(
    "is told at any depth, with its name, its parent, its items and its own tokens",
    {
      answer: (request) => {
        if (request.prompt === "grandchild") return reply(["deep"], { usage: { input: 100, output: 1 } })
        if (request.prompt === "child") {
          switch (request.toolOutputs.length) {
            case 0:
              return reply([spawnAgent("grandchild")], { usage: { input: 10, output: 1 } })
            case 1:
              return reply([waitAgents(request)], { usage: { input: 20, output: 1 } })
            default:
              return reply(["child done"], { usage: { input: 30, output: 1 } })
          }
        }
        const target = agentIds(request)[0] ?? ""
        switch (request.toolOutputs.length) {
          case 0:
            return reply([spawnAgent("child", { args: { agent_type: "explorer" } })], {
              usage: { input: 1, output: 1 }
            })
          case 1:
            return waitAgents(request)
          case 2:
            return agents("close_agent", { target })
          default:
            return "root done"
        }
      }
    },
    Effect.gen(function*() {
      const thread = yield* start()
      const turn = yield* thread.turn("go")
      const [subagents, trees] = yield* Effect.all(
        [Stream.runCollect(turn.subagents), Stream.runCollect(turn.subagentTree)],
        { concurrency: "unbounded" }
      )
      const [child, grandchild] = subagents
      assert.isDefined(child)
      assert.isDefined(grandchild)
      assert.lengthOf(subagents, 2)
      assert.deepStrictEqual(
        subagents.map(({ depth, parentThreadId, prompt, role }) => [depth, parentThreadId, prompt, role]),
        [
          [1, thread.id, Option.some("child"), Option.some("explorer")],
          [2, child.threadId, Option.some("grandchild"), Option.none()]
        ]
      )
      assert.isTrue(Option.isSome(child.nickname) && Option.isSome(grandchild.nickname))
      assert.strictEqual(Option.getOrThrow((yield* grandchild.result).usage).turn.totalTokens, 101)
      const totals = yield* Stream.runCollect(child.usage)
      assert.strictEqual(totals.at(-1)?.total.totalTokens, 63)
      const items = yield* Stream.runCollect(child.items)
      assert.deepStrictEqual(
        items.map(({ type }) => type),
        ["userMessage", "collabAgentToolCall", "collabAgentToolCall", "agentMessage"]
      )
      // A late reader has the tree as it is, which is the last one that the early reader had.
      const [last] = yield* Stream.runCollect(turn.subagentTree)
      assert.deepStrictEqual(last, trees.at(-1))
      assert.isAbove(trees.length, 1)
      const node = (one: Subagent.Subagent, totalTokens: number) => [one.threadId, "completed", totalTokens]
      const shown = (nodes: ReadonlyArray<Subagent.SubagentNode>): ReadonlyArray<unknown> =>
        nodes.map(({ children, status, threadId, tokens }) => [
          threadId,
          status,
          Option.getOrThrow(tokens).totalTokens,
          ...shown(children)
        ])
      assert.deepStrictEqual(shown(last ?? []), [[...node(child, 63), node(grandchild, 101)]])
      // The child was closed: its thread is not loaded any more.
      const history = yield* Stream.runCollect(child.history())
      assert.deepStrictEqual(
        history.map((entry) => "raw" in entry ? entry : entry.item.type),
        items.map(({ type }) => type)
      )
      const stored = yield* Effect.flatMap(
        Codex.Codex,
        (codex) => Stream.runCollect(codex.listThreads({ ancestorThreadId: thread.id }))
      )
      const [root, ...others] = Subagent.treeOf(stored)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual([root?.threadId, root?.nickname, root?.status], [
        child.threadId,
        child.nickname,
        "unknown"
      ])
      assert.deepStrictEqual(root?.children.map(({ threadId }) => threadId), [grandchild.threadId])
    })
  )

  real(
    "that is sent more input runs another turn",
    {
      answer: (request) => {
        if (request.prompt === "child") return "first"
        if (request.prompt === "more") return "second"
        const target = agentIds(request)[0] ?? ""
        switch (request.toolOutputs.length) {
          case 0:
            return spawnAgent("child")
          case 1:
          case 3:
            return waitAgents(request)
          case 2:
            return agents("send_input", { target, message: "more" })
          default:
            return "root done"
        }
      }
    },
    Effect.gen(function*() {
      const turn = yield* (yield* start()).turn("go")
      yield* turn.result
      const [subagent, ...others] = yield* Stream.runCollect(turn.subagents)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(textOf(yield* Stream.runCollect(subagent!.text)), "first\n\nsecond")
      assert.deepStrictEqual((yield* subagent!.result).finalResponse, Option.some("second"))
    })
  )

  real(
    "of the second generation of agent tools has a path",
    {
      answer: (request) => {
        const call = (name: string, args: ScriptedModel.JsonObject) =>
          ScriptedModel.functionCall(name, args, { namespace: "collaboration" })
        if (JSON.stringify(request.input).includes("Task name: /root/count")) return "Three."
        switch (request.toolOutputs.length) {
          case 0:
            return call("spawn_agent", { message: "Count.", task_name: "count" })
          case 1:
            return call("wait_agent", { timeout_ms: 30_000 })
          default:
            return "root done"
        }
      }
    },
    Effect.gen(function*() {
      const turn = yield* (yield* start({ config: { "features.multi_agent_v2": true } })).turn("go")
      const [subagent] = yield* Stream.runCollect(turn.subagents)
      assert.deepStrictEqual([subagent?.path, subagent?.prompt], [Option.some("/root/count"), Option.none()])
      assert.deepStrictEqual((yield* subagent!.result).finalResponse, Option.some("Three."))
    })
  )
})

describe("the subagents of a turn", () => {
  const hold = (held: ScriptedModel.Gate): Answer => (request) => {
    if (request.prompt === "child") return ScriptedModel.text(["still ", held, "here"])
    if (request.toolOutputs.length === 0) return spawnAgent("child")
    return "root done"
  }
  {
    const held = gate()
    real(
      "go on when it has ended, and its streams of them end with the last",
      { answer: hold(held) },
      Effect.gen(function*() {
        const turn = yield* (yield* start()).turn("go")
        assert.strictEqual((yield* turn.result).status, "completed")
        yield* held.reached
        const subagent = yield* startedWith(turn, "child")
        yield* held.release
        assert.lengthOf(yield* Stream.runCollect(turn.subagents), 1)
        assert.deepStrictEqual((yield* subagent.result).finalResponse, Option.some("still here"))
      })
    )
  }
  {
    const held = gate()
    const root = gate()
    real(
      "go on when it is interrupted",
      {
        answer: (request) => {
          if (request.prompt === "child") return ScriptedModel.text(["still ", held, "here"])
          return request.toolOutputs.length === 0 ? spawnAgent("child") : ScriptedModel.text(["root ", root, "done"])
        }
      },
      Effect.gen(function*() {
        const thread = yield* start()
        const turn = yield* thread.turn("go")
        yield* Effect.all([held.reached, root.reached])
        yield* turn.interrupt
        assert.strictEqual((yield* turn.result).status, "interrupted")
        const subagent = yield* startedWith(turn, "child")
        yield* held.release
        assert.strictEqual((yield* subagent.result).status, "completed")
      })
    )
  }
  {
    const held = gate()
    const root = gate()
    real(
      "end with a run that is interrupted",
      {
        answer: (request) => {
          if (request.prompt === "child") return ScriptedModel.text(["still ", held, "here"])
          return request.toolOutputs.length === 0 ? spawnAgent("child") : ScriptedModel.text(["root ", root, "done"])
        }
      },
      Effect.gen(function*() {
        const thread = yield* start()
        yield* Effect.raceFirst(thread.run("go"), Effect.all([held.reached, root.reached]))
        assert.strictEqual(yield* (yield* requestOf("child")).outcome, "abandoned")
      })
    )
  }
})

describe("what a subagent asks", () => {
  const asking: Codex.StartThreadOptions = { sandbox: Sandbox.workspaceWrite, approvalMode: ApprovalMode.untrusted }

  {
    const touch = (file: string) => ScriptedModel.exec(`touch ${file}`)
    const ended = gate()
    real(
      "goes to the handlers of the turn at any depth, also when the turn has ended",
      {
        answer: (request) => {
          const { prompt, toolOutputs } = request
          if (prompt === "grandchild") return toolOutputs.length === 0 ? touch("grandchild.txt") : "deep"
          if (prompt === "late") {
            return toolOutputs.length === 0 ? reply([ended, touch("late.txt")]) : "late done"
          }
          if (prompt === "child") {
            if (toolOutputs.length === 0) return spawnAgent("grandchild")
            return toolOutputs.length === 1 ? waitAgents(request) : "child done"
          }
          switch (toolOutputs.length) {
            case 0:
              return reply([spawnAgent("child"), spawnAgent("late")])
            case 2:
              return agents("wait_agent", { targets: [agentIds(request)[0] ?? ""], timeout_ms: 30_000 })
            default:
              return "root done"
          }
        },
        handlers: Approvals.layerDeclineAll
      },
      Effect.gen(function*() {
        const asked = new Set<string>()
        const handlers = yield* Approvals.make({
          command: ({ threadId }) => Effect.as(Effect.sync(() => asked.add(threadId)), "accept")
        })
        const { workspace } = yield* CodexHome.CodexHome
        const turn = yield* (yield* start(asking)).turn("go", { handlers })
        yield* turn.result
        assert.isTrue(Fs.existsSync(`${workspace}/grandchild.txt`))
        yield* ended.release
        const late = yield* startedWith(turn, "late")
        yield* late.result
        assert.isTrue(Fs.existsSync(`${workspace}/late.txt`))
        const deep = yield* startedWith(turn, "grandchild")
        assert.deepStrictEqual([...asked], [deep.threadId, late.threadId])
      })
    )
  }
})
