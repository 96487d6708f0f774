/**
 * The client's metrics. Effect's registry holds them whether or not an exporter reads it; any of Effect's exporters
 * (OTLP, Prometheus) finds them there.
 *
 * All names begin with `effect_codex_`. Attributes have few values: never an id, never a text from the server.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * The number of turns that this client has started and that have not ended. The turns of a goal count as one, because
 * they have one handle.
 *
 * @see {@link turns} for those that have ended
 * @category metrics
 * @since 0.1.0
 */
export const openTurns: Metric.Gauge<number> = Metric.gauge("effect_codex_open_turns", {
  description: "Turns that this client has started and that have not ended"
})

/**
 * The number of turns that this client has started and that have ended, by `outcome`.
 *
 * **Details**
 *
 * `outcome` is `completed`, `failed`, `interrupted`, `unknown` (a status that this version does not know), or the tag
 * of the error that ended the wait, such as `TurnStalled` or `AppServerExited`.
 *
 * @see {@link openTurns} for those that have not ended
 * @category metrics
 * @since 0.1.0
 */
export const turns: Metric.Counter<number> = Metric.counter("effect_codex_turns", {
  description: "Turns that have ended, by outcome",
  incremental: true
})

/**
 * The tokens of the turns that this client has started and of their subagents (`turn` and `subagents` of
 * `TurnUsage`), by `type`. They are added when a turn ends.
 *
 * **Details**
 *
 * `input` includes `cached_input` and `cache_write_input`, and `output` includes `reasoning_output`. Do not add the
 * parts to their whole.
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
 * @see {@link turns}
 * @category metrics
 * @since 0.1.0
 */
export const tokens: Metric.Counter<number> = Metric.counter("effect_codex_tokens", {
  description: "Tokens of the turns that have ended and of their subagents, by type",
  incremental: true
})

/**
 * How long the server takes to answer a request, in seconds, by `method` and `outcome` (`ok`, or the tag of the
 * error).
 *
 * **Details**
 *
 * The time runs from the handover to the transport until the answer. It excludes the wait for a place among the
 * requests in flight. Requests whose caller was interrupted are not counted.
 *
 * @see {@link serverRequests} for the other direction
 * @category metrics
 * @since 0.1.0
 */
export const requestDuration: Metric.Histogram<number> = Metric.histogram("effect_codex_request_duration_seconds", {
  description: "Seconds from the sending of a request to its answer, by method and outcome",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
})

/**
 * The number of requests from the server, by `method` and `outcome`.
 *
 * **Details**
 *
 * - `answered`: the handler answered.
 * - `refused`: the handler answered with a `Refusal`.
 * - `default`: the default answered, because the handler failed, took too long or returned an invalid answer.
 * - `interrupted`: the answer was no longer wanted.
 * - `rejected`: no handler ran, because this version does not know the method (`method` is then `unknown`), the
 *   params are invalid, or too many requests wait.
 *
 * @see {@link requestDuration} for the other direction
 * @category metrics
 * @since 0.1.0
 */
export const serverRequests: Metric.Counter<number> = Metric.counter("effect_codex_server_requests", {
  description: "Requests of the server, by method and outcome",
  incremental: true
})

/**
 * The number of diagnostics, by `kind`: the tags of `AppServerRpc.Diagnostic`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const diagnostics: Metric.Counter<number> = Metric.counter("effect_codex_diagnostics", {
  description: "Lines that are no messages, unknown and undecodable notifications and other odd things, by kind",
  incremental: true
})

/**
 * The number of bytes of events that a slow reader has left unread, set when it first exceeds 64 MiB.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unreadBytes: Metric.Gauge<number> = Metric.gauge("effect_codex_unread_bytes", {
  description: "Bytes of events that a slow reader of a turn has left unread"
})

/**
 * The file descriptors of the app-server's process, by `kind`: `open`, and `limit`, how many it may have. Set when a
 * thread was loaded, for a process that a layer of `CodexNode` has started on Linux. With several processes, the last
 * one that has loaded a thread.
 *
 * @see `Codex.Options.maxLoadedThreads`, which keeps the number down
 * @category metrics
 * @since 0.1.0
 */
export const descriptors: Metric.Gauge<number> = Metric.gauge("effect_codex_descriptors", {
  description: "File descriptors of the app-server's process, by kind"
})

/**
 * The threads of a process of a `CodexPool`, by `process` (its index) and `kind`: `loaded`, and `active`, those that
 * run something. Set when `CodexPool.stats` is read.
 *
 * @category metrics
 * @since 0.1.0
 */
export const poolThreads: Metric.Gauge<number> = Metric.gauge("effect_codex_pool_threads", {
  description: "Threads of the processes of a pool, by process and kind"
})

/**
 * How many times a layer with a `restart` schedule has restored a lost connection.
 *
 * @category metrics
 * @since 0.1.0
 */
export const restarts: Metric.Counter<number> = Metric.counter("effect_codex_restarts", {
  description: "Lost connections that were made again",
  incremental: true
})
