import { Decisions, SqliteClient } from "@effect-codex/cluster"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import type { SqlClient } from "effect/sql"
import * as Postgres from "./support/postgres.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"

const question = (id: string, executionId: string, at: number): Decisions.Stored => ({
  id,
  workflow: "Review",
  executionId,
  name: "clean",
  askedAt: DateTime.makeUnsafe(at),
  summary: "run \"rm\"",
  question: {
    _tag: "Command",
    command: "rm 'ü\u0000\u001b'",
    cwd: null,
    reason: "why not",
    network: { host: "example.com", protocol: "https" },
    additionalPermissions: null
  },
  token: "token",
  left: ["one", "two"]
})

const contract = Effect.gen(function*() {
  const decisions = yield* Decisions.Decisions
  yield* decisions.open(question("b", "1", 2000))
  yield* decisions.open(question("a", "1", 3000))
  yield* decisions.open(question("c", "2", 1000))
  // The first stays: a crash may repeat it.
  yield* decisions.open({ ...question("b", "1", 9000), summary: "another" })
  const ids = Effect.map(Decisions.pending, (pending) => pending.map(({ id }) => id))
  assert.deepStrictEqual(yield* ids, ["c", "b", "a"])
  assert.deepStrictEqual(yield* decisions.find("b"), Option.some(question("b", "1", 2000)))
  assert.deepStrictEqual(yield* decisions.find("d"), Option.none())
  yield* decisions.close("b")
  assert.deepStrictEqual(yield* ids, ["c", "a"])
  assert.isTrue(Option.isSome(yield* decisions.find("b")))
  yield* decisions.remove("1")
  assert.deepStrictEqual(yield* ids, ["c"])
  assert.deepStrictEqual(yield* decisions.find("b"), Option.none())
})

/** Two processes build it at once, as workers that start together do. */
const onSql = <E>(sql: Layer.Layer<SqlClient.SqlClient, E>) =>
  Effect.gen(function*() {
    yield* Effect.all([Layer.build(Layer.fresh(Decisions.layerSql)), Layer.build(Layer.fresh(Decisions.layerSql))], {
      concurrency: 2
    })
    yield* Effect.provide(contract, Decisions.layerSql)
  }).pipe(Effect.scoped, Effect.provide(sql))

describe("the questions of workflows", () => {
  it.effect("are kept in memory", () => Effect.provide(contract, Decisions.layerMemory))

  it.live("are kept in SQLite", () =>
    Effect.flatMap(temporaryFolder, (folder) => onSql(SqliteClient.layer({ filename: `${folder}/test.sqlite` }))))

  it.live("are kept in PostgreSQL", () => onSql(Postgres.layer))
})
