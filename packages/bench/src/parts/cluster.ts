/** What a turn costs as an entity of a cluster and in a workflow, on the real codex binary with a scripted model. */
import type { Sample } from "../children/sample.ts"
import type { Budget, Comparison, Figure, Part } from "../measure.ts"
import { atMost, child, compare, costs, ratios, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { runStaged, runStagedOnPostgres } from "../stage.ts"

const faces = {
  plain: "thread.run",
  entity: "CodexThread",
  workflow: "CodexWorkflow"
}

type Face = keyof typeof faces
type Database = "sqlite" | "postgres"

const databases = { sqlite: "SQLite", postgres: "PostgreSQL" }

const figuresOf = (
  what: string,
  turns: number,
  samples: Readonly<Record<Face, ReadonlyArray<Sample>>>,
  budget: Budget | undefined
): ReadonlyArray<Figure> => {
  const figures: Array<Figure> = []
  const add = (more: string, value: (sample: Sample) => number) => {
    for (const face of ["plain", "entity", "workflow"] as const) {
      const of = samples[face]
      figures.push({
        part: "cluster",
        name: `${faces[face]}, ${what}: ${more}`,
        value: spread(of.map((sample) => value(sample) / turns)),
        unit: "ms/turn",
        ratio: face === "plain" ? undefined : ratios(of, samples.plain, value),
        ...(more === "time" ? { ...costs(of), ...(face === "entity" && { budget }) } : {})
      })
    }
  }
  add("time", ({ ms }) => ms)
  add("CPU of the program", ({ cpuMs }) => cpuMs)
  if (Processes.isTold) add("CPU of codex", ({ codexCpuMs }) => codexCpuMs!)
  return figures
}

export const cluster: Part = {
  name: "cluster",
  warning: Processes.isTold ? undefined : "leaves out the CPU of codex, which is read from /proc of Linux.",
  comparisons: ({ quick, rounds }) => {
    const ofDatabase = (database: Database): ReadonlyArray<Comparison> =>
      ([
        ["one", quick ? 5 : 20, "one turn after another", database === "postgres" ? atMost(1.15) : undefined],
        ["new", quick ? 16 : 64, "new threads at once", database === "postgres" ? atMost(1.5) : undefined]
      ] as const).map(([how, turns, what, budget]) => {
        const of = (face: Face) => ({ script: child("cluster"), args: [face, how, database, String(turns)] })
        const where = `${how === "new" ? `${turns} ` : ""}${what} on ${databases[database]}`
        return compare({
          what: where,
          rounds,
          commands: { plain: of("plain"), entity: of("entity"), workflow: of("workflow") },
          runOnce: database === "postgres" ? runStagedOnPostgres : runStaged,
          figures: (samples) => figuresOf(where, turns, samples, budget)
        })
      })
    return [...ofDatabase("sqlite"), ...ofDatabase("postgres")]
  }
}
