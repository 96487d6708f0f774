/** A thread that its key can still lose: it becomes the key's for good once its history is stored. */
import type * as Thread from "@effect-codex/client/Thread"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Followed } from "../../CodexSession.ts"
import * as SessionStore from "../../SessionStore.ts"
import * as Patience from "./patience.ts"

/**
 * codex has written the prompt by then: docs/codex-behaviour.md, "A message is stored after the reply to its start
 * and before the model is asked".
 */
const isWritten = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "thread/tokenUsage/updated" || _tag === "turn/completed"

/**
 * Settles the key with its thread as soon as the store has the first lines, and at the latest with the flush at the end
 * of the turn. Until then, a machine that finds nothing of the thread may have replaced it: this one is fenced then, as
 * by lines of another machine.
 */
export const settling = Effect.fnUntraced(function*(
  store: SessionStore.SessionStore["Service"],
  key: string,
  thread: Thread.Thread,
  followed: Followed
) {
  const lost = yield* Deferred.make<SessionStore.SessionFenced>()
  const settled = yield* Deferred.make<void>()
  let isSettled = false
  const once = Semaphore.makeUnsafe(1)
  const settle = Effect.gen(function*() {
    if (isSettled) return
    isSettled = yield* store.settle(key, thread.id)
    if (isSettled) return void (yield* Deferred.succeed(settled, undefined))
    const fenced = new SessionStore.SessionFenced({ threadId: thread.id, file: "", line: 0 })
    yield* Effect.logWarning(fenced.message)
    yield* Deferred.succeed(lost, fenced)
    return yield* fenced
  }).pipe(once.withPermit)
  const flush = Effect.andThen(followed.flush, settle)
  yield* thread.events.pipe(
    Stream.filter(isWritten),
    Stream.runHead,
    Effect.andThen(Patience.untilStored(flush)),
    Effect.ignore,
    Effect.forkScoped({ startImmediately: true })
  )
  return {
    followed: {
      flush,
      fenced: Effect.raceFirst(followed.fenced, Deferred.await(lost))
    } satisfies Followed,
    settled: Deferred.await(settled)
  }
})
