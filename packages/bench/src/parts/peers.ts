/** The same program on `@openai/codex-sdk`, on the drop-in and on the Effect face, with the real codex binary. */
import { join } from "node:path"
import type { Sample } from "../children/sample.ts"
import type { Command, Figure, Part, Spread } from "../measure.ts"
import { child, costs, inTurn, ratios, run, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { answerOf, promptOf, staged } from "../stage.ts"

const packages = {
  "@openai/codex-sdk": "@openai/codex-sdk",
  "ours, the drop-in": "@effect-codex/promise/codex-sdk",
  "ours, Effect": "effect"
} as const

const deltas = 20

/** With a model and a home that are new, so that none finds what another left. */
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

export const peers: Part = {
  name: "peers",
  run: async ({ quick, rounds }) => {
    if (!Processes.isTold) {
      process.stderr.write("peers: memory and CPU of codex are read from /proc, which only Linux has; left out.\n")
    }
    const figures: Array<Figure> = []
    for (
      const [threads, turns, how] of [
        [1, quick ? 5 : 20, "one after another"],
        [8, quick ? 1 : 4, "8 at once"]
      ] as const
    ) {
      const all = threads * turns
      const samples = await inTurn(
        Object.fromEntries(
          Object.entries(packages).map(([name, specifier]) => [name, {
            script: child("peer"),
            args: [specifier, ...[threads, turns, deltas].map(String)]
          }])
        ),
        // A round takes long, and what it compares is far apart.
        Math.min(rounds, 5),
        runOnce
      )
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
      if (!Processes.isTold) continue
      add(": peak memory of client and codex", "MiB", ({ allMiB }) => allMiB!)
      add(": CPU of client and codex", "ms/turn", ({ codexCpuMs, cpuMs }) => (cpuMs + codexCpuMs!) / all)
    }
    return figures
  }
}

/** A script of one turn from the start of Node to its end, with the import, which is most of what differs. */
export const script: Part = {
  name: "script",
  run: async ({ quick, rounds }) => {
    const figures: Array<Figure> = []
    const scripts = await inTurn(
      Object.fromEntries((["@openai/codex-sdk", "ours, the drop-in"] as const).map((name) => [name, {
        script: join(import.meta.dirname, "..", "children", "oneTurn.mjs"),
        args: [packages[name], promptOf(deltas), answerOf(deltas)]
      }])),
      quick ? 3 : Math.max(rounds, 11),
      runOnce
    )
    const floor = scripts["@openai/codex-sdk"]!
    for (const [name, of] of Object.entries(scripts)) {
      const add = (what: string, value: (sample: Sample) => number) =>
        figures.push({
          part: "script",
          name: `${name}: ${what}`,
          value: spread(of.map(value)),
          unit: "ms",
          ratio: of === floor ? undefined : ratios(of, floor, value)
        })
      add("time", ({ scriptMs }) => scriptMs!)
      if (Processes.isTold) add("CPU of it and codex", ({ scriptCpuMs }) => scriptCpuMs!)
    }
    return figures
  }
}
