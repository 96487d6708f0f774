/** What it costs to grow: one dimension at a time. The knee is where the cost of one stops being flat. */
import type { Sample } from "../children/sample.ts"
import type { Command, Comparison, Figure, Part, Settings } from "../measure.ts"
import { atMost, child, compare, costs, ratios, run, spread } from "../measure.ts"
import { runStaged } from "../stage.ts"
import type { Workload } from "../workload.ts"
import { againstFloor } from "./realistic.ts"

/** CPU per message, against the floor's. */
const perMessage = (name: string, workload: Workload, rounds: number): Comparison =>
  againstFloor(name, workload, rounds, ({ floor, ours }) => [{
    part: "growth",
    name,
    value: spread(ours.map(({ cpuMs }) => (cpuMs * 1000) / workload.messages)),
    unit: "µs CPU/message",
    ratio: ratios(ours, floor, ({ cpuMs }) => cpuMs),
    ...costs(ours)
  }])

/** A cost of one, as it is read from a sample of many. */
interface Reading {
  readonly what: string
  readonly unit: string
  readonly of: (sample: Sample) => number
  /** The cost of only one, however many there are. */
  readonly isOnce?: true
  /** Ours to keep flat, because codex has no part in it. */
  readonly isOurs?: true
}

interface Growing {
  /** What there are more and more of, in the plural. */
  readonly what: string
  readonly sizes: ReadonlyArray<number>
  readonly rounds: number
  readonly commandOf: (size: number) => Command
  readonly runOnce?: (command: Command) => Promise<Sample>
  readonly readings: ReadonlyArray<Reading>
}

const sizeOf = (size: number, what: string): string => `${size.toLocaleString("en")} ${what}`

/**
 * The cost of one in each size. The ratio is that to the size before, so what is over 1 grows worse than linear. Where
 * there are few, what happens once is most of the cost of each.
 */
export const growing = (
  { commandOf, readings, rounds, runOnce = (command) => run(command), sizes, what }: Growing
): Comparison =>
  compare({
    what: `more and more ${what}`,
    rounds,
    commands: Object.fromEntries(sizes.map((size) => [sizeOf(size, what), commandOf(size)])),
    runOnce,
    figures: (samples) =>
      readings.flatMap(({ isOnce, isOurs, of, unit, what: reading }) =>
        sizes.map((size, place): Figure => {
          const own = samples[sizeOf(size, what)]!
          const before = sizes[place - 1]
          // The cost of each at its size, because `ratios` compares within a round.
          const each = (all: ReadonlyArray<Sample>, count: number) =>
            all.map((sample) => ({ ...sample, each: of(sample) / (isOnce ? 1 : count) }))
          const grown = before === undefined
            ? undefined
            : ratios(each(own, size), each(samples[sizeOf(before, what)]!, before), ({ each }) => each!)
          return {
            part: "growth",
            name: `${sizeOf(size, what)}: ${reading}`,
            value: spread(each(own, size).map(({ each }) => each)),
            unit,
            // Few threads cost codex less CPU than the system can tell.
            ratio: grown !== undefined && Number.isFinite(grown.median) ? grown : undefined,
            budget: isOurs && place > 0 && place === sizes.length - 1 ? atMost(1.5) : undefined
          }
        })
      )
  })

/** Codex takes more than a minute to find 10,000 threads on a busy machine. */
const limitMs = 300_000

const turnsAtOnce = (sizes: ReadonlyArray<number>, rounds: number): Comparison =>
  growing({
    what: "turns at once, with 20 messages each",
    sizes,
    rounds,
    commandOf: (turns) => ({
      script: child("manyTurns"),
      nodeArgs: ["--expose-gc"],
      args: [JSON.stringify({ kind: "mix", messages: 20, turns, perTurn: true } satisfies Workload)]
    }),
    readings: [
      { what: "CPU of a turn, with the start of its thread", unit: "ms CPU", of: ({ cpuMs }) => cpuMs, isOurs: true },
      {
        what: "heap of a thread and its turn while they are in use",
        unit: "KiB",
        of: ({ heapKiB }) => heapKiB!,
        isOurs: true
      }
    ]
  })

const history = (sizes: ReadonlyArray<number>, rounds: number): Comparison =>
  growing({
    what: "items in memory",
    sizes,
    rounds,
    commandOf: (items) => ({ script: child("history"), args: [items, 50].map(String) }),
    readings: [
      { what: "fold of the events of one", unit: "µs CPU", of: ({ foldMs }) => foldMs! * 1000, isOurs: true },
      { what: "fold of one of a stored thread", unit: "µs CPU", of: ({ storedMs }) => storedMs! * 1000, isOurs: true },
      { what: "report of one", unit: "µs CPU", of: ({ reportMs }) => reportMs! * 1000, isOurs: true }
    ]
  })

const storedItems = (sizes: ReadonlyArray<number>): Comparison =>
  growing({
    what: "items of a stored thread",
    sizes,
    rounds: 1,
    commandOf: (items) => ({ script: child("longThread"), args: [String(items)], limitMs }),
    runOnce: runStaged,
    readings: [
      { what: "each, read in pages of 100", unit: "µs", of: ({ ms }) => ms * 1000 },
      { what: "CPU of the client for each in pages", unit: "µs CPU", of: ({ cpuMs }) => cpuMs * 1000, isOurs: true },
      { what: "CPU of codex for each in pages", unit: "µs CPU", of: ({ codexCpuMs }) => codexCpuMs! * 1000 },
      { what: "each, read at once and folded", unit: "µs", of: ({ wholeMs }) => wholeMs! * 1000 },
      {
        what: "CPU of the client for each at once",
        unit: "µs CPU",
        of: ({ wholeCpuMs }) => wholeCpuMs! * 1000,
        isOurs: true
      }
    ]
  })

const storedThreads = (sizes: ReadonlyArray<number>): Comparison =>
  growing({
    what: "stored threads",
    sizes,
    rounds: 1,
    commandOf: (threads) => ({ script: child("stored"), args: [String(threads)], limitMs }),
    runOnce: runStaged,
    readings: [
      { what: "list one that codex has not seen before", unit: "ms", of: ({ foundMs }) => foundMs! },
      { what: "list one of codex's database", unit: "ms", of: ({ ms }) => ms },
      {
        what: "CPU of the client for one of the database",
        unit: "µs CPU",
        of: ({ cpuMs }) => cpuMs * 1000,
        isOurs: true
      },
      { what: "CPU of codex for one of the database", unit: "µs CPU", of: ({ codexCpuMs }) => codexCpuMs! * 1000 },
      { what: "resume one", unit: "ms", of: ({ resumeMs }) => resumeMs!, isOnce: true }
    ]
  })

const onAFeeder = (quick: boolean, rounds: number): ReadonlyArray<Comparison> => {
  const messages = quick ? 20_000 : 100_000
  const steps: Array<readonly [string, Workload]> = []
  for (const turns of quick ? [1, 64] : [1, 4, 16, 64, 256, 1024, 4096]) {
    steps.push([`${turns} turns of as many threads`, { kind: "mix", messages, turns }])
  }
  for (const n of quick ? [] : [25_000, 100_000, 400_000]) {
    steps.push([`${n.toLocaleString("en")} messages of one turn`, { kind: "deltas", messages: n, turns: 1 }])
  }
  for (const kib of quick ? [] : [1, 16, 256]) {
    steps.push([`items of ${kib} KiB`, { kind: "outputs", messages: 32_768 / kib, turns: 1, itemBytes: kib * 1024 }])
  }
  return steps.map(([name, workload]) => perMessage(name, workload, rounds))
}

export const growth: Part = {
  name: "growth",
  comparisons: ({ quick, rounds }: Settings) => {
    const few = Math.min(rounds, 3)
    const tenfold = [10, 100, 1000, 10_000, 100_000]
    return [
      ...onAFeeder(quick, few),
      turnsAtOnce(quick ? [16, 64] : [1, 4, 16, 64, 256, 1024, 4096], few),
      history(quick ? [1000, 10_000] : tenfold, few),
      ...quick ? [] : [storedItems(tenfold), storedThreads(tenfold.slice(0, -1))]
    ]
  }
}
