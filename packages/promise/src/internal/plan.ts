import type * as Client from "@effect-codex/client/Plan"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Implementation } from "../Plan.ts"
import type { Thread } from "../Thread.ts"
import type { Host, Services } from "./host.ts"
import * as results from "./results.ts"
import * as Turn from "./turn.ts"

/** @param threadOf the handle on the thread that implements the plan. */
export const startImplementation = <A>(
  host: Host,
  start: Effect.Effect<Client.Implementation<A>, unknown, Services | Scope.Scope>,
  threadOf: (implementation: Client.Implementation<A>) => Thread,
  signal: AbortSignal | undefined
): Promise<Implementation<A>> =>
  Turn.acquire(host, start, (implementation, close) => {
    const { result } = implementation
    return {
      thread: threadOf(implementation),
      turn: Turn.closing(host, implementation.turn, close, signal),
      result: (options) => host.run(Effect.map(result, results.turnResult), options?.signal)
    }
  }, signal)
