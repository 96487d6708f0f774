/** Replaces the processes of a pool that hang, and those that have run for long. */
import { TransportError } from "@effect-codex/client/CodexError"
import { internalsOf } from "@effect-codex/client/internal/rpcInternals"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
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

/**
 * Replaces the process once nothing runs in it and nothing would be lost. Returns whether there is one in its place,
 * for which it waits as long as it takes.
 *
 * @param patience how long to wait until it is quiet
 */
const recycle = (slot: Slot, why: string, patience: Duration.Duration): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { pid } = slot.server
    const attempt = Effect.map(slot.threads.letGoOfAll, () => {
      // It may have ended by itself meanwhile.
      if (slot.state !== "up" || slot.server.pid !== pid) return true
      if (!slot.isQuiet) return false
      slot.replace(new TransportError({ reason: "replaced", detail: `process ${pid} ${why}.` }))
      return true
    })
    if (slot.state === "up") slot.isDraining = true
    return Effect.repeat(attempt, { schedule: Schedule.spaced(lookEvery), until: (isDone) => isDone }).pipe(
      // Whoever waited for it has given up, so it goes on as before.
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          slot.isDraining = false
        })
      ),
      Effect.timeoutOption(patience),
      Effect.andThen(slot.settled.await),
      Effect.map(() => slot.state === "up")
    )
  })

/** How long a process that is never quiet may keep the next one waiting, and goes without new threads. */
const turn = Duration.minutes(10)

/**
 * Replaces processes in turns: if all drained at once, new threads would have to go to them, and none would be quiet.
 */
export class Recycling {
  private readonly turns: Semaphore.Semaphore

  constructor(processes: number) {
    this.turns = Semaphore.makeUnsafe(Math.max(1, Math.floor(processes / 2)))
  }

  /** Replaces all, one after the other, unless one does not come back: a new codex may not start at all. */
  readonly all = Effect.fnUntraced({ self: this }, function*(slots: ReadonlyArray<Slot>): Effect.fn.Return<void> {
    for (const slot of slots) {
      if (slot.state === "ended") continue
      if (yield* this.turns.withPermit(recycle(slot, "was asked to go", Duration.infinity))) continue
      return yield* Effect.logWarning(
        `The other processes of the pool are kept: none could be started in place ${slot.index}.`
      )
    }
  })

  /** Replaces the process whenever it has had enough, for ever. */
  readonly whenDue = (slot: Slot, limits: Limits): Effect.Effect<never> =>
    Effect.suspend(() => {
      const why = slot.state === "up" ? reasonOf(slot, limits) : undefined
      if (why !== undefined) return this.turns.withPermit(recycle(slot, why, turn))
      slot.changed.closeUnsafe()
      const left = limits.age === undefined
        ? Duration.infinity
        : Duration.subtract(limits.age, Duration.millis(slot.age))
      return Duration.isFinite(left)
        ? Effect.raceFirst(slot.changed.await, Effect.sleep(Duration.max(left, lookEvery)))
        : slot.changed.await
    }).pipe(Effect.forever)
}

const reasonOf = (slot: Slot, { age, threads }: Limits): string | undefined => {
  if (threads !== undefined && slot.placed >= threads) return `has had ${slot.placed} threads`
  if (age !== undefined && slot.age >= Duration.toMillis(age)) return `has run for ${Duration.format(age)}`
  return undefined
}

// =============================================================================
// Hanging
// =============================================================================

/** If this program was held up itself, what the process has said meanwhile is not read yet: that counts as one step. */
const steps = 10

const whileAlive = (limit: Duration.Duration): Effect.Effect<void> =>
  Effect.sleep(Duration.divideUnsafe(limit, steps)).pipe(Effect.repeat(Schedule.recurs(steps - 1)), Effect.asVoid)

/** Whether the process neither answers nor says anything else within the time. A busy one does say something. */
const isSilent = (slot: Slot, limit: Duration.Duration): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { outOfTurn, traffic } = internalsOf(slot.rpc)
    const { pid } = slot.server
    const { reads } = traffic()
    const answer = Effect.exit(
      outOfTurn(slot.rpc.request("thread/loaded/list", { limit: 1 }, { timeout: Duration.infinity }))
    )
    return Effect.raceFirst(Effect.as(answer, false), Effect.as(whileAlive(limit), true)).pipe(
      Effect.map((waited) => waited && slot.state === "up" && slot.server.pid === pid && traffic().reads === reads)
    )
  })

/** Gives up a process that is silent for so long, for ever. */
export const watch = (slot: Slot, limit: Duration.Duration): Effect.Effect<never> =>
  Effect.map(isSilent(slot, limit), (silent) => {
    if (!silent) return
    const waited = Duration.format(limit)
    const detail = `process ${slot.server.pid} has neither answered nor said anything for ${waited}. It is ended.`
    slot.replace(new TransportError({ reason: "read", detail }))
  }).pipe(
    Effect.repeat(Schedule.spaced(Duration.divideUnsafe(limit, 3))),
    Effect.andThen(Effect.never)
  )
