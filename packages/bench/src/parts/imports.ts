/** What the built packages cost a program to import. */
import type { Figure, Part } from "../measure.ts"
import { atMost, child, costs, inTurn, ratios, spread } from "../measure.ts"

const base = ["effect/Schema", "effect/Stream", "@effect/platform-node/NodeChildProcessSpawner"]

const modules: Readonly<Record<string, string>> = {
  received: "the schemas of what the server sends, after effect/Schema",
  methods: "those, what the client sends, and the tables of all methods, after effect/Schema"
}

export const imports: Part = {
  name: "imports",
  run: async ({ rounds }) => {
    const of = (before: ReadonlyArray<string>, ...modules: ReadonlyArray<string>) => ({
      script: child("import"),
      args: [before.join(","), ...modules]
    })
    const names = ["protocol", "client", "node", "testing"] as const
    const samples = await inTurn({
      base: of([], ...base),
      ...Object.fromEntries(names.map((name) => [name, of([], `@effect-codex/${name}`)])),
      received: of(["effect/Schema"], "@effect-codex/protocol/Received"),
      methods: of(["effect/Schema"], "@effect-codex/protocol/Methods")
    }, Math.max(rounds, 5))
    const floor = samples.base
    const figures: Array<Figure> = [{
      part: "imports",
      name: "floor: effect/Schema, effect/Stream and the Node spawner",
      value: spread(floor.map(({ ms }) => ms)),
      unit: "ms",
      ...costs(floor)
    }]
    for (const [name, of] of Object.entries(samples)) {
      if (of === floor) continue
      const module = modules[name]
      figures.push({
        part: "imports",
        name: module ?? `@effect-codex/${name}`,
        value: spread(of.map(({ ms }) => ms)),
        unit: "ms",
        ratio: module === undefined ? ratios(of, floor) : undefined,
        budget: name === "received" ? atMost(10) : name === "node" ? atMost(1.25) : undefined,
        ...costs(of)
      })
    }
    return figures
  }
}
