/** The price of a message at the real server's pace, and other shapes of work. */
import type { Sample } from "../children/sample.ts"
import type { Comparison, Figure, Part } from "../measure.ts"
import { atMost, child, compare, costs, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

export const againstFloor = (
  what: string,
  workload: Workload,
  rounds: number,
  figures: (samples: Readonly<Record<"floor" | "ours", ReadonlyArray<Sample>>>) => ReadonlyArray<Figure>
): Comparison => {
  const text = JSON.stringify(workload)
  return compare({
    what,
    rounds,
    commands: {
      floor: { script: child("bare"), args: [text] },
      ours: { script: child("ours"), args: [text, "events"] }
    },
    figures
  })
}

export const realistic: Part = {
  name: "realistic",
  comparisons: ({ quick, rounds }) => {
    const messages = quick ? 18_000 : 54_000
    // During the first second V8 still compiles the code that reads, and longer code pays more for it.
    const warmUps = quick ? [18_000] : [18_000, 0]
    return warmUps.map((warmUp): Comparison => {
      const workload: Workload = { kind: "mix", messages: messages + warmUp, turns: 1, pace: 18_000, warmUp }
      const what = `18,000 messages/s, three in a write${warmUp === 0 ? ", from the first message" : ""}`
      return againstFloor(
        what,
        workload,
        rounds,
        ({ floor, ours }) =>
          ([["floor: bare loop", floor], ["ours, event by event", ours]] as const).map(([name, of]) => ({
            part: "realistic",
            name: `${name}, ${what}`,
            value: spread(of.map(({ cpuMs }) => (cpuMs * 1000) / messages)),
            unit: "µs CPU/message",
            ratio: of === floor ? undefined : ratios(of, floor, ({ cpuMs }) => cpuMs),
            budget: of === floor || warmUp === 0 ? undefined : atMost(1.4),
            ...costs(of)
          }))
      )
    })
  }
}

export const outputs: Part = {
  name: "outputs",
  comparisons: ({ quick, rounds }) => {
    const messages = quick ? 500 : 4_000
    const what = "finished commands with 16 KiB of output"
    const text = JSON.stringify({ kind: "outputs", messages, turns: 1 } satisfies Workload)
    return [
      compare({
        what,
        rounds,
        commands: {
          floor: { script: child("bare"), args: [text] },
          keeping: { script: child("bare"), args: [text, "keep"] },
          ours: { script: child("ours"), args: [text, "events"] }
        },
        figures: ({ floor, keeping, ours }) =>
          ([
            ["floor: bare loop", floor, undefined],
            ["floor that keeps the messages", keeping, floor],
            ["ours, event by event", ours, floor],
            ["ours, against the floor that keeps the messages", ours, keeping]
          ] as const).map(([name, of, to]) => ({
            part: "outputs",
            name: `${name}, ${what}`,
            value: spread(of.map(({ ms }) => messages / ms)),
            unit: "messages/ms",
            ratio: to === undefined ? undefined : ratios(to, of),
            ...costs(of)
          }))
      })
    ]
  }
}
