/** What `findTurn` reads of a thread. The server is in memory. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import * as Fake from "../support/fakeServer.ts"

const message = (clientId: string) => ({ type: "userMessage", id: clientId, clientId, content: [] })

const turn = (id: string, ...items: ReadonlyArray<unknown>) => Fake.turn(id, "completed", { items })

const looking = Effect.gen(function*() {
  const { server, thread } = yield* Fake.connectThread()
  const found = yield* Effect.forkScoped(thread.findTurn("mine"))
  const answer = Effect.fnUntraced(
    function*(method: string, data: ReadonlyArray<unknown>, nextCursor: string | null = null) {
      const request = yield* server.expect(method)
      yield* server.reply(request, { data, nextCursor, backwardsCursor: null })
      return request.params
    }
  )
  return { answer, found: Fiber.join(found) }
})

describe("findTurn", () => {
  it.effect("reads summaries, and then the items of the one turn, also those that do not fit", () =>
    Effect.gen(function*() {
      const { answer, found } = yield* looking
      const { threadId } = Fake
      assert.deepStrictEqual(
        yield* answer("thread/turns/list", [turn("3", message("other")), 5], "next"),
        { threadId, itemsView: "summary" }
      )
      const page = [{ ...turn("2", message("mine")), mood: "bright" }, turn("1", message("mine"))]
      assert.deepInclude(yield* answer("thread/turns/list", page), { cursor: "next", itemsView: "summary" })
      const items = [message("mine"), { type: "plan", id: "t", text: 5 }, Fake.agentMessage("m", "done")]
      const entries = items.map((item) => ({ turnId: "2", item, startedAtMs: null, completedAtMs: null }))
      assert.deepInclude(yield* answer("thread/items/list", entries), { threadId, turnId: "2" })
      const result = Option.getOrThrow(yield* found)
      assert.deepStrictEqual([result.id, result.finalResponse], ["2", Option.some("done")])
      assert.deepStrictEqual(result.items.map(({ type }) => type), ["userMessage", "undecodable", "agentMessage"])
    }))

  it.effect("reads whole turns, a few at a time, if the message has begun none", () =>
    Effect.gen(function*() {
      const { answer, found } = yield* looking
      yield* answer("thread/turns/list", [turn("2", message("other")), turn("1", message("another"))])
      const whole = turn("1", message("another"), message("mine"), Fake.agentMessage("m", "done"))
      assert.deepInclude(
        yield* answer("thread/turns/list", [turn("2", message("other"))], "next"),
        { itemsView: "full", limit: 5 }
      )
      yield* answer("thread/turns/list", [whole])
      assert.strictEqual(Option.getOrThrow(yield* found).id, "1")
    }))
})
