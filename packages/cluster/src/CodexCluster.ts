/**
 * The layers of a cluster: what `CodexThread` and workflows need, on many machines or in one file.
 *
 * @since 0.1.0
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import type * as Runners from "effect/cluster/Runners"
import type * as Sharding from "effect/cluster/Sharding"
import type * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SingleRunner from "effect/cluster/SingleRunner"
import type { ConfigError } from "effect/Config"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as SocketServer from "effect/socket/SocketServer"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import * as Sqlite from "./internal/sqliteConnection.ts"
import { CanReach } from "./internal/thread/reach.ts"
import * as Transport from "./internal/transport.ts"
import * as SessionStore from "./SessionStore.ts"
import * as SqliteClient from "./SqliteClient.ts"

/**
 * What the layers provide: for entities, for workflows, and for the histories of threads.
 *
 * @category models
 * @since 0.1.0
 */
export type Services =
  | Sharding.Sharding
  | Runners.Runners
  | MessageStorage.MessageStorage
  | WorkflowEngine.WorkflowEngine
  | SessionStore.SessionStore

/**
 * The configuration that the layers begin with. A runner that is killed or frozen loses its threads to the others
 * within some 6 seconds. With Effect's own defaults that takes 32 to 37 seconds.
 *
 * **Details**
 *
 * `shardLockExpiration` (5 seconds) decides how long a program may block its event loop before its threads move.
 * Everything else says how soon the others notice. A runner that cannot confirm its locks within a third of
 * `shardLockExpiration`, or within `shardLockRefreshInterval` if that is shorter, gives its threads up for the moment:
 * turns that run are interrupted and continued, and answers that it could not store are found. On machines that are
 * overloaded, raise both.
 *
 * `shardsPerGroup` must be the same on all machines, and must not change while turns are stored.
 *
 * @see {@link Options} to change a part of it
 * @category configuration
 * @since 0.1.0
 */
export const shardingConfig: Partial<ShardingConfig.ShardingConfig["Service"]> = {
  shardsPerGroup: 32,
  shardLockExpiration: "5 seconds",
  // Also how long one refresh may take. Effect allows at most a third of the expiration.
  shardLockRefreshInterval: "1600 millis",
  runnerHealthCheckInterval: "1 second",
  refreshAssignmentsInterval: "250 millis",
  entityMessagePollInterval: "500 millis"
}

/**
 * Options of {@link layerClient}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClientOptions {
  /**
   * Replaces parts of {@link shardingConfig}. Variables of the environment, such as `SHARDS_PER_GROUP`, come after it.
   */
  readonly shardingConfig?: Partial<ShardingConfig.ShardingConfig["Service"]> | undefined
  /** All shard groups of the cluster. Default: `default` alone. */
  readonly availableShardGroups?: ReadonlyArray<string> | undefined
}

/**
 * Options of {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends ClientOptions {
  /** Where the other machines reach this runner. */
  readonly address: { readonly host: string; readonly port: number }
  /** Where it listens, if that is another address, such as `0.0.0.0`. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined
  /** The shard groups that this runner takes. Default: `default` alone. */
  readonly assignedShardGroups?: ReadonlyArray<string> | undefined
  /**
   * How the runners find out that one is lost: by asking it (`ping`, the default), or by asking Kubernetes for its pod.
   */
  readonly runnerHealth?: "ping" | "k8s" | undefined
  /** Which pods are runners, with `runnerHealth: "k8s"`. */
  readonly runnerHealthK8s?: {
    readonly namespace?: string | undefined
    readonly labelSelector?: string | undefined
  } | undefined
}

const address = ({ host, port }: { readonly host: string; readonly port: number }) =>
  Option.some(RunnerAddress.make(host, port))

const configOf = ({ availableShardGroups, shardingConfig: given }: ClientOptions) => ({
  ...shardingConfig,
  ...(availableShardGroups !== undefined && { availableShardGroups }),
  ...given
})

const withWorkflows = <E, R>(
  cluster: Layer.Layer<Sharding.Sharding | Runners.Runners | MessageStorage.MessageStorage, E, R>
) => Layer.merge(ClusterWorkflowEngine.layer.pipe(Layer.provideMerge(cluster)), SessionStore.layerSql())

/**
 * A machine of a cluster. The messages, the answers and the histories are in the database of the `SqlClient`:
 * PostgreSQL, from `PgClient.layer` of `@effect/sql-pg`. The machines send to each other over TCP, so they must reach
 * each other; the traffic is neither encrypted nor authenticated.
 *
 * **Details**
 *
 * When the layer is closed, as `NodeRuntime.runMain` does after SIGTERM, the runner takes no new turns and lets those
 * that run end, for `entityTerminationTimeout` (15 seconds). A turn that does not end is interrupted, and goes on on
 * another machine. Give the process twice that time before it is killed.
 *
 * One connection of the pool holds the locks of the shards; give the pool at least 4.
 *
 * **Example** (A runner)
 *
 * ```ts
 * import { CodexCluster, CodexSession, CodexThread } from "@effect-codex/cluster"
 * import { CodexNode } from "@effect-codex/node"
 * import { NodeRuntime, NodeServices } from "@effect/platform-node"
 * import { PgClient } from "@effect/sql-pg"
 * import { Config, Layer, Schedule } from "effect"
 *
 * const CodexLive = CodexNode.layer({ restart: Schedule.spaced("1 second") })
 *
 * export const Runner = CodexThread.layer({ settings: { cwd: "/repositories/one" } }).pipe(
 *   Layer.provide(CodexSession.layer()),
 *   Layer.provide(CodexCluster.layer({ address: { host: "10.0.0.1", port: 34431 } })),
 *   Layer.provide([CodexLive, NodeServices.layer]),
 *   Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
 * )
 *
 * Layer.launch(Runner).pipe(NodeRuntime.runMain)
 * ```
 *
 * @see {@link layerClient} for a process that only sends
 * @see {@link layerSqlite} for one machine without a database server
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  Services,
  ConfigError | SocketServer.SocketServerError | SessionStore.SessionStoreUnavailable,
  SqlClient.SqlClient
> =>
  withWorkflows(Transport.layerRunner({
    ...configOf(options),
    runnerAddress: address(options.address),
    ...(options.listen !== undefined && { runnerListenAddress: address(options.listen) }),
    ...(options.assignedShardGroups !== undefined && { assignedShardGroups: options.assignedShardGroups })
  }, options))

/**
 * A process that sends turns and approvals to a cluster, and runs none itself. It needs the database, and the address
 * of each runner for everything but `run`.
 *
 * **Example** (Sending a turn from a web server)
 *
 * ```ts
 * import { CodexCluster, CodexThread } from "@effect-codex/cluster"
 * import { PgClient } from "@effect/sql-pg"
 * import { Config, Effect, Layer } from "effect"
 *
 * const ClusterLive = CodexCluster.layerClient().pipe(
 *   Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
 * )
 *
 * export const answer = Effect.fn("answer")(function*(conversation: string, message: { id: string; text: string }) {
 *   const thread = yield* CodexThread.client(conversation)
 *   return yield* thread.run(message.id, message.text)
 * }, Effect.provide(ClusterLive))
 * ```
 *
 * @see {@link layer} for a runner
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (
  options: ClientOptions = {}
): Layer.Layer<Services, ConfigError | SessionStore.SessionStoreUnavailable, SqlClient.SqlClient> =>
  withWorkflows(Transport.layerClient({ ...configOf(options), runnerAddress: Option.none() }))

/**
 * Options of {@link layerSqlite}.
 *
 * @category options
 * @since 0.1.0
 */
export interface SqliteOptions {
  /** The file of the database. It is made if it does not exist. */
  readonly filename: string
  /** Replaces parts of {@link shardingConfig}. */
  readonly shardingConfig?: Partial<ShardingConfig.ShardingConfig["Service"]> | undefined
}

/**
 * Everything in one process and one file, without a server. A program that is killed goes on where it was when it is
 * started again. One process at a time runs turns and workflows from a file: another one waits, with a warning in the
 * log, until the first one ends, and takes over then. The file `<filename>.lock` is for this. Others use
 * {@link layerSqliteClient}.
 *
 * **Example** (Threads and workflows in a file)
 *
 * ```ts
 * import { CodexCluster, CodexSession, CodexThread } from "@effect-codex/cluster"
 * import { CodexNode } from "@effect-codex/node"
 * import { Layer } from "effect"
 *
 * export const Threads = CodexThread.layer().pipe(
 *   Layer.provideMerge(CodexCluster.layerSqlite({ filename: "codex.sqlite" })),
 *   Layer.provide([CodexNode.layer(), CodexSession.layerLocal])
 * )
 * ```
 *
 * @see {@link layer} for many machines
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (
  options: SqliteOptions
): Layer.Layer<Services | SqlClient.SqlClient, ConfigError | SqlError | SessionStore.SessionStoreUnavailable> =>
  withWorkflows(SingleRunner.layer({ shardingConfig: configOf(options) })).pipe(
    Layer.provide(NodeCrypto.layerDigest),
    Layer.provideMerge(SqliteClient.layer({ filename: options.filename })),
    // Two runners with one address would both run the same threads.
    Layer.provide(Layer.effectDiscard(Sqlite.alone(options.filename)))
  )

/**
 * A second process on the file of {@link layerSqlite}, which runs nothing itself: a terminal in which a person decides,
 * or a program that sends a turn. It opens and closes at once, whether or not the other process runs.
 *
 * **Details**
 *
 * Turns, decisions and other stored messages reach the process that runs, when it runs, within
 * `entityMessagePollInterval`. There is no connection between the two, so messages that are not stored do not: of
 * `CodexThread.Client` only `run` works, and the rest fails with the tag `Unreachable`.
 *
 * @see {@link layerSqlite}
 * @category layers
 * @since 0.1.0
 */
export const layerSqliteClient = (
  options: SqliteOptions
): Layer.Layer<Services | SqlClient.SqlClient, ConfigError | SqlError | SessionStore.SessionStoreUnavailable> =>
  withWorkflows(SingleRunner.layer({
    // Without a place in the table of runners it takes no shards from the process that runs.
    runnerStorage: "memory",
    shardingConfig: { ...configOf(options), runnerAddress: Option.none() }
  })).pipe(
    Layer.merge(Layer.succeed(CanReach, false)),
    Layer.provide(NodeCrypto.layerDigest),
    Layer.provideMerge(SqliteClient.layer({ filename: options.filename }))
  )
