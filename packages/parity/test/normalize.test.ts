import { assert, describe, it } from "vitest"
import { runOf } from "../src/normalize.ts"
import type { Entry } from "../src/recording.ts"
import type { Notes } from "../src/scenario.ts"

const uuid = (n: number): string => `0199a228-c37f-7102-8fcd-${String(n).padStart(12, "0")}`

const frame = (kind: "sent" | "received", value: object): Entry => ({ kind, frame: JSON.stringify(value) })

const nothing: Notes = { results: [], events: [], errors: [] }

const normalized = (entries: ReadonlyArray<Entry>, notes: Partial<Notes> = {}) =>
  runOf(entries, { ...nothing, ...notes }, { executable: "/tap/codex", workspace: "/home/w", codexHome: "/home/c" })

describe("a run", () => {
  it("keeps what is sent, without the ids of requests", () => {
    const ask = frame("received", { id: 7, method: "item/commandExecution/requestApproval", params: {} })
    const { frames } = normalized([
      { kind: "started", args: ["app-server"] },
      frame("sent", { id: uuid(1), method: "thread/list", params: { cwd: "/home/w" } }),
      ask,
      frame("sent", { id: 7, result: { decision: "accept" } }),
      { kind: "ended", code: 0, signal: null }
    ])
    assert.deepStrictEqual(frames, [
      { key: "process", value: { args: ["app-server"] } },
      { key: "thread/list", value: { params: { cwd: "<workspace>" } } },
      { key: "answer to item/commandExecution/requestApproval", value: { result: { decision: "accept" } } }
    ])
  })

  it("names ids in the order of codex, and hides times, ports and the values of a query", () => {
    const { results } = normalized(
      [frame("received", { id: uuid(9), result: { thread: { id: uuid(1) } } })],
      {
        results: [{
          step: "one",
          value: {
            turnId: uuid(2),
            threadId: uuid(1),
            startedAt: 1_795_981_145,
            durationMs: 31,
            url: "http://127.0.0.1:4711/a?state=x&id=y",
            missing: null
          }
        }]
      }
    )
    assert.deepStrictEqual(results, [{
      key: "one",
      value: {
        turnId: "<turn-1>",
        threadId: "<thread-1>",
        startedAt: 0,
        durationMs: 0,
        url: "http://127.0.0.1:0/a?state=…&id=…"
      }
    }])
  })

  it("gives an id the same name, wherever codex mentions it first", () => {
    const turn = { id: uuid(2), rootTurnId: uuid(2) }
    const notes: Partial<Notes> = { results: [{ step: "one", value: uuid(2) }] }
    const frames = [
      { method: "turn/started", params: { turn } },
      { id: uuid(9), result: { thread: { turns: [turn] } } },
      { method: "any", params: { rootTurnId: uuid(2) } }
    ]
    for (const one of frames) {
      assert.deepStrictEqual(normalized([frame("received", one)], notes).results, [{ key: "one", value: "<turn-1>" }])
    }
  })

  it("tells one poll from another method that is repeated", () => {
    const sent = (method: string) => frame("sent", { id: 1, method })
    const { frames } = normalized([
      sent("thread/read"),
      sent("thread/read"),
      sent("model/list"),
      sent("model/list")
    ])
    assert.deepStrictEqual(frames.map(({ key }) => key), ["thread/read", "model/list", "model/list"])
  })

  it("merges deltas of one item that follow each other", () => {
    const delta = (itemId: string, delta: string) => ({ step: "s", method: "delta", params: { itemId, delta } })
    const { events } = normalized([], { events: [delta("a", "Hel"), delta("a", "lo"), delta("b", "!")] })
    assert.deepStrictEqual(events.map(({ value }) => value), [
      { params: { itemId: "a", delta: "Hello" } },
      { params: { itemId: "b", delta: "!" } }
    ])
  })
})
