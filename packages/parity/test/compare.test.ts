import { assert, describe, it } from "vitest"
import { compare, type Listed, rowOf } from "../src/compare.ts"
import type { Noted, Run } from "../src/normalize.ts"

const run = (parts: Partial<Run>): Run => ({ frames: [], results: [], events: [], errors: [], ...parts })

const frames = (...keys: ReadonlyArray<string>): Run => run({ frames: keys.map((key) => ({ key, value: {} })) })

const placesOf = (python: Run, ours: Run) =>
  compare("first-turn", "sync", python, ours).map(({ at, ours, part, python }) => ({ at, ours, part, python }))

describe("a comparison", () => {
  it("names the field that differs, and what each has", () => {
    const turn = (effort: string, more: object): Noted => ({
      key: "turn/start",
      value: { params: { effort, input: [{ text: "a" }, { text: "b", ...more }] } }
    })
    assert.deepStrictEqual(placesOf(run({ frames: [turn("low", {})] }), run({ frames: [turn("high", { id: 1 })] })), [
      { part: "frames", at: "turn/start params.effort", python: "low", ours: "high" },
      { part: "frames", at: "turn/start params.input[].id", python: undefined, ours: 1 }
    ])
  })

  it("aligns what only one has, and keeps the order", () => {
    assert.deepStrictEqual(placesOf(frames("a", "b", "c"), frames("a", "x", "b", "c")), [
      { part: "frames", at: "x", python: undefined, ours: {} }
    ])
    assert.deepStrictEqual(placesOf(frames("a", "b"), frames("b", "a")).map(({ at }) => at).sort(), ["a", "a"])
  })

  it("takes lists of another length as a whole", () => {
    const result = (...value: ReadonlyArray<number>): Run => run({ results: [{ key: "ids", value }] })
    assert.deepStrictEqual(placesOf(result(1), result(1, 2)), [
      { part: "results", at: "ids", python: [1], ours: [1, 2] }
    ])
  })
})

describe("a listed difference", () => {
  const row = (at: Listed["at"], scenarios?: ReadonlyArray<string>): Listed => ({
    id: "row",
    at,
    ...scenarios !== undefined && { scenarios },
    python: "",
    here: "",
    why: ""
  })
  const [difference] = compare("first-turn", "sync", frames("turn/start"), frames())

  it("fits its part, its places and its scenarios only", () => {
    const fits = (listed: Listed) => rowOf(difference!, [listed]) !== undefined
    assert.isTrue(fits(row({ frames: ["turn/*"] })))
    assert.isTrue(fits(row({ frames: ["x", "turn/start"] }, ["first-turn"])))
    assert.isFalse(fits(row({ frames: ["turn/"] })))
    assert.isFalse(fits(row({ results: ["turn/start"] })))
    assert.isFalse(fits(row({ frames: ["turn/start"] }, ["steer"])))
  })
})
