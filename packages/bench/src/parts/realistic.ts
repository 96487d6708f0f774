/** The price of a message at the real server's pace, and other shapes of work. */
import type { Figure, Part } from "../measure.ts"
import { atMost, child, costs, inTurn, ratios, spread } from "../measure.ts"
import type { Workload } from "../workload.ts"

const compare = async (workload: Workload, rounds: number, reading = "events") => {
  const text = JSON.stringify(workload)
  return inTurn({
    floor: { script: child("bare"), args: [text] },
    ours: { script: child("ours"), args: [text, reading] }
  }, rounds)
}

export const realistic: Part = {
  name: "realistic",
  run: async ({ quick, rounds }) => {
    const figures: Array<Figure> = []
    const messages = quick ? 18_000 : 54_000
    // V8 compiles what reads in the first second, for which the longer code pays more.
    for (const [warmUp, from] of [[18_000, ""], [0, ", from the first message"]] as const) {
      if (quick && warmUp === 0) continue
      const workload: Workload = { kind: "mix", messages: messages + warmUp, turns: 1, pace: 18_000, warmUp }
      const { floor, ours } = await compare(workload, rounds)
      for (const [name, of] of [["floor: bare loop", floor], ["ours, event by event", ours]] as const) {
        figures.push({
          part: "realistic",
          name: `${name}, 18,000 messages/s, three in a write${from}`,
          value: spread(of.map(({ cpuMs }) => (cpuMs * 1000) / messages)),
          unit: "µs CPU/message",
          ratio: of === floor ? undefined : ratios(of, floor, ({ cpuMs }) => cpuMs),
          budget: of === floor || warmUp === 0 ? undefined : atMost(1.4),
          ...costs(of)
        })
      }
    }
    return figures
  }
}

export const outputs: Part = {
  name: "outputs",
  run: async ({ quick, rounds }) => {
    const messages = quick ? 500 : 4_000
    const { floor, ours } = await compare({ kind: "outputs", messages, turns: 1 }, rounds)
    return [["floor: bare loop", floor] as const, ["ours, event by event", ours] as const].map((
      [name, of]
    ): Figure => ({
      part: "outputs",
      name: `${name}, finished commands with 16 KiB of output`,
      value: spread(of.map(({ ms }) => messages / ms)),
      unit: "messages/ms",
      ratio: of === floor ? undefined : ratios(floor, of),
      ...costs(of)
    }))
  }
}

/** CPU per message while one thing grows: where it stops to be flat is the knee. */
export const growth: Part = {
  name: "growth",
  run: async ({ quick, rounds }) => {
    const messages = quick ? 20_000 : 100_000
    const steps: Array<readonly [string, Workload]> = []
    for (const turns of quick ? [1, 64] : [1, 4, 16, 64, 256, 1024]) {
      steps.push([`${turns} turns of as many threads`, { kind: "mix", messages, turns }])
    }
    for (const n of quick ? [] : [25_000, 100_000, 400_000]) {
      steps.push([`${n.toLocaleString("en")} messages of one turn`, { kind: "deltas", messages: n, turns: 1 }])
    }
    for (const kib of quick ? [] : [1, 16, 256]) {
      steps.push([`items of ${kib} KiB`, { kind: "outputs", messages: 32_768 / kib, turns: 1, itemBytes: kib * 1024 }])
    }
    const figures: Array<Figure> = []
    for (const [name, workload] of steps) {
      const { floor, ours } = await compare(workload, Math.min(rounds, 3))
      figures.push({
        part: "growth",
        name,
        value: spread(ours.map(({ cpuMs }) => (cpuMs * 1000) / workload.messages)),
        unit: "µs CPU/message",
        ratio: ratios(ours, floor, ({ cpuMs }) => cpuMs),
        ...costs(ours)
      })
    }
    return figures
  }
}
