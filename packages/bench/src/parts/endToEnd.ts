/** Turns at once on the real codex binary with a model that holds nothing back: what reading them costs beside it. */
import type { Sample } from "../children/sample.ts"
import type { Command, Figure, Part, Spread } from "../measure.ts"
import { child, costs, inTurn, ratios, run, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { staged } from "../stage.ts"

const runOnce = async (command: Command): Promise<Sample> => {
  const [sample, modelCpuMs] = await staged(({ childEnv, executable, workspace }) =>
    run({ ...command, args: [...command.args ?? [], executable], env: childEnv, cwd: workspace })
  )
  return { ...sample, modelCpuMs }
}

export const endToEnd: Part = {
  name: "end-to-end",
  run: async ({ quick, rounds }) => {
    if (!Processes.isTold) {
      process.stderr.write("end-to-end: CPU of codex is read from /proc, which only Linux has; left out.\n")
    }
    const figures: Array<Figure> = []
    const deltas = quick ? 500 : 2_000
    for (const turns of quick ? [8] : [1, 8, 32]) {
      const of = (who: string) => ({ script: child(`endToEnd${who}`), args: [String(turns), String(deltas)] })
      const samples = await inTurn({ bare: of("Bare"), ours: of("Ours") }, rounds, runOnce)
      const all = turns * deltas
      const what = `${turns} turn${turns === 1 ? "" : "s at once"} of ${deltas.toLocaleString("en")} deltas`
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
      if (!Processes.isTold) continue
      add(": CPU of codex", "µs/delta", ({ codexCpuMs }) => (codexCpuMs! * 1000) / all)
      figures.push({
        part: "end-to-end",
        name: `${what}: CPU of the model`,
        value: spread(Object.values(samples).flat().map(({ modelCpuMs }) => (modelCpuMs! * 1000) / all)),
        unit: "µs/delta"
      })
    }
    return figures
  }
}
