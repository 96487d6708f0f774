/** The telemetry of a turn from start to end: a span, the gauge of open turns, the outcome and the tokens. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Metrics from "../../Metrics.ts"
import { internalsOf } from "../rpcInternals.ts"
import * as GenAi from "./genAi.ts"
import type { TurnState } from "./turnState.ts"

// Tracers keep the exit of a span, so it says only how the turn ended.
const exitOf = (outcome: string): Exit.Exit<void, string> => {
  if (outcome === "completed") return Exit.void
  return outcome === "interrupted" ? Exit.interrupt() : Exit.fail(outcome)
}

/** Records that the turn is open. Returns an effect that waits for its end and records that. */
const opened = Effect.fnUntraced(function*(turn: TurnState) {
  const clock = yield* Clock.Clock
  const { options: { output, rpc }, threadId } = turn
  const span = yield* Effect.makeSpan("Turn", {
    attributes: {
      "codex.thread.id": threadId,
      "codex.turn.id": turn.id,
      ...Object.fromEntries(GenAi.begun({
        threadId,
        version: rpc.serverInfo.version,
        provider: internalsOf(rpc).settingsOf(threadId)?.modelProvider,
        output
      }))
    }
  })
  turn.span = span
  const over = Effect.gen(function*() {
    const { modelName, outcome, tokens } = turn
    yield* Metric.modify(Metrics.openTurns, -1)
    yield* Metric.update(Metric.withAttributes(Metrics.turns, { outcome }), 1)
    const counts = tokens === undefined ? [] : Object.entries({
      input: tokens.inputTokens,
      cached_input: tokens.cachedInputTokens,
      cache_write_input: tokens.cacheWriteInputTokens,
      output: tokens.outputTokens,
      reasoning_output: tokens.reasoningOutputTokens
    })
    for (const [type, count] of counts) {
      span.attribute(`codex.tokens.${type}`, count)
      yield* Metric.update(Metric.withAttributes(Metrics.tokens, { type }), count)
    }
    span.attribute("codex.turn.outcome", outcome)
    for (const [name, value] of GenAi.ended(outcome, modelName, tokens)) span.attribute(name, value)
    // oxlint-disable-next-line no-restricted-properties -- when it ended, for a tracer
    span.end(clock.currentTimeNanosUnsafe(), exitOf(outcome))
  })
  yield* Metric.modify(Metrics.openTurns, 1)
  return Effect.exit(turn.awaitEnd).pipe(Effect.interruptible, Effect.ensuring(over))
})

/** Follows the turn to its end, or until the scope closes. */
export const follow = (turn: TurnState, scope: Scope.Scope) =>
  Effect.flatMap(opened(turn), (toEnd) => Effect.forkIn(toEnd, scope, { startImmediately: true }))

/** {@link follow} for a turn that has not begun yet. */
export const followOnceBegun = (begun: Effect.Effect<TurnState, unknown>, scope: Scope.Scope) =>
  Effect.interruptible(begun).pipe(
    Effect.flatMap((turn) => Effect.flatten(opened(turn))),
    Effect.ignore,
    Effect.uninterruptible,
    Effect.forkIn(scope, { startImmediately: true })
  )
