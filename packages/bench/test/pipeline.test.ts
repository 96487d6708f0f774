import { assert, describe, it } from "vitest"
import { holds } from "../src/measure.ts"
import { figuresOf } from "../src/parts/pipeline.ts"

/** Whether the budgets hold of a way that takes so many times the floor's time, CPU and bytes. */
const holdsOf = (
  quick: boolean,
  more: { readonly ms?: number; readonly cpuMs?: number; readonly allocated?: number }
) => {
  const workload = { kind: "mix", messages: 1000, turns: 8, warmUp: 500 } as const
  const sample = { peakMiB: 1, events: 1008 }
  const { allocated = 1, cpuMs = 1, ms = 1 } = more
  const figures = figuresOf("8 turns", workload, { quick, budgetPlace: 1 }, {
    "floor: bare loop": [{ ...sample, ms: 10, cpuMs: 10, allocatedBytes: 350_000 }],
    "ours, event by event": [
      { ...sample, ms: 10 * ms, cpuMs: 10 * cpuMs, allocatedBytes: 350_000 * allocated }
    ]
  })
  return figures.every((figure) => holds(figure, quick))
}

describe("the budgets of the pipeline", () => {
  it("are about time, unless the run is quick", () => {
    assert.isTrue(holdsOf(false, { ms: 1.4, cpuMs: 5 }))
    assert.isFalse(holdsOf(false, { ms: 1.5 }))
  })

  it("are about CPU in a quick run, which other programs disturb", () => {
    assert.isTrue(holdsOf(true, { ms: 20, cpuMs: 2.8 }))
    assert.isFalse(holdsOf(true, { cpuMs: 2.9 }))
  })

  it("are about what a message allocates in both", () => {
    assert.deepStrictEqual([1.3, 1.4].map((allocated) => holdsOf(false, { allocated })), [true, false])
    assert.deepStrictEqual([2.6, 2.7].map((allocated) => holdsOf(true, { allocated })), [true, false])
  })
})
