/**
 * The same program on `@openai/codex-sdk`, on the Python SDK, on a bare client and on each face of this library, with
 * the real codex binary.
 */
import { join } from "node:path"
import type { Job } from "../children/peer.ts"
import type { Sample } from "../children/sample.ts"
import type { Command, Comparison, Figure, Part, Spread } from "../measure.ts"
import { atLeast, child, compare, costs, ratios, run, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import * as Python from "../python.ts"
import { answerOf, promptOf, staged } from "../stage.ts"
import * as Stripped from "../stripped.ts"

/** Against which the others are compared. */
const sdk = "@openai/codex-sdk"
const pythonSdk = "Python SDK, sync"
const ours = "ours, Effect"

const peersOf = {
  [sdk]: ["sdk", "@openai/codex-sdk"],
  [pythonSdk]: ["python", "sync"],
  "Python SDK, async": ["python", "async"],
  "a bare client": ["bare"],
  "ours, the drop-in": ["sdk", "@effect-codex/promise/codex-sdk"],
  "ours, promises": ["promise"],
  [ours]: ["effect", "1"],
  "ours, a pool of 2": ["effect", "2"]
} as const satisfies Readonly<Record<string, Job["peer"]>>

const deltas = 20

/** One command for each peer; those on Node run `script`. Without a Python, there is none for those that need it. */
export const commandsOf = (
  script: string,
  python: string | undefined,
  job: Pick<Job, "threads" | "turns" | "first">
) => {
  const commands: Record<string, Command> = {}
  for (const [name, peer] of Object.entries(peersOf)) {
    const args = [JSON.stringify({ ...job, peer, prompt: promptOf(deltas), answer: answerOf(deltas) } satisfies Job)]
    if (peer[0] !== "python") commands[name] = { script, args }
    else if (python !== undefined) {
      commands[name] = { program: python, script: join(import.meta.dirname, "..", "children", "peer.py"), args }
    }
  }
  return commands
}

/**
 * Each run gets a new model and home, so that none finds what another left.
 *
 * @param runs how often it runs in the home. The last run counts.
 */
const runLast = async (given: Command, runs: number): Promise<Sample> => {
  const [sample] = await staged(async ({ childEnv, executable, workspace }) => {
    const command = { ...given, args: [...given.args ?? [], executable], env: childEnv, cwd: workspace }
    for (let n = 1; n < runs; n++) await run(command)
    let memory = () => Number.NaN
    const start = performance.now()
    const cpuStart = Processes.endedChildrenCpuMs()
    const sample = await run(command, (pid) => memory = Processes.watchMemory(pid))
    return {
      ...sample,
      allMiB: memory(),
      scriptMs: performance.now() - start,
      scriptCpuMs: Processes.endedChildrenCpuMs() - cpuStart,
      firstMs: (sample["textAt"] ?? Number.NaN) - performance.timeOrigin - start
    }
  })
  return sample
}

const runOnce = (command: Command) => runLast(command, 1)

type Samples = Readonly<Record<string, ReadonlyArray<Sample>>>

const figuresOf = (all: number, how: string, samples: Samples): ReadonlyArray<Figure> => {
  const figures: Array<Figure> = []
  const floor = samples[sdk]!
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
        ...(unit === "turns/min" ? { ...costs(of), budget: name === ours ? atLeast(2) : undefined } : {})
      })
    }
  }
  const turnsPerMinute = ({ ms }: Sample) => (all * 60_000) / ms
  add("", "turns/min", turnsPerMinute, (of) => ratios(floor, of))
  const other = samples[pythonSdk]
  if (other !== undefined) {
    figures.push({
      part: "peers",
      name: `${ours}, ${all} turns ${how}, against the Python SDK`,
      value: spread(samples[ours]!.map(turnsPerMinute)),
      unit: "turns/min",
      ratio: ratios(other, samples[ours]!),
      // Both mostly wait for codex: a bare client runs no more turns a minute than the Python SDK.
      budget: atLeast(0.9)
    })
  }
  add(": codex processes", "processes", ({ codexProcesses }) => codexProcesses!)
  if (!Processes.isTold) return figures
  add(": peak memory of client and codex", "MiB", ({ allMiB }) => allMiB!)
  add(": CPU of the client", "ms/turn", ({ cpuMs }) => cpuMs / all)
  add(": CPU of codex", "ms/turn", ({ codexCpuMs }) => codexCpuMs! / all)
  add(": CPU of client and codex", "ms/turn", ({ codexCpuMs, cpuMs }) => (cpuMs + codexCpuMs!) / all)
  return figures
}

const firstText = (script: string, python: string | undefined, rounds: number): Comparison =>
  compare({
    what: "from the start to the first token",
    rounds,
    commands: commandsOf(script, python, { threads: 1, turns: 1, first: true }),
    runOnce,
    figures: (samples) => {
      const floor = samples[sdk]!
      const figuresOf = (what: string, read: (sample: Sample) => number): ReadonlyArray<Figure> =>
        Object.entries(samples).map(([name, of]) => ({
          part: "peers",
          name: `${name}, ${what}`,
          value: spread(of.map(read)),
          unit: "ms",
          ratio: of === floor ? undefined : ratios(of, floor, read)
        }))
      const time = figuresOf("from the start of the program to the first token", ({ firstMs }) => firstMs!)
      if (!Processes.isTold) return time
      return [
        ...time,
        ...figuresOf(
          "CPU of a program of one turn without codex",
          ({ codexCpuMs, scriptCpuMs }) => scriptCpuMs! - codexCpuMs!
        )
      ]
    }
  })

export const peers: Part = {
  name: "peers",
  warning: Processes.isTold ? undefined : "leaves out the memory and CPU of codex, which are read from /proc of Linux.",
  comparisons: async ({ quick, rounds, say }) => {
    const python = await Python.find(say)
    // Python has compiled its program before, too.
    const script = Stripped.write(child("peer"))
    const loads = [
      [1, quick ? 5 : 20, "one after another"],
      [8, quick ? 1 : 4, "8 at once"],
      ...quick ? [] : [[64, 1, "64 at once"] as const]
    ] as const
    return [
      ...loads.map(([threads, turns, how]): Comparison =>
        compare({
          what: `${threads * turns} turns ${how}`,
          // A round takes long, and the packages are far apart.
          rounds: Math.min(rounds, 5),
          commands: commandsOf(script, python, { threads, turns, first: false }),
          runOnce,
          figures: (samples) => figuresOf(threads * turns, how, samples)
        })
      ),
      firstText(script, python, rounds)
    ]
  }
}

const scriptFiguresOf = (home: string, samples: Samples): ReadonlyArray<Figure> => {
  const floor = samples[sdk]!
  return Object.entries(samples).flatMap(([name, of]) => {
    const figure = (what: string, value: (sample: Sample) => number): Figure => ({
      part: "script",
      name: `${name}, ${home}: ${what}`,
      value: spread(of.map(value)),
      unit: "ms",
      ratio: of === floor ? undefined : ratios(of, floor, value)
    })
    const time = figure("time", ({ scriptMs }) => scriptMs!)
    return Processes.isTold ? [time, figure("CPU of it and codex", ({ scriptCpuMs }) => scriptCpuMs!)] : [time]
  })
}

const modules = {
  [sdk]: peersOf[sdk][1],
  "ours, the drop-in": peersOf["ours, the drop-in"][1],
  "a bare client": join(import.meta.dirname, "..", "children", "bareSdk.mjs")
}

/** A script of one turn, from the start of Node to its end. The import is most of the difference. */
export const script: Part = {
  name: "script",
  comparisons: ({ quick, rounds }) =>
    ([["new home", 1], ["used home", 2]] as const).map(([home, runs]) =>
      compare({
        what: `one turn, ${home}`,
        rounds: quick ? 3 : Math.max(rounds, 11),
        commands: Object.fromEntries(
          Object.entries(modules).map(([name, module]) => [name, {
            script: join(import.meta.dirname, "..", "children", "oneTurn.mjs"),
            args: [module, promptOf(deltas), answerOf(deltas)]
          }])
        ),
        runOnce: (command) => runLast(command, runs),
        figures: (samples) => scriptFiguresOf(home, samples)
      })
    )
}
