/** Which attempt at a turn this is, and what became of the ones before. */
import type * as Thread from "@effect-codex/client/Thread"
import type * as TurnResult from "@effect-codex/client/TurnResult"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BegunTurn, SessionStore } from "../../SessionStore.ts"
import * as Failure from "./failure.ts"
import * as Patience from "./patience.ts"

export interface Attempt {
  /** The id of the message of this attempt. */
  readonly messageId: string
  /** Who began the attempt before. None if this is the first. */
  readonly before: Option.Option<BegunTurn>
  /** What the thread has of the attempts before: of the last one that left something. */
  readonly found: Option.Option<TurnResult.TurnResult>
}

/** `#` parts the key of a turn from the number of its attempt, so a key must not have one. */
const idOf = (turnKey: string, attempt: number) => attempt === 0 ? turnKey : `${turnKey}#${attempt}`

/** Begins it once, although the store may have begun it and only its answer was lost. */
const beginOnce = Effect.fnUntraced(function*(
  store: SessionStore["Service"],
  ...[key, turnKey, runner]: Parameters<SessionStore["Service"]["begin"]>
): Effect.fn.Return<BegunTurn> {
  const since = (yield* DateTime.now).epochMilliseconds
  let isRepeated = false
  const begun = yield* store.begin(key, turnKey, runner).pipe(
    Effect.tapError(() => Effect.sync(() => (isRepeated = true))),
    Patience.untilStored
  )
  const isOurs = isRepeated && begun.runner === runner && begun.at.epochMilliseconds >= since
  return isOurs ? { ...begun, isFirst: true } : begun
})

/**
 * Begins an attempt at the turn. The store has each attempt under a key of its own, so the number of the next one need
 * not be searched in the history.
 */
export const begin = Effect.fnUntraced(function*(
  store: SessionStore["Service"],
  thread: Thread.Thread,
  turn: { readonly key: string; readonly turnKey: string; readonly runner: string; readonly maxAttempts: number }
): Effect.fn.Return<Attempt, Failure.Failure> {
  let before: Option.Option<BegunTurn> = Option.none()
  let attempt = 0
  for (;; attempt++) {
    const begun = yield* beginOnce(store, turn.key, idOf(turn.turnKey, attempt), turn.runner)
    if (begun.isFirst) break
    before = Option.some(begun)
  }
  let found: Option.Option<TurnResult.TurnResult> = Option.none()
  for (let earlier = attempt - 1; earlier >= 0 && Option.isNone(found); earlier--) {
    found = yield* Effect.mapError(thread.findTurn(idOf(turn.turnKey, earlier)), Failure.ofCodex)
  }
  const isOver = Option.isSome(found) && (found.value.status === "completed" || found.value.status === "failed")
  if (Option.isSome(before) && !isOver && attempt >= turn.maxAttempts) {
    const detail = `it was begun ${attempt} times, and each time its machine was lost.`
    return yield* Effect.fail<Failure.Failure>({ _tag: "Unknown", begun: before.value, detail })
  }
  return { messageId: idOf(turn.turnKey, attempt), before, found }
})
