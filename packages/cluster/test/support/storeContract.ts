/** What every store of sessions does. */
import type { SessionStore } from "@effect-codex/cluster"
import { assert, type Vitest } from "@effect/vitest"
import { Context, DateTime, Effect, Option, Schema, type Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"

type Store = SessionStore.SessionStore["Service"]

/** A name that no other test uses. */
export const unique = Effect.sync(() => randomUUID())

export const linesOf = (store: Store, threadId: string) =>
  Effect.map(
    Stream.runCollect(store.load(threadId)),
    (chunks) => chunks.map(({ file, line, lines, threadId }) => ({ threadId, file, line, lines: [...lines] }))
  )

/** The texts of a file, joined from the chunks of `load`. */
export const textsOf = (store: Store, threadId: string, file = "a.jsonl") =>
  Effect.map(
    linesOf(store, threadId),
    (chunks) =>
      chunks.filter((chunk) => chunk.threadId === threadId && chunk.file === file).flatMap(({ lines }) => lines)
  )

const bound = (threadId: string): SessionStore.BoundThread => ({
  threadId,
  name: Option.some("a \0 name \ud83d\ude00"),
  cwd: Option.none(),
  metadata: { team: "a\"b", __proto__: "no" }
})

/** Two clients of one store, as two machines have them. */
export class TwoClients extends Context.Service<TwoClients, readonly [Store, Store]>()("test/TwoClients") {}

export const storeContract = <R>(effect: Vitest.Tester<Scope.Scope | TwoClients | R>) => {
  const test = (
    name: string,
    body: (one: Store, other: Store, id: string) => Effect.Effect<void, unknown>
  ) =>
    effect(name, () =>
      Effect.gen(function*() {
        const [one, other] = yield* TwoClients
        yield* body(one, other, yield* unique)
      }))
  const append = (store: Store, threadId: string, line: number, ...lines: ReadonlyArray<string>) =>
    store.append({ threadId, file: "a.jsonl", line, lines })

  test("knows nothing of an unknown thread", (store, _, id) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* store.sizes(id)).size, 0)
      assert.deepStrictEqual(yield* linesOf(store, id), [])
      assert.deepStrictEqual(yield* store.lookup(id), Option.none())
      yield* append(store, id, 0)
      assert.strictEqual((yield* store.sizes(id)).size, 0)
      yield* store.forget(id)
    }))

  test("returns on one machine what another has appended, file by file", (one, other, id) =>
    Effect.gen(function*() {
      yield* append(one, id, 0, "a0", "")
      yield* one.append({ threadId: id, file: "b.jsonl", line: 0, lines: ["b0"] })
      yield* append(one, id, 2, "a2")
      assert.deepStrictEqual([...yield* other.sizes(id)].toSorted(), [["a.jsonl", 3], ["b.jsonl", 1]])
      assert.deepStrictEqual(yield* linesOf(other, id), [
        { threadId: id, file: "a.jsonl", line: 0, lines: ["a0", "", "a2"] },
        { threadId: id, file: "b.jsonl", line: 0, lines: ["b0"] }
      ])
    }))

  test("takes the same lines again, and lines that overlap what is stored", (store, _, id) =>
    Effect.gen(function*() {
      yield* append(store, id, 0, "0", "1")
      yield* append(store, id, 0, "0", "1")
      yield* append(store, id, 1, "1", "2")
      yield* append(store, id, 0, "0")
      assert.deepStrictEqual(yield* textsOf(store, id), ["0", "1", "2"])
    }))

  test("fences a machine whose lines differ, and names the first of them", (one, other, id) =>
    Effect.gen(function*() {
      yield* append(one, id, 0, "0", "1", "2")
      const fenced = yield* Effect.flip(append(other, id, 1, "1", "other", "3"))
      assert.deepInclude({ ...fenced }, { _tag: "SessionFenced", threadId: id, file: "a.jsonl", line: 2 })
      assert.deepStrictEqual(yield* textsOf(one, id), ["0", "1", "2"])
    }))

  test("refuses lines after a gap, and says from where to append", (store, _, id) =>
    Effect.gen(function*() {
      const first = yield* Effect.flip(append(store, id, 1, "1"))
      assert.deepInclude({ ...first }, { _tag: "SessionGap", line: 1, stored: 0 })
      assert.strictEqual((yield* store.sizes(id)).size, 0)
      yield* append(store, id, 0, "0")
      assert.deepInclude({ ...yield* Effect.flip(append(store, id, 3, "3")) }, {
        _tag: "SessionGap",
        line: 3,
        stored: 1
      })
    }))

  test("lets one of two machines win that append at once", (one, other, id) =>
    Effect.gen(function*() {
      const race = (line: number) =>
        Effect.all([
          Effect.result(append(one, id, line, "one", "same")),
          Effect.result(append(other, id, line, "other", "same"))
        ], { concurrency: "unbounded" })
      for (let round = 0; round < 5; round++) {
        const results = yield* race(round * 2)
        const ends = results.map((result) => result._tag === "Success" ? "stored" : result.failure._tag)
        assert.deepStrictEqual(ends.toSorted(), ["SessionFenced", "stored"])
        const winner = results[0]._tag === "Success" ? "one" : "other"
        assert.deepStrictEqual((yield* textsOf(one, id)).slice(round * 2), [winner, "same"])
      }
    }))

  test(
    "keeps raw NUL bytes, and replaces half of a surrogate pair as UTF-8 does",
    (store, _, id) =>
      Effect.gen(function*() {
        const lines = ["a\0b", "{\"escaped\":\"\\u0000\"}", "\ufeffBOM \u2028 \ud83d\ude00", "half \ud83d", "\r"]
        yield* append(store, id, 0, ...lines)
        yield* append(store, id, 0, ...lines)
        assert.deepStrictEqual(yield* textsOf(store, id), lines.map((line) => line.toWellFormed()))
      })
  )

  test("loads in chunks of at most a MiB, of which a longer line is one", (store, _, id) =>
    Effect.gen(function*() {
      const long = "é".repeat(1_500_000)
      const lines = [...Array.from({ length: 1200 }, (_, line) => `${line} ${"x".repeat(2000)}`), long, "end"]
      yield* append(store, id, 0, ...lines)
      const chunks = yield* linesOf(store, id)
      assert.isTrue(chunks.flatMap(({ lines }) => lines).every((text, line) => text === lines[line]))
      assert.strictEqual(chunks.flatMap(({ lines }) => lines).length, lines.length)
      let next = 0
      for (const { line, lines } of chunks) {
        assert.strictEqual(line, next)
        next += lines.length
        const bytes = lines.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
        assert.isTrue(bytes <= 1024 * 1024 || lines.length === 1 && lines[0] === long)
      }
      assert.deepInclude({ ...yield* Effect.flip(append(store, id, 1198, ...lines.slice(1198, 1200), "x")) }, {
        line: 1200
      })
    }))

  test(
    "loads a fork with its source, and the source's source, however they are linked",
    (store, _, id) =>
      Effect.gen(function*() {
        const [child, leaf] = [`${id}-child`, `${id}-leaf`]
        for (const thread of [id, child, leaf]) yield* append(store, thread, 0, thread)
        yield* store.link(leaf, child)
        yield* store.link(child, id)
        yield* store.link(child, id)
        const threadsOf = (threadId: string) =>
          Effect.map(linesOf(store, threadId), (chunks) => chunks.map(({ threadId }) => threadId).toSorted())
        assert.deepStrictEqual(yield* threadsOf(leaf), [id, child, leaf].toSorted())
        assert.deepStrictEqual(yield* threadsOf(id), [id])
        yield* store.link(id, leaf)
        assert.deepStrictEqual(yield* threadsOf(id), [id, child, leaf].toSorted())
      })
  )

  test(
    "gives a key to the first thread, also when two machines bind at once",
    (one, other, id) =>
      Effect.gen(function*() {
        const [first, second] = yield* Effect.all([one.bind(id, bound("one")), other.bind(id, bound("other"))], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(first, second)
        assert.deepStrictEqual(first, bound(first.threadId))
        assert.deepStrictEqual(yield* other.lookup(id), Option.some(first))
        assert.deepStrictEqual(yield* one.bind(id, bound("late")), first)
        yield* Effect.all([one.forget("one"), one.forget("other")])
      })
  )

  test(
    "gives a key another thread while its first one is new, and only one of those who replace it",
    (one, other, id) =>
      Effect.gen(function*() {
        const fresh = (name: string) => ({ ...bound(`${id}-${name}`), isNew: true })
        assert.deepStrictEqual(yield* one.bind(id, fresh("lost")), fresh("lost"))
        assert.deepStrictEqual(yield* other.lookup(id), Option.some(fresh("lost")))
        const [first, second] = yield* Effect.all([
          one.rebind(id, `${id}-lost`, fresh("one")),
          other.rebind(id, `${id}-lost`, fresh("other"))
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual(first, second)
        assert.notStrictEqual(first.threadId, `${id}-lost`)
        assert.deepStrictEqual(yield* one.rebind(id, `${id}-lost`, fresh("late")), first)
        assert.deepStrictEqual(yield* other.lookup(id), Option.some(first))
        assert.deepStrictEqual(yield* one.rebind(`${id}-forgotten`, "gone", fresh("next")), fresh("next"))
      })
  )

  test(
    "lets either the thread of a key stay or another one replace it",
    (one, other, id) =>
      Effect.gen(function*() {
        for (let round = 0; round < 5; round++) {
          const key = `${id}-${round}`
          const fresh = (name: string) => ({ ...bound(`${key}-${name}`), isNew: true })
          yield* one.bind(key, fresh("first"))
          const [isSettled, after] = yield* Effect.all([
            one.settle(key, `${key}-first`),
            other.rebind(key, `${key}-first`, fresh("second"))
          ], { concurrency: "unbounded" })
          const kept = isSettled ? bound(`${key}-first`) : fresh("second")
          assert.deepStrictEqual(after, kept)
          assert.deepStrictEqual(yield* one.lookup(key), Option.some(kept))
          assert.strictEqual(yield* one.settle(key, `${key}-first`), isSettled)
          assert.strictEqual(yield* other.settle(key, after.threadId), true)
          assert.deepStrictEqual(yield* one.rebind(key, after.threadId, fresh("late")), bound(after.threadId))
        }
        assert.isFalse(yield* one.settle(`${id}-unknown`, "any"))
      })
  )

  test("tells who began a turn first", (one, other, id) =>
    Effect.gen(function*() {
      const turns = yield* Effect.all([one.begin(id, "t", "r1"), other.begin(id, "t", "r2")], { concurrency: 2 })
      assert.deepStrictEqual(turns.map(({ isFirst }) => isFirst).toSorted(), [false, true])
      const first = turns[turns[0].isFirst ? 0 : 1]
      assert.strictEqual(first.runner, turns[0].isFirst ? "r1" : "r2")
      for (const turn of turns) assert.deepStrictEqual({ ...turn, isFirst: true }, first)
      assert.isTrue((yield* one.begin(id, "another", "r2")).isFirst)
    }))

  test(
    "forgets a thread, its keys and their turns, and leaves its forks alone",
    (store, _, id) =>
      Effect.gen(function*() {
        const fork = `${id}-fork`
        for (const thread of [id, fork]) yield* append(store, thread, 0, thread)
        yield* store.link(fork, id)
        for (const key of [`${id}-key`, `${id}-key2`]) {
          yield* store.bind(key, bound(id))
          yield* store.begin(key, "t", "r1")
        }
        yield* store.bind(`${id}-fork-key`, bound(fork))
        yield* store.forget(id)
        assert.deepStrictEqual(yield* linesOf(store, id), [])
        assert.deepStrictEqual(yield* store.lookup(`${id}-key2`), Option.none())
        assert.isTrue((yield* store.begin(`${id}-key`, "t", "r2")).isFirst)
        assert.deepStrictEqual(yield* store.lookup(`${id}-fork-key`), Option.some(bound(fork)))
        assert.deepInclude({ ...yield* Effect.flip(append(store, id, 1, "1")) }, { _tag: "SessionGap", stored: 0 })
        // A thread with the same id later is not what the fork needs.
        yield* append(store, id, 0, "another")
        assert.deepStrictEqual((yield* linesOf(store, fork)).map(({ threadId }) => threadId), [fork])
      })
  )

  test(
    "lists the threads that were not used since a time and that no used one needs",
    (store, _, id) =>
      Effect.gen(function*() {
        const [old, source, used, onlyBound] = [`${id}-old`, `${id}-source`, `${id}-used`, `${id}-bound`]
        yield* Effect.forEach([old, source], (thread) => append(store, thread, 0, thread))
        yield* store.bind(onlyBound, bound(onlyBound))
        yield* store.bind(`${id}-key`, bound(source))
        yield* store.link(used, source)
        const later = DateTime.add(yield* DateTime.now, { seconds: 1 })
        const at = (time: DateTime.Utc) =>
          Effect.map(store.idle(time), (ids) => ids.filter((found) => found.startsWith(id)).toSorted())
        assert.deepStrictEqual(yield* at(DateTime.subtract(later, { hours: 1 })), [])
        assert.deepStrictEqual(yield* at(later), [onlyBound, old, source].toSorted())
      })
  )

  effect.prop(
    "keeps each file whatever its pieces are",
    { pieces: Schema.Array(Schema.NonEmptyArray(Schema.String)), back: Schema.Literals([0, 1, 2, 3]) },
    ({ back, pieces }) =>
      Effect.gen(function*() {
        const [store, id] = [(yield* TwoClients)[0], yield* unique]
        const all = pieces.flat()
        let line = 0
        for (const piece of pieces) {
          const from = Math.max(0, line - back)
          line += piece.length
          yield* append(store, id, from, ...all.slice(from, line))
        }
        assert.deepStrictEqual(yield* textsOf(store, id), all.map((text) => text.toWellFormed()))
      }),
    { arbitrary: { runs: 20 } }
  )
}
