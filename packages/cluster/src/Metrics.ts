/**
 * The metrics of the cluster. Effect's registry holds them whether or not an exporter reads it. All names begin with
 * `effect_codex_cluster_`; Effect's own metrics of shards and entities are in `effect/cluster/ClusterMetrics`.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * The number of threads that were written from the store into a `CODEX_HOME`, by `outcome`: `restored`, `unknown` to
 * the store, or `failed`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const restores: Metric.Counter<number> = Metric.counter("effect_codex_cluster_restores", {
  description: "Threads that were written from the store into a CODEX_HOME, by outcome",
  incremental: true
})

/**
 * How long the newest of the lines that are stored together was in codex's file before it was stored, in seconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const flushLag: Metric.Histogram<number> = Metric.histogram("effect_codex_cluster_flush_lag_seconds", {
  description: "Seconds from the writing of a line by codex until it is stored",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
})

/**
 * The number of threads that were given up on this machine because another one had continued them.
 *
 * @category metrics
 * @since 0.1.0
 */
export const fencedThreads: Metric.Counter<number> = Metric.counter("effect_codex_cluster_fenced_threads", {
  description: "Threads that were given up because another machine had continued them",
  incremental: true
})

/**
 * The number of times that storing a thread began to fail. An outage counts once for each thread that it concerns.
 *
 * @category metrics
 * @since 0.1.0
 */
export const storeOutages: Metric.Counter<number> = Metric.counter("effect_codex_cluster_store_outages", {
  description: "Times that storing a thread began to fail, once for each thread",
  incremental: true
})

/**
 * The number of turns that a runner has taken on after another attempt had begun them, by `how`: `found` completed in
 * the history, `continued` after the interruption, or `ran` again because the history has nothing of them.
 *
 * @category metrics
 * @since 0.1.0
 */
export const takeovers: Metric.Counter<number> = Metric.counter("effect_codex_cluster_takeovers", {
  description: "Turns that were taken on after another attempt had begun them, by how",
  incremental: true
})
