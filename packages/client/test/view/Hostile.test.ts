/** Whatever comes, a view is made of it, and what cannot be read is marked. */
import { ThreadView } from "@effect-codex/client"
import * as Methods from "@effect-codex/protocol/Methods"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { RolloutReader } from "../../src/internal/view/rollout.ts"
import * as Fake from "../support/fakeServer.ts"
import { fold, json, notification, storedThread } from "../support/viewEvents.ts"

const methods = [...Object.keys(Methods.serverNotifications), "thread/dreamt"]

/** Values that stand where others belong. */
const values: ReadonlyArray<unknown> = [
  undefined,
  null,
  -1,
  1e308,
  "",
  "__proto__",
  "</script><script>alert(1)</script>\u001b[2J\u202e",
  [],
  {},
  [null],
  { type: "__proto__", id: "constructor" },
  { type: "commandExecution", id: "c" },
  Fake.agentMessage("m", "text"),
  { ...Fake.turn("t"), items: [null, Fake.runningCommand] },
  { type: "collabAgentToolCall", id: "s", receiverThreadIds: ["child"], agentsStates: null }
]

const keys = [
  "threadId",
  "turnId",
  "turn",
  "item",
  "itemId",
  "delta",
  "summaryIndex",
  "changes",
  "plan",
  "error",
  "tokenUsage",
  "requestId",
  "thread",
  "status",
  "run",
  "goal",
  "startedAtMs"
]

const Broken = Schema.Struct({
  method: Schema.Literals(methods),
  members: Schema.Array(Schema.Struct({
    key: Schema.Literals(keys),
    value: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: values.length - 1 }))
  }))
})
const Events = Arbitrary.array(Arbitrary.schema(Broken), { minLength: 1, maxLength: 30 })

describe("events that are broken", () => {
  it.effect.prop("throw nothing, and the view is still JSON", [Events], ([events]) =>
    Effect.sync(() => {
      const view = fold(events.flatMap(({ members, method }) => {
        const params = {
          threadId: Fake.threadId,
          turnId: "t",
          itemId: "m",
          delta: "x",
          ...Object.fromEntries(members.map(({ key, value }) => [key, values[value]]))
        }
        return [
          notification(method, params),
          { _tag: "ServerRequest", id: members.length, method, params } as const,
          { _tag: "ServerRequestAnswer", id: members.length, answer: values[members.length % values.length] } as const
        ]
      }))
      assert.isObject(json(view))
      assert.isArray(ThreadView.timeline(view))
    }), { arbitrary: { runs: 1_000 } })

  it("of an index far away make no large list", () => {
    const view = fold([
      notification("item/reasoning/summaryTextDelta", {
        threadId: Fake.threadId,
        turnId: "t",
        itemId: "r",
        delta: "x",
        summaryIndex: 1e9
      })
    ])
    const item = view.turns.at(0)?.items.at(0)?.item
    assert.deepStrictEqual(item?.type === "reasoning" && item.summary, ["x"])
  })
})

describe("stored values that are broken", () => {
  it("are marked, beside those that are not", () => {
    const view = fold([
      storedThread([7, Fake.turn("t", "completed", { items: [Fake.agentMessage("m", "x"), { id: 7 }] })])
    ])
    assert.deepStrictEqual([...view.notices].map(({ kind }) => kind), ["undecodable"])
    assert.deepStrictEqual([...view.turns.at(0)?.items ?? []].map(({ item }) => item.type), [
      "agentMessage",
      "undecodable"
    ])
  })
})

describe("a rollout that is broken", () => {
  it("is read as far as it goes, and what is not known is marked", () => {
    const reader = new RolloutReader()
    const line = (type: string, payload: unknown) => JSON.stringify({ timestamp: 7, type, payload })
    const nested = `${"{\"a\":".repeat(50_000)}1${"}".repeat(50_000)}`
    const lines = [
      "",
      "null",
      "{",
      "[]",
      line("session_meta", null),
      line("session_meta", { id: "thread" }),
      line("event_msg", null),
      line("event_msg", { type: "task_started" }),
      line("event_msg", { type: "dreamt" }),
      line("event_msg", { type: "item_completed" }),
      line("event_msg", { type: "item_completed", item: { type: "Hologram", id: "h", some_key: 1 }, turn_id: "t" }),
      line("event_msg", { type: "token_count", info: { total_token_usage: [] } }),
      line("response_item", { type: "function_call", name: "update_plan", arguments: "{" }),
      `{"type":"event_msg","payload":{"type":"thread_goal_updated","goal":${nested}}}`,
      line("tomorrow", {}),
      "{\"timestamp\":\"2026-01-0"
    ]
    const raws = [...lines.flatMap((line) => reader.read(line)), ...reader.end()].map(({ raw }) => raw)
    const view = fold(raws.map(({ _tag, params }) => notification(_tag, params)))
    const marked = new Set([...view.notices].map(({ method }) => method))
    assert.includeMembers([...marked], ["rollout/cut", "rollout/dreamt", "rollout/unreadable", "rollout/tomorrow"])
    const found = [...view.turns].flatMap(({ items }) => [...items]).find(({ id }) => id === "h")
    assert.deepInclude(json(found?.item), { type: "hologram", id: "h", someKey: 1, startedAtMs: null })
  })
})
