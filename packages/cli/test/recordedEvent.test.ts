import { assert, describe, it } from "@effect/vitest"
import { recordedEvent } from "../src/internal/recordedEvent.ts"

describe("an event of a cassette", () => {
  it("is tagged by its method and keeps what codex has added", () => {
    const params = { threadId: "thread", addedLater: true }
    assert.deepStrictEqual<unknown>(recordedEvent("thread/closed", params), { _tag: "thread/closed", params })
  })

  it("may be of a method that nobody knows", () => {
    for (const method of ["turn/new", "constructor", "__proto__"]) {
      assert.deepStrictEqual(recordedEvent(method, 1), { _tag: "Unknown", method, params: 1 })
    }
  })

  it("may not fit its method, however deep it is", () => {
    const event = recordedEvent("thread/closed", { threadId: 1 })
    assert(event._tag === "Undecodable")
    assert.match(event.issue, /Expected string/)
    let deep: unknown = "deep"
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    const params = {
      threadId: "thread",
      turnId: "turn",
      item: { type: "somethingNew", id: "new", deep },
      startedAtMs: 0
    }
    assert.oneOf(recordedEvent("item/started", params)._tag, ["item/started", "Undecodable"])
    assert.strictEqual(recordedEvent("thread/closed", deep)._tag, "Undecodable")
  })
})
