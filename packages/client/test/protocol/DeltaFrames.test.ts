import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { DeltaFrames } from "../../src/internal/protocol/deltaFrames.ts"

const parsed = (
  frame: string
): { readonly _tag: string; readonly params: { readonly delta: unknown } } | undefined => {
  try {
    const { method, params } = JSON.parse(frame)
    return { _tag: method, params }
  } catch {
    return undefined
  }
}

/** Reads as the client does: what is not in a known form is parsed, and learned from. Tells which were not parsed. */
const reader = () => {
  const frames = new DeltaFrames()
  return (frame: string) => {
    const delta = frames.read(frame)
    const message = parsed(frame)
    if (delta === undefined && message !== undefined) frames.learn(frame, message._tag, message.params)
    return { delta, message }
  }
}

const frameOf = (delta: string, options?: {
  readonly method?: string
  readonly thread?: string
  readonly item?: string
  readonly time?: number | string
  readonly more?: object
}): string => {
  const { item = "msg_1", method = "item/agentMessage/delta", more, thread = "1", time = 1795374429791 } = options ?? {}
  const threadId = `01a204a7-b649-75b2-84d7-${thread.padStart(12, "0")}`
  const params = JSON.stringify({ threadId, turnId: "turn-1", itemId: item, delta, ...more })
  return `{"method":"${method}","params":${params},"emittedAtMs":${time}}`
}

const Text = Schema.Array(
  Schema.Literals(["a", "word ", "\"", "\\", "\n", "\u0001", "é", "𝕏", "\u2028", "}", "\"},", "\"delta\":\"", "\uD800"])
)
const Frame = Schema.Struct({
  text: Text,
  method: Schema.Literals(["item/agentMessage/delta", "item/commandExecution/outputDelta"]),
  thread: Schema.Literals(["1", "2"]),
  item: Schema.Literals(["a", "b", "\"c"]),
  time: Schema.Literals([1795374429791, 1795374429792, 1795374430000, 999, 1.5, 10 ** 22, "07", "1795374429791 "]),
  more: Schema.Literals(["none", "index", "delta inside"])
})
/** What becomes of the text of a frame: a piece is cut out at one place, and another put in. */
const Damage = Schema.Struct({
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 260 })),
  cut: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
  put: Schema.Literals(["", "0", "\"", "\\", "}", ",", "x", "\n", ":1", "\",\"delta\":\""])
})
const members = { none: {}, index: { summaryIndex: 0 }, "delta inside": { x: { delta: "y" } } }

const Step = Schema.Struct({ frame: Frame, damage: Schema.NullOr(Damage) })
const Steps = Arbitrary.array(Arbitrary.schema(Step), { minLength: 1, maxLength: 40 })

describe("DeltaFrames", () => {
  it.effect.prop("says the same as parsing, or nothing", [Steps], ([steps]) =>
    Effect.sync(() => {
      const read = reader()
      for (const { damage, frame: { more, text, ...options } } of steps) {
        const whole = frameOf(text.join(""), { ...options, more: members[more] })
        const frame = damage === null
          ? whole
          : whole.slice(0, damage.at) + damage.put + whole.slice(damage.at + damage.cut)
        const { delta, message } = read(frame)
        if (delta !== undefined) assert.deepStrictEqual(delta, message, frame)
      }
    }), { arbitrary: { runs: 1_000 } })

  const readAll = (frames: ReadonlyArray<string>) => {
    const read = reader()
    return frames.map((frame) => {
      const { delta, message } = read(frame)
      if (delta !== undefined) assert.deepStrictEqual(delta, message)
      return delta !== undefined
    })
  }

  it("parses the first of an item, and the first of a second", () => {
    const frames = ["one ", "two ", "three and more than a few characters ", "\"four\"\n"].map((text) => frameOf(text))
    assert.deepStrictEqual(
      readAll([...frames, frameOf("five", { time: 1795374430000 }), frameOf("six", { time: 1795374430001 })]),
      [
        false,
        true,
        true,
        true,
        false,
        true
      ]
    )
  })

  it("follows items that take turns, and threads", () => {
    const turns = Array.from({ length: 5 }, (_, i) => [
      frameOf(`${i}`, { item: "a" }),
      frameOf(`${i}`, { item: "b" }),
      frameOf(`${i}`, { item: "b", method: "item/commandExecution/outputDelta" }),
      frameOf(`${i}`, { thread: "2" })
    ])
    const seconds = Array.from({ length: 5 }, (_, i) => frameOf("a", { item: "a", time: 1795374430000 + i * 1000 }))
    const read = readAll([...turns.flat(), ...seconds, frameOf("b", { item: "b" })])
    const first = [false, false, false, false]
    assert.deepStrictEqual(read, [
      ...first,
      ...Array.from({ length: 16 }, () => true),
      ...seconds.map(() => false),
      true
    ])
  })

  it("learns from a text that has to be escaped", () => {
    assert.deepStrictEqual(readAll([frameOf("a \"quoted\" word"), frameOf("b")]), [false, true])
  })

  it("goes on with what comes again, after more than it keeps that never does", () => {
    // Spread as the ids of codex are.
    const passing = Array.from(
      { length: 10_000 },
      (_, i) => frameOf("a", { thread: `${(i * 104_729_353_631) % 10 ** 12}` })
    )
    const read = readAll([...passing, ...Array.from({ length: 200 }, (_, i) => frameOf(`${i}`, { thread: "stays" }))])
    assert.isFalse(read.slice(0, 10_000).includes(true))
    assert.isAtLeast(read.slice(10_000).filter((isRead) => isRead).length, 180)
  })

  it("learns few of what may not come again, when learning has not paid", () => {
    const items = (n: number, length: number) =>
      Array.from({ length: n }, (_, i) => frameOf("a", { item: `${length}-${i}` }))
    const twice = items(160, 2).flatMap((frame) => [frame, frame])
    const read = readAll([...items(10_000, 1), ...twice])
    assert.isAtMost(read.filter((isRead) => isRead).length, 40)
    // Where it has, each is read when it comes for the second time.
    assert.lengthOf(readAll(twice).filter((isRead) => isRead), 160)
  })

  it("knows frames without a time, and with members after the text", () => {
    const bare = (delta: string) => `{"method":"m","params":{"delta":${JSON.stringify(delta)},"summaryIndex":0}}`
    assert.deepStrictEqual(readAll([bare("a"), bare("b"), bare("")]), [false, true, true])
  })

  it("leaves a delta within another member alone", () => {
    const frame = (inner: string) => `{"method":"m","params":{"x":{"delta":"${inner}"},"delta":"same"}}`
    assert.deepStrictEqual(readAll([frame("a"), frame("b")]), [false, false])
    const empty = (inner: string) => `{"method":"m","params":{"x":{"delta":"${inner}"},"delta":""}}`
    assert.deepStrictEqual(readAll([empty("a"), empty("b")]), [false, false])
  })

  it("lets nothing be taken for a delta that is none", () => {
    const read = reader()
    read(frameOf("abc"))
    for (const whole of [frameOf("ab"), frameOf("")]) {
      for (let at = 0; at < whole.length; at++) {
        for (const put of ["\"", "\\", "}", "x", "1", "\u0000", ""]) {
          const frame = whole.slice(0, at) + put + whole.slice(at + 1)
          const { delta, message } = read(frame)
          if (delta !== undefined) assert.deepStrictEqual(delta, message, frame)
        }
      }
    }
  })

  it("gives each its own params", () => {
    const read = reader()
    read(frameOf("a"))
    const { delta: b } = read(frameOf("b"))
    const { delta: c } = read(frameOf("c"))
    const members = { threadId: "01a204a7-b649-75b2-84d7-000000000001", turnId: "turn-1", itemId: "msg_1" }
    assert.deepStrictEqual([b?.params, c?.params], [{ ...members, delta: "b" }, { ...members, delta: "c" }])
    assert.deepStrictEqual(Object.keys(c?.params ?? {}), ["threadId", "turnId", "itemId", "delta"])
  })
})
