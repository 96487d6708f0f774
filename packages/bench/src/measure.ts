/** Runs child processes in turn and compares what they measured. */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import type { Sample } from "./children/sample.ts"

/** A median with the least and the greatest. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

export interface Budget {
  readonly bound: "at least" | "at most"
  readonly value: number
}

/** One line of the report. */
export interface Figure {
  readonly part: string
  readonly name: string
  readonly value: Spread
  readonly unit: string
  /** Relative to the baseline, which ran in turn with it. */
  readonly ratio?: Spread | undefined
  readonly cpuMs?: number | undefined
  readonly peakMiB?: number | undefined
  readonly budget?: Budget | undefined
  /** Set when the budget bounds the value although there is a ratio. */
  readonly budgeted?: "value" | undefined
}

export interface Settings {
  readonly quick: boolean
  readonly rounds: number
  /** Tells the user what is prepared, or left out. */
  readonly say: (text: string) => void
}

/** Commands that run in turn, round by round, and the figures that come of them. */
export interface Comparison {
  /** What the commands have in common, as progress reports it. */
  readonly what: string
  readonly rounds: number
  /** What runs in each round. */
  readonly names: ReadonlyArray<string>
  /** Runs all rounds. Calls `onRun` before each run, with rounds counted from 0. */
  readonly measure: (onRun: OnRun) => Promise<ReadonlyArray<Figure>>
}

export type OnRun = (round: number, name: string) => void

export interface Part {
  readonly name: string
  /** What this system cannot measure. */
  readonly warning?: string | undefined
  /** Known before anything runs, so that progress can tell how much is left. */
  readonly comparisons: (settings: Settings) => ReadonlyArray<Comparison> | Promise<ReadonlyArray<Comparison>>
}

export const spread = (values: ReadonlyArray<number>): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
  return { median, low: sorted[0]!, high: sorted.at(-1)! }
}

export const median = (values: ReadonlyArray<number>): number => spread(values).median

export const child = (name: string): string => Path.join(import.meta.dirname, "children", `${name}.ts`)

/** A child process that prints one sample to its stdout. */
export interface Command {
  /** Default: this Node. */
  readonly program?: string
  readonly script: string
  readonly args?: ReadonlyArray<string>
  readonly nodeArgs?: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Default: two minutes. */
  readonly limitMs?: number
}

export const run = (
  { args = [], cwd, env, limitMs = 120_000, nodeArgs = [], program = process.execPath, script }: Command,
  onStart: (pid: number) => void = () => {}
): Promise<Sample> =>
  new Promise((resolve, reject) => {
    const process_ = spawn(program, [...nodeArgs, script, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: limitMs,
      cwd,
      env
    })
    if (process_.pid !== undefined) onStart(process_.pid)
    let text = ""
    process_.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
    })
    process_.on("error", reject)
    process_.on("close", (code, signal) => {
      if (code === 0 && text !== "") return resolve(JSON.parse(text.trim().split("\n").at(-1)!) as Sample)
      reject(new Error(`${script} ${args.join(" ")} ended with ${signal ?? code}`))
    })
  })

/** Runs the commands in turn (A B C, C B A, ...), so that other load on the machine hits all of them alike. */
const inTurn = async <K extends string>(
  commands: Readonly<Record<K, Command>>,
  rounds: number,
  runOnce: (command: Command) => Promise<Sample>,
  onRun: OnRun
): Promise<Record<K, ReadonlyArray<Sample>>> => {
  const names = Object.keys(commands) as Array<K>
  const samples = Object.fromEntries(names.map((name) => [name, [] as Array<Sample>])) as Record<K, Array<Sample>>
  for (let round = 0; round < rounds; round++) {
    // The order alternates, so that no command always runs right after the heaviest.
    const order = round % 2 === 0 ? names : names.toReversed()
    for (const name of order) {
      onRun(round, name)
      samples[name].push(await runOnce(commands[name]))
    }
  }
  return samples
}

export const compare = <K extends string>(
  { commands, figures, rounds, runOnce = (command) => run(command), what }: {
    readonly what: string
    readonly rounds: number
    readonly commands: Readonly<Record<K, Command>>
    /** Default: runs the command as it is. */
    readonly runOnce?: (command: Command) => Promise<Sample>
    readonly figures: (samples: Record<K, ReadonlyArray<Sample>>) => ReadonlyArray<Figure>
  }
): Comparison => ({
  what,
  rounds,
  names: Object.keys(commands),
  measure: async (onRun) => figures(await inTurn(commands, rounds, runOnce, onRun))
})

/** Compares within each round, then gives the spread over the rounds. */
export const ratios = (
  of: ReadonlyArray<Sample>,
  to: ReadonlyArray<Sample>,
  read: (sample: Sample) => number = ({ ms }) => ms
): Spread => spread(of.map((sample, round) => read(sample) / read(to[round]!)))

export const costs = (samples: ReadonlyArray<Sample>) => ({
  cpuMs: median(samples.map(({ cpuMs }) => cpuMs)),
  peakMiB: median(samples.map(({ peakMiB }) => peakMiB))
})

export const atLeast = (value: number): Budget => ({ bound: "at least", value })
export const atMost = (value: number): Budget => ({ bound: "at most", value })

/** The number that the budget bounds. */
export const judged = ({ budgeted, ratio, value }: Figure): number =>
  (budgeted === "value" ? value : ratio ?? value).median

/** Whether a figure keeps its budget. With `clearBreakOnly`, whether it is at most twice as bad. */
export const holds = (figure: Figure, clearBreakOnly: boolean): boolean => {
  const { budget } = figure
  if (budget === undefined) return true
  const measured = judged(figure)
  const slack = clearBreakOnly ? 2 : 1
  return budget.bound === "at least" ? measured * slack >= budget.value : measured <= budget.value * slack
}
