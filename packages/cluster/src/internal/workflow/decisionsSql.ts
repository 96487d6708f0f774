/** Keeps the questions of workflows in a table. */
import { visible } from "@effect-codex/client/internal/text/visibleText"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { Decisions, DecisionsUnavailable, Question, Stored } from "../../Decisions.ts"

export const make = Effect.fnUntraced(function*(options: {
  readonly question: Schema.Codec<Question, unknown>
  readonly unavailable: (operation: string, cause: unknown) => DecisionsUnavailable
}): Effect.fn.Return<Decisions["Service"], DecisionsUnavailable, SqlClient> {
  const sql = yield* SqlClient
  const Row = Schema.Struct({
    id: Schema.String,
    workflow: Schema.String,
    execution_id: Schema.String,
    name: Schema.String,
    asked_at: Schema.DateTimeUtcFromString,
    summary: Schema.String,
    question: Schema.fromJsonString(Schema.toCodecJson(options.question)),
    token: Schema.String,
    left_over: Schema.fromJsonString(Schema.Array(Schema.String))
  })
  const encode = Schema.encodeEffect(Row)
  const decode = Schema.decodeUnknownEffect(Row)
  const trying = (operation: string) => Effect.mapError((cause: unknown) => options.unavailable(operation, cause))
  const columns = sql`id, workflow, execution_id, name, asked_at, summary, question, token, left_over`

  const stored = (row: unknown): Effect.Effect<Stored, Schema.SchemaError> =>
    Effect.map(decode(row), ({ asked_at, execution_id, left_over, ...row }) => ({
      ...row,
      askedAt: asked_at,
      executionId: execution_id,
      left: left_over
    }))

  /** One that cannot be read must not hide the others. */
  const readable = (row: { readonly id: unknown }) =>
    stored(row).pipe(
      Effect.tapError((error) =>
        Effect.logWarning(`The question ${visible(String(row.id))} cannot be read, and waits on:`, error)
      ),
      Effect.option
    )

  yield* sql`CREATE TABLE IF NOT EXISTS codex_decisions (
    id VARCHAR(64) PRIMARY KEY,
    workflow TEXT NOT NULL,
    execution_id VARCHAR(255) NOT NULL,
    name TEXT NOT NULL,
    asked_at VARCHAR(64) NOT NULL,
    summary TEXT NOT NULL,
    question TEXT NOT NULL,
    token TEXT NOT NULL,
    left_over TEXT NOT NULL,
    decided INTEGER NOT NULL DEFAULT 0
  )`.pipe(
    // Two processes that create it at once disturb each other in PostgreSQL.
    Effect.retry({ times: 2 }),
    trying("create the table of questions")
  )

  return {
    open: Effect.fnUntraced(function*({ askedAt, executionId, left, ...question }) {
      const row = yield* encode({ ...question, asked_at: askedAt, execution_id: executionId, left_over: left })
      yield* sql`INSERT INTO codex_decisions ${sql.insert({ ...row })} ON CONFLICT (id) DO NOTHING`
    }, trying("store a question")),
    find: (id) =>
      sql`SELECT ${columns} FROM codex_decisions WHERE id = ${id}`.pipe(
        Effect.flatMap(([row]) => row === undefined ? Effect.succeedNone : Effect.asSome(stored(row))),
        trying("read a question")
      ),
    pending: sql<{ id: unknown }>`SELECT ${columns} FROM codex_decisions WHERE decided = 0 ORDER BY asked_at, id`.pipe(
      Effect.flatMap((rows) => Effect.forEach(rows, readable)),
      Effect.map(Arr.getSomes),
      trying("read the questions")
    ),
    close: (id) =>
      sql`UPDATE codex_decisions SET decided = 1 WHERE id = ${id}`.pipe(Effect.asVoid, trying("note a decision")),
    remove: (executionId) =>
      sql`DELETE FROM codex_decisions WHERE execution_id = ${executionId}`.pipe(
        Effect.asVoid,
        trying("remove questions")
      )
  }
})
