/** How fast notifications get from the pipe to who reads them, against a bare loop over the same bytes. */
import type { Command, Figure, Part } from "../measure.ts"
import { atLeast, child, costs, inTurn, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

const budgets: Readonly<Record<string, ReadonlyArray<number>>> = {
  "ours, observed without a look at the params": [0.80, 0.75, 0.65],
  "ours, event by event": [0.75, 0.70, 0.62],
  "ours, batch by batch": [0.88, 0.85, 0.75]
}

export const pipeline: Part = {
  name: "pipeline",
  run: async ({ quick, rounds }) => {
    const figures: Array<Figure> = []
    const messages = quick ? 50_000 : 200_000
    for (const [i, turns] of [1, 8, 64].entries()) {
      if (quick && turns !== 8) continue
      const workload = JSON.stringify({ kind: "mix", messages, turns } satisfies Workload)
      const ours = (reading: string) => ({ script: child("ours"), args: [workload, reading] })
      const ways: Record<string, Command> = {
        "floor: bare loop": { script: child("bare"), args: [workload] },
        "ours, observed without a look at the params": ours("observed"),
        "ours, event by event": ours("events"),
        "ours, batch by batch": ours("batches"),
        ...(quick ? {} : { "ours, with a second late reader": ours("late"), "ours, result only": ours("result") }),
        "the usual way with Effect": { script: child("usual"), args: [workload] }
      }
      const samples = await inTurn(ways, rounds)
      const floor = samples["floor: bare loop"]!
      for (const [name, of] of Object.entries(samples)) {
        // The beginning of a turn, which only the handle of a turn tells, is not counted as one of the messages.
        const all = new Set([messages + turns, messages + 2 * turns, undefined])
        if (of.some(({ events }) => !all.has(events))) throw new Error(`${name} lost events`)
        const budget = budgets[name]?.[i]
        figures.push({
          part: "pipeline",
          name: `${name}, ${turns} turn${turns === 1 ? "" : "s"}`,
          value: spread(of.map(({ ms }) => messages / ms)),
          unit: "messages/ms",
          ratio: of === floor ? undefined : ratios(floor, of),
          budget: budget === undefined ? undefined : atLeast(budget),
          ...costs(of)
        })
      }
    }
    return figures
  }
}
