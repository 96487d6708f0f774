/** The places of a pool, and which of them has a thread. */
import type { CodexError } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Placement from "./placement.ts"
import type { Slot } from "./slot.ts"

/**
 * A thread that is loaded nowhere stays where it was last, because a handle may load it there again. Only the latest
 * are remembered, so that nothing grows. codex itself refuses a second writer.
 */
const maxRemembered = 10_000

export class Slots {
  readonly all: readonly [Slot, ...ReadonlyArray<Slot>]
  private readonly last = new Map<string, Slot>()

  constructor(all: readonly [Slot, ...ReadonlyArray<Slot>]) {
    this.all = all
  }

  /** What concerns no thread is asked of this one, so that what was begun there is also ended there. */
  get first(): Slot {
    return this.working[0] ?? this.all[0]
  }

  /** Those that have a process, or will have one again. */
  get working(): ReadonlyArray<Slot> {
    return this.all.filter(({ state }) => state !== "ended")
  }

  /** Whether another place has become the first because this one has ended. */
  isFollowed(slot: Slot): boolean {
    return this.working.length > 0 && slot.index < this.first.index
  }

  get leastBusy(): Slot {
    return Placement.leastBusy(this.all)
  }

  /** The place that has the thread loaded, or had it last. */
  ownerOf(threadId: string): Slot | undefined {
    const owner = this.placeOf(threadId)
    return owner?.state === "ended" ? undefined : owner
  }

  /** The same, also when it has ended. */
  placeOf(threadId: string): Slot | undefined {
    return this.loadedIn(threadId) ?? this.last.get(threadId)
  }

  /** The place that has the thread loaded, as far as is known. */
  loadedIn(threadId: string): Slot | undefined {
    return this.all.find(({ threads }) => threads.has(threadId))
  }

  private belongs(threadId: string, slot: Slot): void {
    this.last.delete(threadId)
    this.last.set(threadId, slot)
    for (const oldest of this.last.keys()) {
      if (this.last.size <= maxRemembered) return
      this.last.delete(oldest)
    }
  }

  /** Opens a new thread in the process with the least to do. */
  readonly place = <A extends { readonly id: string }, E, R>(
    open: (slot: Slot) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> => Effect.suspend(() => this.openIn(this.leastBusy, open))

  /**
   * Asks the process that has the thread, or had it last, else the one with the least to do. Another one may have it
   * loaded without the pool's knowledge, for example as a subagent: that one answers when the first says so.
   */
  readonly ask = <A, E extends CodexError, R>(
    threadId: string,
    call: (slot: Slot) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const chosen = this.ownerOf(threadId) ?? this.leastBusy
      return this.all.reduce(
        (asked, slot) =>
          slot === chosen ? asked : Effect.catchIf(
            asked,
            (error) => error._tag === "ThreadInUse" && slot.state === "up",
            () => call(slot)
          ),
        call(chosen)
      )
    })

  /** Opens a stored thread in the process that {@link ask} finds. */
  readonly placeKnown = <A extends { readonly id: string }, E extends CodexError, R>(
    threadId: string,
    open: (slot: Slot) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> => this.ask(threadId, (slot) => this.openIn(slot, open))

  private openIn<A extends { readonly id: string }, E, R>(
    slot: Slot,
    open: (slot: Slot) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.tap(slot.open(open), ({ id }) =>
      Effect.sync(() => {
        this.belongs(id, slot)
        slot.onPlaced()
      }))
  }
}
