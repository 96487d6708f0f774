/** Runs a turn to its end: asks the model again until it calls no more tools. */
import * as Effect from "effect/Effect"
import type { LoadedThread } from "./connection.ts"
import * as Failure from "./failure.ts"
import { beginHistory, tellMode } from "./planMode.ts"
import { type Engine, type RunningTurn, sayPending, type Told } from "./running.ts"
import { sample } from "./sampling.ts"
import { end } from "./turnEnd.ts"

/**
 * codex needs some milliseconds between what it tells of an answer and its next request. A client that interrupts the
 * turn at once comes in time here, too, though no time passes.
 */
const nextRequest = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Runs a turn to its end. Interrupt the fiber and then call {@link interrupted} to interrupt the turn. */
export const run = (engine: Engine, thread: LoadedThread, turn: RunningTurn): Effect.Effect<void> => {
  const told: Told = { connection: engine.connection, thread, turn }
  return Effect.gen(function*() {
    let attempt = 0
    for (;;) {
      beginHistory(thread.stored)
      tellMode(told)
      sayPending(told)
      const sampled = yield* sample(engine, told)
      const retry = sampled._tag === "Failed"
        ? Failure.retryOf(sampled.error, ++attempt, engine.streamMaxRetries)
        : undefined
      if (retry !== undefined) {
        engine.connection.tell(thread, "error", { error: retry, willRetry: true, turnId: turn.stored.id })
        yield* Effect.sleep(200 * 2 ** (attempt - 1))
        continue
      }
      if (sampled._tag !== "Failed") attempt = 0
      if (sampled._tag === "Failed") return end(told, "failed", sampled.error, undefined)
      if (sampled._tag === "Cancelled") return end(told, "interrupted", null, undefined)
      if (sampled._tag === "Answered" && !sampled.calledTools && turn.pending.length === 0) {
        return end(told, "completed", null, sampled.answer)
      }
      yield* nextRequest
    }
  }).pipe(
    Effect.catch((unsupported) =>
      Effect.sync(() =>
        end(told, "failed", {
          message: `FakeAppServer does not do ${unsupported.what}. Test it on the real codex, with ScriptedCodex.`,
          codexErrorInfo: "other",
          additionalDetails: null,
          misalignment: null
        }, undefined)
      )
    )
  )
}

/** Ends a turn whose fiber was interrupted. `reply` answers the request to interrupt first. */
export const interrupted = (engine: Engine, thread: LoadedThread, turn: RunningTurn, reply: () => void): void => {
  const told: Told = { connection: engine.connection, thread, turn }
  reply()
  end(told, "interrupted", null, undefined)
}
