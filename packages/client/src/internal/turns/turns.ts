/** What starting and stopping turns and goals have in common. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Rpc } from "../rpcInternals.ts"
import * as RateLimits from "./rateLimits.ts"
import * as Threads from "./threads.ts"

export interface Turns {
  readonly rpc: Rpc
  readonly threads: Threads.Threads
  /** How long to wait for an interrupted turn or goal to end before letting it go. */
  readonly stopGrace: Duration.Duration
  /** The account's rate limits. */
  readonly limits: () => RateLimits.Windows
  /** The layer's scope. A request continues here after its caller was interrupted. */
  readonly scope: Scope.Scope
  readonly isClosed: () => boolean
  readonly inBackground: (effect: Effect.Effect<void>) => void
}

export const make = Effect.fnUntraced(function*(
  rpc: Rpc,
  stopGrace: Duration.Duration
): Effect.fn.Return<Turns, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const inBackground = yield* FiberSet.makeRuntime<never, void>()
  const known = yield* RateLimits.follow(rpc)
  const threads = yield* Threads.make(rpc, inBackground)
  return {
    rpc,
    threads,
    stopGrace,
    limits: () => RateLimits.windowsOf(known.current()),
    scope,
    isClosed: () => scope.state._tag === "Closed",
    inBackground
  }
})
