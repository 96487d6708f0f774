/** How fast notifications get from the pipe to their reader, against a bare loop over the same bytes. */
import type { Sample } from "../children/sample.ts"
import type { Command, Comparison, Figure, Part } from "../measure.ts"
import { atLeast, atMost, child, compare, costs, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

const budgets: Readonly<Record<string, ReadonlyArray<number>>> = {
  "ours, observed without a look at the params": [0.80, 0.75, 0.65],
  "ours, event by event": [0.75, 0.70, 0.62],
  "ours, batch by batch": [0.88, 0.85, 0.75]
}

/**
 * Of what the floor allocates for a message. Unlike time it is much the same on every machine: only code that TurboFan
 * has not compiled yet allocates more.
 */
const allocationBudget = 1.3

const ways = (workload: Workload, readings: Readonly<Record<string, string>>): Record<string, Command> => {
  const text = JSON.stringify(workload)
  return {
    "floor: bare loop": { script: child("bare"), args: [text] },
    ...Object.fromEntries(
      Object.entries(readings).map(([name, reading]) => [name, { script: child("ours"), args: [text, reading] }])
    ),
    ...(workload.warmUp === undefined
      ? {}
      : { "the usual way with Effect": { script: child("usual"), args: [text] } })
  }
}

const readings = { "ours, event by event": "events", "ours, batch by batch": "batches" }

interface Place {
  readonly quick: boolean
  /** Which of the budgets. */
  readonly budgetPlace?: number | undefined
}

export const figuresOf = (
  what: string,
  { messages, turns, warmUp = 0 }: Workload,
  { budgetPlace, quick }: Place,
  samples: Readonly<Record<string, ReadonlyArray<Sample>>>
): ReadonlyArray<Figure> => {
  const floor = samples["floor: bare loop"]!
  const cpuUs = ({ cpuMs }: Sample) => (cpuMs * 1000) / (messages - warmUp)
  const bytes = ({ allocatedBytes }: Sample) => allocatedBytes! / (messages - warmUp)
  return Object.entries(samples).flatMap(([name, of]): ReadonlyArray<Figure> => {
    // Only the handle of a turn reports that the turn began, and the workload does not count that as a message.
    const all = new Set([messages + turns, messages + 2 * turns, undefined])
    if (of.some(({ events }) => !all.has(events))) throw new Error(`${name} lost events`)
    const budget = budgetPlace === undefined ? undefined : budgets[name]?.[budgetPlace]
    return [
      {
        part: "pipeline",
        name: `${name}, ${what}`,
        value: spread(of.map(({ ms }) => (messages - warmUp) / ms)),
        unit: "messages/ms",
        ratio: of === floor ? undefined : ratios(floor, of),
        budget: budget === undefined || quick ? undefined : atLeast(budget),
        ...costs(of)
      },
      {
        part: "pipeline",
        name: `${name}, ${what}: CPU`,
        value: spread(of.map(cpuUs)),
        unit: "µs CPU/message",
        ratio: of === floor ? undefined : ratios(of, floor, cpuUs),
        // A quick run is for machines that run other programs as well, where the time of a message says nothing.
        budget: budget === undefined || !quick ? undefined : atMost(Number((1 / budget).toFixed(2)))
      },
      {
        part: "pipeline",
        name: `${name}, ${what}: allocated`,
        value: spread(of.map(bytes)),
        unit: "bytes/message",
        ratio: of === floor ? undefined : ratios(of, floor, bytes),
        budget: budget === undefined ? undefined : atMost(allocationBudget)
      }
    ]
  })
}

const againstFloor = (
  workload: Workload,
  more: Readonly<Record<string, string>>,
  rounds: number,
  place: Place
): Comparison => {
  const from = workload.warmUp === undefined ? ", from the first message" : ""
  const what = `${workload.turns} turn${workload.turns === 1 ? "" : "s"}${from}`
  return compare({
    what,
    rounds,
    commands: ways(workload, { ...readings, ...more }),
    figures: (samples) => figuresOf(what, workload, place, samples)
  })
}

/**
 * Measures the second half of the messages, because V8 compiles the code that reads while the first half goes by. The
 * cost from the first message on is measured apart.
 */
export const pipeline: Part = {
  name: "pipeline",
  comparisons: ({ quick, rounds }) => {
    const half = quick ? 100_000 : 200_000
    const observed = { "ours, observed without a look at the params": "observed" }
    const lateOrNone = { "ours, with a second late reader": "late", "ours, result only": "result" }
    const warm = [1, 8, 64].flatMap((turns, place) =>
      quick && turns !== 8
        ? []
        : [
          againstFloor({ kind: "mix", messages: 2 * half, turns, warmUp: half }, observed, rounds, {
            quick,
            budgetPlace: place
          })
        ]
    )
    return quick
      ? warm
      : [...warm, againstFloor({ kind: "mix", messages: half, turns: 8 }, lateOrNone, rounds, { quick })]
  }
}
