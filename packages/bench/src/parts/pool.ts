/** What a pool of codex processes gains over one, and what a spare process gains when one is lost. */
import type { Sample } from "../children/sample.ts"
import type { Comparison, Figure, Part } from "../measure.ts"
import { child, compare, costs, ratios, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { commandPrompt, promptOf, runStaged } from "../stage.ts"

const figuresOf = (
  what: string,
  turns: number,
  samples: Readonly<Record<"one" | "two" | "four", ReadonlyArray<Sample>>>
): ReadonlyArray<Figure> =>
  (["one", "two", "four"] as const).flatMap((size): ReadonlyArray<Figure> => {
    const of = samples[size]
    const name = `${size} process${size === "one" ? "" : "es"}, ${what}`
    const cpu = ({ codexCpuMs }: Sample) => codexCpuMs! / turns
    return [
      {
        part: "pool",
        name,
        value: spread(of.map(({ ms }) => (turns * 60_000) / ms)),
        unit: "turns/min",
        ratio: size === "one" ? undefined : ratios(samples.one, of),
        ...costs(of)
      },
      ...(Processes.isTold
        ? [{
          part: "pool",
          name: `${name}: CPU of codex`,
          value: spread(of.map(cpu)),
          unit: "ms/turn",
          ratio: size === "one" ? undefined : ratios(of, samples.one, cpu)
        }]
        : [])
    ]
  })

const replacement = (rounds: number): Comparison => {
  const of = (how: string) => ({ script: child("replacement"), args: [how] })
  return compare({
    what: "a process that is killed",
    rounds,
    commands: { spare: of("spare"), none: of("none") },
    runOnce: runStaged,
    figures: ({ none, spare }) =>
      ([
        ["until another has its place", ({ restoredMs }) => restoredMs!],
        ["until its thread has run a turn", ({ ms }) => ms]
      ] as const satisfies ReadonlyArray<readonly [string, (sample: Sample) => number]>).flatMap(([what, read]) => [
        { part: "pool", name: `without a spare process, ${what}`, value: spread(none.map(read)), unit: "ms" },
        {
          part: "pool",
          name: `with a spare process, ${what}`,
          value: spread(spare.map(read)),
          unit: "ms",
          ratio: ratios(spare, none, read)
        }
      ])
  })
}

export const pool: Part = {
  name: "pool",
  warning: Processes.isTold ? undefined : "leaves out the CPU of codex, which is read from /proc of Linux.",
  comparisons: ({ quick, rounds }) => {
    const turns = quick ? 16 : 64
    const of = (what: string, prompt: string): Comparison => {
      const on = (processes: number) => ({ script: child("pool"), args: [String(processes), String(turns), prompt] })
      return compare({
        what,
        rounds,
        commands: { one: on(1), two: on(2), four: on(4) },
        runOnce: runStaged,
        figures: (samples) => figuresOf(`${turns} ${what}`, turns, samples)
      })
    }
    return [
      // Without a budget: on two cores, one process nearly uses them up (docs/scaling.md).
      of("short turns at once", promptOf(5)),
      of("turns of 300 deltas at once", promptOf(300)),
      of("turns with a command at once", commandPrompt),
      replacement(rounds)
    ]
  }
}
