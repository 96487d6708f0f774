/** The goals of a thread, on any connection. */
import type { AppServerRpc } from "@effect-codex/client"
import { kindOf } from "@effect-codex/test-support/kindOf"
import { Duration, Effect, type Scope, Semaphore } from "effect"
import * as TurnHandle from "../../src/internal/handles/turnHandle.ts"
import * as Goal from "../../src/internal/turns/goal.ts"
import * as InputItems from "../../src/internal/turns/inputItems.ts"
import * as ThreadRoute from "../../src/internal/turns/threadRoute.ts"

const stopGrace = Duration.seconds(10)
const toWire = InputItems.make(undefined)

export const goalsOf = Effect.fnUntraced(function*(rpc: AppServerRpc.AppServerRpc["Service"], threadId: string) {
  const turns = yield* ThreadRoute.make(rpc, stopGrace)
  return Goal.make(rpc, threadId, {
    stopGrace,
    limits: turns.limits,
    exclusively: Semaphore.makeUnsafe(1).withPermit,
    toWire,
    handle: (state, interrupt) => TurnHandle.make(rpc, { ...turns, interrupt: () => interrupt }, state, toWire)
  })
})

export const tagOf = (effect: Effect.Effect<unknown, { readonly _tag: string }, Scope.Scope>) =>
  Effect.map(Effect.flip(effect), kindOf)
