/** Replaces the processes of a pool that hang, and those that have run for long. */
import { TransportError } from "@effect-codex/client/CodexError"
import { internalsOf } from "@effect-codex/client/internal/rpcInternals"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Slot } from "./slot.ts"

/** When a process has had enough. What is undefined is no reason. */
export interface Limits {
  readonly age: Duration.Duration | undefined
  readonly threads: number | undefined
}

/** How often a process that is draining is looked at. */
const lookEvery = Duration.seconds(1)

// =============================================================================
// Recycling
// =============================================================================

/** Replaces the process once nothing runs in it and nothing would be lost. Returns when it was given up. */
export const recycle = (slot: Slot, why: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { pid } = slot.server
    slot.isDraining = true
    const attempt = Effect.map(slot.threads.letGoOfAll, () => {
      // It may have ended by itself meanwhile.
      if (slot.state !== "up" || slot.server.pid !== pid) return true
      if (!slot.isQuiet) return false
      slot.replace(new TransportError({ reason: "replaced", detail: `process ${pid} ${why}.` }))
      return true
    })
    return Effect.asVoid(
      Effect.repeat(attempt, { schedule: Schedule.spaced(lookEvery), until: (isDone) => isDone })
    )
  })

const reasonOf = (slot: Slot, { age, threads }: Limits): string | undefined => {
  if (threads !== undefined && slot.placed >= threads) return `has had ${slot.placed} threads`
  if (age !== undefined && slot.age >= Duration.toMillis(age)) return `has run for ${Duration.format(age)}`
  return undefined
}

/** Recycles the process whenever it has had enough, for ever. */
export const recycleWhenDue = (slot: Slot, limits: Limits): Effect.Effect<never> =>
  Effect.suspend(() => {
    const why = slot.state === "up" ? reasonOf(slot, limits) : undefined
    if (why !== undefined) return recycle(slot, why)
    slot.changed.closeUnsafe()
    const left = limits.age === undefined ? Duration.infinity : Duration.subtract(limits.age, Duration.millis(slot.age))
    return Duration.isFinite(left)
      ? Effect.raceFirst(slot.changed.await, Effect.sleep(Duration.max(left, lookEvery)))
      : slot.changed.await
  }).pipe(Effect.forever)

// =============================================================================
// Hanging
// =============================================================================

/** Whether the process neither answers nor says anything else within the time. A busy one does say something. */
const isSilent = (slot: Slot, limit: Duration.Duration): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { traffic } = internalsOf(slot.rpc)
    const { pid } = slot.server
    const { reads } = traffic()
    return slot.rpc.request("thread/loaded/list", { limit: 1 }, { timeout: Duration.infinity }).pipe(
      Effect.exit,
      Effect.timeoutOption(limit),
      Effect.map((answer) =>
        Option.isNone(answer) && slot.state === "up" && slot.server.pid === pid && traffic().reads === reads
      )
    )
  })

/** Gives up a process that is silent for so long, for ever. */
export const watch = (slot: Slot, limit: Duration.Duration): Effect.Effect<never> =>
  Effect.map(isSilent(slot, limit), (silent) => {
    if (!silent) return
    const waited = Duration.format(limit)
    const detail = `process ${slot.server.pid} has neither answered nor said anything for ${waited}. It is ended.`
    slot.replace(new TransportError({ reason: "replaced", detail }))
  }).pipe(
    Effect.repeat(Schedule.spaced(Duration.divideUnsafe(limit, 3))),
    Effect.andThen(Effect.never)
  )
