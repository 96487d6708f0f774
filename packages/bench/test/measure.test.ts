import { assert, describe, it } from "vitest"
import type { Figure } from "../src/measure.ts"
import { atLeast, atMost, compare, holds, judged, ratios, spread } from "../src/measure.ts"
import { table } from "../src/report.ts"

const samples = (...ms: ReadonlyArray<number>) => ms.map((ms) => ({ ms, cpuMs: 2 * ms, peakMiB: 1 }))
const exactly = (n: number) => spread([n])
const figure = (more: Partial<Figure>): Figure => ({ part: "p", name: "n", value: exactly(5), unit: "ms", ...more })

describe("spread", () => {
  it("orders numbers as numbers, and leaves those that it was given as they are", () => {
    const given = [9, 100, 10]
    assert.deepStrictEqual(spread(given), { median: 10, low: 9, high: 100 })
    assert.deepStrictEqual(given, [9, 100, 10])
  })

  it("takes the middle of the two in the middle", () => {
    assert.deepStrictEqual(spread([4, 1, 2, 10]), { median: 3, low: 1, high: 10 })
  })
})

describe("a comparison", () => {
  it("runs its commands in turn, in alternate order, and tells each run before it begins", async () => {
    const log: Array<string> = []
    const { measure, names } = compare({
      what: "both",
      rounds: 2,
      commands: { a: { script: "a.ts" }, b: { script: "b.ts" } },
      runOnce: ({ script }) => {
        log.push(`run ${script}`)
        return Promise.resolve({ ms: log.length, cpuMs: 0, peakMiB: 0 })
      },
      figures: ({ a, b }) => [figure({ name: "a", value: spread(a.map(({ ms }) => ms)), ratio: ratios(b, a) })]
    })
    assert.deepStrictEqual(names, ["a", "b"])
    const figures = await measure((round, name) => log.push(`round ${round}: ${name}`))
    assert.strictEqual(
      log.join(", "),
      "round 0: a, run a.ts, round 0: b, run b.ts, round 1: b, run b.ts, round 1: a, run a.ts"
    )
    assert.deepStrictEqual(figures[0]?.value, { median: 5, low: 2, high: 8 })
    assert.deepStrictEqual(figures[0]?.ratio, { median: (2 + 6 / 8) / 2, low: 6 / 8, high: 2 })
  })
})

describe("ratios", () => {
  it("compares within a round, not the medians", () => {
    // The machine was slow in the second round, for both.
    assert.deepStrictEqual(ratios(samples(1, 30, 4), samples(2, 10, 2)), { median: 2, low: 0.5, high: 3 })
  })

  it("compares what it is told to", () => {
    const of = [{ ms: 1, cpuMs: 6, peakMiB: 1 }]
    assert.strictEqual(ratios(of, samples(1), ({ cpuMs }) => cpuMs).median, 3)
  })
})

describe("a budget", () => {
  it("is about the ratio, else the value", () => {
    assert.strictEqual(judged(figure({ ratio: exactly(0.5) })), 0.5)
    assert.strictEqual(judged(figure({})), 5)
    assert.strictEqual(judged(figure({ ratio: exactly(0.5), budgeted: "value" })), 5)
  })

  it("holds at its very value, in its direction", () => {
    const of = (ratio: number, budget: Figure["budget"]) => holds(figure({ ratio: exactly(ratio), budget }), false)
    assert.deepStrictEqual([0.74, 0.75, 0.76].map((ratio) => of(ratio, atLeast(0.75))), [false, true, true])
    assert.deepStrictEqual([1.39, 1.4, 1.41].map((ratio) => of(ratio, atMost(1.4))), [true, true, false])
    assert.isTrue(of(1000, undefined))
  })

  it("is broken clearly beyond half of it", () => {
    const of = (ratio: number, budget: Figure["budget"]) => holds(figure({ ratio: exactly(ratio), budget }), true)
    assert.deepStrictEqual([0.37, 0.38].map((ratio) => of(ratio, atLeast(0.75))), [false, true])
    assert.deepStrictEqual([2.8, 2.9].map((ratio) => of(ratio, atMost(1.4))), [true, false])
  })

  it("does not hold of what was not measured", () => {
    assert.isFalse(holds(figure({ value: exactly(Number.NaN), budget: atMost(1) }), true))
    assert.isFalse(holds(figure({ value: exactly(Number.NaN), budget: atLeast(1) }), true))
  })
})

describe("table", () => {
  it("has a row for each figure, and says which budget was missed", () => {
    const rows = table([
      figure({ name: "kept", ratio: spread([0.75, 0.8, 1]), budget: atLeast(0.8), cpuMs: 12.34, peakMiB: 99.6 }),
      figure({ name: "missed", value: exactly(123.4), ratio: exactly(0.7), budget: atLeast(0.8) }),
      figure({ name: "of the value", budget: atMost(4), budgeted: "value", ratio: exactly(1) })
    ]).split("\n")
    assert.deepStrictEqual(rows, [
      "| part | what | median (least–greatest) | unit | ratio | budget | CPU ms | peak MiB |",
      "| --- | --- | --- | --- | --- | --- | --- | --- |",
      "| p | kept | 5.00 | ms | 0.80 (0.75–1.00) | ≥ 0.8 | 12.3 | 100 |",
      "| p | missed | 123 | ms | 0.70 | ≥ 0.8 **missed** |  |  |",
      "| p | of the value | 5.00 | ms | 1.00 | ≤ 4 ms **missed** |  |  |",
      ""
    ])
  })
})
