/** What the built packages cost a program to import. */
import type { Command, Part } from "../measure.ts"
import { atMost, child, compare, costs, ratios, spread } from "../measure.ts"

const base = ["effect/Schema", "effect/Stream", "@effect/platform-node/NodeChildProcessSpawner"]

/** What a program of `effect/ai` imports anyway. */
const effectAi = ["effect/ai/LanguageModel", "effect/ai/Chat", "effect/ai/Toolkit"]

const modules: Readonly<Record<string, string>> = {
  effectAi: "LanguageModel, Chat and Toolkit of effect/ai, after the floor and @effect-codex/node",
  ai: "@effect-codex/ai, after those",
  received: "the schemas of what the server sends, after effect/Schema",
  methods: "those, what the client sends, and the tables of all methods, after effect/Schema"
}

const importOf = (before: ReadonlyArray<string>, ...modules: ReadonlyArray<string>): Command => ({
  script: child("import"),
  args: [before.join(","), ...modules]
})

const names = ["protocol", "client", "node", "testing"] as const

export const imports: Part = {
  name: "imports",
  comparisons: ({ rounds }) => [
    compare({
      what: "modules",
      rounds: Math.max(rounds, 5),
      commands: {
        base: importOf([], ...base),
        ...Object.fromEntries(names.map((name) => [name, importOf([], `@effect-codex/${name}`)])),
        effectAi: importOf([...base, "@effect-codex/node"], ...effectAi),
        ai: importOf([...base, "@effect-codex/node", ...effectAi], "@effect-codex/ai"),
        received: importOf(["effect/Schema"], "@effect-codex/protocol/Received"),
        methods: importOf(["effect/Schema"], "@effect-codex/protocol/Methods")
      },
      figures: ({ base: floor, ...others }) => [
        {
          part: "imports",
          name: "floor: effect/Schema, effect/Stream and the Node spawner",
          value: spread(floor.map(({ ms }) => ms)),
          unit: "ms",
          ...costs(floor)
        },
        ...Object.entries(others).map(([name, of]) => {
          const module = modules[name]
          return {
            part: "imports",
            name: module ?? `@effect-codex/${name}`,
            value: spread(of.map(({ ms }) => ms)),
            unit: "ms",
            ratio: module === undefined ? ratios(of, floor) : undefined,
            budget: name === "received" ? atMost(10) : name === "node" ? atMost(1.25) : undefined,
            ...costs(of)
          }
        })
      ]
    })
  ]
}
