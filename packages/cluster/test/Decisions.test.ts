import { CodexCluster, Decisions, SqliteClient } from "@effect-codex/cluster"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, References } from "effect"
import { SqlClient } from "effect/sql"
import { DurableDeferred } from "effect/workflow"
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
    kind: "command",
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

  it.live("can be decided beside one that cannot be read, and fail with an error for what is stored wrongly", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const database = CodexCluster.layerSqliteClient({ filename: `${folder}/test.sqlite` })
      const services = yield* Layer.build(Layer.provideMerge(Decisions.layerSql, database))
      yield* Effect.gen(function*() {
        const decisions = yield* Decisions.Decisions
        const sql = yield* SqlClient.SqlClient
        const whyNot = (id: string) =>
          Effect.map(Effect.flip(Decisions.decide(id, { allow: true })), ({ _tag }) => _tag)
        const parsed = DurableDeferred.TokenParsed.make({
          workflowName: "Review",
          executionId: "2",
          deferredName: "decision/question/x"
        })
        yield* decisions.open(question("newer", "1", 1000))
        yield* sql`UPDATE codex_decisions SET question = '{"_tag":"FromTheFuture"}' WHERE id = 'newer'`
        yield* decisions.open(question("no token", "1", 2000))
        yield* decisions.open({ ...question("good", "2", 3000), token: parsed.asToken })
        assert.deepStrictEqual((yield* Decisions.pending).map(({ id }) => id), ["no token", "good"])
        assert.strictEqual(yield* whyNot("newer"), "DecisionsUnavailable")
        assert.strictEqual(yield* whyNot("no token"), "DecisionsUnavailable")
        yield* sql`ALTER TABLE cluster_messages RENAME TO away`
        assert.strictEqual(yield* whyNot("good"), "DecisionsUnavailable")
        yield* sql`ALTER TABLE away RENAME TO cluster_messages`
        yield* Decisions.decide("good", { allow: true })
        assert.strictEqual(yield* whyNot("good"), "DecisionNotFound")
      }).pipe(Effect.provideContext(services))
    }).pipe(
      // The warning of the one that cannot be read.
      Effect.provideService(References.MinimumLogLevel, "Error")
    ))

  it.live("are kept in PostgreSQL", () => onSql(Postgres.layer))
})
