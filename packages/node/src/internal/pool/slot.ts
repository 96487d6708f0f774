/** One place of a pool: a supervised client, whose process may be replaced, and what the pool knows about it. */
import * as AppServer from "@effect-codex/client/AppServer"
import * as AppServerRpc from "@effect-codex/client/AppServerRpc"
import * as Codex from "@effect-codex/client/Codex"
import type { ConnectionError } from "@effect-codex/client/CodexError"
import * as Monotonic from "@effect-codex/client/internal/monotonic"
import { internalsOf, type Rpc } from "@effect-codex/client/internal/rpcInternals"
import * as LoadedThreads from "@effect-codex/client/internal/turns/loadedThreads"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"

export type Services = Codex.Codex | AppServerRpc.AppServerRpc | AppServer.AppServer

export interface Load {
  /** How many threads the process has loaded. */
  readonly loaded: number
  /** How many of them run something, or are about to be loaded. */
  readonly active: number
}

export class Slot {
  readonly index: number
  readonly codex: Codex.Codex["Service"]
  readonly rpc: Rpc
  readonly server: AppServer.AppServer["Service"]
  readonly threads: LoadedThreads.LoadedThreads
  /** Opens when a thread was placed here, because the process may have had enough of them. */
  readonly changed = Latch.makeUnsafe(false)
  /** Open unless another process is being started here. */
  readonly settled = Latch.makeUnsafe(true)
  /** How many threads were placed on this process. */
  placed = 0
  /** The process is to be replaced: nothing more is placed on it while there is another. */
  isDraining = false
  state: "up" | "restoring" | "ended" = "up"
  private placing = 0
  private since: number
  private readonly clock: Clock.Clock

  private constructor(index: number, services: Context.Context<Services>, clock: Clock.Clock) {
    this.index = index
    this.clock = clock
    this.codex = Context.get(services, Codex.Codex)
    this.rpc = Context.get(services, AppServerRpc.AppServerRpc)
    this.server = Context.get(services, AppServer.AppServer)
    this.threads = LoadedThreads.of(this.rpc)
    this.since = Monotonic.millis(clock)
  }

  static readonly make = Effect.fnUntraced(function*(
    index: number,
    services: Context.Context<Services>
  ): Effect.fn.Return<Slot, never, Scope.Scope> {
    const slot = new Slot(index, services, yield* Clock.Clock)
    yield* internalsOf(slot.rpc).observe(undefined, {
      onNotification: () => {},
      onReadEnd: () => {},
      onEnd: () => {
        slot.state = "ended"
        slot.settled.openUnsafe()
      },
      onLost: () => {
        slot.state = "restoring"
        slot.settled.closeUnsafe()
      },
      onRestored: () => slot.begin()
    })
    return slot
  })

  private begin(): void {
    this.state = "up"
    this.isDraining = false
    this.placed = 0
    this.since = Monotonic.millis(this.clock)
    this.settled.openUnsafe()
  }

  /** How long the process has run, in milliseconds. */
  get age(): number {
    return Monotonic.millis(this.clock) - this.since
  }

  get load(): Load {
    const { loaded, opening, running } = this.threads.count
    return { loaded, active: running + Math.max(opening, this.placing) }
  }

  /** Opens a thread here: it counts from this moment on, even before the process knows of it. */
  open<A, E, R>(open: (slot: Slot) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.placing++
      return Effect.ensuring(
        Effect.annotateSpans(open(this), "codex.pool.process", this.index),
        Effect.sync(() => {
          this.placing--
        })
      )
    })
  }

  /** Counts a thread that was placed here. */
  onPlaced(): void {
    this.placed++
    this.changed.openUnsafe()
  }

  /** Nothing runs in the process, and it has nothing loaded that would be lost. */
  get isQuiet(): boolean {
    return this.placing === 0 && this.threads.isEmpty && internalsOf(this.rpc).traffic().waiting === 0
  }

  /** Gives the process up; the supervision starts another in its place. */
  replace(cause: ConnectionError): void {
    internalsOf(this.rpc).abandon(cause)
  }
}
