/**
 * codex threads and pipelines that survive the loss of their process and of their machine.
 *
 * @since 0.1.0
 */

/**
 * The layers of a cluster.
 *
 * @since 0.1.0
 */
export * as CodexCluster from "./CodexCluster.ts"

/**
 * Carries the histories of this machine's threads to the store, and back.
 *
 * @since 0.1.0
 */
export * as CodexSession from "./CodexSession.ts"

/**
 * Threads as entities of a cluster.
 *
 * @since 0.1.0
 */
export * as CodexThread from "./CodexThread.ts"

/**
 * Durable pipelines: workflows whose steps are turns of codex.
 *
 * @since 0.1.0
 */
export * as CodexWorkflow from "./CodexWorkflow.ts"

/**
 * Questions of workflows that wait for a person.
 *
 * @since 0.1.0
 */
export * as Decisions from "./Decisions.ts"

/**
 * The metrics of the cluster.
 *
 * @since 0.1.0
 */
export * as Metrics from "./Metrics.ts"

/**
 * Where the histories of threads are kept.
 *
 * @since 0.1.0
 */
export * as SessionStore from "./SessionStore.ts"

/**
 * SQL on a SQLite file, for programs on one machine.
 *
 * @since 0.1.0
 */
export * as SqliteClient from "./SqliteClient.ts"
