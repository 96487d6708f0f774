/**
 * SQL on a SQLite file, for programs on one machine: histories, messages and workflows live in one file, with no
 * server.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Sqlite from "./internal/sqliteConnection.ts"

/**
 * Which file, and how long to wait for other processes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The file. It is created if it is missing, readable by its owner only; its folder must exist. */
  readonly filename: string
  /**
   * How long a statement waits while another process writes, before it fails with `LockTimeoutError`. Default: 5
   * seconds.
   */
  readonly lockTimeout?: Duration.Input | undefined
}

/**
 * A `SqlClient` on the SQLite that Node contains.
 *
 * **Details**
 *
 * The file is in WAL mode, and what a transaction has committed survives the loss of power. What is deleted
 * is overwritten with zeros; the log beside the file goes when the last client closes. Several processes of one
 * machine can share the file; do not put it on a network share. A client has one connection, and gives it to one
 * statement or transaction at a time. A transaction locks the file for other writers from its beginning, so it never
 * fails halfway because another process was faster. Waiting for a lock does not block the event loop; a statement does.
 *
 * Fails with `SqlError` when the file cannot be opened. Node 22 prints an `ExperimentalWarning` when SQLite is first
 * used; start it with `--disable-warning=ExperimentalWarning` to avoid it. Node 24 prints none.
 *
 * **Example** (Workflows and histories in one file)
 *
 * ```ts
 * import { SessionStore, SqliteClient } from "@effect-codex/cluster"
 * import { NodeCrypto } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
 *
 * export const Storage = Layer.mergeAll(
 *   ClusterWorkflowEngine.layer.pipe(Layer.provideMerge(SingleRunner.layer())),
 *   SessionStore.layerMemory
 * ).pipe(
 *   Layer.provide(NodeCrypto.layerDigest),
 *   Layer.provide(SqliteClient.layer({ filename: "pipeline.sqlite" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError> =>
  Layer.effect(
    SqlClient.SqlClient,
    Effect.gen(function*() {
      const connection = yield* Sqlite.open({
        filename: options.filename,
        lockTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.lockTimeout ?? "5 seconds"))
      })
      return yield* SqlClient.make({
        ...SqlClient.makeSqliteAcquirers({
          connection: Effect.succeed(connection),
          semaphore: yield* Semaphore.make(1),
          isTransaction: () => connection.isTransaction()
        }),
        compiler: Statement.makeCompilerSqlite(),
        driver: "sqlite-node",
        beginTransaction: "BEGIN IMMEDIATE",
        releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
        prepareTransactionControls: true,
        spanAttributes: [["db.system.name", "sqlite"]]
      })
    })
  ).pipe(Layer.provide(Reactivity.layer))
