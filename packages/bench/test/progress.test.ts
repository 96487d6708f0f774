import { assert, describe, it } from "vitest"
import type { Planned } from "../src/progress.ts"
import { begin, lineOf, msLeft, roughly } from "../src/progress.ts"

const planned = (what: string, rounds: number, ...names: ReadonlyArray<string>): Planned => ({ what, rounds, names })
const part = [planned("few", 3, "a", "b"), planned("many", 2, "a", "b", "c", "d")]

describe("the time left", () => {
  it("is not known before a round has passed", () => {
    assert.isUndefined(msLeft(part, [], 5000))
  })

  it("takes a comparison by its own rounds, and one that has not begun by the number of its runs", () => {
    // Two more rounds of 2 runs at 100 ms a run, then two of 4 runs.
    assert.strictEqual(msLeft(part, [{ comparison: 0, ms: 200 }], 0), 2 * 200 + 2 * 400)
    const all = [200, 200, 200].map((ms) => ({ comparison: 0, ms }))
    // The second comparison turns out to be faster than its runs promised.
    assert.strictEqual(msLeft(part, [...all, { comparison: 1, ms: 50 }], 0), 50)
  })

  it("goes down while a round lasts, and stays when it lasts longer than expected", () => {
    const passed = [{ comparison: 0, ms: 200 }]
    assert.deepStrictEqual([50, 200, 900].map((elapsed) => msLeft(part, passed, elapsed)), [1150, 1000, 1000])
  })

  it("is told in steps that grow with it", () => {
    assert.deepStrictEqual(
      [0, 5000, 5001, 42_000, 90_000, 91_000, 1_000_000].map(roughly),
      ["a few seconds", "a few seconds", "about 10 s", "about 45 s", "about 90 s", "about 2 min", "about 17 min"]
    )
  })
})

describe("a line", () => {
  const moment = { part: "pipeline", comparison: part[0]!, round: 1, msLeft: 40_000, partsAfter: 0 }

  it("says what is measured, the round and the time left", () => {
    assert.strictEqual(lineOf(moment), "pipeline, few: round 2 of 3 (about 40 s left)")
    assert.strictEqual(
      lineOf({ ...moment, partsAfter: 2, running: "ours" }),
      "pipeline, few: round 2 of 3 (about 40 s left, then 2 more parts): ours"
    )
  })

  it("leaves out what it does not know, and what would be said twice", () => {
    assert.strictEqual(lineOf({ ...moment, msLeft: undefined }), "pipeline, few: round 2 of 3")
    assert.strictEqual(
      lineOf({ ...moment, msLeft: undefined, partsAfter: 1, running: "few" }),
      "pipeline, few: round 2 of 3 (1 more part)"
    )
  })
})

/** What is written when the runs of a part, in their order, each take so long. */
const written = (
  terminal: { readonly isTTY: boolean; readonly columns?: number },
  msPerRun: number,
  comparisons: ReadonlyArray<Planned> = part
): ReadonlyArray<string> => {
  const texts: Array<string> = []
  let at = 0
  const progress = begin({
    name: "p",
    comparisons,
    partsAfter: 0,
    output: { ...terminal, write: (text) => texts.push(text) },
    now: () => at
  })
  for (const [place, { names, rounds }] of comparisons.entries()) {
    for (let round = 0; round < rounds; round++) {
      for (const name of names) {
        progress.onRun(place, round, name)
        at += msPerRun
      }
    }
  }
  progress.end()
  return texts
}

describe("progress without a terminal", () => {
  it("is a plain line for each round that takes long", () => {
    assert.deepStrictEqual(written({ isTTY: false }, 20_000), [
      "p, few: round 1 of 3\n",
      "p, few: round 2 of 3 (about 4 min left)\n",
      "p, few: round 3 of 3 (about 3 min left)\n",
      "p, many: round 1 of 2 (about 3 min left)\n",
      "p, many: round 2 of 2 (about 80 s left)\n"
    ])
  })

  it("skips rounds that follow within 15 s", () => {
    assert.deepStrictEqual(written({ isTTY: false }, 4000), [
      "p, few: round 1 of 3\n",
      "p, few: round 3 of 3 (about 40 s left)\n",
      "p, many: round 2 of 2 (about 20 s left)\n"
    ])
  })
})

describe("progress on a terminal", () => {
  const erase = "\r\u001b[2K"

  it("is one line that is rewritten for each run and gone at the end", () => {
    const texts = written({ isTTY: true, columns: 120 }, 1000, [planned("few", 2, "a", "b")])
    assert.deepStrictEqual(texts, [
      `${erase}p, few: round 1 of 2: a`,
      `${erase}p, few: round 1 of 2: b`,
      `${erase}p, few: round 2 of 2 (a few seconds left): a`,
      `${erase}p, few: round 2 of 2 (a few seconds left): b`,
      erase
    ])
  })

  it("stays narrower than the terminal", () => {
    const texts = written({ isTTY: true, columns: 20 }, 1000)
    assert.strictEqual(texts[0], `${erase}p, few: round 1 of `)
    assert.isTrue(texts.every((text) => text.length - erase.length < 20))
    assert.strictEqual(written({ isTTY: true, columns: 0 }, 1000)[0], `${erase}p, few: round 1 of 3: a`)
  })
})
