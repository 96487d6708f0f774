/** A view of random sessions is the same from live events and from what is stored, in what both know. */
import type { ThreadView } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as Fake from "../support/fakeServer.ts"
import { event, fold, json, notification, storedThread } from "../support/viewEvents.ts"

const Step = Schema.Struct({
  turn: Schema.Literals([0, 0, 0, 1, 2]),
  item: Schema.Literals([0, 1, 2, 3, 4, 5, 6]),
  act: Schema.Literals(["start", "piece", "piece", "complete", "repeat", "break", "tokens", "ask", "newer", "plan"]),
  text: Schema.Literals(["", "a", "Hello", "\n", "```", "</script>"])
})
const Steps = Arbitrary.array(Arbitrary.schema(Step), { maxLength: 80 })

type Step = typeof Step.Type

/** An item of each kind. The model writes the first three, which are void when its stream breaks. */
const kinds: ReadonlyArray<(id: string, text: string, isWhole: boolean) => object> = [
  (id, text) => Fake.agentMessage(id, text),
  (id, text) => ({ type: "reasoning", id, summary: text === "" ? [] : [text], content: [] }),
  (id, text) => ({ type: "plan", id, text }),
  (id, text, isWhole) => ({
    ...Fake.runningCommand,
    id,
    ...isWhole ? { status: "completed", aggregatedOutput: text, exitCode: text.length, durationMs: 3 } : {}
  }),
  (id, text, isWhole) => ({
    type: "fileChange",
    id,
    status: isWhole ? "completed" : "inProgress",
    changes: [{ path: "/a", kind: { type: "add" }, diff: text }]
  }),
  (id, text) => ({ type: "hologram", id, text }),
  // Does not fit the protocol.
  (id, text) => ({ ...Fake.runningCommand, id, status: "completed", cwd: text.length })
]

const pieces: ReadonlyArray<string | undefined> = [
  "item/agentMessage/delta",
  "item/reasoning/summaryTextDelta",
  "item/plan/delta",
  "item/commandExecution/outputDelta"
]

interface Item {
  readonly id: string
  text: string
  startedAtMs?: number
  completedAtMs?: number
  isVoid: boolean
  last?: ThreadView.Event
}

/** What codex sends of a session, frames that come twice and late among it, and what it stores. */
const simulate = (steps: ReadonlyArray<Step>) => {
  const live: Array<ThreadView.Event> = []
  const turns = new Map<number, Map<number, Item>>()
  let now = 1_000
  const of = (turn: number) => ({ threadId: Fake.threadId, turnId: `turn-${turn}` })
  for (const { act, item: kind, text, turn } of steps) {
    now++
    const items = turns.get(turn) ?? new Map<number, Item>()
    if (!turns.has(turn)) {
      turns.set(turn, items)
      live.push(notification("turn/started", { threadId: Fake.threadId, turn: Fake.turn(`turn-${turn}`) }))
    }
    const say = (method: string, params: object) => {
      const said = notification(method, { ...of(turn), ...params })
      live.push(said)
      return said
    }
    const known = items.get(kind)
    const item = known ?? { id: `${turn}-${kind}`, text: "", isVoid: false }
    const make = kinds[kind]!
    switch (act) {
      case "start":
        if (item.startedAtMs !== undefined || item.isVoid) break
        items.set(kind, item)
        // An item that was completed before its start came is told late.
        item.startedAtMs = item.completedAtMs === undefined ? now : 999
        item.last = say("item/started", { item: make(item.id, "", false), startedAtMs: item.startedAtMs })
        break
      case "piece":
        if (pieces[kind] === undefined) break
        items.set(kind, item)
        if (item.completedAtMs === undefined && !item.isVoid) item.text += text
        say(pieces[kind], { itemId: item.id, delta: text, summaryIndex: 0 })
        break
      case "complete":
        if (item.isVoid || item.completedAtMs !== undefined) break
        items.set(kind, item)
        item.completedAtMs = now
        item.last = say("item/completed", { item: make(item.id, item.text, true), completedAtMs: now })
        break
      case "repeat":
        if (item.last !== undefined && !item.isVoid) live.push(item.last)
        break
      case "break":
        for (const [kind, written] of items) if (kind < 3 && written.completedAtMs === undefined) written.isVoid = true
        say("error", {
          willRetry: true,
          error: { message: "Reconnecting... 1/5", codexErrorInfo: null, additionalDetails: null, misalignment: null }
        })
        break
      case "tokens":
        live.push(event(Fake.tokenUsage(`turn-${turn}`, 1, now)))
        break
      case "ask":
        live.push({ _tag: "ServerRequest", id: now, method: "item/fileChange/requestApproval", params: of(turn) })
        break
      case "newer":
        say("thread/dreamt", { text })
        break
      case "plan":
        say("turn/plan/updated", { explanation: null, plan: [{ step: text, status: "pending" }] })
        break
    }
  }
  const stored = [...turns].map(([turn, items]) =>
    Fake.turn(`turn-${turn}`, "completed", {
      itemsView: "full",
      startedAt: 1,
      completedAt: 2,
      durationMs: 700,
      items: [...items].flatMap(([kind, { completedAtMs, id, startedAtMs = null, text }]) =>
        completedAtMs === undefined ? [] : [{ ...kinds[kind]!(id, text, true), startedAtMs, completedAtMs }]
      )
    })
  )
  for (const turn of stored) {
    live.push(notification("turn/completed", {
      threadId: Fake.threadId,
      turn: { ...turn, items: [], itemsView: "notLoaded" }
    }))
  }
  return { live, stored }
}

/** A stored item has its times in itself, and so in what does not fit. */
const times: ReadonlySet<string> = new Set(["startedAtMs", "completedAtMs", "raw"])

/**
 * What live events and the store both know. Only live: what was abandoned, what waits, tokens, plans, errors, notices
 * and what was typed.
 */
const known = (view: ThreadView.ThreadView) =>
  json([...view.turns].map(({ durationMs, endedAt, id, items, startedAt, status }) => ({
    id,
    status,
    startedAt,
    endedAt,
    durationMs,
    items: [...items].flatMap(({ endedAt, files, id, item, startedAt, state }) => {
      const members = Object.entries(item).filter(([key]) => !times.has(key))
      return state === "abandoned"
        ? []
        : [{ id, state, startedAt, endedAt, files, item: Object.fromEntries(members) }]
    })
  })))

describe("a random session", () => {
  it.effect.prop("is the same live and stored", [Steps], ([steps]) =>
    Effect.sync(() => {
      const { live, stored } = simulate(steps)
      assert.deepStrictEqual(known(fold(live)), known(fold([storedThread(stored)])))
    }), { arbitrary: { runs: 500 } })

  it.effect.prop(
    "that is read while it is seen is as it is stored, in any order",
    [Steps, Steps],
    ([steps, more]) =>
      Effect.sync(() => {
        const { live, stored } = simulate([...steps, ...more])
        const shuffled = stored.map((turn) => ({ ...turn, items: [...turn.items].reverse() }))
        const half = fold(live.slice(0, live.length / 2))
        const read = fold([storedThread(shuffled)], half)
        const expected = known(fold([storedThread(shuffled)]))
        assert.deepStrictEqual(known(read), expected)
        // The rest of the events comes late, and changes nothing that is stored.
        assert.deepStrictEqual(known(fold(live.slice(live.length / 2), read)), expected)
      }),
    { arbitrary: { runs: 300 } }
  )
})
