/** Turns at once on the real codex binary, with a model that holds nothing back: what reading them costs on top. */
import type { Sample } from "../children/sample.ts"
import type { Comparison, Figure, Part, Spread } from "../measure.ts"
import { child, compare, costs, ratios, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { runStaged } from "../stage.ts"

const figuresOf = (
  what: string,
  all: number,
  samples: Readonly<Record<"bare" | "ours", ReadonlyArray<Sample>>>
): ReadonlyArray<Figure> => {
  const figures: Array<Figure> = []
  const add = (
    more: string,
    unit: string,
    value: (sample: Sample) => number,
    ratio: (of: ReadonlyArray<Sample>) => Spread = (of) => ratios(of, samples.bare, value)
  ) => {
    for (const [who, of] of Object.entries(samples)) {
      figures.push({
        part: "end-to-end",
        name: `${who}, ${what}${more}`,
        value: spread(of.map(value)),
        unit,
        ratio: of === samples.bare ? undefined : ratio(of),
        ...(unit === "deltas/s" ? costs(of) : {})
      })
    }
  }
  for (const [who, of] of Object.entries(samples)) {
    const lost = of.find(({ events }) => events !== all)
    if (lost !== undefined) throw new Error(`${who} read ${lost["events"]} deltas of ${all}`)
  }
  add("", "deltas/s", ({ ms }) => (all * 1000) / ms, (of) => ratios(samples.bare, of))
  add(": wall time", "ms", ({ ms }) => ms)
  add(": CPU of the client", "µs/delta", ({ cpuMs }) => (cpuMs * 1000) / all)
  if (!Processes.isTold) return figures
  add(": CPU of codex", "µs/delta", ({ codexCpuMs }) => (codexCpuMs! * 1000) / all)
  figures.push({
    part: "end-to-end",
    name: `${what}: CPU of the model`,
    value: spread(Object.values(samples).flat().map(({ modelCpuMs }) => (modelCpuMs! * 1000) / all)),
    unit: "µs/delta"
  })
  return figures
}

export const endToEnd: Part = {
  name: "end-to-end",
  warning: Processes.isTold ? undefined : "leaves out the CPU of codex, which is read from /proc of Linux.",
  comparisons: ({ quick, rounds }) => {
    const deltas = quick ? 500 : 2_000
    return (quick ? [8] : [1, 8, 32]).map((turns): Comparison => {
      const of = (who: string) => ({ script: child(`endToEnd${who}`), args: [String(turns), String(deltas)] })
      const what = `${turns} turn${turns === 1 ? "" : "s at once"} of ${deltas.toLocaleString("en")} deltas`
      return compare({
        what,
        rounds,
        commands: { bare: of("Bare"), ours: of("Ours") },
        runOnce: runStaged,
        figures: (samples) => figuresOf(what, turns * deltas, samples)
      })
    })
  }
}
