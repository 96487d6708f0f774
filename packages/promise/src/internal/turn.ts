import * as OptionKinds from "@effect-codex/client/internal/options"
import type * as Client from "@effect-codex/client/Turn"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Turn } from "../Turn.ts"
import type { Host, Services } from "./host.ts"
import { readable } from "./readable.ts"
import * as results from "./results.ts"
import * as Subagent from "./subagent.ts"
import { withoutSignal } from "./withoutSignal.ts"

/** Starts something scoped and resolves with its handle, which can close the scope. */
export const acquire = <A, B>(
  host: Host,
  start: Effect.Effect<A, unknown, Services | Scope.Scope>,
  toHandle: (started: A, close: () => Promise<void>) => B,
  signal: AbortSignal | undefined
): Promise<B> =>
  host.run(
    Effect.suspend(() => {
      let scope: Scope.Closeable | undefined
      return Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const opened = scope = yield* host.scope
          const started = yield* restore(Scope.provide(start, opened))
          let closing: Promise<void> | undefined
          return toHandle(started, () => closing ??= host.closeScope(opened))
        })
      ).pipe(
        // Also covers a signal that aborts after the start, when nobody receives the handle.
        Effect.onError(() => scope === undefined ? Effect.void : Scope.close(scope, Exit.void))
      )
    }),
    signal
  )

/** Lets the signal close a handle until `ended` completes, then closes the handle and drops the listener. */
export const closeWithSignal = (
  host: Host,
  ended: Effect.Effect<unknown, unknown>,
  close: () => Promise<void>,
  signal: AbortSignal | undefined
): void => {
  const onAbort = () => void close()
  signal?.addEventListener("abort", onAbort, { once: true })
  host.inBackground(
    Effect.andThen(
      Effect.exit(ended),
      Effect.promise(() => {
        signal?.removeEventListener("abort", onAbort)
        return close()
      })
    )
  )
}

/** The handle of a turn, which closes when the turn has ended. */
export const closing = (
  host: Host,
  turn: Client.Turn,
  close: () => Promise<void>,
  signal: AbortSignal | undefined
): Turn => {
  let isWatched = false
  // Whoever reads of the subagents may read on when the turn has ended.
  const ended = Effect.andThen(
    Effect.exit(turn.result),
    Effect.suspend(() => isWatched ? Stream.runDrain(turn.subagentTree) : Effect.void)
  )
  closeWithSignal(host, ended, close, signal)
  const watched = <A, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E> =>
    Stream.suspend(() => {
      isWatched = true
      return stream
    })
  return make(host, turn, watched, close)
}

export const startTurn = (
  host: Host,
  start: Effect.Effect<Client.Turn, unknown, Services | Scope.Scope>,
  signal?: AbortSignal
): Promise<Turn> => acquire(host, start, (turn, close) => closing(host, turn, close, signal), signal)

const make = (
  host: Host,
  turn: Client.Turn,
  watched: <A, E>(stream: Stream.Stream<A, E>) => Stream.Stream<A, E>,
  close: () => Promise<void>
): Turn => ({
  id: turn.id,
  threadId: turn.threadId,
  events: readable(host, turn.events),
  messages: readable(host, turn.messages),
  text: readable(host, turn.text),
  reasoning: readable(host, turn.reasoning),
  items: readable(host, turn.items),
  plan: readable(host, turn.plan),
  proposedPlan: readable(host, turn.proposedPlan),
  diff: readable(host, turn.diff),
  usage: readable(host, turn.usage),
  subagents: readable(host, Stream.map(watched(turn.subagents), (subagent) => Subagent.make(host, subagent))),
  subagentTree: readable(host, Stream.map(watched(turn.subagentTree), (tree) => tree.map(results.subagentNode))),
  result: (options) => host.run(Effect.map(turn.result, results.turnResult), options?.signal),
  partialResult: () => host.run(Effect.map(turn.partialResult, results.turnResult)),
  updateSettings: (options) => {
    const { signal, ...given } = { ...options }
    return host.run(
      Effect.andThen(
        OptionKinds.checkArgument("options", options, OptionKinds.record),
        turn.updateSettings(given)
      ),
      signal
    )
  },
  steer: (input, options) =>
    host.run(Effect.flatMap(withoutSignal(options), (given) => turn.steer(input, given)), options?.signal),
  interrupt: (options) => host.run(turn.interrupt, options?.signal),
  interruptWithTerminals: (options) => host.run(turn.interruptWithTerminals, options?.signal),
  close,
  [Symbol.asyncDispose]: close
})
