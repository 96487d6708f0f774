/** The same program on `@openai/codex-sdk`, on the drop-in and on the Effect face, with the real codex binary. */
import { join } from "node:path"
import type { Sample } from "../children/sample.ts"
import type { Command, Comparison, Figure, Part, Spread } from "../measure.ts"
import { child, compare, costs, ratios, run, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { answerOf, promptOf, staged } from "../stage.ts"

const packages = {
  "@openai/codex-sdk": "@openai/codex-sdk",
  "ours, the drop-in": "@effect-codex/promise/codex-sdk",
  "ours, Effect": "effect"
} as const

const deltas = 20

/** Each run gets a new model and home, so that none finds what another left. */
const runOnce = async (command: Command): Promise<Sample> => {
  const [sample] = await staged(async ({ childEnv, executable, workspace }) => {
    let memory = () => Number.NaN
    const start = performance.now()
    const cpuStart = Processes.endedChildrenCpuMs()
    const sample = await run(
      { ...command, args: [...command.args ?? [], executable], env: childEnv, cwd: workspace },
      (pid) => memory = Processes.watchMemory(pid)
    )
    return {
      ...sample,
      allMiB: memory(),
      scriptMs: performance.now() - start,
      scriptCpuMs: Processes.endedChildrenCpuMs() - cpuStart
    }
  })
  return sample
}

type Samples = Readonly<Record<string, ReadonlyArray<Sample>>>

const figuresOf = (all: number, how: string, samples: Samples): ReadonlyArray<Figure> => {
  const figures: Array<Figure> = []
  const floor = samples["@openai/codex-sdk"]!
  const add = (
    what: string,
    unit: string,
    value: (sample: Sample) => number,
    ratio: (of: ReadonlyArray<Sample>) => Spread = (of) => ratios(of, floor, value)
  ) => {
    for (const [name, of] of Object.entries(samples)) {
      figures.push({
        part: "peers",
        name: `${name}, ${all} turns ${how}${what}`,
        value: spread(of.map(value)),
        unit,
        ratio: of === floor ? undefined : ratio(of),
        ...(unit === "turns/min" ? costs(of) : {})
      })
    }
  }
  add("", "turns/min", ({ ms }) => (all * 60_000) / ms, (of) => ratios(floor, of))
  add(": codex processes", "processes", ({ codexProcesses }) => codexProcesses!)
  if (!Processes.isTold) return figures
  add(": peak memory of client and codex", "MiB", ({ allMiB }) => allMiB!)
  add(": CPU of client and codex", "ms/turn", ({ codexCpuMs, cpuMs }) => (cpuMs + codexCpuMs!) / all)
  return figures
}

export const peers: Part = {
  name: "peers",
  warning: Processes.isTold ? undefined : "leaves out the memory and CPU of codex, which are read from /proc of Linux.",
  comparisons: ({ quick, rounds }) =>
    ([
      [1, quick ? 5 : 20, "one after another"],
      [8, quick ? 1 : 4, "8 at once"]
    ] as const).map(([threads, turns, how]): Comparison =>
      compare({
        what: `${threads * turns} turns ${how}`,
        // A round takes long, and the packages are far apart.
        rounds: Math.min(rounds, 5),
        commands: Object.fromEntries(
          Object.entries(packages).map(([name, specifier]) => [name, {
            script: child("peer"),
            args: [specifier, ...[threads, turns, deltas].map(String)]
          }])
        ),
        runOnce,
        figures: (samples) => figuresOf(threads * turns, how, samples)
      })
    )
}

const scriptFiguresOf = (samples: Samples): ReadonlyArray<Figure> => {
  const floor = samples["@openai/codex-sdk"]!
  return Object.entries(samples).flatMap(([name, of]) => {
    const figure = (what: string, value: (sample: Sample) => number): Figure => ({
      part: "script",
      name: `${name}: ${what}`,
      value: spread(of.map(value)),
      unit: "ms",
      ratio: of === floor ? undefined : ratios(of, floor, value)
    })
    const time = figure("time", ({ scriptMs }) => scriptMs!)
    return Processes.isTold ? [time, figure("CPU of it and codex", ({ scriptCpuMs }) => scriptCpuMs!)] : [time]
  })
}

/** A script of one turn, from the start of Node to its end. The import is most of the difference. */
export const script: Part = {
  name: "script",
  comparisons: ({ quick, rounds }) => [
    compare({
      what: "one turn",
      rounds: quick ? 3 : Math.max(rounds, 11),
      commands: Object.fromEntries(
        (["@openai/codex-sdk", "ours, the drop-in"] as const).map((name) => [name, {
          script: join(import.meta.dirname, "..", "children", "oneTurn.mjs"),
          args: [packages[name], promptOf(deltas), answerOf(deltas)]
        }])
      ),
      runOnce,
      figures: scriptFiguresOf
    })
  ]
}
