/** Searching the stored threads: exactly what is sent and told. */
import type { Codex } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import * as Fake from "../support/fakeServer.ts"

const { thread } = Fake.threadStarted()
const hit = (id: string, snippet: string) => ({ thread: { ...thread, id }, snippet })
const found = (requestId: unknown, ...data: ReadonlyArray<unknown>) =>
  Fake.notification("thread/search/partial", { requestId, data })
const page = (...data: ReadonlyArray<unknown>) => ({ data, nextCursor: "more", backwardsCursor: null })

const snippets = (events: ReadonlyArray<Codex.ThreadSearchEvent>) =>
  events.map(({ _tag, hits }) => [_tag, ...hits.map(({ snippet }) => snippet)])

describe("a search", () => {
  it.effect("tells what is found as it is found, and at the end the hits in their order", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const reading = yield* Effect.forkScoped(
        Stream.runCollect(codex.searchThreads("red", { archived: true, pageSize: 2 }))
      )
      const asked = yield* server.expect("thread/search/stream")
      assert.deepStrictEqual<unknown>(asked.params, { searchTerm: "red", archived: true, limit: 2 })
      yield* server.send(
        found(asked.id, hit("a", "one")),
        found(999, hit("x", "of another search")),
        found(asked.id, hit("b", "two")),
        Fake.frame({ id: asked.id, result: page(hit("b", "two"), hit("c", "three")) })
      )
      const events = yield* Fiber.join(reading)
      assert.deepStrictEqual(snippets(events), [["Found", "one"], ["Found", "two"], ["Completed", "two", "three"]])
      const last = events.at(-1)
      assert.deepStrictEqual(last?._tag === "Completed" ? last.nextCursor : undefined, Option.some("more"))
    }))

  it.effect("is ended on the server when its stream is left", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const heard = yield* Deferred.make<void>()
      const reading = yield* codex.searchThreads("red").pipe(
        Stream.tap(() => Deferred.succeed(heard, undefined)),
        Stream.runDrain,
        Effect.forkScoped
      )
      const asked = yield* server.expect("thread/search/stream")
      yield* server.send(found(asked.id, hit("a", "one")))
      yield* Deferred.await(heard)
      const leaving = yield* Effect.forkScoped(Fiber.interrupt(reading))
      const cancel = yield* server.expect("thread/search/stream/cancel")
      assert.deepStrictEqual<unknown>(cancel.params, { requestId: asked.id })
      yield* server.reply(cancel, {})
      yield* server.refuse(asked, -32600, "thread search interrupted")
      yield* Fiber.join(leaving)
    }))

  it.effect("is ended on the server when enough was found", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const reading = yield* codex.searchThreads("red").pipe(Stream.take(1), Stream.runCollect, Effect.forkScoped)
      const asked = yield* server.expect("thread/search/stream")
      yield* server.send(found(asked.id, hit("a", "one")))
      const cancel = yield* server.expect("thread/search/stream/cancel")
      yield* server.reply(cancel, {})
      yield* server.refuse(asked, -32600, "thread search interrupted")
      assert.deepStrictEqual(snippets(yield* Fiber.join(reading)), [["Found", "one"]])
    }))

  it.effect("is made without what is found on its way where the server is older, and fails otherwise", () =>
    Effect.gen(function*() {
      const { codex, server } = yield* Fake.connect()
      const reading = yield* Effect.forkScoped(Stream.runCollect(codex.searchThreads("red")))
      const unknown = yield* server.expect("thread/search/stream")
      yield* server.refuse(
        unknown,
        -32600,
        "Invalid request: unknown variant `thread/search/stream`, expected one of `initialize`, `thread/search`"
      )
      const asked = yield* server.expect("thread/search")
      assert.deepStrictEqual<unknown>(asked.params, { searchTerm: "red" })
      yield* server.reply(asked, page(hit("a", "one")))
      assert.deepStrictEqual(snippets(yield* Fiber.join(reading)), [["Completed", "one"]])

      const failing = yield* Effect.forkScoped(Effect.flip(Stream.runCollect(codex.searchThreads("red"))))
      yield* Effect.flatMap(
        server.expect("thread/search/stream"),
        (request) => server.refuse(request, -32603, "no disk")
      )
      assert.deepInclude(yield* Fiber.join(failing), { _tag: "RpcError", code: -32603 })
    }))
})
