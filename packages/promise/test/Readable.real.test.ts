/** Streams as async iterables, without codex. */
import { AppServerExited } from "@effect-codex/client/CodexError"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Stream } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Host, type Services } from "../src/internal/host.ts"
import { readable } from "../src/internal/readable.ts"
import { collect, rejection, unhandled } from "./support/real.ts"

// The streams of these tests need none of its services.
const host = () => new Host(Layer.empty as Layer.Layer<never> as Layer.Layer<Services>)

const released = <A, E>(stream: Stream.Stream<A, E>) => {
  let count = 0
  const ensured = Stream.ensuring(stream, Effect.sync(() => void count++))
  return { stream: ensured, count: () => count }
}

const died = new AppServerExited({ code: 1, signal: null, stderr: [] })

describe("a readable", () => {
  it("is a new run of the stream for each reader, and ends each", async () => {
    const { count, stream } = released(Stream.make(1, 2, 3))
    const values = readable(host(), stream)
    assert.deepStrictEqual(await collect(values), [1, 2, 3])
    assert.deepStrictEqual(await collect(values), [1, 2, 3])
    assert.strictEqual(count(), 2)
  })

  it("keeps falsy values apart from the end", async () => {
    assert.deepStrictEqual(await collect(readable(host(), Stream.make("", "a", ""))), ["", "a", ""])
  })

  it("throws the error after the values, once, and then is at its end", async () => {
    const { count, stream } = released(Stream.concat(Stream.make(1), Stream.fail(died)))
    const iterator = readable(host(), stream)[Symbol.asyncIterator]()
    assert.deepStrictEqual(await iterator.next(), { done: false, value: 1 })
    assert.strictEqual(await rejection(iterator.next()), died)
    assert.deepStrictEqual(await iterator.next(), { done: true, value: undefined })
    assert.strictEqual(count(), 1)
  })

  it("is released when its reader leaves, throws, or is told by a signal", async () => {
    const { count, stream } = released(Stream.concat(Stream.make(1), Stream.never))
    const values = readable(host(), stream)
    for await (const _ of values) break
    assert.strictEqual(count(), 1)
    const failing = async () => {
      for await (const _ of values) throw died
    }
    assert.strictEqual(await rejection(failing()), died)
    assert.strictEqual(count(), 2)
    const controller = new AbortController()
    const waiting = collect(values.withSignal(new AbortController().signal).withSignal(controller.signal))
    setImmediate(() => controller.abort("enough"))
    assert.strictEqual(await rejection(waiting), "enough")
    assert.strictEqual(count(), 3)
    assert.strictEqual(await rejection(collect(values.withSignal(controller.signal))), "enough")
    assert.strictEqual(count(), 3)
  })

  it("of what goes on for ever ends with close; a list does not look complete", async () => {
    for (const isList of [false, true]) {
      const client = host()
      const { count, stream } = released(Stream.concat(Stream.make(1), Stream.never))
      const iterator = readable(client, stream, { isList })[Symbol.asyncIterator]()
      await iterator.next()
      const waiting = iterator.next()
      await client.close()
      assert.strictEqual(count(), 1)
      if (isList) assert.match(String(await rejection(waiting)), /closed/)
      else assert.deepStrictEqual(await waiting, { done: true, value: undefined })
    }
  })

  it("whose release breaks is told to who awaits it, and ends nothing else", async () => {
    const broken = new Error("broken")
    const values = readable(host(), Stream.ensuring(Stream.concat(Stream.make(1), Stream.never), Effect.die(broken)))
    const seen = await unhandled(async () => {
      const left = values[Symbol.asyncIterator]()
      await left.next()
      void left.return?.()
      const awaited = values[Symbol.asyncIterator]()
      await awaited.next()
      assert.strictEqual(await rejection(awaited.return?.() ?? Promise.resolve()), broken)
    })
    assert.deepStrictEqual(seen, [])
  })

  it("that is forgotten without return is released once it is collected", async () => {
    setFlagsFromString("--expose-gc")
    const gc: () => void = runInNewContext("gc")
    const queue = await Effect.runPromise(Queue.unbounded<number>())
    await Effect.runPromise(Queue.offerAll(queue, [1, 2]))
    const { count, stream } = released(Stream.fromQueue(queue))
    const client = host()
    // Also when its release breaks, of which nobody can be told.
    const breaking = Stream.ensuring(stream, Effect.die("broken"))
    const seen = await unhandled(async () => {
      await (async () => {
        const forgotten = readable(client, breaking)[Symbol.asyncIterator]()
        assert.strictEqual((await forgotten.next()).value, 1)
      })()
      for (let turn = 0; count() === 0 && turn < 1000; turn++) {
        gc()
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    assert.strictEqual(count(), 1)
    assert.deepStrictEqual(seen, [])
    await client.close()
  })
})
