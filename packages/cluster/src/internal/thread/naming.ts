/** Names threads, beside their turns: codex takes long to store the names of many threads, and a name is for lists. */
import * as Codex from "@effect-codex/client/Codex"
import type * as Thread from "@effect-codex/client/Thread"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"

export interface Naming {
  /** Names a new thread once its first turn has ended and is stored. */
  readonly afterTurn: (thread: Thread.Thread, name: string, stored: Effect.Effect<void>) => Effect.Effect<void>
  /** Names the thread if it has no name here: it has come from another machine, or from one that was lost. */
  readonly ifUnnamed: (thread: Thread.Thread, name: string) => Effect.Effect<void>
}

/** Names one thread of this machine after another. */
export const make = Effect.map(Codex.Codex, (codex): Naming => {
  const turn = Semaphore.makeUnsafe(1)
  const quietly = (effect: Effect.Effect<unknown, { readonly message: string }>) =>
    effect.pipe(
      turn.withPermit,
      Effect.retry({ schedule: Schedule.exponential("500 millis"), times: 5 }),
      Effect.catch(({ message }) => Effect.logDebug(`a thread has no name: ${message}`)),
      Effect.asVoid
    )
  return {
    afterTurn: (thread, name, stored) =>
      thread.events.pipe(
        Stream.filter(({ _tag }) => _tag === "turn/completed"),
        Stream.runHead,
        Effect.andThen(stored),
        Effect.andThen(quietly(thread.setName(name))),
        Effect.ignore
      ),
    ifUnnamed: (thread, name) =>
      quietly(Effect.flatMap(
        codex.readThread(thread.id),
        (read) => read.name === null ? thread.setName(name) : Effect.void
      ))
  }
})
