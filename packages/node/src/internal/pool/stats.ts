/** What the processes of a pool do and use. */
import * as Metrics from "@effect-codex/client/Metrics"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { ProcessStats, Stats } from "../../CodexPool.ts"
import * as ProcessDescriptors from "../processDescriptors.ts"
import type { Slot } from "./slot.ts"
import type { Slots } from "./slots.ts"

const note = ({ active, index, loaded }: ProcessStats): Effect.Effect<void> => {
  const threads = Metric.withAttributes(Metrics.poolThreads, { process: String(index) })
  return Effect.andThen(
    Metric.update(Metric.withAttributes(threads, { kind: "loaded" }), loaded),
    Metric.update(Metric.withAttributes(threads, { kind: "active" }), active)
  )
}

const ofProcess = (slot: Slot): Effect.Effect<ProcessStats, never, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    const { index, isDraining, load, placed, rpc: { restarts }, server: { pid }, state } = slot
    const told = {
      index,
      pid,
      state: state === "up" && isDraining ? "draining" : state,
      ...load,
      placed,
      age: Duration.millis(slot.age),
      restarts
    } as const
    return Effect.map(
      Effect.all([ProcessDescriptors.read(pid), ProcessDescriptors.residentMemory(pid)]),
      ([descriptors, memory]): ProcessStats => ({
        ...told,
        descriptors: Option.fromNullishOr(descriptors),
        residentMemory: Option.fromNullishOr(memory)
      })
    )
  })

export const make = (
  slots: Slots,
  sparePid: (() => number | undefined) | undefined
): Effect.Effect<Effect.Effect<Stats>, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) =>
    Effect.forEach(slots.all, (slot) => Effect.tap(ofProcess(slot), note)).pipe(
      Effect.map((processes): Stats => ({ processes, sparePid: Option.fromNullishOr(sparePid?.()) })),
      Effect.provideService(FileSystem.FileSystem, fs)
    ))
