/** What an event costs a view: as much at 100,000 items as at 10,000, counted in what it reads of the view. */
import { ThreadView } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import * as Fake from "../support/fakeServer.ts"
import { fold, notification } from "../support/viewEvents.ts"

/** Stands for a value, and counts every member that is read of it and of what is in it. */
const counting = <A extends object>(value: A): { readonly value: A; readonly reads: () => number } => {
  let reads = 0
  const proxies = new WeakMap<object, object>()
  const wrap = <B>(inner: B): B => {
    if (typeof inner !== "object" || inner === null) return inner
    const known = proxies.get(inner)
    if (known !== undefined) return known as B
    const proxy = new Proxy(inner, {
      get: (target, key) => {
        reads++
        return wrap(Reflect.get(target, key))
      },
      ownKeys: (target) => {
        const keys = Reflect.ownKeys(target)
        reads += keys.length
        return keys
      }
    })
    proxies.set(inner, proxy)
    return proxy as B
  }
  return { value: wrap(value), reads: () => reads }
}

const of = { threadId: Fake.threadId, turnId: "turn" }
const command = (id: string) => ({ ...Fake.runningCommand, id })

/** A thread of one long turn, or of many short ones, with an item that goes on. */
const views = {
  "one turn": (items: number) =>
    fold([
      Fake.started("turn"),
      ...Array.from({ length: items }, (_, i) => Fake.itemCompleted("turn", command(`c${i}`))),
      Fake.itemStarted("turn", Fake.agentMessage("m", "")),
      Fake.itemStarted("turn", command("last"))
    ]),
  "many turns": (items: number) =>
    fold([
      ...Array.from({ length: items }, (_, i) => Fake.itemCompleted(`t${i}`, command(`c${i}`))),
      Fake.started("turn"),
      Fake.itemStarted("turn", Fake.agentMessage("m", "")),
      Fake.itemStarted("turn", command("last"))
    ])
}

const events: { readonly [name: string]: ThreadView.Event } = {
  "a new item": notification("item/started", { ...of, item: command("new"), startedAtMs: 1 }),
  "a piece of a message": notification("item/agentMessage/delta", { ...of, itemId: "m", delta: "x" }),
  "a piece of an output": notification("item/commandExecution/outputDelta", { ...of, itemId: "last", delta: "x" }),
  "the end of an item": notification("item/completed", { ...of, item: command("last"), completedAtMs: 1 }),
  "a repetition": notification("item/started", { ...of, item: command("last"), startedAtMs: 1 }),
  "a broken stream": notification("error", {
    ...of,
    willRetry: true,
    error: { message: "Reconnecting... 1/5", codexErrorInfo: null, additionalDetails: null, misalignment: null }
  }),
  "a next turn": notification("turn/started", { threadId: Fake.threadId, turn: Fake.turn("next") }),
  "the end of a turn": notification("turn/completed", {
    threadId: Fake.threadId,
    turn: Fake.turn("turn", "completed")
  }),
  "a request": {
    _tag: "ServerRequest",
    id: 1,
    method: "item/commandExecution/requestApproval",
    params: { ...of, itemId: "last" }
  }
}

const readsOf = (view: ThreadView.ThreadView, event: ThreadView.Event): number => {
  const { reads, value } = counting(view)
  ThreadView.apply(value, event)
  return reads()
}

// These make 220,000 items each, so they have a time limit of their own.
describe("an event of a thread with 100,000 items", () => {
  for (const [shape, make] of Object.entries(views)) {
    it(`costs about as much as of one with 10,000 (${shape})`, () => {
      const small = make(10_000)
      const large = make(100_000)
      for (const [name, event] of Object.entries(events)) {
        const before = readsOf(small, event)
        const after = readsOf(large, event)
        assert.isAbove(before, 0, name)
        // Trees of 32 children have one level more.
        assert.isBelow(after, before * 1.5 + 50, `${name}: ${before}, ${after}`)
      }
    }, 60_000)
  }

  it("shares with the next view all that the event does not change", () => {
    const before = views["one turn"](10_000)
    const after = ThreadView.apply(before, events["a piece of a message"]!)
    const [turn, next] = [before.turns.at(0), after.turns.at(0)]
    const changed = Array.from({ length: 10_002 }, (_, i) => i).filter((i) => turn?.items.at(i) !== next?.items.at(i))
    assert.deepStrictEqual(changed, [10_000])
  })
})

describe("a text of many pieces", () => {
  it("is never copied: the work for a piece is the same at its end as at its beginning", () => {
    const piece = events["a piece of a message"]!
    const first = fold([Fake.itemStarted("turn", Fake.agentMessage("m", ""))])
    const last = fold(Array.from({ length: 100_000 }, () => piece), first)
    assert.strictEqual(readsOf(last, piece), readsOf(first, piece))
    const item = last.turns.at(0)?.items.at(0)?.item
    assert.strictEqual(item?.type === "agentMessage" && item.text.length, 100_000)
  })
})
