/** A connection to a SQLite file, through the SQLite that Node contains. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import * as SqlError from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

export interface SqliteConnection extends SqlConnection.Connection {
  readonly isTransaction: () => boolean
}

export interface Options {
  readonly filename: string
  /** Milliseconds. */
  readonly lockTimeout: number
}

/** Codes of SQLite: https://www.sqlite.org/rescode.html */
const code = { error: 1, busy: 5, busySnapshot: 517, uniqueIndex: 2067, primaryKey: 1555, rowId: 2579 }

const codeOf = (cause: unknown): number | undefined =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode : undefined

/** Node names the code otherwise than effect expects it, and effect knows one of three codes for a duplicate. */
const failed = (cause: unknown, operation: string): SqlError.SqlError => {
  const errno = codeOf(cause)
  const message = `SQLite: ${cause instanceof Error ? cause.message : String(cause)}`
  if (operation === "open" && errno !== code.busy) {
    return new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation }) })
  }
  if (operation === "prepare" && errno === code.error) {
    return new SqlError.SqlError({ reason: new SqlError.SqlSyntaxError({ cause, message, operation }) })
  }
  const isDuplicate = errno === code.primaryKey || errno === code.rowId
  const known = { errno: isDuplicate ? code.uniqueIndex : errno, message, cause }
  return new SqlError.SqlError({ reason: SqlError.classifySqliteError(known, { message, operation }) })
}

const attempt = <A>(operation: string, use: () => A): Effect.Effect<A, SqlError.SqlError> =>
  Effect.try({ try: use, catch: (cause) => failed(cause, operation) })

const isLocked = ({ reason }: SqlError.SqlError): boolean =>
  reason._tag === "LockTimeoutError" && codeOfReason(reason) === code.busy

const codeOfReason = ({ cause }: SqlError.LockTimeoutError): number | undefined =>
  typeof cause === "object" && cause !== null && "errno" in cause && typeof cause.errno === "number"
    ? cause.errno
    : undefined

/** SQLite's own wait for a lock would stop the event loop, so this one waits between attempts. */
const whenFree = (lockTimeout: number) => {
  const often = Schedule.upTo(Schedule.jittered(Schedule.spaced("10 millis")), { duration: lockTimeout })
  return <A>(effect: Effect.Effect<A, SqlError.SqlError>) => Effect.retry(effect, { while: isLocked, schedule: often })
}

const inputOf = (value: unknown): SQLInputValue => {
  if (value === undefined || value === null) return null
  if (typeof value === "boolean") return value ? 1 : 0
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return value
  if (value instanceof Uint8Array) return value
  if (value instanceof Date) return value.toISOString()
  throw new TypeError(`a parameter is ${typeof value}. Pass text, numbers, bytes, dates, booleans or null.`)
}

type Row = { readonly [column: string]: unknown }

/** The statements that were prepared, the last used at the end. */
class Prepared {
  readonly database: DatabaseSync
  readonly statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  get(sql: string): StatementSync {
    const statement = this.statements.get(sql) ?? this.database.prepare(sql)
    this.statements.delete(sql)
    this.statements.set(sql, statement)
    for (const oldest of this.statements.keys()) {
      if (this.statements.size <= 100) break
      this.statements.delete(oldest)
    }
    return statement
  }
}

/** What a statement returned: its rows, or what it changed. */
interface Returned {
  readonly rows: ReadonlyArray<Row>
  readonly raw: unknown
}

const make = (database: DatabaseSync, options: Options): SqliteConnection => {
  const prepared = new Prepared(database)
  const free = whenFree(options.lockTimeout)
  const run = (
    prepare: (sql: string) => StatementSync,
    sql: string,
    params: ReadonlyArray<unknown>,
    asArrays: boolean
  ): Effect.Effect<Returned, SqlError.SqlError> =>
    free(
      Effect.flatMap(SqlClient.SafeIntegers, (asBigInts) =>
        Effect.flatMap(
          attempt("prepare", () => prepare(sql)),
          (statement) =>
            attempt("execute", () => {
              statement.setReadBigInts(asBigInts)
              statement.setReturnArrays(asArrays)
              const inputs = params.map(inputOf)
              if (statement.columns().length === 0) return { rows: [], raw: statement.run(...inputs) }
              const rows = statement.all(...inputs)
              return { rows, raw: rows }
            })
        ))
    )
  const cached = (sql: string) => prepared.get(sql)
  const fresh = (sql: string) => database.prepare(sql)
  const valuesOf = ({ rows }: Returned) => rows.map((row) => Array.isArray(row) ? row : Object.values(row))
  const execute: SqlConnection.Connection["execute"] = (sql, params, transformRows) =>
    Effect.map(run(cached, sql, params, false), ({ rows }) => transformRows ? transformRows(rows) : rows)
  return {
    isTransaction: () => database.isTransaction,
    execute,
    executeRaw: (sql, params) => Effect.map(run(cached, sql, params, false), ({ raw }) => raw),
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), (rows) => Stream.fromIterable(rows))),
    executeValues: (sql, params) => Effect.map(run(cached, sql, params, true), valuesOf),
    executeValuesUnprepared: (sql, params) => Effect.map(run(fresh, sql, params, true), valuesOf),
    executeUnprepared: (sql, params, transformRows) =>
      Effect.map(run(fresh, sql, params, false), ({ rows }) => transformRows ? transformRows(rows) : rows)
  }
}

/**
 * Only its owner may read the file: histories hold prompts and outputs in plain text. A file that exists is not opened:
 * closing it would drop the locks that SQLite has on it in this process.
 */
const create = (filename: string): void => {
  if (filename === ":memory:" || Fs.existsSync(filename)) return
  try {
    Fs.closeSync(Fs.openSync(filename, "wx", 0o600))
  } catch (error) {
    // Another process may have been faster. SQLite says why if it cannot be created.
    if (!Fs.existsSync(filename)) throw error
  }
}

/** Loaded on demand, because Node 22 warns of it, and other runtimes may lack it. */
const sqlite = Effect.tryPromise({
  try: () => import("node:sqlite"),
  catch: (cause) =>
    new SqlError.SqlError({
      reason: new SqlError.ConnectionError({ cause, message: "node:sqlite is missing. Use Node 22.16 or later." })
    })
})

export const open = (options: Options): Effect.Effect<SqliteConnection, SqlError.SqlError, Scope.Scope> =>
  Effect.gen(function*() {
    const { DatabaseSync } = yield* sqlite
    const database = yield* Effect.acquireRelease(
      attempt("open", () => {
        create(options.filename)
        return new DatabaseSync(options.filename, { timeout: 0 })
      }),
      (database) => Effect.sync(() => database.close())
    )
    // What is deleted is overwritten: forgotten histories must not stay in the free pages of the file.
    const pragmas = "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL"
    yield* whenFree(options.lockTimeout)(attempt("open", () => database.exec(pragmas)))
    return make(database, options)
  })

/**
 * Waits until nothing else runs from the file, and keeps others from it until the scope closes. The lock is of the
 * operating system, which releases it when a process is killed. It has a file of its own, so others read and write.
 */
export const alone = (filename: string): Effect.Effect<void, SqlError.SqlError, Scope.Scope> =>
  Effect.gen(function*() {
    if (filename === ":memory:") return
    const { DatabaseSync } = yield* sqlite
    const database = yield* Effect.acquireRelease(
      attempt("open", () => {
        create(`${filename}.lock`)
        return new DatabaseSync(`${filename}.lock`, { timeout: 0 })
      }),
      (database) => Effect.sync(() => database.close())
    )
    const lock = attempt("open", () => database.exec("BEGIN EXCLUSIVE"))
    yield* Effect.catchIf(lock, isLocked, () =>
      Effect.logWarning(
        `Another process, or another layer of this one, runs turns and workflows from ${filename}. This one waits until ` +
          "it ends. Use `CodexCluster.layerSqliteClient` to send turns and decisions to it."
      ).pipe(Effect.andThen(Effect.retry(lock, { while: isLocked, schedule: Schedule.spaced("100 millis") }))))
  })
