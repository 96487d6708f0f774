/** The peers side by side: turns a minute, and the time to the first token. */
import type { Figure } from "../measure.ts"
import { type Draw, short, title } from "./panel.ts"

interface Column {
  readonly label: string
  /** Takes the name of the peer out of the name of a figure. */
  readonly pattern: RegExp
}

const columns: ReadonlyArray<Column> = [
  { label: "turns/min, one by one", pattern: /^(.+), \d+ turns one after another$/ },
  { label: "turns/min, 8 at once", pattern: /^(.+), \d+ turns 8 at once$/ },
  { label: "turns/min, 64 at once", pattern: /^(.+), \d+ turns 64 at once$/ },
  { label: "ms to the first token", pattern: /^(.+), from the start of the program to the first token$/ }
]

const left = 176
const columnWidth = 155
const barWidth = 100
const top = 104
const rowHeight = 26

const byPeer = (figures: ReadonlyArray<Figure>, { pattern }: Column): ReadonlyMap<string, Figure> =>
  new Map(figures.flatMap((figure) => {
    const peer = figure.part === "peers" ? pattern.exec(figure.name)?.[1] : undefined
    return peer === undefined ? [] : [[peer, figure] as const]
  }))

export const peers: Draw = (figures) => {
  const measured = columns.map((column) => ({ label: column.label, of: byPeer(figures, column) }))
    .filter(({ of }) => of.size > 0)
  const names = [...measured[0]?.of.keys() ?? []]
  if (names.length === 0) return undefined
  const yOf = (row: number) => top + row * rowHeight
  const labels = names.map((name, row) =>
    `<text class="${name.startsWith("ours") ? "name" : "quiet"}" x="24" y="${yOf(row) + 12}">${name}</text>`
  )
  const bars = measured.flatMap(({ label, of }, place) => {
    const x = left + place * columnWidth
    const most = Math.max(...[...of.values()].map(({ value }) => value.median))
    return [
      `<text class="quiet" x="${x}" y="${top - 12}">${label}</text>`,
      ...names.flatMap((name, row) => {
        const figure = of.get(name)
        if (figure === undefined) return []
        const { median } = figure.value
        const width = (median / most) * barWidth
        return [
          `<rect class="bar ${name.startsWith("ours") ? "own" : "other"}" x="${x}" y="${yOf(row)}" width="${
            width.toFixed(1)
          }" height="16" rx="2"/>`
          + `<text class="quiet" x="${(x + width + 6).toFixed(1)}" y="${yOf(row) + 12}">${short(median)}</text>`
        ]
      })
    ]
  })
  return {
    height: yOf(names.length) + 16,
    svg: [
      title(
        "The same turns on every client",
        "Medians, on the real codex with a scripted model. More turns and less time are better."
      ),
      ...labels,
      ...bars
    ].join("\n")
  }
}
