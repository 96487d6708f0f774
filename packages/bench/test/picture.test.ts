import * as Fs from "node:fs"
import { assert, describe, it } from "vitest"
import type { Figure } from "../src/measure.ts"
import { spread } from "../src/measure.ts"
import { apart } from "../src/panels/apart.ts"
import { picture } from "../src/picture.ts"

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

const panelFigure = (part: string, name: string, median: number, unit: string): Figure => ({
  part,
  name,
  value: spread([median]),
  unit
})

describe("the panel of the peers", () => {
  const measured = [
    panelFigure("peers", "@openai/codex-sdk, 20 turns one after another", 200, "turns/min"),
    panelFigure("peers", "Python SDK, sync, 20 turns one after another", 400, "turns/min"),
    panelFigure("peers", "ours, Effect, 20 turns one after another", 800, "turns/min"),
    panelFigure("peers", "ours, Effect, 20 turns one after another: CPU of the client", 7, "ms/turn"),
    panelFigure("peers", "ours, Effect, 20 turns one after another, against the Python SDK", 800, "turns/min"),
    panelFigure("peers", "ours, Effect, from the start of the program to the first token", 300, "ms")
  ]

  it("has a bar to scale for each, with its number", () => {
    const svg = picture([...all, ...measured])
    const bars = [...svg.matchAll(/class="bar (\w+)".*? width="([\d.]+)".*?>([\d,.]+)<\/text>/g)].map(
      ([, whose, width, number]) => [whose, Number(width), number]
    )
    assert.deepStrictEqual(bars, [["other", 25, "200"], ["other", 50, "400"], ["own", 100, "800"], ["own", 100, "300"]])
  })

  it("is left out if they were not measured", () => {
    assert.isBelow(picture(all).length, picture([...all, ...measured]).length)
    assert.notInclude(picture(all), "The same turns")
  })
})

describe("the panel of growth", () => {
  it("is flat for what is linear, whatever the unit", () => {
    const what = "turns at once, with 20 messages each: CPU of a turn, with the start of its thread"
    const svg = picture([
      ...all,
      ...[4, 64, 1024].map((size) => panelFigure("growth", `${size.toLocaleString("en")} ${what}`, 2, "ms CPU")),
      ...[10, 1000].map((size) =>
        panelFigure("growth", `${size.toLocaleString("en")} items in memory: report of one`, 2000, "µs CPU")
      )
    ])
    const curves = [...svg.matchAll(/<g class="curve(\d)">\n<polyline class="line" points="(.*?)"/g)]
    assert.deepStrictEqual(curves.map(([, n]) => n), ["0", "3"])
    const points = curves.map(([, , points]) => points!.split(" ").map((point) => point.split(",").map(Number)))
    assert.lengthOf(new Set(points.flat().map(([, y]) => y)), 1)
    const [first, second, third] = points[0]!.map(([x]) => x!)
    assert.closeTo(second! - first!, third! - second!, 0.2)
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
