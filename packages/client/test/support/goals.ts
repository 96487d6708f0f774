/** The goals of a thread, on any connection. */
import type { AppServerRpc } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { Duration, Effect, type Scope, Semaphore } from "effect"
import * as ThreadGoals from "../../src/internal/handles/threadGoals.ts"
import * as InputItems from "../../src/internal/turns/inputItems.ts"
import * as Turns from "../../src/internal/turns/turns.ts"

const stopGrace = Duration.seconds(10)
const toWire = InputItems.make(undefined)

/** Replaces the gate of the thread's route: with the route, one more observer would watch the thread. */
export const makeTurns = Effect.fnUntraced(function*(rpc: AppServerRpc.AppServerRpc["Service"]) {
  const turns = yield* Turns.make(rpc, stopGrace)
  const gate = Semaphore.makeUnsafe(1)
  return { ...turns, threads: { ...turns.threads, exclusively: () => gate.withPermit } }
})

export const goalsOf = (turns: Turns.Turns, threadId: string) =>
  ThreadGoals.make({
    turns,
    threadId,
    toWire,
    handlers: undefined,
    spending: () => Effect.succeed({ budgets: [], price: () => undefined }),
    stallTimeout: undefined,
    ready: Effect.void,
    refuse: undefined,
    restore: () => {}
  })

export const tagOf = (effect: Effect.Effect<unknown, { readonly _tag: string }, Scope.Scope>) =>
  Effect.map(Effect.flip(effect), kindOf)
