/** Runs children in turn and compares them. */
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
  /** Against what was measured in turn with it. */
  readonly ratio?: Spread | undefined
  readonly cpuMs?: number | undefined
  readonly peakMiB?: number | undefined
  readonly budget?: Budget | undefined
  /** What the budget is about, where it is not the ratio. */
  readonly budgeted?: "value" | undefined
}

export interface Settings {
  readonly quick: boolean
  readonly rounds: number
}

export interface Part {
  readonly name: string
  readonly run: (settings: Settings) => Promise<ReadonlyArray<Figure>>
}

export const spread = (values: ReadonlyArray<number>): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
  return { median, low: sorted[0]!, high: sorted.at(-1)! }
}

export const median = (values: ReadonlyArray<number>): number => spread(values).median

export const child = (name: string): string => Path.join(import.meta.dirname, "children", `${name}.ts`)

/** A child that tells one sample on its stdout. */
export interface Command {
  readonly script: string
  readonly args?: ReadonlyArray<string>
  readonly nodeArgs?: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

const limitMs = 120_000

export const run = (
  { args = [], cwd, env, nodeArgs = [], script }: Command,
  onStart: (pid: number) => void = () => {}
): Promise<Sample> =>
  new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, [...nodeArgs, script, ...args], {
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

/** Measures in turn: A B C, A B C, ... so that what else the machine does hits all of them. */
export const inTurn = async <K extends string>(
  commands: Readonly<Record<K, Command>>,
  rounds: number,
  runOnce: (command: Command) => Promise<Sample> = (command) => run(command)
): Promise<Record<K, ReadonlyArray<Sample>>> => {
  const names = Object.keys(commands) as Array<K>
  const samples = Object.fromEntries(names.map((name) => [name, [] as Array<Sample>])) as Record<K, Array<Sample>>
  for (let round = 0; round < rounds; round++) {
    // The order changes, so that none is always right after the heaviest.
    const order = round % 2 === 0 ? names : names.toReversed()
    for (const name of order) samples[name].push(await runOnce(commands[name]))
  }
  return samples
}

/** The ratios of the rounds, each within its round. */
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

/** What a budget of the figure is about. */
export const judged = ({ budgeted, ratio, value }: Figure): number =>
  (budgeted === "value" ? value : ratio ?? value).median

/** Whether a figure is within its budget, or within half of it where only a clear break counts. */
export const holds = (figure: Figure, clearBreakOnly: boolean): boolean => {
  const { budget } = figure
  if (budget === undefined) return true
  const measured = judged(figure)
  const slack = clearBreakOnly ? 2 : 1
  return budget.bound === "at least" ? measured * slack >= budget.value : measured <= budget.value * slack
}
