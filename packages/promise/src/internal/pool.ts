/** The pool of a client that has one. */
import { InvalidArgument } from "@effect-codex/client/CodexError"
import * as CodexPool from "@effect-codex/node/CodexPool"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PoolStats } from "../Pool.ts"

const missing = new InvalidArgument({ argument: "pool", detail: "this client has one process. Start it with `pool`." })

const existing = Effect.flatMap(
  Effect.serviceOption(CodexPool.CodexPool),
  Option.match({ onNone: () => Effect.fail(missing), onSome: Effect.succeed })
)

export const stats: Effect.Effect<PoolStats, InvalidArgument> = existing.pipe(
  Effect.flatMap((pool) => pool.stats),
  Effect.map(({ processes, sparePid }) => ({
    processes: processes.map(({ age, descriptors, residentMemory, ...process }) => ({
      ...process,
      age: Duration.toMillis(age),
      descriptors: Option.getOrUndefined(descriptors),
      residentMemory: Option.getOrUndefined(residentMemory)
    })),
    sparePid: Option.getOrUndefined(sparePid)
  }))
)

export const recycle: Effect.Effect<void, InvalidArgument> = Effect.flatMap(existing, (pool) => pool.recycle)
