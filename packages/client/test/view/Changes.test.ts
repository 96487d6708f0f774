/** The live views of a thread. */
import { AppServerRpc, type ServerRequests, ThreadView } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, type Scope, Stream } from "effect"
import * as Fake from "../support/fakeServer.ts"
import { itemsOf } from "../support/viewEvents.ts"

const id = "turn-1"

/** The views, which a test pulls one by one. */
const watch = Effect.fnUntraced(function*(handlers: ServerRequests.Overrides = {}, from?: ThreadView.ThreadView) {
  const { rpc, server } = yield* Fake.connectThread({ handlers })
  const pull = yield* Stream.toPull(
    ThreadView.changes(Fake.threadId, { from }).pipe(
      Stream.provideService(AppServerRpc.AppServerRpc, rpc)
    )
  )
  const next = Effect.map(pull, (views) => views.at(-1)!)
  /** Pulls until a view is as wanted. */
  const until = (
    is: (view: ThreadView.ThreadView) => boolean
  ): Effect.Effect<ThreadView.ThreadView, Effect.Error<typeof pull>> =>
    Effect.flatMap(next, (view) => is(view) ? Effect.succeed(view) : until(is))
  return { first: yield* next, next, until, server }
})

const test = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(body))

describe("the views of a thread", () => {
  test(
    "begin with what is known, and then are those after all that is unread",
    Effect.gen(function*() {
      const { first, next, server } = yield* watch()
      assert.deepStrictEqual([first.threadId, first.model, first.turns.length], [Fake.threadId, "mock-model", 0])
      yield* server.send(
        Fake.started(id),
        Fake.itemStarted(id, Fake.agentMessage("m", "")),
        ...Array.from({ length: 5_000 }, () => Fake.delta(id, "m", "x"))
      )
      const view = yield* next
      const item = itemsOf(view)[0]?.item
      assert.strictEqual(item?.type === "agentMessage" && item.text.length, 5_000)
    })
  )

  test(
    "have what the server asks, and who decided, as it is decided",
    Effect.gen(function*() {
      const decided = yield* Deferred.make<void>()
      const { server, until } = yield* watch({
        "item/commandExecution/requestApproval": () =>
          Effect.as(Deferred.await(decided), { decision: "decline" } as const)
      })
      yield* server.send(Fake.started(id), Fake.ask("item/commandExecution/requestApproval", 7))
      const waiting = yield* until((view) => view.waiting.length > 0)
      assert.deepStrictEqual(
        ThreadView.waiting(waiting).map(({ id, itemId, kind, state }) => [id, itemId, kind, state]),
        [[7, "call-1", "command", "waiting"]]
      )
      yield* Deferred.succeed(decided, undefined)
      const after = yield* until((view) => view.waiting.length === 0)
      assert.deepStrictEqual(
        [...after.asks].map(({ answer, by, state }) => [state, by, answer]),
        [["answered", "client", { result: { decision: "decline" } }]]
      )
    })
  )

  test(
    "have no answer to a secret question, and nothing that was filled into a form",
    Effect.gen(function*() {
      const { server, until } = yield* watch({
        "item/tool/requestUserInput": () =>
          Effect.succeed({ answers: { q1: { answers: ["hunter2"] }, q2: { answers: ["blue"] } } }),
        "mcpServer/elicitation/request": () =>
          Effect.succeed({ action: "accept", content: { pin: "hunter2" }, _meta: null } as const)
      })
      const [question] = Fake.asked["item/tool/requestUserInput"].questions
      yield* server.send(
        Fake.started(id),
        Fake.ask("item/tool/requestUserInput", 1, {
          questions: [{ ...question, id: "q1", isSecret: true }, { ...question, id: "q2" }]
        }),
        Fake.ask("mcpServer/elicitation/request", 2)
      )
      const view = yield* until(({ asks, waiting }) => asks.length === 2 && waiting.length === 0)
      assert.deepStrictEqual([...view.asks].map(({ answer, kind }) => [kind, answer]), [
        ["question", { result: { answers: { q1: { answers: ["<redacted>"] }, q2: { answers: ["blue"] } } } }],
        ["elicitation", { result: { action: "accept" } }]
      ])
      assert.notInclude(JSON.stringify(view), "hunter2")
    })
  )

  test(
    "have the subagents, with what they ask",
    Effect.gen(function*() {
      const answered = yield* Deferred.make<never>()
      const { server, until } = yield* watch({
        "item/commandExecution/requestApproval": () => Deferred.await(answered)
      })
      const started = Fake.turn("child-turn", "inProgress", { rootTurnId: id })
      yield* server.send(
        Fake.started(id),
        Fake.notification("turn/started", { threadId: "child", turn: started }),
        Fake.itemCompleted("child-turn", Fake.agentMessage("m", "42"), "child"),
        Fake.ask("item/commandExecution/requestApproval", 7, { threadId: "child", turnId: "child-turn" })
      )
      const view = yield* until((view) => ThreadView.waiting(view).length > 0)
      const [child] = ThreadView.childrenOf(view, Fake.threadId)
      assert.deepStrictEqual(itemsOf(child!).map(({ id }) => id), ["m"])
      assert.deepStrictEqual(child?.waiting.map(({ id }) => id), [7])
    })
  )

  test(
    "go on from a view, and end with the connection",
    Effect.gen(function*() {
      const from = ThreadView.apply(ThreadView.make(Fake.threadId), {
        _tag: "StoredTurn",
        threadId: Fake.threadId,
        turn: {
          ...Fake.turn("before", "completed"),
          items: []
        }
      })
      const { first, next, server } = yield* watch({}, from)
      assert.deepStrictEqual([...first.turns].map(({ id }) => id), ["before"])
      yield* server.close()
      assert.deepInclude(yield* Effect.flip(next), { _tag: "TransportError" })
    })
  )
})
