/** What one costs the client, against how many there are. Both scales are logarithmic: flat is linear. */
import type { Figure } from "../measure.ts"
import { apart } from "./apart.ts"
import { type Draw, short, title } from "./panel.ts"

interface Curve {
  readonly label: string
  /** As the part `growth` names them. */
  readonly what: string
  readonly reading: string
}

const curves: ReadonlyArray<Curve> = [
  {
    label: "A turn, of those at once",
    what: "turns at once, with 20 messages each",
    reading: "CPU of a turn, with the start of its thread"
  },
  { label: "A listed thread", what: "stored threads", reading: "CPU of the client for one of the database" },
  {
    label: "A stored item, in pages",
    what: "items of a stored thread",
    reading: "CPU of the client for each in pages"
  },
  { label: "An item in the report", what: "items in memory", reading: "report of one" },
  { label: "An item in a view", what: "items in memory", reading: "fold of the events of one" }
]

const plot = { left: 78, right: 560, top: 108, bottom: 348 }

interface Point {
  readonly size: number
  readonly us: number
}

const pointsOf = (figures: ReadonlyArray<Figure>, { reading, what }: Curve): ReadonlyArray<Point> =>
  figures.flatMap(({ name, part, unit, value }) => {
    const end = ` ${what}: ${reading}`
    if (part !== "growth" || !name.endsWith(end)) return []
    const size = Number(name.slice(0, -end.length).replaceAll(",", ""))
    return [{ size, us: value.median * (unit.startsWith("ms") ? 1000 : 1) }]
  })

const powers = (least: number, most: number): ReadonlyArray<number> =>
  Array.from({ length: most - least + 1 }, (_, n) => 10 ** (least + n))

export const growth: Draw = (figures) => {
  const drawn = curves.map((curve, n) => ({ ...curve, n, points: pointsOf(figures, curve) }))
    .filter(({ points }) => points.length > 1)
  if (drawn.length === 0) return undefined
  const all = drawn.flatMap(({ points }) => points)
  const low = Math.floor(Math.log10(Math.min(...all.map(({ us }) => us))))
  const high = Math.ceil(Math.log10(Math.max(...all.map(({ us }) => us))))
  const widest = Math.ceil(Math.log10(Math.max(...all.map(({ size }) => size))))
  const xOf = (size: number) => plot.left + 20 + (Math.log10(size) / widest) * (plot.right - plot.left - 20)
  const yOf = (us: number) => plot.bottom - ((Math.log10(us) - low) / (high - low)) * (plot.bottom - plot.top)
  const at = ({ size, us }: Point) => `${xOf(size).toFixed(1)},${yOf(us).toFixed(1)}`

  const grid = powers(low, high).map((us) => {
    const y = yOf(us).toFixed(1)
    return `<line class="grid" x1="${plot.left}" y1="${y}" x2="${plot.right}" y2="${y}"/>`
      + `<text class="quiet" x="${plot.left - 10}" y="${y}" dy="4" text-anchor="end">${us.toLocaleString("en")}</text>`
  })
  const ticks = powers(0, widest).map((size) =>
    `<text class="quiet" x="${xOf(size).toFixed(1)}" y="${plot.bottom + 22}" text-anchor="middle">${
      size.toLocaleString("en")
    }</text>`
  )
  const ends = drawn.map(({ points }) => yOf(points.at(-1)!.us))
  const places = apart(ends, 34, plot.bottom)
  const lines = drawn.map(({ label, n, points }, place) => {
    const last = points.at(-1)!
    const x = plot.right + 28
    const y = places[place]!
    return [
      `<g class="curve${n}">`,
      `<polyline class="line" points="${points.map(at).join(" ")}"/>`,
      ...points.map((point) => `<circle cx="${xOf(point.size).toFixed(1)}" cy="${yOf(point.us).toFixed(1)}" r="3.5"/>`),
      `<line class="lead" x1="${(xOf(last.size) + 8).toFixed(1)}" y1="${ends[place]!.toFixed(1)}" x2="${x - 6}" y2="${
        y.toFixed(1)
      }"/>`,
      `<text class="name" x="${x}" y="${y.toFixed(1)}" dy="-2">${label}</text>`,
      "</g>",
      `<text class="quiet" x="${x}" y="${y.toFixed(1)}" dy="13">${short(last.us)} µs with ${
        last.size.toLocaleString("en")
      }</text>`
    ].join("\n")
  })
  return {
    height: plot.bottom + 64,
    svg: [
      title(
        "What one costs the client, with more and more of them",
        "CPU in µs. A flat line is linear: what happens once weighs on the few."
      ),
      ...grid,
      ...ticks,
      `<text class="quiet" x="24" y="${plot.top - 18}">µs CPU each</text>`,
      `<text class="quiet" x="${(plot.left + plot.right) / 2}" y="${
        plot.bottom + 46
      }" text-anchor="middle">how many</text>`,
      ...lines
    ].join("\n")
  }
}

/** The colours of the curves on a light and on a dark page. */
export const colours: ReadonlyArray<Readonly<Record<"light" | "dark", string>>> = [
  { light: "#116329", dark: "#57ab5a" },
  { light: "#a04100", dark: "#f0883e" },
  { light: "#6639ba", dark: "#b083f0" },
  { light: "#a40e26", dark: "#f47067" },
  { light: "#0550ae", dark: "#6cb6ff" }
]
