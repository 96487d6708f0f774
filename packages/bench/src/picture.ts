/** Draws the throughput of the pipeline against the number of turns, and below it what else was measured, as an SVG. */
import type { Figure, Spread } from "./measure.ts"
import { apart } from "./panels/apart.ts"
import * as Growth from "./panels/growth.ts"
import { peers } from "./panels/peers.ts"

const turns = [1, 8, 64]

interface Way {
  /** The name that the part `pipeline` uses. */
  readonly name: string
  readonly label: string
  readonly light: string
  readonly dark: string
}

const ways: ReadonlyArray<Way> = [
  { name: "floor: bare loop", label: "Floor: a bare loop", light: "#57606a", dark: "#9da7b3" },
  { name: "ours, batch by batch", label: "Ours, batch by batch", light: "#0550ae", dark: "#6cb6ff" },
  { name: "ours, event by event", label: "Ours, event by event", light: "#116329", dark: "#57ab5a" },
  { name: "the usual way with Effect", label: "The usual way with Effect", light: "#a04100", dark: "#f0883e" }
]

const width = 820
const throughputHeight = 456
const plot = { left: 64, right: 560, top: 108, bottom: 388 }
const labels = { left: plot.right + 28, height: 38 }

interface Point {
  readonly value: Spread
  readonly ratio?: Spread | undefined
}

const pointsOf = (figures: ReadonlyArray<Figure>, { name }: Way): ReadonlyArray<Point> =>
  turns.map((count) => {
    const wanted = `${name}, ${count} turn${count === 1 ? "" : "s"}`
    const figure = figures.find(({ name, part }) => part === "pipeline" && name === wanted)
    if (figure === undefined) {
      throw new Error(`no figure "${wanted}": the picture needs the part pipeline, and not a quick run of it`)
    }
    return figure
  })

/** A round distance between grid lines that gives about five of them. */
const stepOf = (most: number): number => {
  const power = 10 ** Math.floor(Math.log10(most / 5))
  return power * ([1, 2, 2.5, 5].find((factor) => factor * power * 5 >= most) ?? 10)
}

/**
 * Draws the picture for light and dark pages. Throws if a figure of the pipeline is missing. The panels of the parts
 * `peers` and `growth` are left out if these were not measured.
 */
export const picture = (figures: ReadonlyArray<Figure>): string => {
  const lines = ways.map((way) => pointsOf(figures, way))
  const most = Math.max(...lines.flat().map(({ value }) => value.high))
  const step = stepOf(most)
  const top = Math.ceil(most / step) * step

  const xs = turns.map((_, i) => plot.left + 40 + (i * (plot.right - plot.left - 40)) / (turns.length - 1))
  const yOf = (value: number): number => plot.bottom - (value / top) * (plot.bottom - plot.top)
  const at = (i: number, value: number): string => `${xs[i]!.toFixed(1)},${yOf(value).toFixed(1)}`

  const grid = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => {
    const y = yOf(i * step).toFixed(1)
    return `<line class="grid" x1="${plot.left}" y1="${y}" x2="${plot.right}" y2="${y}"/>`
      + `<text class="quiet" x="${plot.left - 10}" y="${y}" dy="4" text-anchor="end">${i * step}</text>`
  })
  const ticks = turns.map((count, i) =>
    `<text class="quiet" x="${xs[i]!.toFixed(1)}" y="${plot.bottom + 22}" text-anchor="middle">${count}</text>`
  )

  const ends = lines.map((line) => yOf(line.at(-1)!.value.median))
  const places = apart(ends, labels.height, plot.bottom)
  const drawn = lines.map((line, n) => {
    const medians = line.map(({ value }, i) => at(i, value.median))
    const highs = line.map(({ value }, i) => at(i, value.high))
    const lows = line.map(({ value }, i) => at(i, value.low))
    const ratios = line.flatMap(({ ratio }) => ratio === undefined ? [] : [ratio.median.toFixed(2)])
    const y = places[n]!
    return [
      `<g class="way${n}">`,
      `<polygon class="band" points="${[...highs, ...lows.toReversed()].join(" ")}"/>`,
      `<polyline class="line" points="${medians.join(" ")}"/>`,
      ...line.map(({ value }, i) => `<circle cx="${xs[i]!.toFixed(1)}" cy="${yOf(value.median).toFixed(1)}" r="4"/>`),
      `<line class="lead" x1="${plot.right + 8}" y1="${ends[n]!.toFixed(1)}" x2="${labels.left - 6}" y2="${
        y.toFixed(1)
      }"/>`,
      `<text class="name" x="${labels.left}" y="${y.toFixed(1)}" dy="${ratios.length === 0 ? 4 : -4}">${
        ways[n]!.label
      }</text>`,
      "</g>",
      ...ratios.length === 0
        ? []
        : [
          `<text class="quiet" x="${labels.left}" y="${y.toFixed(1)}" dy="12">${ratios.join(", ")} of the floor</text>`
        ]
    ].join("\n")
  })

  let height = throughputHeight
  const below = [peers, Growth.growth].flatMap((draw) => {
    const panel = draw(figures)
    if (panel === undefined) return []
    const from = height
    height += panel.height
    return [
      `<line class="grid" x1="24" y1="${from}" x2="${
        width - 24
      }" y2="${from}"/>\n<g transform="translate(0 ${from})">\n${panel.svg}\n</g>`
    ]
  })

  const colours = (of: "light" | "dark", [page, text, quiet, grid]: readonly [string, string, string, string]) =>
    [
      `.page { fill: ${page}; stroke: ${grid}; }`,
      `text { fill: ${text}; }`,
      `.quiet { fill: ${quiet}; }`,
      `.grid { stroke: ${grid}; }`,
      ...ways.map((way, n) =>
        `.way${n} .line, .way${n} .lead { stroke: ${
          way[of]
        }; } .way${n} .name, .way${n} .band, .way${n} circle { fill: ${way[of]}; }`
      ),
      ...Growth.colours.map((colour, n) =>
        `.curve${n} .line, .curve${n} .lead { stroke: ${colour[of]}; } .curve${n} .name, .curve${n} circle { fill: ${
          colour[of]
        }; }`
      ),
      `.own { fill: ${ways[1]![of]}; } .other { fill: ${ways[0]![of]}; }`
    ].join("\n")

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title">
<title id="title">Messages per millisecond with 1, 8 and 64 turns at once</title>
<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
.title { font-size: 17px; font-weight: 600; }
.name { font-weight: 600; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.lead { stroke-width: 1; opacity: 0.5; }
.band { opacity: 0.14; }
.other { opacity: 0.55; }
.way0 .line { stroke-dasharray: 7 5; }
${colours("light", ["#ffffff", "#1f2328", "#59636e", "#d8dee4"])}
@media (prefers-color-scheme: dark) {
${colours("dark", ["#151b23", "#f0f6fc", "#9da7b3", "#2f3742"])}
}
</style>
<rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10"/>
<text class="title" x="24" y="36">From the pipe to who reads them: messages per millisecond</text>
<text class="quiet" x="24" y="58">More is better. Points are medians, bands go from the least to the greatest.</text>
${grid.join("\n")}
${ticks.join("\n")}
<text class="quiet" x="24" y="${plot.top - 18}">messages/ms</text>
<text class="quiet" x="${((xs[0]! + plot.right) / 2).toFixed(1)}" y="${
    plot.bottom + 46
  }" text-anchor="middle">turns at once</text>
${[...drawn, ...below].join("\n")}
</svg>
`
}
