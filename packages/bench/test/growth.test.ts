import { assert, describe, it } from "vitest"
import { holds } from "../src/measure.ts"
import { growing } from "../src/parts/growth.ts"

/** The figures when so many take so many ms, in one round. */
const figuresOf = (ms: Readonly<Record<number, number>>, isOnce?: true) =>
  growing({
    what: "things",
    sizes: Object.keys(ms).map(Number),
    rounds: 1,
    commandOf: (size) => ({ script: String(size) }),
    runOnce: ({ script }) => Promise.resolve({ ms: ms[Number(script)]!, cpuMs: 0, peakMiB: 0 }),
    readings: [{ what: "time", unit: "ms", of: ({ ms }) => ms, isOurs: true, ...isOnce && { isOnce } }]
  }).measure(() => {})

describe("what grows", () => {
  it("has the cost of one, beside that of the size before", async () => {
    const figures = await figuresOf({ 10: 50, 100: 200, 1000: 3000 })
    assert.deepStrictEqual(
      figures.map(({ name, ratio, value }) => [name, value.median, ratio?.median]),
      [["10 things: time", 5, undefined], ["100 things: time", 2, 0.4], ["1,000 things: time", 3, 1.5]]
    )
  })

  it("may not grow worse than linear where there are most", async () => {
    const kept = async (most: number) =>
      (await figuresOf({ 10: 10, 100: 100, 1000: most })).every((f) => holds(f, false))
    assert.isTrue(await kept(1400))
    assert.isFalse(await kept(1600))
  })

  it("has no ratio to what is too little to tell", async () => {
    const figures = await figuresOf({ 10: 0, 100: 0, 1000: 10 })
    assert.deepStrictEqual(figures.map(({ ratio }) => ratio), [undefined, undefined, undefined])
  })

  it("is not divided where only one is handled", async () => {
    const figures = await figuresOf({ 10: 5, 100: 6 }, true)
    assert.deepStrictEqual(figures.map(({ value }) => value.median), [5, 6])
  })
})
