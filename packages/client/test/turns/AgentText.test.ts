/** What the agent says, when the model's stream breaks in the middle of it and the model writes it again. */
import type { Turn } from "@effect-codex/client"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { Text } from "../../src/internal/turns/agentText.ts"
import * as Fake from "../support/fakeServer.ts"

const id = "turn-1"
const of = { threadId: Fake.threadId, turnId: id }
const begun = (itemId: string) => Fake.itemStarted(id, Fake.agentMessage(itemId, ""))
const told = (itemId: string, ...texts: ReadonlyArray<string>) => texts.map((text) => Fake.delta(id, itemId, text))
const whole = (itemId: string, text: string) => Fake.itemCompleted(id, Fake.agentMessage(itemId, text))
const error = { message: "Reconnecting... 1/5", codexErrorInfo: null, additionalDetails: null, misalignment: null }
const broke = Fake.notification("error", { ...of, error, willRetry: true })

/** What a reader sees that comes before the first frame, one that comes last, and the turn's result. */
const read = Effect.fnUntraced(function*(...frames: ReadonlyArray<string>) {
  const { server, thread } = yield* Fake.connectThread()
  const starting = yield* Effect.forkScoped(thread.turn("go"))
  const request = yield* server.expect("turn/start")
  yield* server.send(Fake.frame({ id: request.id, result: { turn: Fake.turn(id) } }), Fake.started(id))
  const turn = yield* Fiber.join(starting)
  const all = Effect.all({ text: Stream.mkString(turn.text), messages: Stream.runCollect(turn.messages) }, {
    concurrency: 2
  })
  const reading = yield* Effect.forkScoped(all, { startImmediately: true })
  for (const frame of [...frames, Fake.completed(id)]) yield* server.send(frame)
  return { first: yield* Fiber.join(reading), late: yield* all, result: yield* turn.result, turn }
})

/** As {@link Turn.MessagePiece} tells to show them. */
const shown = (pieces: ReadonlyArray<Turn.MessagePiece>): ReadonlyArray<readonly [string, string]> => {
  const messages = new Map<string, string>()
  for (const { _tag, itemId, text } of pieces) {
    if (_tag === "Abandoned") messages.delete(itemId)
    else messages.set(itemId, _tag === "Completed" ? text : (messages.get(itemId) ?? "") + text)
  }
  return [...messages]
}

describe("text", () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, frames: ReadonlyArray<string>]> = [
    ["goes on where the abandoned message ended", "Hello world.", [
      begun("a"),
      ...told("a", "Hello ", "wor"),
      broke,
      begun("b"),
      ...told("b", "Hel", "lo w", "orl", "d."),
      whole("b", "Hello world.")
    ]],
    ["goes on after a message that broke twice", "Hello world.", [
      begun("a"),
      ...told("a", "Hello wor"),
      broke,
      begun("b"),
      ...told("b", "Hello"),
      broke,
      begun("c"),
      ...told("c", "Hello world."),
      whole("c", "Hello world.")
    ]],
    ["has a message with other words after an empty line", "Hello wor\n\nGood day.", [
      begun("a"),
      ...told("a", "Hello wor"),
      broke,
      begun("b"),
      ...told("b", "Goo", "d day."),
      whole("b", "Good day.")
    ]],
    ["has a message after an empty line that ends before the abandoned one", "Hello wor\n\nHello", [
      begun("a"),
      ...told("a", "Hello wor"),
      broke,
      begun("b"),
      ...told("b", "Hello"),
      whole("b", "Hello")
    ]],
    ["keeps a message that was whole when the stream broke", "One.\n\nOne. Two.", [
      begun("a"),
      ...told("a", "One."),
      whole("a", "One."),
      broke,
      begun("b"),
      ...told("b", "One. Two."),
      whole("b", "One. Two.")
    ]],
    ["is not doubled by a provider that gives the same id again", "Hello world.", [
      begun("a"),
      ...told("a", "Hello wor"),
      broke,
      begun("a"),
      ...told("a", "Hello world."),
      whole("a", "Hello world.")
    ]],
    ["has what came without deltas, and nothing twice", "One.\n\nTwo.", [
      begun("a"),
      whole("a", "One."),
      whole("a", "One."),
      begun("b"),
      ...told("b", "T"),
      whole("b", "Two."),
      whole("a", "One.")
    ]],
    ["has messages that are written at the same time one after the other", "Hello world.\n\nGood day.\n\nBye.", [
      begun("a"),
      ...told("a", "Hello "),
      begun("b"),
      ...told("b", "Good "),
      ...told("a", "world."),
      begun("c"),
      ...told("b", "day."),
      ...told("c", "Bye."),
      whole("b", "Good day."),
      whole("a", "Hello world."),
      whole("c", "Bye.")
    ]],
    ["has what waited for the end of a message that was lost", "Hello\n\nGood day.", [
      begun("a"),
      ...told("a", "Hello"),
      ...told("b", "Good day."),
      whole("b", "Good day.")
    ]],
    ["has what a message begins with, and its deltas repeat", "Hello world.", [
      Fake.itemStarted(id, Fake.agentMessage("a", "Hello wor")),
      ...told("a", "Hel", "lo world."),
      whole("a", "Hello world.")
    ]],
    ["has what a message begins with, and its deltas go on with", "Hello world.", [
      Fake.itemStarted(id, Fake.agentMessage("a", "Hello ")),
      ...told("a", "world."),
      whole("a", "Hello world.")
    ]],
    ["is not doubled when the beginning and the end of a message come twice", "One.\n\nTwo.", [
      begun("a"),
      begun("a"),
      ...told("a", "One."),
      whole("a", "One."),
      whole("a", "One."),
      begun("a"),
      begun("b"),
      ...told("b", "Two."),
      begun("b"),
      whole("b", "Two.")
    ]],
    ["has the messages whose events do not fit the protocol", "One.\n\nTwo.", [
      Fake.notification("item/completed", { ...of, item: Fake.agentMessage("a", "One."), completedAtMs: "late" }),
      Fake.itemCompleted(id, { ...Fake.agentMessage("b", "Two."), moderation: 7 })
    ]]
  ]
  it.effect.each(cases)("%s", ([, text, frames]) =>
    Effect.gen(function*() {
      const { first, late } = yield* read(...frames)
      assert.strictEqual(first.text, text)
      assert.strictEqual(late.text, text)
    }))
})

describe("reasoning", () => {
  const item = (itemId: string, ...summary: ReadonlyArray<string>) => ({
    type: "reasoning",
    id: itemId,
    summary,
    content: []
  })
  const part = (itemId: string, summaryIndex: number, delta: string) => [
    Fake.notification("item/reasoning/summaryPartAdded", { ...of, itemId, summaryIndex }),
    Fake.notification("item/reasoning/summaryTextDelta", { ...of, itemId, summaryIndex, delta })
  ]

  it.effect("is told once, its parts with an empty line between them", () =>
    Effect.gen(function*() {
      const { turn } = yield* read(
        Fake.itemStarted(id, item("a")),
        ...part("a", 0, "I look"),
        broke,
        Fake.itemStarted(id, item("b")),
        ...part("b", 0, "I look."),
        ...part("b", 1, "I see."),
        Fake.itemCompleted(id, item("b", "I look.", "I see.")),
        Fake.itemCompleted(id, item("c", "Done."))
      )
      assert.strictEqual(yield* Stream.mkString(turn.reasoning), "I look.\n\nI see.\n\nDone.")
    }))
})

describe("messages that are written at the same time", () => {
  it("are told in a time that grows as their number does", () => {
    const count = 200_000
    const text = new Text()
    const delta = (itemId: string) => ({ _tag: "Delta", itemId, phase: null, text: "x" }) as const
    let told = text.step(delta("first"))
    for (let i = 0; i < count; i++) told += text.step(delta("second"))
    for (let i = 0; i < count; i++) told += text.step(delta(String(i)))
    // All of them, though none was completed.
    told += text.end()
    assert.lengthOf(told.replaceAll("\n\n", ""), 2 * count + 1)
  }, 30_000)
})

describe("messages", () => {
  it.effect("name their item, and tell what was abandoned", () =>
    Effect.gen(function*() {
      const { first } = yield* read(begun("a"), ...told("a", "Hel", "lo"), broke, begun("b"), whole("b", "Bye."))
      assert.deepStrictEqual(first.messages, [
        { _tag: "Delta", itemId: "a", phase: null, text: "Hel" },
        { _tag: "Delta", itemId: "a", phase: null, text: "lo" },
        { _tag: "Abandoned", itemId: "a", phase: null, text: "Hello" },
        { _tag: "Completed", itemId: "b", phase: null, text: "Bye." }
      ])
    }))

  const Attempts = Schema.Struct({
    texts: Schema.Array(Schema.String),
    /** After how many pieces each attempt before the last one breaks. */
    breaks: Schema.Array(Schema.Literals([0, 1, 2, 3])).check(Schema.isMaxLength(3)),
    hasOneId: Schema.Boolean,
    isRepeated: Schema.Boolean
  })
  const framesOf = ({ breaks, hasOneId, isRepeated, texts }: typeof Attempts.Type, n: number, other: string) => {
    const idOf = (attempt: number) => hasOneId ? `m-${n}` : `m-${n}-${attempt}`
    const last = idOf(breaks.length)
    return [
      ...breaks.flatMap((length, attempt) => [
        begun(idOf(attempt)),
        ...told(idOf(attempt), ...texts.slice(0, length), other),
        broke
      ]),
      begun(last),
      ...told(last, ...texts),
      whole(last, texts.join("")),
      ...isRepeated ? [whole(last, texts.join(""))] : []
    ]
  }

  it.effect.prop(
    "are those of the result, and joined its text when they are written again with the same words",
    [Schema.Array(Attempts), Schema.Boolean],
    ([script, hasOther]) =>
      Effect.gen(function*() {
        const frames = script.flatMap((attempts, n) => framesOf(attempts, n, hasOther ? "\u2026other" : ""))
        const { first, late, result } = yield* read(...frames)
        const items = result.items.flatMap((item) =>
          item.type === "agentMessage" ? [[item.id, item.text] as const] : []
        )
        for (const { messages, text } of [first, late]) {
          assert.deepStrictEqual(shown(messages), items)
          if (hasOther) continue
          assert.strictEqual(text, items.map(([, text]) => text).filter((text) => text !== "").join("\n\n"))
        }
      }).pipe(Effect.scoped)
  )
})
