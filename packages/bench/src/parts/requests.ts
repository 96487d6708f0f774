/** Requests to the real codex binary and its start, against a client of a few lines. */
import type { Comparison, Part } from "../measure.ts"
import { atLeast, atMost, child, compare, costs, ratios, spread } from "../measure.ts"

const commands = (mode: "one" | "many" | "start", count: number) => ({
  bare: { script: child("requests"), args: ["bare", mode, String(count)] },
  ours: { script: child("requests"), args: ["ours", mode, String(count)] }
})

export const requests: Part = {
  name: "requests",
  comparisons: ({ quick, rounds }) => {
    const count = quick ? 2_000 : 10_000
    return ([["one", "one after another"], ["many", "64 in flight"]] as const).map(([mode, what]): Comparison =>
      compare({
        what,
        rounds,
        commands: commands(mode, count),
        figures: ({ bare, ours }) =>
          ([["bare", bare], ["ours", ours]] as const).map(([who, of]) => ({
            part: "requests",
            name: `${who}, ${what}`,
            value: spread(of.map(({ ms }) => (count * 1000) / ms)),
            unit: "requests/s",
            ratio: of === bare ? undefined : ratios(bare, ours),
            budget: of === bare || mode === "one" ? undefined : atLeast(0.92),
            ...costs(of)
          }))
      })
    )
  }
}

export const start: Part = {
  name: "start",
  comparisons: ({ rounds }) => [
    compare({
      what: "from spawn to ready",
      rounds,
      commands: commands("start", 0),
      figures: ({ bare, ours }) =>
        ([["bare", bare], ["ours", ours]] as const).map(([who, of]) => ({
          part: "start",
          name: `${who}, from spawn to ready, fresh home`,
          value: spread(of.map(({ ms }) => ms)),
          unit: "ms",
          ratio: of === bare ? undefined : ratios(ours, bare),
          budget: of === bare ? undefined : atMost(1.1),
          ...costs(of)
        }))
    })
  ]
}
