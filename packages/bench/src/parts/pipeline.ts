/** How fast notifications get from the pipe to who reads them, against a bare loop over the same bytes. */
import type { Command, Figure, Part } from "../measure.ts"
import { atLeast, child, costs, inTurn, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

const budgets: Readonly<Record<string, ReadonlyArray<number>>> = {
  "ours, observed without a look at the params": [0.80, 0.75, 0.65],
  "ours, event by event": [0.75, 0.70, 0.62],
  "ours, batch by batch": [0.88, 0.85, 0.75]
}

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

/**
 * Of two halves the second is measured: a process that reads this fast reads for longer than V8 takes to compile what
 * reads. What the first half costs is measured apart.
 */
export const pipeline: Part = {
  name: "pipeline",
  run: async ({ quick, rounds }) => {
    const figures: Array<Figure> = []
    const half = quick ? 100_000 : 200_000
    const measure = async (
      workload: Workload,
      from: string,
      more: Readonly<Record<string, string>>,
      place?: number
    ) => {
      const { messages, turns, warmUp = 0 } = workload
      const samples = await inTurn(ways(workload, { ...readings, ...more }), rounds)
      const floor = samples["floor: bare loop"]!
      for (const [name, of] of Object.entries(samples)) {
        // The beginning of a turn, which only the handle of a turn tells, is not counted as one of the messages.
        const all = new Set([messages + turns, messages + 2 * turns, undefined])
        if (of.some(({ events }) => !all.has(events))) throw new Error(`${name} lost events`)
        const budget = place === undefined ? undefined : budgets[name]?.[place]
        figures.push({
          part: "pipeline",
          name: `${name}, ${turns} turn${turns === 1 ? "" : "s"}${from}`,
          value: spread(of.map(({ ms }) => (messages - warmUp) / ms)),
          unit: "messages/ms",
          ratio: of === floor ? undefined : ratios(floor, of),
          budget: budget === undefined ? undefined : atLeast(budget),
          ...costs(of)
        })
      }
    }
    const observed = { "ours, observed without a look at the params": "observed" }
    for (const [place, turns] of [1, 8, 64].entries()) {
      if (quick && turns !== 8) continue
      await measure({ kind: "mix", messages: 2 * half, turns, warmUp: half }, "", observed, place)
    }
    if (!quick) {
      const more = { "ours, with a second late reader": "late", "ours, result only": "result" }
      await measure({ kind: "mix", messages: half, turns: 8 }, ", from the first message", more)
    }
    return figures
  }
}
