/** The store of sessions in PostgreSQL or SQLite. */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import type { BegunTurn, BoundThread, SessionStore } from "../SessionStore.ts"
import { append, appendAtOnce, type File, read } from "./sqlLines.ts"
import { migrate } from "./sqlMigrations.ts"
import { SessionFenced, SessionGap, SessionStoreUnavailable } from "./storeErrors.ts"

/** In one column as JSON, which can say every text; PostgreSQL's own text has no NUL. */
const Details = Schema.fromJsonString(Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  cwd: Schema.optionalKey(Schema.String),
  metadata: Schema.Record(Schema.String, Schema.String)
}))

const encodeDetails = ({ cwd, metadata, name }: BoundThread): Effect.Effect<string, Schema.SchemaError> =>
  Schema.encodeEffect(Details)({
    ...(Option.isSome(name) && { name: name.value }),
    ...(Option.isSome(cwd) && { cwd: cwd.value }),
    metadata
  })

interface KeyRow {
  readonly thread_id: string
  readonly details: string
  readonly is_new: number
}

const boundOf = ({ details, is_new, thread_id }: KeyRow): Effect.Effect<BoundThread, Schema.SchemaError> =>
  Effect.map(Schema.decodeEffect(Details)(details), ({ cwd, metadata, name }) => ({
    threadId: thread_id,
    name: Option.fromUndefinedOr(name),
    cwd: Option.fromUndefinedOr(cwd),
    metadata,
    ...(is_new === 1 && { isNew: true })
  }))

const rowOf = (key: string, thread: BoundThread) =>
  Effect.gen(function*() {
    return {
      key,
      thread_id: thread.threadId,
      details: yield* encodeDetails(thread),
      is_new: thread.isNew === true ? 1 : 0,
      bound_at: (yield* DateTime.now).epochMilliseconds
    }
  })

type Kept = SessionFenced | SessionGap
const isKept = <E>(error: E): error is Extract<E, Kept> => error instanceof SessionFenced || error instanceof SessionGap

/**
 * Ends each call in time, with a typed error. A driver may need seconds to give up a statement on a connection that
 * hangs; that goes on in the store's scope.
 */
const guard = (timeout: Duration.Duration, scope: Scope.Scope) => {
  const unavailable = (operation: string, cause: unknown) => new SessionStoreUnavailable({ operation, cause })
  return <A, E>(
    operation: string,
    effect: Effect.Effect<A, E>
  ): Effect.Effect<A, Extract<E, Kept> | SessionStoreUnavailable> =>
    Effect.forkIn(effect, scope).pipe(
      Effect.flatMap((fiber) =>
        Effect.onInterrupt(Fiber.join(fiber), () => Effect.forkIn(Fiber.interrupt(fiber), scope))
      ),
      Effect.timeout(timeout),
      Effect.catchDefect((defect) => Effect.fail(defect)),
      Effect.mapError((error) => isKept(error) ? error : unavailable(operation, error))
    )
}

export const make = (
  timeout: Duration.Duration
): Effect.Effect<SessionStore["Service"], SessionStoreUnavailable, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const call = guard(timeout, yield* Effect.scope)
    const now = Effect.map(DateTime.now, (now) => now.epochMilliseconds)
    // SQLite: a transaction that reads first could not become a writer after another process has written.
    const beginning = sql.onDialectOrElse({ sqlite: () => "BEGIN IMMEDIATE", orElse: () => undefined })
    const transaction = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> =>
      Effect.provideService(sql.withTransaction(effect), SqlClient.BeginTransaction, beginning)
    yield* call("prepare its tables", Effect.provideService(migrate, SqlClient.SqlClient, sql))

    /** All threads that these need, and they themselves, as the table `needed`. UNION ends at a cycle. */
    const needed = (threads: Fragment) =>
      sql`needed (thread_id) AS (${threads} UNION
        SELECT l.needed FROM codex_session_links l JOIN needed n ON l.thread_id = n.thread_id)`

    const lookup = (key: string) =>
      sql<KeyRow>`SELECT thread_id, details, is_new FROM codex_session_keys WHERE key = ${key}`.pipe(
        Effect.flatMap(([row]) => row ? Effect.asSome(boundOf(row)) : Effect.succeedNone)
      )

    const bind = Effect.fnUntraced(function*(key: string, thread: BoundThread) {
      const row = yield* rowOf(key, thread)
      // The update changes nothing: without it, the row of the first would not be returned.
      const [bound] = yield* sql<KeyRow>`INSERT INTO codex_session_keys ${sql.insert(row)}
        ON CONFLICT (key) DO UPDATE SET key = codex_session_keys.key RETURNING thread_id, details, is_new`
      return bound ? yield* boundOf(bound) : thread
    })

    // One row decides between `rebind` and `settle`, so that only one of them has its way.
    const rebind = Effect.fnUntraced(function*(key: string, lost: string, thread: BoundThread) {
      const { bound_at, details, is_new, thread_id } = yield* rowOf(key, thread)
      const replaced = yield* sql`UPDATE codex_session_keys
        SET thread_id = ${thread_id}, details = ${details}, is_new = ${is_new}, bound_at = ${bound_at}
        WHERE key = ${key} AND thread_id = ${lost} AND is_new = 1 RETURNING key`
      return replaced.length > 0 ? thread : yield* bind(key, thread)
    })

    const settle = (key: string, threadId: string) =>
      Effect.map(
        sql`UPDATE codex_session_keys SET is_new = 0 WHERE key = ${key} AND thread_id = ${threadId} RETURNING key`,
        (settled) => settled.length > 0
      )

    const begin = (key: string, turnKey: string, runner: string): Effect.Effect<BegunTurn, unknown> =>
      Effect.gen(function*() {
        const row = { key, turn_key: turnKey, runner, begun_at: yield* now }
        const begun = yield* sql`INSERT INTO codex_session_turns ${sql.insert(row)}
          ON CONFLICT (key, turn_key) DO NOTHING RETURNING key`
        if (begun.length > 0) return { isFirst: true, runner, at: DateTime.makeUnsafe(row.begun_at) }
        const [first] = yield* sql<{ runner: string; begun_at: number | bigint }>`SELECT runner, begun_at
          FROM codex_session_turns WHERE key = ${key} AND turn_key = ${turnKey}`
        // Forgotten between the two statements.
        if (first === undefined) return yield* begin(key, turnKey, runner)
        return { isFirst: false, runner: first.runner, at: DateTime.makeUnsafe(Number(first.begun_at)) }
      })

    const forget = Effect.fnUntraced(function*(threadId: string) {
      // The files first: an append that runs holds its row, and the next one finds none.
      const files = yield* sql<File>`DELETE FROM codex_session_files WHERE thread_id = ${threadId} RETURNING id`
      yield* Effect.forEach(files, ({ id }) => sql`DELETE FROM codex_session_lines WHERE file_id = ${id}`)
      yield* sql`DELETE FROM codex_session_turns WHERE key IN
        (SELECT key FROM codex_session_keys WHERE thread_id = ${threadId})`
      yield* sql`DELETE FROM codex_session_keys WHERE thread_id = ${threadId}`
      yield* sql`DELETE FROM codex_session_links WHERE thread_id = ${threadId} OR needed = ${threadId}`
    })

    const idle = (since: number) =>
      sql<{ thread_id: string }>`WITH RECURSIVE
        uses (thread_id, at) AS (
          SELECT thread_id, used_at FROM codex_session_files
          UNION ALL SELECT thread_id, bound_at FROM codex_session_keys
          UNION ALL SELECT k.thread_id, t.begun_at FROM codex_session_turns t JOIN codex_session_keys k ON k.key = t.key),
        ${needed(sql`SELECT thread_id FROM uses WHERE at >= ${since}`)}
        SELECT DISTINCT thread_id FROM uses WHERE thread_id NOT IN (SELECT thread_id FROM needed)`

    const files = (threadId: string) =>
      sql<File>`WITH RECURSIVE ${needed(sql`SELECT CAST(${threadId} AS TEXT)`)}
        SELECT id, thread_id, file, lines FROM codex_session_files
        WHERE thread_id IN (SELECT thread_id FROM needed) ORDER BY id`

    return {
      append: (lines) =>
        lines.lines.length === 0 ? Effect.void : call(
          "append lines",
          Effect.flatMap(
            appendAtOnce(sql, lines),
            (isDone) => isDone ? Effect.void : transaction(append(sql, lines))
          )
        ),
      link: (threadId, needed) =>
        call(
          "link threads",
          Effect.asVoid(sql`INSERT INTO codex_session_links ${sql.insert({ thread_id: threadId, needed })}
            ON CONFLICT DO NOTHING`)
        ),
      sizes: (threadId) =>
        call("look up sizes", sql<File>`SELECT file, lines FROM codex_session_files WHERE thread_id = ${threadId}`)
          .pipe(
            Effect.map((rows) => new Map(rows.map(({ file, lines }) => [file, lines])))
          ),
      load: (threadId) =>
        Stream.fromIterableEffect(call("load a thread", files(threadId))).pipe(
          Stream.flatMap((file) => read(sql, (query) => call("load a thread", query), file, 0, file.lines))
        ),
      bind: (key, thread) => call("bind a key", bind(key, thread)),
      rebind: (key, lost, thread) => call("bind a key", rebind(key, lost, thread)),
      settle: (key, threadId) => call("settle a key", settle(key, threadId)),
      lookup: (key) => call("look up a key", lookup(key)),
      begin: (key, turnKey, runner) => call("begin a turn", begin(key, turnKey, runner)),
      forget: (threadId) => call("forget a thread", transaction(forget(threadId))),
      idle: (since) =>
        Effect.map(
          call("list idle threads", idle(since.epochMilliseconds)),
          (rows) => rows.map(({ thread_id }) => thread_id)
        )
    }
  })
