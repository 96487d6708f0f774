/** A codex that kills its process at the points of a thread's start. */
import { Codex, type Thread } from "@effect-codex/client"
import { Effect, Layer } from "effect"
import { make, type Start } from "./crash.ts"

export const fragileThread = (thread: Thread.Thread, here: (crash: Start) => Effect.Effect<void>): Thread.Thread => ({
  ...thread,
  turn: (...call) =>
    Effect.andThen(here("before the first turn of the thread"), thread.turn(...call)).pipe(
      Effect.tap(() => here("once codex has begun the first turn"))
    ),
  setName: (name) => Effect.andThen(here("before the thread is named"), thread.setName(name))
})

export const layer = (file: string): Layer.Layer<Codex.Codex, never, Codex.Codex> =>
  Layer.effect(
    Codex.Codex,
    Effect.map(Codex.Codex, (codex) => {
      const { here } = make<Start>(file)
      const fragile = Effect.map((thread: Thread.Thread) => fragileThread(thread, here))
      return Codex.Codex.of({
        ...codex,
        startThread: (options) =>
          Effect.tap(fragile(codex.startThread(options)), () => here("before the key has its thread")),
        resumeThread: (id, options) => fragile(codex.resumeThread(id, options))
      })
    })
  )
