/** The tables of the store of sessions, and how they came to be. */
import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * A file has a number, so that its path is not repeated in each of its lines. Its count of lines is the fence, and its
 * row the lock. Times are milliseconds since 1970. A line is cut into parts, because a driver may limit a row's size.
 */
const tables = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { bytes, id } = yield* sql.onDialectOrElse({
    pg: () => Effect.succeed({ bytes: "BYTEA", id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
    // Without AUTOINCREMENT, a new file could get the number of a forgotten one.
    sqlite: () => Effect.succeed({ bytes: "BLOB", id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
    orElse: () => Effect.fail(new Error("the database is neither PostgreSQL nor SQLite."))
  })
  const statements = [
    `CREATE TABLE codex_session_files (
      id ${id}, thread_id TEXT NOT NULL, file TEXT NOT NULL, lines INTEGER NOT NULL, used_at BIGINT NOT NULL,
      UNIQUE (thread_id, file))`,
    `CREATE TABLE codex_session_lines (
      file_id BIGINT NOT NULL, line INTEGER NOT NULL, part INTEGER NOT NULL, body ${bytes} NOT NULL,
      PRIMARY KEY (file_id, line, part))`,
    "CREATE TABLE codex_session_links (thread_id TEXT NOT NULL, needed TEXT NOT NULL, PRIMARY KEY (thread_id, needed))",
    `CREATE TABLE codex_session_keys (
      key TEXT PRIMARY KEY, thread_id TEXT NOT NULL, details TEXT NOT NULL, bound_at BIGINT NOT NULL)`,
    "CREATE INDEX codex_session_keys_thread ON codex_session_keys (thread_id)",
    `CREATE TABLE codex_session_turns (
      key TEXT NOT NULL, turn_key TEXT NOT NULL, runner TEXT NOT NULL, begun_at BIGINT NOT NULL,
      PRIMARY KEY (key, turn_key))`
  ]
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})

/** Whether the thread of a key may still have no history. Those of before have one. */
const newThreads = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe("ALTER TABLE codex_session_keys ADD COLUMN is_new INTEGER NOT NULL DEFAULT 0")
})

export const migrate = Migrator.make({})({
  loader: Migrator.fromRecord({ "0001_sessions": tables, "0002_new_threads": newThreads }),
  table: "codex_session_migrations"
})
