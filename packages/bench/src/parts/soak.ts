/** What stays in memory when nobody reads, and after much was opened and closed. */
import type { Figure, Part } from "../measure.ts"
import { atMost, child, costs, inTurn, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

const nodeArgs = ["--expose-gc"]
const few = JSON.stringify({ kind: "mix", messages: 20, turns: 1, perTurn: true } satisfies Workload)

export const soak: Part = {
  name: "soak",
  run: async ({ quick, rounds }) => {
    const messages = quick ? 100_000 : 1_000_000
    const workload = JSON.stringify({ kind: "deltas", messages, turns: 1 } satisfies Workload)
    const of = (mode: string, args: ReadonlyArray<string>) => ({
      script: child("soak"),
      nodeArgs,
      args: [...args, mode]
    })
    const { read, unread } = await inTurn(
      { read: of("read", [workload]), unread: of("unread", [workload]) },
      Math.min(rounds, 3)
    )
    const name = `${messages.toLocaleString("en")} deltas of one turn`
    const more = (key: string) => spread(unread.map((sample, i) => sample[key]! - read[i]![key]!))
    const figures: Array<Figure> = [
      {
        part: "soak",
        name: `${name}, nobody reads: peak memory above the same with a reader`,
        value: more("peakMiB"),
        unit: "MiB",
        budget: atMost(200),
        ...costs(unread)
      },
      { part: "soak", name: `${name}, nobody reads: heap above the same`, value: more("heapMiB"), unit: "MiB" }
    ]
    const much = quick ? 500 : 10_000
    for (
      const [mode, count, what] of [
        ["threads", quick ? 100 : 1000, "threads opened and closed"],
        ["turns", much, "turns run and read on one client"],
        ["handles", much, "turns that nobody reads on one client"]
      ] as const
    ) {
      const { it } = await inTurn({ it: { ...of(mode, [few]), args: [few, mode, String(count)] } }, 1)
      const places = [count / 10, count / 2, count]
      const heaps = places.map((place) => it[0]![`heap${place}`]!)
      const shown = places.map((place, i) => `${heaps[i]!.toFixed(2)} MiB at ${place.toLocaleString("en")}`).join(", ")
      figures.push({
        part: "soak",
        name: `${count.toLocaleString("en")} ${what}: heap grows from half to all (${shown})`,
        value: spread([heaps[2]! - heaps[1]!]),
        unit: "MiB",
        budget: atMost(2),
        ...costs(it)
      })
    }
    return figures
  }
}
