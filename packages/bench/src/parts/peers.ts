/** The same program on `@openai/codex-sdk`, on the drop-in and on the Effect face, with the real codex binary. */
import type { Sample } from "../children/sample.ts"
import type { Command, Figure, Part, Spread } from "../measure.ts"
import { child, costs, inTurn, ratios, run, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { staged } from "../stage.ts"

const packages = {
  "@openai/codex-sdk": "@openai/codex-sdk",
  "ours, the drop-in": "@effect-codex/promise/codex-sdk",
  "ours, Effect": "effect"
} as const

const deltas = 20

const commands = (threads: number, turns: number, names: ReadonlyArray<keyof typeof packages>) =>
  Object.fromEntries(names.map((name) => [name, {
    script: child("peer"),
    args: [packages[name], ...[threads, turns, deltas].map(String)]
  }]))

/** With a model and a home that are new, so that none finds what another left. */
const runOnce = async (command: Command): Promise<Sample> => {
  const [sample] = await staged(async ({ childEnv, executable, workspace }) => {
    let memory = () => Number.NaN
    const start = performance.now()
    const sample = await run(
      { ...command, args: [...command.args ?? [], executable], env: childEnv, cwd: workspace },
      (pid) => memory = Processes.watchMemory(pid)
    )
    return { ...sample, allMiB: memory(), scriptMs: performance.now() - start }
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
        commands(threads, turns, ["@openai/codex-sdk", "ours, the drop-in", "ours, Effect"]),
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
    // From the start of Node to its end, with the import, which is most of what differs.
    const scripts = await inTurn(
      commands(1, 1, ["@openai/codex-sdk", "ours, the drop-in"]),
      quick ? 3 : Math.max(rounds, 11),
      runOnce
    )
    const floor = scripts["@openai/codex-sdk"]!
    for (const [name, of] of Object.entries(scripts)) {
      const add = (what: string, value: (sample: Sample) => number) =>
        figures.push({
          part: "peers",
          name: `${name}, a script of one turn: ${what}`,
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
