/** Requests to the real codex binary and its start, against a client of a few lines. */
import type { Figure, Part } from "../measure.ts"
import { atLeast, atMost, child, costs, inTurn, ratios, spread } from "../measure.ts"

const compare = (mode: string, count: number, rounds: number) =>
  inTurn({
    bare: { script: child("requests"), args: ["bare", mode, String(count)] },
    ours: { script: child("requests"), args: ["ours", mode, String(count)] }
  }, rounds)

export const requests: Part = {
  name: "requests",
  run: async ({ quick, rounds }) => {
    const figures: Array<Figure> = []
    const count = quick ? 2_000 : 10_000
    for (const [mode, what] of [["one", "one after another"], ["many", "64 in flight"]] as const) {
      const { bare, ours } = await compare(mode, count, rounds)
      for (const [who, of] of [["bare", bare], ["ours", ours]] as const) {
        figures.push({
          part: "requests",
          name: `${who}, ${what}`,
          value: spread(of.map(({ ms }) => (count * 1000) / ms)),
          unit: "requests/s",
          ratio: of === bare ? undefined : ratios(bare, ours),
          budget: of === bare || mode === "one" ? undefined : atLeast(0.92),
          ...costs(of)
        })
      }
    }
    return figures
  }
}

export const start: Part = {
  name: "start",
  run: async ({ rounds }) => {
    const { bare, ours } = await compare("start", 0, rounds)
    return [["bare", bare] as const, ["ours", ours] as const].map(([who, of]) => ({
      part: "start",
      name: `${who}, from spawn to ready, fresh home`,
      value: spread(of.map(({ ms }) => ms)),
      unit: "ms",
      ratio: of === bare ? undefined : ratios(ours, bare),
      budget: of === bare ? undefined : atMost(1.1),
      ...costs(of)
    }))
  }
}
