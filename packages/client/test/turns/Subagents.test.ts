/** The subagents of a turn, from the frames that tell of them. */
import { Approvals, CodexError, Subagent, type Thread, type Turn } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import * as Fake from "../support/fakeServer.ts"

const root = "root"

/** Starts a turn in a scope of its own. */
const open = Effect.fnUntraced(function*(options?: Thread.TurnOptions) {
  const { rpc, server, thread } = yield* Fake.connectThread()
  const scope = yield* Scope.make()
  const starting = yield* thread.turn("go", options).pipe(Scope.provide(scope), Effect.forkScoped)
  const request = yield* server.expect("turn/start")
  yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn(root) } }), Fake.started(root))
  return { rpc, server, turn: yield* Fiber.join(starting), close: Scope.close(scope, Exit.void) }
})

/** A turn of a subagent begins in its thread. */
const begins = (threadId: string, turnId: string, rootTurnId = root) =>
  Fake.notification("turn/started", { threadId, turn: Fake.turn(turnId, "inProgress", { rootTurnId }) })

const ends = (threadId: string, turnId: string, status = "completed") => Fake.completed(turnId, status, {}, threadId)

const says = (threadId: string, turnId: string, text: string) =>
  Fake.itemCompleted(turnId, Fake.agentMessage(`${turnId}-${text}`, text), threadId)

/** Answers the requests about the threads of subagents; a thread that is not named is not found. */
const answerReads = (
  server: Fake.FakeServer,
  threads: Record<string, { readonly parent?: string; readonly depth?: number; readonly nickname?: string }> = {}
) =>
  Effect.flatMap(server.next, (request) => {
    const threadId = String(request.params?.["threadId"])
    const known = threads[threadId]
    if (request.method !== "thread/read") return Effect.die(new Error(`unexpected ${Fake.frame(request)}`))
    if (known === undefined) return server.refuse(request, -32600, `thread not loaded: ${threadId}`)
    const { depth = 1, nickname = null, parent = Fake.threadId } = known
    const spawn = { parent_thread_id: parent, depth, agent_path: null, agent_nickname: nickname, agent_role: null }
    return server.reply(request, {
      thread: {
        ...Fake.threadStarted(threadId).thread,
        parentThreadId: parent,
        agentNickname: nickname,
        source: { subAgent: { thread_spawn: spawn } }
      }
    })
  }).pipe(Effect.forever, Effect.forkScoped)

const idsOf = (turn: Turn.Turn) => Stream.runCollect(Stream.map(turn.subagents, ({ threadId }) => threadId))

describe("the subagents of a turn", () => {
  it.effect("are told once each, to early and to late readers", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      const early = yield* Effect.forkScoped(idsOf(turn))
      yield* server.send(begins("a", "a1"), begins("b", "b1"), ends("a", "a1"))
      const late = yield* Effect.forkScoped(idsOf(turn))
      yield* server.send(begins("a", "a2"), ends("a", "a2"), ends("b", "b1"), Fake.completed(root))
      assert.deepStrictEqual(yield* Fiber.join(early), ["a", "b"])
      assert.deepStrictEqual(yield* Fiber.join(late), ["a", "b"])
      assert.deepStrictEqual(yield* idsOf(turn), ["a", "b"])
    }))

  it.effect("do not hold those that work for another turn, and a turn without any has none", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* server.send(begins("a", "a1", "another"), ends("a", "a1"), Fake.completed(root))
      assert.deepStrictEqual(yield* idsOf(turn), [])
      assert.deepStrictEqual(yield* Stream.runCollect(turn.subagentTree), [[]])
    }))

  it.effect("are asked for only when somebody reads of them", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* server.send(begins("a", "a1"), ends("a", "a1"))
      yield* Effect.forkScoped(turn.interrupt)
      assert.strictEqual((yield* server.next).method, "turn/interrupt")
    }))

  for (const inOneRead of [true, false]) {
    it.effect(`are part of the stream until the last has ended, ${inOneRead ? "in one read" : "in many"}`, () =>
      Effect.gen(function*() {
        const { server, turn } = yield* open()
        yield* answerReads(server)
        const reading = yield* Effect.forkScoped(idsOf(turn))
        const frames = [
          begins("a", "a1"),
          Fake.completed(root),
          // A subagent starts another one when the turn is over.
          begins("b", "b1"),
          ends("a", "a1"),
          says("b", "b1", "late"),
          ends("b", "b1")
        ]
        yield* inOneRead
          ? server.send(...frames)
          : Effect.forEach(frames, (frame) => Effect.andThen(server.send(frame), Effect.yieldNow))
        assert.deepStrictEqual(yield* Fiber.join(reading), ["a", "b"])
        const texts = yield* Stream.runCollect(Stream.flatMap(turn.subagents, ({ text }) => text))
        assert.deepStrictEqual(texts, ["late"])
      }))
  }

  it.effect("are not asked about again and again when the server says nothing of them", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      let reads = 0
      yield* Effect.flatMap(server.next, (request) => {
        reads++
        return server.refuse(request, -32600, "no")
      }).pipe(Effect.forever, Effect.forkScoped)
      const trees = yield* Effect.forkScoped(Stream.runCollect(turn.subagentTree))
      for (let index = 0; index < 20; index++) {
        yield* server.send(begins("a", `a${index}`), ends("a", `a${index}`))
        yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      }
      yield* server.send(Fake.completed(root))
      assert.isAbove((yield* Fiber.join(trees)).length, 15)
      assert.strictEqual(reads, 3)
    }))

  it.effect("tell those who wait that the end of a turn was missed, once the next one has begun", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      yield* server.send(begins("a", "a1"))
      const [subagent] = yield* Stream.runCollect(Stream.take(turn.subagents, 1))
      const waiting = yield* Effect.forkScoped(Effect.flip(subagent!.result), { startImmediately: true })
      yield* server.send(begins("a", "a2"), ends("a", "a2"))
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "TurnOutcomeUnknown")
      assert.strictEqual((yield* subagent!.result).id, "a2")
    }))

  it.effect("tell those who wait how a turn ended, also if the next one begins in the same read", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      yield* server.send(begins("a", "a1"))
      const [subagent] = yield* Stream.runCollect(Stream.take(turn.subagents, 1))
      const waiting = yield* Effect.forkScoped(subagent!.result, { startImmediately: true })
      yield* server.send(ends("a", "a1"), begins("a", "a2"))
      assert.strictEqual((yield* Fiber.join(waiting)).id, "a1")
    }))

  it.effect("fail with the connection, also when the turn was over", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      yield* server.send(begins("a", "a1"), Fake.completed(root))
      const reading = yield* Effect.forkScoped(Effect.flip(idsOf(turn)))
      const [subagent] = yield* Stream.runCollect(Stream.take(turn.subagents, 1))
      const results = yield* Effect.forkScoped(Effect.flip(subagent!.result))
      const events = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(subagent!.events)))
      const cause = new CodexError.AppServerExited({ code: 1, signal: null, stderr: [] })
      yield* server.close(cause)
      const errors = yield* Effect.all([Fiber.join(reading), Fiber.join(results), Fiber.join(events)])
      assert.deepStrictEqual(errors, [cause, cause, cause])
      assert.strictEqual((yield* Effect.flip(idsOf(turn)))._tag, "AppServerExited")
    }))

  it.effect("are interrupted with a turn whose scope closes, and those that begin meanwhile", () =>
    Effect.gen(function*() {
      const { close, server } = yield* open()
      yield* server.send(begins("a", "a1"))
      const closing = yield* Effect.forkScoped(close)
      const interrupted = Effect.map(server.expect("turn/interrupt"), (request) => {
        const { threadId, turnId } = request.params ?? {}
        return { request, at: [threadId, turnId] }
      })
      const first = yield* interrupted
      assert.deepStrictEqual(first.at, [Fake.threadId, root])
      yield* server.reply(first.request, {})
      yield* server.send(Fake.completed(root, "interrupted"))
      const second = yield* interrupted
      assert.deepStrictEqual(second.at, ["a", "a1"])
      yield* server.send(begins("b", "b1"), ends("a", "a1", "interrupted"))
      yield* server.reply(second.request, {})
      const third = yield* interrupted
      assert.deepStrictEqual(third.at, ["b", "b1"])
      yield* server.reply(third.request, {})
      yield* Fiber.join(closing)
    }))

  it.effect("are followed up to 256, and the turn goes on", () =>
    Effect.gen(function*() {
      const { rpc, server, turn } = yield* open()
      yield* answerReads(server)
      const reported = yield* rpc.diagnosticEvents.pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      const many = Array.from({ length: 300 }, (_, n) => n)
      yield* server.send(...many.map((n) => begins(`t${n}`, `${n}`)))
      yield* server.send(...many.map((n) => ends(`t${n}`, `${n}`)), Fake.completed(root))
      assert.lengthOf(yield* idsOf(turn), 256)
      assert.strictEqual((yield* turn.result).status, "completed")
      assert.include((yield* Fiber.join(reported))[0]?.message ?? "", "256 subagents")
    }))

  it.effect("have their requests answered by the turn's handlers when the turn is over", () =>
    Effect.gen(function*() {
      const handlers = yield* Approvals.make({ command: () => Effect.succeed("accept") })
      const { server } = yield* open({ handlers })
      yield* server.send(begins("a", "a1"), Fake.completed(root), begins("b", "b1"))
      yield* server.send(Fake.frame({
        id: "asked",
        method: "item/commandExecution/requestApproval",
        params: { ...Fake.asked["item/commandExecution/requestApproval"], threadId: "b", turnId: "b1" }
      }))
      assert.deepStrictEqual((yield* server.next).result, { decision: "accept" })
    }))
})

describe("a subagent", () => {
  const first = (turn: Turn.Turn) => Effect.map(Stream.runHead(turn.subagents), Option.getOrThrow)

  it.effect("is told though the server says nothing of its thread", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      yield* server.send(begins("a", "a1"))
      const { depth, nickname, parentThreadId, prompt } = yield* first(turn)
      assert.deepStrictEqual([depth, nickname, parentThreadId, prompt], [
        1,
        Option.none(),
        Fake.threadId,
        Option.none()
      ])
    }))

  it.effect("has a result for each of its turns in turn", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      yield* server.send(begins("a", "a1"))
      const subagent = yield* first(turn)
      const running = yield* Effect.forkScoped(subagent.result)
      yield* server.send(says("a", "a1", "one"), ends("a", "a1"))
      assert.deepStrictEqual((yield* Fiber.join(running)).finalResponse, Option.some("one"))
      yield* server.send(
        begins("a", "a2"),
        // What comes late of the first turn changes nothing.
        says("a", "a1", "void"),
        says("a", "a2", "two"),
        Fake.completed("a2", "failed", { error: { message: "no more", codexErrorInfo: null } }, "a")
      )
      yield* subagent.events.pipe(
        Stream.takeUntil((event) => event._tag === "turn/completed" && event.params.turn.id === "a2"),
        Stream.runDrain
      )
      const failed = yield* Effect.flip(subagent.result)
      assert.deepStrictEqual([failed._tag, failed._tag === "TurnFailed" && failed.detail], ["TurnFailed", "no more"])
      yield* server.send(Fake.completed(root))
      assert.deepStrictEqual(yield* Stream.runCollect(subagent.text), ["one", "\n\ntwo"])
    }))

  it.effect("whose thread goes away without the end of its turn has an unknown outcome", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server)
      yield* server.send(begins("a", "a1"))
      const subagent = yield* first(turn)
      const tree = yield* Effect.forkScoped(Stream.runCollect(turn.subagentTree))
      yield* server.send(
        Fake.completed(root),
        Fake.notification("thread/status/changed", { threadId: "a", status: { type: "notLoaded" } })
      )
      assert.strictEqual((yield* Effect.flip(subagent.result))._tag, "TurnOutcomeUnknown")
      assert.deepStrictEqual((yield* Fiber.join(tree)).at(-1)?.map(({ status }) => status), ["unknown"])
    }))

  it.effect("is interrupted under the turn that it runs, and not when it runs none", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      const reading = yield* answerReads(server)
      yield* server.send(begins("a", "a1"), ends("a", "a1"), begins("a", "a2"))
      const subagent = yield* first(turn)
      yield* Fiber.interrupt(reading)
      const interrupting = yield* Effect.forkScoped(subagent.interrupt)
      const request = yield* server.expect("turn/interrupt")
      assert.deepStrictEqual(request.params, { threadId: "a", turnId: "a2" })
      yield* server.reply(request, {})
      yield* Fiber.join(interrupting)
      yield* server.send(ends("a", "a2", "interrupted"))
      assert.strictEqual((yield* subagent.result).status, "interrupted")
      yield* subagent.interrupt
    }))
})

describe("the tree", () => {
  it.effect("has each agent below the one that started it, with its tokens, and shows the last state", () =>
    Effect.gen(function*() {
      const { server, turn } = yield* open()
      yield* answerReads(server, {
        a: { nickname: "Ada" },
        b: { parent: "a", depth: 2, nickname: "Bell" },
        c: { parent: "nobody", depth: 3 }
      })
      yield* server.send(begins("a", "a1"), begins("b", "b1"), begins("c", "c1"))
      yield* server.send(
        Fake.tokenUsage("a1", 5, 5, "a"),
        Fake.tokenUsage("b1", 7, 7, "b"),
        ends("a", "a1"),
        begins("a", "a2"),
        Fake.tokenUsage("a2", 1, 6, "a"),
        ends("b", "b1", "interrupted"),
        ends("c", "c1", "failed"),
        ends("a", "a2"),
        Fake.completed(root)
      )
      const shown = (nodes: ReadonlyArray<Subagent.SubagentNode>): ReadonlyArray<unknown> =>
        nodes.map(({ children, nickname, status, tokens }) => [
          Option.getOrNull(nickname),
          status,
          Option.getOrThrow(tokens).totalTokens,
          shown(children)
        ])
      yield* turn.result
      const trees = yield* Stream.runCollect(turn.subagentTree)
      assert.deepStrictEqual(trees.map(shown), [[
        ["Ada", "completed", 6, [["Bell", "interrupted", 7, []]]],
        [null, "failed", 0, []]
      ]])
    }))

  it("of stored threads has the oldest first, and leaves out what is no subagent", () => {
    const thread = (id: string, parentThreadId: string | null, createdAt: number, more: object = {}) => ({
      ...Fake.threadStarted(id).thread,
      status: { type: "notLoaded" as const },
      source: "vscode" as const,
      historyMode: "paginated" as const,
      parentThreadId,
      createdAt,
      preview: `the task of ${id}`,
      ...more
    })
    const tree = Subagent.treeOf([
      thread("b2", "a", 4),
      thread("b1", "a", 3, { status: { type: "active", activeFlags: [] } }),
      thread("a", "root", 2, { agentNickname: "Ada", status: { type: "systemError" } }),
      thread("root", null, 1)
    ])
    const shown = (nodes: ReadonlyArray<Subagent.SubagentNode>): ReadonlyArray<unknown> =>
      nodes.map((
        { children, prompt, status, threadId }
      ) => [threadId, Option.getOrNull(prompt), status, shown(children)])
    assert.deepStrictEqual(shown(tree), [
      ["a", "the task of a", "failed", [["b1", "the task of b1", "running", []], [
        "b2",
        "the task of b2",
        "unknown",
        []
      ]]]
    ])
    assert.deepStrictEqual(tree[0]?.nickname, Option.some("Ada"))
    const twins = Subagent.treeOf([thread("b2", "a", 4), thread("b1", "a", 4)])
    assert.deepStrictEqual(twins.map(({ threadId }) => threadId), ["b1", "b2"])
  })

  it("holds each of them once, whatever the server says of their parents", () => {
    const none = { nickname: Option.none(), role: Option.none(), path: Option.none(), prompt: Option.none() }
    const node = (id: string) => {
      const [threadId = "", parentThreadId = ""] = id.split("<")
      return { threadId, parentThreadId, depth: 1, ...none, status: "running" as const, tokens: Option.none() }
    }
    const shown = (nodes: ReadonlyArray<Subagent.SubagentNode>): string =>
      nodes.map(({ children, threadId }) => children.length === 0 ? threadId : `${threadId}(${shown(children)})`)
        .join(" ")
    const treeOf = (...ids: ReadonlyArray<string>) => shown(Subagent.tree(ids.map(node)))
    assert.strictEqual(treeOf("a<root", "b<a", "c<root"), "a(b) c")
    assert.strictEqual(treeOf("b<a", "c<root", "a<root"), "c a(b)")
    assert.strictEqual(treeOf("a<a", "b<a"), "a(b)")
    assert.strictEqual(treeOf("c<a", "a<b", "b<a", "d<root"), "a(c b) d")
    assert.strictEqual(treeOf("a<root", "b<a", "a<b"), "a(b)")
    const chain = Subagent.tree(Array.from({ length: 20_000 }, (_, index) => node(`${index + 1}<${index}`)))
    assert.strictEqual(chain.length, 1)
  })
})
