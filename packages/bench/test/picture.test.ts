import * as Fs from "node:fs"
import { assert, describe, it } from "vitest"
import type { Figure } from "../src/measure.ts"
import { spread } from "../src/measure.ts"
import { apart, picture } from "../src/picture.ts"

const names = [
  "floor: bare loop",
  "ours, batch by batch",
  "ours, event by event",
  "the usual way with Effect"
] as const

/** Figures of the part pipeline: the medians of each way with 1, 8 and 64 turns. */
const figures = (medians: Readonly<Record<(typeof names)[number], readonly [number, number, number]>>) =>
  names.flatMap((name) =>
    (["1 turn", "8 turns", "64 turns"] as const).map((turns, i): Figure => ({
      part: "pipeline",
      name: `${name}, ${turns}`,
      value: spread([medians[name][i]!]),
      unit: "messages/ms",
      ratio: name === "floor: bare loop" ? undefined : spread([medians[name][i]! / medians["floor: bare loop"][i]!])
    }))
  )

const all = figures({
  "floor: bare loop": [600, 500, 400],
  "ours, batch by batch": [540, 400, 300],
  "ours, event by event": [480, 350, 295],
  "the usual way with Effect": [120, 100, 80]
})

/** The heights of the points of each line, as the SVG has them. */
const heights = (svg: string) =>
  [...svg.matchAll(/<polyline class="line" points="(.*?)"/g)].map(([, points]) =>
    points!.split(" ").map((point) => Number(point.split(",")[1]))
  )

describe("picture", () => {
  it("draws the lines to scale, from zero", () => {
    const svg = picture(all)
    const zero = Number(/y="([\d.]+)" dy="4" text-anchor="end">0</.exec(svg)?.[1])
    const perMessage = (zero - heights(svg)[0]![0]!) / 600
    assert.isAbove(perMessage, 0.3)
    for (const [way, points] of heights(svg).entries()) {
      for (const [i, y] of points.entries()) {
        assert.closeTo((zero - y) / perMessage, all[3 * way + i]!.value.median, 0.5)
      }
    }
  })

  it("gives each line its own label and its own ratios", () => {
    const texts = [...picture(all).matchAll(/<text[^>]*>([^<]+)</g)].map(([, text]) => text)
    assert.deepStrictEqual(texts.slice(texts.indexOf("Floor: a bare loop")), [
      "Floor: a bare loop",
      "Ours, batch by batch",
      "0.90, 0.80, 0.75 of the floor",
      "Ours, event by event",
      "0.80, 0.70, 0.74 of the floor",
      "The usual way with Effect",
      "0.20, 0.20, 0.20 of the floor"
    ])
  })

  it("is the same of figures that were written and read", () => {
    assert.strictEqual(picture(JSON.parse(JSON.stringify(all)) as ReadonlyArray<Figure>), picture(all))
  })

  it("says which figure is not there", () => {
    const quick = all.filter(({ name }) => name.endsWith(", 8 turns"))
    assert.throws(() => picture(quick), /no figure "floor: bare loop, 1 turn".*pipeline/)
  })
})

describe("labels", () => {
  it("stay where their lines end, if there is room", () => {
    assert.deepStrictEqual(apart([300, 100, 200], 40, 400), [300, 100, 200])
  })

  it("are moved apart in the order of their lines, and not beyond the end", () => {
    assert.deepStrictEqual(apart([110, 100, 105], 40, 400), [180, 100, 140])
    assert.deepStrictEqual(apart([390, 100, 395, 380], 40, 400), [360, 100, 400, 320])
  })

  it("is current in the documentation", () => {
    const file = (name: string) => Fs.readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8")
    const measured = JSON.parse(file("performance.json")) as ReadonlyArray<Figure>
    assert.strictEqual(
      file("performance.svg"),
      picture(measured),
      "npm run bench -- --from docs/performance.json --svg docs/performance.svg"
    )
  })
})
