/** Searching the stored threads, on the real codex binary. */
import { Codex } from "@effect-codex/client"
import { ScriptedCodex } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"

describe("real codex", () => {
  it.live("finds threads by what was said in them, and lists those that are asked for", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const threads = yield* Effect.forEach(["a red pear", "a green plum", "a red plum"], (fruit) =>
        Effect.gen(function*() {
          const thread = yield* codex.startThread()
          yield* thread.run(`paint ${fruit}`)
          return thread.id
        }))
      const search = Effect.fnUntraced(function*(query: string, options?: Codex.SearchThreadsOptions) {
        const events = yield* Stream.runCollect(codex.searchThreads(query, options))
        const last = events.at(-1)
        assert(last?._tag === "Completed")
        return {
          ids: last.hits.map(({ thread }) =>
            thread?.id
          ),
          nextCursor: last.nextCursor
        }
      })
      const [pear, green, plum] = threads
      assert.deepStrictEqual(yield* search("red"), { ids: [plum, pear], nextCursor: Option.none() })
      assert.deepStrictEqual((yield* search("you said: paint a green")).ids, [green])
      assert.deepStrictEqual((yield* search("violet")).ids, [])
      const first = yield* search("red", { pageSize: 1 })
      assert.deepStrictEqual(first.ids, [plum])
      assert.isTrue(Option.isSome(first.nextCursor))
      const refused = yield* Effect.flip(search(" "))
      assert.deepInclude(refused, { _tag: "RpcError", code: -32600 })

      const listed = (includedThreadIds: ReadonlyArray<string>) =>
        Effect.map(Stream.runCollect(codex.listThreads({ includedThreadIds })), (all) => all.map(({ id }) => id))
      assert.deepStrictEqual(yield* listed([pear!, plum!]), [plum, pear])
      assert.deepStrictEqual(yield* listed([]), [])
    }).pipe(
      Effect.scoped,
      Effect.provide(ScriptedCodex.layer({ model: { answer: ({ prompt }) => `you said: ${prompt}` } }))
    ))
})
