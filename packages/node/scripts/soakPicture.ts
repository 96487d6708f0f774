/** Draws what a process uses against the number of threads that it has run, with and without a limit, as an SVG. */

export interface Point {
  readonly threads: number
  readonly descriptors: number
  readonly mebibytes: number
}

export interface Series {
  readonly label: string
  readonly points: ReadonlyArray<Point>
  /** Why there are no more of them. */
  readonly end: string | undefined
}

const panel = { width: 400, height: 260, left: 56, right: 16, top: 64, bottom: 40 }
const colours = ["one", "two"]

const style = `<style>
text{font:13px system-ui,sans-serif;fill:#1c2024}.quiet{fill:#57606a}.grid{stroke:#d9dee4}.bg{fill:#fff}
.one{stroke:#0550ae;fill:#0550ae}.two{stroke:#a04100;fill:#a04100}polyline{fill:none;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#e4e8ec}.quiet{fill:#9da7b3}.grid{stroke:#2f363d}.bg{fill:#14171a}
.one{stroke:#6cb6ff;fill:#6cb6ff}.two{stroke:#f0883e;fill:#f0883e}}
text.one,text.two{stroke:none}
</style>`

/** A round number at or above. */
const above = (most: number): number => {
  const power = 10 ** Math.floor(Math.log10(most))
  return power * ([1, 1.5, 2, 2.5, 5].find((factor) => factor * power >= most) ?? 10)
}

const draw = (
  title: string,
  all: ReadonlyArray<Series>,
  read: (point: Point) => number,
  offset: number
): string => {
  const points = all.flatMap((series) => series.points)
  const mostX = Math.max(1, ...points.map(({ threads }) => threads))
  const mostY = above(Math.max(1, ...points.map(read)))
  const x = (threads: number): number =>
    offset + panel.left + (threads / mostX) * (panel.width - panel.left - panel.right)
  const y = (value: number): number =>
    panel.height - panel.bottom - (value / mostY) * (panel.height - panel.top - panel.bottom)
  const grid = [0, 0.5, 1].map((part) => {
    const value = mostY * part
    return `<line class="grid" x1="${x(0)}" x2="${x(mostX)}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text class="quiet" x="${x(0) - 8}" y="${y(value) + 4}" text-anchor="end">${value.toLocaleString("en")}</text>`
  })
  const lines = all.map(({ end, points }, i) => {
    const last = points.at(-1)
    const line = points.map((point) => `${x(point.threads).toFixed(1)},${y(read(point)).toFixed(1)}`).join(" ")
    const mark = last === undefined || end === undefined
      ? ""
      : `<circle class="${colours[i]}" cx="${x(last.threads).toFixed(1)}" cy="${y(read(last)).toFixed(1)}" r="4"/>` +
        `<text class="${colours[i]}" x="${x(last.threads) + 10}" y="${y(read(last)) + 4}">${end}</text>`
    return `<polyline class="${colours[i]}" points="${line}"/>${mark}`
  })
  return `<text x="${x(0)}" y="${panel.top - 16}">${title}</text>${grid.join("")}${lines.join("")}` +
    `<text class="quiet" x="${x(mostX)}" y="${panel.height - 14}" text-anchor="end">${
      mostX.toLocaleString("en")
    } threads</text>`
}

export const picture = (all: ReadonlyArray<Series>): string => {
  const legend = all.map(({ label }, i) =>
    `<rect class="${colours[i]}" x="${panel.left + 200 * i}" y="12" width="14" height="4"/>` +
    `<text x="${panel.left + 200 * i + 20}" y="19">${label}</text>`
  )
  const width = 2 * panel.width
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${panel.height}" width="${width}" height="${panel.height}" role="img">` +
    `<title>File descriptors and memory of one codex process against the number of threads</title>${style}` +
    `<rect class="bg" width="${width}" height="${panel.height}"/>${legend.join("")}` +
    draw("File descriptors", all, ({ descriptors }) => descriptors, 0) +
    draw("Memory in MiB", all, ({ mebibytes }) => mebibytes, panel.width) +
    `</svg>\n`
}
