/** What a server tells of its threads beside their turns, on the real codex binary. */
import { AppServerRpc, Codex, type CodexError } from "@effect-codex/client"
import { ScriptedCodex } from "@effect-codex/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Option, Stream } from "effect"

const refusal = <A, R>(call: Effect.Effect<A, CodexError.CodexError, R>) =>
  Effect.map(Effect.flip(call), (error) => `${error._tag}: ${"detail" in error ? error.detail : ""}`)

describe("real codex", () => {
  it.live("stores metadata of a thread, marks text in it, and says which threads it has in memory and how it is", () =>
    Effect.gen(function*() {
      const codex = yield* Codex.Codex
      const thread = yield* codex.startThread()
      const search = (query: string) => Stream.runCollect(thread.search(query))
      assert.include(yield* refusal(search("hello")), "RpcError: thread/searchOccurrences is not supported yet")

      yield* thread.run("Say hello, HELLO\n\nto the 🌍 world of hello")
      const hits = (yield* search("hello")).flatMap((hit) => "snippet" in hit && hit.snippet !== undefined ? [hit] : [])
      assert.deepStrictEqual(
        hits.map(({ snippet, snippetMatchRange: { end, start } }) => snippet.slice(start, end)),
        ["hello", "HELLO", "hello", "Hello"]
      )
      assert.deepStrictEqual(yield* search("HELLO of"), [])
      assert.include(yield* refusal(search("")), "RpcError")

      const { gitInfo } = yield* thread.updateMetadata({ gitInfo: { branch: "main", sha: "abc" } })
      assert.deepStrictEqual(gitInfo, { branch: "main", sha: "abc", originUrl: null })
      const changed = yield* thread.updateMetadata({ gitInfo: { branch: null, originUrl: "https://x.invalid/y.git" } })
      assert.deepStrictEqual(changed.gitInfo, { branch: null, sha: "abc", originUrl: "https://x.invalid/y.git" })
      assert.deepStrictEqual((yield* codex.readThread(thread.id)).gitInfo, changed.gitInfo)
      assert.isNull((yield* thread.updateMetadata({ projectId: null })).projectId)
      assert.include(yield* refusal(thread.updateMetadata({ projectId: "none" })), "RpcError: project not found: none")
      assert.include(
        yield* refusal(thread.updateMetadata({ gitInfo: { sha: "" } })),
        "RpcError: gitInfo.sha must not be"
      )
      assert.include(yield* refusal(thread.updateMetadata({ gitInfo: {} })), "InvalidArgument")
      const [pinned] = yield* codex.threadSections
      assert.strictEqual(pinned?.name, "Pinned")
      yield* thread.moveToSection(pinned?.id ?? "")
      const idsOf = (sectionId: string | null) =>
        Effect.map(codex.listThreadsPage({ sectionId }), ({ data }) => data.map(({ id }) => id))
      assert.deepStrictEqual(yield* idsOf(pinned?.id ?? ""), [thread.id])
      assert.deepStrictEqual(yield* idsOf(null), [])
      assert.strictEqual((yield* thread.read()).section?.name, "Pinned")
      yield* thread.moveToSection(null)
      assert.isNull((yield* thread.read()).section)
      assert.include(yield* refusal(thread.moveToSection("none")), "RpcError: section none does not exist")
      const ephemeral = yield* codex.startThread({ ephemeral: true })
      assert.include(yield* refusal(ephemeral.updateMetadata({ gitInfo: { sha: "a" } })), "RpcError: ephemeral thread")

      assert.sameMembers([...yield* codex.loadedThreads], [thread.id, ephemeral.id])
      const { gauges, pid, residentMemory } = yield* AppServerRpc.health
      assert.isAtLeast(gauges["core.threads.live"] ?? 0, 2)
      assert.isAbove(Option.getOrThrow(residentMemory), 2 ** 20)
      process.kill(pid, 0)

      // A thread need not be loaded.
      yield* thread.archive
      assert.deepStrictEqual(yield* codex.loadedThreads, [ephemeral.id])
      assert.lengthOf(yield* search("hello"), 4)
      assert.strictEqual((yield* thread.updateMetadata({ gitInfo: { sha: null } })).gitInfo?.sha, null)
      yield* codex.deleteThread(thread.id)
      assert.include(yield* refusal(thread.updateMetadata({ gitInfo: { branch: "late" } })), "ThreadNotPersisted")
      assert.include(yield* refusal(thread.moveToSection(null)), "ThreadNotFound")
    }).pipe(
      Effect.scoped,
      Effect.provide([ScriptedCodex.layer({ model: { answers: ["Hello!"] } }), Logger.layer([])])
    ))
})
