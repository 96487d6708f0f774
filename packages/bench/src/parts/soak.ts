/** What stays in memory when nobody reads, and after much was opened and closed. */
import type { Comparison, Part } from "../measure.ts"
import { atMost, child, compare, costs, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

const nodeArgs = ["--expose-gc"]
const few = JSON.stringify({ kind: "mix", messages: 20, turns: 1, perTurn: true } satisfies Workload)

const commandOf = (workload: string, mode: string, ...args: ReadonlyArray<string>) => ({
  script: child("soak"),
  nodeArgs,
  args: [workload, mode, ...args]
})

const unreadDeltas = (messages: number, rounds: number): Comparison => {
  const workload = JSON.stringify({ kind: "deltas", messages, turns: 1 } satisfies Workload)
  const what = `${messages.toLocaleString("en")} deltas of one turn`
  return compare({
    what,
    rounds: Math.min(rounds, 3),
    commands: { read: commandOf(workload, "read"), unread: commandOf(workload, "unread") },
    figures: ({ read, unread }) => {
      const more = (key: string) => spread(unread.map((sample, i) => sample[key]! - read[i]![key]!))
      return [
        {
          part: "soak",
          name: `${what}, nobody reads: peak memory above the same with a reader`,
          value: more("peakMiB"),
          unit: "MiB",
          budget: atMost(200),
          ...costs(unread)
        },
        { part: "soak", name: `${what}, nobody reads: heap above the same`, value: more("heapMiB"), unit: "MiB" }
      ]
    }
  })
}

const heapGrowth = (mode: string, count: number, what: string): Comparison =>
  compare({
    what: `${count.toLocaleString("en")} ${what}`,
    rounds: 1,
    commands: { [mode]: commandOf(few, mode, String(count)) },
    figures: (samples) => {
      const of = samples[mode]!
      const places = [count / 10, count / 2, count]
      const heaps = places.map((place) => of[0]![`heap${place}`]!)
      const shown = places.map((place, i) => `${heaps[i]!.toFixed(2)} MiB at ${place.toLocaleString("en")}`).join(", ")
      return [{
        part: "soak",
        name: `${count.toLocaleString("en")} ${what}: heap grows from half to all (${shown})`,
        value: spread([heaps[2]! - heaps[1]!]),
        unit: "MiB",
        budget: atMost(2),
        ...costs(of)
      }]
    }
  })

export const soak: Part = {
  name: "soak",
  comparisons: ({ quick, rounds }) => {
    const turns = quick ? 500 : 10_000
    return [
      unreadDeltas(quick ? 100_000 : 1_000_000, rounds),
      heapGrowth("threads", quick ? 100 : 1000, "threads opened and closed"),
      heapGrowth("turns", turns, "turns run and read on one client"),
      heapGrowth("handles", turns, "turns that nobody reads on one client")
    ]
  }
}
