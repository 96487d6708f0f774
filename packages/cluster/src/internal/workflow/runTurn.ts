/** Runs a turn so that it can be repeated: it looks the turn up by the id of its message before it begins one. */
import type { Input, Thread, TurnResult } from "@effect-codex/client"
import { Codex, type ThreadSettings } from "@effect-codex/client/Codex"
import { ThreadBusy, TurnInterrupted } from "@effect-codex/client/CodexError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CodexSession } from "../../CodexSession.ts"
import { failureOf } from "../failedTurn.ts"
import { resumeFresh } from "../resumeFresh.ts"
import type { Answer } from "./answer.ts"

/** Crashes in a turn that count as bad luck. After more of them it is the turn that crashes its process. */
const maxInterruptions = 5

/**
 * The machine that was overtaken learns soon that the workflow has moved, and interrupts this. If the workflow is still
 * its own, codex has unloaded the thread by then, and the store's history can take its place.
 */
const fencedPause = "90 seconds"

const goOn =
  "You were interrupted before you finished what I asked. Look at what is done already, then go on from there."

export interface Options<A> {
  readonly threadId: string
  readonly settings: ThreadSettings
  /** The id of the turn's message. Of the n-th turn that goes on, `<key>#<n>`. */
  readonly key: string
  readonly input: Input.Input
  readonly options: Thread.TurnOptions | undefined
  readonly answer: Answer<A>
  readonly onInterrupted: "continue" | "fail"
}

/** The turn under this key if it has completed, or how often it was begun. Fails as the turn has failed. */
const lookUp = Effect.fnUntraced(function*(thread: Thread.Thread, key: string) {
  let last: TurnResult.TurnResult | undefined
  for (let begun = 0;; begun++) {
    const messageId = begun === 0 ? key : `${key}#${begun + 1}`
    const found = Option.getOrUndefined(yield* thread.findTurn(messageId))
    // The server may outlive the program, as one on another machine does.
    if (found?.status === "inProgress") {
      return yield* new ThreadBusy({ threadId: thread.id, activeTurnId: found.id, delivered: false })
    }
    // It failed by itself, and only the storage of that was interrupted.
    if (found?.status === "failed") return yield* failureOf(found)
    if (found === undefined || found.status === "completed") return { completed: found, last, messageId, begun }
    last = found
  }
})

const run = Effect.fnUntraced(function*<A>(thread: Thread.Thread, request: Options<A>) {
  const { begun, completed, last, messageId } = yield* lookUp(thread, request.key)
  const options = { ...request.options, messageId }
  if (completed !== undefined) return yield* request.answer.read(thread, completed, options)
  if (last !== undefined && (request.onInterrupted === "fail" || begun > maxInterruptions)) {
    return yield* new TurnInterrupted({ threadId: thread.id, turnId: last.id, result: last })
  }
  return yield* request.answer.run(thread, begun === 0 ? request.input : goOn, options)
})

/** What this machine has loaded is as new as the store, or will be fenced. */
const restore = Effect.fnUntraced(function*(threadId: string) {
  const codex = yield* Codex
  const session = yield* CodexSession
  const isLoaded = yield* codex.readThread(threadId).pipe(
    Effect.map(({ status }) => status.type !== "notLoaded"),
    Effect.orElseSucceed(() => false)
  )
  if (!isLoaded) yield* session.restore(threadId)
})

export const runTurn = Effect.fnUntraced(
  function*<A>(request: Options<A>) {
    const session = yield* CodexSession
    yield* restore(request.threadId)
    const thread = yield* resumeFresh(yield* Codex, request.threadId, request.settings)
    // Else codex would keep the threads of all workflows loaded, and refuse them to other processes.
    yield* Effect.addFinalizer(() => Effect.ignore(thread.unsubscribe))
    const followed = yield* session.follow(thread)
    const answered = yield* Effect.raceFirst(run(thread, request), Effect.flatMap(followed.fenced, Effect.fail))
    yield* followed.flush
    return answered
  },
  Effect.scoped,
  (effect) => Effect.tapErrorTag(effect, "SessionFenced", () => Effect.sleep(fencedPause))
)
