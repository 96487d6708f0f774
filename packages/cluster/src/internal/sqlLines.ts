/** The lines of a thread's files in a database, in statements of a bounded size. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { SessionLines } from "../SessionStore.ts"
import { chunkBytes, runsOf, wellFormed } from "./lines.ts"
import { SessionFenced, SessionGap } from "./storeErrors.ts"

export interface File {
  /** A number, or a bigint: only handed back. */
  readonly id: number | bigint
  readonly thread_id: string
  readonly file: string
  readonly lines: number
}

// An interface would not be a record for `sql.insert`.
type Part = {
  readonly file_id: number | bigint
  readonly line: number
  readonly part: number
  readonly body: Uint8Array
}

/** Lines whose sizes are asked for at once; and rows of one statement, far below what databases take. */
const rowsAtOnce = 500

function* partsOf(file_id: number | bigint, first: number, lines: ReadonlyArray<string>): Generator<Part> {
  for (const [index, text] of lines.entries()) {
    const bytes = Buffer.from(text)
    for (let part = 0; part === 0 || part * chunkBytes < bytes.length; part++) {
      const body = bytes.subarray(part * chunkBytes, (part + 1) * chunkBytes)
      yield { file_id, line: first + index, part, body }
    }
  }
}

const textsOf = (parts: ReadonlyArray<Part>): ReadonlyArray<string> =>
  [...Map.groupBy(parts, ({ line }) => line).values()].map((ofLine) =>
    Buffer.concat(ofLine.map(({ body }) => body)).toString()
  )

/** The lines `from` to `to` of a file, in runs of at most a MiB. `step` wraps each query. */
export const read = <E>(
  sql: SqlClient.SqlClient,
  step: <A>(query: Effect.Effect<A, SqlError | Error>) => Effect.Effect<A, E>,
  { file, id, thread_id }: File,
  from: number,
  to: number
): Stream.Stream<SessionLines, E> => {
  const length = sql.literal(sql.onDialectOrElse({ pg: () => "octet_length(body)", orElse: () => "length(body)" }))
  const missing = () =>
    new Error(`lines of ${file} are missing: it was forgotten meanwhile, or the database is damaged.`)
  const sizes = (first: number, end: number) =>
    sql<{ bytes: number | bigint }>`SELECT sum(${length}) AS bytes FROM codex_session_lines
      WHERE file_id = ${id} AND line >= ${first} AND line < ${end} GROUP BY line ORDER BY line`.pipe(
      Effect.filterOrFail((rows) => rows.length === end - first, missing)
    )
  const texts = (first: number, count: number) =>
    sql<Part>`SELECT line, part, body FROM codex_session_lines
      WHERE file_id = ${id} AND line >= ${first} AND line < ${first + count} ORDER BY line, part`.pipe(
      Effect.map(textsOf),
      Effect.filterOrFail((lines) => lines.length === count, missing),
      Effect.map((lines): SessionLines => ({ threadId: thread_id, file, line: first, lines }))
    )
  const runs = Stream.paginate(from, (first) => {
    const end = Math.min(first + rowsAtOnce, to)
    return Effect.map(step(sizes(first, end)), (rows) => {
      let next = first
      const runs = Array.from(runsOf(rows, ({ bytes }) => Number(bytes)), ({ length }) => {
        next += length
        return { first: next - length, count: length }
      })
      return [runs, end < to ? Option.some(end) : Option.none<number>()] as const
    })
  })
  return to > from ? Stream.mapEffect(runs, ({ count, first }) => step(texts(first, count))) : Stream.empty
}

const fileOf = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, threadId: string, file: string) {
  // PostgreSQL: others wait here for the end of this transaction; SQLite lets in one writer at a time.
  const lock = sql.literal(sql.onDialectOrElse({ pg: () => "FOR UPDATE", orElse: () => "" }))
  const known = yield* sql<File>`SELECT id, thread_id, file, lines FROM codex_session_files
    WHERE thread_id = ${threadId} AND file = ${file} ${lock}`
  if (known[0] !== undefined) return known[0]
  const [made] = yield* sql<File>`INSERT INTO codex_session_files
    ${sql.insert({ thread_id: threadId, file, lines: 0, used_at: 0 })}
    ON CONFLICT (thread_id, file) DO UPDATE SET used_at = codex_session_files.used_at
    RETURNING id, thread_id, file, lines`
  return made ?? (yield* Effect.die(new Error("the database returned no row of an insert.")))
})

/**
 * PostgreSQL: appends in one statement to a file that ends where the lines begin, as nearly always. Returns whether it
 * did. A transaction would take six round trips.
 */
export const appendAtOnce = (
  sql: SqlClient.SqlClient,
  { file, line, lines, threadId }: SessionLines
): Effect.Effect<boolean, SqlError> =>
  sql.onDialectOrElse({
    orElse: () => Effect.succeed(false),
    pg: () =>
      Effect.gen(function*() {
        const [parts = [], ...more] = runsOf(partsOf(0, line, wellFormed(lines)), ({ body }) => body.length, rowsAtOnce)
        if (more.length > 0) return false
        const rows = sql.csv(
          parts.map(({ body, line, part }) =>
            sql`(CAST(${line} AS INTEGER), CAST(${part} AS INTEGER), CAST(${body} AS BYTEA))`
          )
        )
        const now = (yield* DateTime.now).epochMilliseconds
        const end = line + lines.length
        // Both wait for others that append to the file, then look again where it ends.
        const grown = line === 0
          ? sql`INSERT INTO codex_session_files
              ${sql.insert({ thread_id: threadId, file, lines: end, used_at: now })} ON CONFLICT (thread_id, file)
              DO UPDATE SET lines = ${end}, used_at = ${now} WHERE codex_session_files.lines = 0 RETURNING id`
          : sql`UPDATE codex_session_files SET lines = ${end}, used_at = ${now}
              WHERE thread_id = ${threadId} AND file = ${file} AND lines = ${line} RETURNING id`
        const stored = yield* sql`WITH file AS (${grown})
          INSERT INTO codex_session_lines (file_id, line, part, body)
          SELECT file.id, new.line, new.part, new.body FROM file, (VALUES ${rows}) AS new (line, part, body)
          RETURNING line`.unprepared
        return stored.length > 0
      })
  })

/** Appends in a transaction, whose caller provides it. */
export const append = Effect.fnUntraced(
  function*(sql: SqlClient.SqlClient, { file, line, lines, threadId }: SessionLines) {
    // A process that is frozen between two statements must not keep the others from going on.
    yield* sql.onDialectOrElse({
      pg: () => sql`SET LOCAL idle_in_transaction_session_timeout = 10000`,
      orElse: () => Effect.void
    })
    const stored = yield* fileOf(sql, threadId, file)
    if (line > stored.lines) return yield* new SessionGap({ threadId, file, line, stored: stored.lines })
    const texts = wellFormed(lines)
    const known = Math.min(stored.lines, line + texts.length)
    yield* read(sql, (query) => query, stored, line, known).pipe(
      Stream.runForEach((run) => {
        const other = run.lines.findIndex((text, index) => text !== texts[run.line - line + index])
        return other < 0
          ? Effect.void
          : Effect.fail(new SessionFenced({ threadId, file, line: run.line + other }))
      })
    )
    for (
      const rows of runsOf(partsOf(stored.id, known, texts.slice(known - line)), (part) => part.body.length, rowsAtOnce)
    ) {
      yield* sql`INSERT INTO codex_session_lines ${sql.insert(rows)}`.unprepared
    }
    const end = Math.max(stored.lines, line + texts.length)
    const now = (yield* DateTime.now).epochMilliseconds
    yield* sql`UPDATE codex_session_files SET lines = ${end}, used_at = ${now} WHERE id = ${stored.id}`
  }
)
