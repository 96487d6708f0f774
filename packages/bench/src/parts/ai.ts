/** What a call through `effect/ai` costs over the client alone, on the real codex binary with a scripted model. */
import type { Sample } from "../children/sample.ts"
import type { Comparison, Figure, Part } from "../measure.ts"
import { child, compare, costs, ratios, spread } from "../measure.ts"
import * as Processes from "../processes.ts"
import { runStaged } from "../stage.ts"

const figuresOf = (
  what: string,
  calls: number,
  { client, model }: Readonly<Record<"client" | "model", ReadonlyArray<Sample>>>
): ReadonlyArray<Figure> => {
  const figures: Array<Figure> = []
  const add = (more: string, value: (sample: Sample) => number) => {
    for (const [name, of] of [["the client", client], ["CodexLanguageModel", model]] as const) {
      figures.push({
        part: "ai",
        name: `${name}, ${what}: ${more}`,
        value: spread(of.map((sample) => value(sample) / calls)),
        unit: "ms/call",
        ratio: of === client ? undefined : ratios(of, client, value),
        ...(more === "time" ? costs(of) : {})
      })
    }
  }
  add("time", ({ ms }) => ms)
  add("CPU of the program", ({ cpuMs }) => cpuMs)
  if (Processes.isTold) add("CPU of codex", ({ codexCpuMs }) => codexCpuMs!)
  return figures
}

export const ai: Part = {
  name: "ai",
  warning: Processes.isTold ? undefined : "leaves out the CPU of codex, which is read from /proc of Linux.",
  comparisons: ({ quick, rounds }) => {
    const calls = quick ? 5 : 20
    const of = (face: "client" | "model", how: "whole" | "stream", deltas: number) => ({
      script: child("ai"),
      args: [face, how, ...[calls, deltas].map(String)]
    })
    return ([
      ["whole", 20, "an answer in a new thread"],
      ["stream", 300, "a streamed answer of 300 deltas"]
    ] as const).map(([how, deltas, what]): Comparison =>
      compare({
        what,
        rounds,
        commands: { client: of("client", how, deltas), model: of("model", how, deltas) },
        runOnce: runStaged,
        figures: (samples) => figuresOf(what, calls, samples)
      })
    )
  }
}
