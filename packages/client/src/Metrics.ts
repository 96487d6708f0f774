/**
 * What the client measures. The metrics are kept in Effect's registry whether or not anybody exports them; any exporter of
 * Effect (OTLP, Prometheus) finds them there.
 *
 * The names begin with `effect_codex_`. Attributes take few values: never an id, never a text of the server.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Turns that this client has started and that have not ended. The turns of a goal count as one, as its handle has them.
 *
 * @category metrics
 * @since 0.1.0
 */
export const openTurns: Metric.Gauge<number> = Metric.gauge("effect_codex_open_turns", {
  description: "Turns that this client has started and that have not ended"
})

/**
 * The same turns once they have ended, by `outcome`: `completed`, `failed`, `interrupted`, `unknown` (a status that this
 * version does not know), or the tag of the error that ended the waiting, such as `TurnStalled` or `AppServerExited`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const turns: Metric.Counter<number> = Metric.counter("effect_codex_turns", {
  description: "Turns that have ended, by outcome",
  incremental: true
})

/**
 * The tokens of the same turns and of their subagents (`turn` and `subagents` of `TurnUsage`), counted at the end of each
 * turn, by `type`: `input` (with what was `cached_input` and
 * `cache_write_input`) and `output` (with what was `reasoning_output`). The parts are contained in their whole: do not add
 * them up.
 *
 * **Example** (Tokens that were paid for so far)
 *
 * ```ts
 * import { Metrics } from "@effect-codex/client"
 * import { Effect, Metric } from "effect"
 *
 * export const outputTokens = Effect.map(
 *   Metric.value(Metric.withAttributes(Metrics.tokens, { type: "output" })),
 *   ({ count }) => count
 * )
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const tokens: Metric.Counter<number> = Metric.counter("effect_codex_tokens", {
  description: "Tokens of the turns that have ended and of their subagents, by type",
  incremental: true
})

/**
 * How long the server takes to answer a request, in seconds, from the hand-over to the transport until the answer, by
 * `method` and `outcome` (`ok` or the tag of the error). Waiting for a place among the requests in flight is not in it, nor
 * are requests whose caller was interrupted.
 *
 * @category metrics
 * @since 0.1.0
 */
export const requestDuration: Metric.Histogram<number> = Metric.histogram("effect_codex_request_duration_seconds", {
  description: "Seconds from the sending of a request to its answer, by method and outcome",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
})

/**
 * Requests of the server, by `method` and `outcome`: `answered` by the handler, `refused` by it with a `Refusal`, answered by
 * the `default` because the handler failed, took too long or gave what does not fit, `interrupted` because the answer was not
 * wanted any more, or `rejected` before a handler was asked, because this version does not know the method (`method` is then
 * `unknown`), the params do not fit, or too many requests wait.
 *
 * @category metrics
 * @since 0.1.0
 */
export const serverRequests: Metric.Counter<number> = Metric.counter("effect_codex_server_requests", {
  description: "Requests of the server, by method and outcome",
  incremental: true
})

/**
 * Odd things, by `kind`: the tags of `AppServerRpc.Diagnostic`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const diagnostics: Metric.Counter<number> = Metric.counter("effect_codex_diagnostics", {
  description: "Lines that are no messages, unknown and undecodable notifications and other odd things, by kind",
  incremental: true
})

/**
 * The most bytes of events that a reader has left unread, set when it first exceeds 64 MiB.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unreadBytes: Metric.Gauge<number> = Metric.gauge("effect_codex_unread_bytes", {
  description: "Bytes of events that a slow reader of a turn has left unread"
})

/**
 * How many times a lost connection was made again, by the layers with a `restart` schedule.
 *
 * @category metrics
 * @since 0.1.0
 */
export const restarts: Metric.Counter<number> = Metric.counter("effect_codex_restarts", {
  description: "Lost connections that were made again",
  incremental: true
})
