/** Builds the processes of a pool, and the services that stand for all of them. */
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Auth from "@effect-codex/client/Auth"
import * as Codex from "@effect-codex/client/Codex"
import { AppServerStartError } from "@effect-codex/client/CodexError"
import * as Launch from "@effect-codex/client/internal/launch"
import * as OptionKinds from "@effect-codex/client/internal/options"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Os from "node:os"
import { CodexPool, type Options } from "../../CodexPool.ts"
import * as DirectPipes from "../directPipes.ts"
import * as NodeClient from "../nodeClient.ts"
import * as PoolCodex from "./codex.ts"
import * as PoolRpc from "./rpc.ts"
import { Slot } from "./slot.ts"
import { Slots } from "./slots.ts"
import * as Spare from "./spare.ts"
import * as Stats from "./stats.ts"
import * as Upkeep from "./upkeep.ts"

/** One process uses more than a core, so that more of them gain little: docs/scaling.md. */
const mostByDefault = 4

/** Without a limit, the threads are counted all the same: the load decides where the next one goes. */
const noLimit = Number.MAX_SAFE_INTEGER

/** At once when a spare process waits, and seldom when none can be started. */
const forEver: AppServerRpc.RestartSchedule = Schedule.min([
  Schedule.exponential("5 millis", 3),
  Schedule.spaced("30 seconds")
])

const kinds: OptionKinds.Kinds = {
  hangTimeout: OptionKinds.time,
  maxLoadedThreads: OptionKinds.count,
  processes: OptionKinds.count,
  recycleAfter: OptionKinds.record,
  spare: OptionKinds.flag
}

const ofRecycling: OptionKinds.Kinds = { age: OptionKinds.time, threads: OptionKinds.count }

const check = (options: Options): Effect.Effect<void, AppServerStartError> =>
  Effect.andThen(
    OptionKinds.check(options, kinds),
    OptionKinds.check(options.recycleAfter, ofRecycling)
  ).pipe(
    Effect.mapError((cause) =>
      new AppServerStartError({
        phase: "spawn",
        executable: options.executable ?? "codex",
        detail: cause.message,
        option: cause.argument,
        stderr: [],
        cause
      })
    )
  )

/** @param amend changes the options of each thread that is started. */
export const make = Effect.fnUntraced(function*(options: Options, amend?: PoolCodex.Amend) {
  yield* check(options)
  const { hangTimeout, maxLoadedThreads, processes, recycleAfter, restart = forEver, spare, ...client } = options
  const given = { ...client, maxLoadedThreads: maxLoadedThreads ?? noLimit }
  const process = NodeClient.processOf(given, DirectPipes.spawn)
  const greeting = Launch.initialize(Launch.clientInfo(given.clientInfo), Launch.capabilities(given))
  const next = spare === true ? yield* Spare.make(process, greeting) : undefined
  const start = (index: number) =>
    Effect.flatMap(
      Layer.build(Layer.fresh(NodeClient.supervised(given, restart, next?.layer ?? process))),
      (services) => Slot.make(index, services)
    )

  // The first one alone prepares a home that is new, which the others would find locked.
  const first = yield* start(0)
  const count = processes ?? Math.min(mostByDefault, Os.availableParallelism())
  const others = yield* Effect.forEach(
    Array.from({ length: count - 1 }, (_, i) => i + 1),
    start,
    { concurrency: "unbounded" }
  )
  const slots = new Slots([first, ...others])

  const limits = {
    age: recycleAfter?.age === undefined ? undefined : Duration.fromInputUnsafe(recycleAfter.age),
    threads: recycleAfter?.threads
  }
  const limit = Duration.fromInputUnsafe(hangTimeout ?? "30 seconds")
  const recycling = new Upkeep.Recycling(slots.all.length)
  for (const slot of slots.all) {
    if (recycleAfter !== undefined) yield* Effect.forkScoped(recycling.whenDue(slot, limits))
    if (Duration.isFinite(limit)) yield* Effect.forkScoped(Upkeep.watch(slot, limit))
  }

  const rpc = PoolRpc.make(slots)
  const auth = yield* Effect.provideService(Auth.make, AppServerRpc.AppServerRpc, rpc)
  return Context.make(Codex.Codex, PoolCodex.make(slots, amend)).pipe(
    Context.add(Auth.Auth, auth),
    Context.add(AppServerRpc.AppServerRpc, rpc),
    Context.add(
      CodexPool,
      CodexPool.of({
        stats: yield* Stats.make(slots, next?.pid),
        recycle: recycling.all(slots.all)
      })
    )
  )
})
