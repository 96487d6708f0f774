/** The figures as a table. */
import type { Figure, Spread } from "./measure.ts"
import { holds } from "./measure.ts"

const digits = (n: number): string => n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)

const withSpread = ({ high, low, median }: Spread): string =>
  low === high ? digits(median) : `${digits(median)} (${digits(low)}–${digits(high)})`

const budgetOf = (figure: Figure): string => {
  const { budget, budgeted, unit } = figure
  if (budget === undefined) return ""
  const sign = budget.bound === "at least" ? "≥" : "≤"
  const missed = holds(figure, false) ? "" : " **missed**"
  return `${sign} ${budget.value}${budgeted === "value" ? ` ${unit}` : ""}${missed}`
}

export const table = (figures: ReadonlyArray<Figure>): string => {
  const head = ["part", "what", "median (least–greatest)", "unit", "ratio", "budget", "CPU ms", "peak MiB"]
  const rows = figures.map((figure) => [
    figure.part,
    figure.name,
    withSpread(figure.value),
    figure.unit,
    figure.ratio === undefined ? "" : withSpread(figure.ratio),
    budgetOf(figure),
    figure.cpuMs === undefined ? "" : digits(figure.cpuMs),
    figure.peakMiB === undefined ? "" : figure.peakMiB.toFixed(0)
  ])
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`)
  return `${lines.join("\n")}\n`
}
