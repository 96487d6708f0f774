import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, identity, Schema, Stream } from "effect"
import { CompactLog, done, Mailbox, mergeBeyond } from "../../src/internal/events/mailbox.ts"
import type { Raw } from "../../src/ServerNotification.ts"

const delta = (itemId: string, text: string): Raw => ({
  _tag: "item/agentMessage/delta",
  params: { itemId, delta: text }
})
const other = (n: number): Raw => ({ _tag: "item/started", params: { n } })

const textOf = (events: ReadonlyArray<Raw>, itemId: string): string =>
  events.map((event) => {
    const params = event.params as { readonly itemId?: string; readonly delta?: string }
    return params.itemId === itemId ? params.delta ?? "" : ""
  }).join("")

describe("CompactLog", () => {
  it.effect.prop(
    "keeps the text of every item and everything that is no delta, in order",
    [Schema.Array(Schema.Union([Schema.Tuple([Schema.Literals(["a", "b", "c"]), Schema.String]), Schema.Int]))],
    ([steps]) =>
      Effect.sync(() => {
        const events = steps.map((step) => typeof step === "number" ? other(step) : delta(step[0], step[1]))
        const log = new CompactLog()
        for (const event of events) log.push(event)
        const compact = log.snapshot()
        for (const item of ["a", "b", "c"]) {
          assert.strictEqual(textOf(compact, item), textOf(events, item))
          assert.isAtMost(compact.filter((event) => textOf([event], item) !== "").length, 1)
        }
        assert.deepStrictEqual(
          compact.filter((event) => event._tag === "item/started"),
          events.filter((event) => event._tag === "item/started")
        )
      })
  )

  it("tells the deltas of one item apart by method and index", () => {
    const log = new CompactLog()
    const summary = (summaryIndex: number, text: string): Raw => ({
      _tag: "item/reasoning/summaryTextDelta",
      params: { itemId: "r", summaryIndex, delta: text }
    })
    const output: Raw = { _tag: "item/commandExecution/outputDelta", params: { itemId: "r", delta: "f" } }
    for (const event of [summary(0, "a"), summary(0, "b"), summary(1, "c"), summary(0, "d"), delta("r", "e"), output]) {
      log.push(event)
    }
    assert.deepStrictEqual(log.snapshot(), [summary(0, "abd"), summary(1, "c"), delta("r", "e"), output])
  })

  it("keeps the text of any number of short reads, whenever it is looked at", () => {
    const log = new CompactLog()
    let text = ""
    for (let n = 0; n < 2000; n++) {
      log.push(delta("a", `${n} `))
      text += `${n} `
      log.readEnded()
      if (n % 300 === 0) assert.deepStrictEqual(log.snapshot(), [delta("a", text)])
    }
    assert.deepStrictEqual(log.snapshot(), [delta("a", text)])
  })

  it("tells items of different turns apart, whose ids the model may give twice", () => {
    const log = new CompactLog()
    const of = (turnId: string, text: string): Raw => ({
      _tag: "item/agentMessage/delta",
      params: { turnId, itemId: "m", delta: text }
    })
    for (const event of [of("1", "a"), of("2", "b"), of("1", "c"), of("2", "d")]) log.push(event)
    assert.deepStrictEqual(log.snapshot(), [of("1", "ac"), of("2", "bd")])
  })

  it("keeps a delta that it does not understand as it is", () => {
    const log = new CompactLog()
    const odd: Raw = { _tag: "item/agentMessage/delta", params: { itemId: "a", delta: { rich: "text" } } }
    log.push(odd)
    log.push(odd)
    assert.deepStrictEqual(log.snapshot(), [odd, odd])
  })
})

describe("Mailbox", () => {
  it.effect("hands over each event as it came while few are unread", () =>
    Effect.gen(function*() {
      const mailbox = new Mailbox<never>({})
      const events = [delta("a", "1"), delta("a", "2"), other(3)]
      for (const event of events) mailbox.push(event, 10)
      mailbox.close(done)
      assert.deepStrictEqual(yield* Stream.runCollect(mailbox.streamOf(identity)), events)
    }))

  it.effect("merges the deltas of an item beyond the limit and loses nothing", () =>
    Effect.gen(function*() {
      const mailbox = new Mailbox<never>({})
      const many = mergeBeyond + 5000
      for (let i = 0; i < many; i++) mailbox.push(delta("a", String(i % 10)), 10)
      mailbox.push(other(1), 10)
      mailbox.push(delta("a", "end"), 10)
      mailbox.close(done)
      const events = yield* Stream.runCollect(mailbox.streamOf(identity))
      assert.strictEqual(events.length, mergeBeyond + 2)
      assert.strictEqual(
        textOf(events, "a"),
        Array.from({ length: many }, (_, i) => String(i % 10)).join("") + "end"
      )
      assert.deepStrictEqual(events.at(-1), other(1))
    }))

  it.effect("gives events one by one again once the reader has caught up", () =>
    Effect.gen(function*() {
      const mailbox = new Mailbox<never>({})
      for (let i = 0; i < mergeBeyond + 10; i++) mailbox.push(delta("a", "x"), 10)
      const counts: Array<number> = []
      const reader = yield* Effect.forkChild(
        Stream.runForEachArray(mailbox.streamOf(identity), (batch) => Effect.sync(() => counts.push(batch.length)))
      )
      yield* Effect.yieldNow
      for (let i = 0; i < 3; i++) mailbox.push(delta("a", "y"), 10)
      mailbox.flush()
      mailbox.close(done)
      mailbox.flush()
      yield* Fiber.join(reader)
      assert.deepStrictEqual(counts, [mergeBeyond + 1, 3])
    }))

  it.effect("merges nothing for a reader that waits, however much comes before it is woken", () =>
    Effect.gen(function*() {
      const mailbox = new Mailbox<never>({})
      const reader = yield* Effect.forkChild(Stream.runCollect(mailbox.streamOf(identity)))
      yield* Effect.yieldNow
      const events = Array.from({ length: mergeBeyond + 10 }, (_, n) => delta("a", `${n} `))
      for (const event of events) mailbox.push(event, 10)
      mailbox.close(done)
      mailbox.flush()
      assert.deepStrictEqual(yield* Fiber.join(reader), events)
    }))

  it.effect("delivers what is unread before the failure of the connection", () =>
    Effect.gen(function*() {
      const mailbox = new Mailbox<string>({})
      mailbox.push(other(1), 10)
      mailbox.close(Exit.fail("gone"))
      const seen: Array<Raw> = []
      const error = yield* Effect.flip(
        Stream.runForEach(mailbox.streamOf(identity), (event) => Effect.sync(() => seen.push(event)))
      )
      assert.deepStrictEqual(seen, [other(1)])
      assert.strictEqual(error, "gone")
    }))

  it.effect("fails a reader that leaves more than the hard cap unread, and reports the high-water mark once", () =>
    Effect.gen(function*() {
      const reports: Array<number> = []
      const mailbox = new Mailbox<string>({
        highWater: { bytes: 50, report: (bytes) => reports.push(bytes) },
        maxUnread: { bytes: 100, error: (bytes) => `overflow at ${bytes}` }
      })
      for (let i = 0; i < 20; i++) mailbox.push(other(i), 10)
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(mailbox.streamOf(identity))), "overflow at 110")
      assert.deepStrictEqual(reports, [60])
    }))
})
