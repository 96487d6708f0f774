/**
 * Why the ratio of the part `pipeline` is another on another machine: the same comparison, while one thing at a time is
 * different for the floor and for the client alike.
 */
import type { Sample } from "../children/sample.ts"
import type { Command, Comparison, Figure, Part } from "../measure.ts"
import { child, compare, costs, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

interface Condition {
  readonly name: string
  readonly nodeArgs?: ReadonlyArray<string>
  /** How many times as many messages pass before the measurement begins. */
  readonly warmUp?: number
  /** The reader, V8's helpers and who writes the messages share one core. */
  readonly oneCore?: true
}

const all: ReadonlyArray<Condition> = [
  { name: "nothing changed" },
  { name: "8 times the warm-up", warmUp: 8 },
  { name: "a tenth of the warm-up", warmUp: 0.1 },
  { name: "no TurboFan", nodeArgs: ["--no-turbofan"] },
  { name: "no Maglev and no TurboFan", nodeArgs: ["--no-maglev", "--no-turbofan"] },
  { name: "no compiler in the background", nodeArgs: ["--no-concurrent-recompilation"] },
  { name: "young generation of 1 MiB", nodeArgs: ["--max-semi-space-size=1"] },
  { name: "young generation of 64 MiB", nodeArgs: ["--max-semi-space-size=64", "--min-semi-space-size=64"] },
  ...process.platform === "linux" ? [{ name: "one core", oneCore: true } as const] : []
]

const readings = { "ours, event by event": "events", "ours, batch by batch": "batches" }

const commandOf = (
  { nodeArgs = [], oneCore }: Condition,
  script: string,
  ...args: ReadonlyArray<string>
): Command =>
  oneCore
    ? { program: "taskset", script: "--cpu-list", args: ["0", process.execPath, child(script), ...args] }
    : { nodeArgs, script: child(script), args }

const under = (condition: Condition, turns: number, half: number, rounds: number): Comparison => {
  const warmUp = half * (condition.warmUp ?? 1)
  const workload = JSON.stringify({ kind: "mix", messages: half + warmUp, turns, warmUp } satisfies Workload)
  const what = `${condition.name}, ${turns} turn${turns === 1 ? "" : "s"}`
  return compare({
    what,
    rounds,
    commands: {
      "floor: bare loop": commandOf(condition, "bare", workload),
      ...Object.fromEntries(
        Object.entries(readings).map(([name, reading]) => [name, commandOf(condition, "ours", workload, reading)])
      )
    },
    figures: (samples) => {
      const floor = samples["floor: bare loop"]!
      return Object.entries(samples).flatMap(([name, of]): ReadonlyArray<Figure> => {
        const figure = (what: string, unit: string, read: (sample: Sample) => number): Figure => ({
          part: "conditions",
          name: `${name}, ${condition.name}, ${turns} turn${turns === 1 ? "" : "s"}: ${what}`,
          value: spread(of.map(read)),
          unit,
          ratio: of === floor ? undefined : ratios(of, floor, read)
        })
        return [
          { ...figure("time", "µs/message", ({ ms }) => (ms * 1000) / half), ...costs(of) },
          figure("CPU", "µs/message", ({ cpuMs }) => (cpuMs * 1000) / half),
          figure("allocated", "bytes/message", ({ allocatedBytes }) => allocatedBytes! / half),
          figure("collections", "per 10,000 messages", ({ collections }) => (collections! * 10_000) / half)
        ]
      })
    }
  })
}

export const conditions: Part = {
  name: "conditions",
  comparisons: ({ quick, rounds }) =>
    all.flatMap((condition) =>
      (quick ? [8] : [1, 64]).map((turns) => under(condition, turns, quick ? 50_000 : 200_000, Math.min(rounds, 5)))
    )
}
